//! Which tables must be recorded, by the names that they had when a line was written.
//!
//! The plugin names a table as it was called at that moment, and a name can be lent: a table is renamed,
//! written to, and renamed back. So names are followed through the records of changes of structure, which
//! give the table's number too. What such a record says is believed only where the catalogue does not
//! say otherwise: whoever forges one ends the comparison of no table that is there.

use std::collections::BTreeMap;

use super::names::Names;
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
    /// What else has a name.
    pub(crate) names: Names,
}

impl Tables {
    /// What was known when the last look ended, and the catalogue of now.
    pub(crate) fn new(
        known: BTreeMap<Name, Entry>,
        recorded: BTreeMap<i64, Recorded>,
        mut now: BTreeMap<i64, Name>,
    ) -> Self {
        now.extend(recorded.iter().map(|(number, table)| (*number, table.name.clone())));
        Self { known, recorded, now, names: Names::default() }
    }

    #[cfg(test)]
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

    /// Whether the table of this number is recorded now, and under another name than this.
    pub(crate) fn is_recorded_as_another(&self, number: i64, name: &Name) -> bool {
        self.recorded.get(&number).is_some_and(|table| table.name != *name)
    }

    /// Takes in what a record at `at` says was done to the structure of the database.
    pub(crate) fn follow(&mut self, name: &Name, command: &Command, at: u64) {
        self.names.follow(name, command);
        if command.dropped {
            self.dropped(command);
            return;
        }
        if let Some(schema) = command.schema() {
            let inside = |(_, now): &(&i64, &Name)| now.0 == schema;
            let called: Vec<_> =
                self.now.iter().filter(inside).map(|(n, t)| (*n, t.clone())).collect();
            for (number, name) in called {
                self.called(number, &name, at);
            }
        }
        if let Some(number) = command.number {
            self.called(number, name, at);
            if command.makes_table() {
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

    /// A table was dropped: when it is gone, it is known no longer. With one that is not recorded itself,
    /// as a table with partitions, or with a schema, others may have gone without a record of their own.
    fn dropped(&mut self, command: &Command) {
        let number = command.number.unwrap_or_default();
        let alone = self.known.values().any(|entry| entry.number == number);
        if command.is_table() || command.kind == "schema" {
            self.known.retain(|_, entry| {
                self.now.contains_key(&entry.number) || alone && entry.number != number
            });
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

#[cfg(test)]
mod tests {
    use super::{BTreeMap, Command, Entry, Name, Tables};

    fn name(table: &str) -> Name {
        ("public".to_owned(), table.to_owned())
    }

    fn command(document: &str) -> Command {
        Command::read(Some(document))
    }

    /// Of the three tables that are known, those of the numbers `there` are there still.
    fn three(there: &[(i64, &str)]) -> Tables {
        let known = [("a", 1), ("b", 2), ("c", 3)];
        let known = known.map(|(table, number)| (name(table), Entry { number, since: 5 }));
        let now = there.iter().map(|(number, table)| (*number, name(table))).collect();
        Tables::new(known.into(), BTreeMap::new(), now)
    }

    fn known(tables: &Tables) -> Vec<&str> {
        tables.known().keys().map(|(_, table)| table.as_str()).collect()
    }

    #[test]
    fn a_table_that_was_dropped_takes_no_other_with_it() {
        let mut tables = three(&[(3, "c")]);
        let dropped =
            |number| command(&format!(r#"{{"type": "table", "oid": {number}, "dropped": true}}"#));
        tables.follow(&name("a"), &dropped(1), 7);
        assert_eq!(known(&tables), ["b", "c"]);
        tables.follow(&name("c"), &dropped(3), 7);
        assert_eq!(known(&tables), ["b", "c"], "it is there, whatever a record says");
        // Its partitions went with it.
        tables.follow(&name("parent"), &dropped(9), 8);
        assert_eq!(known(&tables), ["c"]);
    }

    #[test]
    fn a_name_is_lent_until_it_is_given_back() {
        let mut tables = three(&[(1, "a"), (2, "b"), (3, "later")]);
        let altered = |number| {
            command(&format!(r#"{{"command": "ALTER TABLE", "type": "table", "oid": {number}}}"#))
        };
        tables.follow(&name("lent"), &altered(1), 9);
        assert_eq!(known(&tables), ["a", "b", "c", "lent"]);
        assert!(!tables.must(&name("lent"), 8) && tables.must(&name("lent"), 9));
        tables.follow(&name("a"), &altered(1), 10);
        assert_eq!(known(&tables), ["a", "b", "c"]);
        // What is called otherwise for good is known by that name alone.
        tables.follow(&name("later"), &altered(3), 11);
        assert_eq!(known(&tables), ["a", "b", "later"]);
        let kept = tables.ended(Some(20));
        assert_eq!(kept[&name("later")].since, 11);
    }
}
