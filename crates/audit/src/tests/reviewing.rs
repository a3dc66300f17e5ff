//! The monthly review: what it tells of a month, and what keeps its claim.

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kernel::{
    Attestations as _, Clock as _, Control, Cx, Found, Lookback, ManualClock, Outcome, Params,
    Runs, Secret, SystemClock, catalogue,
};
use store::{Db, Protected};

use super::reading::{person, shop};
use super::verifying::Log;
use super::{Keeper, SHOP, comparison, control, cx, house, log, run, watched, words};
use crate::archive::Beyond;
use crate::review::{CLAIM, Hours, Month, Reports, Review, Sources, attestation, digest, subject};
use crate::{EpochLeaf, ErasureLeaf, Leaf, Reviewed, SealedLog, Watched, sql};

const HOSTILE: &str = "eve`|\n## Forged\u{1b}[2J<b>*x*\u{202e}\u{2028}# y";

fn hours() -> Hours {
    Hours::new("00:00-24:00", "UTC", &[]).unwrap()
}

/// The month before this one, into which every row of the trail is moved, as if it had been written then.
async fn moved(protected: &Protected) -> Month {
    let superuser = protected.superuser.as_ref().unwrap();
    run(superuser, sql::DDL_GUARD_OFF).await;
    run(superuser, sql::UNGUARD).await;
    let month = Month::of(SystemClock.now()).earlier(1);
    let at = month.begins() + SignedDuration::from_hours(12);
    let first = format!(
        "UPDATE audit.system_audit_logs t SET event_timestamp = '{at}'::timestamptz
             + interval '1 second' * (SELECT count(*) FROM audit.system_audit_logs o WHERE o.id < t.id)"
    );
    run(superuser, &first).await;
    run(superuser, "ALTER TABLE audit.system_audit_logs ENABLE TRIGGER USER").await;
    month
}

/// No archive.
fn nowhere() -> Beyond {
    Beyond { archive: None, keys: Vec::new() }
}

async fn review(
    auditor: &Db,
    month: Month,
    log: &SealedLog,
    hours: &Hours,
    now: Timestamp,
) -> Review {
    let sources = Sources {
        database: "shop",
        hours,
        log: Ok((log, "amanah-ab12/shop")),
        beyond: &nowhere(),
        differences: Err("it was never compared".to_owned()),
        proofs: Lookback::default(),
    };
    Review::make(auditor, month, sources, "monthly review (budi)", now).await.unwrap()
}

