//! Reviews on a real PostgreSQL.

use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use kernel::{Clock as _, Fut, Holding, Holdings, ManualClock, SystemClock, TenantId, Vouched};
use testkit::TestDb;

use super::{Reviewer, digest, evidence};
use crate::tests::ACCOUNTS;
use crate::{Access, By, Error, NewGrant, ROOM};

const CHIEF: &str = "00000000-0000-4000-8000-0000000000b1";
const EDITOR: &str = "00000000-0000-4000-8000-0000000000b2";

#[tokio::test]
async fn a_review_is_closed_when_everything_was_decided_and_what_was_revoked_is_gone() {
    let db = testkit::database(&[&ACCOUNTS, &ROOM]).await;
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let access = Access::new(db.engine.clone(), clock);
    let (tenant, by) = (TenantId::new("41").unwrap(), By::operator("test").unwrap());
    let tx = db.owner.operator().await.unwrap();
    for account in [CHIEF, EDITOR] {
        let sql = "INSERT INTO identity.accounts VALUES ($1::text::uuid, $1 || '@x', '41')";
        tx.execute(sql, &[&account]).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert!(matches!(access.start_review("test", &tenant).await, Err(Error::Review(_))));
    for (account, role) in [(CHIEF, "administrator"), (EDITOR, "editor"), (EDITOR, "approver")] {
        let (account, role) = (account.to_owned(), role.to_owned());
        let (reason, tenant) = ("test".to_owned(), tenant.clone());
        access.grant(&by, &NewGrant { account, tenant, role, reason, until: None }).await.unwrap();
    }
    let id = access.start_review("test", &tenant).await.unwrap();
    assert!(matches!(access.start_review("test", &tenant).await, Err(Error::ReviewOpen)));
    let (review, rows) = access.review(&id, Some(&tenant)).await.unwrap();
    assert_eq!((rows.len(), digest(&rows)), (3, review.digest));
    let chief = access.reviewer_named(CHIEF, "chief", &tenant).await.unwrap();
    assert!(access.reviewer_named(EDITOR, "editor", &tenant).await.is_err());
    for row in &rows {
        let keep = row.what != "approver";
        let decided = access.decide_review(&chief, &tenant, (&id, row.n), (keep, "seen")).await;
        assert_eq!(decided.is_err(), row.account == CHIEF, "{decided:?}");
    }
    // Their own row waits for somebody else.
    assert!(matches!(access.close_review("test", None, &id).await, Err(Error::Undecided)));
    let standing = access.standing_now(EDITOR, &tenant).await.unwrap();
    assert_eq!(standing.roles, ["editor"]);
    let (_, rows) = access.review(&id, None).await.unwrap();
    let revoked = rows.iter().find(|row| row.what == "approver").unwrap();
    assert!(revoked.decision.as_ref().unwrap().verified_at.is_some());
    let report = super::markdown(&access.review(&id, None).await.unwrap().0, &rows);
    assert!(report.contains("Decided: 2 of 3; revoked: 1, of which 1 verified"), "{report}");
    let tx = db.owner.operator().await.unwrap();
    for bad in [
        "DELETE FROM access.review_rows",
        "UPDATE access.review_rows SET what = 'owner'",
        "UPDATE access.review_rows SET decision = 'keep' WHERE decision = 'revoke'",
        "UPDATE access.reviews SET closed_at = now(), closed_as = 'x'",
    ] {
        assert!(tx.attempt(bad, &[]).await.unwrap().is_err(), "{bad}");
    }
}

/// One key, which lives until it is ended twice.
#[derive(Default)]
struct Keys {
    ended: Mutex<u8>,
    needed: u8,
}

impl Holdings for Keys {
    fn kind(&self) -> &'static str {
        "key"
    }

    fn living<'a>(&'a self, _: &'a TenantId) -> Fut<'a, Result<Vec<Holding>, String>> {
        let key = Holding {
            id: "ab12cd34".to_owned(),
            account: EDITOR.to_owned(),
            holder: "a service".to_owned(),
            what: "key ab12cd34".to_owned(),
            given_by: "chief".to_owned(),
            given_at: SystemClock.now() - SignedDuration::from_hours(1),
            last_used_at: None,
            orphan: false,
        };
        let lives = *self.ended.lock().unwrap() < self.needed;
        Box::pin(async move { Ok(lives.then_some(key).into_iter().collect()) })
    }

    fn end<'a>(&'a self, _: &'a TenantId, _: &'a str) -> Fut<'a, Result<(), String>> {
        *self.ended.lock().unwrap() += 1;
        Box::pin(async { Ok(()) })
    }

    fn counts<'a>(&'a self, _: &'a TenantId, _: &'a str) -> Fut<'a, Result<bool, String>> {
        let lives = *self.ended.lock().unwrap() < self.needed;
        Box::pin(async move { Ok(lives) })
    }
}

