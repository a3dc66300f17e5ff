//! What is signed: a challenge, and that somebody passed one.
//!
//! A stamp is bound to a neighbourhood by its MAC and does not name it. What comes back is hostile until
//! its MAC was found to be ours, in constant time; a challenge is no pass, and the other way round.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::Rng;

use crate::GatewayError;

const VERSION: u8 = 1;
/// Version, kind, bits, number, from when, until when.
const BODY_BYTES: usize = 1 + 1 + 1 + 16 + 8 + 8;
const MAC_BYTES: usize = 32;
/// How long a stamp is as text.
pub(super) const TEXT_BYTES: usize = (BODY_BYTES + MAC_BYTES) * 4 / 3 + 1;
/// The longest answer: a number of 64 bits in decimal digits.
const MAX_ANSWER_BYTES: usize = 20;

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Challenge,
    Pass,
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Challenge => 1,
            Self::Pass => 2,
        }
    }
}

/// What is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) kind: Kind,
    /// Zero bits that the work has.
    pub(super) bits: u8,
    /// Tells it from every other.
    pub(super) nonce: [u8; 16],
    /// From when on it is good without work, in milliseconds since the start.
    pub(super) ready: u64,
    /// Until when it is good.
    pub(super) until: u64,
}

/// The key of one process, and where its numbers come from.
pub(super) struct Key {
    mac: hmac::Key,
    /// Numbers are the MACs of a count: no request waits for randomness, and nobody can foretell one.
    numbers: hmac::Key,
    count: AtomicU64,
}

impl Key {
    /// A new one.
    ///
    /// # Errors
    /// When there is no randomness.
    pub(super) fn draw(rng: &dyn Rng) -> Result<Self, GatewayError> {
        let draw = || {
            let mut bytes = [0; 32];
            let drawn = rng.fill(&mut bytes);
            drawn.map_err(|error| GatewayError::Random(error.to_string()))?;
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
        };
        Ok(Self { mac: draw()?, numbers: draw()?, count: AtomicU64::new(0) })
    }

    /// A number that no other stamp of this process has.
    pub(super) fn number(&self) -> [u8; 16] {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let tag = hmac::sign(&self.numbers, &count.to_be_bytes());
        tag.as_ref().first_chunk().copied().unwrap_or_default()
    }

    /// The stamp as text, good for the neighbourhood `prefix` alone.
    pub(super) fn seal(&self, stamp: &Stamp, prefix: &[u8]) -> String {
        let mut bytes = stamp.bytes();
        let tag = hmac::sign(&self.mac, &[&bytes, prefix].concat());
        bytes.extend_from_slice(tag.as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The stamp that `text` is, if it is one of ours, of this kind and for this neighbourhood. Whether
    /// it is still good is not asked.
    pub(super) fn open(&self, text: &str, kind: Kind, prefix: &[u8]) -> Option<Stamp> {
        if text.len() != TEXT_BYTES {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, tag) = bytes.split_at_checked(BODY_BYTES)?;
        hmac::verify(&self.mac, &[body, prefix].concat(), tag).ok()?;
        Stamp::read(body).filter(|stamp| stamp.kind == kind)
    }
}

impl Stamp {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BODY_BYTES + MAC_BYTES);
        bytes.extend_from_slice(&[VERSION, self.kind.byte(), self.bits]);
        bytes.extend_from_slice(&self.nonce);
        bytes.extend_from_slice(&self.ready.to_be_bytes());
        bytes.extend_from_slice(&self.until.to_be_bytes());
        bytes
    }

    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let (head, rest) = body.split_first_chunk::<3>()?;
        let (nonce, rest) = rest.split_first_chunk::<16>()?;
        let (ready, rest) = rest.split_first_chunk::<8>()?;
        let (until, rest) = rest.split_first_chunk::<8>()?;
        let [version, kind, bits] = *head;
        if version != VERSION || !rest.is_empty() {
            return None;
        }
        let kind = [Kind::Challenge, Kind::Pass].into_iter().find(|one| one.byte() == kind)?;
        let (ready, until) = (u64::from_be_bytes(*ready), u64::from_be_bytes(*until));
        Some(Self { kind, bits, nonce: *nonce, ready, until })
    }
}

