//! Which tables must be recorded, by the names that they had when a line was written.
//!
//! The plugin names a table as it was called at that moment, and a name can be lent: a table is renamed,
//! written to, and renamed back. So names are followed through the records of changes of structure, which
//! give the table's number too. What such a record says is believed only where the catalogue does not
//! say otherwise: whoever forges one ends the comparison of no table that is there.

use std::collections::BTreeMap;

use super::structure::Command;

/// A table, by schema and name.
pub(crate) type Name = (String, String);

/// A recorded table as the catalogue has it now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorded {
    pub(crate) name: Name,
    /// Its name as it stands in the records of changes of structure.
    pub(crate) identity: String,
    /// Whether it is a partition: it has its triggers from its first moment on.
    pub(crate) partition: bool,
    /// The columns of its key in the order of their names, where the log shows the key that a row had.
    pub(crate) key: Vec<String>,
}

/// A table whose writes must be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The number of the table.
    pub(crate) number: i64,
    /// From this place in the log on.
    pub(crate) since: u64,
}

/// What is known of the tables at a place in the log.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    known: BTreeMap<Name, Entry>,
    /// The recorded tables of this moment, by number.
    recorded: BTreeMap<i64, Recorded>,
    /// What those that are known are called now; of one that is gone, nothing.
    now: BTreeMap<i64, Name>,
    /// Tables that were made in what was read.
    made: BTreeMap<Name, i64>,
}

impl Tables {
    /// What was known when the last look ended, and the catalogue of now.
    pub(crate) fn new(
        known: BTreeMap<Name, Entry>,
        recorded: BTreeMap<i64, Recorded>,
        mut now: BTreeMap<i64, Name>,
    ) -> Self {
        now.extend(recorded.iter().map(|(number, table)| (*number, table.name.clone())));
        Self { known, recorded, now, made: BTreeMap::new() }
    }

    pub(crate) const fn known(&self) -> &BTreeMap<Name, Entry> {
        &self.known
    }

    /// Whether a line at `at` about this table must have its record.
    pub(crate) fn must(&self, table: &Name, at: u64) -> bool {
        self.known.get(table).is_some_and(|entry| entry.since <= at)
    }

    /// The columns of the key of a table, where they are known and shown.
    pub(crate) fn key(&self, table: &Name) -> Option<&[String]> {
        let recorded = self.recorded.get(&self.known.get(table)?.number)?;
        Some(recorded.key.as_slice()).filter(|key| !key.is_empty())
    }

    /// The number of the table that was made under this name in what was read.
    pub(crate) fn made(&self, table: &Name) -> Option<i64> {
        self.made.get(table).copied()
    }

    /// Whether the table of this number is recorded now.
    pub(crate) fn is_recorded(&self, number: i64) -> bool {
        self.recorded.contains_key(&number)
    }

    /// Takes in what a record at `at` says was done to the structure of the database.
    pub(crate) fn follow(&mut self, name: &Name, command: &Command, at: u64) {
        if command.dropped {
            self.dropped(command);
            return;
        }
        if let Some(number) = command.number {
            self.called(number, name, at);
            if command.makes_table() {
                self.made.insert(name.clone(), number);
                let born = |table: &Recorded| table.partition && table.name == *name;
                if self.recorded.get(&number).is_some_and(born) {
                    self.known.entry(name.clone()).or_insert(Entry { number, since: at });
                }
            }
        }
        if let Some(table) = command.recording() {
            let now = self.recorded.iter().find(|(_, recorded)| recorded.identity == table);
            if let Some((number, recorded)) = now {
                let entry = Entry { number: *number, since: at };
                self.known.entry(recorded.name.clone()).or_insert(entry);
            }
        }
    }

    /// The table of this number is called so from `at` on. The name that it has now stays known besides.
    fn called(&mut self, number: i64, name: &Name, at: u64) {
        let since = self.known.values().filter(|entry| entry.number == number);
        let Some(since) = since.map(|entry| entry.since).min() else { return };
        self.known.entry(name.clone()).or_insert(Entry { number, since: since.max(at) });
        let now = self.now.get(&number);
        self.known
            .retain(|other, entry| entry.number != number || other == name || now == Some(other));
    }

    /// A table was dropped, or what others went with: what is gone is known no longer. Partitions go
    /// with their table without a record of their own.
    fn dropped(&mut self, command: &Command) {
        let gone = |number: i64| !self.now.contains_key(&number);
        let real = match command.number {
            Some(number) => command.is_table() && gone(number),
            None => command.kind == "schema",
        };
        if real {
            self.known.retain(|_, entry| self.now.contains_key(&entry.number));
        }
    }

    /// What is known at the end of a look; `end` is the end of the log, where that was reached. Of what
    /// was not read yet, names are kept, and those that are new are so from the end on.
    pub(crate) fn ended(mut self, end: Option<u64>) -> BTreeMap<Name, Entry> {
        let Some(end) = end else { return self.known };
        // One that is gone without a record of it stays: what has its name now is recorded, or amiss.
        self.known.retain(|name, entry| self.now.get(&entry.number).is_none_or(|now| now == name));
        for (number, table) in &self.recorded {
            let new = Entry { number: *number, since: end };
            self.known.entry(table.name.clone()).or_insert(new).number = *number;
        }
        self.known
    }
}
