//! Sealing a stream piece by piece, for whoever cannot block: the body of a request, say.

use kernel::Rng;

use super::{SEGMENT, Slot, StreamKey, TAG};
use crate::{Context, Error, Material, Result};

/// Seals a stream as its text arrives. It holds one segment at a time, whatever the length.
///
/// ```ignore
/// let mut sealer = Sealer::new(&material, &context, &rng)?;
/// while let Some(mut text) = body.next().await {
///     while let Some(segment) = sealer.push(&mut text)? {
///         out.send(segment).await?;
///     }
/// }
/// out.send(&sealer.finish()?).await?;
/// ```
pub struct Sealer {
    key: StreamKey,
    slot: Slot,
    /// The number of the segment in the slot.
    number: u64,
    /// Whether the slot holds a segment that was given out.
    given: bool,
}

impl Sealer {
    /// Begins a stream for `context` under `material`.
    ///
    /// # Errors
    /// [`Error::Random`] without randomness.
    pub fn new(material: &Material, context: &Context, rng: &dyn Rng) -> Result<Self> {
        let (key, header) = StreamKey::draw(material, context, rng)?;
        Ok(Self { key, slot: Slot::holding(&header), number: 0, given: false })
    }

    /// Takes bytes from the beginning of `text`, and gives a segment when one is finished. Call
    /// it again until it gives none: then it has taken all of `text`.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above [`MAX_TEXT`](super::MAX_TEXT).
    pub fn push(&mut self, text: &mut &[u8]) -> Result<Option<&[u8]>> {
        if self.given {
            self.slot.clear();
            self.number += 1;
            self.given = false;
        }
        self.slot.take(text, SEGMENT - TAG);
        // A full slot waits for one byte more, since it might be the last.
        if text.is_empty() {
            return Ok(None);
        }
        self.key.seal(&mut self.slot, self.number, false)?;
        self.given = true;
        Ok(Some(self.slot.bytes()))
    }

    /// Ends the stream: its last segment.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above [`MAX_TEXT`](super::MAX_TEXT), [`Error::Truncated`] when the last
    /// text was not pushed to its end.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        if self.given {
            return Err(Error::Truncated);
        }
        self.key.seal(&mut self.slot, self.number, true)?;
        Ok(self.slot.bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use kernel::FixedRng;

    use super::Sealer;
    use crate::stream::{HEADER, MAX_SEGMENTS, MAX_TEXT, SEGMENT};
    use crate::{Context, Error, Material};

    fn at(number: u64) -> Sealer {
        let (material, context) = (Material::new([1; 32]), Context::of("test"));
        let sealer = Sealer::new(&material, &context, &FixedRng::new(1)).unwrap();
        Sealer { number, ..sealer }
    }

    /// The counter never comes round: the stream ends before.
    #[test]
    fn the_last_number_is_the_end() {
        let mut text: &[u8] = &vec![0; SEGMENT];
        let mut sealer = at(MAX_SEGMENTS - 1);
        assert!(sealer.push(&mut text).unwrap().is_some());
        assert!(sealer.push(&mut text).unwrap().is_none());
        assert!(matches!(sealer.finish(), Err(Error::TooLarge(MAX_TEXT))));
        assert!(at(MAX_SEGMENTS - 1).finish().is_ok());
        for number in [MAX_SEGMENTS, MAX_SEGMENTS + 1, u64::MAX] {
            assert!(matches!(at(number).finish(), Err(Error::TooLarge(MAX_TEXT))));
        }
    }

    /// Whoever forgets to push again does not get a stream that misses a piece.
    #[test]
    fn a_text_that_was_not_taken_is_noticed() {
        let mut text: &[u8] = &vec![0; 2 * SEGMENT];
        let mut sealer = at(0);
        assert_eq!(sealer.push(&mut text).unwrap().unwrap().len(), SEGMENT);
        assert_eq!(text.len(), SEGMENT + HEADER + 16);
        assert!(matches!(sealer.finish(), Err(Error::Truncated)));
    }
}
