//! The next step of a log in one file: the entries, and the signed head that they lead to.
//!
//! It promises that a log that was being written when its writer died is finished as it was meant,
//! by whoever comes next, with the same bytes. The attack it stops: somebody who can write to the
//! log's place, and puts a step of his own there for the sealer to sign: it was signed before it was
//! put there, or it is no step.

use tlog::{Head, Verifier, open_bundle, put_entry};

use super::growth::Growth;
use crate::{Error, Result};

/// What it begins with.
const DOMAIN: &[u8] = b"amanah/stage/v1\n";
/// The largest that is read, in bytes.
pub(super) const MAX_STAGE_BYTES: usize = 64 << 20;

/// Where the step that begins at `size` lies.
pub(super) fn path(size: u64) -> String {
    format!("{FOLDER}/{size}")
}

/// Where steps lie.
pub(super) const FOLDER: &str = "stage";

/// A step from one head to the next, that was signed.
#[derive(Debug)]
pub(super) struct Stage {
    /// The signed note.
    pub(super) note: String,
    /// What it says.
    pub(super) head: Head,
    /// The log after the step.
    pub(super) after: Growth,
    /// The files with which it is taken.
    pub(super) files: Vec<(String, Vec<u8>)>,
}

impl Stage {
    /// The bytes of the step by `entries` to the head in `note`.
    pub(super) fn encode(note: &str, entries: &[Vec<u8>]) -> Result<Vec<u8>> {
        let mut bytes = DOMAIN.to_vec();
        let length = u32::try_from(note.len()).map_err(|_| Error::Stage("a head is too long"))?;
        bytes.extend(length.to_be_bytes());
        bytes.extend(note.as_bytes());
        bytes.extend((entries.len() as u64).to_be_bytes());
        for entry in entries {
            put_entry(&mut bytes, entry)?;
        }
        Ok(bytes)
    }

    /// The step in `bytes`, if one of `keys` has signed that it is what `before` grows to.
    ///
    /// # Errors
    /// When it is anything else.
    pub(super) fn open(
        bytes: &[u8],
        before: &Growth,
        origin: &str,
        keys: &[Verifier],
    ) -> Result<Self> {
        let (note, entries) = decode(bytes).ok_or(Error::Stage("it is cut or of another form"))?;
        let head = Head::open(&note, origin, keys)?;
        let mut after = before.clone();
        let files = after.grow(&entries)?;
        if (after.size(), after.root()) != (head.size, head.root) {
            return Err(Error::Stage(
                "its entries do not lead to the head that was signed with them",
            ));
        }
        Ok(Self { note, head, after, files })
    }
}

/// The note and the entries.
fn decode(bytes: &[u8]) -> Option<(String, Vec<Vec<u8>>)> {
    let rest = bytes.strip_prefix(DOMAIN)?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (note, rest) = rest.split_at_checked(length)?;
    let note = String::from_utf8(note.to_vec()).ok()?;
    let (count, rest) = rest.split_first_chunk()?;
    let entries = open_bundle(rest, u64::from_be_bytes(*count)).ok()?;
    Some((note, entries.into_iter().map(<[u8]>::to_vec).collect()))
}
