//! Decisions from memory: what the database said last, for as long as that can be trusted.
//!
//! Only holders are kept, never refusals, so guesses cannot fill it. Whatever is ended here or heard
//! to have ended elsewhere leaves it, and a decision that was read before that cannot slip in after
//! it. While what others end is heard ([`crate::listening`]), a decision is repeated for a minute at
//! most; once nothing was heard for [`SILENCE`], nothing is answered from memory. A process that
//! does not listen at all trusts its memory for [`FRESH`].
//!
//! A decision among a hundred thousand waits for memory and for little else. So it is found by a hash of
//! another kind, which takes no time, and fetched while the credential's digest is made. Where it lies
//! is a guess: it answers for nobody unless the digest in it is that of the credential. What is kept of
//! a credential beside its digest are 48 bits of that hash, whose key was drawn at the start.

mod ear;

use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};
use jiff::{SignedDuration, Timestamp};
use kernel::Identity;

pub(crate) use ear::{Ear, SILENCE, Trust};

use crate::token::Digest;

/// How long a decision may be repeated without asking the database, where others are not heard.
pub(crate) const FRESH: SignedDuration = SignedDuration::from_secs(2);
/// The same where they are.
pub(crate) const HEARD: SignedDuration = SignedDuration::from_secs(60);
/// In how many parts the memory is, so that few wait for each other.
const SHARDS: usize = 16;
/// How many decisions each part keeps; past it, new ones are asked of the database each time.
const MAX_IN_SHARD: usize = 12_500;
/// How often a full part is looked through for what is over.
const SWEEP_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// The decisions of the last minute.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    shards: [Mutex<Shard>; SHARDS],
    key: DefaultHashBuilder,
    pub(crate) ear: Ear,
    from_memory: AtomicU64,
    asked: AtomicU64,
    // The fault of a bite's sandbox: what ends is not forgotten.
    pub(crate) forgetless: bool,
}

#[derive(Debug, Default)]
struct Shard {
    holders: HashTable<Holder>,
    // Counts revocations; see `Ticket`.
    era: u64,
    swept: Option<Timestamp>,
}

/// A decision and what it is about, which are found among a hundred thousand others: in one line of the
/// processor's cache, since each further one is a wait of its own.
#[derive(Debug)]
#[repr(align(64))]
struct Holder {
    digest: Digest,
    identity: Arc<Identity>,
    /// In milliseconds since 1970.
    read_at: i64,
    marks: Marks,
    /// For how long it is good at most, in milliseconds from then: more than [`HEARD`] is never.
    lasts: u16,
    hint: Hint,
}

const _: () = assert!(size_of::<Holder>() == 64, "a decision takes one line of the cache");
const _: () = assert!(HEARD.as_millis() < u16::MAX as i128, "what lasts longer is read again");

/// The keyed hash of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hint([u8; 6]);

impl Hint {
    /// Of these bits the upper ones: among a hundred thousand credentials two with one hint, which would be
    /// asked about each time, are not to be expected.
    const fn of(hash: u64) -> Self {
        let [upper @ .., _, _] = hash.to_be_bytes();
        Self(upper)
    }

    /// The part of the memory that it belongs to.
    const fn shard(self) -> usize {
        let [high, ..] = self.0;
        (high >> 4) as usize % SHARDS
    }

    /// As a table wants it, with all of its bits everywhere (Knuth's multiplicative hashing).
    fn spread(self) -> u64 {
        let bits = self.0.iter().fold(0, |bits, byte| (bits << 8) | u64::from(*byte));
        bits.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Whose a decision is, small enough to look through many of them. Two names with one mark are
/// forgotten together, and read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    account: u32,
    home: u16,
    acted: u16,
}

impl Marks {
    /// Those of `identity`, whose account belongs to the tenant `home`.
    pub(crate) fn of(identity: &Identity, home: &str) -> Self {
        let acted = brief(identity.tenant.as_str());
        Self { account: mark(&identity.account), home: brief(home), acted }
    }
}

/// What ended, or changed so that it has to be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// One session.
    Session(Digest),
    /// Whatever an account has out.
    Account(u32),
    /// Whatever was given to a tenant's people, or is done in it.
    Tenant(u16),
    /// Everything.
    All,
}

impl Ended {
    pub(crate) fn account(id: &str) -> Self {
        Self::Account(mark(id))
    }

    pub(crate) fn tenant(id: &str) -> Self {
        Self::Tenant(brief(id))
    }

    fn covers(self, digest: &Digest, marks: Marks) -> bool {
        match self {
            Self::Session(over) => over == *digest,
            Self::Account(over) => marks.account == over,
            Self::Tenant(over) => marks.home == over || marks.acted == over,
            Self::All => true,
        }
    }
}

/// Proof of when a reading of the database began, and for which credential.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    era: u64,
    hint: Hint,
}

/// What the cache has to say.
pub(crate) enum Answer {
    /// This is the holder.
    Holder(Arc<Identity>),
    /// Ask the database, and hand the ticket in with its answer.
    Ask(Ticket),
}

