//! Reviews on a real PostgreSQL.

use std::sync::Arc;

use kernel::{Clock as _, ManualClock, SystemClock, TenantId};

use super::digest;
use crate::{Access, By, Error, NewGrant, ROOM};

/// As much of the accounts as this room looks at.
const ACCOUNTS: store::Room = store::Room {
    name: "identity",
    migrations: &[store::Migration {
        name: "0001_accounts",
        sql: "CREATE SCHEMA identity; GRANT USAGE ON SCHEMA identity TO amanah_engine; \
              CREATE TABLE identity.accounts (id uuid PRIMARY KEY, email text NOT NULL, \
              tenant text NOT NULL, disabled_at timestamptz); \
              GRANT SELECT ON identity.accounts TO amanah_engine;",
    }],
};
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
    assert!(matches!(access.start_review("test", &tenant).await, Err(Error::Review(_))));
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
    assert!(matches!(access.close_review("test", None, &id).await, Err(Error::Review(_))));
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
