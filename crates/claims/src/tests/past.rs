//! A page at any moment, rebuilt from the evidence.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kernel::{Clock as _, Params, SystemClock, Verdict};

use super::{Act, Fake, database, engine, older_program, page, stopped};
use crate::{ClaimReport, Engine, Page};

const CLAIM: &str = "mfa.totp";

async fn stands(engine: &Engine, page: &Page, at: Option<Timestamp>) -> ClaimReport {
    let report = engine.report(page, at).await.unwrap();
    let claim = report.claims.into_iter().next().unwrap();
    assert_eq!(report.verdict, claim.verdict);
    claim
}

fn before(moment: Timestamp) -> Timestamp {
    moment.checked_sub(SignedDuration::from_micros(1)).unwrap()
}

#[tokio::test]
async fn any_past_page_can_be_rebuilt() {
    let db = database().await;
    let fake = Fake::new(CLAIM);
    let engine = engine(&db, &[&fake], Arc::new(SystemClock));
    let page = page("- [a](claim:mfa.totp)");
    let mut moments = Vec::new();
    for (run, act, verdict) in [
        ("proof", Act::Hold, Verdict::Unknown),
        ("bite", Act::Hold, Verdict::Unknown),
        ("bite", Act::Break, Verdict::Proven),
        ("proof", Act::Break, Verdict::Failing),
        ("proof", Act::Break, Verdict::Failing),
        ("proof", Act::CannotTell, Verdict::Unknown),
        ("proof", Act::Hold, Verdict::Proven),
        ("bite", Act::CannotTell, Verdict::Unknown),
    ] {
        fake.prove_as(act.clone());
        fake.bite_as(act);
        let record = if run == "bite" {
            engine.bite(CLAIM).await.unwrap()
        } else {
            engine.prove(CLAIM, &Params::none()).await.unwrap()
        };
        let live = stands(&engine, &page, None).await;
        assert_eq!(live.verdict, verdict);
        assert_eq!(live, stands(&engine, &page, None).await, "remembered or not, it is the same");
        moments.push((record.mark.received_at, live));
    }
    let first = moments[0].0;
    let never = stands(&engine, &page, Some(before(first))).await;
    assert_eq!((never.detail.as_str(), never.received_at), ("not yet run", None));
    for (n, (at, live)) in moments.iter().enumerate() {
        let past = stands(&engine, &page, Some(*at)).await;
        assert_eq!(&past, live, "step {n}");
        let until = moments.get(n + 1).map_or(*at, |(next, _)| before(*next));
        assert_eq!(&stands(&engine, &page, Some(until)).await, live, "until step {n}");
    }
    // The two failing proofs are one stretch.
    assert_eq!(moments[4].1.since, Some(moments[3].0));
    assert_eq!(moments[1].1.since, Some(first));
}

/// What the bite of an older program found says nothing about the control of this one; what the
/// older program itself had proven stays on the page of its day.
#[tokio::test]
async fn the_bite_of_another_version_does_not_count() {
    let db = database().await;
    let fake = Fake::new(CLAIM);
    let engine = engine(&db, &[&fake], Arc::new(SystemClock));
    let page = page("- [a](claim:mfa.totp)");
    engine.bite(CLAIM).await.unwrap();
    engine.prove(CLAIM, &Params::none()).await.unwrap();
    older_program(&db).await;
    let old = stands(&engine, &page, None).await;
    assert_eq!(old.verdict, Verdict::Proven, "proof and bite are of one program: {old:?}");

    let upgraded = engine.prove(CLAIM, &Params::none()).await.unwrap();
    let claim = stands(&engine, &page, None).await;
    assert_eq!((claim.verdict, claim.reason), (Verdict::Unknown, "bite-other"), "{claim:?}");
    assert!(claim.detail.contains("its bite that of version 0.0.1"), "{}", claim.detail);
    assert_eq!(claim.since, Some(upgraded.mark.received_at));
    let past = before(upgraded.mark.received_at);
    assert_eq!(stands(&engine, &page, Some(past)).await.verdict, Verdict::Proven);

    let bitten = engine.bite(CLAIM).await.unwrap();
    let claim = stands(&engine, &page, None).await;
    assert_eq!(claim.verdict, Verdict::Proven, "{claim:?}");
    assert_eq!(claim.since, Some(bitten.mark.received_at));
}

/// A control that missed what was seeded is blunt. Where nothing could be seeded, nothing is said
/// of the control, and the reader is told why.
#[tokio::test]
async fn a_bite_that_could_not_be_made_is_told_from_a_blunt_one() {
    let db = database().await;
    let fake = Fake::new(CLAIM);
    let engine = engine(&db, &[&fake], Arc::new(SystemClock));
    let page = page("- [a](claim:mfa.totp)");
    engine.prove(CLAIM, &Params::none()).await.unwrap();
    for (act, reason, made, why) in [
        (Act::Hold, "blunt", true, ""),
        (Act::Miss, "blunt", true, "not found: a grant"),
        (Act::CannotTell, "bite-unmade", false, "the disk is full"),
    ] {
        fake.bite_as(act);
        engine.bite(CLAIM).await.unwrap();
        let claim = stands(&engine, &page, None).await;
        let bite = claim.bite.as_ref().unwrap();
        assert_eq!((claim.verdict, claim.reason), (Verdict::Unknown, reason), "{claim:?}");
        assert_eq!((bite.made, bite.bit), (made, false), "{claim:?}");
        assert!(claim.detail.contains(why) && bite.detail.contains(why), "{claim:?}");
        assert_eq!(bite.detail.contains("It could not be made"), !made, "{}", bite.detail);
    }
}

#[tokio::test]
async fn a_proof_grows_old() {
    let db = database().await;
    let fake = Fake::new(CLAIM);
    let clock = stopped();
    let engine = engine(&db, &[&fake], clock.clone());
    let page = page("- [a](claim:mfa.totp)");
    let start = clock.now();
    engine.bite(CLAIM).await.unwrap();
    engine.prove(CLAIM, &Params::none()).await.unwrap();
    let mut golden = Vec::new();
    for minutes in [-10, 0, 120, 121, 47 * 60, 49 * 60] {
        let moved = SignedDuration::from_mins(minutes);
        clock.set(start.checked_add(moved).unwrap());
        let claim = stands(&engine, &page, None).await;
        let detail = claim.detail.replace(&claim.observed_at.unwrap().to_string(), "TIME");
        golden.push(format!("{minutes} min: {}: {detail}", claim.verdict));
    }
    insta::assert_snapshot!(golden.join("\n"));
}

#[tokio::test]
async fn parameters_have_proofs_of_their_own() {
    let db = database().await;
    let fake = Fake::with("backup.wal", Duration::from_hours(1), Duration::from_secs(9));
    let engine = engine(&db, &[&fake], Arc::new(SystemClock));
    let page = page("- [5 m](claim:backup.wal?every=5m), [9 m](claim:backup.wal?every=9m)");
    engine.bite("backup.wal").await.unwrap();
    engine.prove("backup.wal", &page.pledges[0].params).await.unwrap();
    fake.prove_as(Act::Break);
    engine.prove("backup.wal", &page.pledges[1].params).await.unwrap();
    let report = engine.report(&page, None).await.unwrap();
    let verdicts: Vec<Verdict> = report.claims.iter().map(|claim| claim.verdict).collect();
    assert_eq!(verdicts, [Verdict::Proven, Verdict::Failing]);
    assert_eq!(report.claims[1].findings[0].object, "prices");
    assert_eq!(report.claims[1].params["every"], "9m");
}
