//! Signing the head of a log.
//!
//! It promises that every key that signs a log signs each head of it, so that who knows one of them can go
//! over to the next.

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use kernel::Signatory;
use tlog::{Checkpoint, Hash, Head, Note, TIME, Verifier};

use super::shelf::Shelf;
use crate::{Error, Result};

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
