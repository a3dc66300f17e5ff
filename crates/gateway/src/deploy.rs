//! Another release of the application takes over while people work, and nobody's request fails.
//!
//! The new release is asked for its health first, and not taken before it answers well several times in
//! a row. Then every request that is sent from that moment on goes there, on all threads. What is under
//! way at the old release stays there until it ends: requests, answers that go on, sockets. For a while
//! the new one is watched: what cannot be sent to it is sent to the old one instead, and when it fails
//! too often or is not healthy any more, everything goes back. Only when it has stood the watch is the
//! old one left, and it is waited until nothing is under way there.
//!
//! A request that a release has got and did not answer is repeated only if it changes nothing, before a
//! switch as within one: whether something was done is not known otherwise.

mod health;
mod route;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use tokio::sync::Mutex;
use tokio::time::{Instant, interval, sleep};

use crate::upstream::Pool;
use crate::{GatewayError, Upstream};
use health::Health;
use route::Route;
pub use route::Tally;
pub(crate) use route::{Counts, Switch, first};

/// How often the counters of a new release are looked at while it is watched.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often it is told how far a step is that takes long.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// How long what is under way at a release that was left may take.
const DRAIN_WITHIN: Duration = Duration::from_mins(1);
/// How long a release may take until it is healthy.
const HEALTHY_WITHIN: Duration = Duration::from_mins(1);
/// How often in a row it has to answer well before it is taken.
const HEALTHY_AFTER: u32 = 3;
/// The longest watch.
const LONGEST_WATCH: Duration = Duration::from_hours(1);

/// How a switch is made.
#[derive(Debug, Clone)]
pub struct SwitchTerms {
    health: String,
    watch: Duration,
    pub(crate) healthy_after: u32,
    pub(crate) healthy_within: Duration,
    pub(crate) drain_within: Duration,
    /// Whether the old release stands in while the new one is watched.
    pub(crate) stand_in: bool,
}

impl SwitchTerms {
    /// A release is healthy when it answers `health`, a path, with less than 500; it is watched for
    /// `watch`, an hour at most.
    ///
    /// # Errors
    /// [`GatewayError::HealthPath`] and [`GatewayError::Watch`], when it is not these.
    pub fn new(health: &str, watch: Duration) -> Result<Self, GatewayError> {
        if !health.starts_with('/') || health.parse::<PathAndQuery>().is_err() {
            return Err(GatewayError::HealthPath(health.chars().take(80).collect()));
        }
        if watch > LONGEST_WATCH {
            return Err(GatewayError::Watch(watch));
        }
        Ok(Self {
            health: health.to_owned(),
            watch,
            healthy_after: HEALTHY_AFTER,
            healthy_within: HEALTHY_WITHIN,
            drain_within: DRAIN_WITHIN,
            stand_in: true,
        })
    }
}

/// How far a switch is. Its text is one for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The new release was asked for its health: how it answered, and how often in a row it did well.
    Asked(Result<u16, String>, u32),
    /// Requests go to the new release from now on.
    Switched,
    /// They still go there: what became of them.
    Watching(Tally),
    /// The new release stood the watch, and the old one is left.
    Kept(Tally),
    /// Requests go to the old release again, and why.
    Back(String),
    /// So much is still under way at the release that was left.
    Draining(usize),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(Ok(status), row) => {
                write!(f, "health: the new release answers {status}, well {row} times in a row")
            }
            Self::Asked(Err(why), _) => write!(f, "health: the new release {why}"),
            Self::Switched => f.write_str("switched: requests go to the new release"),
            Self::Watching(tally) => write!(f, "watching: {tally}"),
            Self::Kept(tally) => write!(f, "kept: {tally}"),
            Self::Back(why) => {
                write!(f, "rolled back: {why}; requests go to the old release again")
            }
            Self::Draining(left) => {
                write!(f, "draining: {left} still under way at the release that was left")
            }
        }
    }
}

/// How a switch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The new release is the current one.
    Switched {
        /// What became of the requests while it was watched.
        watched: Tally,
        /// How much was still under way at the old one at the end, and goes on there.
        left: usize,
    },
    /// The new release was never healthy, and got nobody's request.
    Unhealthy {
        /// How it answered last.
        why: String,
    },
    /// The old release is the current one again.
    RolledBack {
        /// What was wrong with the new one.
        why: String,
        /// What became of the requests while it was watched.
        watched: Tally,
        /// How much was still under way at the new one at the end, and goes on there.
        left: usize,
    },
}

