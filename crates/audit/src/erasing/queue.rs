//! The requests, as the control database keeps them.

use std::collections::BTreeSet;
use std::sync::Arc;

use kernel::Clock;
use store::{Db, OperatorTx, Row};

use super::choose::{Chosen, ContentState};
use super::sql;
use crate::{Error, Result};

/// The longest name and the longest reason, in bytes: both stand in the log with each row.
const MAX_NAME: usize = 200;
const MAX_REASON: usize = 700;

/// Erases contents of trails on request. Cheap to clone.
#[derive(Clone)]
pub struct Erasing {
    /// The control database, with [`crate::ERASING_ROOM`].
    pub(super) control: Db,
    pub(super) clock: Arc<dyn Clock>,
    /// Where a test ends it, as a kill would.
    #[cfg(test)]
    pub(crate) fault: Option<Fault>,
}

/// Where an erasure can be killed.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The log has the entries, and the queue does not know it.
    Entered,
    /// The contents are gone from the archive, and the queue does not know it.
    Archived,
    /// The transaction that erases is noted, and was not committed.
    Erasing,
    /// It was committed, and the queue does not know it.
    Erased,
    /// The contents are gone, and their space was not given back.
    Cleaning,
}

/// Who asks for an erasure.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// The name of the trail's log, and how many entries it has.
    pub log: (&'a str, u64),
    /// Who.
    pub by: &'a str,
    /// Why. It stays in the log for ever: no personal data.
    pub why: &'a str,
    /// How the rows were chosen, as [`super::Selection::told`] says it.
    pub chosen_by: &'a str,
}

/// That nobody else erases in a trail, nor archives months of it, until it is dropped.
pub struct Turn(pub(super) OperatorTx);

/// How a request stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Rows that it names.
    pub rows: i64,
    /// Of these, those whose erasure is not in the log yet.
    pub waiting: i64,
    /// Those whose content is gone.
    pub taken: i64,
    /// Whether nothing is left to do.
    pub finished: bool,
    /// Rows whose content cannot go, and why.
    pub refused: Vec<(i64, String)>,
}

/// A content that a request names.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) request: i64,
    pub(super) xid: String,
    pub(super) id: i64,
    pub(super) row_hash: Vec<u8>,
    pub(super) by: String,
    pub(super) why: String,
    pub(super) log_size: u64,
}

impl Named {
    pub(super) fn from_row(row: &Row) -> Self {
        Self {
            request: row.get(0),
            xid: row.get(1),
            id: row.get(2),
            row_hash: row.get(3),
            by: row.get(4),
            why: row.get(5),
            log_size: row.get::<_, i64>(6).unsigned_abs(),
        }
    }
}

impl Erasing {
    /// One that keeps its requests in `control`.
    pub const fn new(control: Db, clock: Arc<dyn Clock>) -> Self {
        Self {
            control,
            clock,
            #[cfg(test)]
            fault: None,
        }
    }

    #[cfg(test)]
    pub(super) fn killed_at(&self, step: Fault) -> Result<()> {
        if self.fault == Some(step) {
            Err(Error::Erasing("a kill by a test".into()))
        } else {
            Ok(())
        }
    }

    /// Notes that the contents of these rows are to go, those that can; its number. From here on it is
    /// finished, by whoever comes next.
    ///
    /// # Errors
    /// When nobody is named, or the name or the reason is too long; or a database does not answer.
    pub async fn ask(&self, superuser: &Db, asked: &Asked<'_>, rows: &[Chosen]) -> Result<i64> {
        let Asked { log: (log, size), by, why, chosen_by } = *asked;
        if by.trim().is_empty() || why.trim().is_empty() {
            return Err(Error::Erasing("it must be said who asks for it, and why".to_owned()));
        }
        if by.len() > MAX_NAME || why.len() > MAX_REASON {
            return Err(Error::Erasing(format!(
                "a name has {MAX_NAME} bytes at most and a reason {MAX_REASON}, since they stand in the log \
                 with each row"
            )));
        }
        let system = system(superuser).await?;
        let (database, now) = (&superuser.url().database, self.clock.now());
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let there: Vec<&Chosen> =
            rows.iter().filter(|row| row.content == ContentState::There).collect();
        let xids: Vec<String> = there.iter().map(|row| row.xid.to_string()).collect();
        let ids: Vec<i64> = there.iter().map(|row| row.id).collect();
        let hashes: Vec<&[u8]> = there.iter().map(|row| row.row_hash.as_slice()).collect();
        let tx = self.control.operator().await?;
        let bound: [&(dyn store::ToSql + Sync); 8] =
            [&log, &system, database, &by, &why, &chosen_by, &size, &now];
        let request: i64 = tx.query_one(sql::ASK, &bound).await?.get(0);
        tx.execute(sql::NAME, &[&request, &xids, &ids, &hashes]).await?;
        tx.commit().await?;
        Ok(request)
    }

    /// Waits for nobody: `None` while somebody else erases in the trail of this log, or archives it.
    ///
    /// # Errors
    /// When the control database does not answer.
    pub async fn turn(&self, log: &str) -> Result<Option<Turn>> {
        let tx = self.control.operator().await?;
        let free: bool = tx.query_one(sql::TRY_TURN, &[&log]).await?.get(0);
        Ok(free.then_some(Turn(tx)))
    }

    /// The logs that are to get an entry about an erasure.
    ///
    /// # Errors
    /// When the control database does not answer.
    pub async fn waiting_logs(&self) -> Result<BTreeSet<String>> {
        self.logs(sql::WAITING_LOGS).await
    }

    /// The logs with requests that are not finished.
    ///
    /// # Errors
    /// When the control database does not answer.
    pub async fn open_logs(&self) -> Result<BTreeSet<String>> {
        self.logs(sql::OPEN_LOGS).await
    }

    async fn logs(&self, sql: &str) -> Result<BTreeSet<String>> {
        let tx = self.control.operator().await?;
        let rows = tx.query(sql, &[]).await?;
        tx.rollback().await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// How a request stands.
    ///
    /// # Errors
    /// When the control database does not answer.
    pub async fn standing(&self, request: i64) -> Result<Standing> {
        let tx = self.control.operator().await?;
        let row = tx.query_one(sql::STANDING, &[&request]).await?;
        let refused = tx.query(sql::REFUSALS, &[&request]).await?;
        tx.rollback().await?;
        Ok(Standing {
            rows: row.get(0),
            waiting: row.get(1),
            taken: row.get(2),
            finished: row.get(3),
            refused: refused.iter().map(|row| (row.get(0), row.get(1))).collect(),
        })
    }

    /// Contents that a statement of the queue finds.
    pub(super) async fn named(&self, sql: &str, log: &str, limit: i64) -> Result<Vec<Named>> {
        let tx = self.control.operator().await?;
        let rows = tx.query(sql, &[&log, &limit]).await?;
        tx.rollback().await?;
        Ok(rows.iter().map(Named::from_row).collect())
    }

    /// Notes that a content cannot go.
    pub(super) async fn refuse(&self, one: &Named, why: &str) -> Result<()> {
        let tx = self.control.operator().await?;
        tx.execute(sql::REFUSED, &[&one.request, &one.xid, &one.id, &why]).await?;
        Ok(tx.commit().await?)
    }
}

/// Which cluster a database is on.
pub(super) async fn system(superuser: &Db) -> Result<String> {
    let tx = superuser.operator().await?;
    let system = tx.query_one(sql::SYSTEM, &[]).await?.get(0);
    tx.rollback().await?;
    Ok(system)
}
