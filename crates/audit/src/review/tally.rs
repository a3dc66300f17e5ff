//! Rows of a trail, counted one by one in bounded memory.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::hours::Hours;
use crate::TrailRow;

/// How many names are counted each by itself; the rows of further ones are counted together.
const MAX_NAMES: usize = 20_000;
/// How many tables are counted for each name.
const MAX_TABLES: usize = 100;
/// How many names a list shows.
const TOP: usize = 20;
/// How many tables are shown for each name.
const TOP_TABLES: usize = 3;
/// How many things of a kind are listed one by one.
const LISTED: usize = 100;
/// A text longer than this, in characters, is cut.
const MAX_CHARS: usize = 300;
/// The actions that there are.
const ACTIONS: [&str; 7] = ["INSERT", "UPDATE", "DELETE", "TRUNCATE", "DDL", "ASK", "READ"];

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// How many rows.
    pub rows: u64,
    /// How many of each action.
    pub actions: BTreeMap<String, u64>,
    /// How many of them have had their content erased since.
    pub erased: u64,
    /// When the first was recorded.
    pub first: Option<Timestamp>,
    /// When the last was.
    pub last: Option<Timestamp>,
    /// Who did most, by the binding.
    pub actors: Ranks,
    /// The same by the login of the database.
    pub logins: Ranks,
    /// Who wrote at unusual hours, by actor and login.
    pub unusual: Ranks,
    /// Who read the trail, and why.
    pub readings: Vec<Readings>,
    /// How many rows about readings are of ones that are not listed.
    pub more_readings: u64,
    /// The first changes of structure.
    pub structure: Vec<Structure>,
    /// How many more of these there were.
    pub more_structure: u64,
}

/// Names, those with most rows first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Ranks {
    /// How many rows they have together, and those of further names.
    pub rows: u64,
    /// How many names there are; more than that, where some were counted together.
    pub names: usize,
    /// Whether some were.
    pub together: bool,
    /// The first of them.
    pub top: Vec<Rank>,
}

/// What one name did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rank {
    /// The actor, or nothing where the session was bound to nobody.
    pub actor: Option<String>,
    /// The login; nothing in a list of actors alone.
    pub login: Option<String>,
    /// How many rows.
    pub rows: u64,
    /// How many of each action.
    pub actions: BTreeMap<String, u64>,
    /// The tables with most of them.
    pub tables: Vec<(String, u64)>,
    /// When the first was recorded.
    pub first: Timestamp,
    /// When the last was.
    pub last: Timestamp,
}

/// Readings by one login for one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readings {
    /// The login.
    pub login: String,
    /// The purpose, with who read.
    pub purpose: String,
    /// How often.
    pub times: u64,
    /// How many rows that was.
    pub rows: u64,
    /// When first.
    pub first: Timestamp,
    /// When last.
    pub last: Timestamp,
}

/// A change of structure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Structure {
    /// The number of its row.
    pub row: i64,
    /// When.
    pub at: Timestamp,
    /// By which login.
    pub login: String,
    /// What was done.
    pub command: String,
    /// To what.
    pub object: String,
    /// The statement, without its literals.
    pub statement: String,
}

/// Whoever did something: actor and login, of which one may not count.
type Name = (Option<String>, Option<String>);

#[derive(Debug, Clone)]
struct Count {
    rows: u64,
    actions: BTreeMap<&'static str, u64>,
    tables: BTreeMap<String, u64>,
    first: Timestamp,
    last: Timestamp,
}

#[derive(Debug, Default)]
struct Names {
    rows: u64,
    together: bool,
    all: BTreeMap<Name, Count>,
}

/// Counts.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counted: Counted,
    actors: Names,
    logins: Names,
    unusual: Names,
    readings: BTreeMap<(String, String), Readings>,
}

impl Tally {
    /// Counts a row.
    pub(super) fn add(&mut self, row: &TrailRow, hours: &Hours) {
        let (action, at) = (known(&row.action), row.event_timestamp);
        let counted = &mut self.counted;
        counted.rows += 1;
        *counted.actions.entry(action.to_owned()).or_default() += 1;
        counted.erased += u64::from(row.is_erased());
        counted.first = Some(counted.first.map_or(at, |first| first.min(at)));
        counted.last = Some(counted.last.map_or(at, |last| last.max(at)));
        let (actor, login) = (row.actor_id.as_deref().map(cut), Some(cut(&row.db_user)));
        self.actors.add((actor.clone(), None), action, row);
        self.logins.add((None, login.clone()), action, row);
        match action {
            "READ" => self.read(row),
            // Asking changes nothing, and what was counted is told by the row after it.
            "ASK" => {}
            _ if hours.is_unusual(at) => self.unusual.add((actor, login), action, row),
            _ => {}
        }
        if action == "DDL" {
            self.structure(row);
        }
    }

