//! What stands in the log: one entry for each row of the trail, and one for whatever explains why
//! rows and log part: another epoch, an erasure.
//!
//! An entry says nothing of what the row says: it holds the row's SHA-256, so that the log can be
//! shown to anybody. Two readings of the same bytes never differ: every field has a fixed width or
//! its length, and nothing may follow the last one. This module does no I/O.

use crate::{Error, Result};

/// The first byte of every entry: the form that this module reads and writes.
const FORM: u8 = 1;
const ROW: u8 = 1;
const EPOCH: u8 = 2;
const ERASURE: u8 = 3;
/// The longest text in an entry, in bytes.
const MAX_TEXT: usize = 1024;

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leaf {
    /// A row of the trail.
    Row(RowLeaf),
    /// From here on the rows are those of another history of the database.
    Epoch(EpochLeaf),
    /// The content of a row was erased.
    Erasure(ErasureLeaf),
}

/// A row of the trail, as it was when it was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowLeaf {
    /// The epoch that it belongs to, from 1.
    pub epoch: u32,
    /// The transaction that wrote it. Rows are sealed in the order of (`xid`, `id`).
    pub xid: u64,
    /// Its number.
    pub id: i64,
    /// `event_timestamp`, in microseconds since 1970-01-01 UTC.
    pub at_micros: i64,
    /// Its SHA-256.
    pub row_hash: [u8; 32],
}

/// Why the rows that follow are not the continuation of those before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochLeaf {
    /// Its number: 1 at the beginning of a log, then one more each time.
    pub epoch: u32,
    /// When it was noticed, in microseconds since 1970-01-01 UTC.
    pub at_micros: i64,
    /// Which cluster, as PostgreSQL numbers it.
    pub system: u64,
    /// Which timeline of it: a restore begins a new one.
    pub timeline: u32,
    /// The first transaction that belongs to this epoch; those before are not sealed in it.
    pub first_xid: u64,
    /// What happened, for people.
    pub why: String,
}

/// The content of a row was taken out, and what remains of it still fits the row's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureLeaf {
    /// The entry of the row, as its number in this log.
    pub index: u64,
    /// When, in microseconds since 1970-01-01 UTC.
    pub at_micros: i64,
    /// Which request, and who decided: no personal data.
    pub request: String,
}

impl Leaf {
    /// Its bytes in the log.
    ///
    /// # Errors
    /// When a text is longer than 1,024 bytes.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut bytes = vec![FORM];
        match self {
            Self::Row(row) => {
                bytes.push(ROW);
                bytes.extend(row.epoch.to_be_bytes());
                bytes.extend(row.xid.to_be_bytes());
                bytes.extend(row.id.to_be_bytes());
                bytes.extend(row.at_micros.to_be_bytes());
                bytes.extend(row.row_hash);
            }
            Self::Epoch(epoch) => {
                bytes.push(EPOCH);
                bytes.extend(epoch.epoch.to_be_bytes());
                bytes.extend(epoch.at_micros.to_be_bytes());
                bytes.extend(epoch.system.to_be_bytes());
                bytes.extend(epoch.timeline.to_be_bytes());
                bytes.extend(epoch.first_xid.to_be_bytes());
                put_text(&mut bytes, &epoch.why)?;
            }
            Self::Erasure(erasure) => {
                bytes.push(ERASURE);
                bytes.extend(erasure.index.to_be_bytes());
                bytes.extend(erasure.at_micros.to_be_bytes());
                put_text(&mut bytes, &erasure.request)?;
            }
        }
        Ok(bytes)
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// When it is none, or one in another spelling than [`Leaf::encode`] gives it.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut rest = Rest(bytes);
        let [form, kind] = rest.take()?;
        if form != FORM {
            return Err(Error::Leaf("its form is not known"));
        }
        let leaf = match kind {
            ROW => Self::Row(RowLeaf {
                epoch: u32::from_be_bytes(rest.take()?),
                xid: u64::from_be_bytes(rest.take()?),
                id: i64::from_be_bytes(rest.take()?),
                at_micros: i64::from_be_bytes(rest.take()?),
                row_hash: rest.take()?,
            }),
            EPOCH => Self::Epoch(EpochLeaf {
                epoch: u32::from_be_bytes(rest.take()?),
                at_micros: i64::from_be_bytes(rest.take()?),
                system: u64::from_be_bytes(rest.take()?),
                timeline: u32::from_be_bytes(rest.take()?),
                first_xid: u64::from_be_bytes(rest.take()?),
                why: rest.text()?,
            }),
            ERASURE => Self::Erasure(ErasureLeaf {
                index: u64::from_be_bytes(rest.take()?),
                at_micros: i64::from_be_bytes(rest.take()?),
                request: rest.text()?,
            }),
            _ => return Err(Error::Leaf("its kind is not known")),
        };
        if !rest.0.is_empty() {
            return Err(Error::Leaf("something follows its end"));
        }
        Ok(leaf)
    }
}