/// Moves the gateway's requests to another release of the application. Cheap to clone; one switch at a
/// time, whoever asks.
#[derive(Clone)]
pub struct Deployer {
    switches: Arc<[Switch]>,
    turn: Arc<Mutex<()>>,
}

impl Deployer {
    pub(crate) fn new(switches: Vec<Switch>) -> Self {
        Self { switches: switches.into(), turn: Arc::default() }
    }

    /// The release that requests go to at this moment.
    pub fn current(&self) -> Option<Upstream> {
        self.pools().first().map(|pool| pool.upstream().clone())
    }

    /// Whether a switch is under way.
    pub fn is_switching(&self) -> bool {
        self.turn.try_lock().is_err()
    }

    /// Switches to the release at `to`, and tells each step. When what this returns is dropped on the
    /// way, requests go where they went at that moment.
    ///
    /// # Errors
    /// When there is nothing to switch from or to, or another switch is under way. Nothing was changed.
    pub async fn switch(
        &self,
        to: Upstream,
        terms: &SwitchTerms,
        tell: &(dyn Fn(Step) + Send + Sync),
    ) -> Result<Outcome, GatewayError> {
        let Ok(_turn) = self.turn.try_lock() else { return Err(GatewayError::Switching) };
        let old = self.pools();
        match old.first().map(|pool| pool.upstream()) {
            None => return Err(GatewayError::NoApplication),
            Some(current) if *current == to => return Err(GatewayError::SameRelease(to)),
            Some(_) => {}
        }
        let health = Health::of(&to, &terms.health);
        if let Err(why) = health.wait(terms.healthy_after, terms.healthy_within, tell).await {
            return Ok(Outcome::Unhealthy { why });
        }
        let new: Vec<_> = old.iter().map(|_| Pool::new(to.clone())).collect();
        for ((switch, pool), spare) in self.switches.iter().zip(&new).zip(&old) {
            let spare = terms.stand_in.then(|| Arc::clone(spare));
            switch.store(Some(Arc::new(Route { pool: Arc::clone(pool), spare })));
        }
        tell(Step::Switched);
        let stood = watch(&new, &health, terms.watch, tell).await;
        self.put(if stood.is_ok() { &new } else { &old });
        let watched = tally(&new);
        if let Err(why) = stood {
            tell(Step::Back(why.clone()));
            let left = drain(new, terms.drain_within, tell).await;
            return Ok(Outcome::RolledBack { why, watched, left });
        }
        tell(Step::Kept(watched));
        let left = drain(old, terms.drain_within, tell).await;
        Ok(Outcome::Switched { watched, left })
    }

    /// Where requests go, thread by thread.
    fn pools(&self) -> Vec<Arc<Pool>> {
        let routes = self.switches.iter().filter_map(|switch| switch.load_full());
        routes.map(|route| Arc::clone(&route.pool)).collect()
    }

    fn put(&self, pools: &[Arc<Pool>]) {
        for (switch, pool) in self.switches.iter().zip(pools) {
            switch.store(Some(Arc::new(Route { pool: Arc::clone(pool), spare: None })));
        }
    }
}

fn tally(pools: &[Arc<Pool>]) -> Tally {
    pools.iter().map(|pool| pool.tally()).fold(Tally::default(), Tally::and)
}

/// Watches a new release for so long, or says why it has to go.
async fn watch(
    new: &[Arc<Pool>],
    health: &Health,
    period: Duration,
    tell: &(dyn Fn(Step) + Send + Sync),
) -> Result<(), String> {
    let end = Instant::now() + period;
    let (mut look, mut told) = (interval(LOOK_EVERY), Instant::now());
    let counted = async {
        loop {
            look.tick().await;
            let tally = tally(new);
            if tally.is_too_bad() {
                return Err(tally.to_string());
            }
            if Instant::now() >= end {
                return Ok(());
            }
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                tell(Step::Watching(tally));
            }
        }
    };
    tokio::select! {
        why = health.lost() => Err(why),
        stood = counted => stood,
    }
}

/// Waits until nothing is under way on `pools`, for so long at most, and says how much still is.
async fn drain(
    pools: Vec<Arc<Pool>>,
    within: Duration,
    tell: &(dyn Fn(Step) + Send + Sync),
) -> usize {
    for pool in &pools {
        pool.close();
    }
    let (end, mut told) = (Instant::now() + within, Instant::now());
    loop {
        // One of them each is ours, and each other is held by something that is under way.
        let left = pools.iter().map(|pool| Arc::strong_count(pool).saturating_sub(1)).sum();
        if left == 0 || Instant::now() >= end {
            return left;
        }
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            tell(Step::Draining(left));
        }
        sleep(LOOK_EVERY).await;
    }
}
