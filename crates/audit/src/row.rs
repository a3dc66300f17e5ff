//! Rows of the trail, read back.

use jiff::Timestamp;
use store::{Db, Row, Tx};

use crate::encoding::{Content, Documents, Fields};
use crate::{Error, Result, reading, sql};

/// Microseconds from 1970 to 2000, where PostgreSQL's count begins.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// One row of `audit.system_audit_logs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailRow {
    /// Its number. Numbers have gaps where a write was rolled back.
    pub id: i64,
    /// When, by the database's clock, to the microsecond.
    pub event_timestamp: Timestamp,
    /// The transaction, as PostgreSQL counts them without wrapping.
    pub xid: u64,
    /// Whoever acted, from the binding; `None` when the session was bound to nobody.
    pub actor_id: Option<String>,
    /// In which tenant, from the binding.
    pub tenant_id: Option<String>,
    /// The login role of the session.
    pub db_user: String,
    /// What the application says the request was. It is not verified.
    pub request_id: Option<String>,
    /// `INSERT`, `UPDATE`, `DELETE`, `TRUNCATE` or `DDL`.
    pub action: String,
    /// The schema of the table; of whatever a `DDL` is about, empty where it has none.
    pub table_schema: String,
    /// The table; for a row in a partition, the partition. Empty for a `DDL` about something else.
    pub table_name: String,
    /// The primary key as an object, as PostgreSQL prints JSONB. `None` for `TRUNCATE`, `DDL`, for a
    /// table without a primary key, and after an erasure.
    pub row_key: Option<String>,
    /// The row before; of an `UPDATE` the columns that it changed, so that these over `new_data` are
    /// the whole of it.
    pub old_data: Option<String>,
    /// The row after; of a `DDL` what was done to what.
    pub new_data: Option<String>,
    /// What hides the content once it is erased. `None` in rows of the first form, and after an
    /// erasure.
    pub salt: Option<[u8; 16]>,
    /// The digest that stands for the content after an erasure.
    pub erased: Option<Vec<u8>>,
    /// The SHA-256 that was stored with it.
    pub row_hash: Vec<u8>,
}

impl TrailRow {
    pub(crate) fn from_row(row: &Row) -> Self {
        let xid: String = row.get(2);
        let salt: Option<Vec<u8>> = row.get(14);
        Self {
            id: row.get(0),
            event_timestamp: row.get(1),
            // PostgreSQL prints an xid8 in decimal; anything else could only fail the hash.
            xid: xid.parse().unwrap_or_default(),
            actor_id: row.get(3),
            tenant_id: row.get(4),
            db_user: row.get(5),
            request_id: row.get(6),
            action: row.get(7),
            table_schema: row.get(8),
            table_name: row.get(9),
            row_key: row.get(10),
            old_data: row.get(11),
            new_data: row.get(12),
            row_hash: row.get(13),
            // A uuid has no other length.
            salt: salt.and_then(|salt| salt.try_into().ok()),
            erased: row.get(15),
        }
    }

    /// The SHA-256 over the row as it is now.
    pub fn digest(&self) -> [u8; 32] {
        let fields = Fields {
            id: self.id,
            at_micros: self.event_timestamp.as_microsecond() - EPOCH_MICROS,
            xid: self.xid,
            actor_id: self.actor_id.as_deref(),
            tenant_id: self.tenant_id.as_deref(),
            db_user: &self.db_user,
            request_id: self.request_id.as_deref(),
            action: &self.action,
            table_schema: &self.table_schema,
            table_name: &self.table_name,
            content: self.content(),
        };
        fields.digest()
    }

