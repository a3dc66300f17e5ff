//! Upkeep, the end of a tenant, and what the engine's login may not do.

use std::fs;
use std::time::Duration;

use kernel::{Clock as _, Condition, FileFault, NewFile, Quota, TenantFiles as _};

use super::world::{World, bytes, name, tenant, with, world};
use crate::ErasedFiles;

impl World {
    fn wait(&self, time: Duration) {
        self.clock.set(self.clock.now() + time);
    }
}

/// A process that is killed leaves rows and objects, which go later; nobody ever sees them as files.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_leaves_is_swept() {
    let world = world().await;
    let sinar = tenant("sinar");
    world.put("sinar", "report", &bytes(1000, 1)).await.unwrap();
    let mut writer = world.files.write(&sinar, &name("report"), NewFile::default()).await.unwrap();
    writer.push(&bytes(20 << 20, 1)).await.unwrap();
    // Its drop is what a crash leaves out.
    std::mem::forget(writer);
    assert_eq!(world.objects().len(), 2);
    let reserved = "SELECT sum(reserved)::bigint FROM files.loose";
    assert!(world.count(reserved).await >= 20 << 20);
    assert_eq!(world.files.sweep().await.unwrap(), 0, "it may still be at work");
    world.wait(Duration::from_mins(61));
    assert_eq!(world.files.sweep().await.unwrap(), 1);
    assert_eq!(world.count("SELECT count(*) FROM files.loose").await, 0);
    // What the file system keeps of an upload without its end goes with the look through the store.
    assert_eq!(world.objects().len(), 2);
    world.files.tidy(false).await.unwrap();
    assert_eq!(world.objects().len(), 1);
    assert!(world.get("sinar", "report").await.unwrap() == bytes(1000, 1));
}

/// An upload that was given up does not become a file afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_slept_too_long_is_refused() {
    let world = world().await;
    let sinar = tenant("sinar");
    let mut writer = world.files.write(&sinar, &name("a"), NewFile::default()).await.unwrap();
    writer.push(b"begin").await.unwrap();
    world.wait(Duration::from_mins(50));
    writer.push(b"still there").await.unwrap();
    world.wait(Duration::from_mins(50));
    assert_eq!(world.files.sweep().await.unwrap(), 0, "it said that it lives");
    world.wait(Duration::from_mins(11));
    assert_eq!(world.files.sweep().await.unwrap(), 1);
    assert_eq!(writer.push(b"late").await, Err(FileFault::GivenUp));
    assert_eq!(writer.finish().await, Err(FileFault::GivenUp));
    assert_eq!(world.get("sinar", "a").await, Err(FileFault::Missing));
    world.settle(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_file_stays_for_its_readers_and_then_goes() {
    let world = world().await;
    world.put("sinar", "a", b"first").await.unwrap();
    world.put("sinar", "a", b"second").await.unwrap();
    assert_eq!(world.files.sweep().await.unwrap(), 0);
    assert_eq!(world.objects().len(), 2);
    world.wait(Duration::from_mins(11));
    assert_eq!(world.files.sweep().await.unwrap(), 1);
    assert_eq!(world.objects().len(), 1);
    assert_eq!(world.get("sinar", "a").await.unwrap(), b"second");
}

/// Writing over one's own file again and again does not fill the store: what was replaced counts
/// until its bytes are gone.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_replaced_counts_until_it_is_gone() {
    let world = with(Quota { bytes: 100_000, files: 10 }).await;
    let (first, second) = (bytes(60_000, 1), bytes(30_000, 2));
    world.put("sinar", "a", &first).await.unwrap();
    world.put("sinar", "a", &second).await.unwrap();
    let refused = world.put("sinar", "a", &second).await;
    assert_eq!(refused, Err(FileFault::Bytes { used: 90_000, allowed: 100_000 }));
    world.settle(2).await;
    world.wait(Duration::from_mins(11));
    assert_eq!(world.files.sweep().await.unwrap(), 1);
    world.put("sinar", "a", &second).await.unwrap();
    // What was removed makes room at once.
    world.files.remove(&tenant("sinar"), &name("a"), &Condition::None).await.unwrap();
    world.put("sinar", "b", &first).await.unwrap();
    assert_eq!(world.files.usage(&tenant("sinar")).await.unwrap().used.bytes, 60_000);
}

