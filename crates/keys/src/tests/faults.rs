//! Every step of what changes the ring fails once: before its effect and after it, for a moment
//! and for good. What was persisted, and what comes of it, is a table.

use std::fmt::Write as _;

use kernel::TenantId;

use super::world::{World, house, made, of, opens, sealed};
use crate::{Ciphertext, Error, Keys, Result};

/// What is in the ring before anything fails.
struct Before {
    world: World,
    keys: Keys,
    house: Ciphertext,
    doomed: Ciphertext,
    spared: Ciphertext,
    copy: std::collections::BTreeMap<u64, Vec<u8>>,
}

async fn before() -> Before {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let house_text = made(&keys, &house("orders")).await;
    let doomed = made(&keys, &of("a", "orders")).await;
    let spared = made(&keys, &of("b", "orders")).await;
    let copy = world.shelf.copy();
    Before { world, keys, house: house_text, doomed, spared, copy }
}

/// Whether the doomed tenant's text still opens. Everybody else's must.
fn holds(before: &Before, keys: &Keys) -> bool {
    opens(keys, &house("orders"), &before.house).unwrap();
    opens(keys, &of("b", "orders"), &before.spared).unwrap();
    match opens(keys, &of("a", "orders"), &before.doomed) {
        Ok(()) => true,
        Err(Error::Shredded { .. }) => false,
        Err(other) => panic!("{other}"),
    }
}

/// Runs `act` with a fault at each step, and gives a line for each.
async fn table(
    act: impl AsyncFn(&Keys) -> Result<()>,
    judge: impl AsyncFn(&Before, &Keys, bool) -> &'static str,
) -> String {
    let mut lines = String::new();
    for crash in [false, true] {
        for effect in [false, true] {
            for at in 0.. {
                let before = before().await;
                before.world.fuse.arm(at, effect, crash);
                let done = act(&before.keys).await.is_ok();
                let Some(step) = before.world.fuse.disarm() else { break };
                let keys =
                    if crash { before.world.open().await.unwrap() } else { before.keys.clone() };
                keys.refresh().await.unwrap();
                let outcome = judge(&before, &keys, done).await;
                assert_eq!(keys.ring().unwrap().pending, Vec::<String>::new(), "{at} {step}");
                let (fault, when) = (if crash { "crash" } else { "outage" }, ["before", "after"]);
                let said = if done { "done" } else { "error" };
                let when = when[usize::from(effect)];
                writeln!(lines, "{at:>2} {fault:<6} {when:<6} {step:<17} {said:<5} {outcome}")
                    .unwrap();
            }
        }
    }
    lines
}

/// Whatever fails: the tenant's keys are there or destroyed for good, nobody else's are touched,
/// and trying again finishes it.
#[tokio::test]
async fn destruction_is_all_or_nothing() {
    let tenant = TenantId::new("a").unwrap();
    let lines = table(
        async |keys| keys.shred(&tenant).await.map(drop),
        async |before, keys, done| {
            let held = holds(before, keys);
            assert!(!(done && held), "it said that it was done");
            keys.shred(&tenant).await.unwrap();
            assert!(!holds(before, keys));
            // An older copy of the ring on another machine, with the same root: it has no
            // anchors, and does not open.
            let elsewhere =
                World { root: std::sync::Arc::clone(&before.world.root), ..World::new() };
            elsewhere.shelf.put_back(before.copy.clone());
            let Err(Error::Root(kms::Error::Destroyed(_))) = elsewhere.open().await else {
                panic!("an older copy opened")
            };
            if held { "nothing changed" } else { "destroyed" }
        },
    )
    .await;
    insta::assert_snapshot!("destruction", lines);
}

/// Whatever fails: the key has its new version or has not, and both encrypt and open.
#[tokio::test]
async fn rotation_is_all_or_nothing() {
    let lines = table(
        async |keys| keys.rotate(&of("a", "orders")).await.map(drop),
        async |before, keys, done| {
            assert!(holds(before, keys));
            let versions = keys.card(&of("a", "orders")).unwrap().versions.len();
            assert!(versions == 2 || !done);
            let fresh = sealed(keys, &of("a", "orders"));
            assert_eq!(fresh.version as usize, versions);
            let again = before.world.open().await.unwrap();
            opens(&again, &of("a", "orders"), &fresh).unwrap();
            if versions == 1 { "nothing changed" } else { "rotated" }
        },
    )
    .await;
    insta::assert_snapshot!("rotation", lines);
}

/// Whatever fails: everything is under a new generation of the root, or nothing is.
#[tokio::test]
async fn the_emergency_is_all_or_nothing() {
    let lines = table(
        async |keys| keys.rotate_all(&|_| {}).await.map(drop),
        async |before, keys, done| {
            assert!(holds(before, keys));
            let counts: Vec<_> = keys.list().iter().map(|card| card.versions.len()).collect();
            let rotated = counts == [2, 2, 2];
            assert!(rotated || (counts == [1, 1, 1] && !done), "{counts:?}");
            let destroyed = !before.world.root.memory.lock().unwrap().destroyed.is_empty();
            assert_eq!(rotated, destroyed, "the old generation goes with the rotation");
            if rotated { "rotated" } else { "nothing changed" }
        },
    )
    .await;
    insta::assert_snapshot!("emergency", lines);
}

/// Whatever fails while the first ring is made: the next start opens what is there or makes one.
#[tokio::test]
async fn the_first_ring_is_made_once() {
    let mut lines = String::new();
    for effect in [false, true] {
        for at in 0.. {
            let world = World::new();
            world.fuse.arm(at, effect, true);
            let made = world.open().await.is_ok();
            let Some(step) = world.fuse.disarm() else { break };
            let first = world.shelf.copy();
            let keys = world.open().await.unwrap();
            let said = if made { "done" } else { "error" };
            let outcome = match first.get(&1) {
                Some(bytes) => {
                    assert_eq!(world.shelf.copy().get(&1), Some(bytes), "it is not made anew");
                    "made"
                }
                None => "nothing",
            };
            assert_eq!(keys.ring().unwrap().generation, 1);
            let when = if effect { "after" } else { "before" };
            writeln!(lines, "{at:>2} {when:<6} {step:<17} {said:<5} {outcome}").unwrap();
        }
    }
    insta::assert_snapshot!("first", lines);
}
