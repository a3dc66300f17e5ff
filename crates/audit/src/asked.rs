//! What is asked of the recording of one table, in comments on it and on its columns.
//!
//! `@audit(never)` and `@audit(hashed)` in the comment on a column keep its values out of the trail;
//! `@audit(statement)` in the comment on a table has its rows recorded once for each statement, which
//! is cheaper where a statement changes many. A comment goes with the table into a dump and a copy.

use std::collections::BTreeMap;

use store::Tx;

use crate::{Error, Result, sql};

/// What is asked of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Its rows are recorded once for each statement.
    pub by_statement: bool,
    /// How a column is not shown, and which.
    pub hidden: Vec<(String, String)>,
}

impl Asked {
    /// The columns that are not shown.
    pub(crate) fn columns(&self) -> Vec<String> {
        self.hidden.iter().map(|(_, column)| column.clone()).collect()
    }

    /// The arguments of the recording trigger of a table with this primary key.
    pub(crate) fn arguments(&self, primary_key: &[String]) -> Vec<String> {
        let mut arguments = Vec::new();
        if !self.hidden.is_empty() {
            arguments.push(String::new());
            for (how, column) in &self.hidden {
                arguments.extend([how.clone(), column.clone()]);
            }
            arguments.push(String::new());
        }
        arguments.extend_from_slice(primary_key);
        arguments
    }
}

/// What is asked of each table, by schema and name; tables of which nothing is asked are left out.
///
/// # Errors
/// When the catalogue cannot be read, or a comment asks for something that there is not: silence
/// would record what was to be kept out.
pub(crate) async fn all(tx: &Tx) -> Result<BTreeMap<(String, String), Asked>> {
    let mut all: BTreeMap<(String, String), Asked> = BTreeMap::new();
    for row in tx.query(sql::ASKED, &[]).await? {
        let (schema, table, column): (String, String, String) =
            (row.get(0), row.get(1), row.get(2));
        let (word, divided, key): (Option<String>, bool, bool) =
            (row.get(3), row.get(4), row.get(5));
        let word = word.unwrap_or_default();
        let asked = all.entry((schema.clone(), table.clone())).or_default();
        match (word.as_str(), column.is_empty()) {
            ("statement", true) if !divided => asked.by_statement = true,
            ("hashed", false) => asked.hidden.push((word, column)),
            ("never", false) if !key => asked.hidden.push((word, column)),
            _ => {
                let part = if column.is_empty() { String::new() } else { format!(".{column}") };
                return Err(Error::Asked { place: format!("{schema}.{table}{part}"), word });
            }
        }
    }
    Ok(all)
}