/// Every row of the month is counted, by whom and where; a month gives the same text again; and the
/// reading leaves its row.
#[tokio::test]
async fn a_month_is_counted_and_gives_the_same_text_again() {
    let (protected, auditor) = shop().await;
    // The binding of a test has bars of its own.
    let actor = HOSTILE.replace('|', "/");
    let bound = Secret::new(format!("{}|-1|{actor}", protected.name));
    let tx = protected.owner.tenant(&bound).await.unwrap();
    tx.execute("UPDATE product SET price = 9 WHERE company_id = -1", &[]).await.unwrap();
    tx.commit().await.unwrap();
    let name = store::ident(HOSTILE);
    run(&protected.owner, &format!("CREATE TABLE {name} (id int)")).await;
    let now = SystemClock.now();
    let first = review(&auditor, Month::of(now), &log(), &hours(), now).await;
    assert!(!first.ended && first.text().contains("has not ended"), "{}", first.text());
    assert!(first.counted.readings.is_empty(), "its own row is not among them");
    let month = moved(&protected).await;
    let superuser = protected.superuser.as_ref().unwrap();
    let count = async |action: &str| -> u64 {
        let tx = superuser.operator().await.unwrap();
        let statement = "SELECT count(*) FROM audit.system_audit_logs
                          WHERE action = $1 AND event_timestamp >= $2 AND event_timestamp < $3";
        let (from, to) = (month.begins(), month.ends());
        let row = tx.query_one(statement, &[&action, &from, &to]).await.unwrap();
        row.get::<_, i64>(0).unsigned_abs()
    };
    let seen = review(&auditor, month, &log(), &hours(), now).await;
    for action in ["INSERT", "UPDATE", "DDL", "ASK", "READ"] {
        assert_eq!(seen.counted.actions.get(action), Some(&count(action).await), "{action}");
    }
    let ann = seen.counted.actors.top.iter().find(|one| one.actor.as_deref() == Some("ann"));
    let ann = ann.unwrap();
    assert_eq!((ann.rows, ann.tables.clone()), (4, vec![("public.product".to_owned(), 4)]));
    assert!(seen.counted.actors.top.iter().any(|one| one.actor.as_deref() == Some(&actor)));
    let [reading] = &seen.counted.readings[..] else { panic!("{:?}", seen.counted.readings) };
    assert_eq!((reading.login.as_str(), reading.times), (auditor.url().user.as_str(), 1));
    assert_eq!(reading.purpose, "monthly review (budi)");
    assert_eq!(seen.counted.unusual.rows, 0);
    let text = seen.text();
    assert_eq!(review(&auditor, month, &log(), &hours(), now).await.text(), text);
    // What others wrote is no line and no markup of the text.
    let known = [
        "# Review of the audit trail of `shop`",
        "## What was recorded",
        "## Who did most, by person",
        "## Who did most, by login",
        "## Writes at unusual hours",
        "## Readings of the trail",
        "## Changes of structure",
        "## Erasures",
        "## Writes without a record",
        "## What the proofs found",
        "## What is not here",
    ];
    let headings: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(headings.len(), known.len(), "{headings:?}");
    assert!(
        headings.iter().zip(known).all(|(seen, known)| seen.starts_with(known)),
        "{headings:?}"
    );
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{2028}']), "{text}");
    assert!(text.contains(r"eve\u0060/\n## Forged\u001b[2J<b>*x*"), "{text}");
    // The same rows at hours that are none.
    let never = Hours::new("03:00-03:01", "UTC", &[]).unwrap();
    let unusual = review(&auditor, month, &log(), &never, now).await;
    let written = unusual.counted.rows - count("ASK").await - count("READ").await;
    assert_eq!(unusual.counted.unusual.rows, written);
    assert_ne!(unusual.text(), text);
}