fn put_text(bytes: &mut Vec<u8>, text: &str) -> Result<()> {
    let length = u16::try_from(text.len()).ok().filter(|_| text.len() <= MAX_TEXT);
    bytes.extend(length.ok_or(Error::Leaf("its text is too long"))?.to_be_bytes());
    bytes.extend(text.as_bytes());
    Ok(())
}

/// What has not been read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Error::Leaf("it is cut short"))?;
        self.0 = rest;
        Ok(*head)
    }

    fn text(&mut self) -> Result<String> {
        let length = usize::from(u16::from_be_bytes(self.take()?));
        if length > MAX_TEXT {
            return Err(Error::Leaf("its text is too long"));
        }
        let (text, rest) = self.0.split_at_checked(length).ok_or(Error::Leaf("it is cut short"))?;
        self.0 = rest;
        let text = std::str::from_utf8(text).map_err(|_| Error::Leaf("its text is no UTF-8"))?;
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{EpochLeaf, ErasureLeaf, Leaf, MAX_TEXT, RowLeaf};

    fn samples() -> [Leaf; 3] {
        let row = RowLeaf { epoch: 2, xid: 3, id: -4, at_micros: 5, row_hash: [6; 32] };
        let epoch = EpochLeaf {
            epoch: 1,
            at_micros: -1,
            system: u64::MAX,
            timeline: 1,
            first_xid: 0,
            why: "the first".to_owned(),
        };
        let erasure = ErasureLeaf { index: 9, at_micros: 7, request: "ticket 12".to_owned() };
        [Leaf::Row(row), Leaf::Epoch(epoch), Leaf::Erasure(erasure)]
    }

    /// The form is written down here once more, by hand: changing it by accident fails.
    #[test]
    fn the_form_is_what_it_was() {
        let [row, epoch, erasure] = samples().map(|leaf| leaf.encode().unwrap());
        let mut wanted = vec![1, 1, 0, 0, 0, 2];
        wanted.extend([0, 0, 0, 0, 0, 0, 0, 3]);
        wanted.extend([255, 255, 255, 255, 255, 255, 255, 252]);
        wanted.extend([0, 0, 0, 0, 0, 0, 0, 5]);
        wanted.extend([6; 32]);
        assert_eq!(row, wanted);
        assert!(epoch.ends_with(b"\0\x09the first"), "{epoch:?}");
        assert_eq!((epoch.len(), epoch[..6].to_vec()), (45, vec![1, 2, 0, 0, 0, 1]));
        assert_eq!(erasure, b"\x01\x03\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x07\0\x09ticket 12");
    }

    /// Every entry comes back, and none of its beginnings nor anything longer is one.
    #[test]
    fn an_entry_comes_back_and_nothing_else_does() {
        for leaf in samples() {
            let bytes = leaf.encode().unwrap();
            assert_eq!(Leaf::decode(&bytes).unwrap(), leaf);
            for end in 0..bytes.len() {
                assert!(Leaf::decode(&bytes[..end]).is_err(), "{leaf:?} up to {end}");
            }
            assert!(Leaf::decode(&[&bytes[..], &[0]].concat()).is_err());
        }
        assert!(Leaf::decode(&[2, 1]).is_err() && Leaf::decode(&[1, 9]).is_err());
    }

    #[test]
    fn a_text_has_a_bound() {
        let long = |length| {
            let request = "x".repeat(length);
            Leaf::Erasure(ErasureLeaf { index: 0, at_micros: 0, request }).encode()
        };
        assert!(long(MAX_TEXT).is_ok() && long(MAX_TEXT + 1).is_err());
    }
}
