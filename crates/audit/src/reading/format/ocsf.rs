//! Events of the Open Cybersecurity Schema Framework, version 1.3.0: class 6005, Datastore Activity,
//! for rows; the base event for what is none. `metadata.sequence` is the number of the entry.
//!
//! Documents stand in `unmapped` as texts: the schema has no place for what a table holds.

use serde_json::{Map, Value, json};

use super::{Stamp, Sum, said, texts, time};
use crate::reading::{Exported, Part};
use crate::{Leaf, TrailRow};

/// The version of the schema.
const VERSION: &str = "1.3.0";
/// Datastore Activity, in the category Application Activity.
const DATASTORE: u64 = 6005;
const APPLICATION: u64 = 6;
/// What is not mapped, of any class.
const OTHER: u64 = 99;
/// Severities: informational, and high.
const INFORMATIONAL: u64 = 1;
const HIGH: u64 = 4;

pub(super) fn head(stamp: &Stamp) -> String {
    let message = format!("Entries {} to {} of the log {}", stamp.first, stamp.next, stamp.log);
    let told = json!({
        "kind": "head", "checkpoint": stamp.checkpoint, "first": stamp.first, "next": stamp.next,
    });
    base(stamp, None, &message, signed(stamp), &told)
}

pub(super) fn tail(stamp: &Stamp, sum: Sum, whole: bool) -> String {
    let Sum { entries, changed, missing } = sum;
    let message = if whole { "The entries are whole" } else { "The entries are not whole" };
    let told = json!({
        "kind": "tail", "entries": entries, "changed": changed, "missing": missing,
        "next": stamp.next, "whole": whole,
    });
    base(stamp, None, message, signed(stamp), &told)
}

pub(super) fn entry(entry: &Exported, stamp: &Stamp) -> String {
    let at = time(&entry.leaf).as_millisecond();
    let state = entry.part.as_str();
    match (&entry.leaf, &entry.row) {
        (Leaf::Row(_), Some(row)) => of_row(entry, row, stamp),
        (Leaf::Row(sealed), None) => {
            let message = format!("Row {} was sealed and is not there", sealed.id);
            let told = json!({"state": state, "id": sealed.id, "xid": sealed.xid.to_string()});
            base(stamp, Some(entry.index), &message, at, &told)
        }
        (leaf, _) => base(stamp, Some(entry.index), &said(leaf), at, &json!({"state": state})),
    }
}

/// The number of what was done, among the activities of the class, and its name.
fn activity(action: &str) -> (u64, &'static str) {
    match action {
        "INSERT" => (6, "Create"),
        "UPDATE" => (2, "Update"),
        "DELETE" | "TRUNCATE" => (7, "Delete"),
        "ASK" | "READ" => (4, "Query"),
        _ => (OTHER, "Other"),
    }
}

fn of_row(entry: &Exported, row: &TrailRow, stamp: &Stamp) -> String {
    let (activity, name) = activity(&row.action);
    let severity = if entry.part == Part::Changed { HIGH } else { INFORMATIONAL };
    let mut more: Map<String, Value> =
        texts(row).into_iter().map(|(name, text)| (name.to_owned(), Value::from(text))).collect();
    more.insert("state".to_owned(), entry.part.as_str().into());
    more.insert("xid".to_owned(), row.xid.to_string().into());
    let table = format!("{}.{}", row.table_schema, row.table_name);
    let event = json!({
        "activity_id": activity,
        "activity_name": name,
        "category_uid": APPLICATION,
        "category_name": "Application Activity",
        "class_uid": DATASTORE,
        "class_name": "Datastore Activity",
        "type_uid": DATASTORE * 100 + activity,
        "severity_id": severity,
        "time": row.event_timestamp.as_millisecond(),
        "message": format!("{} on {table}", row.action),
        "metadata": metadata(stamp, Some(entry.index), Some(row)),
        "actor": {"user": {
            "name": row.actor_id.as_deref().unwrap_or(&row.db_user),
            "uid": row.actor_id.as_deref().unwrap_or(&row.db_user),
            "type_id": 0,
        }, "session": {"credential_uid": row.db_user}},
        // The trail knows the login and not the machine that it came from.
        "src_endpoint": {"name": "not recorded"},
        "type_id": 3,
        "type": "Table",
        "table": {"name": table, "uid": table},
        "database": {"name": stamp.log, "type_id": 1},
        "unmapped": more,
    });
    format!("{event}\n")
}

fn metadata(stamp: &Stamp, sequence: Option<u64>, row: Option<&TrailRow>) -> Value {
    let product = json!({
        "name": "Amanah", "vendor_name": "Amanah", "version": env!("CARGO_PKG_VERSION"),
    });
    let of = |text: fn(&TrailRow) -> Option<String>| row.and_then(text).map(Value::from);
    let all = [
        ("version", Some(Value::from(VERSION))),
        ("log_name", Some(Value::from(stamp.log.as_str()))),
        ("product", Some(product)),
        ("sequence", sequence.map(Value::from)),
        ("uid", of(|row| Some(row.id.to_string()))),
        ("event_code", of(|row| Some(row.action.clone()))),
        ("tenant_uid", of(|row| row.tenant_id.clone())),
        ("correlation_uid", of(|row| row.request_id.clone())),
    ];
    let there = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect())
}

fn signed(stamp: &Stamp) -> i64 {
    stamp.time.unwrap_or_default().as_millisecond()
}

fn base(stamp: &Stamp, sequence: Option<u64>, message: &str, at: i64, told: &Value) -> String {
    let missing = told.get("state").is_some_and(|state| state == Part::Missing.as_str());
    let severity = if missing { HIGH } else { INFORMATIONAL };
    let event = json!({
        "activity_id": OTHER,
        "category_uid": 0,
        "class_uid": 0,
        "type_uid": OTHER,
        "severity_id": severity,
        "time": at,
        "message": message,
        "metadata": metadata(stamp, sequence, None),
        "unmapped": told,
    });
    format!("{event}\n")
}
