//! What the comparison finds: kinds of difference, as they are found and as they are kept.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use crate::{Error, Result};

/// Something that PostgreSQL's write-ahead log and the trail do not agree about.
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
    /// `INSERT`, `UPDATE`, `DELETE` or `TRUNCATE`, or what else was done, in words.
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
    /// As many rows were changed as the trail says, but other ones.
    OtherRows,
    /// Rows of the trail itself were changed or removed.
    TrailChanged,
    /// Rows were written under a name that no table is known to have had there: it was one that is
    /// called otherwise.
    UnknownTable,
    /// A recorded table was written anew, by which its values may have changed.
    Rewritten,
    /// A part of the log was not read: the slot was dropped, lost or read by somebody else.
    Gap,
    /// A transaction that PostgreSQL cannot print was stepped over.
    Unread,
    /// A part of the log was not compared, because Amanah itself worked on the trail meanwhile.
    Maintenance,
}

impl Kind {
    /// Each of them.
    pub const ALL: [Self; 9] = [
        Self::Unrecorded,
        Self::Unfounded,
        Self::OtherRows,
        Self::TrailChanged,
        Self::UnknownTable,
        Self::Rewritten,
        Self::Gap,
        Self::Unread,
        Self::Maintenance,
    ];

    /// What it is called.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unrecorded => "unrecorded",
            Self::Unfounded => "unfounded",
            Self::OtherRows => "other-rows",
            Self::TrailChanged => "trail-changed",
            Self::UnknownTable => "unknown-table",
            Self::Rewritten => "rewritten",
            Self::Gap => "gap",
            Self::Unread => "unread",
            Self::Maintenance => "maintenance",
        }
    }

    /// The one that is called so.
    fn named(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == name);
        found.ok_or(Error::Wal("a difference of a kind that this version does not know"))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A difference that nobody has explained yet.
#[derive(Debug, Clone, Serialize)]
pub struct Open {
    /// Its number, to explain it by.
    pub id: i64,
    /// What kind it is.
    pub kind: Kind,
    /// The transaction, by the lower 32 bits of its number; 0 where it is about a part of the log.
    pub xid: i64,
    /// The schema of the table.
    pub schema: String,
    /// The table.
    pub table: String,
    /// What was done.
    pub action: String,
    /// How many rows were changed so.
    pub changes: i64,
    /// How many rows of the trail say so.
    pub records: i64,
    /// Where in the log.
    pub lsn: String,
    /// When it was found.
    pub seen_at: Timestamp,
}

impl Open {
    pub(super) fn from_row(row: &store::Row) -> Result<Self> {
        Ok(Self {
            id: row.get(0),
            kind: Kind::named(row.get(1))?,
            xid: row.get(2),
            schema: row.get(3),
            table: row.get(4),
            action: row.get(5),
            changes: row.get(6),
            records: row.get(7),
            lsn: row.get(8),
            seen_at: row.get(9),
        })
    }
}

/// A difference that was found once, explained or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Past {
    /// Its number.
    pub id: i64,
    /// What kind it is.
    pub kind: Kind,
    /// The schema of the table.
    pub schema: String,
    /// The table.
    pub table: String,
    /// What it was, in one sentence.
    pub what: String,
    /// When it was found.
    pub seen_at: Timestamp,
    /// Who explained it, how, and when.
    pub explained: Option<(String, String, Timestamp)>,
}

impl Past {
    pub(super) fn from_row(row: &store::Row) -> Result<Self> {
        let open = Open::from_row(row)?;
        let (by, why, at) = (row.get(10), row.get(11), row.get(12));
        let what = open.to_string();
        let Open { id, kind, schema, table, seen_at, .. } = open;
        let explained = match (by, why, at) {
            (Some(by), Some(why), Some(at)) => Some((by, why, at)),
            _ => None,
        };
        Ok(Self { id, kind, schema, table, what, seen_at, explained })
    }
}

/// What it was, in one sentence.
impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, xid, action, changes, records, .. } = self;
        match kind {
            Kind::Unread if *xid == 0 => {
                write!(
                    f,
                    "{action} was not compared: it ends at {}, and is too small to tell its number",
                    self.lsn
                )
            }
            Kind::Unread => write!(
                f,
                "{action} was not compared: transaction {xid}, which ends at {}",
                self.lsn
            ),
            _ if self.table.is_empty() && *xid > 0 => {
                write!(f, "{action} in transaction {xid}, with {changes} rows")
            }
            Kind::Unrecorded => write!(
                f,
                "{action} of {changes} rows in transaction {xid} has {records} rows in the trail"
            ),
            Kind::Unfounded => write!(
                f,
                "the trail has {records} rows of {action} in transaction {xid}, which changed {changes}"
            ),
            Kind::OtherRows => write!(
                f,
                "the trail names other rows than the {changes} that met {action} in transaction {xid}"
            ),
            Kind::TrailChanged => {
                write!(f, "{changes} rows of the trail itself met {action} in transaction {xid}")
            }
            Kind::UnknownTable => write!(
                f,
                "{action} of {changes} rows from transaction {xid} on, and no table is known to have had \
                 this name then"
            ),
            Kind::Rewritten => write!(
                f,
                "{action} in transaction {xid} wrote its rows anew, and no record says what changed"
            ),
            Kind::Gap => write!(
                f,
                "the log was not read {action}: the slot was dropped, lost or read by somebody else"
            ),
            Kind::Maintenance => write!(
                f,
                "the log was not compared {action}: amanah protect worked on the trail and was ended"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn each_kind_is_kept_and_said_to_the_reader() {
        let page = include_str!("../../../../docs/trail.md");
        let table = include_str!("../../sql/0001_compared.sql");
        for kind in Kind::ALL {
            let name = kind.as_str();
            assert!(page.contains(&format!("| `{name}` |")), "docs/trail.md: {name}");
            assert!(table.contains(&format!("'{name}'")), "0001_compared.sql: {name}");
            assert_eq!(Kind::named(name).unwrap(), kind);
            assert_eq!(serde_json::to_value(kind).unwrap(), name);
        }
        assert!(Kind::named("other").is_err());
    }
}
