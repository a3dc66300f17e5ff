//! Rows of the trail as PostgreSQL copies them out in its binary form.
//!
//! It promises that bytes which are not what was asked for are an error and nothing else. The attack
//! it stops: a column of another type or width, by which one row would be read as another.

use crate::{Error, Result};

/// What every binary copy begins with.
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// The longest header that is taken, in bytes.
const MAX_HEADER_BYTES: usize = 1 << 16;
/// Microseconds from 1970 to 2000, where PostgreSQL's count begins.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// How many columns: xid, id, time, hash.
const COLUMNS: i16 = 4;
/// What stands where a row's hash is none: no row has it, so whoever verifies names the row.
const NO_HASH: [u8; 32] = [0; 32];

/// A row as the log needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Copied {
    pub(super) xid: u64,
    pub(super) id: i64,
    /// Since 1970.
    pub(super) at_micros: i64,
    pub(super) row_hash: [u8; 32],
}

impl Copied {
    /// Its place in the order of the log.
    pub(super) const fn place(&self) -> (u64, i64) {
        (self.xid, self.id)
    }
}

/// Reads a copy as its pieces come, wherever they end.
#[derive(Debug, Default)]
pub(super) struct Copy {
    rest: Vec<u8>,
    began: bool,
    ended: bool,
    rows: Vec<Copied>,
}

impl Copy {
    /// Takes the next piece in.
    ///
    /// # Errors
    /// When it is not what was asked for.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<()> {
        if self.rest.is_empty() && self.began {
            // Usually a piece is a row, and nothing has to be kept.
            let used = self.read(piece)?;
            self.rest.extend_from_slice(piece.get(used..).unwrap_or_default());
            return Ok(());
        }
        self.rest.extend_from_slice(piece);
        let bytes = std::mem::take(&mut self.rest);
        let used = self.read(&bytes)?;
        self.rest = bytes.get(used..).unwrap_or_default().to_vec();
        if !self.began && self.rest.len() > MAX_HEADER_BYTES {
            return Err(ODD);
        }
        Ok(())
    }

    /// The rows, once the copy has ended.
    ///
    /// # Errors
    /// When it ended too early.
    pub(super) fn finish(self) -> Result<Vec<Copied>> {
        if self.ended && self.rest.is_empty() { Ok(self.rows) } else { Err(ODD) }
    }

    /// Reads what is whole, and returns how much that was.
    fn read(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut rest = Rest(bytes);
        if !self.began {
            match header(&mut rest)? {
                Some(()) => self.began = true,
                None => return Ok(0),
            }
        }
        loop {
            let before = rest.0.len();
            let kept = Rest(rest.0);
            let Some(columns) = rest.take().map(i16::from_be_bytes) else {
                return Ok(bytes.len() - before);
            };
            match (self.ended, columns) {
                (false, -1) => self.ended = true,
                (false, COLUMNS) => match row(&mut rest)? {
                    Some(Row::At(row)) => self.rows.push(row),
                    Some(Row::Nowhere) => {}
                    None => return Ok(bytes.len() - kept.0.len()),
                },
                _ => return Err(ODD),
            }
        }
    }
}

const ODD: Error = Error::Copied;

/// The header, if it is whole.
fn header(rest: &mut Rest<'_>) -> Result<Option<()>> {
    let Some(head) = rest.bytes(HEAD.len()) else { return Ok(None) };
    if head != HEAD {
        return Err(ODD);
    }
    let Some(_flags) = rest.take::<4>() else { return Ok(None) };
    let Some(length) = rest.take().map(u32::from_be_bytes) else { return Ok(None) };
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_HEADER_BYTES);
    Ok(rest.bytes(length.ok_or(ODD)?).map(drop))
}

/// A row that was read.
enum Row {
    At(Copied),
    /// It has no place in the order, which only a superuser can have brought about.
    Nowhere,
}

