//! Signing the head of a log, and believing one.
//!
//! It promises that a head is believed only when one of the given keys has signed it for this log.
//! The attack it stops: a checkpoint of another log, or of nobody, put in the place of ours.

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use kernel::Signatory;
use tlog::{Checkpoint, Hash, Note, Verifier};

use super::shelf::Shelf;
use crate::{Error, Result};

/// What the line with the time begins with.
const TIME: &str = "time ";

/// The signed head of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// How many entries.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// When it was signed, to the second, by the clock of who signed; `None` in one without a time.
    pub time: Option<Timestamp>,
}

impl Head {
    /// The head in `note`, if it is of the log `origin` and one of `keys` has signed it.
    ///
    /// # Errors
    /// When it is none, of another log, or signed by nobody of these.
    pub fn open(note: &str, origin: &str, keys: &[Verifier]) -> Result<Self> {
        let note = Note::parse(note)?;
        // What is wrong with the newest key's signature says most.
        let mut wrong = None;
        let opened = keys.iter().find_map(|key| match note.open(key) {
            Ok(opened) => Some(opened),
            Err(error) => {
                wrong.get_or_insert(error);
                None
            }
        });
        let unsigned = || tlog::Error::Unsigned(origin.to_owned());
        let opened = opened.ok_or_else(|| wrong.unwrap_or_else(unsigned))?;
        let checkpoint = Checkpoint::parse(opened.text())?;
        if checkpoint.origin != origin {
            return Err(tlog::Error::Checkpoint("it is of another log").into());
        }
        Ok(Self::of(&checkpoint))
    }

    /// What a checkpoint says. Whether anybody has signed it is another question.
    pub fn of(checkpoint: &Checkpoint) -> Self {
        let Checkpoint { size, root, more, .. } = checkpoint;
        let time = more.iter().find_map(|line| line.strip_prefix(TIME)?.parse().ok());
        Self { size: *size, root: *root, time }
    }
}

/// The keys of `signatory` under the name of the log, the newest first.
///
/// # Errors
/// When they cannot be had.
pub fn keys(signatory: &dyn Signatory, origin: &str) -> Result<Vec<Verifier>> {
    let keys = signatory.public_keys().map_err(Error::Signing)?;
    Ok(keys.into_iter().map(|key| Verifier::new(origin, key)).collect::<tlog::Result<_>>()?)
}

/// The head of a log at `time`, signed by every key of `signatory`.
pub(super) fn sign(
    signatory: &dyn Signatory,
    origin: &str,
    (size, root): (u64, Hash),
    time: Timestamp,
) -> Result<(String, Head)> {
    // Whole seconds: how long sealing took is nobody's business.
    let whole = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Trunc);
    let time = time.round(whole).unwrap_or(time);
    let more = vec![format!("{TIME}{time}")];
    let text = Checkpoint { origin: origin.to_owned(), size, root, more }.to_string();
    let note = signed(signatory, origin, text)?;
    Ok((note, Head { size, root, time: Some(time) }))
}

/// A note with the signature of every key of `signatory` under the name of a log.
///
/// # Errors
/// When there is no key, or one does not sign.
pub(crate) fn signed(signatory: &dyn Signatory, origin: &str, text: String) -> Result<String> {
    let mut note = Note::new(text)?;
    for key in signatory.public_keys().map_err(Error::Signing)? {
        let signature = signatory.sign(&key, note.text().as_bytes()).map_err(Error::Signing)?;
        note = note.with(&Verifier::new(origin, key)?, &signature)?;
    }
    Ok(note.to_string())
}

/// A head that is not ours to build upon, told with what to do.
pub(super) fn refused(shelf: &dyn Shelf, error: &Error) -> Error {
    let what = format!(
        "{error}. Nothing was sealed onto it: if its key was lost, keep this log and begin another in \
         a new place; otherwise put the checkpoint back from a copy"
    );
    Error::Damaged { place: shelf.place(), what }
}