/// After an older control database was put back, objects lie there that no row knows. In a part of
/// the store that no tenant has they may be somebody else's.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_surely_nobodys_is_tidied_away() {
    let world = world().await;
    world.put("sinar", "a", b"kept").await.unwrap();
    world.put("sinar", "b", b"forgotten").await.unwrap();
    world.sql("DELETE FROM files.files WHERE name = 'b'").await;
    let foreign = world.root().join("0".repeat(32));
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("1".repeat(32)), "another installation's").unwrap();
    let found = world.files.tidy(false).await.unwrap();
    assert_eq!((found.objects, found.removed), (1, 0), "a person decides");
    assert_eq!(world.objects().len(), 3);
    assert_eq!(world.files.tidy(true).await.unwrap().removed, 1);
    assert_eq!(world.objects().len(), 2);
    assert_eq!(world.get("sinar", "a").await.unwrap(), b"kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_renewed_without_touching_the_bytes() {
    let world = world().await;
    let sinar = tenant("sinar");
    for n in 0..3 {
        world.put("sinar", &n.to_string(), b"x").await.unwrap();
    }
    let before = world.objects();
    let done = world.files.reseal(&sinar).await.unwrap();
    assert_eq!((done.moved, done.current, done.left), (3, 0, 0));
    let done = world.files.reseal(&sinar).await.unwrap();
    assert_eq!((done.moved, done.current, done.left), (0, 3, 0));
    assert_eq!(world.objects(), before);
    world.keys.shred(&sinar);
    assert_eq!(world.files.reseal(&sinar).await.unwrap().left, 3);
}

/// Erasing takes everything of one tenant and nothing of another, also what was on its way, and
/// nothing new comes about.
#[tokio::test(flavor = "multi_thread")]
async fn an_erased_tenant_has_nothing_left() {
    let world = world().await;
    let sinar = tenant("sinar");
    for who in ["sinar", "bintang"] {
        world.put(who, "a", &bytes(1000, 1)).await.unwrap();
        world.put(who, "b", &bytes(2000, 1)).await.unwrap();
        world.put(who, "b", &bytes(3000, 1)).await.unwrap();
    }
    let mut writer = world.files.write(&sinar, &name("c"), NewFile::default()).await.unwrap();
    writer.push(&bytes(1000, 1)).await.unwrap();
    world.keys.shred(&sinar);
    let refused = world.files.write(&sinar, &name("d"), NewFile::default()).await.err();
    assert_eq!(refused, Some(FileFault::Shredded));
    let erased = world.files.erase(&sinar).await.unwrap();
    assert_eq!(erased, ErasedFiles { files: 2, bytes: 4000, objects: 3 });
    assert!(writer.finish().await.is_err(), "it came too late");
    world.settle(3).await;
    for table in ["tenants", "files", "loose"] {
        let sql = format!("SELECT count(*) FROM files.{table} WHERE tenant = 'sinar'");
        assert_eq!(world.count(&sql).await, 0, "{table}");
    }
    assert!(world.get("bintang", "b").await.unwrap() == bytes(3000, 1));
    assert_eq!(world.files.erase(&sinar).await.unwrap(), ErasedFiles::default());
}

/// The second wall: the engine's login sees the rows of the tenant that it names, and cannot give
/// anybody more room.
#[tokio::test]
async fn the_engine_sees_one_tenant_at_a_time() {
    let world = world().await;
    world.put("sinar", "a", b"x").await.unwrap();
    world.put("bintang", "a", b"x").await.unwrap();
    let tx = world.db.engine.operator().await.unwrap();
    let count = "SELECT (SELECT count(*) FROM files.files), (SELECT count(*) FROM files.tenants)";
    let row = tx.query_one(count, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (0, 0), "nobody was named");
    tx.execute("SELECT set_config('amanah_files.tenant', 'sinar', true)", &[]).await.unwrap();
    let row = tx.query_one(count, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 1));
    for refused in [
        "UPDATE files.tenants SET max_bytes = 1000000000",
        "UPDATE files.tenants SET prefix = '00000000000000000000000000000000'",
        "DELETE FROM files.tenants",
        "UPDATE files.files SET tenant = 'bintang'",
        "INSERT INTO files.loose VALUES \
         ('00000000000000000000000000000000', 'bintang', 'leaving', 0, now())",
    ] {
        let answer = tx.attempt(refused, &[]).await.unwrap();
        assert!(answer.is_err_and(|error| error.is_denied()), "{refused}");
    }
}
