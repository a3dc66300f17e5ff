//! Counts, transaction by transaction, what was written and what was recorded of it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::line::{Change, Line};
use crate::{Error, Result};

/// Where the trail and all of its parts are.
const TRAIL: &str = "audit";
/// How many distinct differences of one transaction are told each for itself.
const MAX_TOLD: usize = 100;

/// A table, by schema and name.
pub(crate) type Name = (String, String);
/// The tables whose writes must be recorded, each from a place in the log on.
pub(crate) type Known = BTreeMap<Name, u64>;

/// Something that the log of writes and the trail do not agree about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// What it is.
    pub kind: Kind,
    /// The transaction, by the lower 32 bits of its number.
    pub xid: u32,
    /// The schema of the table.
    pub schema: String,
    /// The table.
    pub table: String,
    /// `INSERT`, `UPDATE`, `DELETE` or `TRUNCATE`.
    pub action: String,
    /// How many rows were changed so; for `TRUNCATE`, how often.
    pub changes: u64,
    /// How many rows of the trail say so.
    pub records: u64,
}

/// What kind of difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Rows were changed and the trail does not say so.
    Unrecorded,
    /// The trail says that rows were changed which were not.
    Unfounded,
    /// Rows of the trail itself were changed or removed.
    TrailChanged,
}

impl Kind {
    /// What it is called.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unrecorded => "unrecorded",
            Self::Unfounded => "unfounded",
            Self::TrailChanged => "trail-changed",
        }
    }
}

/// What one look came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Committed transactions that changed or recorded something.
    pub(crate) transactions: u64,
    /// Changes of recorded tables.
    pub(crate) changes: u64,
    open: Transaction,
}

#[derive(Debug, Default)]
struct Transaction {
    /// Changes and records, for each table and action.
    counts: BTreeMap<(Name, String), (u64, u64)>,
    /// Changes of the trail's own rows.
    trail: BTreeMap<(Name, &'static str), u64>,
}

impl Tally {
    /// Takes one line of transaction `xid` in, which stands at `at`; the lines of a transaction follow one
    /// another. With its last line: what is wrong with it.
    ///
    /// # Errors
    /// When the line is not as the plugin writes it.
    pub(crate) fn take(
        &mut self,
        (xid, at, line): (u32, u64, &str),
        known: &Known,
    ) -> Result<Option<Vec<Difference>>> {
        match Line::read(line)? {
            Line::Begin => self.open = Transaction::default(),
            Line::Message => {}
            Line::Change(change) => {
                let must = |table: &Name| known.get(table).is_some_and(|since| *since <= at);
                self.open.change(xid, &change, must)?;
            }
            Line::Commit => {
                let done = std::mem::take(&mut self.open);
                self.transactions += u64::from(!done.counts.is_empty() || !done.trail.is_empty());
                self.changes += done.counts.values().map(|(changes, _)| changes).sum::<u64>();
                return Ok(Some(done.differences(xid).into_iter().take(MAX_TOLD).collect()));
            }
        }
        Ok(None)
    }
}

impl Transaction {
    fn change(
        &mut self,
        xid: u32,
        change: &Change<'_>,
        must: impl Fn(&Name) -> bool,
    ) -> Result<()> {
        for table in &change.tables {
            if table.0 == TRAIL && change.action == "INSERT" {
                self.record(xid, table, change, &must)?;
            } else if table.0 == TRAIL {
                *self.trail.entry((table.clone(), change.action)).or_default() += 1;
            } else if must(table) {
                self.count(table.clone(), change.action).0 += 1;
            }
        }
        Ok(())
    }

    /// A row of the trail was written.
    fn record(
        &mut self,
        xid: u32,
        part: &Name,
        change: &Change<'_>,
        must: impl Fn(&Name) -> bool,
    ) -> Result<()> {
        let wanted = ["xid", "action", "table_schema", "table_name"];
        let [of, action, schema, table] = change.values(wanted)?;
        let (Some(of), Some(action)) = (of, action) else {
            return Err(Error::Wal("a row of the trail without its transaction"));
        };
        // What is no change of a row has nothing that it could be compared with.
        if !["INSERT", "UPDATE", "DELETE", "TRUNCATE"].contains(&action.as_str()) {
            return Ok(());
        }
        let of: u64 = of.parse().map_err(|_| Error::Wal("a transaction that is no number"))?;
        if of & u64::from(u32::MAX) != u64::from(xid) {
            // It was put in later, under the number of another transaction.
            *self.trail.entry((part.clone(), "INSERT")).or_default() += 1;
            return Ok(());
        }
        let name = (schema.unwrap_or_default(), table.unwrap_or_default());
        // A table that came and went between two looks is not known.
        if must(&name) {
            self.count(name, &action).1 += 1;
        }
        Ok(())
    }

