//! The rows of a database that were asked for, a page at a time.

use std::collections::VecDeque;

use store::{Db, OperatorTx};

use super::sql;
use super::{Filter, Ticket, asked};
use crate::{Result, TrailRow};

/// The most rows in a page.
const MAX_PAGE: i64 = 1024;
/// What a page should hold of documents, in bytes: a row can have fifty million.
const PAGE_BYTES: usize = 4 << 20;
/// SQLSTATE of the trail's own refusals.
const REFUSED: &str = "TRAIL";

/// Those rows, in the order of transaction and number.
pub(super) struct Pages<'a> {
    reader: &'a Db,
    filter: Filter,
    purpose: String,
    ticket: Ticket,
    behind: (u64, i64),
    page: VecDeque<TrailRow>,
    size: i64,
    done: bool,
}

impl<'a> Pages<'a> {
    /// Asks; and how many rows that is.
    pub(super) async fn open(
        reader: &'a Db,
        filter: Filter,
        purpose: String,
    ) -> Result<(Self, u64)> {
        let (ticket, counted) = asked(reader, &filter, &purpose).await?;
        let page = VecDeque::new();
        let pages =
            Self { reader, filter, purpose, ticket, behind: (0, 0), page, size: 1, done: false };
        Ok((pages, counted))
    }

    /// Who reads.
    pub(super) const fn reader(&self) -> &'a Db {
        self.reader
    }

    /// Goes to the rows behind a place.
    pub(super) fn seek(&mut self, behind: (u64, i64)) {
        self.behind = behind;
        self.page.clear();
        self.done = false;
    }

    /// The next row. One that takes longer than the ticket is good for asks again, and leaves another
    /// row in the trail.
    pub(super) async fn next(&mut self) -> Result<Option<TrailRow>> {
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
            (self.ticket, _) = asked(self.reader, &self.filter, &self.purpose).await?;
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
