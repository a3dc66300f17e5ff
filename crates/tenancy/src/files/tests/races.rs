//! Many at once: quotas hold, and what is read or written is never a mixture.

use std::sync::Arc;

use kernel::{Condition, FileFault, NewFile, Quota, TenantFiles as _};

use super::world::{World, bytes, name, tenant, with, world};

/// A commit waits until whoever holds this lock lets go of it.
const SLOW_COMMIT: &str = "
CREATE FUNCTION files.slow() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER slow AFTER INSERT OR UPDATE ON files.files
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION files.slow()";
/// How many sessions wait for a lock.
const WAITING: &str = "
SELECT count(DISTINCT w.pid)
  FROM pg_locks w JOIN pg_locks h ON h.pid = w.pid JOIN pg_database d ON d.oid = h.database
 WHERE d.datname = current_database() AND NOT w.granted";
/// How many others are in a transaction that has touched something here.
const WORKING: &str = "
SELECT count(DISTINCT h.pid)
  FROM pg_locks h JOIN pg_database d ON d.oid = h.database
 WHERE d.datname = current_database() AND h.pid <> pg_backend_pid()";

/// Ten write at once, and there is room for three.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_more_than_his_quota() {
    let world = Arc::new(with(Quota { bytes: 3_500_000, files: 1000 }).await);
    for length in [Some(1_000_000), None] {
        let write = |n: usize| {
            let world = Arc::clone(&world);
            async move {
                let file = NewFile { bytes: length, ..NewFile::default() };
                let whose = tenant(if length.is_some() { "sinar" } else { "bintang" });
                let mut writer =
                    world.files.write(&whose, &name(&format!("file {n}")), file).await?;
                for piece in bytes(1_000_000, 1).chunks(100_000) {
                    writer.push(piece).await?;
                    tokio::task::yield_now().await;
                }
                writer.finish().await
            }
        };
        let tasks: Vec<_> = (0..10).map(|n| tokio::spawn(write(n))).collect();
        let mut kept = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => kept += 1,
                Err(FileFault::Bytes { used, allowed }) => {
                    assert_eq!(allowed, 3_500_000);
                    assert!(used <= allowed, "{used}");
                }
                Err(other) => panic!("{other}"),
            }
        }
        // Those of unknown length take more in advance than they need, so fewer may get through.
        assert!(if length.is_some() { kept == 3 } else { (1..=3).contains(&kept) }, "{kept}");
    }
    let held = world.count("SELECT max(used_bytes) FROM files.tenants").await;
    assert!(held <= 3_500_000, "{held}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_more_files_than_he_may() {
    let world = Arc::new(with(Quota { bytes: 64 << 20, files: 5 }).await);
    let write = |n: usize| {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.put("sinar", &format!("file {n}"), b"x").await })
    };
    let tasks: Vec<_> = (0..12).map(write).collect();
    let mut kept = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => kept += 1,
            Err(error) => assert_eq!(error, FileFault::Files { used: 5, allowed: 5 }),
        }
    }
    assert_eq!(kept, 5);
    // A file that takes the place of another is none more, and a removed one makes room.
    let listing = kernel::Listing { limit: 1, ..kernel::Listing::default() };
    let page = world.files.list(&tenant("sinar"), listing).await.unwrap();
    let first = page.files[0].name.clone();
    assert!(world.put("sinar", first.as_str(), b"y").await.unwrap().replaced);
    world.files.remove(&tenant("sinar"), &first, &Condition::None).await.unwrap();
    world.put("sinar", "another", b"x").await.unwrap();
    assert!(world.put("sinar", "one more", b"x").await.is_err());
    // And another tenant has room of its own, also more than others.
    for n in 0..5 {
        world.put("bintang", &n.to_string(), b"x").await.unwrap();
    }
    world.files.set_quota(&tenant("bintang"), None, Some(6)).await.unwrap();
    world.put("bintang", "5", b"x").await.unwrap();
    assert_eq!(world.files.usage(&tenant("bintang")).await.unwrap().allowed.files, 6);
    // What is not said stays.
    let changed = world.files.change_quota(&tenant("bintang"), Some(7), None).await.unwrap();
    assert_eq!(changed.allowed, Quota { bytes: 7, files: 6 });
    let changed = world.files.change_quota(&tenant("bintang"), None, Some(8)).await.unwrap();
    assert_eq!((changed.allowed, changed.own), (Quota { bytes: 7, files: 8 }, true));
}

