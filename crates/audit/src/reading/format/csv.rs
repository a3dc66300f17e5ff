//! Comma-separated values as RFC 4180 has them. A text that a spreadsheet would take for a formula
//! has an apostrophe in front, and so has one that begins with an apostrophe, so that it can be
//! taken away again.

use super::{Stamp, Sum, kind, said, texts, time};
use crate::Leaf;
use crate::reading::Exported;

/// The names of the columns.
const COLUMNS: [&str; 21] = [
    "sequence",
    "kind",
    "state",
    "epoch",
    "id",
    "event_timestamp",
    "xid",
    "actor_id",
    "tenant_id",
    "db_user",
    "request_id",
    "action",
    "table_schema",
    "table_name",
    "row_key",
    "old_data",
    "new_data",
    "salt",
    "erased",
    "row_hash",
    "note",
];

pub(super) fn head(stamp: &Stamp) -> String {
    let note = format!("entries {} to {} of\n{}", stamp.first, stamp.next, stamp.checkpoint);
    let names = COLUMNS.map(str::to_owned);
    format!("{}{}", line(&names), line(&cells(&[("kind", "head".to_owned()), ("note", note)])))
}

pub(super) fn tail(stamp: &Stamp, sum: Sum, whole: bool) -> String {
    let Sum { entries, changed, missing } = sum;
    let state = if whole { "whole" } else { "not whole" };
    let note = format!(
        "{entries} entries; {changed} changed; {missing} missing; the next is {}",
        stamp.next
    );
    line(&cells(&[("kind", "tail".to_owned()), ("state", state.to_owned()), ("note", note)]))
}

pub(super) fn entry(entry: &Exported) -> String {
    let mut known = vec![
        ("sequence", entry.index.to_string()),
        ("kind", kind(&entry.leaf).to_owned()),
        ("state", entry.part.as_str().to_owned()),
        ("event_timestamp", time(&entry.leaf).to_string()),
        ("note", said(&entry.leaf)),
    ];
    match &entry.leaf {
        Leaf::Row(sealed) => {
            known.push(("epoch", sealed.epoch.to_string()));
            known.push(("id", sealed.id.to_string()));
            known.push(("xid", sealed.xid.to_string()));
        }
        Leaf::Epoch(epoch) => known.push(("epoch", epoch.epoch.to_string())),
        Leaf::Erasure(_) => {}
    }
    if let Some(row) = &entry.row {
        known.retain(|(name, _)| *name != "event_timestamp");
        known.push(("event_timestamp", row.event_timestamp.to_string()));
        known.extend(texts(row));
    }
    line(&cells(&known))
}

fn cells(known: &[(&str, String)]) -> [String; 21] {
    COLUMNS.map(|column| {
        known
            .iter()
            .find(|(name, _)| *name == column)
            .map(|(_, text)| harmless(text))
            .unwrap_or_default()
    })
}

/// Spreadsheets run what begins like this.
fn harmless(text: &str) -> String {
    let runs = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\'']);
    if runs && text.parse::<i64>().is_err() { format!("'{text}") } else { text.to_owned() }
}

fn line(cells: &[String]) -> String {
    let quoted: Vec<String> =
        cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
    format!("{}\r\n", quoted.join(","))
}
