//! Whole rings in a bucket: two processes, and what they see of each other.

use std::sync::Arc;
use std::time::Instant;

use kernel::{Secret, SystemClock, SystemRng, TenantId, random_hex};
use kms::{FileRoot, Root};

use super::Bucket;
use super::tests::{LATE, PAUSE, settings};
use crate::{Error, KeyName, KeyRef, Keys, Plain, Policy, Sealed, Settings, Spec};

pub(super) struct House {
    _dir: tempfile::TempDir,
    bucket: String,
    root: Arc<dyn Root>,
}

impl House {
    async fn new() -> Self {
        let (dir, root) = root().await;
        Self { _dir: dir, bucket: testkit::moto().bucket(), root }
    }

    /// A handle that shares nothing with another one but the root.
    async fn keys(&self) -> Keys {
        let bucket = Arc::new(Bucket::new(&settings(&self.bucket)).unwrap());
        Self::under(Arc::clone(&self.root), bucket).await.unwrap()
    }

    /// A ring on this shelf, under this root.
    pub(super) async fn under(root: Arc<dyn Root>, bucket: Arc<Bucket>) -> crate::Result<Keys> {
        let settings = Settings {
            installation: "here".to_owned(),
            shelf: bucket,
            root,
            anchors: Vec::new(),
            policy: Policy::default(),
            clock: Arc::new(SystemClock),
            rng: Arc::new(SystemRng),
        };
        Keys::open(settings).await
    }
}

/// A root of its own, which goes with its folder.
pub(super) async fn root() -> (tempfile::TempDir, Arc<dyn Root>) {
    let dir = tempfile::tempdir().unwrap();
    let secret = Secret::new(random_hex(&SystemRng, 16).unwrap());
    let (clock, rng) = (Arc::new(SystemClock), Arc::new(SystemRng));
    let root = FileRoot::create(&dir.path().join("root"), &secret, clock, rng).await.unwrap();
    (dir, Arc::new(root))
}

fn key(tenant: Option<&str>, name: &str) -> KeyRef {
    let tenant = tenant.map(|tenant| TenantId::new(tenant).unwrap());
    KeyRef { tenant, name: KeyName::new(name).unwrap() }
}

/// Both begin at once where there is no ring yet, and then write at the same time.
#[tokio::test]
async fn two_writers_lose_nothing() {
    const CHANGES: usize = 12;
    let house = House::new().await;
    let (one, two) = tokio::join!(house.keys(), house.keys());
    assert_eq!(one.ring().unwrap().generation, 1);
    let write = async |keys: &Keys, word: &str| {
        for n in 0..CHANGES {
            let name = format!("{word}-{n}");
            keys.create(&key(None, &name), &Spec::default()).await.unwrap();
        }
    };
    tokio::join!(write(&one, "a"), write(&two, "b"));
    let third = house.keys().await;
    assert_eq!(third.list().len(), 2 * CHANGES);
    one.refresh().await.unwrap();
    two.refresh().await.unwrap();
    assert_eq!(one.list(), third.list());
    assert_eq!(two.list(), third.list());
}

/// What one process destroys, another that is in use stops opening within seconds.
#[tokio::test]
async fn what_one_destroys_the_other_stops_opening() {
    let house = House::new().await;
    let one = house.keys().await;
    let notes = key(Some("sinar"), "notes");
    one.create(&notes, &Spec::default()).await.unwrap();
    let two = house.keys().await;
    let plain = Plain { text: b"text", context: b"row" };
    let ciphertext = two.encrypt(&notes, &[plain]).unwrap().remove(0);
    one.shred(&TenantId::new("sinar").unwrap()).await.unwrap();

    let late = Instant::now() + LATE;
    let sealed = Sealed { ciphertext: &ciphertext, context: b"row" };
    loop {
        match two.decrypt(&notes, &[sealed]) {
            Ok(mut opened) => match opened.remove(0) {
                Ok(_) => {}
                Err(Error::Shredded { .. }) => break,
                Err(other) => panic!("{other}"),
            },
            Err(Error::Shredded { .. }) => break,
            Err(other) => panic!("{other}"),
        }
        assert!(Instant::now() < late, "it still opens");
        tokio::time::sleep(PAUSE).await;
    }
    assert!(house.keys().await.list().is_empty());
}
