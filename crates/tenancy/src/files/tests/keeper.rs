//! A store that two control databases know: a copy, or one that was put back.

use std::time::Duration;

use kernel::{Clock as _, Condition, FileFault, TenantFiles as _};

use super::world::{ROOM, World, name, over, tenant, world};
use crate::FileShelf;

/// What a copy of the control database has in its rows, from a moment when a file was on its way that
/// is a file by now.
async fn copy_of(world: &World) -> World {
    let shelf = FileShelf::folder(world.root()).unwrap();
    let copy = over(shelf, tempfile::tempdir().unwrap(), ROOM).await;
    let tx = world.db.owner.operator().await.unwrap();
    let row = tx
        .query_one(
            "SELECT t.prefix, f.object, k.mark, k.database FROM files.tenants t \
               JOIN files.files f USING (tenant) CROSS JOIN files.keeper k",
            &[],
        )
        .await
        .unwrap();
    let text = |at| row.get::<_, String>(at);
    copy.sql(&format!(
        "INSERT INTO files.tenants (tenant, prefix) VALUES ('sinar', '{}'); \
         INSERT INTO files.loose VALUES ('{}', 'sinar', 'arriving', 0, '2000-01-01'); \
         INSERT INTO files.keeper VALUES (true, '{}', '{}', now())",
        text(0),
        text(1),
        text(2),
        text(3)
    ))
    .await;
    copy.clock.set(copy.clock.now() + Duration::from_hours(48));
    copy
}

fn refused<T: std::fmt::Debug>(answer: Result<T, FileFault>) {
    let why = answer.unwrap_err().to_string();
    assert!(why.contains("another control database"), "{why}");
}

/// A copy for trying things out, whose store is the real one.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_removes_nothing_from_the_store() {
    let world = world().await;
    world.put("sinar", "a", b"newer").await.unwrap();
    let copy = copy_of(&world).await;
    refused(copy.files.sweep().await);
    refused(copy.files.tidy(true).await);
    refused(copy.files.erase(&tenant("sinar")).await);
    assert_eq!(world.get("sinar", "a").await.unwrap(), b"newer");
    // What it believes to be its own to remove is the other's too.
    copy.put("sinar", "own", b"mine").await.unwrap();
    copy.files.remove(&tenant("sinar"), &name("own"), &Condition::None).await.unwrap();
    assert_eq!(world.objects().len(), 2, "the bytes are kept");
    assert_eq!(world.files.sweep().await.unwrap(), 0, "the real one goes on");
}

/// Who puts a database back says so, and from then on the store is that one's.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_adopted_on_purpose_alone() {
    let world = world().await;
    world.put("sinar", "a", b"newer").await.unwrap();
    let copy = copy_of(&world).await;
    copy.sql("UPDATE files.loose SET since = '2200-01-01'").await;
    copy.files.adopt().await.unwrap();
    assert_eq!(copy.files.sweep().await.unwrap(), 0);
    refused(world.files.sweep().await);
    world.files.adopt().await.unwrap();
    assert_eq!(world.files.sweep().await.unwrap(), 0);
    refused(copy.files.sweep().await);
}

/// A database that knows nothing of a store that somebody else has claimed leaves it alone, and a
/// store without a mark is claimed before anything is removed from it.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_removed_at_the_first_turn() {
    let world = world().await;
    world.put("sinar", "a", b"first").await.unwrap();
    world.put("sinar", "a", b"second").await.unwrap();
    world.clock.set(world.clock.now() + Duration::from_mins(11));
    std::fs::remove_file(world.root().join("amanah-keeper")).unwrap();
    assert_eq!(world.files.sweep().await.unwrap(), 0, "it is claimed first");
    assert_eq!(world.files.sweep().await.unwrap(), 1);
    world.sql("DELETE FROM files.keeper").await;
    refused(world.files.sweep().await);
    // As PostgreSQL calls it after a recovery.
    world.files.adopt().await.unwrap();
    world.sql("UPDATE files.keeper SET database = database || '1'").await;
    refused(world.files.sweep().await);
}

/// A dump that is loaded in the place of what is newer: what was on its way in it is a file since.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_state_in_the_same_place_removes_nothing() {
    let world = world().await;
    world.put("sinar", "a", b"first").await.unwrap();
    assert_eq!(world.files.sweep().await.unwrap(), 0);
    let object = "SELECT object FROM files.files";
    let tx = world.db.owner.operator().await.unwrap();
    let object: String = tx.query_one(object, &[]).await.unwrap().get(0);
    tx.rollback().await.unwrap();
    world
        .sql(&format!(
            "CREATE SCHEMA dump; CREATE TABLE dump.keeper AS TABLE files.keeper; \
             CREATE TABLE dump.loose AS SELECT '{object}' AS object, 'sinar' AS tenant, \
                    'arriving' AS state, 0::bigint AS reserved, now() - '2 years'::interval AS since"
        ))
        .await;
    world.clock.set(world.clock.now() + Duration::from_mins(11));
    assert_eq!(world.files.sweep().await.unwrap(), 0, "the next turn");
    world
        .sql(
            "DELETE FROM files.files; INSERT INTO files.loose TABLE dump.loose; \
             DELETE FROM files.keeper; INSERT INTO files.keeper TABLE dump.keeper",
        )
        .await;
    for refusal in [
        world.files.sweep().await.map(drop),
        world.files.tidy(true).await.map(drop),
        world.files.erase(&tenant("sinar")).await.map(drop),
    ] {
        let why = refusal.unwrap_err().to_string();
        assert!(why.contains("an older state of it was put back"), "{why}");
    }
    assert_eq!(world.objects().len(), 1, "the bytes are kept");
    // Who says so goes on with it.
    world.files.adopt().await.unwrap();
    assert_eq!(world.files.sweep().await.unwrap(), 1);
}

/// A crash between the two notes looks like nothing, and a mark of before there were turns is good.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_was_cut_short_goes_on() {
    let world = world().await;
    world.put("sinar", "a", b"first").await.unwrap();
    world.sql("UPDATE files.keeper SET turn = turn + 1").await;
    assert_eq!(world.files.sweep().await.unwrap(), 0);
    let mark = world.root().join("amanah-keeper");
    let text = std::fs::read_to_string(&mark).unwrap();
    std::fs::write(&mark, text.split(' ').next().unwrap()).unwrap();
    assert_eq!(world.files.sweep().await.unwrap(), 0);
    world.put("sinar", "a", b"second").await.unwrap();
    world.clock.set(world.clock.now() + Duration::from_mins(11));
    assert_eq!(world.files.sweep().await.unwrap(), 1);
    let told = std::fs::read_to_string(&mark).unwrap();
    assert!(told.split_whitespace().nth(1).is_some_and(|turn| turn != "0"), "{told}");
    std::fs::write(&mark, text.replace(' ', " x")).unwrap();
    refused(world.files.sweep().await);
}
