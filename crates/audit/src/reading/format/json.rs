//! JSON, an object in each line. Documents stand there as PostgreSQL prints them, to the last digit.

use serde_json::{Value, json};

use super::{Stamp, Sum, kind, said, texts, time};
use crate::reading::Exported;
use crate::{Leaf, TrailRow};

/// What is a document, and no text.
const DOCUMENTS: [&str; 3] = ["row_key", "old_data", "new_data"];

pub(super) fn head(stamp: &Stamp) -> String {
    let Stamp { log, checkpoint, time, first, next } = stamp;
    let told = json!({
        "kind": "head", "log": log, "checkpoint": checkpoint, "signed": time,
        "first": first, "next": next,
    });
    format!("{told}\n")
}

pub(super) fn tail(stamp: &Stamp, sum: Sum, whole: bool) -> String {
    let told = json!({
        "kind": "tail", "entries": sum.entries, "changed": sum.changed, "missing": sum.missing,
        "next": stamp.next, "whole": whole,
    });
    format!("{told}\n")
}

pub(super) fn entry(entry: &Exported) -> String {
    let mut members = vec![
        ("sequence", entry.index.to_string()),
        ("kind", quoted(kind(&entry.leaf))),
        ("state", quoted(entry.part.as_str())),
    ];
    match (&entry.leaf, &entry.row) {
        (Leaf::Row(sealed), row) => {
            members.push(("epoch", sealed.epoch.to_string()));
            members.push(("sealed_hash", quoted(&kernel::hex(&sealed.row_hash))));
            if let Some(row) = row {
                members.extend(of_row(row));
            } else {
                members.push(("id", sealed.id.to_string()));
                members.push(("event_timestamp", quoted(&time(&entry.leaf).to_string())));
                members.push(("xid", sealed.xid.to_string()));
            }
        }
        (Leaf::Epoch(epoch), _) => {
            members.push(("epoch", epoch.epoch.to_string()));
            members.push(("at", quoted(&time(&entry.leaf).to_string())));
            members.push(("why", quoted(&epoch.why)));
        }
        (Leaf::Erasure(erasure), _) => {
            members.push(("of", erasure.index.to_string()));
            members.push(("at", quoted(&time(&entry.leaf).to_string())));
            members.push(("why", quoted(&said(&entry.leaf))));
        }
    }
    line(&members)
}

/// A row as an object in one line.
pub fn row(row: &TrailRow) -> String {
    line(&of_row(row))
}

fn of_row(row: &TrailRow) -> Vec<(&'static str, String)> {
    let mut members = vec![
        ("id", row.id.to_string()),
        ("event_timestamp", quoted(&row.event_timestamp.to_string())),
        ("xid", row.xid.to_string()),
    ];
    members.extend(texts(row).into_iter().map(|(name, text)| {
        let document = DOCUMENTS.contains(&name);
        (name, if document { text } else { quoted(&text) })
    }));
    members
}

fn line(members: &[(&str, String)]) -> String {
    let all: Vec<String> =
        members.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
    format!("{{{}}}\n", all.join(","))
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
