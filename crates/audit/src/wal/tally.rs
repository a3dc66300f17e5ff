//! Counts, transaction by transaction, what was written and what was recorded of it.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::found::{Difference, Kind};
use super::line::{Change, Line};
use super::structure::{Command, Stray};
use super::tables::{Name, Tables};
use crate::Result;

/// Where the trail and all of its parts are.
const TRAIL: &str = "audit";
/// What the names of the trail and all of its parts begin with.
const PARTS: &str = "system_audit_logs";
/// What Amanah keeps beside them, and adds to in its ordinary work.
const BESIDE: [&str; 3] = ["retention", "archived_months", "cipher_key"];
/// How many differences of one transaction are told each for itself.
const MAX_TOLD: usize = 100;

/// What one look came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Committed transactions that changed or recorded something.
    pub(crate) transactions: u64,
    /// Changes of recorded tables.
    pub(crate) changes: u64,
    /// Transactions in which there were any.
    pub(crate) compared: BTreeSet<u32>,
    /// Which tables must be recorded.
    pub(crate) tables: Tables,
    /// What was written under names that are not known to be recorded: by name, what was done, and the
    /// number of the table, where its making was read before.
    pub(crate) strays: BTreeMap<(Name, &'static str, Option<i64>), Stray>,
    /// Whether an extension was made or changed in what was read.
    extended: bool,
    /// Rows whose contents transactions of ours were to erase, as the log of the trail says: transaction
    /// and number.
    pub(crate) erasures: BTreeSet<(u32, i64)>,
    open: Transaction,
}

#[derive(Debug, Default)]
struct Transaction {
    /// Changes and records, for each table and action.
    counts: BTreeMap<(Name, String), Count>,
    /// Changes of the trail's own rows.
    trail: BTreeMap<(Name, &'static str), u64>,
    /// Recorded tables that were written anew, and by which command.
    rewritten: BTreeSet<(Name, String)>,
}

#[derive(Debug)]
struct Count {
    changes: u64,
    records: u64,
    /// What the keys of the changed rows come to, and of those that were recorded; nothing when one of
    /// them is not known.
    keys: Option<(u128, u128)>,
}

impl Default for Count {
    fn default() -> Self {
        Self { changes: 0, records: 0, keys: Some((0, 0)) }
    }
}

impl Tally {
    /// One that begins with what is known of the tables.
    pub(crate) fn new(tables: Tables) -> Self {
        Self { tables, ..Self::default() }
    }

    /// Takes one line of transaction `xid` in, which stands at `at`; the lines of a transaction follow one
    /// another. With its last line: what is wrong with it.
    ///
    /// # Errors
    /// When the line is not as the plugin writes it.
    pub(crate) fn take(
        &mut self,
        (xid, at, line): (u32, u64, &str),
    ) -> Result<Option<Vec<Difference>>> {
        match Line::read(line)? {
            Line::Begin => self.open = Transaction::default(),
            Line::Message => {}
            Line::Change(change) => {
                for table in &change.tables {
                    self.change((xid, at), table, &change);
                }
            }
            Line::Commit => {
                let done = std::mem::take(&mut self.open);
                self.transactions += u64::from(!done.counts.is_empty() || !done.trail.is_empty());
                let changes = done.counts.values().map(|count| count.changes).sum::<u64>();
                self.changes += changes;
                if changes > 0 {
                    self.compared.insert(xid);
                }
                return Ok(Some(told(done.differences(xid))));
            }
        }
        Ok(None)
    }

    fn change(&mut self, (xid, at): (u32, u64), table: &Name, change: &Change<'_>) {
        let Change { action, .. } = *change;
        let inserts = table.0 == TRAIL && action == "INSERT";
        if inserts && table.1.starts_with(PARTS) {
            if self.record((xid, at), change).is_none() {
                *self.open.trail.entry((table.clone(), action)).or_default() += 1;
            }
        } else if inserts && self.is_beside(table) {
            // Nothing that was recorded hangs on it.
        } else if table.0 == TRAIL && self.is_erasure(xid, table, change) {
            // Nothing of it is a difference: the log says it, and the row keeps its hash.
        } else if table.0 == TRAIL {
            *self.open.trail.entry((table.clone(), action)).or_default() += 1;
        } else if self.tables.must(table, at) {
            let key = self.tables.key(table).and_then(|columns| change.key(columns));
            let count = self.open.count(table.clone(), action);
            count.changes += 1;
            count.keys = sum(count.keys, key.map(|key| (mark(&key), 0)));
        } else {
            let names = &self.tables.names;
            let made = match names.number(table) {
                Some(number) if !names.is_made(number) => return,
                made => made,
            };
            let stray = Stray { xid, changes: 0, at, extended: self.extended };
            self.strays.entry((table.clone(), action, made)).or_insert(stray).changes += 1;
        }
    }