/// The columns of a row, if they are whole.
fn row(rest: &mut Rest<'_>) -> Result<Option<Row>> {
    let mut columns = [None; 4];
    for column in &mut columns {
        let Some(length) = rest.take().map(i32::from_be_bytes) else { return Ok(None) };
        if length == -1 {
            continue;
        }
        let length = usize::try_from(length).map_err(|_| ODD)?;
        let Some(bytes) = rest.bytes(length) else { return Ok(None) };
        *column = Some(bytes);
    }
    let [xid, id, at, hash] = columns;
    let fixed = |column: Option<&[u8]>| -> Result<Option<[u8; 8]>> {
        column.map(|bytes| bytes.try_into().map_err(|_| ODD)).transpose()
    };
    let (Some(xid), Some(id)) = (fixed(xid)?, fixed(id)?) else { return Ok(Some(Row::Nowhere)) };
    let at = fixed(at)?.map_or(i64::MIN, i64::from_be_bytes);
    Ok(Some(Row::At(Copied {
        xid: u64::from_be_bytes(xid),
        id: i64::from_be_bytes(id),
        at_micros: at.saturating_add(EPOCH_MICROS),
        row_hash: hash.and_then(|hash| hash.try_into().ok()).unwrap_or(NO_HASH),
    })))
}

/// What has not been read yet.
#[derive(Clone, Copy)]
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::{Copied, Copy, EPOCH_MICROS, HEAD, NO_HASH};

    fn sample() -> (Vec<u8>, Vec<Copied>) {
        let mut bytes = HEAD.to_vec();
        bytes.extend([0; 8]);
        let mut rows = Vec::new();
        for n in 0..3_u8 {
            bytes.extend([0, 4, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, n]);
            bytes.extend([0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 1, n, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, n]);
            // The last one has a hash of one byte: that is none.
            let hash = if n < 2 { vec![n; 32] } else { vec![7] };
            bytes.extend([0, 0, 0, u8::try_from(hash.len()).unwrap()]);
            bytes.extend(&hash);
            rows.push(Copied {
                xid: u64::from(n),
                id: 256 + i64::from(n),
                at_micros: EPOCH_MICROS + i64::from(n),
                row_hash: hash.try_into().unwrap_or(NO_HASH),
            });
        }
        bytes.extend([255, 255]);
        (bytes, rows)
    }

    #[test]
    fn rows_are_read_wherever_the_pieces_end() {
        let (bytes, rows) = sample();
        for length in [1, 2, 3, 7, 11, 19, 40, 83, bytes.len()] {
            let mut copy = Copy::default();
            bytes.chunks(length).for_each(|piece| copy.take(piece).unwrap());
            assert_eq!(copy.finish().unwrap(), rows, "in pieces of {length}");
        }
    }

    #[test]
    fn a_row_without_a_place_is_left_out() {
        let mut bytes = HEAD.to_vec();
        bytes.extend([0; 8]);
        bytes.extend([0, 4, 255, 255, 255, 255, 255, 255, 255, 255]);
        bytes.extend([255; 8]);
        bytes.extend([255, 255]);
        let mut copy = Copy::default();
        copy.take(&bytes).unwrap();
        assert_eq!(copy.finish().unwrap(), []);
    }

    /// Nothing but the whole of it is a copy, and no damage is a panic.
    #[test]
    fn anything_else_is_an_error() {
        let (bytes, rows) = sample();
        for end in 0..bytes.len() {
            let mut copy = Copy::default();
            let read = copy.take(&bytes[..end]).and_then(|()| copy.finish());
            assert!(read.is_err(), "up to {end}");
        }
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 0x80;
            let mut copy = Copy::default();
            if let Ok(read) = copy.take(&other).and_then(|()| copy.finish()) {
                // Flags are not looked at, and no hash of one byte is a hash.
                let unseen = (11..19).contains(&at) || at == bytes.len() - 3;
                assert!(read != rows || unseen, "{at}");
            }
        }
        let mut copy = Copy::default();
        assert!(copy.take(&[&bytes[..], &[0, 4]].concat()).is_err());
    }
}
