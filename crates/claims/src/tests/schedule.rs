//! Pages that are verified once, and pages that are proven for ever.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use kernel::{Clock as _, Control, FixedRng, SystemClock, Verdict};
use store::{DatabaseUrl, Db};
use tokio::sync::oneshot;

use super::{Act, Fake, cx, database, engine, eventually, older_program, page, stopped};
use crate::{Engine, Error, Evidence, Filter, Page, Progress};

const PAGE: &str = "- [a](claim:mfa.totp), [b](claim:edge.csp), [c](claim:edge.csrf)\n\
                    - [5 m](claim:backup.wal?every=5m), [9 m](claim:backup.wal?every=9m)";

fn quiet(_: &Progress<'_>) {}

fn only(pattern: &str) -> Filter {
    Filter(vec![pattern.to_owned()])
}

#[tokio::test]
async fn verify_runs_what_is_meant_and_tells_of_it() {
    let db = database().await;
    let (totp, csp, wal) = (Fake::new("mfa.totp"), Fake::new("edge.csp"), Fake::new("backup.wal"));
    csp.prove_as(Act::Break);
    let engine = engine(&db, &[&totp, &csp, &wal], Arc::new(SystemClock));
    let pages = [page(PAGE)];
    let heard = Mutex::new(Vec::new());
    let listener = |progress: &Progress<'_>| {
        heard.lock().unwrap().push((progress.done, progress.total, progress.outcome));
    };
    let reports = engine.verify(&pages, &Filter::default(), false, &listener).await.unwrap();
    let verdicts: Vec<Verdict> = reports[0].claims.iter().map(|claim| claim.verdict).collect();
    let [p, f, u] = [Verdict::Proven, Verdict::Failing, Verdict::Unknown];
    assert_eq!(verdicts, [p, f, u, p, p]);
    assert_eq!(reports[0].verdict, Verdict::Failing);
    let heard = heard.into_inner().unwrap();
    assert_eq!(heard.len(), 2 * 7, "four proofs and three bites, each begun and ended");
    assert_eq!(heard.iter().filter(|(.., outcome)| outcome.is_none()).count(), 7);
    assert_eq!(heard.last().map(|(done, total, _)| (*done, *total)), Some((7, 7)));

    let reports = engine.verify(&pages, &only("edge.*"), false, &quiet).await.unwrap();
    assert_eq!(reports[0].claims.len(), 2);
    assert_eq!((totp.proofs(), csp.proofs(), wal.proofs()), (1, 2, 2));
    assert_eq!((totp.bites(), csp.bites(), wal.bites()), (1, 1, 1));
    engine.verify(&pages, &only("mfa.totp"), true, &quiet).await.unwrap();
    assert_eq!((totp.bites(), csp.bites()), (2, 1));
    let nothing = engine.verify(&pages, &only("audit.*"), false, &quiet).await.unwrap_err();
    assert!(matches!(nothing, Error::NoMatch(_)), "{nothing}");
}

#[tokio::test]
async fn a_bite_is_run_again_when_it_is_old_or_did_not_bite() {
    let db = database().await;
    let fake = Fake::new("mfa.totp");
    let clock = stopped();
    let engine = engine(&db, &[&fake], clock.clone());
    let pages = [page(PAGE)];
    let start = clock.now();
    for (hours, act, bites) in [
        (0, Act::Hold, 1),
        (0, Act::CannotTell, 2),
        (0, Act::Break, 3),
        (23, Act::Break, 3),
        (25, Act::Break, 4),
        // The clock went back: the last bite lies ahead.
        (20, Act::Break, 5),
    ] {
        clock.set(start.checked_add(SignedDuration::from_hours(hours)).unwrap());
        fake.bite_as(act);
        engine.verify(&pages, &Filter::default(), false, &quiet).await.unwrap();
        assert_eq!(fake.bites(), bites);
    }
}

/// Runs the schedule as a task until the sender is used.
fn keep_proving(
    engine: &Engine,
    page: &Arc<Page>,
) -> (oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let (engine, pages) = (engine.clone(), [Arc::clone(page)]);
    let task = tokio::spawn(async move {
        let shutdown = async { drop(stopped.await) };
        engine.keep_proving(&pages, shutdown).await;
    });
    (stop, task)
}

