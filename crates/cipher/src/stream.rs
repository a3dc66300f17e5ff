//! Streams: files, dumps and backups of any length, in Tink's `AES256_GCM_HKDF_1MB`.
//!
//! Layout: a header of 40 bytes (its own length, a salt of 32, a nonce prefix of 7), then segments.
//! Header and first segment fill 1 MiB together, every other segment fills 1 MiB by itself, and
//! the last one is as short as it needs to be. A segment is AES-256-GCM's ciphertext and its tag
//! of 16 bytes. `docs/streams.md` shows how to open one without Amanah.
//!
//! Why no nonce is used twice: each stream has a key of its own, derived by HKDF-SHA256 from the
//! [`Material`], 32 random bytes of salt and the [`Context`]. Within a stream a nonce is the
//! prefix, the segment's number and whether it is the last one; numbers are counted up and never
//! taken twice, and [`MAX_SEGMENTS`] of them fit. Two streams under one material share a nonce
//! only when all 39 random bytes of their headers agree, which after 2^64 streams has a chance
//! below 2^-180.
//!
//! Why a stream is whole: its segments open only at their number and only as last or as not last,
//! so one that is moved, repeated, missing or taken from another stream does not open, and a
//! stream which was cut off has no last segment.

mod opener;
mod pump;
mod ranged;
mod sealer;
mod slot;
#[cfg(test)]
mod tests;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use kernel::Rng;
use zeroize::Zeroizing;

use crate::{Context, Error, MATERIAL_BYTES, Material, Result};

pub use opener::Opener;
pub use pump::{decrypt, encrypt};
pub use ranged::{Ranged, ReadAt};
pub use sealer::Sealer;
use slot::Slot;

/// What a full segment occupies in the stream, in bytes; the first one shares it with the header.
pub const SEGMENT: usize = 1 << 20;
/// The header, in bytes.
pub const HEADER: usize = 1 + SALT + PREFIX;
/// The authentication tag at the end of each segment, in bytes.
pub const TAG: usize = 16;
/// The most segments. One less than the counter holds, because Tink in Go goes no further.
pub const MAX_SEGMENTS: u64 = u32::MAX as u64;
/// The longest text, in bytes: nearly 4 PiB.
pub const MAX_TEXT: u64 = MAX_SEGMENTS * (SEGMENT - TAG) as u64 - HEADER as u64;

/// The header's salt, in bytes.
const SALT: usize = 32;
/// What all nonces of a stream begin with, in bytes.
const PREFIX: usize = 7;
/// The header's first byte.
const HEADER_BYTE: u8 = 40;
const _: () = assert!(HEADER == HEADER_BYTE as usize, "the header counts itself");

/// How long the stream of a text is; both in bytes.
///
/// # Errors
/// [`Error::TooLarge`] above [`MAX_TEXT`].
pub const fn ciphertext_len(text: u64) -> Result<u64> {
    if text > MAX_TEXT {
        return Err(Error::TooLarge(MAX_TEXT));
    }
    // Never zero, since the header is counted: an empty text has one segment.
    let segments = (text + HEADER as u64).div_ceil((SEGMENT - TAG) as u64);
    Ok(text + HEADER as u64 + segments * TAG as u64)
}

/// How long the text in a stream of so many bytes is, if nothing is missing from it.
///
/// # Errors
/// [`Error::Truncated`] when no stream has this length, [`Error::TooLarge`] above
/// [`MAX_SEGMENTS`].
pub const fn plaintext_len(sealed: u64) -> Result<u64> {
    let segments = sealed.div_ceil(SEGMENT as u64);
    if segments > MAX_SEGMENTS {
        return Err(Error::TooLarge(MAX_TEXT));
    }
    let around = HEADER as u64 + segments * TAG as u64;
    // Only the first segment may be without text.
    let rest = sealed % SEGMENT as u64;
    if sealed < (HEADER + TAG) as u64 || (segments > 1 && rest > 0 && rest <= TAG as u64) {
        return Err(Error::Truncated);
    }
    Ok(sealed - around)
}

/// What one stream is sealed with: its own key and the beginning of its nonces.
struct StreamKey {
    key: LessSafeKey,
    prefix: [u8; PREFIX],
}

