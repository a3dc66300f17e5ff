//! Decisions from memory: what the database said last, for as long as that can be trusted.
//!
//! Only holders are kept, never refusals, so guesses cannot fill it. Whatever is ended here or heard
//! to have ended elsewhere leaves it, and a decision that was read before that cannot slip in after
//! it. While what others end is heard ([`crate::listening`]), a decision is repeated for a minute at
//! most; once nothing was heard for [`SILENCE`], nothing is answered from memory. A process that
//! does not listen at all trusts its memory for [`FRESH`].

mod ear;

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    pub(crate) ear: Ear,
    from_memory: AtomicU64,
    asked: AtomicU64,
    // The fault of a bite's sandbox: what ends is not forgotten.
    pub(crate) forgetless: bool,
}

#[derive(Debug, Default)]
struct Shard {
    holders: HashSet<Holder, BuildHasherDefault<Uniform>>,
    // Counts revocations; see `Ticket`.
    era: u64,
    swept: Option<Timestamp>,
}

/// A decision and its key, which are found among a hundred thousand others: in one line of the processor's
/// cache, since each further one is a wait of its own.
#[derive(Debug)]
#[repr(align(64))]
struct Holder {
    digest: Digest,
    identity: Arc<Identity>,
    /// In milliseconds since 1970.
    read_at: i64,
    /// For how long it is good at most, in milliseconds from then.
    lasts: u32,
    marks: Marks,
}

const _: () = assert!(size_of::<Holder>() == 64, "a decision takes one line of the cache");

impl Borrow<Digest> for Holder {
    fn borrow(&self) -> &Digest {
        &self.digest
    }
}

impl Hash for Holder {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl PartialEq for Holder {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Holder {}

/// Whose a decision is, small enough to look through many of them. Two names with one mark are
/// forgotten together, and read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    account: u32,
    home: u32,
    acted: u32,
}

impl Marks {
    /// Those of `identity`, whose account belongs to the tenant `home`.
    pub(crate) fn of(identity: &Identity, home: &str) -> Self {
        let acted = mark(identity.tenant.as_str());
        Self { account: mark(&identity.account), home: mark(home), acted }
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
    Tenant(u32),
    /// Everything.
    All,
}

impl Ended {
    pub(crate) fn account(id: &str) -> Self {
        Self::Account(mark(id))
    }

    pub(crate) fn tenant(id: &str) -> Self {
        Self::Tenant(mark(id))
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

/// Proof of when a reading of the database began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket(u64);

/// What the cache has to say.
pub(crate) enum Answer {
    /// This is the holder.
    Holder(Arc<Identity>),
    /// Ask the database, and hand the ticket in with its answer.
    Ask(Ticket),
}

impl Cache {
    /// Who held the session a moment ago.
    pub(crate) fn get(&self, digest: &Digest, now: Timestamp) -> Answer {
        let trust = self.ear.trust();
        let shard = self.shard(digest);
        match shard.holders.get(digest) {
            Some(holder) if holder.good(now, trust) => {
                let identity = Arc::clone(&holder.identity);
                drop(shard);
                self.from_memory.fetch_add(1, Ordering::Relaxed);
                Answer::Holder(identity)
            }
            _ => {
                self.asked.fetch_add(1, Ordering::Relaxed);
                Answer::Ask(Ticket(shard.era))
            }
        }
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
        let mut shard = self.shard(&digest);
        if shard.era != ticket.0 && !self.forgetless {
            // Something was ended while the database was being asked.
            return;
        }
        if shard.holders.len() >= MAX_IN_SHARD && !shard.holders.contains(&digest) {
            shard.sweep(now);
            if shard.holders.len() >= MAX_IN_SHARD {
                return;
            }
        }
        let lasts = until.duration_since(now).as_millis().max(0);
        let lasts = u32::try_from(lasts).unwrap_or(u32::MAX);
        let (identity, read_at) = (Arc::clone(identity), now.as_millisecond());
        shard.holders.replace(Holder { digest, identity, read_at, lasts, marks });
    }

    /// Forgets what ended, now and for every reading that is under way.
    pub(crate) fn forget(&self, ended: Ended) {
        if self.forgetless {
            return;
        }
        if let Ended::Session(digest) = ended {
            let mut shard = self.shard(&digest);
            shard.era = shard.era.wrapping_add(1);
            shard.holders.remove(&digest);
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

    fn shard(&self, digest: &Digest) -> MutexGuard<'_, Shard> {
        let [first, rest @ ..] = &self.shards;
        let at = usize::from(digest.last()) % SHARDS;
        lock(at.checked_sub(1).and_then(|at| rest.get(at)).unwrap_or(first))
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

/// The keys are hashes of random bits that were drawn here: any eight bytes of one are as good as a
/// hash of it, and nobody can choose them.
#[derive(Debug, Default)]
struct Uniform(u64);

impl Hasher for Uniform {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().take(8) {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[cfg(test)]
mod tests;