/// Readers and writers of one name: what is read is always the whole of what somebody wrote.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_writer_wins_as_a_whole() {
    let world: Arc<World> = Arc::new(world().await);
    world.put("sinar", "shared", &vec![0; 1_500_000]).await.unwrap();
    let write = |seed: u8| {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let length = 1_500_000 + usize::from(seed);
            world.put("sinar", "shared", &vec![seed; length]).await.unwrap()
        })
    };
    let read = |_| {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.get("sinar", "shared").await.unwrap() })
    };
    let (writes, reads): (Vec<_>, Vec<_>) =
        ((1..6).map(write).collect(), (0..8).map(read).collect());
    let is_whole = |read: &[u8]| {
        let seed = read[0];
        read.len() == 1_500_000 + usize::from(seed) && read.iter().all(|byte| *byte == seed)
    };
    for task in reads {
        assert!(is_whole(&task.await.unwrap()));
    }
    for task in writes {
        task.await.unwrap();
    }
    assert!(is_whole(&world.get("sinar", "shared").await.unwrap()));
    let used = world.files.usage(&tenant("sinar")).await.unwrap().used;
    let card = world.files.find(&tenant("sinar"), &name("shared")).await.unwrap();
    assert_eq!((used.files, used.bytes), (1, card.bytes));
}

/// A writer that goes away while its file is being named does not know whether it was. When it was,
/// the file stands: its bytes are not those of an upload that was given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_nobody_waits_for_destroys_no_file() {
    for commits in [true, false] {
        let world = world().await;
        world.put("sinar", "report", b"first").await.unwrap();
        world.sql(SLOW_COMMIT).await;
        let hold = world.db.owner.operator().await.unwrap();
        hold.query("SELECT pg_advisory_xact_lock(4711)", &[]).await.unwrap();
        let (sinar, report) = (tenant("sinar"), name("report"));
        let mut writer = world.files.write(&sinar, &report, NewFile::default()).await.unwrap();
        writer.push(b"second").await.unwrap();
        let finish = tokio::spawn(writer.finish());
        world.until(WAITING, 1).await;
        finish.abort();
        assert!(finish.await.unwrap_err().is_cancelled());
        // What cleans up behind it waits for the commit.
        world.until(WAITING, 2).await;
        if !commits {
            let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks \
                        WHERE locktype = 'advisory' AND NOT granted";
            let tx = world.db.superuser.operator().await.unwrap();
            assert_eq!(tx.query_one(kill, &[]).await.unwrap().get::<_, i64>(0), 1);
        }
        hold.rollback().await.unwrap();
        world.until("SELECT count(*) FROM files.loose WHERE state = 'arriving'", 0).await;
        if !commits {
            // It was undone, so it was no file, and goes.
            world.settle(1).await;
            assert_eq!(world.get("sinar", "report").await.unwrap(), b"first");
            continue;
        }
        // What cleans up is in a transaction since it began to wait, so it is done when that is over.
        world.until(WORKING, 0).await;
        let rows = "SELECT count(*) FROM files.loose l JOIN files.files f USING (object)";
        assert_eq!(world.count(rows).await, 0);
        assert_eq!(world.get("sinar", "report").await.unwrap(), b"second");
        assert_eq!(world.objects().len(), 2);
    }
}

/// A row that says of a file that it is nobody's is not believed.
#[tokio::test]
async fn the_sweep_removes_no_file() {
    let world = world().await;
    world.put("sinar", "report", b"first").await.unwrap();
    world
        .sql(
            "INSERT INTO files.loose (object, tenant, state, reserved, since) \
             SELECT object, tenant, 'leaving', 0, '2000-01-01' FROM files.files",
        )
        .await;
    assert_eq!(world.files.sweep().await.unwrap(), 0);
    assert_eq!(world.get("sinar", "report").await.unwrap(), b"first");
}

/// Who reads a file that is replaced meanwhile gets the one that he began.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_goes_on_with_what_he_began() {
    let world = world().await;
    let old = bytes(3 << 20, 1);
    world.put("sinar", "report", &old).await.unwrap();
    let mut reader = world.files.read(&tenant("sinar"), &name("report")).await.unwrap();
    let mut read = reader.next(0..u64::MAX).await.unwrap().to_vec();
    world.put("sinar", "report", b"new").await.unwrap();
    while read.len() < old.len() {
        read.extend_from_slice(&reader.next(read.len() as u64..u64::MAX).await.unwrap());
    }
    assert!(read == old);
    assert_eq!(world.get("sinar", "report").await.unwrap(), b"new");
}