    /// Whether a row of the trail was changed into one whose content was erased, as it was to be.
    fn is_erasure(&self, xid: u32, part: &Name, change: &Change<'_>) -> bool {
        if !part.1.starts_with(PARTS) {
            return false;
        }
        let columns = ["id", "salt", "row_key", "old_data", "new_data", "erased"];
        let read = (change.action == "UPDATE").then(|| change.values(columns).ok()).flatten();
        let Some([Some(id), None, None, None, None, Some(_)]) = read else { return false };
        id.parse().is_ok_and(|id| self.erasures.contains(&(xid, id)))
    }

    /// Whether a table of schema audit is one that Amanah adds to in its ordinary work.
    fn is_beside(&self, table: &Name) -> bool {
        BESIDE.contains(&table.1.as_str()) && self.tables.names.number(table).is_some()
    }

    /// A row of the trail was written; nothing when it is no row that a trigger writes. A beginning that
    /// is longer than what is read of it is none.
    fn record(&mut self, (xid, at): (u32, u64), change: &Change<'_>) -> Option<()> {
        let wanted = ["xid", "action", "table_schema", "table_name"];
        let [of, action, schema, table] = change.values(wanted).ok()?;
        let (of, action): (u64, String) = (of?.parse().ok()?, action?);
        if of & u64::from(u32::MAX) != u64::from(xid) {
            // It was put in later, under the number of another transaction.
            return None;
        }
        let name = (schema.unwrap_or_default(), table.unwrap_or_default());
        if action == "DDL" {
            let document = change.values(["new_data"]).ok().and_then(|[document]| document);
            self.structure((xid, at), &name, &Command::read(document.as_deref()));
        }
        // What is no change of a row has nothing that it could be compared with, and a table that came
        // and went between two looks is not known.
        let is_change = ["INSERT", "UPDATE", "DELETE", "TRUNCATE"].contains(&action.as_str());
        if is_change && self.tables.must(&name, at) {
            let key = self.tables.key(&name).and_then(|columns| {
                let [key] = change.values(["row_key"]).ok()?;
                recorded_key(&key?, columns)
            });
            let count = self.open.count(name, &action);
            count.records += 1;
            count.keys = sum(count.keys, key.map(|key| (0, mark(&key))));
        }
        Some(())
    }

    /// The structure of the database was changed.
    fn structure(&mut self, (xid, at): (u32, u64), name: &Name, command: &Command) {
        if command.rewrites() && self.tables.must(name, at) {
            self.open.rewritten.insert((name.clone(), command.tag.clone()));
        }
        if command.extends() {
            self.extended = true;
            let own = self.strays.values_mut().filter(|stray| stray.xid == xid);
            own.for_each(|stray| stray.extended = true);
        }
        // The rows that a table is made with come before its record.
        let mut before = (name.clone(), "INSERT", None);
        if command.fills_table()
            && let Some(stray) = self.strays.remove(&before)
        {
            before.2 = command.number.filter(|_| stray.xid == xid);
            self.strays.insert(before, stray);
        }
        self.tables.follow(name, command, at);
    }
}

/// The key in a row of the trail, where it has these columns and their values read as in the log.
fn recorded_key(document: &str, columns: &[String]) -> Option<Vec<String>> {
    use serde_json::{Map, Value};
    let key: Map<String, Value> = serde_json::from_str(document).ok()?;
    let value = |column: &String| match key.get(column)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    };
    (key.len() == columns.len()).then(|| columns.iter().map(value).collect())?
}

