//! Which tables have which names at a place in the log, those that need no record too.
//!
//! The plugin names a table and does not say which one it is. So a line is taken for one about an
//! ordinary table only where a table of that name is known to have been there: it had the name when the
//! last look ended, or a record of structure before the line says that it got it. That one was made, or
//! dropped, under the name later says nothing of what was written before.

use std::collections::{BTreeMap, BTreeSet};

use store::Tx;

use super::structure::Command;
use super::tables::Name;
use super::{Place, sql};
use crate::Result;

/// Tables by name, with their numbers.
pub(crate) type Named = BTreeMap<Name, i64>;

/// What is known of names at a place in the log.
#[derive(Debug, Default)]
pub(crate) struct Names {
    kept: Named,
    /// The names in the catalogue: all of them are older than the end of what is read.
    there: Named,
    /// Tables that were made in what was read.
    made: BTreeSet<i64>,
    /// Those that got a name in what was read.
    moved: BTreeSet<i64>,
    /// Those that were dropped in it.
    gone: BTreeSet<i64>,
}

impl Names {
    /// What was known when the last look ended, and the catalogue.
    pub(crate) fn new(kept: Named, there: Named) -> Self {
        Self { kept, there, ..Self::default() }
    }

    /// The number of the table that is called so.
    pub(crate) fn number(&self, name: &Name) -> Option<i64> {
        self.kept.get(name).copied()
    }

    /// Whether this table was made in what was read.
    pub(crate) fn is_made(&self, number: i64) -> bool {
        self.made.contains(&number)
    }

    /// Takes in what a record says was done to the structure of the database.
    pub(crate) fn follow(&mut self, name: &Name, command: &Command) {
        if let Some(schema) = command.schema() {
            let inside = |((at, _), _): &(&Name, &i64)| *at == schema;
            let called: Vec<_> = self.there.iter().filter(inside).map(owned).collect();
            for (name, number) in called {
                self.called(number, &name);
            }
        }
        let Some(number) = command.number.filter(|_| command.has_rows()) else { return };
        if command.dropped {
            self.gone.insert(number);
            self.kept.retain(|_, kept| *kept != number);
        } else {
            if command.makes_table() {
                self.made.insert(number);
            }
            self.called(number, name);
        }
    }

    fn called(&mut self, number: i64, name: &Name) {
        self.moved.insert(number);
        self.kept.retain(|_, kept| *kept != number);
        self.kept.insert(name.clone(), number);
    }

    /// What is known at the end of a look, which may be the end of the log.
    pub(crate) fn ended(self, whole: bool) -> Named {
        let Self { kept, there, moved, gone, .. } = self;
        if !whole {
            return kept;
        }
        let mut named = there;
        named.retain(|_, number| !moved.contains(number) && !gone.contains(number));
        named.extend(kept.into_iter().filter(|(_, number)| moved.contains(number)));
        named
    }
}

fn owned((name, number): (&Name, &i64)) -> (Name, i64) {
    (name.clone(), *number)
}

/// The names that the catalogue has.
pub(super) async fn there(tx: &Tx) -> Result<Named> {
    let rows = tx.query(sql::NAMES, &[]).await?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
}

/// The names that were kept when the last look ended.
pub(super) async fn kept(control: &Tx, place: &Place) -> Result<Named> {
    let rows = control.query(sql::NAMED, &[&place.system, &place.database]).await?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
}

/// Keeps the names of now in the place of those before.
pub(super) async fn keep(control: &Tx, place: &Place, before: &Named, now: &Named) -> Result<()> {
    let Place { system, database, .. } = place;
    let only = |these: &Named, those: &Named| -> (Vec<String>, (Vec<String>, Vec<i64>)) {
        let differ = these.iter().filter(|(name, number)| those.get(*name) != Some(*number));
        differ.map(owned).map(|((schema, name), number)| (schema, (name, number))).unzip()
    };
    let (schemas, (names, _)) = only(before, now);
    if !names.is_empty() {
        control.execute(sql::UNNAME, &[system, database, &schemas, &names]).await?;
    }
    let (schemas, (names, numbers)) = only(now, before);
    if !names.is_empty() {
        control.execute(sql::NAME, &[system, database, &schemas, &names, &numbers]).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Command, Name, Names};

    fn name(schema: &str, table: &str) -> Name {
        (schema.to_owned(), table.to_owned())
    }

    fn names(kept: &[(&str, i64)], there: &[(&str, i64)]) -> Names {
        let of = |all: &[(&str, i64)]| all.iter().map(|(t, n)| (name("public", t), *n)).collect();
        Names::new(of(kept), of(there))
    }

    fn follow(names: &mut Names, table: &str, document: &str) {
        names.follow(&name("public", table), &Command::read(Some(document)));
    }

    #[test]
    fn a_name_is_known_from_where_a_table_got_it() {
        let mut names = names(&[("a", 1)], &[("b", 1), ("c", 2), ("d", 3)]);
        assert_eq!(names.number(&name("public", "c")), None, "it came later");
        follow(&mut names, "c", r#"{"command": "CREATE TABLE", "type": "table", "oid": 2}"#);
        follow(&mut names, "b", r#"{"command": "ALTER TABLE", "type": "table", "oid": 1}"#);
        follow(&mut names, "i", r#"{"command": "CREATE INDEX", "type": "index", "oid": 9}"#);
        assert_eq!(names.number(&name("public", "a")), None);
        assert_eq!(names.number(&name("public", "b")), Some(1));
        assert_eq!(names.number(&name("public", "i")), None, "an index has no rows of its own");
        assert!(names.is_made(2) && !names.is_made(1));
        follow(&mut names, "d", r#"{"type": "table", "oid": 3, "dropped": true}"#);
        let kept: Vec<_> = names.ended(true).into_values().collect();
        assert_eq!(kept, [1, 2]);
    }

    #[test]
    fn a_schema_that_is_called_otherwise_takes_its_tables_along() {
        let mut names = names(&[("a", 1)], &[]);
        names.there.insert(name("Other", "a"), 1);
        let renamed = r#"{"command": "ALTER SCHEMA", "type": "schema", "object": "\"Other\""}"#;
        names.follow(&name("", ""), &Command::read(Some(renamed)));
        assert_eq!(names.number(&name("Other", "a")), Some(1));
        assert_eq!(names.number(&name("public", "a")), None);
    }
}
