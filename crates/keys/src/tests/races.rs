//! Processes that write the ring at the same time, and see what the others wrote.

use std::sync::Arc;

use kernel::{ManualClock, SystemRng};

use super::world::{START, World, house, made, of, opens, sealed};
use crate::{Directory, FileAnchor, Keys, Policy, Settings, Spec};

/// How many changes each of two writers makes.
const CHANGES: usize = 200;

/// Nothing is lost, whoever wins which race: in memory, and between handles on a folder as two
/// processes have them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_lose_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let world = World::new();
    let handle = || async {
        let settings = Settings {
            installation: "house".to_owned(),
            shelf: Arc::new(Directory::new(scratch.path().join("ring"))),
            root: Arc::clone(&world.root) as _,
            anchors: vec![Arc::new(FileAnchor::new(scratch.path().join("head")))],
            policy: Policy::default(),
            clock: Arc::new(ManualClock::at(START.parse().unwrap())),
            rng: Arc::new(SystemRng),
        };
        Keys::open(settings).await.unwrap()
    };
    let (one, two) = (handle().await, handle().await);
    let write = |keys: Keys, who: &'static str| async move {
        for n in 0..CHANGES {
            keys.create(&of(who, &format!("key{n}")), &Spec::default()).await.unwrap();
        }
    };
    let (first, second) = (one.clone(), two.clone());
    let writing = tokio::spawn(write(first, "one"));
    write(second, "two").await;
    writing.await.unwrap();
    for keys in [one, two, handle().await] {
        assert_eq!(keys.list().len(), 2 * CHANGES);
        let generation = keys.ring().unwrap().generation;
        assert_eq!(generation, 1 + 2 * CHANGES as u64, "each change is a generation");
    }
}

/// What another process wrote holds with the next use of a key: versions, clients, destruction.
#[tokio::test]
async fn another_process_is_seen_at_once() {
    let world = World::new();
    let (serving, other) = (world.open().await.unwrap(), world.open().await.unwrap());
    let (key, gone) = (of("a", "orders"), of("b", "orders"));
    let text = made(&other, &key).await;
    let lost = made(&other, &gone).await;
    opens(&serving, &key, &text).unwrap();
    other.rotate(&key).await.unwrap();
    assert_eq!(sealed(&serving, &key).version, 2);
    other.shred(gone.tenant.as_ref().unwrap()).await.unwrap();
    let refused = opens(&serving, &gone, &lost);
    assert!(matches!(refused, Err(crate::Error::Shredded { .. })), "{refused:?}");
    opens(&serving, &key, &text).unwrap();
}

/// With the root away, what another process wrote under a new ring key is taken in as far as it
/// can be: destroyed keys are gone, the others go on with the versions that are open here.
#[tokio::test]
async fn an_outage_of_the_root_stops_nobody() {
    let world = World::new();
    let (serving, other) = (world.open().await.unwrap(), world.open().await.unwrap());
    let (key, gone) = (of("a", "orders"), of("b", "orders"));
    let text = made(&other, &key).await;
    let lost = made(&other, &gone).await;
    opens(&serving, &key, &text).unwrap();
    other.shred(gone.tenant.as_ref().unwrap()).await.unwrap();
    other.rotate_all(&|_| {}).await.unwrap();
    let newer = sealed(&other, &key);
    world.root.go(true);
    assert!(matches!(opens(&serving, &gone, &lost), Err(crate::Error::Shredded { .. })));
    opens(&serving, &key, &text).unwrap();
    assert_eq!(sealed(&serving, &key).version, 1);
    let closed = opens(&serving, &key, &newer);
    assert!(matches!(closed, Err(crate::Error::Root(kms::Error::Unavailable { .. }))));
    assert!(serving.refresh().await.is_err());
    assert!(serving.rotate(&key).await.is_err(), "what needs the root fails closed");
    world.root.go(false);
    serving.refresh().await.unwrap();
    opens(&serving, &key, &newer).unwrap();
    assert_eq!(sealed(&serving, &key).version, 2);
}

/// What is due is rotated and what is pending is finished without anybody asking.
#[tokio::test]
async fn the_job_keeps_keys_young() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let key = house("orders");
    made(&keys, &key).await;
    world.pass(60);
    let rotated = async {
        while sealed(&keys, &key).version == 1 {
            tokio::task::yield_now().await;
        }
    };
    crate::jobs::keep(&keys, std::time::Duration::from_hours(1), rotated).await;
    assert_eq!(keys.card(&key).unwrap().versions.len(), 2);
}

/// The house's key is the model for a tenant's, made once however many ask at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_key_is_made_once() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let key = of("a", "orders");
    let missing = keys.ensure(&key).await;
    assert!(matches!(missing, Err(crate::Error::Unknown(_))));
    let spec = Spec { needs_context: true, ..Spec::default() };
    keys.create(&house("orders"), &spec).await.unwrap();
    let before = keys.ring().unwrap().generation;
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let (keys, key) = (keys.clone(), key.clone());
            tokio::spawn(async move { keys.ensure(&key).await.unwrap() })
        })
        .collect();
    for asked in asking {
        asked.await.unwrap();
    }
    assert_eq!(keys.ring().unwrap().generation, before + 1);
    assert_eq!(keys.card(&key).unwrap().spec, spec);
}
