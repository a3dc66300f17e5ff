//! The plan.

use super::{Keeper, ROOM, SHOP, TENANCY, critical, house, run, track};
use crate::{Error, apply, plan};

const MORE: &str = "
CREATE TABLE keyless (company_id int, note text);
CREATE TABLE ledger (company_id int, year int, PRIMARY KEY (year, company_id))
    PARTITION BY RANGE (year);
CREATE TABLE ledger_new PARTITION OF ledger FOR VALUES FROM (2020) TO (2040);
CREATE TABLE shared (id int PRIMARY KEY);";

/// The plan on a schema of every kind of table, word for word; a second plan is empty.
#[tokio::test]
async fn the_plan_is_complete_and_done_once() {
    let schema = format!("{SHOP}{MORE}");
    let protected =
        testkit::protected(&schema, "company_id", ("-1", "-2"), &[&TENANCY, &ROOM]).await;
    let tx = protected.owner.operator().await.unwrap();
    let shape = store::tables(&tx).await.unwrap();
    let also = [("public".to_owned(), "company".to_owned())];
    let steps = plan(&tx, &shape, "company_id", &also).await.unwrap();
    let shown: Vec<String> =
        steps.iter().map(|s| format!("{}: {}\n{}", s.object, s.why, s.sql)).collect();
    insta::assert_snapshot!(shown.join("\n\n"));
    apply(&tx, &steps).await.unwrap();
    assert_eq!(plan(&tx, &shape, "company_id", &also).await.unwrap(), []);
}

/// Each way in which recording is weakened is seen, and mended by the plan; with the guard in
/// place the owner can run it.
#[tokio::test]
async fn what_is_weakened_is_seen_and_mended() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let superuser = protected.superuser.as_ref().unwrap();
    for (damage, why) in [
        ("DROP TRIGGER amanah_audit_row ON product", "changes of its rows leave no record"),
        ("DROP TRIGGER amanah_audit_truncate ON product", "TRUNCATE leaves no record"),
        ("ALTER TABLE product DISABLE TRIGGER ALL", "recording can be slept through"),
        ("ALTER TABLE product ENABLE TRIGGER amanah_audit_row", "recording can be slept through"),
        (
            "CREATE OR REPLACE TRIGGER amanah_audit_row AFTER UPDATE OF name ON product
             FOR EACH ROW EXECUTE FUNCTION audit.global_track_changes('id', '', 'plain');
             ALTER TABLE product ENABLE ALWAYS TRIGGER amanah_audit_row",
            "its trigger does not record every change of a row",
        ),
        (
            "ALTER EVENT TRIGGER amanah_trail_hiding DISABLE;
             CREATE OR REPLACE TRIGGER amanah_audit_row AFTER INSERT OR UPDATE OR DELETE ON product
             FOR EACH ROW EXECUTE FUNCTION audit.global_track_changes('name', '', 'care');
             ALTER TABLE product ENABLE ALWAYS TRIGGER amanah_audit_row;
             ALTER EVENT TRIGGER amanah_trail_hiding ENABLE ALWAYS",
            "its record names other columns than its primary key, or prints them otherwise",
        ),
    ] {
        run(superuser, damage).await;
        let tx = protected.owner.operator().await.unwrap();
        let shape = store::tables(&tx).await.unwrap();
        let steps = plan(&tx, &shape, "company_id", &critical(&shape)).await.unwrap();
        let found: Vec<(&str, &str)> =
            steps.iter().map(|s| (s.object.as_str(), s.why.as_str())).collect();
        assert_eq!(found, [("public.product", why)], "after {damage}");
        tx.rollback().await.unwrap();
        track(&protected).await;
        let tx = protected.owner.operator().await.unwrap();
        let shape = store::tables(&tx).await.unwrap();
        assert_eq!(plan(&tx, &shape, "company_id", &critical(&shape)).await.unwrap(), []);
    }
}

/// A table that is not there is an error and not silence.
#[tokio::test]
async fn a_misspelt_table_is_refused() {
    let protected = house(SHOP, Keeper::Owner).await;
    let tx = protected.owner.operator().await.unwrap();
    let shape = store::tables(&tx).await.unwrap();
    let also = [("public".to_owned(), "compny".to_owned())];
    let error = plan(&tx, &shape, "company_id", &also).await.unwrap_err();
    assert!(matches!(&error, Error::NoTable(name) if name == "public.compny"));
}
