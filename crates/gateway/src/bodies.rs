//! The memory for the bodies of requests: how much there is, and who has how much of it.
//!
//! A small body gets all that it states at once, before a byte of it is read, so that it waits for
//! nothing while it has something. A large one sets its length aside in the shares of its account
//! and its tenant, which hinders them alone, and gets memory of the whole step by step as its bytes
//! come: whoever only announces has nothing.
//!
//! No set of half-read bodies can wait for one another for ever. A step is given only if all of them
//! could still be completed one after the other, the nearest to its end first (the banker's rule);
//! and nobody waits without an end: whoever gives up gives back what they have.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::refusal::Refusal;

/// One account, or one directory's token, has at most this part of the whole.
const ACCOUNT_PART: usize = 8;
/// One tenant has at most this part of the whole.
const TENANT_PART: usize = 4;
/// This part of the whole is for small bodies alone, and so is as large a part on top of each share:
/// uploads keep nobody's forms waiting.
const SMALL_PART: usize = 16;

/// So much memory for all, of which nobody gets more than their share. Sizes are in KiB.
pub(crate) struct Bodies {
    all: usize,
    /// Owners are counted by a digest of their name that nobody else can compute.
    keys: RandomState,
    ledger: Mutex<Ledger>,
    freed: Notify,
}

#[derive(Default)]
struct Ledger {
    taken: usize,
    /// What accounts and tenants have set aside. Who has nothing is not in it.
    owners: HashMap<u64, usize>,
    /// What large bodies have that are half-read: by what each may still need, and its ticket.
    growing: BTreeMap<(usize, u64), usize>,
    tickets: u64,
}

impl Bodies {
    /// So many KiB for all.
    pub(crate) fn new(kib: usize) -> Arc<Self> {
        let (keys, ledger, freed) = (RandomState::new(), Mutex::default(), Notify::new());
        Arc::new(Self { all: kib, keys, ledger, freed })
    }

    /// The largest body that there can ever be room for, in bytes.
    pub(crate) const fn largest(&self) -> usize {
        self.all / ACCOUNT_PART * 1024
    }

    /// What one request holds of this account's and this tenant's, with nothing in it yet.
    pub(crate) fn share(self: &Arc<Self>, account: &str, tenant: &str) -> Share {
        Share {
            account: self.keys.hash_one(("account", account)),
            tenant: self.keys.hash_one(("tenant", tenant)),
            bodies: Arc::clone(self),
            reserved: 0,
            taken: 0,
            place: None,
        }
    }

    /// How much is taken at this moment, in KiB.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        locked(&self.ledger).taken
    }

    /// The most that an owner of this part has, for small bodies or for others.
    const fn most(&self, part: usize, small: bool) -> usize {
        let share = self.all / part;
        if small { share + share / SMALL_PART } else { share }
    }

    /// The most that all have together, for small bodies or for others.
    const fn whole(&self, small: bool) -> usize {
        if small { self.all } else { self.all - self.all / SMALL_PART }
    }
}

/// What one request holds. It is given back when it is dropped.
pub(crate) struct Share {
    bodies: Arc<Bodies>,
    account: u64,
    tenant: u64,
    /// Set aside in the shares of the account and the tenant; never less than what is taken.
    reserved: usize,
    taken: usize,
    /// Where it is among those that grow.
    place: Option<(usize, u64)>,
}

/// What a share should become.
#[derive(Clone, Copy)]
struct Wanted {
    reserved: usize,
    taken: usize,
    /// What may still be needed behind that; a small body gets all at once.
    rest: Option<usize>,
}

impl Share {
    /// All that a small body needs, in bytes, for which is waited at most so long.
    ///
    /// # Errors
    /// [`Refusal::Busy`].
    pub(crate) async fn take(&mut self, bytes: usize, wait: Duration) -> Result<(), Refusal> {
        let kib = bytes.div_ceil(1024);
        self.get(Wanted { reserved: kib, taken: kib, rest: None }, wait).await
    }

    /// Sets aside what a large body states, in bytes.
    ///
    /// # Errors
    /// [`Refusal::Busy`].
    pub(crate) async fn reserve(&mut self, bytes: usize, wait: Duration) -> Result<(), Refusal> {
        let (reserved, taken) = (bytes.div_ceil(1024), 0);
        self.get(Wanted { reserved, taken, rest: Some(reserved) }, wait).await
    }

    /// Makes what a large body has as large as this, in bytes, of which it may become `most`.
    ///
    /// # Errors
    /// [`Refusal::Busy`].
    pub(crate) async fn grow(
        &mut self,
        bytes: usize,
        most: usize,
        wait: Duration,
    ) -> Result<(), Refusal> {
        let taken = bytes.div_ceil(1024);
        let rest = Some(most.div_ceil(1024).saturating_sub(taken));
        self.get(Wanted { reserved: taken, taken, rest }, wait).await
    }

