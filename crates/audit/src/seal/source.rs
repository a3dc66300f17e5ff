//! The rows of the trail that are finished, in one moment of the database.
//!
//! It promises that no row below the horizon is missed and none above it is read: every transaction
//! with a lower number has ended, whenever it began and in whichever order they were committed. The
//! attack it stops: a row that is committed behind the reader's back, with a number lower than what
//! was read last.

use std::time::Duration;

use store::{Db, OperatorTx, literal};

use super::copied::{Copied, Copy};
use super::sql;
use crate::{Error, Result, RowLeaf, row};

/// One moment of the database.
pub(super) struct Moment {
    tx: OperatorTx,
    /// The cluster, as PostgreSQL numbers it.
    pub(super) system: u64,
    /// Its timeline.
    pub(super) timeline: u32,
    /// Every transaction below it has ended.
    pub(super) horizon: u64,
    /// The number that no transaction has had yet.
    pub(super) next: u64,
}

/// Which rows are wanted, all of them behind a place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted {
    /// Those of transactions that have ended.
    Finished,
    /// Those of transactions that this cluster has not had: they came from another one.
    Foreign,
}

impl Moment {
    /// This moment.
    pub(super) async fn of(db: &Db) -> Result<Self> {
        let tx = db.operator().await?;
        tx.batch(sql::ONE_MOMENT).await?;
        row::sees_all(&tx).await?;
        let row = tx.query_one(sql::MOMENT, &[]).await?;
        let system: i64 = row.get(0);
        let timeline: i32 = row.get(1);
        Ok(Self {
            tx,
            system: system.cast_unsigned(),
            timeline: timeline.cast_unsigned(),
            horizon: xid8(row.get(2))?,
            next: xid8(row.get(3))?,
        })
    }

    /// The first rows behind `place`, at most `limit`, in the order of (`xid`, `id`).
    pub(super) async fn rows(
        &self,
        place: (u64, i64),
        wanted: Wanted,
        limit: usize,
    ) -> Result<Vec<Copied>> {
        let (xid, id) = (literal(&place.0.to_string()), literal(&place.1.to_string()));
        let bound = match wanted {
            Wanted::Finished => format!("xid < {}::xid8", literal(&self.horizon.to_string())),
            Wanted::Foreign => format!("xid >= {}::xid8", literal(&self.next.to_string())),
        };
        // A copy takes no parameters.
        let sql = format!(
            "COPY (SELECT xid, id, event_timestamp, row_hash FROM audit.system_audit_logs
                    WHERE {bound} AND (xid, id) > ({xid}::xid8, {id}::int8)
                    ORDER BY xid, id LIMIT {limit}) TO STDOUT (FORMAT binary)"
        );
        let mut copy = Copy::default();
        self.tx.copy_each(&sql, &mut |piece| copy.take(piece)).await?;
        copy.finish()
    }

    /// Whether there is a row at this place.
    pub(super) async fn has(&self, (xid, id): (u64, i64)) -> Result<bool> {
        Ok(self.tx.query_one(sql::IS_THERE, &[&xid.to_string(), &id]).await?.get(0))
    }

    /// How long ago the first row at or beyond transaction `xid` was written, if there is one.
    pub(super) async fn age(&self, xid: u64) -> Result<Option<Duration>> {
        let row = self.tx.query_opt(sql::OLDEST, &[&xid.to_string()]).await?;
        // A row from the future is not waiting.
        Ok(row.map(|row| Duration::try_from_secs_f64(row.get(0)).unwrap_or_default()))
    }

    /// The last of these that is still there as it was sealed.
    pub(super) async fn last_of(&self, leaves: &[RowLeaf]) -> Result<Option<(u64, i64)>> {
        let xids: Vec<String> = leaves.iter().map(|leaf| leaf.xid.to_string()).collect();
        let ids: Vec<i64> = leaves.iter().map(|leaf| leaf.id).collect();
        let hashes: Vec<&[u8]> = leaves.iter().map(|leaf| &leaf.row_hash[..]).collect();
        let row = self.tx.query_opt(sql::LAST_OF, &[&xids, &ids, &hashes]).await?;
        row.map(|row| Ok((xid8(row.get(0))?, row.get(1)))).transpose()
    }

    /// Ends it; nothing was changed.
    pub(super) async fn end(self) -> Result<()> {
        Ok(self.tx.rollback().await?)
    }
}

/// PostgreSQL prints the number of a transaction in decimal.
pub(crate) fn xid8(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::Copied)
}
