//! Rotation by age, and what it touches.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::world::{World, house, made, of, opens, sealed};
use crate::document::Document;
use crate::{Change, KeyRef, Purpose, Spec};

fn newest(world: &World) -> Document {
    Document::read(world.shelf.copy().last_key_value().unwrap().1).unwrap()
}

/// What is due is rotated, what is not is left, and each rotation puts a new key-encryption key
/// above: the old one is in the ring no more.
#[tokio::test]
async fn what_is_due_is_rotated() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let (old, slow, files) = (house("old"), house("slow"), of("a", "files"));
    let text = made(&keys, &old).await;
    made(&keys, &slow).await;
    keys.create(&files, &Spec { purpose: Purpose::Files, ..Spec::default() }).await.unwrap();
    let year =
        Change { rotate_after: Some(SignedDuration::from_hours(24 * 365)), ..Change::default() };
    keys.configure(&slow, &year).await.unwrap();
    assert_eq!(keys.rotate_due().await.unwrap(), []);
    let before = newest(&world);
    world.pass(59);
    assert_eq!(keys.rotate_due().await.unwrap(), []);
    let young = house("young");
    made(&keys, &young).await;
    world.pass(1);
    assert_eq!(keys.rotate_due().await.unwrap(), [old.clone(), files.clone()]);
    opens(&keys, &old, &text).unwrap();
    assert_eq!(sealed(&keys, &old).version, 2);
    let after = newest(&world);
    let above = |document: &Document| {
        document.key_encryption_keys.iter().map(|kek| kek.id).collect::<BTreeSet<_>>()
    };
    assert!(above(&before).is_disjoint(&above(&after)));
    assert_eq!(keys.card(&old).unwrap().wrapped_by.version, 2);
    assert_ne!(before.ring_key.id, after.ring_key.id, "the ring's own key was due too");
    assert_eq!(before.ring_key.wrapped.generation, after.ring_key.wrapped.generation);
    assert_eq!(keys.ring().unwrap().ring_key_made_at, "2026-03-02T00:00:00Z".parse().unwrap());
    assert_eq!(keys.rotate_due().await.unwrap(), []);
    opens(&world.open().await.unwrap(), &old, &text).unwrap();
}

/// While the root does not answer, keys are rotated all the same; only the ring's own key waits.
#[tokio::test]
async fn the_root_is_needed_for_the_ring_key_alone() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let key = house("old");
    let text = made(&keys, &key).await;
    world.pass(100);
    world.root.go(true);
    assert!(matches!(keys.rotate_due().await, Err(crate::Error::Root(_))));
    assert_eq!(sealed(&keys, &key).version, 2);
    opens(&keys, &key, &text).unwrap();
    world.root.go(false);
    assert_eq!(keys.rotate_due().await.unwrap(), []);
    assert_eq!(keys.ring().unwrap().ring_key_made_at, keys.card(&key).unwrap().wrapped_by.made_at);
}

/// A rotation writes the ring and nothing else: its size does not depend on how much was
/// encrypted, and it touches the keys under one key-encryption key alone.
#[tokio::test]
async fn rotation_touches_one_tenant_alone() {
    const TENANTS: usize = 200;
    let world = World::new();
    let keys = world.open().await.unwrap();
    keys.create(&house("orders"), &Spec::default()).await.unwrap();
    let all: Vec<KeyRef> = (0..TENANTS).map(|n| of(&format!("t{n}"), "orders")).collect();
    for key in &all {
        keys.ensure(key).await.unwrap();
    }
    let before = newest(&world);
    let texts: Vec<_> = all.iter().map(|key| sealed(&keys, key)).collect();
    keys.rotate(&all[7]).await.unwrap();
    let after = newest(&world);
    assert_eq!(after.generation, before.generation + 1);
    let changed = |a: &crate::document::Key, b: &crate::document::Key| {
        a.versions.iter().zip(&b.versions).any(|(a, b)| a.sealed != b.sealed)
    };
    let touched = before.keys.iter().zip(&after.keys).filter(|(a, b)| changed(a, b));
    assert_eq!(touched.map(|(a, _)| a.key()).collect::<Vec<_>>(), [all[7].clone()]);
    for (key, text) in all.iter().zip(&texts) {
        opens(&keys, key, text).unwrap();
    }
}

/// The emergency leaves nothing as it was, tells how far it came, and every text opens.
#[tokio::test]
async fn the_emergency_replaces_everything() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let names = [house("a"), house("b"), of("t", "a")];
    let mut texts = Vec::new();
    for key in &names {
        texts.push(made(&keys, key).await);
    }
    let before = newest(&world);
    let steps = std::sync::Mutex::new(Vec::new());
    let watch = |progress: crate::Progress| {
        steps.lock().unwrap().push((progress.done, progress.total));
    };
    assert_eq!(keys.rotate_all(&watch).await.unwrap(), names);
    assert_eq!(*steps.lock().unwrap(), [(0, 3), (1, 3), (2, 3), (3, 3)]);
    let after = newest(&world);
    assert_ne!(before.ring_key.wrapped.generation, after.ring_key.wrapped.generation);
    assert!(after.pending.is_empty());
    for (key, text) in names.iter().zip(&texts) {
        opens(&keys, key, text).unwrap();
        assert_eq!(sealed(&keys, key).version, 2);
    }
    assert_eq!(world.shelf.copy().len(), 1, "older copies are gone");
}
