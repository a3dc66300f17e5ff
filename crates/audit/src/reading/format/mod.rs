//! The forms in which a log with its rows is handed out.
//!
//! It promises that no text out of a row becomes anything but a text there: no second line, no second
//! field, no formula of a spreadsheet. Each form tells at its beginning under which checkpoint it
//! stands, and at its end whether it is whole.

mod cef;
mod csv;
mod json;
mod ocsf;

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use kernel::hex;

use super::export::{Exported, Part};
use crate::{Leaf, TrailRow};

pub use json::row as row_json;

/// A form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An object of JSON in each line.
    JsonLines,
    /// Comma-separated values, RFC 4180.
    Csv,
    /// Events of the Open Cybersecurity Schema Framework, one in each line.
    Ocsf,
    /// Events of the Common Event Format in syslog's lines, RFC 5424.
    Cef,
}

/// There is no such form.
#[derive(Debug, Clone, thiserror::Error)]
#[error("there are jsonl, csv, ocsf and cef")]
pub struct NoFormat;

impl FromStr for Format {
    type Err = NoFormat;

    fn from_str(text: &str) -> Result<Self, NoFormat> {
        [Self::JsonLines, Self::Csv, Self::Ocsf, Self::Cef]
            .into_iter()
            .find(|one| one.to_string() == text)
            .ok_or(NoFormat)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::JsonLines => "jsonl",
            Self::Csv => "csv",
            Self::Ocsf => "ocsf",
            Self::Cef => "cef",
        })
    }
}

/// What stands in front.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// The log's name.
    pub log: String,
    /// Its signed checkpoint.
    pub checkpoint: String,
    /// When it was signed.
    pub time: Option<Timestamp>,
    /// The number of the first entry.
    pub first: u64,
    /// The number after the last one.
    pub next: u64,
}

/// What stands at the end.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    entries: u64,
    changed: u64,
    missing: u64,
}

/// Writes entries in one form, and counts them.
#[derive(Debug)]
pub struct Writer {
    format: Format,
    stamp: Stamp,
    sum: Sum,
}

impl Writer {
    /// In this form.
    pub const fn new(format: Format, stamp: Stamp) -> Self {
        Self { format, stamp, sum: Sum { entries: 0, changed: 0, missing: 0 } }
    }

    /// What comes first.
    pub fn head(&self) -> String {
        match self.format {
            Format::JsonLines => json::head(&self.stamp),
            Format::Csv => csv::head(&self.stamp),
            Format::Ocsf => ocsf::head(&self.stamp),
            Format::Cef => cef::head(&self.stamp),
        }
    }

    /// An entry.
    pub fn entry(&mut self, entry: &Exported) -> String {
        self.sum.entries += 1;
        self.sum.changed += u64::from(entry.part == Part::Changed);
        self.sum.missing += u64::from(entry.part == Part::Missing);
        match self.format {
            Format::JsonLines => json::entry(entry),
            Format::Csv => csv::entry(entry),
            Format::Ocsf => ocsf::entry(entry, &self.stamp),
            Format::Cef => cef::entry(entry, &self.stamp),
        }
    }

    /// What comes last; `whole` says that the entries lead to the checkpoint's root.
    pub fn tail(&self, whole: bool) -> String {
        match self.format {
            Format::JsonLines => json::tail(&self.stamp, self.sum, whole),
            Format::Csv => csv::tail(&self.stamp, self.sum, whole),
            Format::Ocsf => ocsf::tail(&self.stamp, self.sum, whole),
            Format::Cef => cef::tail(&self.stamp, self.sum, whole),
        }
    }

    /// How many rows are not what was sealed, and how many are not there.
    pub const fn damaged(&self) -> (u64, u64) {
        (self.sum.changed, self.sum.missing)
    }
}

/// When an entry's row was written, or the entry noticed, as the log has it.
fn time(leaf: &Leaf) -> Timestamp {
    let micros = match leaf {
        Leaf::Row(row) => row.at_micros,
        Leaf::Epoch(epoch) => epoch.at_micros,
        Leaf::Erasure(erasure) => erasure.at_micros,
    };
    Timestamp::from_microsecond(micros).unwrap_or_default()
}

/// What kind of entry, in a word.
const fn kind(leaf: &Leaf) -> &'static str {
    match leaf {
        Leaf::Row(_) => "row",
        Leaf::Epoch(_) => "epoch",
        Leaf::Erasure(_) => "erasure",
    }
}

/// What an entry that is of no row says.
fn said(leaf: &Leaf) -> String {
    match leaf {
        Leaf::Row(_) => String::new(),
        Leaf::Epoch(epoch) => epoch.why.clone(),
        Leaf::Erasure(erasure) => format!("entry {}: {}", erasure.index, erasure.request),
    }
}