impl StreamKey {
    /// The key of a new stream, and the header that says which one it is.
    fn draw(material: &Material, context: &Context, rng: &dyn Rng) -> Result<(Self, [u8; HEADER])> {
        let mut header = [HEADER_BYTE; HEADER];
        if let Some((_, random)) = header.split_first_mut() {
            rng.fill(random)?;
        }
        Ok((Self::of(material, context, &header)?, header))
    }

    /// The key of the stream that begins with `header`; the bytes after it are not looked at.
    fn of(material: &Material, context: &Context, header: &[u8]) -> Result<Self> {
        let rest = match header.split_first() {
            Some((&HEADER_BYTE, rest)) => rest,
            Some(_) => return Err(Error::Malformed("it does not begin as a stream")),
            None => return Err(Error::Truncated),
        };
        let (salt, rest) = rest.split_first_chunk::<SALT>().ok_or(Error::Truncated)?;
        let (prefix, _) = rest.split_first_chunk::<PREFIX>().ok_or(Error::Truncated)?;
        let mut derived = Zeroizing::new([0; MATERIAL_BYTES]);
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(material.expose());
        let info = [context.as_bytes()];
        let okm = prk.expand(&info, hkdf::HKDF_SHA256).map_err(|_| KEY)?;
        okm.fill(derived.as_mut_slice()).map_err(|_| KEY)?;
        let unbound = UnboundKey::new(&AES_256_GCM, derived.as_slice()).map_err(|_| KEY)?;
        Ok(Self { key: LessSafeKey::new(unbound), prefix: *prefix })
    }

    /// Turns the text in `slot` into segment `number` of the stream.
    fn seal(&self, slot: &mut Slot, number: u64, last: bool) -> Result<()> {
        let nonce = self.nonce(number, last)?;
        let (text, room) = slot.split(start(number)).ok_or(KEY)?;
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::empty(), text);
        let tag = tag.map_err(|_| KEY)?;
        room.get_mut(..TAG).ok_or(KEY)?.copy_from_slice(tag.as_ref());
        slot.add_tag();
        Ok(())
    }

    /// Turns segment `number` in `slot` into its text. On an error the slot holds nothing of use.
    fn open(&self, slot: &mut Slot, number: u64, last: bool) -> Result<()> {
        let nonce = self.nonce(number, last)?;
        let (segment, _) = slot.split(start(number)).ok_or(Error::Truncated)?;
        // A later segment without text is one of whose making nothing is left.
        if segment.len() < TAG || (number > 0 && segment.len() == TAG) {
            return Err(Error::Truncated);
        }
        let opened = self.key.open_in_place(nonce, Aad::empty(), segment);
        let text = opened.map_err(|_| Error::Refused)?.len();
        slot.narrow(start(number), text);
        Ok(())
    }

    /// Opens the segment behind which nothing follows, after all before it were opened.
    fn open_last(&self, slot: &mut Slot, number: u64) -> Result<()> {
        // Where it is the only one and full, it may also be the first of a stream that was cut
        // off there. A failed attempt spoils the slot, so a copy is kept for the second one.
        let mut kept = (number == 0 && slot.is_full()).then(|| Slot::copy_of(slot));
        let Err(error) = self.open(slot, number, true) else { return Ok(()) };
        // Behind others, key and context are known to be right, since those opened.
        let cut = number > 0 || kept.as_mut().is_some_and(|kept| self.open(kept, 0, false).is_ok());
        Err(if cut { Error::Truncated } else { error })
    }

    fn nonce(&self, number: u64, last: bool) -> Result<Nonce> {
        let number = u32::try_from(number).ok().filter(|number| *number < u32::MAX);
        let number = number.ok_or(Error::TooLarge(MAX_TEXT))?.to_be_bytes();
        let mut nonce = [0; NONCE_LEN];
        let parts = self.prefix.into_iter().chain(number).chain([u8::from(last)]);
        for (to, from) in nonce.iter_mut().zip(parts) {
            *to = from;
        }
        Ok(Nonce::assume_unique_for_key(nonce))
    }
}

/// Where the segment begins in its slot.
const fn start(number: u64) -> usize {
    if number == 0 { HEADER } else { 0 }
}

const KEY: Error = Error::Malformed("the key cannot be used");
