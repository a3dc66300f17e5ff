//! The anchor on a real PostgreSQL, under the login that the product runs with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernel::{ManualClock, Secret, SystemRng, TenantId, random_hex};
use kms::FileRoot;
use store::Db;
use testkit::TestDb;

use super::DatabaseAnchor;
use crate::wrapping::signer;
use crate::{
    Anchor as _, Buried, Directory, Error, FileAnchor, Head, KeyName, KeyRef, Keys, Policy, ROOM,
    Settings, Spec, Tombstone,
};

/// A head that the ring's key has signed; `seed` makes the key.
fn by(seed: u8, installation: &str, generation: u64, digest: &str) -> Head {
    let key = signer(&cipher::Material::new([seed; 32])).unwrap();
    Head::sign(installation, (generation, &digest.repeat(32)), &key).unwrap()
}

fn head(generation: u64, digest: &str) -> Head {
    by(7, "here", generation, digest)
}

fn buried(tombstone: Tombstone) -> Buried {
    let key = signer(&cipher::Material::new([7; 32])).unwrap();
    Buried::sign(tombstone, "here", &key).unwrap()
}

async fn anchor() -> (TestDb, DatabaseAnchor) {
    let db = testkit::database(&[&ROOM]).await;
    let anchor = DatabaseAnchor::new(db.engine.clone());
    (db, anchor)
}

#[tokio::test]
async fn the_newest_generation_is_remembered_whatever_comes_later() {
    let (_db, anchor) = anchor().await;
    assert_eq!(anchor.heads().await.unwrap(), []);
    for generation in [3, 7, 5, 7] {
        anchor.advance(&head(generation, "cd"), &[]).await.unwrap();
    }
    assert_eq!(anchor.heads().await.unwrap(), [head(7, "cd")]);
    assert!(anchor.advance(&head(u64::MAX, "cd"), &[]).await.is_err());
}

#[tokio::test]
async fn another_ring_of_the_same_generation_is_refused() {
    let (_db, anchor) = anchor().await;
    anchor.advance(&head(7, "cd"), &[]).await.unwrap();
    let error = anchor.advance(&head(7, "ce"), &[]).await.unwrap_err().to_string();
    assert!(error.contains("it was left as it is"), "{error}");
    assert_eq!(anchor.heads().await.unwrap(), [head(7, "cd")]);
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
    ]
    .map(buried);
    for generation in [2, 3, 1] {
        anchor.advance(&head(generation, "cd"), &stones).await.unwrap();
    }
    assert_eq!(anchor.buried().await.unwrap(), stones);
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
    anchor.advance(&head(7, "cd"), &[buried(stone)]).await.unwrap();
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
    let sql = "INSERT INTO keys.ring_heads \
                   (generation, installation, public_key, digest, signature, at) \
               VALUES (9, 'here', repeat('ab', 32), repeat('cd', 32), repeat('ef', 64), now())";
    refused(&db.engine, sql).await;
    assert_eq!(anchor.heads().await.unwrap(), [head(7, "cd")]);
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

/// A ring in a folder whose only anchor, or one of whose anchors, is this database.
struct House {
    db: TestDb,
    dir: tempfile::TempDir,
    root: Arc<FileRoot>,
    clock: Arc<ManualClock>,
}

