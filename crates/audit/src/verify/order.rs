//! The order in which entries may follow each other: epochs count up from 1, the rows of each in the
//! order of transaction and number, and an erasure after what it erases.

use super::damage::Kind;
use super::report::Told;
use crate::{EpochLeaf, Leaf};

/// What the entries so far allow.
#[derive(Debug, Default)]
pub(super) struct Order {
    epoch: Option<EpochLeaf>,
    /// The epoch that rows are of now.
    number: Option<u32>,
    last: Option<(u64, i64)>,
    /// Whether entries could not be read, so that an epoch may have begun unseen.
    gap: bool,
}

impl Order {
    /// Entries follow that cannot be read.
    pub(super) const fn gap(&mut self) {
        self.gap = true;
    }

    /// Takes the next entry in, and says what is wrong with its place; whether it stands where it can.
    /// An epoch that is `accepted` may come from wherever.
    pub(super) fn take(
        &mut self,
        n: u64,
        (leaf, accepted): (&Leaf, bool),
        told: &mut Told,
    ) -> bool {
        let wrong = match leaf {
            Leaf::Epoch(next) => self.epoch(next, accepted),
            Leaf::Row(row) => self.row(row.epoch, (row.xid, row.id)),
            Leaf::Erasure(erasure) if erasure.index >= n => {
                let what = format!("it erases entry {}, which comes later", erasure.index);
                Some((Kind::Unordered, what))
            }
            Leaf::Erasure(_) => None,
        };
        self.gap &= matches!(leaf, Leaf::Erasure(_));
        let fits = wrong.is_none();
        if let Some((kind, what)) = wrong {
            told.entry(kind, n, what);
        }
        fits
    }

    fn epoch(&mut self, next: &EpochLeaf, accepted: bool) -> Option<(Kind, String)> {
        let before = self.epoch.replace(next.clone());
        self.number = Some(next.epoch);
        self.last = None;
        if self.gap {
            return None;
        }
        let wanted = before.as_ref().map_or(1, |before| before.epoch.saturating_add(1));
        if next.epoch != wanted {
            let what = format!("it begins epoch {}, and {wanted} comes next", next.epoch);
            return Some((Kind::Epoch, what));
        }
        let place = |epoch: &EpochLeaf| (epoch.system, epoch.timeline);
        let same = before.is_some_and(|before| place(&before) == place(next));
        let (number, why) = (next.epoch, &next.why);
        // The sealer has seen that rows went, and neither a restore nor a move says why.
        let what = format!(
            "it begins epoch {number}, another history on the same cluster and timeline, for which nobody \
             answers: {why}"
        );
        (same && !accepted).then_some((Kind::Epoch, what))
    }

    fn row(&mut self, epoch: u32, place: (u64, i64)) -> Option<(Kind, String)> {
        if self.number != Some(epoch) {
            if !self.gap {
                let of = self.number.map_or("none".to_owned(), |number| number.to_string());
                let what = format!("it is of epoch {epoch}, among entries of {of}");
                return Some((Kind::Unordered, what));
            }
            (self.number, self.last) = (Some(epoch), None);
        }
        if self.last.is_some_and(|last| last >= place) {
            let (xid, id) = place;
            let what = format!("row {id} of transaction {xid} stands after a later one");
            return Some((Kind::Unordered, what));
        }
        self.last = Some(place);
        None
    }
}
