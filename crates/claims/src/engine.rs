//! Runs controls: one at a time for each claim, never longer than their deadline, never past a
//! panic, and never with a result that was not stored first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use kernel::{Card, Control, Cx, Params, Proof};
use tokio::task::JoinError;
use tokio::time::Instant;

use crate::evidence::{Evidence, Key, Record, Run};
use crate::metrics::Meters;
use crate::seats::{Seat, Seats};
use crate::standing::Memo;
use crate::{Error, Result};

/// The longest cadence that the evidence takes: nothing keeps itself fresh for longer.
pub(crate) const MAX_CADENCE: Duration = Duration::from_hours(31 * 24);
/// How long a control that was told to stop at its deadline may take to put its sandbox away.
const CLEAN_UP: Duration = Duration::from_secs(2);

/// The controls of this installation and the evidence that they give. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    seats: Seats,
    pub(crate) evidence: Evidence,
    pub(crate) cx: Cx,
    flights: Mutex<HashMap<Key, Flight>>,
    pub(crate) memo: Mutex<Memo>,
    pub(crate) meters: Meters,
}

/// A run that several callers may wait for.
type Flight = Shared<BoxFuture<'static, Result<Arc<Record>>>>;

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

impl Engine {
    /// Seats `controls`.
    ///
    /// # Errors
    /// When two of them prove the same claim, when one proves a claim that is not in the catalogue,
    /// and when a card's deadline is zero or above its cadence.
    pub fn new(controls: Vec<Arc<dyn Control>>, evidence: Evidence, cx: Cx) -> Result<Self> {
        Ok(Self {
            inner: Arc::new(Inner {
                seats: Seats::of(controls)?,
                evidence,
                cx,
                flights: Mutex::default(),
                memo: Mutex::default(),
                meters: Meters::new(),
            }),
        })
    }

    /// The claims that have a control, by id.
    pub fn ids(&self) -> impl Iterator<Item = &'static str> {
        self.inner.seats.now().keys().copied().collect::<Vec<_>>().into_iter()
    }

    /// The card of the control that proves `claim`, if there is one.
    pub fn card(&self, claim: &str) -> Option<&'static Card> {
        Some(self.inner.seats.get(claim)?.control.card())
    }

    /// The control of `claim`.
    pub(crate) fn control(&self, claim: &str) -> Option<Arc<dyn Control>> {
        Some(Arc::clone(&self.inner.seats.get(claim)?.control))
    }

    /// Seats `controls` in the place of those that there were: what they attack is not what it was.
    /// A run that is under way is made again with the new one, and what the old one found is not
    /// stored.
    ///
    /// # Errors
    /// As [`Engine::new`], and when they are not about the same claims. Nothing was changed then.
    pub fn replace(&self, controls: Vec<Arc<dyn Control>>) -> Result<()> {
        self.inner.seats.replace(controls)
    }

    /// Proves `claim` with `params` now and returns what was stored. Whoever asks while the same
    /// proof runs waits for that one.
    ///
    /// A deadline that passed and a panic are outcomes: unknown.
    ///
    /// # Errors
    /// When there is no control for it, or the result could not be stored: nothing new is known.
    pub async fn prove(&self, claim: &str, params: &Params) -> Result<Arc<Record>> {
        self.fly(claim, Run::Proof, params.clone()).await
    }

    /// Seeds the violation of `claim` in a sandbox and has its control look for it. It has bitten
    /// when the outcome is broken.
    ///
    /// # Errors
    /// As [`Engine::prove`].
    pub async fn bite(&self, claim: &str) -> Result<Arc<Record>> {
        self.fly(claim, Run::Bite, Params::none()).await
    }

    async fn fly(&self, claim: &str, run: Run, params: Params) -> Result<Arc<Record>> {
        self.inner.seat(claim)?;
        let key = Key { claim: claim.to_owned(), params: params.to_string(), run };
        let flight = {
            let mut flights = locked(&self.inner.flights);
            if let Some(flight) = flights.get(&key) {
                flight.clone()
            } else {
                let flight = start(Arc::clone(&self.inner), key.clone(), params);
                flights.insert(key, flight.clone());
                flight
            }
        };
        flight.await
    }
}