async fn house(keys: Keys) -> (TestDb, Access, TenantId, Reviewer) {
    let frozen = if keys.needed > 0 { 2 } else { 1 };
    let db = testkit::database(&[&ACCOUNTS, &ROOM]).await;
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let access = Access::new(db.engine.clone(), clock).with_holdings(vec![Arc::new(keys)]);
    let (tenant, by) = (TenantId::new("41").unwrap(), By::operator("test").unwrap());
    let tx = db.owner.operator().await.unwrap();
    for account in [CHIEF, EDITOR] {
        let sql = "INSERT INTO identity.accounts VALUES ($1::text::uuid, $1 || '@x', '41')";
        tx.execute(sql, &[&account]).await.unwrap();
    }
    tx.commit().await.unwrap();
    access.grant(&by, &editor(&tenant)).await.unwrap();
    let id = access.start_review("test", &tenant).await.unwrap();
    let chief =
        NewGrant { account: CHIEF.to_owned(), role: "administrator".to_owned(), ..editor(&tenant) };
    access.grant(&by, &chief).await.unwrap();
    let reviewer = access.reviewer_named(CHIEF, "chief", &tenant).await.unwrap();
    assert_eq!(access.review(&id, None).await.unwrap().1.len(), frozen);
    (db, access, tenant, reviewer)
}

fn editor(tenant: &TenantId) -> NewGrant {
    NewGrant {
        account: EDITOR.to_owned(),
        tenant: tenant.clone(),
        role: "editor".to_owned(),
        reason: "test".to_owned(),
        until: None,
    }
}

/// What was revoked and still counts, as a right that was given back at once, or a key whose end did not
/// come through, is revoked once more; the review is not stuck.
#[tokio::test]
async fn what_still_counts_is_revoked_once_more() {
    let (_db, access, tenant, chief) = house(Keys { needed: 2, ..Keys::default() }).await;
    let id = access.reviews(Some(&tenant)).await.unwrap()[0].id.clone();
    let decide = async |n: i32, keep: bool| {
        access.decide_review(&chief, &tenant, (&id, n), (keep, "gone")).await
    };
    assert!(matches!(decide(1, false).await, Err(Error::StillCounts(_))));
    // It is decided: it cannot be kept now, and not be closed.
    assert!(matches!(decide(1, true).await, Err(Error::NoReview)));
    decide(2, false).await.unwrap();
    assert!(matches!(access.close_review("chief", None, &id).await, Err(Error::Undecided)));
    decide(1, false).await.unwrap();
    assert!(matches!(decide(1, false).await, Err(Error::NoReview)));
    access.close_review("chief", None, &id).await.unwrap();
}

/// The first verification was cut off, and somebody gave the role back before the second.
#[tokio::test]
async fn a_revocation_that_was_cut_off_is_verified_again() {
    let (db, access, tenant, chief) = house(Keys::default()).await;
    let id = access.reviews(Some(&tenant)).await.unwrap()[0].id.clone();
    assert_eq!(access.review(&id, None).await.unwrap().1.len(), 1);
    let half = "UPDATE access.review_rows SET decision = 'revoke', decided_by = $1::text::uuid, \
                decided_as = 'chief', decided_at = now(), reason = 'gone'";
    let tx = db.owner.operator().await.unwrap();
    tx.execute(half, &[&CHIEF]).await.unwrap();
    tx.commit().await.unwrap();
    assert!(matches!(access.close_review("chief", None, &id).await, Err(Error::Undecided)));
    let by = By::operator("test").unwrap();
    access.revoke(&by, EDITOR, &tenant, "editor").await.unwrap();
    access.grant(&by, &editor(&tenant)).await.unwrap();
    access.decide_review(&chief, &tenant, (&id, 1), (false, "gone")).await.unwrap();
    assert!(access.standing_now(EDITOR, &tenant).await.unwrap().roles.is_empty());
    access.close_review("chief", None, &id).await.unwrap();
}

