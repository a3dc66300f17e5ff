//! The guard's words.

use store::Db;

use super::{Keeper, SHOP, house, run};
use crate::GUARD;

/// What the server says to a statement that must be refused.
async fn said(db: &Db, sql: &str) -> String {
    let tx = db.operator().await.unwrap();
    match tx.attempt(sql, &[]).await.unwrap() {
        Ok(_) => format!("{sql}\n  got through"),
        Err(error) => format!("{sql}\n  {}", error.server_message().unwrap_or("?")),
    }
}

/// Each refusal names what was tried and why it is refused, in the guarded database.
#[tokio::test]
async fn the_guard_says_what_it_refuses() {
    let protected = house(SHOP, Keeper::Superuser).await;
    run(&protected.owner, "INSERT INTO product (company_id, name) VALUES (-1, 'Rice')").await;
    let superuser = protected.superuser.as_ref().unwrap();
    let mut said_all = Vec::new();
    for sql in [
        "UPDATE audit.system_audit_logs SET actor_id = 'x'",
        "DELETE FROM audit.system_audit_logs WHERE false",
        "TRUNCATE audit.system_audit_logs",
    ] {
        said_all.push(said(superuser, sql).await);
        said_all.push(said(&protected.owner, sql).await);
        said_all.push(said(&protected.intruder, sql).await);
    }
    for sql in [
        "ALTER TABLE product DISABLE TRIGGER USER",
        "ALTER TABLE product DISABLE TRIGGER amanah_audit_truncate",
        "ALTER TABLE product ENABLE REPLICA TRIGGER amanah_audit_row",
        "DROP TRIGGER amanah_audit_row ON product",
        "ALTER TRIGGER amanah_audit_row ON product RENAME TO x",
        "CREATE OR REPLACE TRIGGER amanah_audit_row AFTER INSERT ON product FOR EACH ROW
         EXECUTE FUNCTION audit.global_track_changes()",
        "DROP FUNCTION audit.global_track_changes() CASCADE",
    ] {
        said_all.push(said(&protected.owner, sql).await);
    }
    insta::assert_snapshot!(said_all.join("\n"));
}

/// A row of the trail is refused too when the statement names a table above it.
#[tokio::test]
async fn a_detour_over_a_parent_table_is_refused() {
    let protected = house(SHOP, Keeper::Superuser).await;
    run(&protected.owner, "INSERT INTO product (company_id, name) VALUES (-1, 'Rice')").await;
    let superuser = protected.superuser.as_ref().unwrap();
    run(
        superuser,
        "CREATE TABLE above (LIKE audit.system_audit_logs) PARTITION BY LIST (id);
         ALTER TABLE above ATTACH PARTITION audit.system_audit_logs DEFAULT",
    )
    .await;
    for sql in ["DELETE FROM above", "UPDATE above SET actor_id = 'x'", "TRUNCATE above"] {
        let tx = superuser.operator().await.unwrap();
        let refused = tx.attempt(sql, &[]).await.unwrap().unwrap_err();
        assert_eq!(refused.sqlstate(), Some("TRAIL"), "{sql}");
    }
}

/// The owner goes on with its own work: the guard minds recording alone.
#[tokio::test]
async fn ordinary_work_of_the_owner_goes_on() {
    let protected = house(SHOP, Keeper::Superuser).await;
    run(
        &protected.owner,
        "ALTER TABLE product ADD COLUMN weight int; CREATE INDEX ON product (weight);
         CREATE TABLE note (id int PRIMARY KEY, company_id int);
         CREATE TEMP TABLE scratch (id int); DROP TABLE note;
         ALTER TABLE product RENAME TO goods; DROP TABLE goods CASCADE",
    )
    .await;
}

/// A partition that is detached would lose its copy of the trigger in silence.
#[tokio::test]
async fn a_tracked_partition_cannot_be_detached_by_the_owner() {
    let protected = house(
        "CREATE TABLE ledger (company_id int, year int, PRIMARY KEY (year))
             PARTITION BY RANGE (year);
         CREATE TABLE ledger_new PARTITION OF ledger FOR VALUES FROM (2020) TO (2040);",
        Keeper::Superuser,
    )
    .await;
    let said = said(&protected.owner, "ALTER TABLE ledger DETACH PARTITION ledger_new").await;
    assert!(said.contains("trigger amanah_audit_row on public.ledger_new"), "{said}");
}

/// The guard refuses to stand on a role that others can enter.
#[tokio::test]
async fn a_recorder_with_members_is_not_trusted() {
    let protected = house(SHOP, Keeper::Owner).await;
    let root = testkit::postgres().await.superuser(&protected.name).await;
    let owner = &protected.owner.url().user;
    // In a transaction of its own that is rolled back: the role is shared by all tests.
    let tx = root.operator().await.unwrap();
    tx.batch(
        "DO $$ BEGIN CREATE ROLE amanah_trail NOLOGIN;
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$",
    )
    .await
    .unwrap();
    tx.batch(&format!("GRANT amanah_trail TO {owner}")).await.unwrap();
    let error = tx.batch(GUARD.migrations[0].sql).await.unwrap_err();
    assert_eq!(
        error.server_message(),
        Some("the role amanah_trail exists and can be used by others")
    );
}
