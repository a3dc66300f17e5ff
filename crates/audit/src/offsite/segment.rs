//! The rows of a part of a log, in one file: each with the number of its entry, in their order.

use std::collections::BTreeMap;

use super::{Offsite, SEGMENT};
use crate::row::TrailRow;
use crate::{Error, Result};

/// The largest file that is read, in bytes.
const MAX_BYTES: usize = 1 << 30;
/// Where they lie.
const FOLDER: &str = "rows";

/// Which part: of a log of `size` entries, those from `number` times [`SEGMENT`] on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) number: u64,
    size: u64,
}

/// Rows by the numbers of their entries.
pub(super) type Rows = BTreeMap<u64, TrailRow>;

impl Segment {
    /// The part with entry `index`.
    pub(super) const fn with(index: u64, size: u64) -> Self {
        Self { number: index / SEGMENT, size }
    }

    /// Its entries.
    pub(super) fn entries(self) -> std::ops::Range<u64> {
        let start = self.number * SEGMENT;
        start..self.size.min(start + SEGMENT)
    }

    /// Where its unfinished files lie.
    pub(super) fn unfinished(self) -> String {
        format!("{FOLDER}/{:09}.p", self.number)
    }

    /// Its file.
    pub(super) fn path(self) -> String {
        let entries = self.entries();
        match entries.end - entries.start {
            SEGMENT => format!("{FOLDER}/{:09}", self.number),
            some => format!("{}/{some}", self.unfinished()),
        }
    }

    /// What lies there; `None` when nothing does.
    ///
    /// # Errors
    /// When it cannot be read, or is not what was written.
    pub(super) async fn read(self, place: &Offsite, origin: &str) -> Result<Option<Rows>> {
        let path = self.path();
        let damaged = |what: String| Error::Damaged {
            place: place.shelf.place(),
            what: format!("{path}: {what}"),
        };
        let Some(sealed) = place.shelf.read(&path, MAX_BYTES).await? else { return Ok(None) };
        let text = place.seals.open(&name(origin, &path), &sealed).map_err(damaged)?;
        let text = String::from_utf8(text).map_err(|error| damaged(error.to_string()))?;
        let rows = text.lines().map(parse).collect::<Result<Rows>>();
        Ok(Some(rows.map_err(|error| damaged(error.to_string()))?))
    }

    /// The file with these rows.
    pub(super) fn file(
        self,
        place: &Offsite,
        origin: &str,
        rows: &Rows,
    ) -> Result<(String, Vec<u8>)> {
        let mut text = String::new();
        for (index, row) in rows {
            text.extend([index.to_string().as_str(), " ", &row.to_line()?, "\n"]);
        }
        let path = self.path();
        let sealed = place.seals.seal(&name(origin, &path), text.as_bytes());
        Ok((path, sealed.map_err(Error::Signing)?))
    }
}

/// What a file is called when it is sealed: it opens as no other one, and as none of another log.
fn name(origin: &str, path: &str) -> String {
    format!("{origin} {path}")
}

fn parse(line: &str) -> Result<(u64, TrailRow)> {
    let none = || Error::Json("a line has no number in front of its row".to_owned());
    let (index, row) = line.split_once(' ').ok_or_else(none)?;
    Ok((index.parse().map_err(|_| none())?, TrailRow::from_json(row)?))
}
