//! Which challenges were used, in a memory that never grows.
//!
//! Where it is full, the one that ends first is forgotten, and could be used once more until then: for
//! the same neighbourhood, whose pass it would make a few minutes longer. Nobody is refused for want of
//! memory.

use std::sync::{Mutex, PoisonError};

/// How many are remembered: 256 KiB.
const MANY: usize = 1 << 14;
/// How many share a place.
const WAYS: usize = 8;

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    mark: u64,
    /// When it ends, in milliseconds since the start; zero is a free place.
    until: u64,
}

/// Only whoever passes a challenge comes here, so that one lock is enough.
pub(super) struct Spent(Mutex<Vec<Slot>>);

impl Spent {
    pub(super) fn new() -> Self {
        Self(Mutex::new(vec![Slot::default(); MANY]))
    }

    /// Uses the challenge of this number, which ends then. Whether it was not used before. Its number is
    /// random and ours, so that nobody can aim at a place.
    pub(super) fn first(&self, nonce: &[u8; 16], until: u64, now: u64) -> bool {
        let [place, mark] = halves(nonce);
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sets = (slots.len() / WAYS).max(1);
        let set = usize::try_from(place % sets as u64).unwrap_or_default();
        let ways = slots.get_mut(set * WAYS..(set + 1) * WAYS).unwrap_or_default();
        if ways.iter().any(|slot| slot.mark == mark && slot.until > now) {
            return false;
        }
        // What has ended ends before all that have not.
        if let Some(slot) = ways.iter_mut().min_by_key(|slot| slot.until) {
            *slot = Slot { mark, until };
        }
        true
    }
}

fn halves(nonce: &[u8; 16]) -> [u64; 2] {
    let (low, high) = nonce.split_at(8);
    [low, high].map(|half| half.first_chunk().map_or(0, |half| u64::from_be_bytes(*half)))
}

#[cfg(test)]
mod tests {
    use super::{MANY, Spent};

    fn nonce(place: u64, mark: u64) -> [u8; 16] {
        (u128::from(place) << 64 | u128::from(mark)).to_be_bytes()
    }

    #[test]
    fn each_is_used_once_while_it_lasts() {
        let spent = Spent::new();
        assert!(spent.first(&nonce(1, 1), 100, 0));
        assert!(!spent.first(&nonce(1, 1), 100, 99));
        assert!(spent.first(&nonce(1, 2), 100, 99), "another one of the same place");
        assert!(spent.first(&nonce(2, 1), 100, 99), "the same mark at another place");
        assert!(spent.first(&nonce(1, 1), 200, 100), "it had ended");
    }

    #[test]
    fn a_full_place_forgets_the_one_that_ends_first() {
        let spent = Spent::new();
        for mark in 0..8 {
            assert!(spent.first(&nonce(5, mark), 100 + mark, 0));
        }
        assert!(spent.first(&nonce(5, 8), 200, 0));
        assert!(!spent.first(&nonce(5, 1), 101, 0), "the second is known");
        assert!(spent.first(&nonce(5, 0), 100, 0), "the first was forgotten");
        assert_eq!(spent.0.lock().unwrap().capacity(), MANY);
    }
}