    fn count(&mut self, table: Name, action: &str) -> &mut (u64, u64) {
        self.counts.entry((table, action.to_owned())).or_default()
    }

    fn differences(self, xid: u32) -> Vec<Difference> {
        let of = |kind, (schema, table): Name, action: String, (changes, records)| Difference {
            kind,
            xid,
            schema,
            table,
            action,
            changes,
            records,
        };
        let counted =
            self.counts.into_iter().filter_map(|((table, action), (changes, records))| {
                let kind = match changes.cmp(&records) {
                    std::cmp::Ordering::Equal => return None,
                    std::cmp::Ordering::Greater => Kind::Unrecorded,
                    std::cmp::Ordering::Less => Kind::Unfounded,
                };
                Some(of(kind, table, action, (changes, records)))
            });
        let trail = self.trail.into_iter();
        let trail = trail.map(|((part, action), rows)| {
            of(Kind::TrailChanged, part, action.to_owned(), (rows, 0))
        });
        counted.chain(trail).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Difference, Kind, Known, Tally};

    fn tally(lines: &[&str]) -> (Tally, Vec<Difference>) {
        let known = Known::from([(("public".to_owned(), "sale".to_owned()), 10)]);
        let (mut tally, mut found) = (Tally::default(), Vec::new());
        for line in lines {
            found.extend(tally.take((7, 20, line), &known).unwrap().into_iter().flatten());
        }
        (tally, found)
    }

    fn record(action: &str, xid: u64) -> String {
        format!(
            "table audit.part_1: INSERT: id[bigint]:1 actor_id[text]:'x' action[text]:'{action}' \
             table_schema[text]:'public' table_name[text]:'sale' new_data[jsonb]:'{{}}' xid[xid8]:'{xid}'"
        )
    }

    const SALE: &str = "table public.sale: UPDATE: id[integer]:1";

    #[test]
    fn what_is_recorded_is_no_difference() {
        let record = record("UPDATE", 7 + (3 << 32));
        let lines = ["BEGIN 7", SALE, &record, "table public.other: DELETE: x", "COMMIT 7"];
        let (tally, found) = tally(&lines);
        assert_eq!((tally.transactions, tally.changes, found), (1, 1, vec![]));
    }

    #[test]
    fn each_kind_of_difference_is_named() {
        let (other, foreign) = (record("DELETE", 7), record("UPDATE", 6));
        let (_, found) = tally(&[
            "BEGIN 7",
            SALE,
            SALE,
            &record("UPDATE", 7),
            &other,
            &foreign,
            "table audit.part_1: DELETE: (no-tuple-data)",
            "COMMIT 7",
        ]);
        let told: Vec<_> = found
            .iter()
            .map(|d| (d.kind, d.table.as_str(), d.action.as_str(), d.changes, d.records))
            .collect();
        assert_eq!(
            told,
            [
                (Kind::Unfounded, "sale", "DELETE", 0, 1),
                (Kind::Unrecorded, "sale", "UPDATE", 2, 1),
                (Kind::TrailChanged, "part_1", "DELETE", 1, 0),
                (Kind::TrailChanged, "part_1", "INSERT", 1, 0),
            ]
        );
    }

    #[test]
    fn what_is_no_change_of_a_row_is_not_compared() {
        let (tally, found) = tally(&["BEGIN 7", &record("DDL", 7), "message: x", "COMMIT 7"]);
        assert_eq!((found.len(), tally.transactions), (0, 0));
    }

    /// A table counts from where it was known to be recorded.
    #[test]
    fn what_was_written_before_a_table_was_recorded_is_no_finding() {
        let known = Known::from([(("public".to_owned(), "sale".to_owned()), 10)]);
        let mut tally = Tally::default();
        for line in ["BEGIN 7", SALE, "COMMIT 7"] {
            assert_eq!(tally.take((7, 9, line), &known).unwrap().unwrap_or_default(), []);
        }
        assert_eq!(tally.changes, 0);
    }
}