    /// What was recorded, or what is left of it.
    pub fn content(&self) -> Content<'_> {
        let documents = Documents {
            row_key: self.row_key.as_deref(),
            old_data: self.old_data.as_deref(),
            new_data: self.new_data.as_deref(),
        };
        let empty = documents == Documents { row_key: None, old_data: None, new_data: None };
        match (self.salt, self.erased.as_deref().map(<[u8; 32]>::try_from)) {
            (Some(salt), None) => Content::Whole { salt, documents },
            (None, None) => Content::First(documents),
            (None, Some(Ok(digest))) if empty => Content::Erased(digest),
            // Neither whole nor erased: no row has the digest that is all zeros.
            _ => Content::Erased([0; 32]),
        }
    }

    /// Takes its content out and leaves the digest that stands for it; `false` when there is no content,
    /// or none that can be erased: the hash of a row in the first form is over the content itself.
    pub(crate) fn erase(&mut self) -> bool {
        let Content::Whole { .. } = self.content() else { return false };
        let Some(digest) = self.content().digest() else { return false };
        self.erased = Some(digest.to_vec());
        (self.salt, self.row_key, self.old_data, self.new_data) = (None, None, None, None);
        true
    }

    /// Whether its content was erased.
    pub fn is_erased(&self) -> bool {
        matches!(self.content(), Content::Erased(_))
    }

    /// Whether the row is what it was when its hash was taken.
    pub fn is_whole(&self) -> bool {
        // A public value: nothing is learned from how long the comparison takes.
        self.row_hash == self.digest()
    }
}

/// Makes the partitions of the trail that are due: this month's and those of the three months after
/// it. Returns how many were made; none where the trail has its first form still, which only a
/// superuser may change.
///
/// # Errors
/// When a lock is not free in time; what is due is made the next time, and rows without a month of
/// their own are recorded all the same.
pub async fn make_partitions(owner: &Db) -> Result<u32> {
    let tx = owner.operator().await?;
    tx.batch(sql::CLOSED_PATH).await?;
    if tx.query_opt(sql::MAKES_PARTITIONS, &[]).await?.is_none() {
        tx.rollback().await?;
        return Ok(0);
    }
    let made: i32 = tx.query_one(sql::MAKE_PARTITIONS, &[]).await?.get(0);
    tx.commit().await?;
    Ok(made.unsigned_abs())
}

/// Refuses a login that would see a part of the trail alone: what it does not see would look removed.
pub(crate) async fn sees_all(tx: &Tx) -> Result<()> {
    match tx.query_opt(reading::sql::HIDES, &[]).await? {
        Some(row) if row.get(0) => Err(Error::NoReader),
        _ => Ok(()),
    }
}

/// The row of this number.
pub(crate) async fn numbered(tx: &Tx, id: i64) -> Result<Option<TrailRow>> {
    let sql = format!("{} WHERE id = $1", sql::ROW);
    let row = tx.query_opt(&sql, &[&id]).await?;
    Ok(row.as_ref().map(TrailRow::from_row))
}

/// The newest row that this transaction has left so far; 0 when there is none.
pub(crate) async fn newest(tx: &Tx) -> Result<i64> {
    Ok(tx.query_one(sql::NEWEST, &[]).await?.get(0))
}

/// A row that a transaction left, beside it what it says without some columns, and whether it shows
/// none of these.
pub(crate) struct Left {
    pub(crate) row: TrailRow,
    /// The whole row before.
    pub(crate) was: Option<String>,
    /// The row after.
    pub(crate) becomes: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) discreet: bool,
    /// When it was read, by the database's clock.
    pub(crate) read_at: Timestamp,
}

/// What this transaction left in the trail on a table, by schema and name, after the row `since`.
pub(crate) async fn since(
    tx: &Tx,
    since: i64,
    (schema, table): (&str, &str),
    hidden: &[String],
) -> Result<Vec<Left>> {
    let rows = tx.query(sql::OF_THIS_TRANSACTION, &[&since, &schema, &table, &hidden]).await?;
    let read = |row: &Row| Left {
        row: TrailRow::from_row(row),
        was: row.get(16),
        becomes: row.get(17),
        key: row.get(18),
        discreet: row.get(19),
        read_at: row.get(20),
    };
    Ok(rows.iter().map(read).collect())
}
