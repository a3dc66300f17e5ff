//! The bucket against S3 as moto plays it, and against a store in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bucket::{Credentials, Settings};
use futures_util::TryStreamExt as _;
use kernel::{Secret, SystemRng, random_hex};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};

use super::Bucket;
use super::careless::Careless;
use super::rings::{House, root};
use crate::{Error, KeyName, KeyRef, Shelf as _, Spec};

/// What has not come by then does not come.
pub(super) const LATE: Duration = Duration::from_secs(30);
/// Between two looks.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

pub(super) fn settings(bucket: &str) -> Settings {
    Settings {
        url: format!("s3://{bucket}/house/keys"),
        endpoint: Some(testkit::moto().endpoint()),
        region: Some("ap-southeast-3".to_owned()),
        credentials: Some(Credentials {
            access_key_id: "test".to_owned(),
            secret_access_key: Secret::new(random_hex(&SystemRng, 8).unwrap()),
            session_token: None,
        }),
    }
}

/// Two handles on one bucket of S3, which share no memory.
fn s3() -> (Bucket, Bucket) {
    let bucket = testkit::moto().bucket();
    let open = || Bucket::new(&settings(&bucket)).unwrap();
    (open(), open())
}

/// Two handles on one store in memory.
fn memory() -> (Bucket, Bucket) {
    let store = Arc::new(InMemory::new());
    let folder = Path::from("house/keys");
    let open = || Bucket::over(store.clone(), folder.clone(), "memory".to_owned());
    (open(), open())
}

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

#[tokio::test]
async fn generations_are_created_once_and_the_newest_is_found() {
    for (one, two) in [s3(), memory()] {
        assert_eq!(one.newest().await.unwrap(), None);
        assert!(one.put(1, bytes("a")).await.unwrap());
        assert!(!two.put(1, bytes("b")).await.unwrap(), "the second writer lost");
        assert!(two.put(2, bytes("b")).await.unwrap());
        assert!(one.put(3, bytes("c")).await.unwrap());
        assert_eq!(two.newest().await.unwrap(), Some((3, bytes("c"))));
        assert_eq!(two.read(1).await.unwrap(), Some(bytes("a")));
        assert_eq!(two.read(4).await.unwrap(), None);
        two.prune(3).await.unwrap();
        two.prune(3).await.unwrap();
        assert_eq!(one.read(2).await.unwrap(), None);
        assert_eq!(one.newest().await.unwrap(), Some((3, bytes("c"))));
    }
}

/// A repetition after a lost answer finds its own object there, which is no defeat.
#[tokio::test]
async fn the_same_bytes_again_are_the_same_write() {
    for (one, two) in [s3(), memory()] {
        assert!(one.put(1, bytes("a")).await.unwrap());
        assert!(one.put(1, bytes("a")).await.unwrap());
        assert!(two.put(2, bytes("b")).await.unwrap());
        assert!(one.put(3, bytes("c")).await.unwrap());
        assert!(two.put(2, bytes("b")).await.unwrap(), "also when somebody went on from it");
    }
}

/// A writer that slept while others wrote and pruned finds its number free, and has lost.
#[tokio::test]
async fn a_place_that_others_passed_is_not_taken() {
    for (one, two) in [s3(), memory()] {
        for number in 1..=5 {
            assert!(one.put(number, bytes("a")).await.unwrap());
        }
        one.prune(5).await.unwrap();
        assert!(!two.put(3, bytes("b")).await.unwrap());
        assert_eq!(two.read(3).await.unwrap(), None);
        assert_eq!(two.newest().await.unwrap(), Some((5, bytes("a"))));
    }
}

#[tokio::test]
async fn one_of_two_writers_wins_each_number() {
    for (one, two) in [s3(), memory()] {
        for number in 1..=10 {
            let (a, b) = tokio::join!(one.put(number, bytes("a")), two.put(number, bytes("b")));
            assert!(a.unwrap() ^ b.unwrap(), "{number}");
        }
    }
}

/// Newer generations are noticed within the time for which an answer serves, also when the next
/// one was pruned already.
#[tokio::test]
async fn newer_generations_are_noticed() {
    for (one, two) in [s3(), memory()] {
        assert!(!one.has_after(0).await.unwrap());
        assert!(one.put(1, bytes("a")).await.unwrap());
        let asked = Instant::now();
        assert!(!one.has_after(1).await.unwrap());
        for number in 2..=4 {
            assert!(two.put(number, bytes("b")).await.unwrap());
        }
        two.prune(4).await.unwrap();
        let answer = one.has_after(1).await.unwrap();
        assert!(!answer || asked.elapsed() >= super::FRESH, "one request a second is enough");
        assert!(one.has_after(2).await.unwrap(), "another question is another answer");
        let late = Instant::now() + LATE;
        while !one.has_after(1).await.unwrap() {
            assert!(Instant::now() < late, "it was not noticed");
            tokio::time::sleep(PAUSE).await;
        }
        assert!(!two.has_after(4).await.unwrap());
    }
}

