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
            if let Some(last) = last_row(reader, *start..end).await? {
                former.epochs.push((*start..end, last));
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
            let mut at = begin(reader, range.clone(), first).await?;
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

/// The place of the last row in a range of entries.
pub(super) async fn last_row(reader: &LogReader, range: Range<u64>) -> Result<Option<(u64, i64)>> {
    let mut end = range.end;
    while end > range.start {
        let start = range.start.max(end.saturating_sub(STEP));
        for entry in reader.entries(start..end).await?.iter().rev() {
            if let Leaf::Row(leaf) = Leaf::decode(entry)? {
                return Ok(Some((leaf.xid, leaf.id)));
            }
        }
        end = start;
    }
    Ok(None)
}

/// An entry of an epoch before which there is no row at `place` or later.
async fn begin(reader: &LogReader, range: Range<u64>, place: (u64, i64)) -> Result<u64> {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        let mut at = middle;
        // The nearest row from there on says which half; behind the last one there is none.
        let found = loop {
            if at >= high {
                break None;
            }
            match reader.leaf(at).await? {
                Leaf::Row(leaf) => break Some((leaf.xid, leaf.id)),
                _ => at += 1,
            }
        };
        match found {
            Some(found) if found < place => low = at + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}
