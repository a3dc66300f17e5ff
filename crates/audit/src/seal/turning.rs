//! Whether the rows in the database go on from those in the log, or belong to another history.
//!
//! It promises that a database which was put back, rebuilt or moved is seen as such, that what its
//! transactions wrote before is sealed under the old epoch and what they write now under a new one,
//! and that the new one says what is no longer there.
//!
//! The attack it stops: the end of the trail is cut off and written again, so that the log would seem
//! to be about the new rows. It does not tell a cut from a restore that left no other trace: either is
//! told.

use jiff::Timestamp;

use super::LogReader;
use super::copied::Copied;
use super::source::{Moment, Wanted};
use crate::{EpochLeaf, Leaf, Result, RowLeaf};

/// So many entries are looked for in the database at a time.
const STEP: u64 = 4096;

/// Where the log stands.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    /// The epoch that goes on; `None` before the first.
    pub(super) epoch: Option<EpochLeaf>,
    /// The last row that was read in it, or what comes before its first.
    pub(super) place: (u64, i64),
    /// The last row that was sealed in it.
    pub(super) newest: Option<(u64, i64)>,
}

/// What is to be sealed next.
pub(super) enum Next {
    /// These rows, under the epoch that goes on.
    Rows(Vec<Copied>),
    /// These rows, under an epoch that ends after them.
    Rest(Vec<Copied>),
    /// The beginning of another epoch.
    Epoch(EpochLeaf),
}

impl Standing {
    /// Where a log stands that has no entry.
    pub(super) fn before_any() -> Self {
        Self { epoch: None, place: (0, i64::MIN), newest: None }
    }

    /// Where the log that `reader` reads stands, as the newest of its `epochs` and the entries behind it say.
    pub(super) async fn read(reader: &LogReader, epochs: &[(u64, EpochLeaf)]) -> Result<Self> {
        let Some((index, epoch)) = epochs.last() else { return Ok(Self::before_any()) };
        let newest = reader.last_row(*index..reader.size()).await?;
        let newest = newest.map(|row| (row.xid, row.id));
        let place = newest.unwrap_or((epoch.first_xid, i64::MIN));
        Ok(Self { epoch: Some(epoch.clone()), place, newest })
    }

    /// What comes next, at most `limit` rows of it.
    pub(super) async fn next(
        &self,
        moment: &Moment,
        reader: &LogReader,
        (now, limit): (Timestamp, usize),
    ) -> Result<Next> {
        let Some(epoch) = &self.epoch else {
            return Ok(Next::Epoch(begin(moment, 1, 0, now, "the log begins".to_owned())));
        };
        let number = epoch.epoch.saturating_add(1);
        if moment.system != epoch.system {
            // Transactions that this cluster has not had are those of the one before.
            let rows = moment.rows(self.place, Wanted::Foreign, limit).await?;
            if !rows.is_empty() {
                return Ok(Next::Rest(rows));
            }
            let why = format!(
                "the database is on another cluster than before, {} and not {}: its transactions are \
                 counted anew",
                moment.system, epoch.system
            );
            return Ok(Next::Epoch(begin(moment, number, 0, now, why)));
        }
        let is_there = match self.newest {
            Some(newest) => moment.has(newest).await?,
            None => true,
        };
        let same_line = moment.timeline == epoch.timeline;
        if is_there && same_line {
            return Ok(Next::Rows(moment.rows(self.place, Wanted::Finished, limit).await?));
        }
        let line = if same_line {
            String::new()
        } else {
            format!("timeline {} follows timeline {}: ", moment.timeline, epoch.timeline)
        };
        if is_there {
            // What one transaction wrote is all of one epoch.
            let mut rows = moment.rows(self.place, Wanted::Finished, limit).await?;
            rows.retain(|row| row.xid == self.place.0);
            if !rows.is_empty() {
                return Ok(Next::Rest(rows));
            }
            let why = format!("{line}the row that was sealed last is still there");
            let first = self.newest.map_or(epoch.first_xid, |(xid, _)| xid.saturating_add(1));
            return Ok(Next::Epoch(begin(moment, number, first, now, why)));
        }
        let (left, lost) = remains(moment, reader).await?;
        let first = left.map_or(0, |(xid, _)| xid.saturating_add(1));
        let after = left.map_or_else(
            || "none that was sealed is left".to_owned(),
            |(xid, id)| format!("the last that is left is row {id} of transaction {xid}"),
        );
        let why =
            format!("{line}the {lost} rows that were sealed last are no longer there; {after}");
        Ok(Next::Epoch(begin(moment, number, first, now, why)))
    }
}

fn begin(moment: &Moment, epoch: u32, first_xid: u64, now: Timestamp, why: String) -> EpochLeaf {
    let (system, timeline) = (moment.system, moment.timeline);
    EpochLeaf { epoch, at_micros: now.as_microsecond(), system, timeline, first_xid, why }
}

/// The last sealed row that is still there as it was sealed, and how many were sealed after it.
async fn remains(moment: &Moment, reader: &LogReader) -> Result<(Option<(u64, i64)>, u64)> {
    let (mut end, mut lost) = (reader.size(), 0_u64);
    while end > 0 {
        let start = end.saturating_sub(STEP);
        let mut leaves: Vec<RowLeaf> = Vec::new();
        for entry in reader.entries(start..end).await? {
            if let Leaf::Row(leaf) = Leaf::decode(&entry)? {
                leaves.push(leaf);
            }
        }
        if let Some(left) = moment.last_of(&leaves).await? {
            let at = leaves.iter().rposition(|leaf| (leaf.xid, leaf.id) == left);
            let after = leaves.len().saturating_sub(at.map_or(0, |at| at + 1));
            return Ok((Some(left), lost + after as u64));
        }
        lost += leaves.len() as u64;
        end = start;
    }
    Ok((None, lost))
}