/// Whoever may not read the trail gets no report either.
#[tokio::test]
async fn nobody_but_an_auditor_makes_one() {
    let (protected, _) = shop().await;
    let now = SystemClock.now();
    for login in [&protected.owner, &protected.intruder] {
        let sources = Sources {
            database: "shop",
            hours: &hours(),
            log: Err("none".to_owned()),
            beyond: &nowhere(),
            differences: Err("none".to_owned()),
            proofs: Lookback::default(),
        };
        let refused = Review::make(login, Month::of(now), sources, "curiosity", now).await;
        assert!(refused.is_err(), "{}", login.url().user);
    }
    let admin = person(&protected, "amanah_admin").await;
    let seen = review(&admin, Month::of(now), &log(), &hours(), now).await;
    assert!(seen.counted.rows > 0);
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// What the log says of a month is told, and nothing of another month.
#[tokio::test]
async fn erasures_and_epochs_of_the_month_are_told() {
    let (_, auditor) = shop().await;
    let dir = tempfile::tempdir().unwrap();
    let mut written = Log::new(&dir.path().join("log"), 1);
    let epoch = |number, at: Timestamp| {
        let (epoch, at_micros, why) = (number, at.as_microsecond(), HOSTILE.to_owned());
        Leaf::Epoch(EpochLeaf { epoch, at_micros, system: 1, timeline: number, first_xid: 0, why })
    };
    let erasure = |time: &str, request: &str| {
        let at_micros = at(time).as_microsecond();
        Leaf::Erasure(ErasureLeaf { index: 0, at_micros, request: request.to_owned() })
    };
    let leaves = [
        epoch(1, at("2026-08-01T00:00:00Z")),
        erasure("2026-08-31T23:59:59Z", "ticket 1"),
        erasure("2026-09-01T00:00:00Z", "ticket 2"),
        epoch(2, at("2026-09-12T00:00:00Z")),
        erasure("2026-09-30T23:59:59Z", "ticket 2"),
        erasure("2026-10-01T00:00:00Z", "ticket 3"),
    ];
    written.add(&leaves).await;
    let keys = written.keys();
    let sealed =
        SealedLog { shelf: written.shelf(), keys: Arc::new(move || Ok(keys.clone())), ..log() };
    let month = "2026-09".parse().unwrap();
    let seen = review(&auditor, month, &sealed, &hours(), at("2026-11-01T00:00:00Z")).await;
    let told = seen.log.as_ref().unwrap();
    let erasures: Vec<_> =
        told.erasures.iter().map(|one| (one.request.as_str(), one.rows)).collect();
    assert_eq!((erasures, told.erased), (vec![("ticket 2", 2)], 2));
    assert_eq!(told.epochs.iter().map(|one| one.number).collect::<Vec<_>>(), [2]);
    assert!(seen.text().contains("nobody has answered for it"), "{}", seen.text());
    // A log whose head nobody has signed says nothing.
    let strangers = SealedLog { keys: Arc::new(|| Ok(Vec::new())), ..sealed };
    let seen = review(&auditor, month, &strangers, &hours(), at("2026-11-01T00:00:00Z")).await;
    assert!(seen.log.is_err() && seen.text().contains("**Cannot be told**"), "{}", seen.text());
}

/// The whole text, with numbers that stay.
#[tokio::test]
async fn the_report_reads_like_this() {
    let (protected, auditor) = shop().await;
    let month = moved(&protected).await;
    let mut seen = review(&auditor, month, &log(), &hours(), SystemClock.now()).await;
    let day = at("2026-10-05T20:00:00Z");
    seen.database = HOSTILE.to_owned();
    seen.month = "2026-10".to_owned();
    (seen.from, seen.to) = (at("2026-10-01T00:00:00Z"), at("2026-11-01T00:00:00Z"));
    seen.hours = "07:00-19:00 in Asia/Jakarta, but not on saturday and sunday".to_owned();
    let counted = &mut seen.counted;
    (counted.first, counted.last) = (Some(day), Some(day));
    counted.unusual = counted.actors.clone();
    counted.readings = vec![crate::review::Readings {
        login: "auditor".to_owned(),
        purpose: format!("{HOSTILE} {}", "x".repeat(400)),
        times: 2,
        rows: 17,
        first: day,
        last: day,
    }];
    counted.structure.truncate(0);
    counted.structure.push(crate::review::Structure {
        row: 17,
        at: day,
        login: "owner".to_owned(),
        command: "CREATE TABLE".to_owned(),
        object: "public.note".to_owned(),
        statement: "CREATE TABLE note (id int)".to_owned(),
    });
    counted.more_structure = 3;
    // How many commands install a trail is another matter.
    (counted.rows, counted.actions) = (4, [("INSERT", 2), ("UPDATE", 2)].map(own).into());
    for ranks in [&mut counted.actors, &mut counted.logins, &mut counted.unusual] {
        ranks.top.retain(|rank| rank.login.is_some() || rank.actor.is_some());
        (ranks.rows, ranks.names) = (6, 2);
        for rank in &mut ranks.top {
            (rank.first, rank.last) = (day, day);
            if rank.login.is_some() {
                rank.login = Some("owner".to_owned());
                rank.actions = [("INSERT", 2), ("UPDATE", 2)].map(own).into();
                (rank.rows, rank.tables) = (4, vec![own(("public.product", 4))]);
            }
        }
        ranks.top.truncate(1);
    }
    seen.proofs = Lookback {
        runs: vec![Runs {
            claim: "audit.hash".to_owned(),
            params: "alg=sha-256".to_owned(),
            runs: 744,
            held: 742,
            broken: 1,
            last: "holds".to_owned(),
            population: "98 of 98 rows of the trail".to_owned(),
        }],
        found: vec![Found {
            claim: "audit.hash".to_owned(),
            object: HOSTILE.to_owned(),
            what: "its SHA-256 does not fit".to_owned(),
            times: 1,
            first: day,
            last: day,
        }],
        more: false,
    };
    insta::assert_snapshot!(seen.text());
}

fn own((name, many): (&str, u64)) -> (String, u64) {
    (name.to_owned(), many)
}

fn every(period: &str) -> Params {
    Params::check(catalogue::find(CLAIM).unwrap(), [("every", period)]).unwrap()
}

/// A trail whose rows are of the month before this one, with reviews of its own.
async fn unreviewed(dir: &Path, trail: &str) -> (Protected, Watched, Month) {
    let protected = house(SHOP, Keeper::Superuser).await;
    let month = moved(&protected).await;
    let reviewed = Reviewed {
        trail: trail.to_owned(),
        reports: Reports::at(dir.join(trail)),
        scratch: dir.to_owned(),
        ..watched(&protected).reviewed.unwrap()
    };
    let watched = Watched { reviewed: Ok(reviewed), ..watched(&protected) };
    (protected, watched, month)
}

async fn judged(watched: &Watched, every: &Params, now: Timestamp) -> (Outcome, String) {
    let cx = Cx { clock: Arc::new(ManualClock::at(now)), ..cx() };
    let proof = control(CLAIM, vec![watched.clone()]).prove(&cx, every).await;
    (proof.outcome(), format!("{} | {}", proof.population(), proof.detail()))
}

/// Unknown while nothing is due, attested once it is signed, failing when a month is overdue, its report
/// was changed or is gone, or a row was put in that nobody signed.
#[tokio::test]
async fn the_claim_keeps_its_clock() {
    let dir = tempfile::tempdir().unwrap();
    let (_protected, watched, month) = unreviewed(dir.path(), "clock").await;
    let reviewed = watched.reviewed.clone().unwrap();
    let (one, now) = (every("1mo"), month.ends() + SignedDuration::from_hours(1));
    let (outcome, detail) = judged(&watched, &one, now).await;
    let last = crate::review::day(month.later(2).begins());
    assert_eq!(outcome, Outcome::Unknown, "{detail}");
    assert!(detail.contains(&format!("that of {month} is due until {last}")), "{detail}");
    let late = month.later(2).begins();
    let (outcome, detail) = judged(&watched, &one, late).await;
    assert_eq!(outcome, Outcome::Broken, "{detail}");
    assert!(detail.contains(&format!("nobody has signed the review of {month}")), "{detail}");
    assert_eq!(judged(&watched, &every("2mo"), late).await.0, Outcome::Unknown);
    let (outcome, detail) = judged(&watched, &every("7d"), now).await;
    assert_eq!((outcome, detail.contains("a whole month")), (Outcome::Unknown, true), "{detail}");

    let text = "# The report\n";
    let name = reviewed.reports.keep(month, text).unwrap();
    let by = ("Budi <budi@sinar.example>", Some("a login that nobody knows"));
    let signed = attestation(("clock", month), digest(text), name.clone(), by, now);
    reviewed.attestations.attest(&signed).await.unwrap();
    let (outcome, detail) = judged(&watched, &one, now).await;
    assert_eq!(outcome, Outcome::Holds, "{detail}");
    let wanted = format!("{month} was signed by Budi <budi@sinar.example> on ");
    assert!(detail.starts_with("1 of 1 months of trails") && detail.contains(&wanted), "{detail}");
    assert_eq!(judged(&watched, &one, late).await.0, Outcome::Holds, "the next is not due yet");
    let (outcome, detail) = judged(&watched, &one, month.later(3).begins()).await;
    assert_eq!(outcome, Outcome::Broken, "{detail}");

    let file = dir.path().join("clock").join(&name);
    std::fs::write(&file, "# The report.\n").unwrap();
    let (outcome, detail) = judged(&watched, &one, now).await;
    assert!(outcome == Outcome::Broken && detail.contains("was changed"), "{detail}");
    std::fs::remove_file(&file).unwrap();
    let (outcome, detail) = judged(&watched, &one, now).await;
    assert!(outcome == Outcome::Broken && detail.contains("is gone"), "{detail}");
    reviewed.reports.keep(month, text).unwrap();
    assert_eq!(judged(&watched, &one, now).await.0, Outcome::Holds, "put back from a copy");
}

/// A signature of another key, and one that belongs to another row, count for nothing and are named.
#[tokio::test]
async fn a_forged_signature_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (_protected, watched, month) = unreviewed(dir.path(), "forged").await;
    let reviewed = watched.reviewed.clone().unwrap();
    let (one, now) = (every("1mo"), month.later(2).begins());
    let text = "# The report\n";
    let name = reviewed.reports.keep(month, text).unwrap();
    let signed = attestation(("forged", month), digest(text), name, ("eve", None), now);
    let control = Db::lazy(super::CONTROL.get().unwrap(), 2).unwrap();
    words(control, 2).attest(&signed).await.unwrap();
    let (outcome, detail) = judged(&watched, &one, now).await;
    assert_eq!(outcome, Outcome::Broken, "{detail}");
    assert!(detail.contains("no key of the ring has signed"), "{detail}");
    assert!(detail.contains("nobody has signed the review"), "{detail}");
    // That of another trail is none of this one's.
    let other = attestation(("another", month), digest(text), "x".to_owned(), ("eve", None), now);
    assert_eq!(other.subject, subject("another", month));
    reviewed.attestations.attest(&other).await.unwrap();
    let (_, detail) = judged(&watched, &one, now).await;
    assert!(detail.contains("nobody has signed the review"), "{detail}");
}

