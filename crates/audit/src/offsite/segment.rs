//! The rows of a part of a log: each with the number of its entry, in their order.
//!
//! They lie in one file, or in several where they are large, each of which says that another one
//! follows. It promises that no file is written that is too large to be read again, and that one file
//! of a part is held in memory at a time.

use std::collections::BTreeMap;

use super::{Offsite, SEGMENT};
use crate::row::TrailRow;
use crate::{Error, Result};

/// The largest file that is read or written, in bytes.
const MAX_BYTES: usize = 1 << 30;
/// A file that has so many bytes takes no other row.
const FULL_BYTES: usize = 32 << 20;
/// The largest row that is copied, in bytes.
const MAX_ROW_BYTES: usize = 256 << 20;
/// What the last line of a file says when another one follows.
const MORE: &str = "more";
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

    /// The file of this number in it.
    fn piece(self, number: u64) -> String {
        match number {
            0 => self.path(),
            more => format!("{}/{more}", self.further()),
        }
    }

    /// Where its files lie but the first.
    pub(super) fn further(self) -> String {
        format!("{}.more", self.path())
    }

    /// What lies in the file of this number; `None` when there is not even the first one.
    ///
    /// # Errors
    /// When it cannot be read, is not what was written, or is not there.
    pub(super) async fn read(
        self,
        place: &Offsite,
        origin: &str,
        number: u64,
    ) -> Result<Option<Piece>> {
        let path = self.piece(number);
        let damaged = |what: String| Error::Damaged {
            place: place.shelf.place(),
            what: format!("{path}: {what}"),
        };
        let sealed = match place.shelf.read(&path, MAX_BYTES).await? {
            Some(sealed) => sealed,
            None if number == 0 => return Ok(None),
            None => return Err(damaged("it is not there".to_owned())),
        };
        let text = place.seals.open(&name(origin, &path), &sealed).map_err(damaged)?;
        drop(sealed);
        let text = String::from_utf8(text).map_err(|error| damaged(error.to_string()))?;
        let more = text.lines().next_back() == Some(MORE);
        let rows = text.lines().filter(|line| *line != MORE).map(parse).collect::<Result<Rows>>();
        Ok(Some(Piece { rows: rows.map_err(|error| damaged(error.to_string()))?, more }))
    }

    /// Puts these rows into the file of this number.
    ///
    /// # Errors
    /// When they cannot be sealed, or written.
    pub(super) async fn put(
        self,
        place: &Offsite,
        origin: &str,
        number: u64,
        piece: &Piece,
    ) -> Result<()> {
        let lines = piece.rows.iter().map(|(index, row)| line(*index, row));
        let text = lines.collect::<Result<String>>()?;
        self.put_text(place, origin, number, text, piece.more).await
    }

    async fn put_text(
        self,
        place: &Offsite,
        origin: &str,
        number: u64,
        mut text: String,
        more: bool,
    ) -> Result<()> {
        if more {
            text.extend([MORE, "\n"]);
        }
        let path = self.piece(number);
        let sealed = place.seals.seal(&name(origin, &path), text.as_bytes());
        drop(text);
        let sealed = sealed.map_err(Error::Signing)?;
        if sealed.len() > MAX_BYTES {
            let why = format!("{path} would be larger than what can be read: it was not written");
            return Err(Error::Shelf { place: place.shelf.place(), why });
        }
        place.shelf.put(vec![(path, sealed)]).await
    }
}

/// One file of a part.
pub(super) struct Piece {
    pub(super) rows: Rows,
    /// Whether another one follows.
    pub(super) more: bool,
}

/// A part whose files are being written, one after the other.
pub(super) struct Filling<'a> {
    segment: Segment,
    place: &'a Offsite,
    origin: String,
    text: String,
    number: u64,
}

impl<'a> Filling<'a> {
    pub(super) fn new(segment: Segment, place: &'a Offsite, origin: &str) -> Self {
        Self { segment, place, origin: origin.to_owned(), text: String::new(), number: 0 }
    }

    /// Takes the next row in; `false` when it is larger than can be copied.
    ///
    /// # Errors
    /// When a file cannot be sealed, or written.
    pub(super) async fn push(&mut self, index: u64, row: &TrailRow) -> Result<bool> {
        let line = line(index, row)?;
        if line.len() > MAX_ROW_BYTES {
            return Ok(false);
        }
        if !self.text.is_empty() && self.text.len().saturating_add(line.len()) > FULL_BYTES {
            let text = std::mem::take(&mut self.text);
            self.segment.put_text(self.place, &self.origin, self.number, text, true).await?;
            self.number += 1;
        }
        if self.text.is_empty() {
            self.text = line;
        } else {
            self.text.push_str(&line);
        }
        Ok(true)
    }

    /// Takes in what another part has.
    ///
    /// # Errors
    /// As [`Filling::push`] and [`Segment::read`].
    pub(super) async fn take(&mut self, from: Segment) -> Result<bool> {
        let mut number = 0;
        while let Some(piece) = from.read(self.place, &self.origin, number).await? {
            for (index, row) in &piece.rows {
                self.push(*index, row).await?;
            }
            if !piece.more {
                return Ok(true);
            }
            number += 1;
        }
        Ok(false)
    }

    /// Writes the last file.
    ///
    /// # Errors
    /// As [`Filling::push`].
    pub(super) async fn end(self) -> Result<()> {
        self.segment.put_text(self.place, &self.origin, self.number, self.text, false).await
    }
}

fn line(index: u64, row: &TrailRow) -> Result<String> {
    Ok(format!("{index} {}\n", row.to_line()?))
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
