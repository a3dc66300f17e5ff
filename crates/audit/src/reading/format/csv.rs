//! Comma-separated values as RFC 4180 has them.
//!
//! What a spreadsheet would take for a formula has an apostrophe in front: at the beginning of a text,
//! and within it where a spreadsheet that parts cells at semicolons or tabs would begin another one. An
//! apostrophe there has one too, so that the first one can always be taken away again. Control
//! characters but the ends of lines and tabs are escapes, as on a terminal.

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

/// What a cell that is run may begin with; the last four are the signs as wide as those of Chinese.
const RUN: [char; 10] = ['=', '+', '-', '@', '\t', '\n', '＝', '＋', '－', '＠'];

/// A text that no spreadsheet runs, and that does nothing to a terminal.
fn harmless(text: &str) -> String {
    if text.parse::<i64>().is_ok() {
        return text.to_owned();
    }
    let mut safe = String::with_capacity(text.len());
    let mut begins = true;
    for c in kernel::shown_lines(text).chars() {
        // A quote would open a cell of its own, with what follows in it.
        let quoted = c == '"' && !safe.is_empty();
        if begins && (c == '\'' || quoted || RUN.contains(&c)) {
            safe.push('\'');
        }
        safe.push(c);
        begins = matches!(c, ';' | '\t' | '\n');
    }
    safe
}

fn line(cells: &[String]) -> String {
    let quoted: Vec<String> =
        cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
    format!("{}\r\n", quoted.join(","))
}

#[cfg(test)]
mod tests {
    use super::harmless;

    /// Wherever a spreadsheet begins a cell, nothing in it is run, and what was there can be told.
    #[test]
    fn nothing_in_a_cell_is_run() {
        for (text, cell) in [
            ("=1+1", "'=1+1"),
            ("＝1", "'＝1"),
            ("＠x", "'＠x"),
            ("a;=cmd|' /C calc'!A0", "a;'=cmd|' /C calc'!A0"),
            ("a;\"=1\"", "a;'\"=1\""),
            ("a\t+1\n-1", "a\t'+1\n'-1"),
            ("a;'=1", "a;''=1"),
            ("\u{1b}[2J\u{9b}2J\r", "\\u001b[2J\\u009b2J\\r"),
            ("{\"a\": \"x; y\"}", "{\"a\": \"x; y\"}"),
            ("-5", "-5"),
            ("a=b-c", "a=b-c"),
        ] {
            assert_eq!(harmless(text), cell, "{text:?}");
        }
    }
}
