//! The authenticator's part of an answer (Web Authentication, 6.1).

use super::{Flaw, MAX_ID_BYTES, cbor};

/// Flags: the user is present, was verified; the key can be copied, is copied; a new key and
/// extensions follow.
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const COPYABLE: u8 = 0x08;
const COPIED: u8 = 0x10;
const NEW_KEY: u8 = 0x40;
const EXTENSIONS: u8 = 0x80;

/// `authenticatorData`, read to its last byte.
#[derive(Debug)]
pub(super) struct AuthenticatorData<'a> {
    /// The SHA-256 of the relying party's id.
    pub(super) party: &'a [u8],
    pub(super) present: bool,
    pub(super) verified: bool,
    pub(super) count: u32,
    pub(super) made: Option<Made<'a>>,
}

/// A new key.
#[derive(Debug)]
pub(super) struct Made<'a> {
    pub(super) id: &'a [u8],
    /// The public key, in COSE's form.
    pub(super) key: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Flaw> {
        Self::parse(bytes).ok_or(Flaw::Data)
    }

    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (party, rest) = bytes.split_at_checked(32)?;
        let (flags, rest) = rest.split_first()?;
        let (count, mut rest) = rest.split_first_chunk::<4>()?;
        let has = |flag: u8| flags & flag != 0;
        if has(COPIED) && !has(COPYABLE) {
            return None;
        }
        let made = if has(NEW_KEY) {
            let (made, after) = Made::parse(rest)?;
            rest = after;
            Some(made)
        } else {
            None
        };
        if has(EXTENSIONS) {
            let (value, after) = cbor::first(rest)?;
            value.as_map()?;
            rest = after;
        }
        rest.is_empty().then_some(Self {
            party,
            present: has(PRESENT),
            verified: has(VERIFIED),
            count: u32::from_be_bytes(*count),
            made,
        })
    }
}

impl<'a> Made<'a> {
    fn parse(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        // The model of the authenticator comes first: nothing follows from it without attestation.
        let (_, rest) = bytes.split_at_checked(16)?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        if length == 0 || length > MAX_ID_BYTES {
            return None;
        }
        let (id, rest) = rest.split_at_checked(length)?;
        let (_, after) = cbor::first(rest)?;
        let key = rest.get(..rest.len().checked_sub(after.len())?)?;
        Some((Self { id, key }, after))
    }
}
