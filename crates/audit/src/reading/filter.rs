//! Which rows of the trail are asked for.

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use serde::Serialize;
use serde_json::Value;

use super::document::members;
use super::matching::{holds, same, text_of};
use crate::TrailRow;

/// What is asked for: everything, less what each member leaves out. It is recorded as it stands
/// here, in the row about the reading.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// Recorded at this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Recorded before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// By this actor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// In this tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// By this login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// On a table in this schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// On a table of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// About the record with this key, before or after the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// `INSERT`, `UPDATE`, `DELETE`, `TRUNCATE`, `DDL`, `ASK` or `READ`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Of this request, as the application called it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// From the row of this number on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<i64>,
    /// Up to the row of this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<i64>,
    /// Of all these, the newest so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Encrypted values are opened by whoever asks: for the row about the reading alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reveal: bool,
}

/// The key of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Key {
    /// Each column of it.
    Whole(serde_json::Map<String, Value>),
    /// The value of its only column, as a text.
    Only(String),
}

impl Key {
    /// An object of JSON is the whole key, anything else the value of its only column.
    pub fn of(text: &str) -> Self {
        match serde_json::from_str(text) {
            Ok(Value::Object(columns)) => Self::Whole(columns),
            _ => Self::Only(text.to_owned()),
        }
    }
}

impl Filter {
    /// As `audit.ask` takes it.
    pub fn to_json(&self) -> String {
        // Texts, numbers and times: there is nothing in it that could not be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A time as PostgreSQL keeps it.
fn rounded(time: Timestamp) -> Timestamp {
    let to = TimestampRound::new().smallest(Unit::Microsecond).mode(RoundMode::HalfEven);
    time.round(to).unwrap_or(time)
}

/// What `audit.asked` decides about rows that lie in the database, for those that lie elsewhere.
impl Filter {
    /// Whether a row is among what is asked for; the limit is another question.
    pub(crate) fn admits(&self, row: &TrailRow) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        let may =
            |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        let at = row.event_timestamp;
        self.from.is_none_or(|from| at >= rounded(from))
            && self.to.is_none_or(|to| at < rounded(to))
            && self.first.is_none_or(|first| row.id >= first)
            && self.last.is_none_or(|last| row.id <= last)
            && may(&self.actor, &row.actor_id)
            && may(&self.tenant, &row.tenant_id)
            && may(&self.request, &row.request_id)
            && is(&self.login, &row.db_user)
            && is(&self.action, &row.action)
            && is(&self.schema, &row.table_schema)
            && is(&self.table, &row.table_name)
            && self.key.as_ref().is_none_or(|key| key.is_of(row))
    }
}

impl Key {
    /// Whether this is what another filter asks for by its key.
    pub(crate) fn is_key(&self, held: &str) -> bool {
        match self {
            Self::Whole(wanted) => same(held, &Value::Object(wanted.clone()).to_string()),
            Self::Only(wanted) => {
                let is = |held: &str| text_of(held).as_deref() == Some(wanted);
                match members(held).as_slice() {
                    [(_, only)] => is(only),
                    _ => held.starts_with('"') && is(held),
                }
            }
        }
    }

    /// Whether a row is about the record with this key, before the change or after it.
    pub(crate) fn is_of(&self, row: &TrailRow) -> bool {
        let (key, new) = (row.row_key.as_deref(), row.new_data.as_deref());
        let columns = key.map(members).unwrap_or_default();
        match self {
            Self::Whole(wanted) => {
                let text = Value::Object(wanted.clone()).to_string();
                let is_named = |(name, _): &(String, &str)| wanted.contains_key(name);
                key.is_some_and(|key| same(key, &text))
                    || new.is_some_and(|new| holds(new, &text))
                        && columns.len() == wanted.len()
                        && columns.iter().all(is_named)
            }
            Self::Only(wanted) => {
                let [(name, held)] = columns.as_slice() else { return false };
                let after = new.map(members).unwrap_or_default();
                let after = after.iter().find(|(known, _)| known == name);
                let is = |held: &str| text_of(held).as_deref() == Some(wanted);
                is(held) || after.is_some_and(|(_, held)| is(held))
            }
        }
    }
}
