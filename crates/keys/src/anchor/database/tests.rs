//! The anchor on a real PostgreSQL, under the login that the product runs with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernel::{ManualClock, Secret, SystemRng, TenantId, random_hex};
use kms::FileRoot;
use store::Db;
use testkit::TestDb;

use super::DatabaseAnchor;
use crate::{
    Anchor as _, Directory, Head, KeyName, KeyRef, Keys, Policy, ROOM, Settings, Spec, Tombstone,
};

fn head(generation: u64, digest: &str) -> Head {
    Head {
        installation: "here".to_owned(),
        public_key: "ab".repeat(32),
        generation,
        digest: digest.repeat(32),
    }
}

async fn anchor() -> (TestDb, DatabaseAnchor) {
    let db = testkit::database(&[&ROOM]).await;
    let anchor = DatabaseAnchor::new(db.engine.clone());
    (db, anchor)
}

#[tokio::test]
async fn the_newest_generation_is_remembered_whatever_comes_later() {
    let (_db, anchor) = anchor().await;
    assert_eq!(anchor.head().await.unwrap(), None);
    for generation in [3, 7, 5, 7] {
        anchor.advance(&head(generation, "cd"), &[]).await.unwrap();
    }
    assert_eq!(anchor.head().await.unwrap(), Some(head(7, "cd")));
    assert!(anchor.advance(&head(u64::MAX, "cd"), &[]).await.is_err());
}

#[tokio::test]
async fn another_ring_is_refused() {
    let (_db, anchor) = anchor().await;
    anchor.advance(&head(7, "cd"), &[]).await.unwrap();
    let others = [
        head(7, "ce"),
        Head { installation: "there".to_owned(), ..head(8, "cd") },
        Head { public_key: "ba".repeat(32), ..head(8, "cd") },
    ];
    for other in others {
        let error = anchor.advance(&other, &[]).await.unwrap_err().to_string();
        assert!(error.contains("it was left as it is"), "{error}");
    }
    assert_eq!(anchor.head().await.unwrap(), Some(head(7, "cd")));
}

#[tokio::test]
async fn a_tombstone_is_kept_once_and_to_the_nanosecond() {
    let (_db, anchor) = anchor().await;
    let tenant = TenantId::new("sinar").unwrap();
    let stones = [
        Tombstone {
            tenant: Some(tenant),
            ids: vec!["0011223344556677".to_owned(), "8899aabbccddeeff".to_owned()],
            at: "2026-01-01T00:00:00.123456789Z".parse().unwrap(),
        },
        Tombstone { tenant: None, ids: Vec::new(), at: "2026-01-02T00:00:00Z".parse().unwrap() },
    ];
    for generation in [2, 3, 1] {
        anchor.advance(&head(generation, "cd"), &stones).await.unwrap();
    }
    assert_eq!(anchor.tombstones().await.unwrap(), stones);
}

async fn refused(db: &Db, sql: &str) {
    let tx = db.operator().await.unwrap();
    let refusal = tx.attempt(sql, &[]).await.unwrap();
    let error = refusal.err().unwrap_or_else(|| panic!("`{sql}` was let through"));
    assert!(error.is_denied(), "{sql}: {error}");
    tx.rollback().await.unwrap();
}

/// Neither the engine's login nor the owner, not even one who puts triggers to sleep.
#[tokio::test]
async fn nobody_rewrites_what_was_remembered() {
    let (db, anchor) = anchor().await;
    let stone = Tombstone {
        tenant: None,
        ids: vec!["0011223344556677".to_owned()],
        at: "2026-01-01T00:00:00Z".parse().unwrap(),
    };
    anchor.advance(&head(7, "cd"), &[stone]).await.unwrap();
    let replica = db.superuser.operator().await.unwrap();
    replica.batch("SET LOCAL session_replication_role = replica").await.unwrap();
    for table in ["keys.ring_heads", "keys.tombstones"] {
        for sql in [
            format!("UPDATE {table} SET at = at"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table}"),
        ] {
            refused(&db.engine, &sql).await;
            refused(&db.owner, &sql).await;
            assert!(replica.attempt(&sql, &[]).await.unwrap().is_err(), "{sql}");
        }
    }
    replica.rollback().await.unwrap();
    // The server's time is no column that the engine may write.
    let sql = "INSERT INTO keys.ring_heads (generation, installation, public_key, digest, at) \
               VALUES (9, 'here', repeat('ab', 32), repeat('cd', 32), now())";
    refused(&db.engine, sql).await;
    assert_eq!(anchor.head().await.unwrap(), Some(head(7, "cd")));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// It alone notices an older ring, and keeps what was destroyed destroyed when an administrator
/// goes on from that ring.
#[tokio::test]
async fn an_older_ring_is_refused_and_the_destroyed_stays_so() {
    let (db, _) = anchor().await;
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { dir.path().join(name) };
    let secret = Secret::new(random_hex(&SystemRng, 16).unwrap());
    let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
    let rng = Arc::new(SystemRng);
    let root = FileRoot::create(&path("root"), &secret, clock.clone(), rng.clone()).await;
    let root = Arc::new(root.unwrap());
    let settings = |folder: &str| Settings {
        installation: "here".to_owned(),
        shelf: Arc::new(Directory::new(path(folder))),
        root: root.clone(),
        anchors: vec![Arc::new(DatabaseAnchor::new(db.engine.clone()))],
        policy: Policy::default(),
        clock: clock.clone(),
        rng: rng.clone(),
    };
    let keys = Keys::open(settings("ring")).await.unwrap();
    let key = |tenant: &str| KeyRef {
        tenant: Some(TenantId::new(tenant).unwrap()),
        name: KeyName::new("notes").unwrap(),
    };
    for tenant in ["sinar", "bulan"] {
        keys.create(&key(tenant), &Spec::default()).await.unwrap();
    }
    copy(&path("ring"), &path("old"));
    let old = keys.ring().unwrap().generation;
    // Removed, and not shredded with its root generation: the older copy would still open.
    let change = crate::Change { removable: Some(true), ..crate::Change::default() };
    keys.configure(&key("bulan"), &change).await.unwrap();
    keys.create(&key("later"), &Spec::default()).await.unwrap();
    let stone = Tombstone {
        tenant: Some(TenantId::new("bulan").unwrap()),
        ids: Vec::new(),
        at: "2026-01-01T00:00:00.000000001Z".parse().unwrap(),
    };
    let head = DatabaseAnchor::new(db.engine.clone());
    let newest = head.head().await.unwrap().unwrap();
    assert_eq!(newest.generation, keys.ring().unwrap().generation);
    head.advance(&newest, std::slice::from_ref(&stone)).await.unwrap();
    drop(keys);

    let refusal = Keys::open(settings("old")).await.err().unwrap().to_string();
    assert!(refusal.contains("older"), "{refusal}");
    let keys = Keys::accept(settings("old"), old).await.unwrap();
    let left: Vec<_> = keys.list().into_iter().map(|card| card.key).collect();
    assert_eq!(left, [key("sinar")]);
    assert_eq!(keys.ring().unwrap().tombstones, [stone]);
    assert!(keys.ring().unwrap().generation > newest.generation);
    // The other copy is the older one now.
    assert!(Keys::open(settings("ring")).await.is_err());
    assert!(Keys::open(settings("old")).await.is_ok());
}
