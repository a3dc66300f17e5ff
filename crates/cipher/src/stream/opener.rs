//! Opening a stream piece by piece.

use zeroize::Zeroizing;

use super::{SEGMENT, Slot, StreamKey};
use crate::{Context, Error, Material, Result};

/// Opens a stream as it arrives, and gives out only what was authenticated. It holds one segment
/// at a time.
///
/// What it gave before an error is a true beginning of the text, but no more than that: only a
/// [`finish`](Opener::finish) without an error says that it was the whole.
pub struct Opener {
    material: Material,
    context: Context,
    /// The stream's key, once its header is there.
    key: Option<StreamKey>,
    slot: Slot,
    /// The number of the segment in the slot.
    number: u64,
    /// Whether the slot holds a text that was given out.
    given: bool,
}

impl Opener {
    /// Begins to open a stream that was sealed for `context` under `material`.
    pub fn new(material: &Material, context: &Context) -> Self {
        let (material, context) = (material.clone(), context.clone());
        Self { material, context, key: None, slot: Slot::new(), number: 0, given: false }
    }

    /// Takes bytes from the beginning of `sealed`, and gives the text of a segment when one is
    /// finished. Call it again until it gives none: then it has taken all of `sealed`.
    ///
    /// # Errors
    /// [`Error::Refused`] or [`Error::Malformed`], now and from then on.
    pub fn push(&mut self, sealed: &mut &[u8]) -> Result<Option<&[u8]>> {
        if self.given {
            self.slot.clear();
            self.number += 1;
            self.given = false;
        }
        self.slot.take(sealed, SEGMENT);
        // A full slot waits for one byte more, since it might be the last.
        if sealed.is_empty() {
            return Ok(None);
        }
        let key = key(&mut self.key, &self.material, &self.context, &self.slot)?;
        key.open(&mut self.slot, self.number, false)?;
        self.given = true;
        Ok(Some(self.slot.bytes()))
    }

    /// The text of the last segment, when the stream is whole.
    ///
    /// # Errors
    /// [`Error::Truncated`] when its end is missing or damaged, or when the last bytes were not
    /// pushed to their end; [`Error::Refused`] and [`Error::Malformed`].
    pub fn finish(mut self) -> Result<Zeroizing<Vec<u8>>> {
        if self.given {
            // A push that gives a segment has bytes left over, and they never came.
            return Err(Error::Truncated);
        }
        let key = key(&mut self.key, &self.material, &self.context, &self.slot)?;
        key.open_last(&mut self.slot, self.number)?;
        Ok(Zeroizing::new(self.slot.bytes().to_vec()))
    }
}

/// The stream's key, derived from the header at the first time.
fn key<'a>(
    key: &'a mut Option<StreamKey>,
    material: &Material,
    context: &Context,
    slot: &Slot,
) -> Result<&'a StreamKey> {
    let derived = match key.take() {
        Some(derived) => derived,
        None => StreamKey::of(material, context, slot.bytes())?,
    };
    Ok(key.insert(derived))
}
