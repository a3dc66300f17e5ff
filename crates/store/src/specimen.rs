//! A row that fits a table nobody here wrote, so that an attack has something to hit.
//!
//! Values are guessed from types, defaults, checks and foreign keys; parents are made first. A
//! guess that the table refuses is tried again with a plainer value. What cannot be placed is an
//! error with the server's own words: the caller must then say that the table was not attacked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use kernel::TenantId;

use crate::shape::{Column, ForeignKey, Table};
use crate::{Bound, Error, Json, Result, ToSql, Tx, ident, qualified, sql};

/// Whose row it is.
#[derive(Debug, Clone, Copy)]
pub struct Owned<'a> {
    /// The column that names the tenant.
    pub column: &'a str,
    /// The tenant; it is written into that column.
    pub tenant: &'a TenantId,
    /// A text that is written into text columns, so that the row can be recognised wherever it
    /// surfaces.
    pub mark: &'a str,
}

/// A row that was placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Specimen {
    /// The columns of the primary key and their values as text.
    pub key: Vec<(String, String)>,
    /// Every column's value as text, as the server stored it.
    pub row: BTreeMap<String, Option<String>>,
}

/// How deep parents of parents are made.
const MAX_DEPTH: usize = 12;
/// How often a row is tried with other values.
const MAX_TRIES: usize = 24;
/// SQLSTATEs that are worth other values: a violated check, unique key or exclusion, a value out of
/// range, too long, or not in the form of its type.
const TRY_AGAIN: [&str; 6] = ["23514", "23505", "23P01", "22003", "22001", "22P02"];

/// Places a row of `owned.tenant` in `table`, and rows in the tables that it needs.
///
/// # Errors
/// When no guess fits; nothing of this row is left then.
pub async fn specimen(
    tx: &Tx,
    shape: &[Table],
    table: &Table,
    owned: &Owned<'_>,
) -> Result<Specimen> {
    specimen_with(tx, shape, table, owned, &[]).await
}

/// As [`specimen`], with some columns given: name and value as text.
///
/// # Errors
/// As [`specimen`].
pub async fn specimen_with(
    tx: &Tx,
    shape: &[Table],
    table: &Table,
    owned: &Owned<'_>,
    given: &[(&str, &str)],
) -> Result<Specimen> {
    let given = given.iter().map(|(c, v)| ((*c).to_owned(), (*v).to_owned())).collect();
    let made = AtomicUsize::new(0);
    Maker { tx, shape, owned, made }.place(table, given, 0).await
}

struct Maker<'a> {
    tx: &'a Tx,
    shape: &'a [Table],
    owned: &'a Owned<'a>,
    // How many rows were begun: each but the first has a mark of its own.
    made: AtomicUsize,
}

/// Values by column, as text.
type Values = BTreeMap<String, String>;

/// A row in the making: what to write where, and which guess each column is at.
struct Draft {
    given: Values,
    depth: usize,
    mark: String,
    guesses: BTreeMap<String, usize>,
    // A reference that must be one-to-one may have failed on a parent that was there.
    new_parents: bool,
}

