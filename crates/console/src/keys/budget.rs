//! What all clients have together, of which none gets more than its share: memory for bodies and
//! answers, places for streams, and how often something is destroyed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// So many units for all clients together, and so many of them for one.
pub(crate) struct Budget {
    all: usize,
    each: usize,
    ledger: Mutex<Ledger>,
    freed: Notify,
}

#[derive(Default)]
struct Ledger {
    taken: usize,
    /// By the client's name. Who has nothing is not in it.
    clients: HashMap<String, usize>,
}

impl Budget {
    pub(crate) fn new(all: usize, each: usize) -> Arc<Self> {
        let (ledger, freed) = (Mutex::default(), Notify::new());
        Arc::new(Self { all, each, ledger, freed })
    }

    /// A share of this client's, with nothing in it yet.
    pub(crate) fn share(self: &Arc<Self>, client: &str) -> Arc<Share> {
        let (budget, client) = (Arc::clone(self), client.to_owned());
        Arc::new(Share { budget, client, units: AtomicUsize::new(0) })
    }
}

/// What one request holds. It is given back when the last one who needs it is done: for memory,
/// that is when the client has read the answer.
pub(crate) struct Share {
    budget: Arc<Budget>,
    client: String,
    /// Changes only while the ledger is held.
    units: AtomicUsize,
}

impl Share {
    /// Makes it at least so large. Whether there is room. A request that needs more than a client
    /// gets goes on with all that it gets: how much that can be is bounded elsewhere.
    pub(super) fn try_cover(&self, units: usize) -> bool {
        let Budget { all, each, ledger, .. } = self.budget.as_ref();
        let mut ledger = locked(ledger);
        let more = units.min(*each).saturating_sub(self.units.load(Ordering::Relaxed));
        if more == 0 {
            return true;
        }
        let theirs = ledger.clients.get(&self.client).copied().unwrap_or(0).saturating_add(more);
        let taken = ledger.taken.saturating_add(more);
        if taken > *all || theirs > *each {
            return false;
        }
        ledger.taken = taken;
        ledger.clients.insert(self.client.clone(), theirs);
        self.units.fetch_add(more, Ordering::Relaxed);
        true
    }

    /// Makes it at least so large, once there is room.
    pub(crate) async fn cover(&self, units: usize) {
        loop {
            // Begun before looking, so that what is given back in between is noticed.
            let freed = self.budget.freed.notified();
            if self.try_cover(units) {
                return;
            }
            freed.await;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let units = *self.units.get_mut();
        if units == 0 {
            return;
        }
        let mut ledger = locked(&self.budget.ledger);
        ledger.taken = ledger.taken.saturating_sub(units);
        let left = ledger.clients.get(&self.client).map_or(0, |have| have.saturating_sub(units));
        if left == 0 {
            ledger.clients.remove(&self.client);
        } else {
            ledger.clients.insert(self.client.clone(), left);
        }
        drop(ledger);
        self.budget.freed.notify_waiters();
    }
}

/// How often each client may do something that costs the house much: [`Turns::AT_ONCE`] times
/// together, and then once in [`Turns::EVERY`].
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<String, Instant>>);

impl Turns {
    /// Each turn makes a generation of the root and destroys one: in a cloud, a key that is paid
    /// for and looked at in an audit.
    pub(super) const EVERY: Duration = Duration::from_mins(1);
    pub(super) const AT_ONCE: u32 = 5;

    /// Takes a turn, or says how long to wait for the next.
    pub(super) fn take(&self, client: &str, now: Instant) -> Result<(), Duration> {
        let mut clients = locked(&self.0);
        clients.retain(|_, used_until| *used_until > now);
        // Until then the turns are used up that were taken so far.
        let used_until = clients.get(client).copied().unwrap_or(now) + Self::EVERY;
        let wait = used_until.duration_since(now).saturating_sub(Self::EVERY * Self::AT_ONCE);
        if !wait.is_zero() {
            return Err(wait);
        }
        clients.insert(client.to_owned(), used_until);
        Ok(())
    }
}

/// What a lock holds is whole at every moment, so who panicked with it held did no harm.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{Budget, Turns};

    #[test]
    fn nobody_has_more_than_his_share() {
        let budget = Budget::new(10, 4);
        let (first, second) = (budget.share("a"), budget.share("a"));
        assert!(first.try_cover(3) && first.try_cover(2), "a smaller need is met already");
        assert!(!second.try_cover(2) && second.try_cover(1));
        assert!(budget.share("b").try_cover(99), "who needs more goes on with what he gets");
        let others: Vec<_> = ["b", "c"].iter().map(|name| budget.share(name)).collect();
        assert!(others[0].try_cover(4) && !others[1].try_cover(3) && others[1].try_cover(2));
        drop((first, second));
        assert!(others[1].try_cover(4));
        drop(others);
        assert!(budget.ledger.lock().unwrap().clients.is_empty());
        assert_eq!(budget.ledger.lock().unwrap().taken, 0);
    }

    #[tokio::test]
    async fn who_waits_goes_on_when_there_is_room() {
        let budget = Budget::new(4, 4);
        let first = budget.share("a");
        first.cover(4).await;
        let second = budget.share("b");
        let waits = tokio::spawn(async move { second.cover(1).await });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        drop(first);
        waits.await.unwrap();
    }

    #[test]
    fn turns_come_again() {
        let (turns, start) = (Turns::default(), Instant::now());
        for _ in 0..Turns::AT_ONCE {
            turns.take("a", start).unwrap();
        }
        assert_eq!(turns.take("a", start), Err(Turns::EVERY));
        turns.take("b", start).unwrap();
        turns.take("a", start + Turns::EVERY).unwrap();
        assert!(turns.take("a", start + Turns::EVERY).is_err());
        let later = start + Turns::EVERY * 100;
        for _ in 0..Turns::AT_ONCE {
            turns.take("a", later).unwrap();
        }
        assert!(turns.take("a", later).is_err());
    }
}