    /// The body has come: it keeps what it has and needs no more.
    pub(crate) fn complete(&mut self) {
        let surplus = self.reserved.saturating_sub(self.taken);
        if self.place.is_none() && surplus == 0 {
            return;
        }
        let mut ledger = locked(&self.bodies.ledger);
        if let Some(place) = self.place.take() {
            ledger.growing.remove(&place);
        }
        ledger.give_back([self.account, self.tenant], surplus);
        self.reserved = self.taken;
        drop(ledger);
        self.bodies.freed.notify_waiters();
    }

    async fn get(&mut self, wanted: Wanted, wait: Duration) -> Result<(), Refusal> {
        if self.try_get(wanted) {
            return Ok(());
        }
        let (bodies, end) = (Arc::clone(&self.bodies), Instant::now() + wait);
        loop {
            // Begun before looking, so that what is given back in between is noticed.
            let freed = bodies.freed.notified();
            if self.try_get(wanted) {
                return Ok(());
            }
            timeout_at(end, freed).await.map_err(|_| Refusal::Busy)?;
        }
    }

    /// Whether there was room for all of it. Otherwise nothing has changed.
    fn try_get(&mut self, wanted: Wanted) -> bool {
        let Self { bodies, account, tenant, .. } = self;
        let small = wanted.rest.is_none();
        let set_aside = wanted.reserved.saturating_sub(self.reserved);
        let step = wanted.taken.saturating_sub(self.taken);
        let mut ledger = locked(&bodies.ledger);
        let [theirs, tenants] = [*account, *tenant]
            .map(|owner| ledger.owners.get(&owner).copied().unwrap_or(0).saturating_add(set_aside));
        let fits = set_aside == 0
            || theirs <= bodies.most(ACCOUNT_PART, small)
                && tenants <= bodies.most(TENANT_PART, small);
        let taken = ledger.taken.saturating_add(step);
        // Who has much already draws nothing from the last part: it is kept for those who have nothing.
        let modest = taken <= bodies.whole(false)
            || theirs <= bodies.all / ACCOUNT_PART / SMALL_PART
                && tenants <= bodies.all / TENANT_PART / SMALL_PART;
        if !fits || step > 0 && (taken > bodies.whole(small) || !modest) {
            return false;
        }
        if let Some(rest) = wanted.rest.filter(|_| step > 0) {
            let place = (rest, self.place.map_or_else(|| ledger.ticket(), |(_, ticket)| ticket));
            let before = self.place.and_then(|place| ledger.growing.remove_entry(&place));
            ledger.growing.insert(place, wanted.taken);
            if !ledger.is_safe(bodies.whole(false)) {
                ledger.growing.remove(&place);
                ledger.growing.extend(before);
                return false;
            }
            self.place = Some(place);
        }
        if set_aside > 0 {
            ledger.owners.extend([(*account, theirs), (*tenant, tenants)]);
        }
        ledger.taken = taken;
        self.reserved += set_aside;
        self.taken += step;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.reserved == 0 {
            return;
        }
        let mut ledger = locked(&self.bodies.ledger);
        ledger.taken = ledger.taken.saturating_sub(self.taken);
        if let Some(place) = self.place {
            ledger.growing.remove(&place);
        }
        ledger.give_back([self.account, self.tenant], self.reserved);
        drop(ledger);
        self.bodies.freed.notify_waiters();
    }
}

impl Ledger {
    fn ticket(&mut self) -> u64 {
        self.tickets = self.tickets.wrapping_add(1);
        self.tickets
    }

    fn give_back(&mut self, owners: [u64; 2], kib: usize) {
        for owner in owners {
            let left = self.owners.get(&owner).map_or(0, |have| have.saturating_sub(kib));
            if left == 0 {
                self.owners.remove(&owner);
            } else {
                self.owners.insert(owner, left);
            }
        }
    }

    /// Whether all that grow can be completed one after the other. What others have comes back by
    /// itself: they wait for nothing here.
    fn is_safe(&self, whole: usize) -> bool {
        let Some(((farthest, _), _)) = self.growing.last_key_value() else {
            return true;
        };
        let mut free = whole.saturating_sub(self.growing.values().sum());
        for ((rest, _), taken) in &self.growing {
            if free >= *farthest {
                return true;
            }
            if free < *rest {
                return false;
            }
            free += taken;
        }
        true
    }
}