/// Starts a run as a task of its own, so that it comes to its end even when everybody who waited
/// for it has gone.
fn start(inner: Arc<Inner>, key: Key, params: Params) -> Flight {
    let task = tokio::spawn(async move {
        let landing = Landing { inner, key };
        landing.inner.run(&landing.key, params).await
    });
    let flight = async move { task.await.unwrap_or(Err(Error::Stopped)) };
    flight.boxed().shared()
}

/// Takes a run off the board when it ends, however it ends.
struct Landing {
    inner: Arc<Inner>,
    key: Key,
}

impl Drop for Landing {
    fn drop(&mut self) {
        locked(&self.inner.flights).remove(&self.key);
    }
}

impl Inner {
    fn seat(&self, claim: &str) -> Result<Arc<Seat>> {
        self.seats.get(claim).ok_or_else(|| Error::NotBuilt(claim.to_owned()))
    }

    async fn run(&self, key: &Key, params: Params) -> Result<Arc<Record>> {
        let lane = Arc::clone(&self.seat(&key.claim)?.lane);
        let turn = lane.lock().await;
        // Stored within the turn: whoever comes next, perhaps with another control, is stored later.
        let (record, took) = loop {
            let seat = self.seat(&key.claim)?;
            let replaced = || Ok::<_, Error>(!Arc::ptr_eq(&seat, &self.seat(&key.claim)?));
            let started = Instant::now();
            let proof = attempt(&seat.control, &self.cx, key.run, params.clone()).await;
            let took = started.elapsed();
            if !replaced()? {
                let record = self.evidence.record(key, seat.control.card(), &proof, took).await?;
                if !replaced()? {
                    break (record, took);
                }
            }
            tracing::info!(claim = key.claim, "what it attacks has changed: it is run again");
        };
        drop(turn);
        self.meters.ran(key, record.mark.outcome, took);
        tracing::info!(
            claim = key.claim,
            params = key.params,
            run = key.run.as_str(),
            outcome = record.mark.outcome.as_str(),
            took_ms = took.as_millis(),
            detail = record.detail,
            "a control has run"
        );
        Ok(Arc::new(record))
    }
}

/// Runs `control` in a task of its own and turns whatever happens to it into a proof.
async fn attempt(control: &Arc<dyn Control>, cx: &Cx, run: Run, params: Params) -> Proof {
    let deadline = control.card().deadline;
    let mut task = {
        let (control, cx) = (Arc::clone(control), cx.clone());
        tokio::spawn(async move {
            match run {
                Run::Proof => control.prove(&cx, &params).await,
                Run::Bite => control.bite(&cx).await,
            }
        })
    };
    let unknown = |why: String| Proof::unknown(cx.clock.now(), why);
    match tokio::time::timeout(deadline, &mut task).await {
        Ok(Ok(proof)) => proof,
        Ok(Err(error)) => unknown(format!("the control failed inside: {}", broke(error))),
        Err(_) => {
            task.abort();
            // A control that blocks its thread never notices; it is not waited for any longer.
            let _ = tokio::time::timeout(CLEAN_UP, task).await;
            unknown(format!("it did not finish within its deadline of {deadline:?}"))
        }
    }
}

/// What a task that did not end by itself left behind.
fn broke(error: JoinError) -> String {
    if !error.is_panic() {
        return "it was cut short".to_owned();
    }
    let payload = error.into_panic();
    let message = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned());
    message.map_or_else(|| "it panicked".to_owned(), |text| format!("it panicked: {text}"))
}

/// Locks a mutex whose holder may have panicked: the maps behind them stay whole.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
