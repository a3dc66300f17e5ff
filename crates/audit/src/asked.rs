//! What is asked of the recording of one table, in comments on it and on its columns.
//!
//! `@audit(never)`, `@audit(hashed)` and `@audit(encrypted)` in the comment on a column keep its values
//! out of the trail, or out of sight there; `@audit(statement)` in the comment on a table has its rows recorded once for each statement, which
//! is cheaper where a statement changes many. A comment goes with the table into a dump and a copy.

use std::collections::BTreeMap;

use store::Tx;

use crate::{Result, sql};

/// What is asked of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Its rows are recorded once for each statement.
    pub by_statement: bool,
    /// How a column is not shown, and which.
    pub hidden: Vec<(String, String)>,
    /// What cannot be done, and why: then the table is left as it is.
    pub refused: Vec<String>,
}

impl Asked {
    /// The columns that are not shown.
    pub(crate) fn columns(&self) -> Vec<String> {
        self.hidden.iter().map(|(_, column)| column.clone()).collect()
    }

    /// The arguments of the recording trigger of a table with this primary key, for each row, of which
    /// `form` says how rows print, or for each statement.
    pub(crate) fn arguments(&self, primary_key: &[String], form: Option<&str>) -> Vec<String> {
        let form = form.filter(|_| !self.by_statement);
        let mut arguments = Vec::new();
        // An empty word in front begins what is not shown, so that none stands there for the form.
        if !self.hidden.is_empty() || primary_key.is_empty() && form.is_some() {
            arguments.push(String::new());
            for (how, column) in &self.hidden {
                arguments.extend([how.clone(), column.clone()]);
            }
            arguments.push(String::new());
        }
        arguments.extend_from_slice(primary_key);
        arguments.extend(form.into_iter().flat_map(|form| [String::new(), form.to_owned()]));
        arguments
    }
}

/// Whether values can be encrypted in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cipher {
    /// They can.
    There,
    /// They can once a column is approved: the server has pgcrypto.
    Makeable,
    /// The server has no pgcrypto.
    Absent,
}

/// Whether values can be encrypted there.
pub(crate) async fn cipher(tx: &Tx) -> Result<Cipher> {
    let row = tx.query_one(sql::CIPHER, &[]).await?;
    Ok(match (row.get(0), row.get(1)) {
        (true, _) => Cipher::There,
        (false, true) => Cipher::Makeable,
        (false, false) => Cipher::Absent,
    })
}

/// What is asked of each table, by schema and name; tables of which nothing is asked are left out.
///
/// # Errors
/// When the catalogue cannot be read.
pub(crate) async fn all(tx: &Tx) -> Result<BTreeMap<(String, String), Asked>> {
    let mut all: BTreeMap<(String, String), Asked> = BTreeMap::new();
    let absent = cipher(tx).await? == Cipher::Absent;
    for row in tx.query(sql::ASKED, &[]).await? {
        let (schema, table, column): (String, String, String) =
            (row.get(0), row.get(1), row.get(2));
        let (word, divided, key): (Option<String>, bool, bool) =
            (row.get(3), row.get(4), row.get(5));
        let word = word.unwrap_or_default();
        let asked = all.entry((schema, table)).or_default();
        match (word.as_str(), column.is_empty()) {
            ("statement", true) if !divided => asked.by_statement = true,
            ("hashed", false) => asked.hidden.push((word, column)),
            ("never", false) if !key => asked.hidden.push((word, column)),
            ("encrypted", false) if !key && !absent => asked.hidden.push((word, column)),
            _ => asked.refused.push(refusal(&word, &column, key, divided)),
        }
    }
    Ok(all)
}

/// Why this cannot be done. Silence would record what was to be kept out.
fn refusal(word: &str, column: &str, key: bool, divided: bool) -> String {
    let why = match (word, column.is_empty()) {
        ("never" | "encrypted", false) if key => {
            "the column is of the primary key, without which nobody could tell which row it was: it may \
             be @audit(hashed) and no more"
        }
        ("encrypted", false) => {
            "the server has no pgcrypto: install PostgreSQL's contrib package on it"
        }
        ("statement", true) if divided => {
            "a table with partitions, parents, children or a subscription is recorded row by row"
        }
        _ => {
            "there is @audit(never), @audit(hashed) and @audit(encrypted) on columns, and \
             @audit(statement) on tables"
        }
    };
    let on = if column.is_empty() { "its comment" } else { "the comment on " };
    format!("{on}{column} asks for @audit({word}), which cannot be done: {why}")
}