impl Maker<'_> {
    /// Boxed, since a table's parents are placed by the same function.
    fn place<'s>(
        &'s self,
        table: &'s Table,
        given: Values,
        depth: usize,
    ) -> kernel::Fut<'s, Result<Specimen>> {
        Box::pin(async move {
            let mark = match self.made.fetch_add(1, Ordering::Relaxed) {
                0 => self.owned.mark.to_owned(),
                n => format!("{}-{n}", self.owned.mark),
            };
            let guesses = BTreeMap::new();
            let mut draft = Draft { given, depth, mark, guesses, new_parents: false };
            let mut tries = 0;
            loop {
                self.tx.batch("SAVEPOINT amanah_specimen").await?;
                let error = match self.try_place(table, &draft).await {
                    Ok(made) => {
                        self.tx.batch("RELEASE SAVEPOINT amanah_specimen").await?;
                        return Ok(made);
                    }
                    Err(error) => error,
                };
                self.tx.batch("ROLLBACK TO SAVEPOINT amanah_specimen").await?;
                tries += 1;
                if tries == MAX_TRIES || !self.learn(table, &mut draft, &error, tries).await? {
                    return Err(error);
                }
            }
        })
    }

    async fn try_place(&self, table: &Table, draft: &Draft) -> Result<Specimen> {
        let mut values = draft.given.clone();
        if table.column(self.owned.column).is_some() {
            let tenant = self.owned.tenant.as_str().to_owned();
            values.entry(self.owned.column.to_owned()).or_insert(tenant);
        }
        for key in &table.foreign_keys {
            self.follow(table, key, &mut values, draft).await?;
        }
        for column in &table.columns {
            if !values.contains_key(&column.name) && wants_value(column) {
                let guess = draft.guesses.get(&column.name).copied().unwrap_or(0);
                values.insert(column.name.clone(), invent(column, &draft.mark, guess));
            }
        }
        self.insert(table, &values).await
    }

    /// Takes the next guess for a column that `error` is about. `false` when nothing is left to
    /// try.
    async fn learn(
        &self,
        table: &Table,
        draft: &mut Draft,
        error: &Error,
        tries: usize,
    ) -> Result<bool> {
        if !error.sqlstate().is_some_and(|state| TRY_AGAIN.contains(&state)) {
            return Ok(false);
        }
        if error.server_table().is_some_and(|failed| failed != table.name) {
            // A parent could not be placed; it has tried everything itself.
            return Ok(false);
        }
        let mut suspects = match error.server_constraint() {
            Some(name) => self.columns_of(table, name).await?,
            None => table.columns.iter().map(|c| c.name.clone()).collect(),
        };
        if error.sqlstate() == Some("23505") {
            draft.new_parents = true;
        }
        suspects.retain(|name| table.column(name).is_some_and(wants_value));
        suspects.retain(|name| !draft.given.contains_key(name));
        let turn = tries.checked_rem(suspects.len()).unwrap_or(0);
        if let Some(name) = suspects.get(turn) {
            *draft.guesses.entry(name.clone()).or_default() += 1;
        }
        Ok(!suspects.is_empty() || draft.new_parents)
    }

    /// The columns that a constraint or a unique index of `table` is about.
    async fn columns_of(&self, table: &Table, constraint: &str) -> Result<Vec<String>> {
        let bound: Bound<'_> = &[&table.schema, &table.name, &constraint];
        let rows = self.tx.query(sql::CONSTRAINED, bound).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Makes sure that what `key` points to exists, and fills in its columns.
    async fn follow(
        &self,
        table: &Table,
        key: &ForeignKey,
        values: &mut Values,
        draft: &Draft,
    ) -> Result<()> {
        let needed = |c: &String| table.column(c).is_some_and(|c| c.not_null && !c.has_default);
        let known = |c: &String| values.contains_key(c);
        let parent = self.shape.iter().find(|t| t.schema == key.parent.0 && t.name == key.parent.1);
        let Some(parent) = parent else { return Ok(()) };
        // A row that needs no parent gets none, and a table cannot wait for itself.
        let optional = key.columns.iter().any(|c| !needed(c) && !known(c));
        if optional || std::ptr::eq(parent, table) || draft.depth >= MAX_DEPTH {
            return Ok(());
        }
        let given: Values = key
            .columns
            .iter()
            .zip(&key.parent_columns)
            .filter_map(|(own, theirs)| Some((theirs.clone(), values.get(own)?.clone())))
            .collect();
        let row = match self.existing(parent, &given, draft.new_parents).await? {
            Some(row) => row,
            None => self.place(parent, given, draft.depth + 1).await?.row,
        };
        for (own, theirs) in key.columns.iter().zip(&key.parent_columns) {
            if let Some(Some(value)) = row.get(theirs) {
                values.insert(own.clone(), value.clone());
            }
        }
        Ok(())
    }

    /// A row of the parent that can be used again; none if new ones are wanted, unless the whole
    /// key is given.
    async fn existing(
        &self,
        parent: &Table,
        given: &Values,
        new_parents: bool,
    ) -> Result<Option<BTreeMap<String, Option<String>>>> {
        let mut given = given.clone();
        if parent.column(self.owned.column).is_some() {
            let tenant = self.owned.tenant.as_str().to_owned();
            given.entry(self.owned.column.to_owned()).or_insert(tenant);
        }
        let whole = !parent.primary_key.is_empty()
            && parent.primary_key.iter().all(|c| given.contains_key(c));
        if new_parents && !whole {
            return Ok(None);
        }
        let filter: Vec<String> = given
            .keys()
            .enumerate()
            .map(|(n, column)| format!("t.{}::text = ${}", ident(column), n + 1))
            .collect();
        let filter = if filter.is_empty() { "true".to_owned() } else { filter.join(" AND ") };
        let sql = format!("SELECT {ROW} FROM {} AS t WHERE {filter} LIMIT 1", parent.quoted());
        let bound: Vec<&(dyn ToSql + Sync)> =
            given.values().map(|v| v as &(dyn ToSql + Sync)).collect();
        let row = self.tx.query_opt(&sql, &bound).await?;
        Ok(row.map(|row| row.get::<_, Json<BTreeMap<String, Option<String>>>>(0).0))
    }

    async fn insert(&self, table: &Table, values: &Values) -> Result<Specimen> {
        let (mut names, mut marks, mut bound): (Vec<_>, Vec<_>, Vec<&(dyn ToSql + Sync)>) =
            Default::default();
        for (name, value) in values {
            let Some(column) = table.column(name) else {
                continue;
            };
            bound.push(value);
            names.push(ident(name));
            marks.push(format!("${}::text::{}", bound.len(), column.sql_type));
        }
        let into = qualified(&table.schema, &table.name);
        let what = if names.is_empty() {
            "DEFAULT VALUES".to_owned()
        } else {
            format!("({}) OVERRIDING SYSTEM VALUE VALUES ({})", names.join(", "), marks.join(", "))
        };
        let sql = format!("INSERT INTO {into} AS t {what} RETURNING {ROW}");
        let made = self.tx.query_one(&sql, &bound).await?;
        let row = made.get::<_, Json<BTreeMap<String, Option<String>>>>(0).0;
        let key = table
            .primary_key
            .iter()
            .filter_map(|c| Some((c.clone(), row.get(c)?.clone()?)))
            .collect();
        Ok(Specimen { key, row })
    }
}

