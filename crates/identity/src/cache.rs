//! Decisions from memory: a few seconds of what the database said last.
//!
//! Only holders are kept, never refusals, so guesses cannot fill it. A revocation empties it of
//! the session, and a decision that was read before the revocation cannot slip in after it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use kernel::Identity;

use crate::token::Digest;

/// How long a decision may be repeated without asking the database. It is also how long a session
/// that another process revoked can live on.
pub(crate) const FRESH: SignedDuration = SignedDuration::from_secs(2);
/// How many decisions are kept; past it, new ones are asked of the database each time.
const MAX_KEPT: usize = 10_000;

/// The decisions of the last seconds.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    holders: HashMap<Digest, Holder>,
    // Counts revocations; see `Ticket`.
    era: u64,
}

#[derive(Debug)]
struct Holder {
    identity: Arc<Identity>,
    read_at: Timestamp,
    until: Timestamp,
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
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.holders.get(digest) {
            Some(holder) if holder.fresh(now) => Answer::Holder(Arc::clone(&holder.identity)),
            _ => Answer::Ask(Ticket(kept.era)),
        }
    }

    /// Remembers what the database said at `now`; never beyond `until`, the session's end.
    pub(crate) fn put(
        &self,
        ticket: Ticket,
        digest: Digest,
        identity: &Arc<Identity>,
        (now, until): (Timestamp, Timestamp),
    ) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.era != ticket.0 {
            // Something was revoked while the database was being asked.
            return;
        }
        if kept.holders.len() >= MAX_KEPT {
            kept.holders.retain(|_, holder| holder.fresh(now));
        }
        if kept.holders.len() < MAX_KEPT {
            let holder = Holder { identity: Arc::clone(identity), read_at: now, until };
            kept.holders.insert(digest, holder);
        }
    }

    /// Forgets one session, now and for every reading that is under way.
    pub(crate) fn forget(&self, digest: &Digest) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.era = kept.era.wrapping_add(1);
        kept.holders.remove(digest);
    }

    /// Forgets whatever belongs to an account.
    pub(crate) fn forget_account(&self, account: &str) {
        self.forget_where(|identity| identity.account == account);
    }

    /// Forgets whatever somebody does in a tenant.
    pub(crate) fn forget_tenant(&self, tenant: &str) {
        self.forget_where(|identity| identity.tenant.as_str() == tenant);
    }

    fn forget_where(&self, over: impl Fn(&Identity) -> bool) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.era = kept.era.wrapping_add(1);
        kept.holders.retain(|_, holder| !over(&holder.identity));
    }

    /// Forgets everything: sessions were ended whose tokens are not known here.
    pub(crate) fn clear(&self) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.era = kept.era.wrapping_add(1);
        kept.holders.clear();
    }
}

impl Holder {
    fn fresh(&self, now: Timestamp) -> bool {
        // A clock that went backwards makes the age negative: ask again.
        let age = now.duration_since(self.read_at);
        !age.is_negative() && age < FRESH && now < self.until
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::{SignedDuration, Timestamp};
    use kernel::{Actor, Door, FixedRng, Identity, Standing, Strength, TenantId};

    use super::{Answer, Cache, FRESH, MAX_KEPT};
    use crate::token::{Digest, fresh};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const FAR: Timestamp = Timestamp::MAX;

    fn identity() -> Arc<Identity> {
        Arc::new(Identity {
            account: "1".into(),
            actor: Actor::new("a@b").unwrap(),
            name: "A".into(),
            tenant: TenantId::new("1").unwrap(),
            standing: Standing::default(),
            strength: Strength::One,
            authenticated_at: NOW,
            session: "s".into(),
            door: Door::Browser,
        })
    }

    fn holds(cache: &Cache, digest: &Digest, now: Timestamp) -> bool {
        matches!(cache.get(digest, now), Answer::Holder(_))
    }

    fn put(cache: &Cache, digest: Digest, until: Timestamp) {
        let Answer::Ask(ticket) = cache.get(&digest, NOW) else {
            panic!("already there");
        };
        cache.put(ticket, digest, &identity(), (NOW, until));
    }

    #[test]
    fn a_decision_ages_and_never_outlives_its_session() {
        let cache = Cache::default();
        let rng = FixedRng::new(1);
        let (_, long) = fresh(&rng).unwrap();
        let (_, short) = fresh(&rng).unwrap();
        put(&cache, long, FAR);
        put(&cache, short, NOW + SignedDuration::from_secs(1));
        assert!(holds(&cache, &long, NOW) && holds(&cache, &short, NOW));
        let second = NOW + SignedDuration::from_secs(1);
        assert!(holds(&cache, &long, second) && !holds(&cache, &short, second));
        assert!(!holds(&cache, &long, NOW + FRESH));
        assert!(!holds(&cache, &long, NOW - SignedDuration::from_secs(1)));
    }

    #[test]
    fn a_reading_that_began_before_a_revocation_is_not_kept() {
        let cache = Cache::default();
        let (_, digest) = fresh(&FixedRng::new(1)).unwrap();
        let Answer::Ask(ticket) = cache.get(&digest, NOW) else {
            panic!("empty");
        };
        cache.forget(&digest);
        cache.put(ticket, digest, &identity(), (NOW, FAR));
        assert!(!holds(&cache, &digest, NOW));
    }

    #[test]
    fn it_stays_within_its_bound() {
        let cache = Cache::default();
        let rng = FixedRng::new(1);
        for _ in 0..MAX_KEPT + 10 {
            put(&cache, fresh(&rng).unwrap().1, FAR);
        }
        assert_eq!(cache.0.lock().unwrap().holders.len(), MAX_KEPT);
        cache.clear();
        assert_eq!(cache.0.lock().unwrap().holders.len(), 0);
    }
}