/// A number that stands for a key. Sums of them are equal when the keys are, in whatever order.
fn mark(key: &[String]) -> u128 {
    let mut digest = Sha256::new();
    for value in key {
        digest.update(u64::try_from(value.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(value);
    }
    let bytes: [u8; 32] = digest.finalize().into();
    bytes.first_chunk().map_or(0, |head| u128::from_be_bytes(*head))
}

fn sum(before: Option<(u128, u128)>, more: Option<(u128, u128)>) -> Option<(u128, u128)> {
    let (before, more) = (before?, more?);
    Some((before.0.wrapping_add(more.0), before.1.wrapping_add(more.1)))
}

/// The differences of one transaction; of very many, how many more there are.
fn told(mut all: Vec<Difference>) -> Vec<Difference> {
    let more = all.split_off(all.len().min(MAX_TOLD));
    if let Some(first) = more.first() {
        all.push(Difference {
            kind: first.kind,
            xid: first.xid,
            schema: String::new(),
            table: String::new(),
            action: format!("{} more differences", more.len()),
            changes: more.iter().map(|one| one.changes).sum(),
            records: more.iter().map(|one| one.records).sum(),
        });
    }
    all
}

impl Transaction {
    fn count(&mut self, table: Name, action: &str) -> &mut Count {
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
        let counted = self.counts.into_iter().filter_map(|((table, action), count)| {
            let Count { changes, records, keys } = count;
            let kind = match changes.cmp(&records) {
                std::cmp::Ordering::Equal if keys.is_none_or(|(was, said)| was == said) => {
                    return None;
                }
                std::cmp::Ordering::Equal => Kind::OtherRows,
                std::cmp::Ordering::Greater => Kind::Unrecorded,
                std::cmp::Ordering::Less => Kind::Unfounded,
            };
            Some(of(kind, table, action, (changes, records)))
        });
        let trail = self.trail.into_iter().map(|((part, action), rows)| {
            of(Kind::TrailChanged, part, action.to_owned(), (rows, 0))
        });
        let rewritten = self.rewritten.into_iter();
        let rewritten =
            rewritten.map(|(table, command)| of(Kind::Rewritten, table, command, (0, 0)));
        counted.chain(trail).chain(rewritten).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tables::{Entry, Recorded, Tables};
    use super::{BTreeMap, Difference, Kind, Tally};

    /// A recorded table, known from place 10 on.
    fn sale() -> Tally {
        let name = ("public".to_owned(), "sale".to_owned());
        let key = vec!["id".to_owned()];
        let recorded = Recorded { name: name.clone(), key, ..Recorded::default() };
        let known = BTreeMap::from([(name, Entry { number: 5, since: 10 })]);
        Tally::new(Tables::new(known, BTreeMap::from([(5, recorded)]), BTreeMap::new()))
    }

    fn tally(lines: &[&str]) -> (Tally, Vec<Difference>) {
        let (mut tally, mut found) = (sale(), Vec::new());
        for line in lines {
            found.extend(tally.take((7, 20, line)).unwrap().into_iter().flatten());
        }
        (tally, found)
    }

    fn record(action: &str, xid: u64) -> String {
        format!(
            "table audit.system_audit_logs_1: INSERT: id[bigint]:1 actor_id[text]:'x' action[text]:'{action}' \
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
            "table audit.system_audit_logs_1: DELETE: (no-tuple-data)",
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
                (Kind::TrailChanged, "system_audit_logs_1", "DELETE", 1, 0),
                (Kind::TrailChanged, "system_audit_logs_1", "INSERT", 1, 0),
            ]
        );
    }

    /// Only the rows that were to be erased, in the transaction that was to erase them, and only as an
    /// erasure leaves them.
    #[test]
    fn an_erasure_of_ours_is_no_difference() {
        let erased = |id: i64, new: &str| {
            format!(
                "table audit.system_audit_logs_1: UPDATE: id[bigint]:{id} xid[xid8]:'3' salt[uuid]:null \
                 row_key[jsonb]:null old_data[jsonb]:null new_data[jsonb]:{new} erased[bytea]:'\\x00'"
            )
        };
        let of = |xid: u32, line: &str| {
            let mut tally = sale();
            tally.erasures.insert((7, 4));
            tally.take((xid, 20, "BEGIN")).unwrap();
            tally.take((xid, 20, line)).unwrap();
            tally.take((xid, 20, "COMMIT")).unwrap().unwrap().len()
        };
        assert_eq!(of(7, &erased(4, "null")), 0);
        assert_eq!(of(7, &erased(5, "null")), 1, "another row");
        assert_eq!(of(8, &erased(4, "null")), 1, "another transaction");
        assert_eq!(of(7, &erased(4, "'{}'")), 1, "another change");
        assert_eq!(of(7, "table audit.system_audit_logs_1: DELETE: (no-tuple-data)"), 1);
    }

    #[test]
    fn what_is_no_change_of_a_row_is_not_compared() {
        let (tally, found) = tally(&["BEGIN 7", &record("DDL", 7), "message: x", "COMMIT 7"]);
        assert_eq!((found.len(), tally.transactions), (0, 0));
    }

    /// A table counts from where it was known to be recorded.
    #[test]
    fn what_was_written_before_a_table_was_recorded_is_no_finding() {
        let mut tally = sale();
        for line in ["BEGIN 7", SALE, "COMMIT 7"] {
            assert_eq!(tally.take((7, 9, line)).unwrap().unwrap_or_default(), []);
        }
        assert_eq!(tally.changes, 0);
    }
}
