//! The ring in use.
//!
//! What a use of a key needs lies in memory, and a newer generation takes the older one's place
//! as a whole. What changes the ring is made on a copy, put on the shelf as the next generation,
//! and taken into memory only when it lies there; whoever loses the race for the number takes the
//! winner's change in and makes his own again.
//!
//! A destruction is over when the root has none of the generations left that open an older copy of
//! the ring. Until then it is in one of three states. The first two are generations of the root
//! that the ring names. The third is in memory alone: something was taken out there for which the
//! root was not asked yet, and whoever opens the older ring again finds it anew.
//!
//! | state | set by | what it blocks | cleared by |
//! |---|---|---|---|
//! | `pending` | `rekey` with `Destroy`; `accept`, `rebuild` | a ring key under it | `finish` |
//! | `scheduled` | `finish`; `accept`, `rebuild` | nothing | `finish`, after its day |
//! | `owed` | `bury_again`, `bury_in` | changes, until the root rolls | the next change written |
//!
//! `finish` runs with each refresh and asks the root to destroy what is pending, and what is
//! scheduled once its day has come: the answer *done* clears it, a day makes it scheduled until
//! then, and no answer leaves it as it is. What is owed makes the next change, whatever it is, a
//! `Step::Destroy`, and a refresh makes one for its sake: the generations that opened the ring
//! until then become pending.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use kernel::{Clock, Rng, TenantId};
use kms::{Destruction, Root};
use serde::Serialize;

use crate::metrics::Metrics;
use crate::state::State;
use crate::{Anchor, Error, KeyRef, Policy, Shelf};

mod cards;
mod change;
mod clients;
mod crypto;
mod current;
mod destroy;
mod manage;
mod opening;
mod returning;
mod seen;
mod signing;

pub use crypto::MAX_DATAKEY_BYTES;
pub use returning::Standing;
pub use signing::verify_signature;

/// What a ring is opened with.
pub struct Settings {
    /// The installation, which a ring belongs to for good.
    pub installation: String,
    /// Where the ring lies.
    pub shelf: Arc<dyn Shelf>,
    /// What opens it.
    pub root: Arc<dyn Root>,
    /// What remembers its newest generation.
    pub anchors: Vec<Arc<dyn Anchor>>,
    /// When keys are rotated.
    pub policy: Policy,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

impl Settings {
    /// The present moment, as exactly as every anchor can keep it.
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}

/// How far a long piece of work has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// So many keys are done.
    pub done: usize,
    /// Of so many.
    pub total: usize,
}

/// What destroying a tenant's keys came to.
#[derive(Debug, Clone, Serialize)]
pub struct Shredding {
    /// The tenant.
    pub tenant: TenantId,
    /// When.
    pub at: Timestamp,
    /// How many keys.
    pub keys: usize,
    /// How many versions of them.
    pub versions: usize,
    /// The ring's generation without them.
    pub generation: u64,
    /// What may still hold them, until when, and what to do about it: one sentence each.
    pub remains: Vec<String>,
    /// Whether older copies of the ring are beyond recovery already. `None` when the root did not
    /// answer: it is asked again until it does.
    #[serde(skip)]
    pub destruction: Option<Destruction>,
}

/// The keys of an installation. Cheap to clone.
#[derive(Clone)]
pub struct Keys {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    state: ArcSwap<State>,
    /// Held by whoever changes the ring in this process.
    writing: tokio::sync::Mutex<()>,
    /// Held while a newer generation takes the place of the one in memory.
    installing: Mutex<()>,
    /// When a newer generation was last refused, so that not each use of a key reads it again.
    refused: Mutex<Option<Instant>>,
    /// Whether what another process wrote is being taken in behind a use of a key.
    opening: AtomicBool,
    /// The newest generation that every anchor knows of.
    anchored: AtomicU64,
    /// Whether something was taken out of the ring in memory while the root was not asked for a
    /// new generation: the next generation that is written asks for it, and refreshing does.
    owed: AtomicBool,
    /// What anchors hold and was not believed, for people.
    passed: Vec<String>,
    registered: Mutex<BTreeMap<KeyRef, BTreeSet<String>>>,
    metrics: Metrics,
}

impl Keys {
    fn with(settings: Settings, state: State, passed: Vec<String>) -> Self {
        Self {
            inner: Arc::new(Inner {
                settings,
                state: ArcSwap::from_pointee(state),
                writing: tokio::sync::Mutex::new(()),
                installing: Mutex::new(()),
                refused: Mutex::new(None),
                opening: AtomicBool::new(false),
                anchored: AtomicU64::new(0),
                owed: AtomicBool::new(false),
                passed,
                registered: Mutex::new(BTreeMap::new()),
                metrics: Metrics::default(),
            }),
        }
    }

    /// Says that the ring cannot be used, and why.
    fn ring_error(&self, why: impl Into<String>) -> Error {
        Error::Ring { place: self.inner.settings.shelf.place(), why: why.into() }
    }
}

/// Says that the ring cannot be used, and why.
fn refuse(settings: &Settings, why: String) -> Error {
    Error::Ring { place: settings.shelf.place(), why }
}

/// What a lock holds is whole at every moment, so who panicked with it held did no harm.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