#[tokio::test]
async fn a_review_is_given_up_with_a_reason_and_holds_no_other_up() {
    let (db, access, tenant, chief) = house(Keys::default()).await;
    let id = access.reviews(Some(&tenant)).await.unwrap()[0].id.clone();
    assert!(matches!(
        access.abandon_review("the operator", &id, " ").await,
        Err(Error::Field { .. })
    ));
    access.abandon_review("the operator", &id, "nobody is left").await.unwrap();
    let again = access.abandon_review("the operator", &id, "once more").await;
    assert!(matches!(again, Err(Error::NoReview)));
    let (review, rows) = access.review(&id, None).await.unwrap();
    assert!(!review.is_open() && review.abandoned.clone().unwrap().2 == "nobody is left");
    assert!(super::markdown(&review, &rows).contains("Given up at"));
    let decided = access.decide_review(&chief, &tenant, (&id, 1), (true, "seen")).await;
    assert!(matches!(decided, Err(Error::NoReview)));
    assert!(matches!(access.close_review("x", None, &id).await, Err(Error::NoReview)));
    let tx = db.owner.operator().await.unwrap();
    for bad in [
        "UPDATE access.reviews SET abandoned_why = 'another'",
        "UPDATE access.reviews SET abandoned_at = NULL, abandoned_as = NULL, abandoned_why = NULL",
        "UPDATE access.review_rows SET reason = 'x'",
    ] {
        assert!(tx.attempt(bad, &[]).await.unwrap().is_err(), "{bad}");
    }
    tx.rollback().await.unwrap();
    let due = access.reviews_due(SignedDuration::ZERO, &[]).await.unwrap()[0].clone();
    assert!(due.last.is_none());
    // Giving everything anew puts nothing off.
    let by = By::operator("test").unwrap();
    for (account, role) in [(EDITOR, "editor"), (CHIEF, "administrator")] {
        access.revoke(&by, account, &tenant, role).await.unwrap();
    }
    let tomorrow = ManualClock::at(SystemClock.now() + SignedDuration::from_hours(24));
    let later = Access::new(db.engine.clone(), Arc::new(tomorrow));
    later.grant(&by, &editor(&tenant)).await.unwrap();
    assert_eq!(later.reviews_due(SignedDuration::ZERO, &[]).await.unwrap(), [due]);
    access.start_review("test", &tenant).await.unwrap();
}

#[tokio::test]
async fn what_was_signed_is_what_is_there() {
    let (db, access, tenant, chief) = house(Keys::default()).await;
    let id = access.reviews(Some(&tenant)).await.unwrap()[0].id.clone();
    access.decide_review(&chief, &tenant, (&id, 1), (true, "seen")).await.unwrap();
    access.close_review("chief", None, &id).await.unwrap();
    let (review, rows) = access.review(&id, None).await.unwrap();
    let (now, every) = (SystemClock.now(), SignedDuration::from_hours(24));
    let attestation = evidence::attestation(&review, &rows, ("chief", None), (now, every));
    let vouched = |wrong: Option<&str>| {
        let wrong = wrong.map(str::to_owned);
        vec![Vouched { id: 7, attestation: attestation.clone(), wrong }]
    };
    assert!(evidence::signed(&vouched(None), &review, &rows).is_ok());
    assert_eq!(evidence::signable(&[], &review, &rows).unwrap(), None);
    let twice = vouched(None);
    assert_eq!(evidence::signable(&twice, &review, &rows).unwrap().unwrap().id, 7);
    assert_eq!(evidence::signable(&vouched(Some("no key")), &review, &rows).unwrap(), None);
    let none = evidence::signed(&[], &review, &rows).unwrap_err();
    assert_eq!(none, "is signed by nobody");
    let forged = evidence::signed(&vouched(Some("no key")), &review, &rows).unwrap_err();
    assert!(forged.contains("attestation 7 is none"), "{forged}");
    let tx = db.owner.operator().await.unwrap();
    tx.batch("ALTER TABLE access.review_rows DISABLE TRIGGER USER").await.unwrap();
    tx.batch("UPDATE access.review_rows SET reason = 'another'").await.unwrap();
    tx.commit().await.unwrap();
    let (review, rows) = access.review(&id, None).await.unwrap();
    let other = evidence::signed(&vouched(None), &review, &rows).unwrap_err();
    assert_eq!(other, "is not what chief signed");
    // Nor is it signed once more, and another signature would not make it good.
    let other = evidence::signable(&vouched(None), &review, &rows).unwrap_err();
    assert_eq!(other, "is not what chief signed");
    let anew = evidence::attestation(&review, &rows, ("a thief", None), (now, every));
    let mut both = vouched(None);
    both.push(Vouched { id: 8, attestation: anew, wrong: None });
    let other = evidence::signed(&both, &review, &rows).unwrap_err();
    assert_eq!(other, "is not what chief signed");
    // What nobody signed is not signed either when its rows are not those that were frozen.
    let mut changed = rows.clone();
    changed[0].what = "owner".to_owned();
    assert!(evidence::signable(&[], &review, &changed).unwrap_err().contains("frozen"));
    assert!(evidence::signable(&[], &review, &rows[1..]).unwrap_err().contains("frozen"));
    let mut open = rows.clone();
    open[0].decision = None;
    assert!(evidence::signable(&[], &review, &open).unwrap_err().contains("not settled"));
    let due = access.reviews_due(every, &[]).await.unwrap();
    assert_eq!(due[0].due, review.started_at + every);
}