#[tokio::test]
async fn the_schedule_goes_on_beside_a_control_that_hangs_or_panics() {
    let db = database().await;
    let (often, brief) = (Duration::from_millis(60), Duration::from_millis(40));
    let fakes = ["mfa.totp", "edge.csp", "edge.csrf"].map(|id| Fake::with(id, often, brief));
    let [good, hanging, panicking] = &fakes;
    hanging.prove_as(Act::Hang);
    panicking.prove_as(Act::Panic);
    let engine = engine(&db, &[good, hanging, panicking], Arc::new(SystemClock));
    let (stop, task) = keep_proving(&engine, &page(PAGE));
    eventually("a fourth round", || fakes.iter().all(|fake| fake.proofs() >= 4)).await;
    assert!(fakes.iter().all(|fake| fake.bites() == 1), "bites have a day");
    stop.send(()).unwrap();
    task.await.unwrap();
    let after = good.proofs();
    let report = engine.report(&page(PAGE), None).await.unwrap();
    assert_eq!(good.proofs(), after, "nothing runs after the end");
    assert!(report.claims[1].detail.contains("deadline"), "{:?}", report.claims[1]);
    assert!(report.claims[2].detail.contains("out of paper"));
}

#[tokio::test]
async fn after_a_restart_what_was_run_lately_waits_for_its_turn() {
    let db = database().await;
    let (held, failed) = (Fake::new("mfa.totp"), Fake::new("edge.csp"));
    failed.prove_as(Act::Break);
    let before = engine(&db, &[&held, &failed], Arc::new(SystemClock));
    let page = page(PAGE);
    before.verify(&[Arc::clone(&page)], &Filter::default(), true, &quiet).await.unwrap();
    let after = engine(&db, &[&held, &failed], Arc::new(SystemClock));
    let (stop, task) = keep_proving(&after, &page);
    // What failed is looked at at once: perhaps the restart was its repair.
    eventually("the failed proof", || failed.proofs() == 2).await;
    stop.send(()).unwrap();
    task.await.unwrap();
    assert_eq!((held.proofs(), held.bites(), failed.bites()), (1, 1, 1));
}

/// What an older program found waits for nothing: neither its bite nor its proof counts for this
/// one, however lately they ran.
#[tokio::test]
async fn after_an_upgrade_everything_is_run_at_once() {
    let db = database().await;
    let fake = Fake::new("mfa.totp");
    let engine = engine(&db, &[&fake], Arc::new(SystemClock));
    let page = page("- [a](claim:mfa.totp)");
    engine.verify(&[Arc::clone(&page)], &Filter::default(), true, &quiet).await.unwrap();
    older_program(&db).await;
    let (stop, task) = keep_proving(&engine, &page);
    eventually("both runs", || (fake.proofs(), fake.bites()) == (2, 2)).await;
    stop.send(()).unwrap();
    task.await.unwrap();
    assert_eq!(engine.report(&page, None).await.unwrap().verdict, Verdict::Proven);
}

#[tokio::test]
async fn the_schedule_waits_for_an_evidence_store_that_is_away() {
    let url = DatabaseUrl::parse("postgres://x:y@127.0.0.1:1/z").unwrap();
    let evidence = Evidence::new(Db::lazy(&url, 1).unwrap());
    let often = Duration::from_millis(30);
    let fake = Fake::with("mfa.totp", often, often);
    let controls = vec![Arc::clone(&fake) as Arc<dyn Control>];
    let engine = Engine::new(controls, evidence, cx(Arc::new(SystemClock))).unwrap();
    let (stop, task) = keep_proving(&engine, &page(PAGE));
    eventually("a third try", || fake.proofs() >= 3).await;
    stop.send(()).unwrap();
    task.await.unwrap();
}

#[test]
fn waits_differ_by_a_tenth_at_most() {
    let rng = FixedRng::new(3);
    let minute = Duration::from_mins(1);
    let waits: Vec<Duration> = (0..200).map(|_| crate::scheduler::jitter(minute, &rng)).collect();
    let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
    assert!(*least >= Duration::from_secs(54) && *least < Duration::from_secs(56));
    assert!(*most <= Duration::from_secs(66) && *most > Duration::from_secs(64));
}

/// What gave no answer is tried again soon, more slowly each time, and keeps no machine busy by itself.
#[test]
fn without_an_answer_it_is_tried_again_in_moderation() {
    let [second, day] = [Duration::from_secs(1), Duration::from_hours(24)];
    let pause = crate::scheduler::pause;
    assert_eq!(pause(0, second, day), day);
    let waits = [1, 2, 3].map(|failures| pause(failures, second / 10, day).as_secs());
    assert_eq!(waits, [1, 2, 4]);
    assert_eq!(pause(1, 20 * second, day), 80 * second);
    assert_eq!(pause(40, 20 * second, day), Duration::from_mins(5));
    assert_eq!(pause(1, 20 * second, 10 * second), 10 * second);
}