/// A trail that has no reviews, and no trail at all, are not attested.
#[tokio::test]
async fn without_reviews_nothing_is_known() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let bare = Watched { reviewed: Err("it is gone".to_owned()), ..watched(&protected) };
    for databases in [vec![bare], vec![]] {
        let review: Arc<dyn Control> = control(CLAIM, databases);
        let proof = review.prove(&cx(), &every("1mo")).await;
        assert_eq!(proof.outcome(), Outcome::Unknown, "{}", proof.detail());
        let bitten = review.bite(&cx()).await;
        assert_eq!(bitten.outcome(), Outcome::Unknown, "{}", bitten.detail());
    }
}

/// What the comparison found in a month is told with its explanation.
#[tokio::test]
async fn differences_of_the_month_are_told() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let superuser = protected.superuser.as_ref().unwrap();
    let comparison = comparison().unwrap();
    let (from, to) = (at("2000-01-01T00:00:00Z"), at("2200-01-01T00:00:00Z"));
    assert_eq!(comparison.during(superuser, from, to).await.unwrap(), None);
    while !matches!(comparison.read(superuser).await.unwrap(), crate::wal::Look::Done { .. }) {}
    let quiet = "SET LOCAL session_replication_role = replica;
                 ALTER TABLE product DISABLE TRIGGER ALL;
                 INSERT INTO product (company_id, name, price) VALUES (-1, 'unseen', 1);
                 ALTER TABLE product ENABLE TRIGGER ALL";
    run(superuser, sql::DDL_GUARD_OFF).await;
    run(superuser, quiet).await;
    while !matches!(comparison.read(superuser).await.unwrap(), crate::wal::Look::Done { .. }) {}
    let found = comparison.during(superuser, from, to).await.unwrap().unwrap();
    assert!(found.count > 0 && found.open == found.count, "{found:?}");
    let id = found.told[0].id;
    assert!(comparison.explain(id, "budi", "a restore").await.unwrap());
    let after = comparison.during(superuser, from, to).await.unwrap().unwrap();
    assert_eq!((after.count, after.open), (found.count, found.count - 1));
    let (by, why, _) = after.told[0].explained.clone().unwrap();
    assert_eq!((by.as_str(), why.as_str()), ("budi", "a restore"));
    let none = comparison.during(superuser, from, at("2000-02-01T00:00:00Z")).await.unwrap();
    assert_eq!(none.unwrap().count, 0, "it was found later");
}