impl Cache {
    /// Who held this credential a moment ago, and the digest that `digest` makes of it; nothing where it
    /// makes none.
    pub(crate) fn get(
        &self,
        credential: &str,
        digest: impl FnOnce(&str) -> Option<Digest>,
        now: Timestamp,
    ) -> Option<(Digest, Answer)> {
        let hint = Hint::of(self.key.hash_one(credential));
        let trust = self.ear.trust();
        let shard = self.shard(hint);
        let holder = shard.holders.find(hint.spread(), |holder| holder.hint == hint);
        // Whoever is found is counted as held once more. Looked at here, the count is fetched while the
        // digest is made, and not after it.
        black_box(holder.map_or(0, |holder| Arc::strong_count(&holder.identity)));
        let digest = digest(credential)?;
        let Some(holder) = holder.filter(|h| h.digest == digest && h.good(now, trust)) else {
            self.asked.fetch_add(1, Ordering::Relaxed);
            return Some((digest, Answer::Ask(Ticket { era: shard.era, hint })));
        };
        let identity = Arc::clone(&holder.identity);
        drop(shard);
        self.from_memory.fetch_add(1, Ordering::Relaxed);
        Some((digest, Answer::Holder(identity)))
    }

    /// Remembers what the database said at `now`; never beyond `until`.
    pub(crate) fn put(
        &self,
        ticket: Ticket,
        digest: Digest,
        identity: &Arc<Identity>,
        marks: Marks,
        (now, until): (Timestamp, Timestamp),
    ) {
        let Ticket { era, hint } = ticket;
        let mut shard = self.shard(hint);
        if shard.era != era && !self.forgetless {
            // Something was ended while the database was being asked.
            return;
        }
        let is = |holder: &Holder| holder.hint == hint;
        if shard.holders.len() >= MAX_IN_SHARD && shard.holders.find(hint.spread(), is).is_none() {
            shard.sweep(now);
            if shard.holders.len() >= MAX_IN_SHARD {
                return;
            }
        }
        let lasts = until.duration_since(now).as_millis().max(0);
        let lasts = u16::try_from(lasts).unwrap_or(u16::MAX);
        let (identity, read_at) = (Arc::clone(identity), now.as_millisecond());
        let new = Holder { digest, identity, read_at, marks, lasts, hint };
        match shard.holders.entry(hint.spread(), is, |holder| holder.hint.spread()) {
            Entry::Occupied(mut old) => *old.get_mut() = new,
            Entry::Vacant(free) => drop(free.insert(new)),
        }
    }

    /// Forgets what ended, now and for every reading that is under way.
    pub(crate) fn forget(&self, ended: Ended) {
        if self.forgetless {
            return;
        }
        for shard in &self.shards {
            let mut shard = lock(shard);
            shard.era = shard.era.wrapping_add(1);
            if ended == Ended::All {
                shard.holders.clear();
            } else {
                shard.holders.retain(|holder| !ended.covers(&holder.digest, holder.marks));
            }
        }
    }

    /// Forgets everything: sessions were ended that are not known here.
    pub(crate) fn clear(&self) {
        self.forget(Ended::All);
    }

    /// How many decisions are kept, how many were answered from memory, and how many were asked of
    /// the database.
    pub(crate) fn counts(&self) -> (usize, u64, u64) {
        let kept = self.shards.iter().map(|shard| lock(shard).holders.len()).sum();
        (kept, self.from_memory.load(Ordering::Relaxed), self.asked.load(Ordering::Relaxed))
    }

    fn shard(&self, hint: Hint) -> MutexGuard<'_, Shard> {
        let [first, rest @ ..] = &self.shards;
        lock(hint.shard().checked_sub(1).and_then(|at| rest.get(at)).unwrap_or(first))
    }
}

impl Shard {
    /// Throws out what is over by age, at most once a second: a full memory must not cost everybody
    /// a look through all of it.
    fn sweep(&mut self, now: Timestamp) {
        let lately = |then: Timestamp| {
            let age = now.duration_since(then);
            !age.is_negative() && age < SWEEP_EVERY
        };
        if self.swept.is_some_and(lately) {
            return;
        }
        self.swept = Some(now);
        self.holders.retain(|holder| holder.good(now, Trust::For(HEARD)));
    }
}

impl Holder {
    fn good(&self, now: Timestamp, trust: Trust) -> bool {
        let Trust::For(most) = trust else {
            return false;
        };
        // A clock that went backwards makes the age negative: ask again.
        let age = now.as_millisecond().saturating_sub(self.read_at);
        age >= 0 && i128::from(age) < most.as_millis() && age < i64::from(self.lasts)
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn mark(name: &str) -> u32 {
    let mut hasher = std::hash::DefaultHasher::new();
    name.hash(&mut hasher);
    // Its upper half alone: what is forgotten too much is read again.
    (hasher.finish() >> 32) as u32
}

/// The same, with as many values as there is room for.
fn brief(name: &str) -> u16 {
    (mark(name) >> 16) as u16
}

#[cfg(test)]
mod tests;
