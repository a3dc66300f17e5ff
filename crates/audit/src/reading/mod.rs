//! Reading the trail as an auditor does: each reading leaves a row in the trail before anything of
//! it is seen.
//!
//! It promises that whoever gets rows here has a committed row about it: who asked, for what, why,
//! and how many rows that was. It takes three transactions (ask, count, read), so that the reader's
//! rollback, a lost connection or a kill undoes nothing of it, and whoever only asks learns nothing
//! ([`Reading`]). Everything is read a page at a time.
//!
//! The attack it stops: an auditor who looks and leaves no trace, and an owner of the database who
//! looks past the auditors' door (`sql/0003_reading.sql`, attacked by `controls/reads.rs`).
//!
//! It does not stop a superuser, nor what backups and replicas of the database show. A row about a
//! reading that was committed without waiting for the disk can be lost with a crash in that instant.

pub(crate) mod document;
mod export;
mod filter;
mod format;
mod history;
pub(crate) mod sql;

use std::collections::VecDeque;
use std::fmt;

use store::{Db, OperatorTx};

pub use export::{Export, Exported, Part};
pub use filter::{Filter, Key};
pub use format::{Format, NoFormat, Stamp, Writer, row_json};
pub use history::{History, Moment};

use crate::{Result, TrailRow};

/// The most rows in a page.
const MAX_PAGE: i64 = 1024;
/// What a page should hold of documents, in bytes: a row can have fifty million.
const PAGE_BYTES: usize = 4 << 20;
/// SQLSTATE of the trail's own refusals.
const REFUSED: &str = "TRAIL";

/// What opens a reading that was recorded, for a quarter of an hour, to the login that asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket(String);

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Records who asks for what, and why, and how many rows that is; it is committed when this returns.
///
/// # Errors
/// When the login may not read the trail, there is no purpose, or the filter asks for what there is
/// not. Nothing can be read then.
pub async fn ask(reader: &Db, filter: &Filter, purpose: &str) -> Result<Ticket> {
    let tx = reader.operator().await?;
    tx.batch(sql::READING).await?;
    let asked: String = tx.query_one(sql::ASK, &[&filter.to_json(), &purpose]).await?.get(0);
    tx.commit().await?;
    let tx = reader.operator().await?;
    tx.batch(sql::READING).await?;
    let ticket = tx.query_one(sql::COUNT, &[&asked]).await?.get(0);
    tx.commit().await?;
    Ok(Ticket(ticket))
}

/// The rows that were asked for, a page at a time, in the order of transaction and number.
pub struct Reading<'a> {
    reader: &'a Db,
    filter: Filter,
    purpose: String,
    ticket: Ticket,
    behind: (u64, i64),
    page: VecDeque<TrailRow>,
    size: i64,
    done: bool,
}

impl<'a> Reading<'a> {
    /// Asks.
    ///
    /// # Errors
    /// As [`ask`].
    pub async fn open(reader: &'a Db, filter: Filter, purpose: &str) -> Result<Self> {
        let ticket = ask(reader, &filter, purpose).await?;
        let (purpose, page) = (purpose.to_owned(), VecDeque::new());
        Ok(Self { reader, filter, purpose, ticket, behind: (0, 0), page, size: 4, done: false })
    }

    /// Goes to the rows behind a place.
    pub fn seek(&mut self, behind: (u64, i64)) {
        self.behind = behind;
        self.page.clear();
        self.done = false;
    }

    /// The next row. One that takes longer than the ticket is good for asks again, and leaves another
    /// row in the trail.
    ///
    /// # Errors
    /// When the database refuses, or cannot be reached.
    pub async fn next(&mut self) -> Result<Option<TrailRow>> {
        if self.page.is_empty() && !self.done {
            self.turn().await?;
        }
        Ok(self.page.pop_front())
    }

    async fn turn(&mut self) -> Result<()> {
        let mut rows = self.fetch().await;
        if let Err(error) = &rows
            && error.sqlstate() == Some(REFUSED)
        {
            self.ticket = ask(self.reader, &self.filter, &self.purpose).await?;
            rows = self.fetch().await;
        }
        let rows = rows?;
        self.done = i64::try_from(rows.len()).unwrap_or(MAX_PAGE) < self.size;
        let texts = |row: &TrailRow| {
            [&row.row_key, &row.old_data, &row.new_data]
                .into_iter()
                .flatten()
                .map(String::len)
                .sum::<usize>()
        };
        let bytes: usize = rows.iter().map(texts).sum();
        self.size = match bytes {
            large if large > PAGE_BYTES => (self.size / 2).max(1),
            small if small < PAGE_BYTES / 2 => (self.size * 2).min(MAX_PAGE),
            _ => self.size,
        };
        if let Some(last) = rows.last() {
            self.behind = (last.xid, last.id);
        }
        self.page.extend(rows);
        Ok(())
    }

    async fn fetch(&self) -> store::Result<Vec<TrailRow>> {
        let tx: OperatorTx = self.reader.operator().await?;
        tx.batch(sql::READING).await?;
        let (xid, id) = (self.behind.0.to_string(), self.behind.1);
        let rows = tx.query(sql::READ, &[&self.ticket.0, &xid, &id, &self.size]).await?;
        tx.rollback().await?;
        Ok(rows.iter().map(TrailRow::from_row).collect())
    }
}