/// The texts of a row, by the names of their columns; what is NULL is left out.
fn texts(row: &TrailRow) -> Vec<(&'static str, String)> {
    let some = |text: &Option<String>| text.clone();
    let all = [
        ("actor_id", some(&row.actor_id)),
        ("tenant_id", some(&row.tenant_id)),
        ("db_user", Some(row.db_user.clone())),
        ("request_id", some(&row.request_id)),
        ("action", Some(row.action.clone())),
        ("table_schema", Some(row.table_schema.clone())),
        ("table_name", Some(row.table_name.clone())),
        ("row_key", some(&row.row_key)),
        ("old_data", some(&row.old_data)),
        ("new_data", some(&row.new_data)),
        ("salt", row.salt.map(|salt| hex(&salt))),
        ("erased", row.erased.as_ref().map(|digest| hex(digest))),
        ("row_hash", Some(hex(&row.row_hash))),
    ];
    all.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Format, Stamp, Writer};
    use crate::reading::{Exported, Part};
    use crate::{EpochLeaf, Leaf, RowLeaf, TrailRow};

    const HOSTILE: &str = "=cmd|' /C calc'!A0\r\n<110>1 - x=\"y\\z\", \u{1b}[2J";

    fn row() -> TrailRow {
        let hostile = Some(HOSTILE.to_owned());
        TrailRow {
            id: 7,
            event_timestamp: Timestamp::from_microsecond(1_700_000_000_123_456).unwrap(),
            xid: 5,
            actor_id: hostile.clone(),
            tenant_id: Some("'quoted".to_owned()),
            db_user: "-1+1".to_owned(),
            request_id: hostile,
            action: "UPDATE".to_owned(),
            table_schema: "public".to_owned(),
            table_name: "a|b=c".to_owned(),
            row_key: Some(r#"{"id": 12345678901234567890.10}"#.to_owned()),
            old_data: None,
            new_data: Some(r#"{"name": "=1+1, \"x\""}"#.to_owned()),
            salt: Some([1; 16]),
            erased: None,
            row_hash: vec![2; 32],
        }
    }

    /// Head, a row, one that is missing, an epoch, tail: each as it is written.
    fn written(format: Format) -> Vec<String> {
        let stamp = Stamp {
            log: "amanah-1f0c77aa/shop".to_owned(),
            checkpoint: "amanah-1f0c77aa/shop\n3\nAAA=\n\n— x\n".to_owned(),
            time: Timestamp::from_second(1_700_000_001).ok(),
            first: 1,
            next: 4,
        };
        let row_hash = [2; 32];
        let sealed =
            RowLeaf { epoch: 1, xid: 5, id: 7, at_micros: 1_700_000_000_123_456, row_hash };
        let leaf = |leaf, index, row, part| Exported { index, leaf, row, part };
        let epoch = EpochLeaf {
            epoch: 2,
            at_micros: 1_700_000_000_000_000,
            system: 1,
            timeline: 1,
            first_xid: 9,
            why: "put back | x=1\n".to_owned(),
        };
        let mut writer = Writer::new(format, stamp);
        let mut all = vec![writer.head()];
        for entry in [
            leaf(Leaf::Row(sealed), 1, Some(row()), Part::Changed),
            leaf(Leaf::Row(sealed), 2, None, Part::Missing),
            leaf(Leaf::Epoch(epoch), 3, None, Part::None),
        ] {
            all.push(writer.entry(&entry));
        }
        assert_eq!(writer.damaged(), (1, 1));
        all.push(writer.tail(true));
        all
    }

    #[test]
    fn each_form_is_what_it_was() {
        for format in ["jsonl", "csv", "ocsf", "cef"] {
            let format: Format = format.parse().unwrap();
            let version = concat!("|", env!("CARGO_PKG_VERSION"), "|");
            let text = written(format).concat().replace(version, "|VERSION|");
            let product = concat!("\"version\":\"", env!("CARGO_PKG_VERSION"), "\"");
            let text = text.replace(product, "\"version\":\"VERSION\"").replace('\r', "<CR>");
            let text = text.replace('\u{1b}', "<ESC>");
            insta::assert_snapshot!(format.to_string(), text);
        }
        assert!("xml".parse::<Format>().is_err());
    }

    /// Whatever a row says, it stays in its record.
    #[test]
    fn no_text_leaves_its_record() {
        for format in [Format::JsonLines, Format::Ocsf, Format::Cef] {
            for record in written(format) {
                assert_eq!(record.matches('\n').count(), 1, "{record}");
                assert!(record.ends_with('\n') && !record.contains(['\r', '\u{1b}']), "{record}");
            }
        }
        for record in written(Format::JsonLines).iter().chain(&written(Format::Ocsf)) {
            let read: serde_json::Value = serde_json::from_str(record).unwrap();
            assert!(read.is_object());
        }
        let csv = written(Format::Csv);
        assert!(csv[1].contains("\"'=cmd|' /C calc'!A0\\r\n<110>1 - x=\"\"y"), "{}", csv[1]);
        assert!(csv[1].contains("\"''quoted\"") && csv[1].contains("\"'-1+1\""), "{}", csv[1]);
        assert!(csv.iter().all(|record| !record.contains('\u{1b}')));
        // Every quote is opened, doubled or closed.
        assert!(csv.iter().all(|record| record.matches('"').count() % 2 == 0));
        let cef = &written(Format::Cef)[1];
        assert!(cef.contains(r"suser=\=cmd|' /C calc'!A0\r\n<110>1 - x\="), "{cef}");
        assert!(cef.contains(r"cs2=public.a|b\=c cs2Label=table"), "{cef}");
    }
}
