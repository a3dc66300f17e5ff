//! Events of the Common Event Format, version 0, each the message of a line of syslog as RFC 5424 has
//! it, and each line ended by a line feed (RFC 6587, 3.4.2). `externalId` is the number of the entry.

use std::fmt::Write as _;

use super::{Stamp, Sum, kind, said, time};
use crate::reading::{Exported, Part};
use crate::{Leaf, TrailRow};

use jiff::Timestamp;

/// Facility 13, audit, and the severities notice and warning.
const NOTICE: u8 = 13 * 8 + 5;
const WARNING: u8 = 13 * 8 + 4;

/// An event that is being put together.
struct Event<'a> {
    at: Timestamp,
    class: &'a str,
    name: &'a str,
    severity: u8,
    members: String,
}

impl Event<'_> {
    fn add(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            let space = if self.members.is_empty() { "" } else { " " };
            let _ = write!(self.members, "{space}{name}={}", value_of(value));
        }
    }

    /// A member whose name is the receiver's: what it means stands beside it.
    fn label(&mut self, name: &str, label: &str, value: &str) {
        if !value.is_empty() {
            self.add(name, value);
            self.add(&format!("{name}Label"), label);
        }
    }

    fn line(&self) -> String {
        let priority = if self.severity > 8 { WARNING } else { NOTICE };
        // Syslog knows microseconds at most.
        let at = self.at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ");
        format!(
            "<{priority}>1 {at} - amanah - {} - CEF:0|Amanah|Amanah|{}|{}|{}|{}|{}\n",
            self.class,
            env!("CARGO_PKG_VERSION"),
            field(self.class),
            field(self.name),
            self.severity,
            self.members
        )
    }
}

/// A field in front: a bar would end it.
fn field(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('|', "\\|").replace(['\r', '\n'], " ")
}

/// The value of a member: an equals sign would begin the next one.
fn value_of(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('=', "\\=");
    one_line(&escaped.replace('\r', "\\r").replace('\n', "\\n"))
}

/// What is left of control characters ends no line and moves no cursor.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\r' { ' ' } else { c }).collect()
}

pub(super) fn head(stamp: &Stamp) -> String {
    let mut event = event(stamp.time.unwrap_or_default(), "HEAD", "Export begins", 3);
    event.add("deviceExternalId", &stamp.log);
    event.label("cn1", "first", &stamp.first.to_string());
    event.label("cn2", "next", &stamp.next.to_string());
    event.label("cs1", "checkpoint", &stamp.checkpoint);
    event.line()
}

pub(super) fn tail(stamp: &Stamp, sum: Sum, whole: bool) -> String {
    let severity = if whole { 3 } else { 9 };
    let mut event = event(stamp.time.unwrap_or_default(), "TAIL", "Export ends", severity);
    event.add("deviceExternalId", &stamp.log);
    event.add("outcome", if whole { "whole" } else { "not whole" });
    event.add("cnt", &sum.entries.to_string());
    event.label("cn1", "changed", &sum.changed.to_string());
    event.label("cn2", "missing", &sum.missing.to_string());
    event.label("cn3", "next", &stamp.next.to_string());
    event.line()
}

pub(super) fn entry(entry: &Exported, stamp: &Stamp) -> String {
    let (class, name) = match (&entry.leaf, &entry.row) {
        (Leaf::Row(_), Some(row)) => (row.action.as_str(), named(&row.action)),
        (Leaf::Row(_), None) => ("MISSING", "Row is not there"),
        (Leaf::Epoch(_), _) => ("EPOCH", "Epoch begins"),
        (Leaf::Erasure(_), _) => ("ERASURE", "Content erased"),
    };
    let severity = match entry.part {
        Part::Changed | Part::Missing => 9,
        _ if ["DELETE", "TRUNCATE", "DDL"].contains(&class) => 5,
        _ => 3,
    };
    let class = if class.bytes().all(|b| b.is_ascii_uppercase()) { class } else { "ROW" };
    let mut event = event(time(&entry.leaf), class, name, severity);
    event.add("externalId", &entry.index.to_string());
    event.add("deviceExternalId", &stamp.log);
    event.add("cat", kind(&entry.leaf));
    event.add("outcome", entry.part.as_str());
    event.add("msg", &said(&entry.leaf));
    match (&entry.leaf, &entry.row) {
        (_, Some(row)) => of_row(&mut event, row),
        (Leaf::Row(sealed), None) => {
            event.label("cn1", "row", &sealed.id.to_string());
            event.label("cn2", "transaction", &sealed.xid.to_string());
        }
        _ => {}
    }
    event.line()
}

fn of_row(event: &mut Event<'_>, row: &TrailRow) {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    event.add("rt", &row.event_timestamp.as_millisecond().to_string());
    event.add("act", &row.action);
    event.add("suser", &text(&row.actor_id));
    event.add("duser", &row.db_user);
    event.label("cn1", "row", &row.id.to_string());
    event.label("cn2", "transaction", &row.xid.to_string());
    event.label("cs1", "tenant", &text(&row.tenant_id));
    event.label("cs2", "table", &format!("{}.{}", row.table_schema, row.table_name));
    event.label("cs3", "key", &text(&row.row_key));
    event.label("cs4", "old", &text(&row.old_data));
    event.label("cs5", "new", &text(&row.new_data));
    event.label("cs6", "rowHash", &kernel::hex(&row.row_hash));
    event.label("flexString1", "request", &text(&row.request_id));
}

const fn event<'a>(at: Timestamp, class: &'a str, name: &'a str, severity: u8) -> Event<'a> {
    Event { at, class, name, severity, members: String::new() }
}

fn named(action: &str) -> &'static str {
    match action {
        "INSERT" => "Row inserted",
        "UPDATE" => "Row updated",
        "DELETE" => "Row deleted",
        "TRUNCATE" => "Table emptied",
        "DDL" => "Structure changed",
        "ASK" => "Trail asked for",
        "READ" => "Trail read",
        _ => "Row of the trail",
    }
}
