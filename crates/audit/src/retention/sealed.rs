//! The months that a log speaks of: how many rows were sealed of each, and in which parts of the log.
//!
//! All of the log is read for it, and it is believed only when its entries give the root that its key has
//! signed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tlog::{Edge, Hash, WIDTH};

use super::Month;
use crate::controls::SealedLog;
use crate::seal::LogReader;
use crate::verify::Signed;
use crate::{EpochLeaf, Error, Leaf, Result, RowLeaf};

/// How many entries are one part.
pub(crate) const PART: u64 = 2_048;

/// What was sealed.
#[derive(Debug, Clone)]
pub(crate) struct Sealed {
    /// The checkpoint that vouches for it.
    pub(crate) head: Signed,
    /// Each month with rows. Rows of the end of time have none, and are never removed.
    pub(crate) months: BTreeMap<Month, Rows>,
}

/// The rows of a month.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    /// How many were sealed. Those that a restore has undone are left out.
    pub(crate) count: u64,
    /// The parts of the log with entries of them, undone ones too.
    pub(crate) parts: BTreeSet<u64>,
    /// The first of them, by transaction and number, and the last.
    pub(crate) ends: Option<(RowLeaf, RowLeaf)>,
}

impl Rows {
    fn take(&mut self, row: RowLeaf) {
        let place = |row: &RowLeaf| (row.xid, row.id);
        self.count += 1;
        self.ends = Some(match self.ends.take() {
            Some((first, last)) if place(&row) < place(&first) => (row, last),
            Some((first, last)) if place(&row) > place(&last) => (first, row),
            Some(ends) => ends,
            None => (row, row),
        });
    }
}

/// Reads a log.
///
/// # Errors
/// When it cannot be read, has no checkpoint that can be believed, or is not what that vouches for.
pub(crate) async fn sealed(log: &SealedLog) -> Result<Sealed> {
    let keys = (log.keys)()?;
    let stored = log.shelf.checkpoint().await?;
    let stored = stored.ok_or_else(|| Error::Unsealed("it has no checkpoint yet".to_owned()))?;
    let head = Signed::open(&stored.note, &keys)?;
    let reader = LogReader::new(Arc::clone(&log.shelf), head.head.size);
    let epochs = reader.epochs().await?;
    let (mut months, mut edge) = (BTreeMap::<Month, Rows>::new(), Edge::default());
    for bundle in 0..head.head.size.div_ceil(WIDTH) {
        for (n, entry) in (bundle * WIDTH..).zip(reader.bundle(bundle).await?) {
            edge.push(Hash::leaf(&entry), |_, _| {});
            let Leaf::Row(row) = Leaf::decode(&entry)? else { continue };
            let Some(month) = Month::of_micros(row.at_micros) else { continue };
            let rows = months.entry(month).or_default();
            if !is_undone(&row, &epochs) {
                rows.take(row);
            }
            rows.parts.insert(n / PART);
        }
    }
    if edge.root() != head.head.root {
        let what = "its entries are not those that its checkpoint vouches for. `amanah audit verify` \
                    names them";
        return Err(Error::Damaged { place: log.shelf.place(), what: what.to_owned() });
    }
    Ok(Sealed { head, months })
}

/// Whether the database was put back to before this row, later.
pub(crate) fn is_undone(row: &RowLeaf, epochs: &[(u64, EpochLeaf)]) -> bool {
    let own = epochs.iter().find(|(_, epoch)| epoch.epoch == row.epoch);
    let Some((_, own)) = own else { return false };
    let mut later = epochs.iter().filter(|(_, later)| later.epoch > row.epoch);
    later.any(|(_, later)| later.system == own.system && later.first_xid <= row.xid)
}
