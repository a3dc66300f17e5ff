//! Which rows of the trail are asked for.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

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
