//! One record through time, put together from the rows of the trail about it.
//!
//! It promises to say of a moment only what the rows say: before the first of them nothing is known,
//! unless that one is the record's beginning.

use jiff::Timestamp;

use super::document::{laid, members, plain};
use super::filter::Key;
use crate::TrailRow;

/// The record at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// It was this, as PostgreSQL prints JSONB, since the row of this number.
    Was {
        /// The record.
        record: String,
        /// The number of the row that says so.
        row: i64,
        /// When that was written.
        since: Timestamp,
    },
    /// It was not there, since the row of this number, or because the first row is its beginning.
    Absent {
        /// What ended it: `DELETE`, `TRUNCATE` or `UPDATE`; `None` when it had not begun.
        by: Option<String>,
        /// The row that says so.
        row: i64,
        /// When that was written.
        at: Timestamp,
    },
    /// The trail's first row about it is later.
    NotKnown {
        /// When that one was written.
        before: Timestamp,
        /// What the record was just before it, when that row says so.
        then: Option<String>,
    },
    /// The trail has no row about it.
    Nothing,
}

/// The rows about one record are given in the order of the trail; what it was then can be asked.
#[derive(Debug)]
pub struct History {
    key: Key,
    at: Timestamp,
    seen: Option<Moment>,
    later: bool,
}

impl History {
    /// Of the record with this key, at `at`.
    pub const fn new(key: Key, at: Timestamp) -> Self {
        Self { key, at, seen: None, later: false }
    }

    /// Takes the next row in, about the record or a TRUNCATE of its table.
    pub fn take(&mut self, row: &TrailRow) {
        let truncated = row.action == "TRUNCATE";
        if self.later {
            return;
        }
        if row.event_timestamp > self.at {
            // A table that is emptied later says nothing of what was in it.
            if self.seen.is_none() && truncated {
                return;
            }
            self.later = true;
            if self.seen.is_none() {
                self.seen = Some(before(row, &self.key));
            }
            return;
        }
        let (id, time) = (row.id, row.event_timestamp);
        let ended = || Moment::Absent { by: Some(row.action.clone()), row: id, at: time };
        self.seen = Some(match &row.new_data {
            Some(record) if !truncated && has_key(record, row, &self.key) => {
                Moment::Was { record: record.clone(), row: id, since: time }
            }
            _ => ended(),
        });
    }

    /// What the rows came to.
    pub fn end(self) -> Moment {
        self.seen.unwrap_or(Moment::Nothing)
    }
}

/// What the first row of all says of the time before it.
fn before(row: &TrailRow, key: &Key) -> Moment {
    let at = row.event_timestamp;
    if row.action == "INSERT" {
        return Moment::Absent { by: None, row: row.id, at };
    }
    let whole = match (&row.old_data, &row.new_data) {
        (Some(old), Some(new)) => Some(laid(new, old)),
        (Some(old), None) => Some(old.clone()),
        _ => None,
    };
    let then = whole.filter(|record| has_key(record, row, key));
    Moment::NotKnown { before: at, then }
}

/// Whether `record` has this key, in the columns of the key of `row`.
fn has_key(record: &str, row: &TrailRow, key: &Key) -> bool {
    let columns = members(row.row_key.as_deref().unwrap_or_default());
    let held = members(record);
    let of = |name: &str| held.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
    match key {
        Key::Only(wanted) => {
            columns.iter().all(|(name, _)| of(name).is_some_and(|value| plain(value) == *wanted))
        }
        Key::Whole(wanted) => wanted.iter().all(|(name, wanted)| {
            let value = of(name).and_then(|value| serde_json::from_str(value).ok());
            value.is_some_and(|value: serde_json::Value| same(&value, wanted))
        }),
    }
}

