//! What the trail says of changes of structure.

use serde::Deserialize;

use super::line;

/// A change of structure, as its row of the trail tells it. Whatever is not there is not used: rows of
/// an earlier form hold less.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Command {
    /// What was done: `ALTER TABLE`.
    #[serde(rename = "command", default)]
    pub(crate) tag: String,
    /// To what: `table`, `schema`, `trigger`.
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
    /// What it is called, as PostgreSQL writes it out.
    #[serde(default)]
    object: String,
    /// The number of a table.
    #[serde(rename = "oid", default)]
    pub(crate) number: Option<i64>,
    #[serde(default)]
    pub(crate) dropped: bool,
    /// Why a table was written anew, as PostgreSQL counts it.
    #[serde(default)]
    rewritten: i64,
}

/// The persistence of a table was changed: while it is not logged, what is written to it is in no log.
const PERSISTENCE: i64 = 1;
/// The type of a column was changed, by an expression of anybody's choice.
const TYPE: i64 = 4;

impl Command {
    /// What stands in column `new_data` of a row of the trail.
    pub(crate) fn read(document: Option<&str>) -> Self {
        document.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    pub(crate) fn makes_table(&self) -> bool {
        self.is_table() && self.tag == "CREATE TABLE" || self.fills_table()
    }

    /// Whether the table was made with rows in it.
    pub(crate) fn fills_table(&self) -> bool {
        let fills = ["CREATE TABLE AS", "SELECT INTO", "CREATE MATERIALIZED VIEW"];
        self.has_rows() && fills.contains(&self.tag.as_str())
    }

    /// Whether it is about something whose rows the log tells of.
    pub(crate) fn has_rows(&self) -> bool {
        self.is_table() || self.kind == "materialized view"
    }

    /// Whether an extension was made or changed: what it makes itself has no record of its own.
    pub(crate) fn extends(&self) -> bool {
        self.kind == "extension" && !self.dropped
    }

    /// The schema that may be called otherwise now.
    pub(crate) fn schema(&self) -> Option<String> {
        let altered = self.kind == "schema" && self.tag == "ALTER SCHEMA";
        line::name(&self.object).ok().filter(|_| altered).map(|(name, _)| name)
    }

    pub(crate) fn is_table(&self) -> bool {
        self.kind == "table"
    }

    /// Whether values that were there may be others now. A new column with its first values is none of
    /// that.
    pub(crate) const fn rewrites(&self) -> bool {
        self.rewritten & (PERSISTENCE | TYPE) != 0
    }

    /// The table whose rows are recorded from now on, as PostgreSQL writes its name out.
    pub(crate) fn recording(&self) -> Option<&str> {
        let named = self.kind == "trigger" && !self.dropped;
        self.object.strip_prefix("amanah_audit_row on ").filter(|_| named)
    }
}

/// Rows that were written under a name that is not known to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stray {
    /// The first transaction that did.
    pub(crate) xid: u32,
    /// How many rows were written.
    pub(crate) changes: u64,
    /// Where the first one stands.
    pub(crate) at: u64,
    /// Whether an extension was made or changed in the same transaction or before.
    pub(crate) extended: bool,
}
