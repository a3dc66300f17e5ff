//! `amanah audit check`: a proof of one entry, held against the log's public key and nothing else.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use ::audit::verify::{Checked, MAX_ROW_BYTES, check};
use ::audit::{Error, Leaf, TrailRow};
use jiff::Timestamp;
use kernel::hex;
use serde_json::{Value, json};
use tlog::MAX_PROOF_BYTES;

use crate::cli::{Place, audit};
use crate::exit::{Exit, Usage};
use crate::out;

pub(crate) fn run(place: &Place, wanted: &audit::Check) -> anyhow::Result<Exit> {
    let text = read(&wanted.file, MAX_PROOF_BYTES)?;
    let row = match &wanted.row {
        Some(file) => {
            let row = TrailRow::from_json(&read(file, MAX_ROW_BYTES)?);
            Some(row.map_err(|error| Usage(format!("{}: {error}", file.display())))?)
        }
        None => None,
    };
    let mut refused = None;
    for key in &wanted.key {
        match check(&text, key) {
            Ok(checked) => return tell(place, &checked, row.as_ref()),
            // What is wrong under its own key says more than that another key is not its own.
            Err(error @ (Error::OtherKey(_) | Error::OtherLog { .. })) => {
                refused.get_or_insert(error);
            }
            Err(error) => refused = Some(error),
        }
    }
    let why = refused.map(|error| error.to_string()).unwrap_or_default();
    if place.json {
        out::line(&serde_json::to_string_pretty(&json!({"holds": false, "why": why}))?);
    } else {
        out::line(&format!("Does not hold: {why}"));
    }
    Ok(Exit::Fails)
}

/// A file that is text and not longer than it can be.
fn read(file: &Path, limit: usize) -> anyhow::Result<String> {
    let wrong = |why: &str| Usage(format!("{}: {why}", file.display()));
    let open = File::open(file).map_err(|error| wrong(&error.to_string()))?;
    let mut text = String::new();
    let read = open.take(limit as u64 + 1).read_to_string(&mut text);
    read.map_err(|error| wrong(&error.to_string()))?;
    if text.len() > limit {
        return Err(wrong("it is longer than any such file").into());
    }
    Ok(text)
}

fn tell(place: &Place, checked: &Checked, row: Option<&TrailRow>) -> anyhow::Result<Exit> {
    let refuted = row.and_then(|row| checked.refutes(row));
    if place.json {
        let told = data(checked, row.is_some(), refuted);
        out::line(&serde_json::to_string_pretty(&told)?);
    } else {
        let Checked { index, checkpoint, .. } = checked;
        let signed = checked.at.map_or("at no time that it says".to_owned(), |at| at.to_string());
        out::line(&format!(
            "Holds: entry {index} of the log {}\n  {}\n  Under the checkpoint of {} entries, signed {signed}",
            checkpoint.origin,
            said(&checked.leaf),
            checkpoint.size
        ));
        match (row, refuted) {
            (Some(_), None) => out::line("  The row is the one that was sealed"),
            (_, Some(why)) => out::line(&format!("  The row is not: {why}")),
            (None, None) => {}
        }
    }
    Ok(if refuted.is_some() { Exit::Fails } else { Exit::Holds })
}

fn at(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| "no time".to_owned(), |at| at.to_string())
}

/// What an entry says, for people.
fn said(leaf: &Leaf) -> String {
    match leaf {
        Leaf::Row(row) => format!(
            "Row {} of transaction {}, written {}, with the SHA-256 {}",
            row.id,
            row.xid,
            at(row.at_micros),
            hex(&row.row_hash)
        ),
        Leaf::Epoch(epoch) => format!(
            "Epoch {} begins, noticed {}, on cluster {}, timeline {}: {}",
            epoch.epoch,
            at(epoch.at_micros),
            epoch.system,
            epoch.timeline,
            epoch.why
        ),
        Leaf::Erasure(erasure) => format!(
            "The content of the row of entry {} was erased {}: {}",
            erasure.index,
            at(erasure.at_micros),
            erasure.request
        ),
    }
}

fn data(checked: &Checked, asked: bool, refuted: Option<&str>) -> Value {
    let entry = match &checked.leaf {
        Leaf::Row(row) => json!({
            "kind": "row", "epoch": row.epoch, "xid": row.xid, "id": row.id,
            "event_timestamp": at(row.at_micros), "row_hash": hex(&row.row_hash),
        }),
        Leaf::Epoch(epoch) => json!({
            "kind": "epoch", "epoch": epoch.epoch, "at": at(epoch.at_micros),
            "system": epoch.system.to_string(), "timeline": epoch.timeline,
            "first_xid": epoch.first_xid, "why": epoch.why,
        }),
        Leaf::Erasure(erasure) => json!({
            "kind": "erasure", "index": erasure.index, "at": at(erasure.at_micros),
            "request": erasure.request,
        }),
    };
    json!({
        "holds": refuted.is_none(),
        "log": checked.checkpoint.origin,
        "index": checked.index,
        "entry": entry,
        "checkpoint": {"size": checked.checkpoint.size, "time": checked.at},
        "row": asked.then_some(refuted.is_none()),
        "why": refuted,
    })
}