/// Whether `answer` is the work of `bits` for this text. One hash, however much work it was.
pub(crate) fn solves(token: &str, answer: &str, bits: u8) -> bool {
    let number = !answer.is_empty()
        && answer.len() <= MAX_ANSWER_BYTES
        && answer.bytes().all(|byte| byte.is_ascii_digit());
    number && zeros(digest(&SHA256, format!("{token}.{answer}").as_bytes()).as_ref()) >= bits.into()
}

/// Whether a text is sealed by a key that anybody can know, for the fuzzer.
pub(super) fn fuzz(text: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"fuzz");
    let key = Key { mac: key.clone(), numbers: key, count: AtomicU64::new(0) };
    let kinds = [Kind::Challenge, Kind::Pass];
    kinds.into_iter().any(|kind| key.open(text, kind, b"prefix").is_some())
}

/// How many bits are zero before the first one that is not.
fn zeros(bytes: &[u8]) -> u32 {
    let whole = bytes.iter().take_while(|byte| **byte == 0).count();
    let rest = bytes.get(whole).map_or(0, |byte| byte.leading_zeros());
    u32::try_from(whole).unwrap_or(u32::MAX).saturating_mul(8).saturating_add(rest)
}

#[cfg(test)]
mod tests {
    use kernel::SystemRng;
    use proptest::prelude::*;

    use super::{Key, Kind, Stamp, TEXT_BYTES, solves, zeros};

    fn stamp(kind: Kind) -> Stamp {
        Stamp { kind, bits: 16, nonce: [7; 16], ready: 5_000, until: 300_000 }
    }

    #[test]
    fn a_stamp_is_read_as_it_was_sealed_and_nowhere_else() {
        let key = Key::draw(&SystemRng).unwrap();
        let text = key.seal(&stamp(Kind::Pass), b"here");
        assert_eq!(text.len(), TEXT_BYTES);
        assert_eq!(key.open(&text, Kind::Pass, b"here"), Some(stamp(Kind::Pass)));
        assert_eq!(key.open(&text, Kind::Challenge, b"here"), None, "it is no challenge");
        assert_eq!(key.open(&text, Kind::Pass, b"there"), None, "another neighbourhood");
        let other = Key::draw(&SystemRng).unwrap();
        assert_eq!(other.open(&text, Kind::Pass, b"here"), None, "another process");
    }

    #[test]
    fn no_letter_can_be_changed() {
        let key = Key::draw(&SystemRng).unwrap();
        let text = key.seal(&stamp(Kind::Pass), b"here");
        for at in 0..text.len() {
            for letter in ['A', '_', '=', ' '] {
                let mut changed: Vec<char> = text.chars().collect();
                if changed[at] == letter {
                    continue;
                }
                changed[at] = letter;
                let changed: String = changed.into_iter().collect();
                assert_eq!(key.open(&changed, Kind::Pass, b"here"), None, "{at} {letter}");
            }
        }
        for wrong in ["", text.get(1..).unwrap(), &format!("{text}A"), &"A".repeat(TEXT_BYTES)] {
            assert_eq!(key.open(wrong, Kind::Pass, b"here"), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_differ() {
        let key = Key::draw(&SystemRng).unwrap();
        assert_ne!(key.number(), key.number());
    }

    #[test]
    fn the_work_is_a_number_whose_hash_begins_with_zeros() {
        assert_eq!([zeros(&[0, 0, 1]), zeros(&[0x80]), zeros(&[0; 4]), zeros(&[])], [23, 0, 32, 0]);
        let found =
            (0..1_u64 << 20).map(|n| n.to_string()).find(|n| solves("token", n, 10)).unwrap();
        assert!(solves("token", &found, 9) && !solves("tokem", &found, 10));
        for wrong in ["", "-1", " 1", "1.0", "x", "100000000000000000000"] {
            assert!(!solves("token", wrong, 0), "{wrong}");
        }
    }

    proptest! {
        /// Whatever comes back: no panic, and nothing that we did not sign.
        #[test]
        fn nothing_else_is_a_stamp(text in "[A-Za-z0-9_-]{85,95}", prefix in any::<[u8; 9]>()) {
            let key = Key::draw(&SystemRng).unwrap();
            prop_assert_eq!(key.open(&text, Kind::Pass, &prefix), None);
            prop_assert_eq!(key.open(&text, Kind::Challenge, &prefix), None);
        }
    }
}
