//! A row that fits a table nobody here wrote, so that an attack has something to hit.
//!
//! Values are guessed from types, defaults, checks and foreign keys; parents are made first. A
//! guess that the table refuses is tried again with a plainer value. What cannot be placed is an
//! error with the server's own words: the caller must then say that the table was not attacked.

use std::collections::BTreeMap;

use kernel::TenantId;

use crate::shape::{Column, ForeignKey, Table};
use crate::{Error, Json, Result, ToSql, Tx, ident, qualified};

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
/// How plain the values get: unique ones, then ones, then zeroes.
const GUESSES: usize = 3;
/// SQLSTATE of a violated check, unique or foreign key, or a value out of range: worth a new guess.
const TRY_AGAIN: [&str; 5] = ["23514", "23505", "22003", "22001", "23P01"];

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
    let given = given
        .iter()
        .map(|(c, v)| ((*c).to_owned(), (*v).to_owned()))
        .collect();
    Maker { tx, shape, owned }.place(table, given, 0).await
}

struct Maker<'a> {
    tx: &'a Tx,
    shape: &'a [Table],
    owned: &'a Owned<'a>,
}

/// Values by column, as text.
type Values = BTreeMap<String, String>;

impl Maker<'_> {
    /// Boxed, since a table's parents are placed by the same function.
    fn place<'s>(
        &'s self,
        table: &'s Table,
        given: Values,
        depth: usize,
    ) -> kernel::Fut<'s, Result<Specimen>> {
        Box::pin(async move {
            let mut last = Error::Ended;
            for guess in 0..GUESSES {
                self.tx.batch("SAVEPOINT amanah_specimen").await?;
                match self.try_place(table, given.clone(), depth, guess).await {
                    Ok(made) => {
                        self.tx.batch("RELEASE SAVEPOINT amanah_specimen").await?;
                        return Ok(made);
                    }
                    Err(error) => {
                        self.tx
                            .batch("ROLLBACK TO SAVEPOINT amanah_specimen")
                            .await?;
                        let retry = error.sqlstate().is_some_and(|s| TRY_AGAIN.contains(&s));
                        last = error;
                        if !retry {
                            break;
                        }
                    }
                }
            }
            Err(last)
        })
    }

    async fn try_place(
        &self,
        table: &Table,
        mut values: Values,
        depth: usize,
        guess: usize,
    ) -> Result<Specimen> {
        if table.column(self.owned.column).is_some() {
            let tenant = self.owned.tenant.as_str().to_owned();
            values.entry(self.owned.column.to_owned()).or_insert(tenant);
        }
        for key in &table.foreign_keys {
            self.follow(table, key, &mut values, depth, guess).await?;
        }
        for column in &table.columns {
            if !values.contains_key(&column.name) && wants_value(column) {
                values.insert(column.name.clone(), invent(column, self.owned.mark, guess));
            }
        }
        self.insert(table, &values).await
    }

    /// Makes sure that what `key` points to exists, and fills in its columns.
    async fn follow(
        &self,
        table: &Table,
        key: &ForeignKey,
        values: &mut Values,
        depth: usize,
        guess: usize,
    ) -> Result<()> {
        let needed = |c: &String| {
            table
                .column(c)
                .is_some_and(|c| c.not_null && !c.has_default)
        };
        let optional = !key
            .columns
            .iter()
            .any(|c| needed(c) || values.contains_key(c));
        let parent = self
            .shape
            .iter()
            .find(|t| t.schema == key.parent.0 && t.name == key.parent.1);
        let Some(parent) = parent else { return Ok(()) };
        // A row that needs no parent gets none, and a table cannot wait for itself.
        let itself = std::ptr::eq(parent, table);
        let partly = key
            .columns
            .iter()
            .any(|c| !needed(c) && !values.contains_key(c));
        if optional || itself || partly || depth >= MAX_DEPTH {
            return Ok(());
        }
        let known: Values = key
            .columns
            .iter()
            .zip(&key.parent_columns)
            .filter_map(|(own, theirs)| Some((theirs.clone(), values.get(own)?.clone())))
            .collect();
        let row = match self.existing(parent, &known, guess).await? {
            Some(row) => row,
            None => self.place(parent, known, depth + 1).await?.row,
        };
        for (own, theirs) in key.columns.iter().zip(&key.parent_columns) {
            if let Some(Some(value)) = row.get(theirs) {
                values.insert(own.clone(), value.clone());
            }
        }
        Ok(())
    }

    /// A row of the parent that can be used again. After the first guess a one-to-one reference
    /// may have failed on it, so a new parent is made then, unless the whole key is known.
    async fn existing(
        &self,
        parent: &Table,
        known: &Values,
        guess: usize,
    ) -> Result<Option<BTreeMap<String, Option<String>>>> {
        let mut known = known.clone();
        let whole = parent.primary_key.iter().all(|c| known.contains_key(c));
        if guess > 0 && !whole {
            return Ok(None);
        }
        if parent.column(self.owned.column).is_some() {
            let tenant = self.owned.tenant.as_str().to_owned();
            known.entry(self.owned.column.to_owned()).or_insert(tenant);
        }
        let filter: Vec<String> = known
            .keys()
            .enumerate()
            .map(|(n, column)| format!("t.{}::text = ${}", ident(column), n + 1))
            .collect();
        let filter = if filter.is_empty() {
            "true".to_owned()
        } else {
            filter.join(" AND ")
        };
        let sql = format!(
            "SELECT {ROW} FROM {} AS t WHERE {filter} LIMIT 1",
            parent.quoted()
        );
        let bound: Vec<&(dyn ToSql + Sync)> =
            known.values().map(|v| v as &(dyn ToSql + Sync)).collect();
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
            format!(
                "({}) OVERRIDING SYSTEM VALUE VALUES ({})",
                names.join(", "),
                marks.join(", ")
            )
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
const ROW: &str = "(SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each_text(to_jsonb(t)) e)";

fn is_text(column: &Column) -> bool {
    matches!(
        column.base.as_str(),
        "text" | "varchar" | "bpchar" | "citext" | "name"
    )
}

/// Whether a column needs a value, or is a free text that can carry the mark.
fn wants_value(column: &Column) -> bool {
    if column.generated {
        return false;
    }
    (column.not_null && !column.has_default) || (is_text(column) && column.hints.is_empty())
}

/// A value for `column`; the higher the guess, the plainer.
fn invent(column: &Column, mark: &str, guess: usize) -> String {
    let hint = column
        .labels
        .first()
        .or_else(|| column.hints.get(guess.min(1)))
        .or(column.hints.first());
    if let Some(hint) = hint {
        return hint.clone();
    }
    let word = |text: &str| text.to_owned();
    match column.base.as_str() {
        "text" | "citext" | "name" => word(mark),
        "varchar" | "bpchar" => clip(mark, column.length),
        "int2" => number(mark, 30_000, guess),
        "int4" | "int8" | "oid" => number(mark, 1_900_000_000, guess),
        "numeric" | "float4" | "float8" | "money" => word(if guess < 2 { "1" } else { "0" }),
        "bool" => word("false"),
        "uuid" => uuid(mark, &column.name),
        "date" | "timestamp" | "timestamptz" => word("2020-01-01"),
        "time" | "timetz" => word("12:00"),
        "interval" => word("1 hour"),
        "json" | "jsonb" => word("{}"),
        "bytea" => word("\\x00"),
        "inet" | "cidr" => word("127.0.0.1"),
        "macaddr" => word("02:00:00:00:00:01"),
        "point" => word("(0,0)"),
        "xml" => word("<x/>"),
        "tsvector" | "tsquery" | "bit" | "varbit" => String::new(),
        base if base.ends_with("range") => word("empty"),
        base if base.starts_with('_') => word("{}"),
        _ => word(mark),
    }
}

/// A number that is unlikely to be taken, from the mark; then one; then zero.
fn number(mark: &str, below: u64, guess: usize) -> String {
    match guess {
        0 => (1 + hash(mark) % below).to_string(),
        1 => "1".to_owned(),
        _ => "0".to_owned(),
    }
}

fn uuid(mark: &str, column: &str) -> String {
    let (a, b) = (hash(mark), hash(&format!("{column}/{mark}")));
    let hex = format!("{a:016x}{b:016x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-4{}-8{}-{}",
        part(0, 8),
        part(8, 12),
        part(13, 16),
        part(17, 20),
        part(20, 32)
    )
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
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    })
}
