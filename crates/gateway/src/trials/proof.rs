//! The proof holds on a good gateway, is broken on a bad one, and is never more than unknown when
//! something could not be seen.

use std::path::PathBuf;
use std::sync::Arc;

use kernel::{
    Control, Cx, Fut, Outcome, Params, Proof, Secret, SessionToken, SystemClock, SystemRng,
    catalogue,
};
use tempfile::TempDir;

use super::{Edge, Pages, WHOLE_MACHINE};
use crate::controls::{ProbeSession, Target, controls};
use crate::headers::Fault;
use crate::origin::{Check, SameSite};
use crate::{AttackMode, HeaderPolicy, Own as _};

struct Canary;

impl ProbeSession for Canary {
    fn token(&self) -> Fut<'_, Option<SessionToken>> {
        Box::pin(async { Some(SessionToken(Secret::new("good".to_owned()))) })
    }
}

pub(super) fn cx() -> Cx {
    Cx { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) }
}

fn params(pairs: &[(&str, &str)]) -> Params {
    let promise = catalogue::find("edge.headers").unwrap();
    Params::check(promise, pairs.iter().copied()).unwrap()
}

/// The control of a claim for a running gateway, which trusts its authority.
pub(super) fn control_of(
    id: &str,
    edge: &Edge,
    dir: &TempDir,
    change: impl FnOnce(&mut Target),
) -> Arc<dyn Control> {
    let authority = dir.path().join("ca.pem");
    std::fs::write(&authority, edge.authority.pem()).unwrap();
    let mut target = Target {
        address: edge.address,
        authority,
        own: Pages.paths(),
        upstream_paths: vec!["/".to_owned(), "/hostile".to_owned()],
        session: Some(Arc::new(Canary)),
        names: Vec::new(),
        certificates: Vec::new(),
        clear: edge.clear,
        limits: None,
        bait: None,
        attack: AttackMode::Auto,
    };
    change(&mut target);
    controls(target).into_iter().find(|control| control.card().id == id).unwrap()
}

fn control(edge: &Edge, dir: &TempDir, change: impl FnOnce(&mut Target)) -> Arc<dyn Control> {
    control_of("edge.headers", edge, dir, change)
}

async fn prove(edge: &Edge, pairs: &[(&str, &str)], change: impl FnOnce(&mut Target)) -> Proof {
    let dir = tempfile::tempdir().unwrap();
    let control = control(edge, &dir, change);
    control.prove(&cx(), &params(pairs)).await
}

/// Everything is seen, and everything is as it should be.
#[tokio::test]
async fn it_holds_on_a_good_gateway() {
    let edge = Edge::start().await;
    let proof = prove(&edge, &[], |_| {}).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    // 3 own routes, 1 of them signed in too, 3 wrong methods, 2 paths twice, 10 refusals, 1 dead, 1 stricter.
    assert_eq!(proof.population().to_string(), "23 of 23 answers");
    assert_eq!(proof.measured(), "356 of 356 headers as wanted");
    let promised = [("x-frame-options", "SAMEORIGIN"), ("x-xss-protection", "1; mode=block")];
    let proof = prove(&edge, &promised, |_| {}).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    assert_eq!(proof.threshold(), "x-frame-options: SAMEORIGIN, x-xss-protection: 1; mode=block");
}

/// A header that is dropped, or that the page promises otherwise, is found and named.
#[tokio::test]
async fn it_is_broken_by_one_header() {
    let less = HeaderPolicy::default().without("x-frame-options");
    let edge = Edge::with(|settings| settings.headers = less).await;
    let proof = prove(&edge, &[], |_| {}).await;
    assert_eq!(proof.outcome(), Outcome::Broken);
    let first = proof.findings()[0].to_string();
    assert_eq!(
        first,
        "GET /trust, anonymous (200): x-frame-options is missing, wanted `SAMEORIGIN`"
    );
    // The application that says more by itself is not wrong.
    assert!(proof.findings().iter().all(|f| !f.to_string().contains("GET /hostile, signed in")));

    let good = Edge::start().await;
    let proof = prove(&good, &[("x-frame-options", "DENY")], |_| {}).await;
    assert_eq!(proof.outcome(), Outcome::Broken);
    let proof = prove(&good, &[("x-made-up", "1")], |_| {}).await;
    assert_eq!(proof.outcome(), Outcome::Broken);
}

/// What cannot be seen is not proven.
#[tokio::test]
async fn it_is_unknown_when_something_is_unseen() {
    let edge = Edge::start().await;
    let proof = prove(&edge, &[], |target| target.session = None).await;
    assert_eq!(proof.outcome(), Outcome::Unknown);
    assert!(proof.detail().contains("no canary"), "{}", proof.detail());

    let none = |target: &mut Target| target.authority = PathBuf::from("/nonexistent/ca.pem");
    let proof = prove(&edge, &[], none).await;
    assert_eq!(proof.outcome(), Outcome::Unknown);
    assert!(proof.detail().contains("cannot be read"), "{}", proof.detail());

    // The gateway of somebody else answers on that port.
    let other = Edge::start().await;
    let proof = prove(&edge, &[], |target| target.address = other.address).await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{}", proof.detail());

    edge.stop.send(()).unwrap();
    edge.task.await.unwrap();
    let gone = |target: &mut Target| target.address = edge.address;
    let proof = prove(&other, &[], gone).await;
    assert_eq!(proof.outcome(), Outcome::Unknown);
    assert!(proof.detail().contains("amanah up"), "{}", proof.detail());
}