/// A whole row as an object of texts.
const ROW: &str = "(SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each_text(to_jsonb(t.*)) e)";

fn is_text(column: &Column) -> bool {
    matches!(column.base.as_str(), "text" | "varchar" | "bpchar" | "citext" | "name")
}

/// Whether a column needs a value, or is a free text that can carry the mark.
fn wants_value(column: &Column) -> bool {
    if column.generated {
        return false;
    }
    (column.not_null && !column.has_default) || (is_text(column) && column.hints.is_empty())
}

/// A value for `column`; each further guess is of another kind.
fn invent(column: &Column, mark: &str, guess: usize) -> String {
    if let Some(label) = column.labels.get(guess).or_else(|| column.labels.first()) {
        return label.clone();
    }
    // A quoted word in a check is a good guess, unless it is a pattern.
    let plain = |hint: &&String| !hint.contains(['^', '$', '[', '(', '%', '\\', '*']);
    let hints: Vec<&String> = column.hints.iter().filter(plain).collect();
    if let Some(hint) = hints.get(guess) {
        return (*hint).clone();
    }
    let guess = guess.saturating_sub(hints.len());
    let pick = |choices: &[&str]| {
        let choice = choices.get(guess).or_else(|| choices.last());
        choice.copied().unwrap_or_default().to_owned()
    };
    match column.base.as_str() {
        "text" | "citext" | "name" | "varchar" | "bpchar" => word(mark, column.length, guess),
        "int2" => number(mark, 30_000, guess),
        "int4" | "int8" | "oid" => number(mark, 1_900_000_000, guess),
        "numeric" | "float4" | "float8" | "money" => pick(&["1", "0", "100", "0.5", "2", "-1"]),
        "bool" => pick(&["false", "true"]),
        "uuid" => uuid(mark, &format!("{}{guess}", column.name)),
        "date" | "timestamp" | "timestamptz" => {
            pick(&["2020-01-01", "2020-01-02", "2100-01-01", "1970-01-01"])
        }
        "time" | "timetz" => pick(&["12:00", "13:00", "00:00"]),
        "interval" => pick(&["1 hour", "1 day", "0"]),
        "json" | "jsonb" => pick(&["{}", "[]", "\"\"", "0"]),
        "bytea" => pick(&["\\x00", "\\x"]),
        "inet" | "cidr" => pick(&["127.0.0.1", "10.0.0.0/8"]),
        "macaddr" => pick(&["02:00:00:00:00:01"]),
        "point" => pick(&["(0,0)"]),
        "xml" => pick(&["<x/>"]),
        "tsvector" | "tsquery" | "bit" | "varbit" => String::new(),
        base if base.ends_with("range") => pick(&["empty"]),
        base if base.starts_with('_') => pick(&["{}"]),
        _ => mark.to_owned(),
    }
}

/// A number that is unlikely to be taken, from the mark; then plainer ones.
fn number(mark: &str, below: u64, guess: usize) -> String {
    match guess {
        0 => (1 + hash(mark) % below).to_string(),
        1..=9 => guess.to_string(),
        10 => "0".to_owned(),
        n => hash(&format!("{mark}{n}")).checked_rem(below).unwrap_or(0).to_string(),
    }
}

/// A text: the mark first, then what checks and patterns usually ask for.
fn word(mark: &str, length: Option<i32>, guess: usize) -> String {
    // Letters that depend on the mark, as unlikely to be taken as so few can be.
    let letters = |from: u8| -> String {
        let mut seed = hash(mark);
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(from + u8::try_from((seed >> 33) % 26).unwrap_or(0))
        };
        (0..length.unwrap_or(3)).map(|_| next()).collect()
    };
    match guess {
        1 => letters(b'A'),
        2 => letters(b'a'),
        3 => clip(&hash(mark).to_string(), length),
        4 => format!("m{}@example.org", hash(mark) % 100_000),
        5 => "https://example.org/".to_owned(),
        6 => clip("A1", length),
        _ => clip(mark, length),
    }
}

fn uuid(mark: &str, column: &str) -> String {
    let (a, b) = (hash(mark), hash(&format!("{column}/{mark}")));
    let hex = format!("{a:016x}{b:016x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// The end of the mark, which is what makes it unique.
fn clip(mark: &str, length: Option<i32>) -> String {
    let Some(length) = length.and_then(|n| usize::try_from(n).ok()) else {
        return mark.to_owned();
    };
    let count = mark.chars().count();
    mark.chars().skip(count.saturating_sub(length)).collect()
}

/// FNV-1a: the same mark gives the same value, so that a run can be repeated.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}
