//! The claims on a good house, and their bites.

use std::sync::Arc;

use kernel::{
    Control, Cx, Fut, Outcome, Params, Secret, Strength, SystemClock, SystemRng, catalogue,
};
use testkit::TestDb;

use super::bite::Needs;
use super::{FactorGuard, FactorProbe, InProcess, Reached};
use crate::passkey::{Assertion, Party};
use crate::vault::Envelope;
use crate::{Identities, Pool, ROOM};

fn world() -> Cx {
    Cx { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) }
}

fn guard(base: &TestDb, cx: &Cx, needs: Option<Strength>) -> FactorGuard {
    let (clock, rng) = (Arc::clone(&cx.clock), Arc::clone(&cx.rng));
    let roles = Arc::new(Needs::new(needs.unwrap_or_default(), "boss", &[]));
    let standings = Arc::<Needs>::clone(&roles) as Arc<dyn kernel::Standings>;
    let made = Identities::new(base.engine.clone(), clock, rng, Pool::default(), standings);
    let identities = Arc::new(made.unwrap().with_vault(Arc::new(Envelope)));
    FactorGuard {
        probe: Some(Arc::new(InProcess(Arc::clone(&identities))) as Arc<dyn FactorProbe>),
        identities,
        owner: base.owner.clone(),
        programs: base.programs.clone(),
        roles,
    }
}

fn params(id: &str) -> Params {
    let pairs: &[(&str, &str)] = if id == "mfa.totp" { &[] } else { &[("roles", "boss")] };
    Params::check(catalogue::find(id).unwrap(), pairs.iter().copied()).unwrap()
}

async fn left(base: &TestDb) -> i64 {
    let tx = base.owner.operator().await.unwrap();
    let sql = "SELECT count(*) FROM identity.accounts";
    tx.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_house_holds_and_leaves_no_canary() {
    let base = testkit::database(&[&ROOM]).await;
    let cx = world();
    for (id, needs) in [
        ("mfa.totp", None),
        ("mfa.required", Some(Strength::Two)),
        ("mfa.hardware", Some(Strength::Hardware)),
    ] {
        let controls = guard(&base, &cx, needs).controls();
        let control = controls.iter().find(|control| control.card().id == id).unwrap();
        let proof = control.prove(&cx, &params(id)).await;
        assert_eq!(proof.outcome(), Outcome::Holds, "{id}: {proof:?}");
        assert_eq!(left(&base).await, 0, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_asks_for_less_is_named_and_without_a_gateway_nothing_is_said() {
    let base = testkit::database(&[&ROOM]).await;
    let cx = world();
    for (id, needs) in [("mfa.required", Strength::One), ("mfa.hardware", Strength::Two)] {
        let mut weak = guard(&base, &cx, Some(needs));
        let of = |guard: FactorGuard| -> Arc<dyn Control> {
            guard.controls().into_iter().find(|control| control.card().id == id).unwrap()
        };
        let proof = of(weak.clone()).prove(&cx, &params(id)).await;
        assert_eq!(proof.outcome(), Outcome::Broken, "{id}: {proof:?}");
        weak.probe = None;
        let proof = of(weak).prove(&cx, &params(id)).await;
        assert_eq!(proof.outcome(), Outcome::Unknown, "{id}: {proof:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_three_bite() {
    let base = testkit::database(&[&ROOM]).await;
    let cx = world();
    for control in guard(&base, &cx, None).controls() {
        let bite = control.bite(&cx).await;
        assert_eq!(bite.outcome(), Outcome::Broken, "{}: {bite:?}", control.card().id);
    }
}

/// A gateway that answers a password with a cookie that opens nothing.
struct Hollow;

impl FactorProbe for Hollow {
    fn party(&self) -> Option<Party> {
        Some(Party::of_sandbox())
    }

    fn password<'a>(&'a self, _: &'a str, _: &'a Secret) -> Fut<'a, Result<Reached, String>> {
        Box::pin(async { Ok(Reached::Session(Secret::new("nothing".to_owned()))) })
    }

    fn code<'a>(&'a self, _: &'a Secret, _: &'a Secret) -> Fut<'a, Result<Reached, String>> {
        Box::pin(async { Ok(Reached::Refused) })
    }

    fn waits<'a>(&'a self, _: &'a Secret) -> Fut<'a, Result<bool, String>> {
        Box::pin(async { Ok(false) })
    }

    fn ask<'a>(&'a self, _: &'a Secret) -> Fut<'a, Result<Vec<u8>, String>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn passkey<'a>(&'a self, _: &'a Secret, _: &'a Assertion) -> Fut<'a, Result<Reached, String>> {
        Box::pin(async { Ok(Reached::Refused) })
    }

    fn opens<'a>(&'a self, _: &'a Secret) -> Fut<'a, Result<bool, String>> {
        Box::pin(async { Ok(false) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_leads_nowhere_proves_nothing() {
    let base = testkit::database(&[&ROOM]).await;
    let cx = world();
    for id in ["mfa.totp", "mfa.required"] {
        let mut hollow = guard(&base, &cx, None);
        hollow.probe = Some(Arc::new(Hollow));
        let controls = hollow.controls();
        let control = controls.iter().find(|control| control.card().id == id).unwrap();
        let proof = control.prove(&cx, &params(id)).await;
        assert_eq!(proof.outcome(), Outcome::Unknown, "{id}: {proof:?}");
        assert!(proof.detail().contains("opens nothing"), "{id}: {proof:?}");
    }
}

/// Each look at it takes twenty seconds.
struct Crawling(std::sync::Mutex<jiff::Timestamp>);

impl kernel::Clock for Crawling {
    fn now(&self) -> jiff::Timestamp {
        let mut now = self.0.lock().unwrap();
        *now += jiff::SignedDuration::from_secs(20);
        *now
    }
}

#[tokio::test]
async fn codes_that_came_too_late_prove_nothing() {
    let base = testkit::database(&[&ROOM]).await;
    let began = std::sync::Mutex::new("2026-11-27T01:00:00Z".parse().unwrap());
    let cx = Cx { clock: Arc::new(Crawling(began)), rng: Arc::new(SystemRng) };
    let controls = guard(&base, &cx, None).controls();
    let control = controls.iter().find(|control| control.card().id == "mfa.totp").unwrap();
    let proof = control.prove(&cx, &params("mfa.totp")).await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{proof:?}");
    assert_eq!(left(&base).await, 0);
}
