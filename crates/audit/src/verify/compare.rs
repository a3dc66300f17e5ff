//! Rows against the entries that were made of them, one pair after the other.
//!
//! It does no I/O and keeps nothing but what is wrong.

use std::collections::HashMap;
use std::ops::Range;

use tlog::Hash;

use super::damage::Kind;
use super::hashes::Hashes;
use super::report::{Found, Place, Told};
use super::survey::Survey;
use crate::{EpochLeaf, Leaf, RowLeaf, TrailRow};

/// The most rows and entries that do not fit and are held against each other.
const MAX_MISFITS: usize = 10_000;
const GONE: &str = "sealed, and no longer there";
const UNDONE: &str = "sealed, and gone with a later epoch that nobody answers for: say what it was with \
                      `amanah audit accept-epoch`, if it was a restore";

/// A row of the trail, as much of it as is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(super) xid: u64,
    pub(super) id: i64,
    pub(super) at_micros: i64,
    /// The hash that stands beside it; `None` where that is none.
    pub(super) stored: Option<[u8; 32]>,
    /// The hash over what it is now; `None` where it cannot be a row of a trail.
    pub(super) own: Option<[u8; 32]>,
    /// Whether its content was taken out.
    pub(super) erased: bool,
}

impl Sight {
    /// Its number.
    pub(crate) const fn id(&self) -> i64 {
        self.id
    }

    /// Where it stands in the order of the log.
    pub(crate) const fn place(&self) -> (u64, i64) {
        (self.xid, self.id)
    }

    /// What is compared of a row that was read elsewhere.
    pub(crate) fn of_row(row: &TrailRow) -> Self {
        Self {
            xid: row.xid,
            id: row.id,
            at_micros: row.event_timestamp.as_microsecond(),
            stored: row.row_hash.as_slice().try_into().ok(),
            own: Some(row.digest()),
            erased: row.is_erased(),
        }
    }

    /// Whether it has the hash that stands beside it.
    pub(crate) fn fits(&self) -> bool {
        self.stored.is_some() && self.stored == self.own
    }
}

/// A row's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) index: u64,
    pub(super) leaf: RowLeaf,
}

/// Up to where rows are sealed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Horizon {
    /// The last row that was, or the place before the first one of the epoch.
    pub(super) sealed: (u64, i64),
    /// The transaction that the database begins next: none so far has this number or a higher one.
    pub(super) next_xid: u64,
}

/// How much was compared.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Counts {
    /// Rows that were read.
    pub(super) rows: u64,
    /// Of these, those of the archive.
    pub(super) archived: u64,
    /// Rows that are what was sealed.
    pub(super) whole: u64,
    /// Rows whose content was erased and that fit their entry.
    pub(super) erased: u64,
    /// Rows that were written since the checkpoint.
    pub(super) unsealed: u64,
    /// Entries of rows that are gone with an epoch that somebody answers for.
    pub(super) undone: u64,
    /// Rows of which nothing can be said, since nobody vouches for their entries.
    pub(super) unsaid: u64,
    /// How the rows fit their own SHA-256, whatever was sealed.
    pub(super) hashes: Hashes,
}

/// A row that does not fit, or an entry that has none.
struct Misfit {
    kind: Kind,
    id: i64,
    entry: Option<Sealed>,
    /// The hash that is seen beside the row.
    seen: Option<[u8; 32]>,
    nth: u64,
    what: &'static str,
}