/// Every header of the policy, dropped in its turn, is found, and nothing else is.
#[tokio::test]
async fn it_bites() {
    let edge = Edge::start().await;
    let dir = tempfile::tempdir().unwrap();
    let proof = control(&edge, &dir, |_| {}).bite(&cx()).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
    assert_eq!(proof.measured(), "18 of 18 faults found");
    assert_eq!(proof.findings().len(), 18);
}

/// Under attack, people are served and strangers are not; each fault of that is found.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_shed_and_each_fault_of_that_is_found() {
    let _alone = WHOLE_MACHINE.lock().await;
    let edge = Edge::start().await;
    let dir = tempfile::tempdir().unwrap();
    let control = control_of("edge.flood", &edge, &dir, |_| {});
    let proof = control.prove(&cx(), &Params::none()).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{} {}", proof.detail(), proof.measured());
    assert_eq!(proof.population().to_string(), "20 of 20 attempts in a flood");
    let off = control_of("edge.flood", &edge, &dir, |target| target.attack = AttackMode::Off);
    let proof = off.prove(&cx(), &Params::none()).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
    let bitten = control.bite(&cx()).await;
    assert_eq!(bitten.outcome(), Outcome::Broken, "{}", bitten.detail());
    assert_eq!(bitten.population().to_string(), "5 of 5 faults of under-attack mode");
}

/// Each limit that is off, and each fault of bait, is found; without a running gateway nothing is said.
#[tokio::test(flavor = "multi_thread")]
async fn limits_that_are_off_and_silent_bait_are_found() {
    let edge = Edge::start().await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.pem"), edge.authority.pem()).unwrap();
    let target = Target {
        address: edge.address,
        authority: dir.path().join("ca.pem"),
        own: Vec::new(),
        upstream_paths: Vec::new(),
        session: None,
        names: Vec::new(),
        certificates: Vec::new(),
        clear: None,
        limits: None,
        bait: None,
        attack: AttackMode::Auto,
    };
    for (id, population) in
        [("edge.limits", "7 of 7 limits that were off"), ("edge.honeypot", "3 of 3 faults of bait")]
    {
        let controls = controls(target.clone());
        let control = controls.iter().find(|control| control.card().id == id).unwrap();
        let bitten = control.bite(&cx()).await;
        assert_eq!(bitten.outcome(), Outcome::Broken, "{id}: {}", bitten.detail());
        assert_eq!(bitten.population().to_string(), population);
        let proof = control.prove(&cx(), &Params::none()).await;
        assert_eq!(proof.outcome(), Outcome::Unknown, "{id}: {}", proof.detail());
    }
}

/// Each check that is off, and each fault of the policy, is found; a good gateway passes.
#[tokio::test(flavor = "multi_thread")]
async fn foreign_changes_and_weak_policies_are_found() {
    let edge = Edge::start().await;
    for (id, seen, bitten) in [
        ("edge.csrf", "74 of 74 requests", "5 of 5 checks that were off"),
        ("edge.csp", "21 of 21 answers", "4 of 4 faults of a policy"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let control = control_of(id, &edge, &dir, |_| {});
        let proof = control.prove(&cx(), &Params::none()).await;
        assert_eq!(proof.outcome(), Outcome::Holds, "{id}: {}", proof.detail());
        assert_eq!(proof.population().to_string(), seen);
        let bite = control.bite(&cx()).await;
        assert_eq!(bite.outcome(), Outcome::Broken, "{id}: {}", bite.detail());
        assert_eq!(bite.population().to_string(), bitten);
    }
    assert_eq!(edge.count("gateway_csp_reports_total", "unreadable"), 0);
    let asked = edge.application.seen();
    assert!(asked.iter().all(|request| request.starts_with("GET ")), "{asked:?}");
}

/// A running gateway whose policy is weak, or that asks nothing of changes, is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_weak_gateway_is_told() {
    for id in ["edge.csrf", "edge.csp"] {
        let edge = Edge::with(|settings| {
            settings.headers = HeaderPolicy::default().with_fault(Fault::Inline);
            settings.same_site = SameSite::without(Check::Origin);
        })
        .await;
        let dir = tempfile::tempdir().unwrap();
        let proof = control_of(id, &edge, &dir, |_| {}).prove(&cx(), &Params::none()).await;
        assert_eq!(proof.outcome(), Outcome::Broken, "{id}: {}", proof.detail());
    }
}
