//! The engine on a real PostgreSQL, with controls that do as they are told.

mod append_only;
mod attested;
mod engine;
mod past;
mod schedule;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kernel::{Card, Clock, Control, Cx, Finding, Fut, ManualClock, Params, Population, Proof};
use kernel::{FixedRng, SystemClock};
use testkit::TestDb;
use tokio::sync::Semaphore;

use crate::{Engine, Evidence, Page, ROOM};

/// What a fake control does when it runs.
#[derive(Debug, Clone)]
enum Act {
    Hold,
    Break,
    CannotTell,
    /// As a bite: seeds three violations and finds two.
    Miss,
    /// Holds once the semaphore lets it.
    Wait(Arc<Semaphore>),
    Hang,
    Panic,
    /// Finds something whose name PostgreSQL would not take.
    Nul,
}

/// A control that does as it is told, and counts.
struct Fake {
    card: &'static Card,
    proof: Mutex<Act>,
    bite: Mutex<Act>,
    proofs: AtomicUsize,
    bites: AtomicUsize,
}

impl Fake {
    fn new(id: &'static str) -> Arc<Self> {
        Self::with(id, Duration::from_hours(1), Duration::from_secs(30))
    }

    fn with(id: &'static str, cadence: Duration, deadline: Duration) -> Arc<Self> {
        let card = Card {
            id,
            title: "A fake",
            attack: "Does as it is told.",
            bite: "Seeds nothing.",
            cadence,
            deadline,
            not_covered: &["Everything."],
        };
        Arc::new(Self {
            card: Box::leak(Box::new(card)),
            proof: Mutex::new(Act::Hold),
            bite: Mutex::new(Act::Break),
            proofs: AtomicUsize::new(0),
            bites: AtomicUsize::new(0),
        })
    }

    fn prove_as(&self, act: Act) {
        *self.proof.lock().unwrap() = act;
    }

    fn bite_as(&self, act: Act) {
        *self.bite.lock().unwrap() = act;
    }

    fn proofs(&self) -> usize {
        self.proofs.load(Ordering::SeqCst)
    }

    fn bites(&self) -> usize {
        self.bites.load(Ordering::SeqCst)
    }
}

impl Control for Fake {
    fn card(&self) -> &'static Card {
        self.card
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _: &'a Params) -> Fut<'a, Proof> {
        self.proofs.fetch_add(1, Ordering::SeqCst);
        let act = self.proof.lock().unwrap().clone();
        Box::pin(play(act, cx))
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        self.bites.fetch_add(1, Ordering::SeqCst);
        let act = self.bite.lock().unwrap().clone();
        Box::pin(play(act, cx))
    }
}

async fn play(act: Act, cx: &Cx) -> Proof {
    let weigh = |findings| {
        let population = Population::new(3, 3, "tables");
        Proof::weigh(cx.clock.now(), population, "3", "3", findings)
    };
    match act {
        Act::Hold => weigh(vec![]),
        Act::Break => weigh(vec![Finding::new("prices", "read by another tenant")]),
        Act::CannotTell => Proof::unknown(cx.clock.now(), "the disk is full"),
        Act::Miss => {
            let seeded = Population::new(2, 3, "violations");
            Proof::missed(cx.clock.now(), seeded, "not found: a grant")
        }
        Act::Wait(gate) => {
            let _pass = gate.acquire().await.unwrap();
            weigh(vec![])
        }
        Act::Hang => std::future::pending().await,
        Act::Panic => panic!("out of paper"),
        Act::Nul => weigh(vec![Finding::new("a\0b", "x".repeat(9_000))]),
    }
}

async fn database() -> TestDb {
    testkit::database(&[&ROOM]).await
}

/// Stores everything that is there once more, as a program of version 0.0.1 would have.
async fn older_program(db: &TestDb) {
    let tx = db.owner.operator().await.unwrap();
    let rows = tx
        .execute(
            "INSERT INTO claims.proof (
                 claim, params, kind, outcome, population_checked, population_total,
                 population_of, measured, threshold, detail, findings, attack, cadence_ms,
                 version, took_ms, observed_at)
             SELECT claim, params, kind, outcome, population_checked, population_total,
                    population_of, measured, threshold, detail, findings, attack, cadence_ms,
                    '0.0.1', took_ms, observed_at
               FROM claims.proof ORDER BY id",
            &[],
        )
        .await
        .unwrap();
    assert!(rows > 0);
    tx.commit().await.unwrap();
}

fn cx(clock: Arc<dyn Clock>) -> Cx {
    Cx { clock, rng: Arc::new(FixedRng::new(7)) }
}

fn engine(db: &TestDb, controls: &[&Arc<Fake>], clock: Arc<dyn Clock>) -> Engine {
    let controls = controls.iter().map(|fake| Arc::clone(fake) as Arc<dyn Control>);
    let evidence = Evidence::new(db.engine.clone());
    Engine::new(controls.collect(), evidence, cx(clock)).unwrap()
}

/// A clock that shows the present and stands still.
fn stopped() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(SystemClock.now()))
}

fn page(body: &str) -> Arc<Page> {
    let source = format!("---\ntitle: Example\nlanguage: en\n---\n{body}\n");
    Arc::new(Page::parse("example", &source).unwrap())
}

/// Waits until `done`, and fails when it never comes.
async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let poll = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), poll).await;
    assert!(waited.is_ok(), "{what} never came");
}
