//! The entries of earlier epochs, so that a row that was sealed in one is not sealed again.
//!
//! It promises to leave out exactly the rows that stand in the log already, with the same place and
//! the same hash. The attack it stops is none: a database that was moved or put back has rows from
//! before, and a log that said everything twice would be no count of what was written.

use std::ops::Range;

use super::copied::Copied;
use super::reader::LogReader;
use crate::{EpochLeaf, Leaf, Result};

/// So many entries are read at a time.
const STEP: u64 = 4096;

/// The entries of epochs that have ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Former {
    epochs: Vec<(Range<u64>, (u64, i64))>,
}

impl Former {
    /// Those before the last of `epochs`.
    pub(super) async fn read(reader: &LogReader, epochs: &[(u64, EpochLeaf)]) -> Result<Self> {
        let ends = epochs.iter().skip(1).map(|(index, _)| *index);
        let mut former = Self::default();
        for ((start, _), end) in epochs.iter().zip(ends) {
            // An epoch without a row has nothing to leave out.
            if let Some(last) = reader.last_row(*start..end).await? {
                former.epochs.push((*start..end, (last.xid, last.id)));
            }
        }
        Ok(former)
    }

    /// The rows, in order, that do not stand in the log yet.
    pub(super) async fn without(
        &self,
        reader: &LogReader,
        rows: Vec<Copied>,
    ) -> Result<Vec<Copied>> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(rows) };
        let (first, last) = (first.place(), last.place());
        let mut rows = rows;
        for (range, newest) in &self.epochs {
            if *newest < first {
                continue;
            }
            let Some((mut at, _)) = reader.first_row_at(range.clone(), first).await? else {
                continue;
            };
            let mut left = Vec::new();
            let mut waiting = std::mem::take(&mut rows).into_iter().peekable();
            'entries: while at < range.end {
                let end = range.end.min(at + STEP);
                for entry in reader.entries(at..end).await? {
                    let Leaf::Row(leaf) = Leaf::decode(&entry)? else { continue };
                    let place = (leaf.xid, leaf.id);
                    if place > last {
                        break 'entries;
                    }
                    while let Some(row) = waiting.next_if(|row| row.place() < place) {
                        left.push(row);
                    }
                    waiting.next_if(|row| row.place() == place && row.row_hash == leaf.row_hash);
                }
                at = end;
            }
            left.extend(waiting);
            rows = left;
        }
        Ok(rows)
    }
}