/// A use of a key does not wait, and soon sees what another process wrote.
#[tokio::test]
async fn a_glance_brings_what_is_newer() {
    for (one, two) in [s3(), memory()] {
        assert!(one.put(1, bytes("a")).await.unwrap());
        assert_eq!(one.glance(1).unwrap(), None);
        assert!(two.put(2, bytes("b")).await.unwrap());
        let late = Instant::now() + LATE;
        let newer = loop {
            if let Some(newer) = one.glance(1).unwrap() {
                break newer;
            }
            assert!(Instant::now() < late, "it was not noticed");
            tokio::time::sleep(PAUSE).await;
        };
        assert_eq!(newer, (2, bytes("b")));
        assert_eq!(one.glance(2).unwrap(), None, "what is known already is not given again");
    }
}

#[tokio::test]
async fn what_is_not_ours_in_the_folder_is_left_alone() {
    let store = Arc::new(InMemory::new());
    let bucket = Bucket::over(store.clone(), Path::from("k"), "memory".to_owned());
    let others = ["k/ring-1", "k/ring-000000000000000x", "k/sub/ring-0000000000000009", "k/notes"];
    for other in others {
        store.put(&Path::from(other), bytes("x").into()).await.unwrap();
    }
    assert_eq!(bucket.newest().await.unwrap(), None);
    assert!(bucket.put(1, bytes("a")).await.unwrap());
    assert!(bucket.put(2, bytes("b")).await.unwrap());
    bucket.prune(2).await.unwrap();
    for other in others {
        assert!(store.head(&Path::from(other)).await.is_ok(), "{other}");
    }
    assert_eq!(bucket.newest().await.unwrap(), Some((2, bytes("b"))));
    assert!(bucket.put(10_u64.pow(16), bytes("z")).await.is_err(), "names must sort");
    let all: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert_eq!(all.len(), others.len() + 2, "the newest generation, and what shows conditions");
}

#[tokio::test]
async fn an_outage_and_a_missing_bucket_are_told_apart() {
    let missing = Bucket::new(&settings("no-such-bucket")).unwrap();
    for error in
        [missing.newest().await.unwrap_err(), missing.put(1, bytes("a")).await.unwrap_err()]
    {
        assert!(error.to_string().contains("no such bucket"), "{error}");
    }
    // A port that was free a moment ago, and on which nobody listens.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = Some(format!("http://{free}"));
    let gone = Bucket::new(&Settings { endpoint, ..settings("house") }).unwrap();
    for error in [gone.newest().await.unwrap_err(), gone.has_after(1).await.unwrap_err()] {
        assert!(error.to_string().contains("does not answer"), "{error}");
    }
}

#[test]
fn settings_that_cannot_be_used_are_refused() {
    let refused =
        Bucket::new(&Settings { url: "s3://".to_owned(), ..settings("b") }).err().unwrap();
    let Error::Ring { place, why } = refused else { panic!("{refused}") };
    assert_eq!((&*place, &*why), ("s3://", "it names no bucket; correct the settings"));
}

/// A service that answers every write with yes is found out before anything of the ring is written
/// there, also when the ring is asked and not the bucket, and each time.
#[tokio::test]
async fn a_service_that_passes_over_conditions_is_refused() {
    let store = Arc::new(Careless::default());
    let open = || Bucket::over(store.clone(), Path::from("k"), "careless".to_owned());
    let bucket = open();
    for number in 1..=2 {
        let error = bucket.put(number, bytes("a")).await.unwrap_err();
        assert!(matches!(error, Error::Careless { .. }), "{error}");
        assert!(error.to_string().contains("If-None-Match"), "{error}");
    }
    let (_dir, root) = root().await;
    let ring = async |bucket| House::under(Arc::clone(&root), Arc::new(bucket)).await;
    for _ in 0..2 {
        let refused = ring(open()).await.err().unwrap();
        assert!(matches!(refused, Error::Careless { .. }), "{refused}");
        assert_eq!(open().newest().await.unwrap(), None, "no ring lies there");
    }
    // A ring that was brought there opens, and is not changed.
    let good = Bucket::over(Arc::new(InMemory::new()), Path::from("k"), "good".to_owned());
    drop(ring(good.clone()).await.unwrap());
    let (number, whole) = good.newest().await.unwrap().unwrap();
    store.put(&open().object(number), whole.into()).await.unwrap();
    let keys = ring(open()).await.unwrap();
    let key = KeyRef { tenant: None, name: KeyName::new("notes").unwrap() };
    let refused = keys.create(&key, &Spec::default()).await.err().unwrap();
    assert!(matches!(refused, Error::Careless { .. }), "{refused}");
    assert_eq!(open().newest().await.unwrap().unwrap().0, number, "nothing was written");
    assert!(keys.list().is_empty());
}
