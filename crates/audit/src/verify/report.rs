//! What was found so far, joined where neighbours have the same wrong.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::Timestamp;

use super::damage::{Damage, Kind};

/// The most findings of one kind that are kept; the others are counted.
const MAX_OF_A_KIND: usize = 1_000;

/// Where something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Rows, by the numbers of the first and the last, and how many.
    Rows { first: i64, last: i64, count: u64 },
    /// Entries of the log, by their numbers.
    Entries,
    /// Anything else, by its name.
    Named(String),
}

/// One thing that is wrong, before anybody has said since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) place: Place,
    pub(super) what: String,
    /// Which entries of the log speak of it.
    pub(super) entries: Option<Range<u64>>,
    /// When the newest row that it happened to was written.
    pub(super) written: Option<i64>,
    /// Which of the rows that were read it is, where no entry speaks of it.
    pub(super) nth: Option<u64>,
}

/// Everything that is wrong.
#[derive(Debug, Default)]
pub(super) struct Told {
    found: Vec<Found>,
    counts: BTreeMap<Kind, usize>,
    more: BTreeMap<Kind, u64>,
}

impl Found {
    pub(super) const fn new(kind: Kind, object: String, what: String) -> Self {
        Self { kind, place: Place::Named(object), what, entries: None, written: None, nth: None }
    }

    /// Whether `next` is the same thing, one further on.
    fn goes_on_with(&self, next: &Self) -> bool {
        let adjacent = match (&self.entries, &next.entries) {
            (Some(entries), Some(others)) => entries.end == others.start,
            (None, None) => self.nth.zip(next.nth).is_some_and(|(nth, next)| nth + 1 == next),
            _ => false,
        };
        let alike = matches!(
            (&self.place, &next.place),
            (Place::Rows { .. }, Place::Rows { .. }) | (Place::Entries, Place::Entries)
        );
        adjacent && alike && self.kind == next.kind && self.what == next.what
    }

    fn join(&mut self, next: Self) {
        if let (Some(entries), Some(others)) = (&mut self.entries, next.entries) {
            entries.end = others.end;
        }
        if let (Place::Rows { last, count, .. }, Place::Rows { last: end, count: more, .. }) =
            (&mut self.place, next.place)
        {
            *last = end;
            *count += more;
        }
        self.written = self.written.max(next.written);
        self.nth = next.nth;
    }

    fn object(&self) -> String {
        match (&self.place, &self.entries) {
            (Place::Rows { first, count: 1, .. }, _) => format!("row {first}"),
            (Place::Rows { first, last, count }, _) if last.abs_diff(*first) + 1 == *count => {
                format!("rows {first}–{last}")
            }
            (Place::Rows { first, last, count }, _) => {
                format!("{count} rows from {first} to {last}")
            }
            (Place::Named(name), _) => name.clone(),
            (Place::Entries, Some(entries)) if entries.end - entries.start == 1 => {
                format!("entry {}", entries.start)
            }
            (Place::Entries, Some(entries)) => {
                format!("entries {}–{}", entries.start, entries.end.saturating_sub(1))
            }
            (Place::Entries, None) => "entries".to_owned(),
        }
    }
}

impl Told {
    pub(super) fn say(&mut self, found: Found) {
        if let Some(last) = self.found.last_mut().filter(|last| last.goes_on_with(&found)) {
            last.join(found);
            return;
        }
        let count = self.counts.entry(found.kind).or_default();
        if *count < MAX_OF_A_KIND {
            *count += 1;
            self.found.push(found);
        } else {
            *self.more.entry(found.kind).or_default() += 1;
        }
    }

    pub(super) fn range(&mut self, kind: Kind, entries: Range<u64>, what: String) {
        let entries = Some(entries);
        self.say(Found { kind, place: Place::Entries, what, entries, written: None, nth: None });
    }

    pub(super) fn entry(&mut self, kind: Kind, n: u64, what: String) {
        self.range(kind, n..n + 1, what);
    }

    pub(super) fn file(&mut self, kind: Kind, path: String, what: String) {
        self.once(Found::new(kind, path, what));
    }

    /// Says it unless it was said.
    pub(super) fn once(&mut self, found: Found) {
        if !self.found.contains(&found) {
            self.say(found);
        }
    }

    /// Whether something was said of entries among these.
    pub(super) fn has_entries(&self, leaves: &Range<u64>) -> bool {
        let among = |entries: &Range<u64>| entries.start < leaves.end && leaves.start < entries.end;
        self.found
            .iter()
            .any(|found| found.place == Place::Entries && found.entries.as_ref().is_some_and(among))
    }

    /// Entries that are missing up to the end are a log that was cut.
    pub(super) fn cut_log(&mut self, size: u64) {
        if let Some(cut) = self.up_to(Kind::MissingBundle, size) {
            cut.kind = Kind::LogCut;
            "they are not there, and the checkpoint says that they are".clone_into(&mut cut.what);
        }
    }

    /// The last finding of a kind that reaches up to this entry.
    pub(super) fn up_to(&mut self, kind: Kind, end: u64) -> Option<&mut Found> {
        self.found.iter_mut().find(|found| {
            found.kind == kind && found.entries.as_ref().is_some_and(|entries| entries.end == end)
        })
    }

    pub(super) fn add(&mut self, other: Self) {
        other.found.into_iter().for_each(|found| self.say(found));
        for (kind, more) in other.more {
            *self.more.entry(kind).or_default() += more;
        }
    }

    /// All of it, each with the time since when; `whole` says until when an entry's row was known to
    /// be right.
    pub(super) fn damage(
        mut self,
        now: Timestamp,
        whole: impl Fn(&Range<u64>) -> Option<Timestamp>,
    ) -> Vec<Damage> {
        let mut all = Vec::new();
        for found in std::mem::take(&mut self.found) {
            let written = found.written.and_then(|at| Timestamp::from_microsecond(at).ok());
            let seen = found.entries.as_ref().and_then(&whole);
            all.push(Damage {
                kind: found.kind,
                object: found.object(),
                what: found.what,
                after: written.max(seen),
                before: now,
            });
        }
        for (kind, more) in self.more {
            let object = format!("{more} more");
            let what = "the same, not listed one by one".to_owned();
            all.push(Damage { kind, object, what, after: None, before: now });
        }
        all
    }
}