/// As JSONB compares: 1 and 1.0 are one number.
fn same(one: &serde_json::Value, other: &serde_json::Value) -> bool {
    one == other || one.as_f64().is_some_and(|number| other.as_f64() == Some(number))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{History, Moment};
    use crate::TrailRow;
    use crate::reading::Key;

    fn row(second: i64, action: &str, key: &str, old: &str, new: &str) -> TrailRow {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        TrailRow {
            id: second,
            event_timestamp: Timestamp::from_second(second).unwrap(),
            xid: 1,
            actor_id: None,
            tenant_id: None,
            db_user: "u".to_owned(),
            request_id: None,
            action: action.to_owned(),
            table_schema: "public".to_owned(),
            table_name: "t".to_owned(),
            row_key: text(key),
            old_data: text(old),
            new_data: text(new),
            salt: None,
            erased: None,
            row_hash: Vec::new(),
        }
    }

    fn at(rows: &[TrailRow], key: &str, second: i64) -> Moment {
        let mut history = History::new(Key::of(key), Timestamp::from_second(second).unwrap());
        for row in rows {
            history.take(row);
        }
        history.end()
    }

    fn was(record: &str, row: i64) -> Moment {
        let since = Timestamp::from_second(row).unwrap();
        Moment::Was { record: record.to_owned(), row, since }
    }

    fn absent(by: Option<&str>, row: i64) -> Moment {
        let at = Timestamp::from_second(row).unwrap();
        Moment::Absent { by: by.map(str::to_owned), row, at }
    }

    #[test]
    fn a_record_is_followed() {
        let (one, two) = (r#"{"id": 1, "n": 1.10}"#, r#"{"id": 1, "n": 2}"#);
        let moved = r#"{"id": 9, "n": 2}"#;
        let rows = [
            row(10, "INSERT", r#"{"id": 1}"#, "", one),
            row(20, "UPDATE", r#"{"id": 1}"#, r#"{"n": 1.10}"#, two),
            row(30, "UPDATE", r#"{"id": 1}"#, r#"{"id": 1}"#, moved),
            row(40, "TRUNCATE", "", "", ""),
            row(50, "INSERT", r#"{"id": 1}"#, "", one),
            row(60, "DELETE", r#"{"id": 1}"#, one, ""),
        ];
        for key in ["1", r#"{"id": 1}"#, r#"{"id": 1.0}"#] {
            let wanted = [
                absent(None, 10),
                was(one, 10),
                was(two, 20),
                absent(Some("UPDATE"), 30),
                absent(Some("TRUNCATE"), 40),
                was(one, 50),
                absent(Some("DELETE"), 60),
            ];
            for (n, wanted) in (0..).zip(wanted) {
                assert_eq!(at(&rows, key, 5 + 10 * n), wanted, "{key} at {}", 5 + 10 * n);
            }
        }
        let renamed = &rows[2..3];
        assert_eq!(at(renamed, "9", 35), was(moved, 30));
        assert_eq!(at(&[], "1", 0), Moment::Nothing);
    }

    /// What was recorded from the middle on is not made up for before.
    #[test]
    fn what_is_not_known_is_said() {
        let first = row(20, "UPDATE", r#"{"id": 1}"#, r#"{"n": 1.10}"#, r#"{"id": 1, "n": 2}"#);
        let before = first.event_timestamp;
        let then = Some(r#"{"id": 1, "n": 1.10}"#.to_owned());
        assert_eq!(at(&[first], "1", 10), Moment::NotKnown { before, then });
        let gone = row(20, "DELETE", r#"{"id": 1}"#, r#"{"id": 1}"#, "");
        let then = Some(r#"{"id": 1}"#.to_owned());
        assert_eq!(at(&[gone], "1", 10), Moment::NotKnown { before, then });
        let emptied = row(20, "TRUNCATE", "", "", "");
        let later = row(30, "INSERT", r#"{"id": 1}"#, "", r#"{"id": 1}"#);
        assert_eq!(at(&[emptied.clone(), later], "1", 10), absent(None, 30));
        assert_eq!(at(&[emptied], "1", 10), Moment::Nothing);
    }
}
