//! The application's migrations over all tenants.

use kernel::TenantId;

use super::fleet::{ORDERS, World, script, tenant, world};
use crate::{Campaign, Done, Error, Script};

const SCHEMA: &str = "0001_orders.sql";
const NOTES: &str = "CREATE TABLE notes (id bigint PRIMARY KEY)";

/// A world with so many tenants that have the first script.
async fn stocked(tenants: usize) -> (World, Vec<TenantId>, Script) {
    let world = world().await;
    let first = script(SCHEMA, ORDERS);
    world.migrate(std::slice::from_ref(&first)).await;
    let ids: Vec<_> = (0..tenants).map(|n| tenant(&format!("t{n}"))).collect();
    for id in &ids {
        world.fleet.add(id).await.unwrap();
    }
    (world, ids, first)
}

async fn has_table(world: &World, id: &str, table: &str) -> bool {
    // A synthetic tenant has no login to lend.
    let place = world.fleet.find(&tenant(id)).await.unwrap().place;
    let db = world.server.superuser(place.name()).await;
    let tx = db.operator().await.unwrap();
    let table = format!("public.{table}");
    let row = tx.query_one("SELECT to_regclass($1) IS NOT NULL", &[&table]).await.unwrap();
    let there = row.get(0);
    tx.rollback().await.unwrap();
    db.close();
    there
}

fn counts(done: &Done) -> (usize, usize, usize, usize) {
    (done.current, done.migrated, done.failed.len(), done.left.len())
}

/// Everybody has it afterwards, new tenants from the start, and may use its tables; a second run
/// finds nothing to do.
#[tokio::test]
async fn everybody_is_brought_up_to_date() {
    let (world, _, first) = stocked(5).await;
    let both = [first, script("0002_notes.sql", NOTES)];
    assert_eq!(counts(&world.migrate(&both).await), (8, 8, 0, 0), "canaries and template too");
    assert_eq!(counts(&world.migrate(&both).await), (8, 0, 0, 0));
    world.fleet.add(&tenant("new")).await.unwrap();
    for id in ["t0", "t4", "new"] {
        let db = world.as_tenant(id).await;
        let tx = db.operator().await.unwrap();
        tx.batch("INSERT INTO notes VALUES (1)").await.unwrap();
        tx.rollback().await.unwrap();
    }
    let listed = world.fleet.list().await.unwrap();
    assert_eq!(listed.len(), 8);
    assert!(listed.iter().all(|t| t.schema_version.as_deref() == Some("0002_notes.sql")));
}

/// What the synthetic tenants do not bear, nobody else gets.
#[tokio::test]
async fn a_script_that_fails_on_a_canary_touches_nobody() {
    let (world, _, first) = stocked(2).await;
    let broken = script("0002_broken.sql", &format!("{NOTES}; SELECT 1/0"));
    let done = world.migrate(&[first, broken]).await;
    assert_eq!(counts(&done), (0, 0, 1, 2));
    let (who, why) = &done.failed[0];
    assert_eq!(who, "amanah-canary-a");
    assert!(why.contains("0002_broken.sql") && why.contains("division by zero"), "{why}");
    assert!(!has_table(&world, "t0", "notes").await);
    assert!(!has_table(&world, "amanah-canary-a", "notes").await, "it was undone there");
}

/// One tenant's rows stand in the way: it keeps what it had, the others go on as far as the budget
/// allows, and the next run finishes.
#[tokio::test]
async fn a_tenant_that_fails_keeps_what_it_had() {
    let (world, ids, first) = stocked(6).await;
    let db = world.as_tenant("t3").await;
    let tx = db.operator().await.unwrap();
    tx.batch("INSERT INTO orders VALUES (1, -1)").await.unwrap();
    tx.commit().await.unwrap();
    let check =
        script("0002_check.sql", &format!("{NOTES}; ALTER TABLE orders ADD CHECK (total > 0)"));
    let both = [first, check];
    let one = Campaign { workers: 1, budget: 0 };
    let done = world.fleet.migrate(&both, one, &|_| {}).await.unwrap();
    assert_eq!(done.failed[0].0, "t3", "{done:?}");
    assert_eq!(done.left, ["t4", "t5"], "no more were begun");
    assert!(!has_table(&world, "t3", "notes").await);
    let generous = Campaign { workers: 4, budget: 1 };
    let done = world.fleet.migrate(&both, generous, &|_| {}).await.unwrap();
    assert_eq!(counts(&done), (ids.len() + 2, 2, 1, 0));
    let tx = db.operator().await.unwrap();
    tx.batch("UPDATE orders SET total = 1").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(counts(&world.migrate(&both).await), (ids.len() + 3, 1, 0, 0));
}

/// What was run once may not change, vanish or be overtaken; an order that is none is refused.
#[tokio::test]
async fn the_past_is_not_changed() {
    let (world, _, first) = stocked(1).await;
    let refused = [
        (vec![script(SCHEMA, NOTES)], "has changed since"),
        (vec![script("0000_before.sql", NOTES), first.clone()], "comes in its place"),
    ];
    for (scripts, words) in refused {
        let done = world.migrate(&scripts).await;
        assert!(done.failed[0].1.contains(words), "{done:?}");
        assert_eq!(done.left, ["t0"]);
    }
    let disorder = [script("2", NOTES), script("1", NOTES)];
    let error = world.fleet.migrate(&disorder, super::fleet::CAMPAIGN, &|_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Script(_)), "{error}");
    assert!(Script::new("empty", " \n").is_err());
}

/// A script that ends the transaction would leave half of itself behind without a note.
#[tokio::test]
async fn a_script_does_not_end_its_transaction() {
    let (world, _, first) = stocked(1).await;
    let done = world.migrate(&[first, script("0002_commit.sql", "COMMIT; BEGIN")]).await;
    assert!(done.failed[0].1.contains("take COMMIT"), "{done:?}");
    assert_eq!(done.left, ["t0"]);
}

/// A session that holds the table keeps its own tenant back, not the others.
#[tokio::test]
async fn a_busy_tenant_holds_up_nobody_else() {
    let (world, _, first) = stocked(3).await;
    let db = world.as_tenant("t1").await;
    let busy = db.operator().await.unwrap();
    busy.batch("SELECT FROM orders").await.unwrap();
    let alter = script("0002_alter.sql", "ALTER TABLE orders ADD COLUMN note text");
    let generous = Campaign { workers: 3, budget: 3 };
    let both = [first, alter];
    let done = world.fleet.migrate(&both, generous, &|_| {}).await.unwrap();
    assert_eq!(done.failed.len(), 1, "{done:?}");
    assert!(done.failed[0].0 == "t1" && done.failed[0].1.contains("lock"), "{done:?}");
    busy.rollback().await.unwrap();
    assert_eq!(counts(&world.migrate(&both).await), (6, 1, 0, 0));
}