/// What a lock holds is whole at every moment, so who panicked with it held did no harm.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KIB: usize = 1024;
    const NOW: Duration = Duration::ZERO;

    /// Four tenants with all that they may have leave the last part to those who have nothing.
    #[tokio::test]
    async fn the_last_part_is_for_whoever_has_little() {
        let bodies = Bodies::new(1024);
        let mut large = Vec::new();
        for n in 0..8 {
            let mut one = bodies.share(&format!("{n}"), &format!("tenant {}", n / 2));
            one.reserve(120 * KIB, NOW).await.unwrap();
            one.grow(120 * KIB, 120 * KIB, NOW).await.unwrap();
            large.push(one);
        }
        assert_eq!(bodies.taken(), 960);
        for n in 0..8 {
            let mut more = bodies.share(&format!("{n}"), &format!("tenant {}", n / 2));
            assert_eq!(more.take(KIB, NOW).await, Err(Refusal::Busy), "{n}");
        }
        let mut other = bodies.share("sari", "sinar");
        other.take(8 * KIB, NOW).await.unwrap();
        let mut again = bodies.share("sari", "sinar");
        assert_eq!(again.take(8 * KIB, NOW).await, Err(Refusal::Busy));
        large.clear();
        again.take(8 * KIB, NOW).await.unwrap();
    }

    /// An account, a tenant and the whole are each bounded, and keep a part for small bodies.
    #[tokio::test]
    async fn nobody_has_more_than_their_share() {
        let bodies = Bodies::new(1024);
        let mut first = bodies.share("sari", "sinar");
        first.reserve(128 * KIB, NOW).await.unwrap();
        assert_eq!(bodies.taken(), 0, "who only announces has nothing");
        let mut second = bodies.share("sari", "sinar");
        assert_eq!(second.reserve(KIB, NOW).await, Err(Refusal::Busy));
        second.take(8 * KIB, NOW).await.unwrap();
        assert_eq!(bodies.share("sari", "sinar").take(1, NOW).await, Err(Refusal::Busy));
        // Another account of the tenant has the rest of the tenant's.
        let mut third = bodies.share("budi", "sinar");
        third.reserve(120 * KIB, NOW).await.unwrap();
        assert_eq!(bodies.share("dewi", "sinar").reserve(KIB, NOW).await, Err(Refusal::Busy));
        bodies.share("dewi", "sinar").take(8 * KIB, NOW).await.unwrap();
        // Another tenant is not concerned.
        bodies.share("putri", "gulf").reserve(128 * KIB, NOW).await.unwrap();
        first.grow(128 * KIB, 128 * KIB, NOW).await.unwrap();
        assert_eq!(bodies.taken(), 136);
        drop((first, second, third));
        assert_eq!(bodies.taken(), 0);
        assert!(locked(&bodies.ledger).owners.is_empty());
    }

    /// Whoever waits goes on when something is given back, and not before.
    #[tokio::test]
    async fn who_waits_goes_on_when_there_is_room() {
        let bodies = Bodies::new(1024);
        let mut first = bodies.share("sari", "sinar");
        first.reserve(128 * KIB, NOW).await.unwrap();
        let mut second = bodies.share("sari", "sinar");
        let waits =
            tokio::spawn(async move { second.reserve(128 * KIB, Duration::from_mins(1)).await });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        drop(first);
        waits.await.unwrap().unwrap();
    }

    /// What was set aside for a body of an unknown length is given back once it is known.
    #[tokio::test]
    async fn a_body_that_has_come_keeps_what_it_has() {
        let bodies = Bodies::new(1024);
        let mut first = bodies.share("sari", "sinar");
        first.take(8 * KIB, NOW).await.unwrap();
        first.reserve(128 * KIB, NOW).await.unwrap();
        first.grow(16 * KIB, 128 * KIB, NOW).await.unwrap();
        first.complete();
        bodies.share("sari", "sinar").reserve(112 * KIB, NOW).await.unwrap();
        assert_eq!(bodies.taken(), 16);
        assert!(locked(&bodies.ledger).growing.is_empty());
    }

    proptest! {
        /// However large bodies come, there is never more taken than there is, and there is always
        /// one that can go on, until all of them have come.
        #[test]
        fn half_read_bodies_do_not_wait_for_one_another(
            sizes in prop::collection::vec(1..=128_usize, 2..40),
            turns in prop::collection::vec((0..40_usize, 1..24_usize), 0..400),
        ) {
            let bodies = Bodies::new(1024);
            let whole = bodies.whole(false);
            // Each is of a tenant of its own: the shares of owners never stop them.
            let mut all: Vec<_> = sizes.iter().enumerate().map(|(n, size)| {
                let name = n.to_string();
                (bodies.share(&name, &name), *size, 0)
            }).collect();
            let grow = |one: &mut (Share, usize, usize), step: usize| {
                let taken = (one.2 + step).min(one.1);
                let wanted = Wanted { reserved: one.1, taken, rest: Some(one.1 - taken) };
                let got = one.0.try_get(wanted);
                if got { one.2 = taken; }
                got
            };
            for (which, step) in turns {
                let which = which % all.len();
                let step = if all[which].2 < all[which].1 { step } else { 0 };
                grow(&mut all[which], step);
                prop_assert!(bodies.taken() <= whole);
                prop_assert_eq!(bodies.taken(), all.iter().map(|one| one.2).sum::<usize>());
            }
            // Those that have come are answered in the end, and give back what they had.
            all.retain(|one| one.2 < one.1);
            while !all.is_empty() {
                let next = all.iter_mut().position(|one| grow(one, 8));
                prop_assert!(next.is_some(), "all wait");
                prop_assert!(bodies.taken() <= whole);
                all.retain(|one| one.2 < one.1);
            }
            prop_assert_eq!(bodies.taken(), 0);
            prop_assert!(locked(&bodies.ledger).growing.is_empty());
        }
    }
}
