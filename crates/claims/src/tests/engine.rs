//! Single flight, deadlines, panics, and results that cannot be stored.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Control, Outcome, Params, SystemClock, Verdict};
use store::{DatabaseUrl, Db};
use tokio::sync::Semaphore;

use super::{Act, Fake, cx, database, engine, eventually, page};
use crate::{Engine, Error, Evidence};

/// An evidence store that is away: nobody listens on port 1.
fn away() -> Evidence {
    let url = DatabaseUrl::parse("postgres://x:y@127.0.0.1:1/z").unwrap();
    Evidence::new(Db::lazy(&url, 1).unwrap())
}

fn refused(controls: &[&Arc<Fake>]) -> String {
    let controls = controls.iter().map(|fake| Arc::clone(fake) as Arc<dyn Control>);
    let engine = Engine::new(controls.collect(), away(), cx(Arc::new(SystemClock)));
    engine.unwrap_err().to_string()
}

#[tokio::test]
async fn controls_that_do_not_fit_are_refused() {
    let minute = Duration::from_mins(1);
    let slow = Fake::with("mfa.totp", minute, minute * 2);
    insta::assert_snapshot!(
        [
            refused(&[&Fake::new("mfa.totp"), &Fake::new("mfa.totp")]),
            refused(&[&Fake::new("mfa.nonsense")]),
            refused(&[&slow]),
        ]
        .join("\n")
    );
}

#[tokio::test]
async fn a_second_caller_shares_the_first_ones_run() {
    let db = database().await;
    let fake = Fake::new("mfa.totp");
    let engine = engine(&db, &[&fake], Arc::new(SystemClock));
    let gate = Arc::new(Semaphore::new(0));
    fake.prove_as(Act::Wait(Arc::clone(&gate)));
    let prove = || {
        let engine = engine.clone();
        tokio::spawn(async move { engine.prove("mfa.totp", &Params::none()).await.unwrap() })
    };
    let (first, second, gone) = (prove(), prove(), prove());
    eventually("the first run", || fake.proofs() == 1).await;
    // A bite of the same control waits in the lane: both would use the same canaries.
    let bite = tokio::spawn({
        let engine = engine.clone();
        async move { engine.bite("mfa.totp").await.unwrap() }
    });
    gone.abort();
    gate.add_permits(9);
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!(first.id, second.id);
    assert_eq!(fake.proofs(), 1);
    assert_eq!(bite.await.unwrap().mark.outcome, Outcome::Broken);
    assert_eq!(fake.bites(), 1);
    let third = prove().await.unwrap();
    assert_ne!(third.id, first.id);
}

#[tokio::test]
async fn a_run_ends_though_nobody_waits_for_it() {
    let db = database().await;
    let fake = Fake::new("mfa.totp");
    let engine = engine(&db, &[&fake], Arc::new(SystemClock));
    let gate = Arc::new(Semaphore::new(0));
    fake.prove_as(Act::Wait(Arc::clone(&gate)));
    let waiting = tokio::spawn({
        let engine = engine.clone();
        async move { engine.prove("mfa.totp", &Params::none()).await }
    });
    eventually("the run", || fake.proofs() == 1).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    let none = Params::none();
    let (again, ()) = tokio::join!(engine.prove("mfa.totp", &none), async {
        gate.add_permits(9);
    });
    assert_eq!(again.unwrap().mark.outcome, Outcome::Holds);
    assert_eq!(fake.proofs(), 1, "the abandoned run was joined");
}

/// What a control found that was replaced while it ran is told to nobody.
#[tokio::test]
async fn a_control_that_is_replaced_while_it_runs_is_not_believed() {
    let db = database().await;
    let (old, new) = (Fake::new("mfa.totp"), Fake::new("mfa.totp"));
    let engine = engine(&db, &[&old], Arc::new(SystemClock));
    let gate = Arc::new(Semaphore::new(0));
    old.prove_as(Act::Wait(Arc::clone(&gate)));
    new.prove_as(Act::Break);
    let prove = || {
        let engine = engine.clone();
        tokio::spawn(async move { engine.prove("mfa.totp", &Params::none()).await.unwrap() })
    };
    let first = prove();
    eventually("the run", || old.proofs() == 1).await;
    let stranger = Fake::new("edge.csp") as Arc<dyn Control>;
    for others in [vec![], vec![Arc::clone(&stranger)], vec![Arc::clone(&new) as _, stranger]] {
        let refused = engine.replace(others).unwrap_err();
        assert!(matches!(refused, Error::OtherClaims(_)), "{refused}");
    }
    engine.replace(vec![Arc::clone(&new) as Arc<dyn Control>]).unwrap();
    let second = prove();
    gate.add_permits(9);
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!((first.mark.outcome, second.id), (Outcome::Broken, first.id));
    assert_eq!((old.proofs(), new.proofs()), (1, 1));
    let none = Params::none();
    let stored = engine.prove("mfa.totp", &none).await.unwrap();
    assert_eq!(stored.mark.outcome, Outcome::Broken);
    assert_eq!((old.proofs(), new.proofs()), (1, 2));
}

#[tokio::test]
async fn whatever_a_control_does_is_an_outcome() {
    let db = database().await;
    let fake = Fake::with("mfa.totp", Duration::from_hours(1), Duration::from_millis(200));
    let engine = engine(&db, &[&fake], Arc::new(SystemClock));
    let mut golden = Vec::new();
    for act in [Act::Hold, Act::Break, Act::CannotTell, Act::Hang, Act::Panic, Act::Nul] {
        fake.prove_as(act.clone());
        fake.bite_as(act.clone());
        let proof = engine.prove("mfa.totp", &Params::none()).await.unwrap();
        let bite = engine.bite("mfa.totp").await.unwrap();
        assert_eq!(proof.mark.outcome, bite.mark.outcome);
        let outcome = proof.mark.outcome.as_str();
        let detail: String = proof.detail.chars().take(60).collect();
        golden.push(format!("{act:?}: {outcome}: {detail}"));
    }
    insta::assert_snapshot!(golden.join("\n"));
}

#[tokio::test]
async fn a_result_that_cannot_be_stored_is_no_verdict() {
    let fake = Fake::new("mfa.totp");
    let controls = vec![Arc::clone(&fake) as Arc<dyn Control>];
    let engine = Engine::new(controls, away(), cx(Arc::new(SystemClock))).unwrap();
    let proof = engine.prove("mfa.totp", &Params::none()).await;
    assert!(matches!(proof, Err(Error::Evidence(_))));
    assert_eq!(fake.proofs(), 1);
    let page = page("- [a](claim:mfa.totp)");
    assert!(matches!(engine.report(&page, None).await, Err(Error::Evidence(_))));
    let unknown = engine.prove("edge.csp", &Params::none()).await.unwrap_err();
    assert!(matches!(unknown, Error::NotBuilt(_)));
    // Where nothing is built, nothing needs to be read.
    let page = super::page("- [a](claim:edge.csp), [b](claim:people.nda)");
    let report = engine.report(&page, None).await.unwrap();
    assert_eq!(report.verdict, Verdict::Unknown);
    let mut json = serde_json::to_value(&report).unwrap();
    json["at"] = "now".into();
    insta::assert_snapshot!(serde_json::to_string_pretty(&json).unwrap());
}
