//! Where the requests of one thread go, and what became of them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use http::request::Parts;
use http::{Response, StatusCode};
use hyper::body::Incoming;

use crate::Upstream;
use crate::body::Whole;
use crate::refusal::Refusal;
use crate::upstream::{Lease, Opened, Pool};

/// A new release is too bad when so many requests failed at least,
const TOO_MANY: u64 = 5;
/// and so many of a hundred.
const TOO_MANY_PERCENT: u64 = 5;

/// One thread's route, which can be replaced while it is used.
pub(crate) type Switch = Arc<ArcSwapOption<Route>>;

/// The route at the start, if there is an application.
pub(crate) fn first(upstream: Option<&Upstream>) -> Switch {
    let pool = upstream.cloned().map(Pool::new);
    Arc::new(ArcSwapOption::new(pool.map(|pool| Arc::new(Route { pool, spare: None }))))
}

/// Where a request goes. Whoever has one holds both releases, see [`Pool`].
#[derive(Clone)]
pub(crate) struct Route {
    pub(super) pool: Arc<Pool>,
    /// Who is asked instead when the request could not be sent.
    pub(super) spare: Option<Arc<Pool>>,
}

impl Route {
    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(
        self,
        head: &Parts,
        body: Whole,
    ) -> Result<(Response<Incoming>, Lease), Refusal> {
        let Some(spare) = &self.spare else {
            return self.pool.send(head, body).await.map_err(|unanswered| unanswered.refusal);
        };
        match self.pool.send(head, body.clone()).await {
            Err(unanswered) if unanswered.repeatable => {
                spare.send(head, body).await.map_err(|unanswered| unanswered.refusal)
            }
            answered => answered.map_err(|unanswered| unanswered.refusal),
        }
    }

    /// Asks for a socket.
    pub(crate) async fn open(self, head: &Parts) -> Result<Opened, Refusal> {
        match (self.pool.open(head).await, &self.spare) {
            (Err(unanswered), Some(spare)) if unanswered.repeatable => {
                spare.open(head).await.map_err(|unanswered| unanswered.refusal)
            }
            (answered, _) => answered.map_err(|unanswered| unanswered.refusal),
        }
    }
}

/// What became of the requests of one thread, since its release was taken.
#[derive(Default)]
pub(crate) struct Counts {
    requests: AtomicU64,
    unsent: AtomicU64,
    unreadable: AtomicU64,
    slow: AtomicU64,
    failed: AtomicU64,
    broken: AtomicU64,
}

impl Counts {
    pub(crate) fn answered(&self, answer: Result<StatusCode, Refusal>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let counter = match answer {
            Ok(status) if status.is_server_error() => &self.failed,
            Ok(_) => return,
            Err(Refusal::UpstreamDown) => &self.unsent,
            Err(Refusal::UpstreamSlow) => &self.slow,
            Err(_) => &self.unreadable,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn broken(&self) {
        self.broken.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn tally(&self) -> Tally {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Tally {
            requests: read(&self.requests),
            unsent: read(&self.unsent),
            unreadable: read(&self.unreadable),
            slow: read(&self.slow),
            failed: read(&self.failed),
            broken: read(&self.broken),
        }
    }
}

/// What became of the requests for a release, since it was taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// All of them.
    pub requests: u64,
    /// Those that could not be sent.
    pub unsent: u64,
    /// Those whose answer was not one in HTTP, or never began.
    pub unreadable: u64,
    /// Those whose answer did not begin in time.
    pub slow: u64,
    /// Those that the release itself answered with 500 or more.
    pub failed: u64,
    /// Those whose answer ended too early.
    pub broken: u64,
}

impl Tally {
    /// Those that failed in any way.
    pub const fn errors(&self) -> u64 {
        self.unsent + self.unreadable + self.slow + self.failed + self.broken
    }

    /// Whether a release that does this has to go.
    pub(super) const fn is_too_bad(&self) -> bool {
        let errors = self.errors();
        errors >= TOO_MANY && errors.saturating_mul(100) >= self.requests * TOO_MANY_PERCENT
    }

    /// Both together.
    pub(super) const fn and(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            unsent: self.unsent + other.unsent,
            unreadable: self.unreadable + other.unreadable,
            slow: self.slow + other.slow,
            failed: self.failed + other.failed,
            broken: self.broken + other.broken,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.errors();
        write!(f, "{} of {} requests failed at the new release", errors, self.requests)?;
        let kinds = [
            (self.unsent, "could not be sent"),
            (self.unreadable, "got no readable answer"),
            (self.slow, "got none in time"),
            (self.failed, "were answered with 500 or more"),
            (self.broken, "got half an answer"),
        ];
        let kinds = kinds.into_iter().filter(|(count, _)| *count > 0);
        let kinds: Vec<String> = kinds.map(|(count, what)| format!("{count} {what}")).collect();
        if kinds.is_empty() { Ok(()) } else { write!(f, " ({})", kinds.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    /// A few errors of many requests are no reason, and one of one is none either.
    #[test]
    fn a_release_goes_when_it_fails_often() {
        let of = |requests, failed| Tally { requests, failed, ..Tally::default() };
        for (requests, failed, bad) in
            [(0, 0, false), (1, 1, false), (5, 5, true), (100, 5, true), (101, 5, false)]
        {
            assert_eq!(of(requests, failed).is_too_bad(), bad, "{failed} of {requests}");
        }
    }
}