    fn read(&mut self, row: &TrailRow) {
        let told = document(row);
        let text = |name: &str| told.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = (cut(&row.db_user), cut(text("purpose")));
        let full = self.readings.len() >= MAX_NAMES;
        if full && !self.readings.contains_key(&name) {
            self.counted.more_readings += 1;
            return;
        }
        let at = row.event_timestamp;
        let one = self.readings.entry(name.clone()).or_insert_with(|| {
            let (login, purpose) = name;
            Readings { login, purpose, times: 0, rows: 0, first: at, last: at }
        });
        one.times += 1;
        one.rows += told.get("rows").and_then(Value::as_u64).unwrap_or_default();
        (one.first, one.last) = (one.first.min(at), one.last.max(at));
    }

    fn structure(&mut self, row: &TrailRow) {
        if self.counted.structure.len() >= LISTED {
            self.counted.more_structure += 1;
            return;
        }
        let told = document(row);
        let text = |name: &str| told.get(name).and_then(Value::as_str).unwrap_or_default();
        let object = match text("object") {
            "" => table(row),
            object => object.to_owned(),
        };
        self.counted.structure.push(Structure {
            row: row.id,
            at: row.event_timestamp,
            login: cut(&row.db_user),
            command: cut(text("command")),
            object: cut(&object),
            statement: cut(text("statement")),
        });
    }

    /// What was counted.
    pub(super) fn counted(self) -> Counted {
        let mut readings: Vec<Readings> = self.readings.into_values().collect();
        // The maps are in the order of their names, which stays where numbers are equal.
        readings.sort_by_key(|one| std::cmp::Reverse(one.times));
        let unlisted = readings.iter().skip(LISTED).map(|one| one.times).sum::<u64>();
        readings.truncate(LISTED);
        Counted {
            actors: self.actors.ranks(),
            logins: self.logins.ranks(),
            unusual: self.unusual.ranks(),
            readings,
            more_readings: self.counted.more_readings + unlisted,
            ..self.counted
        }
    }
}

impl Names {
    fn add(&mut self, name: Name, action: &'static str, row: &TrailRow) {
        self.rows += 1;
        if self.all.len() >= MAX_NAMES && !self.all.contains_key(&name) {
            self.together = true;
            return;
        }
        let at = row.event_timestamp;
        let count = self.all.entry(name).or_insert_with(|| Count {
            rows: 0,
            actions: BTreeMap::new(),
            tables: BTreeMap::new(),
            first: at,
            last: at,
        });
        count.rows += 1;
        *count.actions.entry(action).or_default() += 1;
        (count.first, count.last) = (count.first.min(at), count.last.max(at));
        let table = cut(&table(row));
        if count.tables.len() < MAX_TABLES || count.tables.contains_key(&table) {
            *count.tables.entry(table).or_default() += 1;
        }
    }

    fn ranks(self) -> Ranks {
        let names = self.all.len();
        let mut all: Vec<(Name, Count)> = self.all.into_iter().collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(count.rows));
        let top = all.into_iter().take(TOP).map(|((actor, login), count)| {
            let mut tables: Vec<(String, u64)> = count.tables.into_iter().collect();
            tables.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
            tables.truncate(TOP_TABLES);
            let actions = count.actions.into_iter().map(|(name, many)| (name.to_owned(), many));
            Rank {
                actor,
                login,
                rows: count.rows,
                actions: actions.collect(),
                tables,
                first: count.first,
                last: count.last,
            }
        });
        Ranks { rows: self.rows, names, together: self.together, top: top.collect() }
    }
}

/// The action, or that it is none that triggers write.
fn known(action: &str) -> &'static str {
    ACTIONS.into_iter().find(|known| *known == action).unwrap_or("other")
}

fn document(row: &TrailRow) -> Value {
    let text = row.new_data.as_deref().unwrap_or_default();
    serde_json::from_str(text).unwrap_or(Value::Null)
}

fn table(row: &TrailRow) -> String {
    match (row.table_schema.as_str(), row.table_name.as_str()) {
        (schema, "") => schema.to_owned(),
        ("", table) => table.to_owned(),
        (schema, table) => format!("{schema}.{table}"),
    }
}

/// The beginning of a long text, with how long it is: two of them are one only when they are that alike.
fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => {
            let start = text.get(..end).unwrap_or_default();
            format!("{start}… ({} bytes)", text.len())
        }
        None => text.to_owned(),
    }
}