/// The comparison.
pub(super) struct Judge<'a> {
    survey: &'a Survey,
    horizon: Horizon,
    counts: Counts,
    told: Told,
    /// What does not fit, until it is known what belongs to what.
    misfits: Vec<Misfit>,
    /// Which entries are the last ones, if they have no rows.
    tail: Option<Range<u64>>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(survey: &'a Survey, horizon: Horizon) -> Self {
        Self {
            survey,
            horizon,
            counts: Counts::default(),
            told: Told::default(),
            misfits: Vec::new(),
            tail: None,
        }
    }

    /// Rows that were read so far.
    pub(super) const fn rows(&self) -> u64 {
        self.counts.rows
    }

    /// A row with the entry of its place.
    pub(super) fn pair(&mut self, entry: Sealed, row: &Sight) {
        self.counts.rows += 1;
        self.tail = None;
        if self.survey.doubted.iter().any(|range| range.contains(&entry.index)) {
            self.counts.unsaid += 1;
            return;
        }
        let leaf = &entry.leaf;
        let erasure = self.survey.erased.contains(&entry.index);
        let content = row.own == Some(leaf.row_hash) && row.at_micros == leaf.at_micros;
        let stored = row.stored == Some(leaf.row_hash);
        let (kind, what) = match (content, stored) {
            (true, true) if row.erased == erasure => {
                self.counts.whole += 1;
                self.counts.erased += u64::from(erasure);
                return;
            }
            (true, true) if row.erased => {
                (Kind::ErasedSilently, "the content is gone, and no entry of the log says why")
            }
            (true, true) => {
                (Kind::NotErased, "the log says that the content was erased, and it is still there")
            }
            (true, false) => (
                Kind::HashChanged,
                "the hash beside it was changed; the content is what was sealed",
            ),
            (false, true) => {
                (Kind::Edited, "its content is not what its hash says, which was sealed")
            }
            (false, false) if row.own.is_some() && row.stored == row.own => (
                Kind::Rehashed,
                "its content and its hash fit each other, and are not what was sealed",
            ),
            (false, false) => {
                (Kind::Edited, "its content is not what its hash says, nor is that what was sealed")
            }
        };
        let seen = row.stored.filter(|_| !stored);
        self.misfit(Misfit {
            kind,
            id: row.id,
            entry: Some(entry),
            seen,
            nth: self.counts.rows,
            what,
        });
    }

    /// An entry whose row nobody can read now.
    pub(super) const fn unsaid(&mut self) {
        self.counts.unsaid += 1;
    }

    /// An entry without a row.
    pub(super) fn bereft(&mut self, entry: Sealed) {
        let (id, nth) = (entry.leaf.id, self.counts.rows);
        let gone = |kind, what| Misfit { kind, id, entry: Some(entry), seen: None, nth, what };
        match self.undone_by(&entry.leaf) {
            Some(epoch) if self.survey.accepts(epoch) => {
                self.counts.undone += 1;
                return;
            }
            Some(_) => return self.misfit(gone(Kind::Undone, UNDONE)),
            None => {}
        }
        match &mut self.tail {
            Some(tail) => tail.end = entry.index + 1,
            None => self.tail = Some(entry.index..entry.index + 1),
        }
        self.misfit(gone(Kind::Missing, GONE));
    }

    /// A row without an entry.
    pub(super) fn alone(&mut self, row: &Sight) {
        self.counts.rows += 1;
        if self.is_vouched(row) {
            self.counts.whole += 1;
            return;
        }
        let (kind, what) = if row.xid >= self.horizon.next_xid {
            (Kind::Foreign, "no transaction has its number yet")
        } else if (row.xid, row.id) > self.horizon.sealed {
            self.counts.unsealed += 1;
            if row.stored.is_some() && row.stored == row.own {
                return;
            }
            (Kind::Edited, "not sealed yet, and its content is not what its hash says")
        } else {
            (Kind::Foreign, "it stands among sealed rows, and was never sealed")
        };
        let seen = row.stored.or(row.own);
        self.misfit(Misfit { kind, id: row.id, entry: None, seen, nth: self.counts.rows, what });
    }

    /// What was found, after the last row and the last entry.
    pub(super) fn finish(mut self) -> (Counts, Told) {
        self.tell();
        self.name_the_tail();
        (self.counts, self.told)
    }

    /// The entry of the first later epoch that says that the database was put back to before this row.
    /// It goes on on the same cluster, where transactions count on, and on another timeline, unless
    /// somebody answers for it.
    fn undone_by(&self, leaf: &RowLeaf) -> Option<u64> {
        let epochs = &self.survey.epochs;
        let (_, own) = epochs.iter().find(|(_, epoch)| epoch.epoch == leaf.epoch)?;
        let back = |entry: u64, later: &EpochLeaf| {
            let other = own.timeline != later.timeline || self.survey.accepts(entry);
            own.system == later.system && other
        };
        let mut later = epochs.iter().filter(|(_, later)| later.epoch > leaf.epoch);
        let undone = later.find(|(entry, one)| one.first_xid <= leaf.xid && back(*entry, one));
        undone.map(|(entry, _)| *entry)
    }

    /// Whether an entry that cannot be read was made of exactly this row.
    fn is_vouched(&self, row: &Sight) -> bool {
        let Some(row_hash) = row.own.filter(|own| row.stored == Some(*own)) else { return false };
        if self.survey.vouched.is_empty() {
            return false;
        }
        let epochs = self.survey.epochs.iter().map(|(_, epoch)| epoch.epoch);
        let mut epochs = epochs.chain(self.survey.numbers.iter().copied()).chain([1]);
        epochs.any(|epoch| {
            let leaf =
                RowLeaf { epoch, xid: row.xid, id: row.id, at_micros: row.at_micros, row_hash };
            let bytes = Leaf::Row(leaf).encode().unwrap_or_default();
            self.survey.vouched.contains_key(&Hash::leaf(&bytes))
        })
    }

    fn misfit(&mut self, misfit: Misfit) {
        self.misfits.push(misfit);
        if self.misfits.len() >= MAX_MISFITS {
            self.tell();
        }
    }

    /// Says what does not fit: where the hash that was sealed for one row is seen beside another, the
    /// rows stand in each other's place.
    fn tell(&mut self) {
        let misfits = std::mem::take(&mut self.misfits);
        let seen = misfits.iter().filter_map(|misfit| Some((misfit.seen?, misfit.id)));
        let seen: HashMap<[u8; 32], i64> = seen.collect();
        let sealed = misfits.iter().filter_map(|misfit| misfit.entry.map(|entry| entry.leaf));
        // Where a row is seen, by where it was sealed, and the other way round.
        let moved = sealed.filter_map(|leaf| Some((leaf.id, *seen.get(&leaf.row_hash)?)));
        let moved: HashMap<i64, i64> = moved.collect();
        let came_from: HashMap<i64, i64> = moved.iter().map(|(from, to)| (*to, *from)).collect();
        for misfit in misfits {
            let other = came_from.get(&misfit.id).copied().filter(|_| misfit.seen.is_some());
            match other {
                // Its row is seen elsewhere, and is named there.
                None if misfit.kind == Kind::Missing && moved.contains_key(&misfit.id) => {}
                None => self.say(&misfit),
                Some(other) if other == misfit.id => {
                    let what = "it was sealed under another transaction";
                    self.say(&Misfit { kind: Kind::Moved, what, ..misfit });
                }
                Some(other) => {
                    self.displaced(&misfit, other, moved.get(&misfit.id) == Some(&other));
                }
            }
        }
    }

    /// A row that has the hash of another one.
    fn displaced(&mut self, misfit: &Misfit, other: i64, both: bool) {
        let id = misfit.id;
        let found = if both {
            let what = "each has the hash that was sealed for the other".to_owned();
            Found::new(Kind::Swapped, format!("rows {} and {}", id.min(other), id.max(other)), what)
        } else {
            let what = format!("it has the hash that was sealed for row {other}");
            Found::new(Kind::Moved, format!("row {id}"), what)
        };
        self.told.once(found);
    }

    fn say(&mut self, misfit: &Misfit) {
        let Misfit { kind, id, entry, nth, what, .. } = *misfit;
        self.told.say(Found {
            kind,
            place: Place::Rows { first: id, last: id, count: 1 },
            what: what.to_owned(),
            entries: entry.map(|entry| entry.index..entry.index + 1),
            written: entry.map(|entry| entry.leaf.at_micros),
            nth: Some(nth),
        });
    }

    /// Rows that are missing up to the newest sealed one were cut off; all of them, the trail emptied.
    fn name_the_tail(&mut self) {
        let Some(tail) = self.tail.take() else { return };
        let all = self.counts.whole == 0 && tail.start <= 1;
        if let Some(cut) = self.told.up_to(Kind::Missing, tail.end) {
            cut.kind = if all { Kind::Emptied } else { Kind::Cut };
            cut.what = format!("{GONE}, up to the newest sealed row");
        }
    }
}
