//! Allowances of many keys in a memory that never grows: GCRA, in whole nanoseconds.
//!
//! A key is kept as 16 bytes: what it hashes to, and when its allowance is whole again. The table is
//! cut into sets of eight. Where a set is full, whoever comes takes the place of the key that owes
//! least, *and what that one owed*. So nobody gets rid of a debt by being forgotten: all others of the
//! set owe at least as much, and whoever comes back begins with the least of theirs. What is lost by
//! that is a stranger's: where eight keys of a set owe something, a ninth begins with the least of it,
//! which is gone within the time that one whole allowance takes.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::hash::{HashKey, hash};

/// How many keys share a set.
const WAYS: usize = 8;
/// How many locks a table has. One is held for tens of nanoseconds.
const SHARDS: usize = 16;
/// The largest burst of a rate.
pub(crate) const MAX_BURST: u32 = 1_000_000;
/// The longest time in which a rate gives one more.
pub(crate) const MAX_EVERY: Duration = Duration::from_hours(24);

/// So many at once, and one more in each span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    burst: u32,
    every: u64,
}

impl Rate {
    /// `burst` at once, 1 to 1,000,000, and one more in each `every`, up to a day. What is beyond is
    /// brought within.
    pub const fn new(burst: u32, every: Duration) -> Self {
        let nanos = every.as_nanos();
        let most = MAX_EVERY.as_nanos();
        let every = if nanos < 1 {
            1
        } else if nanos > most {
            most
        } else {
            nanos
        };
        let burst = if burst < 1 {
            1
        } else if burst > MAX_BURST {
            MAX_BURST
        } else {
            burst
        };
        // A day in nanoseconds needs 47 bits.
        #[expect(clippy::cast_possible_truncation, reason = "it was brought within a day")]
        let every = every as u64;
        Self { burst, every }
    }

    /// How many at once.
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// In how long there is one more.
    pub const fn every(self) -> Duration {
        Duration::from_nanos(self.every)
    }

    /// In how long the whole allowance is back, in nanoseconds.
    const fn span(self) -> u64 {
        self.every.saturating_mul(self.burst as u64)
    }

    /// In how long the whole allowance is back, in seconds, at least one.
    pub(crate) const fn window(self) -> u64 {
        let seconds = self.span().div_ceil(1_000_000_000);
        if seconds == 0 { 1 } else { seconds }
    }

    /// The moment from which on it is whole, after one more was taken at `now` from an allowance that is
    /// whole at `whole_at`; or how long until there is one, in nanoseconds.
    pub(super) fn spend(self, whole_at: u64, now: u64) -> Result<u64, u64> {
        let ahead = self.ahead(whole_at, now);
        let free_at = now.saturating_add(self.span() - self.every);
        if ahead > free_at { Err(ahead - free_at) } else { Ok(ahead.saturating_add(self.every)) }
    }

    /// Never in the past, and never further ahead than a whole allowance takes.
    fn ahead(self, whole_at: u64, now: u64) -> u64 {
        whole_at.clamp(now, now.saturating_add(self.span()))
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// What the key hashes to; zero is a free place.
    mark: u64,
    /// When its allowance is whole again, in nanoseconds since the start.
    whole_at: u64,
}

/// The allowances of one limit. All of its memory is taken at once.
pub(crate) struct Table {
    key: HashKey,
    rate: Rate,
    shards: Vec<Mutex<Vec<Slot>>>,
}

impl Table {
    /// Room for `keys`, brought up to the next power of two and to 128 at least.
    pub(crate) fn new(rate: Rate, keys: usize, key: HashKey) -> Self {
        let each = (keys.next_power_of_two() / SHARDS).max(WAYS);
        let shards = (0..SHARDS).map(|_| Mutex::new(vec![Slot::default(); each])).collect();
        Self { key, rate, shards }
    }

    pub(crate) const fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes one of the allowance of `key`.
    ///
    /// # Errors
    /// In how many nanoseconds there is one; nothing was taken then.
    pub(crate) fn take(&self, key: &[u8], now: u64) -> Result<(), u64> {
        self.at(key, |slot, mark| {
            let whole_at = self.rate.spend(slot.whole_at, now)?;
            *slot = Slot { mark, whole_at };
            Ok(())
        })
    }

    /// Takes so many whether they are there or not. Nobody owes more than a whole allowance.
    pub(crate) fn charge(&self, key: &[u8], times: u32, now: u64) {
        self.at(key, |slot, mark| {
            let taken = self.rate.every.saturating_mul(u64::from(times));
            let whole_at = self.rate.ahead(slot.whole_at, now).saturating_add(taken);
            *slot = Slot { mark, whole_at: self.rate.ahead(whole_at, now) };
        });
    }

    /// Whether there is one; takes nothing.
    ///
    /// # Errors
    /// In how many nanoseconds there is one.
    pub(crate) fn look(&self, key: &[u8], now: u64) -> Result<(), u64> {
        self.at(key, |slot, _| self.rate.spend(slot.whole_at, now).map(|_| ()))
    }

    /// Gives back one that was taken for nothing.
    pub(crate) fn give_back(&self, key: &[u8]) {
        self.at(key, |slot, mark| {
            if slot.mark == mark {
                slot.whole_at = slot.whole_at.saturating_sub(self.rate.every);
            }
        });
    }

    /// Shows the place of `key`: its own, or else that of the one in its set that owes least.
    fn at<T>(&self, key: &[u8], work: impl FnOnce(&mut Slot, u64) -> T) -> T {
        let mark = hash(self.key, key).max(1);
        let mut shard = self.shard(mark);
        let sets = (shard.len() / WAYS).max(1);
        let set = usize::try_from((mark >> 8) % sets as u64).unwrap_or_default();
        let ways = shard.get_mut(set * WAYS..(set + 1) * WAYS).unwrap_or_default();
        let held = ways.iter().position(|slot| slot.mark == mark);
        let place = held.or_else(|| {
            // A free place owes nothing since ever.
            ways.iter().enumerate().min_by_key(|(_, slot)| slot.whole_at).map(|(at, _)| at)
        });
        match place.and_then(|at| ways.get_mut(at)) {
            Some(slot) => work(slot, mark),
            // A set always has its ways.
            None => work(&mut Slot::default(), mark),
        }
    }

    fn shard(&self, mark: u64) -> MutexGuard<'_, Vec<Slot>> {
        // The upper four bits, of which the set takes none.
        let at = usize::try_from(mark >> 60).unwrap_or_default();
        #[expect(clippy::indexing_slicing, reason = "four bits count to the number of shards")]
        let shard = &self.shards[at % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes its places take.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let slots: usize = (0..SHARDS as u64).map(|n| self.shard(n << 60).capacity()).sum();
        slots * size_of::<Slot>()
    }
}

#[cfg(test)]
mod tests;
