//! What is noted of a tenant that comes or goes, so that a crash loses no count.
//!
//! Rows go in a transaction of the shared database, and what was deleted is noted in the control
//! database; the two cannot end together. The same is true of a tenant's rows that come in, and its
//! files. So the number of the transaction is noted before its end, and whoever has lost the answer, or
//! begins again, asks the shared database what has become of it.

use jiff::Timestamp;
use kernel::TenantId;
use serde::{Deserialize, Serialize};
use store::{Db, Json, Tx};

use super::sql;
use crate::fleet::{Gone, GoneRows, made};
use crate::{Error, Result};

/// Which way a tenant goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It is imported.
    In,
    /// It is erased.
    Out,
}

/// What was done so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Noted {
    /// Keys, files and other things that were destroyed.
    pub(super) gone: Gone,
    /// Rows that were deleted.
    pub(super) rows: Deleted,
    /// A transaction whose end is not known, and the rows that it deletes.
    pub(super) pending: Option<(String, Deleted)>,
}

/// Rows that were deleted, and how long they were.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Deleted {
    pub(super) tables: Vec<GoneRows>,
    pub(super) bytes: i64,
}

impl Deleted {
    /// Adds what was deleted after it.
    pub(super) fn take(&mut self, more: Self) {
        self.bytes = self.bytes.saturating_add(more.bytes);
        for table in more.tables {
            match self.tables.iter_mut().find(|known| known.table == table.table) {
                Some(known) => known.rows = known.rows.saturating_add(table.rows),
                None => self.tables.push(table),
            }
        }
    }
}

/// The passage of one tenant in one database.
pub(super) struct Passage {
    pub(super) begun_at: Timestamp,
    pub(super) noted: Noted,
}

impl Way {
    const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// What was noted, when it went this way.
pub(super) async fn find(
    registry: &Db,
    (id, database): (&TenantId, &str),
    way: Way,
) -> Result<Option<Passage>> {
    let tx = registry.operator().await?;
    let row = tx.query_opt(sql::PASSAGE, &[&id.as_str(), &database]).await?;
    tx.rollback().await?;
    let row = row.filter(|row| row.get::<_, &str>(0) == way.as_str());
    Ok(row.map(|row| {
        let Json(noted) = row.get(2);
        Passage { begun_at: row.get(1), noted }
    }))
}

/// Notes it at once.
pub(super) async fn note(
    registry: &Db,
    (id, database): (&TenantId, &str),
    way: Way,
    passage: &Passage,
) -> Result<()> {
    let tx = registry.operator().await?;
    let (noted, way) = (Json(&passage.noted), way.as_str());
    let bound: store::Bound<'_> = &[&id.as_str(), &database, &way, &passage.begun_at, &noted];
    tx.execute(sql::NOTE, bound).await?;
    Ok(tx.commit().await?)
}

/// Forgets it, and which files were made: they are the tenant's own now, or gone.
pub(super) async fn forget(registry: &Db, (id, database): (&TenantId, &str)) -> Result<()> {
    let tx = registry.operator().await?;
    tx.execute(crate::fleet::sql::FORGET_PASSAGE, &[&id.as_str(), &database]).await?;
    made::forget(&tx, (id, database), false).await?;
    Ok(tx.commit().await?)
}

/// SQLSTATE: the server has not come to a transaction of this number.
const IN_THE_FUTURE: &str = "22023";

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Committed,
    Aborted,
    /// It may still end either way.
    Running,
    /// It was so long ago that the server has forgotten it, or the server was put back to a time before.
    Forgotten,
}

/// What became of the transaction of this number. `tx` is one of the same server.
pub(super) async fn fate(tx: &Tx, xid: &str) -> Result<Fate> {
    let status: Option<String> = match tx.attempt(sql::XID_STATUS, &[&xid]).await? {
        Ok(rows) => rows.first().and_then(|row| row.get(0)),
        Err(error) if error.sqlstate() == Some(IN_THE_FUTURE) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(match status.as_deref() {
        Some("committed") => Fate::Committed,
        Some("aborted") => Fate::Aborted,
        Some(_) => Fate::Running,
        None => Fate::Forgotten,
    })
}

/// Settles what became of a transaction that was noted before its end. `tx` is one of the same server;
/// `rows` says whether there are rows of the tenant now.
pub(super) async fn settle(tx: &Tx, id: &TenantId, noted: &mut Noted, rows: bool) -> Result<()> {
    let Some((xid, deleted)) = noted.pending.take() else { return Ok(()) };
    match fate(tx, &xid).await? {
        Fate::Running => return Err(Error::Taken(id.clone())),
        Fate::Aborted => {}
        // What is not there was deleted.
        Fate::Forgotten if rows => {}
        Fate::Committed | Fate::Forgotten => noted.rows.take(deleted),
    }
    Ok(())
}

/// What became of a tenant that was coming in, when one was.
///
/// # Errors
/// When that is not decided yet.
pub(super) async fn arrival(
    registry: &Db,
    which: (&TenantId, &str),
    tx: &Tx,
) -> Result<Option<Fate>> {
    let Some(passage) = find(registry, which, Way::In).await? else { return Ok(None) };
    // Without a number it has not come to its end.
    let Some((xid, _)) = passage.noted.pending else { return Ok(Some(Fate::Aborted)) };
    match fate(tx, &xid).await? {
        Fate::Running => Err(Error::Taken(which.0.clone())),
        fate => Ok(Some(fate)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Fate, fate};

    #[tokio::test]
    async fn a_server_that_was_put_back_has_forgotten() {
        let db = testkit::database(&[]).await;
        let tx = db.owner.operator().await.unwrap();
        let number = tx.query_one("SELECT pg_current_xact_id()::text", &[]).await.unwrap();
        let number: String = number.get(0);
        assert_eq!(fate(&tx, &number).await.unwrap(), Fate::Running);
        assert_eq!(fate(&tx, "9000000000").await.unwrap(), Fate::Forgotten);
        tx.rollback().await.unwrap();
        let tx = db.owner.operator().await.unwrap();
        assert_eq!(fate(&tx, &number).await.unwrap(), Fate::Aborted);
    }
}