impl House {
    async fn new() -> Self {
        let db = testkit::database(&[&ROOM]).await;
        let dir = tempfile::tempdir().unwrap();
        let secret = Secret::new(random_hex(&SystemRng, 16).unwrap());
        let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
        let (path, rng) = (dir.path().join("root"), Arc::new(SystemRng));
        let root = FileRoot::create(&path, &secret, clock.clone(), rng).await;
        Self { db, dir, root: Arc::new(root.unwrap()), clock }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn settings(&self, folder: &str) -> Settings {
        Settings {
            installation: "here".to_owned(),
            shelf: Arc::new(Directory::new(self.path(folder))),
            root: self.root.clone(),
            anchors: vec![Arc::new(DatabaseAnchor::new(self.db.engine.clone()))],
            policy: Policy::default(),
            clock: self.clock.clone(),
            rng: Arc::new(SystemRng),
        }
    }

    /// As [`House::settings`], with an anchor in a file beside.
    fn with_file(&self, folder: &str) -> Settings {
        let mut settings = self.settings(folder);
        settings.anchors.push(Arc::new(FileAnchor::new(self.path("head"))));
        settings
    }

    /// Writes rows as somebody would who got into the database as Amanah's own login.
    async fn plant(&self, sql: &str) {
        let tx = self.db.engine.operator().await.unwrap();
        tx.batch(sql).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn plant_head(&self, head: &Head) {
        let Head { installation, public_key, generation, digest, signature } = head;
        self.plant(&format!(
            "INSERT INTO keys.ring_heads (generation, installation, public_key, digest, signature) \
             VALUES ({generation}, '{installation}', '{public_key}', '{digest}', '{signature}')"
        ))
        .await;
    }
}

fn key(tenant: &str) -> KeyRef {
    KeyRef { tenant: Some(TenantId::new(tenant).unwrap()), name: KeyName::new("notes").unwrap() }
}

/// It alone notices an older ring, and keeps what was destroyed destroyed when an administrator
/// goes on from that ring.
#[tokio::test]
async fn an_older_ring_is_refused_and_the_destroyed_stays_so() {
    let house = House::new().await;
    let keys = Keys::open(house.settings("ring")).await.unwrap();
    for tenant in ["sinar", "bulan"] {
        keys.create(&key(tenant), &Spec::default()).await.unwrap();
    }
    copy(&house.path("ring"), &house.path("old"));
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
    let anchor = DatabaseAnchor::new(house.db.engine.clone());
    let newest = anchor.heads().await.unwrap().remove(0);
    assert_eq!(newest.generation, keys.ring().unwrap().generation);
    let seed = keys.snapshot().unwrap().seed.0.clone();
    let signed = Buried::sign(stone.clone(), "here", &signer(&seed).unwrap()).unwrap();
    anchor.advance(&newest, &[signed]).await.unwrap();
    drop(keys);

    let refusal = Keys::open(house.settings("old")).await.err().unwrap().to_string();
    assert!(refusal.contains("older"), "{refusal}");
    let keys = Keys::accept(house.settings("old"), old).await.unwrap();
    let left: Vec<_> = keys.list().into_iter().map(|card| card.key).collect();
    assert_eq!(left, [key("sinar")]);
    assert_eq!(keys.ring().unwrap().tombstones, [stone]);
    assert!(keys.ring().unwrap().generation > newest.generation);
    // The other copy is the older one now.
    assert!(Keys::open(house.settings("ring")).await.is_err());
    assert!(Keys::open(house.settings("old")).await.is_ok());
}

/// Whoever may add rows destroys nothing and stops nothing with what the ring's key did not sign.
#[tokio::test]
async fn rows_that_the_ring_did_not_sign_are_passed_over() {
    let house = House::new().await;
    let keys = Keys::open(house.settings("ring")).await.unwrap();
    keys.create(&key("sinar"), &Spec::default()).await.unwrap();
    let anchor = DatabaseAnchor::new(house.db.engine.clone());
    let mine = anchor.heads().await.unwrap().remove(0).public_key;
    drop(keys);
    let head = |generation: u64, digest: &str| {
        let public_key = mine.clone();
        Head { public_key, signature: "00".repeat(64), ..by(9, "here", generation, digest) }
    };
    // A generation that never was, more than a page of them, the next one that will be written,
    // and rings of other keys that sign for themselves, one with the highest number there is.
    for generation in [3, u64::try_from(i64::MAX).unwrap()].into_iter().chain(500..650) {
        house.plant_head(&head(generation, "ab")).await;
    }
    house.plant_head(&by(9, "here", u64::try_from(i64::MAX).unwrap(), "ab")).await;
    house.plant_head(&by(8, "there", 1, "ab")).await;
    let forger = signer(&cipher::Material::new([9; 32])).unwrap();
    let stone = Tombstone {
        tenant: key("sinar").tenant,
        ids: Vec::new(),
        at: "2026-01-01T00:00:00Z".parse().unwrap(),
    };
    let planted = Buried::sign(stone, "here", &forger).unwrap();
    for (tenant, at) in [
        ("sinar", "2026-01-01T00:00:00Z"),
        ("sinar", "2026-99-99T99:99:99Z"),
        ("no tenant of ours\t", "2026-01-01T00:00:00Z"),
    ] {
        house
            .plant(&format!(
                "INSERT INTO keys.tombstones (tenant, ids, at, signature) \
                 VALUES ('{tenant}', '{{}}', '{at}', '{}')",
                planted.signature
            ))
            .await;
    }

    let keys = Keys::open(house.settings("ring")).await.unwrap();
    assert_eq!(keys.list().len(), 1, "nothing was destroyed");
    let said = keys.ring().unwrap().passed.join("\n");
    for word in ["nobody signed", "other rings as well", "destructions that this ring did not sign"]
    {
        assert!(said.contains(word), "{said}");
    }
    let reading = |name| keys.readings().into_iter().find(|r| r.name == name).unwrap().value;
    assert_eq!(reading("keys_forged_memories"), 3);
    // The generation that was taken beforehand is remembered all the same.
    keys.create(&key("bulan"), &Spec::default()).await.unwrap();
    let newest = keys.ring().unwrap().generation;
    assert_eq!(newest, 3);
    let seen = anchor.heads().await.unwrap();
    assert!(seen.iter().any(|head| head.verifies() && head.generation == newest));
    drop(keys);
    // And what was destroyed by the ring is destroyed.
    let keys = Keys::open(house.settings("ring")).await.unwrap();
    keys.shred(&TenantId::new("sinar").unwrap()).await.unwrap();
    let seen = anchor.buried().await.unwrap();
    assert_eq!(seen.iter().filter(|buried| buried.verifies("here", &mine)).count(), 1);
}

/// A database that knows nothing but another ring refuses this one. An administrator goes on where
/// the file beside the ring knows better, and nowhere else.
#[tokio::test]
async fn a_planted_ring_stops_a_start_and_no_administrator() {
    let house = House::new().await;
    // The database is lost and another one in its place, where somebody was first.
    house.plant_head(&by(9, "here", 9, "ab")).await;
    let only_file = || {
        let mut settings = house.with_file("ring");
        settings.anchors.remove(0);
        settings
    };
    let keys = Keys::open(only_file()).await.unwrap();
    keys.create(&key("sinar"), &Spec::default()).await.unwrap();
    let snapshot = keys.snapshot().unwrap();
    drop(keys);
    let refused = Keys::open(house.with_file("ring")).await.err().unwrap().to_string();
    assert!(refused.contains("signed by another key"), "{refused}");
    // The database alone has nobody to outvote it.
    assert!(Keys::accept(house.settings("ring"), 2).await.is_err());
    assert!(Keys::rebuild(house.settings("ring"), &snapshot, false).await.is_err());
    let keys = Keys::accept(house.with_file("ring"), 2).await.unwrap();
    let ring = keys.ring().unwrap();
    assert_eq!(ring.generation, 3, "the other ring's number counts for nothing");
    assert!(ring.passed.join("").contains("knows other rings alone"), "{:?}", ring.passed);
    drop(keys);
    let keys = Keys::open(house.with_file("ring")).await.unwrap();
    assert_eq!(keys.list().len(), 1);
    drop(keys);

    // A forger who wraps with the root, has his ring on the shelf and writes to the database, is
    // noticed by the file, and no administrator takes that ring in unawares.
    let forged = Keys::open(Settings { anchors: Vec::new(), ..house.settings("forged") });
    house.plant_head(&forged.await.unwrap().signed().unwrap().0).await;
    assert!(Keys::open(house.settings("forged")).await.is_ok(), "the database alone is deceived");
    assert!(Keys::open(house.with_file("forged")).await.is_err());
    assert!(Keys::accept(house.with_file("forged"), 1).await.is_err());
    // With the shares in their hands, administrators are obeyed.
    let keys = Keys::rebuild(house.settings("fresh"), &snapshot, true).await.unwrap();
    assert_eq!(keys.list().len(), 1);
}

/// Two writers of one generation: the second is refused, also when both come at once.
#[tokio::test]
async fn one_generation_has_one_ring() {
    let (_db, anchor) = anchor().await;
    for generation in 1..=10 {
        let (one, two) = (head(generation, "aa"), head(generation, "bb"));
        let both = tokio::join!(anchor.advance(&one, &[]), anchor.advance(&two, &[]));
        assert!(both.0.is_ok() ^ both.1.is_ok(), "{generation}");
        let lost = if both.0.is_ok() { both.1 } else { both.0 };
        assert!(matches!(lost, Err(Error::Ring { .. })), "{lost:?}");
    }
}
