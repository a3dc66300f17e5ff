//! What gateways of one installation tell one another: how much of each allowance was taken.
//!
//! It promises that a request never waits for it: each gateway decides by itself, notes what was
//! taken, and charges what the others have noted once it hears of it. What it hears is read strictly:
//! one that is garbled is passed over whole. At most [`MAX_KEYS`] keys wait at a time; what is beyond is
//! counted and not told.
//!
//! So of a burst that comes to several gateways at once each lets through a whole allowance, until it
//! has heard of the others; from then on all of them together let through one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use kernel::Rng;

use super::settings::Limit;
use crate::GatewayError;

/// How many keys wait to be told.
pub(super) const MAX_KEYS: usize = 4_096;
/// The longest key, in bytes: an account's id and a permission.
const MAX_KEY_BYTES: usize = 160;
/// The longest message that is read, in bytes.
pub(super) const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// The first byte of a message, which tells its form.
const FORM: u8 = 1;
/// How long the name of a gateway is, in bytes.
pub(super) const NAME_BYTES: usize = 16;

/// What was taken of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) limit: Limit,
    pub(super) key: Vec<u8>,
    pub(super) times: u32,
}

/// What waits to be told.
pub(super) struct Outbox {
    /// Tells this gateway from others.
    name: [u8; NAME_BYTES],
    waiting: Mutex<HashMap<(Limit, Vec<u8>), u32>>,
    lost: AtomicU64,
}

impl Outbox {
    /// One with a name that no other gateway has.
    ///
    /// # Errors
    /// When there is no randomness.
    pub(super) fn draw(rng: &dyn Rng) -> Result<Self, GatewayError> {
        let mut name = [0; NAME_BYTES];
        rng.fill(&mut name).map_err(|error| GatewayError::Random(error.to_string()))?;
        Ok(Self::new(name))
    }

    fn new(name: [u8; NAME_BYTES]) -> Self {
        Self { name, waiting: Mutex::default(), lost: AtomicU64::new(0) }
    }

    /// One more of `key` was taken.
    pub(super) fn note(&self, limit: Limit, key: &[u8]) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let room = waiting.len() < MAX_KEYS && key.len() <= MAX_KEY_BYTES;
        let at = (limit, key.to_vec());
        match waiting.get_mut(&at) {
            Some(times) => *times = times.saturating_add(1),
            None if room => {
                waiting.insert(at, 1);
            }
            None => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// How much was not told since the start.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Everything that waits, as a message; without anything, it says that this gateway is there.
    pub(super) fn message(&self) -> Vec<u8> {
        let waiting =
            std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mut message = vec![FORM];
        message.extend_from_slice(&self.name);
        for ((limit, key), times) in waiting {
            // No longer key is ever noted.
            let length = u8::try_from(key.len()).unwrap_or_default();
            message.extend_from_slice(&[limit.number(), length]);
            message.extend_from_slice(key.get(..usize::from(length)).unwrap_or_default());
            message.extend_from_slice(&times.to_be_bytes());
        }
        message
    }

    /// What another gateway tells; nothing when it is our own message, and `None` when it is none.
    pub(super) fn read(&self, message: &[u8]) -> Option<Vec<Taken>> {
        let (name, taken) = read(message)?;
        Some(if name == self.name { Vec::new() } else { taken })
    }
}

/// The gateway that a message is of, and what it tells.
pub(super) fn read(message: &[u8]) -> Option<([u8; NAME_BYTES], Vec<Taken>)> {
    if message.len() > MAX_MESSAGE_BYTES {
        return None;
    }
    let (&form, rest) = message.split_first()?;
    let (name, mut rest) = rest.split_first_chunk::<NAME_BYTES>()?;
    let mut all = Vec::new();
    while let Some((&number, after)) = rest.split_first() {
        let limit = Limit::ALL.into_iter().find(|limit| limit.number() == number)?;
        let (&length, after) = after.split_first()?;
        let (key, after) = after.split_at_checked(usize::from(length))?;
        let (times, after) = after.split_first_chunk::<4>()?;
        let times = u32::from_be_bytes(*times);
        if key.len() > MAX_KEY_BYTES || times == 0 || all.len() == MAX_KEYS {
            return None;
        }
        all.push(Taken { limit, key: key.to_vec(), times });
        rest = after;
    }
    (form == FORM).then_some((*name, all))
}

#[cfg(test)]
mod tests {
    use super::{MAX_KEYS, Outbox, read};
    use crate::Limit;

    #[test]
    fn what_is_noted_is_read_by_others_and_not_by_oneself() {
        let (one, other) = (Outbox::new([1; 16]), Outbox::new([2; 16]));
        for _ in 0..3 {
            one.note(Limit::Address, b"a");
        }
        one.note(Limit::Account, b"b");
        let message = one.message();
        assert_eq!(one.read(&message), Some(Vec::new()));
        let mut heard = other.read(&message).unwrap();
        heard.sort_by_key(|taken| taken.times);
        let told: Vec<_> = heard.iter().map(|t| (t.limit, t.key.as_slice(), t.times)).collect();
        assert_eq!(told, [(Limit::Account, &b"b"[..], 1), (Limit::Address, &b"a"[..], 3)]);
        assert_eq!(other.read(&one.message()), Some(Vec::new()), "it was told once");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let outbox = Outbox::new([0; 16]);
        for key in 0..u32::try_from(MAX_KEYS).unwrap() + 5 {
            outbox.note(Limit::Address, &key.to_be_bytes());
        }
        outbox.note(Limit::Address, &0_u32.to_be_bytes());
        outbox.note(Limit::Address, &[0; 200]);
        assert_eq!(outbox.lost(), 6);
        let (_, read) = read(&outbox.message()).unwrap();
        assert_eq!(read.len(), MAX_KEYS);
    }

    /// Damaged messages are read as what they say or not at all, and nothing panics.
    #[test]
    fn damaged_messages_are_passed_over() {
        let outbox = Outbox::new([7; 16]);
        outbox.note(Limit::Prefix, b"abcdefgh");
        outbox.note(Limit::SignIn, b"x");
        let whole = outbox.message();
        for end in 0..whole.len() {
            let _ = read(&whole[..end]);
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << bit;
                if let Some((_, taken)) = read(&damaged) {
                    assert!(taken.iter().all(|taken| taken.times > 0));
                }
            }
        }
        assert!(read(&[]).is_none() && read(&vec![1; 2 << 20]).is_none());
    }
}
