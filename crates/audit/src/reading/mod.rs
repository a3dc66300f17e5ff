//! Reading the trail as an auditor does: each reading leaves a row in the trail before anything of
//! it is seen.
//!
//! It promises that whoever gets rows here has a committed row about it: who asked, for what, why,
//! and how many rows that was. It takes three transactions (ask, count, read), so that the reader's
//! rollback, a lost connection or a kill undoes nothing of it, and whoever only asks learns nothing
//! ([`Reading`]). Everything is read a page at a time. Rows of months that were archived come in their place
//! among the others, in the same order and under the same filter, or it is said that they cannot be read.
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
pub(crate) mod matching;
mod pages;
pub(crate) mod sql;

use std::fmt;

use store::Db;

pub use export::{Export, Exported, Part};
pub use filter::{Filter, Key};
pub use format::{Format, NoFormat, Stamp, Writer, row_json};
pub use history::{History, Moment};

use crate::archive::{Beyond, Past};
use crate::{Result, TrailRow};
use pages::Pages;

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
    Ok(asked(reader, filter, purpose).await?.0)
}

/// The same, and how many rows of the database that is.
async fn asked(reader: &Db, filter: &Filter, purpose: &str) -> Result<(Ticket, u64)> {
    let tx = reader.operator().await?;
    tx.batch(sql::READING).await?;
    let asked: String = tx.query_one(sql::ASK, &[&filter.to_json(), &purpose]).await?.get(0);
    tx.commit().await?;
    let tx = reader.operator().await?;
    tx.batch(sql::READING).await?;
    let row = tx.query_one(sql::COUNT, &[&asked]).await?;
    let (ticket, counted): (String, i64) = (row.get(0), row.get(1));
    tx.commit().await?;
    Ok((Ticket(ticket), counted.unsigned_abs()))
}

/// The rows that were asked for, a page at a time, in the order of transaction and number.
pub struct Reading<'a> {
    near: Pages<'a>,
    past: Past<'a>,
    /// The next row of the database, and that of the archive.
    ahead: (Option<TrailRow>, Option<TrailRow>),
    /// So many of the next rows are older than those that were asked for.
    skip: u64,
}

impl<'a> Reading<'a> {
    /// Asks. Which months of the archive it reaches stands behind the purpose, in the row about it.
    ///
    /// # Errors
    /// As [`ask`], and when a month that it reaches is not in the archive.
    pub async fn open(
        reader: &'a Db,
        filter: Filter,
        purpose: &str,
        beyond: &'a Beyond,
    ) -> Result<Self> {
        let past = Past::open(reader, beyond, &filter).await?;
        let told = past.told();
        let purpose = match &told {
            Some(months) => format!("{purpose} [and {months}]"),
            None => purpose.to_owned(),
        };
        let limit = filter.limit.filter(|_| told.is_some());
        let (near, counted) = Pages::open(reader, filter, purpose).await?;
        let mut reading = Self { near, past, ahead: (None, None), skip: 0 };
        if let Some(limit) = limit {
            reading.bound(limit, counted).await?;
        }
        Ok(reading)
    }

    /// Of the newest rows of both places, leaves as many as were asked for.
    async fn bound(&mut self, limit: u32, counted: u64) -> Result<()> {
        self.ahead.0 = self.near.next().await?;
        // Where the database has as many, nothing before the first of them counts.
        let first = self.ahead.0.as_ref().map(|row| (row.xid, row.id));
        let first = first.filter(|_| counted >= u64::from(limit));
        let behind = first.unwrap_or((0, i64::MIN));
        let archived = self.past.seek_newest(limit, behind).await?;
        self.skip = (counted + archived).saturating_sub(u64::from(limit));
        Ok(())
    }

    /// Goes to the rows behind a place.
    pub fn seek(&mut self, behind: (u64, i64)) {
        self.near.seek(behind);
        self.past.seek(behind);
        (self.ahead, self.skip) = ((None, None), 0);
    }

    /// The next row.
    ///
    /// # Errors
    /// When the database refuses, or cannot be reached; when a month in the archive cannot be opened; and
    /// at the end, when a month was archived meanwhile.
    pub async fn next(&mut self) -> Result<Option<TrailRow>> {
        loop {
            let row = self.either().await?;
            if row.is_none() {
                self.past.end(self.near.reader()).await?;
                return Ok(None);
            }
            match self.skip.checked_sub(1) {
                Some(less) => self.skip = less,
                None => return Ok(row),
            }
        }
    }

    /// The next row of either place. What is in both is the database's.
    async fn either(&mut self) -> Result<Option<TrailRow>> {
        if self.ahead.0.is_none() {
            self.ahead.0 = self.near.next().await?;
        }
        if self.ahead.1.is_none() {
            self.ahead.1 = self.past.next().await?;
        }
        let place = |row: &TrailRow| (row.xid, row.id);
        let (near, past) = (self.ahead.0.as_ref().map(place), self.ahead.1.as_ref().map(place));
        match (near, past) {
            (Some(near), Some(past)) if near > past => Ok(self.ahead.1.take()),
            (Some(near), Some(past)) if near == past => {
                self.ahead.1 = None;
                Ok(self.ahead.0.take())
            }
            (Some(_), _) => Ok(self.ahead.0.take()),
            (None, _) => Ok(self.ahead.1.take()),
        }
    }
}
