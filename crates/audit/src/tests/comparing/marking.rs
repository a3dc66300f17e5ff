//! A superuser of the server that the control database lies on too.

use super::{SALE, World, run, world};

/// As [`world`], with a second mark in a folder of its own.
async fn marked(folder: &tempfile::TempDir) -> World {
    let mut world = world().await;
    world.comparison = world.comparison.marked(folder.path().join("marks"));
    assert!(world.look().await.is_empty());
    world
}

/// Moves the slot to the end of the log, which a commit here need not have reached: it is written out first.
async fn advance(world: &World) -> String {
    let flush = "SET LOCAL synchronous_commit = on;
        SELECT pg_logical_emit_message(true, 'a test', '')";
    run(world.superuser(), flush).await;
    let tx = world.superuser().operator().await.unwrap();
    let moved =
        "SELECT (pg_replication_slot_advance(slot_name, pg_current_wal_flush_lsn())).end_lsn::text
                   FROM pg_replication_slots WHERE database = current_database()";
    let at = tx.query_one(moved, &[]).await.unwrap().get(0);
    tx.rollback().await.unwrap();
    at
}

async fn control(world: &World, statement: &str, bound: &[&str]) {
    let tx = world.comparison.control().operator().await.unwrap();
    let bound: Vec<_> = bound.iter().map(|one| one as &(dyn store::ToSql + Sync)).collect();
    tx.execute(statement, &bound).await.unwrap();
    tx.commit().await.unwrap();
}

const HIDDEN: &str = "ALTER TABLE product DISABLE TRIGGER ALL;
    INSERT INTO product (company_id, name, price) VALUES (-1, 'forged', 3)";

/// Both marks are moved past a write without a record, and the row with one of them is removed: each is a
/// gap.
#[tokio::test]
async fn who_moves_both_marks_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let world = marked(&folder).await;
    let name = world.protected.name.clone();
    run(world.superuser(), HIDDEN).await;
    let at = advance(&world).await;
    let both = "UPDATE compared.slots SET lsn = $2::text::pg_lsn WHERE database = $1";
    control(&world, both, &[&name, &at]).await;
    let told = world.told().await;
    assert!(told.len() == 1 && told[0].starts_with("gap: from "), "{told:?}");
    run(world.superuser(), SALE).await;
    advance(&world).await;
    control(&world, "DELETE FROM compared.slots WHERE database = $1", &[&name]).await;
    let told = world.told().await;
    assert!(told.len() == 2 && told[1].starts_with("gap: from an unknown place"), "{told:?}");
    assert_eq!(world.told().await.len(), 2, "it is found once");
    world.end().await;
}

/// What was found is explained by nobody but by the command, and removed by nobody.
#[tokio::test]
async fn who_explains_past_the_command_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let world = marked(&folder).await;
    let name = world.protected.name.clone();
    run(world.superuser(), HIDDEN).await;
    let found = world.look().await;
    assert!(world.comparison.explain(found[0].id, "budi", "a repair").await.unwrap());
    assert!(world.look().await.is_empty());
    run(world.superuser(), SALE).await;
    assert_eq!(world.look().await.len(), 1);
    let forged = "UPDATE compared.differences SET explained_by = 'budi', explanation = 'a repair',
                         explained_at = now() WHERE database = $1 AND explained_at IS NULL";
    control(&world, forged, &[&name]).await;
    let told = world.told().await;
    assert!(told.len() == 1 && told[0].starts_with("gap: from "), "{told:?}");
    control(&world, "DELETE FROM compared.differences WHERE database = $1", &[&name]).await;
    assert_eq!(world.told().await.len(), 1);
    world.end().await;
}
