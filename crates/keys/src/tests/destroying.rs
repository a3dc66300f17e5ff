//! Destruction is final: whatever older copies are put back, nothing opens.

use std::sync::Arc;

use kernel::TenantId;
use kms::Destruction;

use super::world::{TestRoot, World, house, made, of, opens};
use crate::{Change, Error, Keys, Settings, Spec};

fn tenant(id: &str) -> TenantId {
    TenantId::new(id).unwrap()
}

#[tokio::test]
async fn a_tenants_keys_are_gone_for_good() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let (gone, kept) = (of("a", "orders"), of("b", "orders"));
    let (lost, text) = (made(&keys, &gone).await, made(&keys, &kept).await);
    made(&keys, &of("a", "prices")).await;
    made(&keys, &house("orders")).await;
    keys.rotate(&gone).await.unwrap();
    let older = world.shelf.copy();
    let done = keys.shred(&tenant("a")).await.unwrap();
    assert_eq!((done.keys, done.versions), (2, 3));
    assert_eq!(done.destruction, Some(Destruction::Done));
    assert_eq!(done.remains.len(), 5, "{:?}", done.remains);
    assert!(matches!(opens(&keys, &gone, &lost), Err(Error::Shredded { at }) if at == done.at));
    opens(&keys, &kept, &text).unwrap();
    // The tenant gets no new keys, however they are asked for.
    for refused in [
        keys.ensure(&gone).await,
        keys.create(&of("a", "new"), &Spec::default()).await.map(drop),
        keys.rotate(&gone).await.map(drop),
        keys.card(&gone).map(drop),
    ] {
        assert!(matches!(refused, Err(Error::Shredded { .. })), "{refused:?}");
    }
    assert_eq!(world.shelf.copy().len(), 1, "older copies are removed");
    // To do it again is no error, and says when it was done.
    assert_eq!(keys.shred(&tenant("a")).await.unwrap().at, done.at);

    // The older copy is put back. This process knows better.
    world.shelf.put_back(older.clone());
    assert!(keys.refresh().await.is_err());
    assert!(keys.rotate(&kept).await.is_err(), "nothing is written over it");
    opens(&keys, &kept, &text).unwrap();
    assert!(matches!(opens(&keys, &gone, &lost), Err(Error::Shredded { .. })));
    // So does the anchor, when this process is gone; and without the anchor, the root.
    let refused = world.open().await.err().unwrap();
    assert!(refused.to_string().contains("an older copy was put back"), "{refused}");
    world.anchor.memory.lock().unwrap().0 = None;
    let refused = world.open().await;
    assert!(matches!(refused, Err(Error::Root(kms::Error::Destroyed(_)))));
    assert_eq!(world.shelf.copy(), older, "nothing was overwritten");
}

/// A tenant that is gone before it had a key gets none later, and the root has nothing to do with it.
#[tokio::test]
async fn a_tenant_without_keys_never_gets_any() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let kept = of("b", "orders");
    let text = made(&keys, &kept).await;
    let older = world.shelf.copy();
    let done = keys.shred(&tenant("a")).await.unwrap();
    assert_eq!((done.keys, done.versions, done.destruction), (0, 0, Some(Destruction::Done)));
    assert_eq!(keys.shred(&tenant("a")).await.unwrap().at, done.at, "it is done once");
    let kept_all = older.keys().all(|generation| world.shelf.copy().contains_key(generation));
    assert!(kept_all, "older copies hold nothing that was destroyed, and are kept");
    drop(keys);
    let keys = world.open().await.unwrap();
    opens(&keys, &kept, &text).unwrap();
    let fresh = of("a", "orders");
    for refused in
        [keys.ensure(&fresh).await, keys.create(&of("a", "new"), &Spec::default()).await.map(drop)]
    {
        assert!(matches!(refused, Err(Error::Shredded { at }) if at == done.at), "{refused:?}");
    }
}

/// Somebody brings the root's old generation back and an older ring with it: what the anchors
/// remember is destroyed again, in memory at once and in the ring with it.
#[tokio::test]
async fn tombstones_bury_what_comes_back() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let (gone, kept) = (of("a", "orders"), of("b", "orders"));
    let (lost, text) = (made(&keys, &gone).await, made(&keys, &kept).await);
    let older = world.shelf.copy();
    let number = *older.last_key_value().unwrap().0;
    keys.shred(&tenant("a")).await.unwrap();
    let before = keys.ring().unwrap().generation;
    drop(keys);
    world.root.revive();
    world.shelf.put_back(older.clone());
    let Err(refused) = world.open().await else { panic!("an older ring was opened") };
    assert!(refused.to_string().contains("amanah keys accept"), "{refused}");
    let keys = Keys::accept(world.settings(), number).await.unwrap();
    assert!(keys.ring().unwrap().generation > before);
    assert!(matches!(opens(&keys, &gone, &lost), Err(Error::Shredded { .. })));
    opens(&keys, &kept, &text).unwrap();
    assert_eq!(keys.ring().unwrap().pending, Vec::<String>::new());
    // And the copy is worth nothing again.
    let elsewhere = World { root: Arc::clone(&world.root), ..World::new() };
    elsewhere.shelf.put_back(older);
    assert!(matches!(elsewhere.open().await, Err(Error::Root(kms::Error::Destroyed(_)))));
    opens(&world.open().await.unwrap(), &kept, &text).unwrap();
    let missing = Keys::accept(world.settings(), 999).await;
    assert!(matches!(missing, Err(Error::Ring { .. })));
}

/// The statement names what could still bring the keys back, and until when.
#[tokio::test]
async fn what_remains_is_said() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    made(&keys, &of("a", "orders")).await;
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    keys.note_kit("kit-1", at, 2, 3).await.unwrap();
    let until = "2026-01-08T00:00:00Z".parse().unwrap();
    world.root.memory.lock().unwrap().until = Some(until);
    world.pass(1);
    let done = keys.shred(&tenant("a")).await.unwrap();
    assert_eq!(done.destruction, Some(Destruction::Scheduled(until)));
    insta::assert_snapshot!(done.remains.join("\n"));
    let beforehand = keys.would_remain().join("\n");
    assert!(beforehand.contains("kit-1") && beforehand.contains("on this machine"), "{beforehand}");
    // Asked again, it says the same, until the day has come.
    let again = keys.shred(&tenant("a")).await.unwrap();
    assert_eq!(again.destruction, Some(Destruction::Scheduled(until)));
    // The day has come, and the root does not say that it is done.
    world.pass(30);
    let before = keys.ring().unwrap().generation;
    let again = keys.shred(&tenant("a")).await.unwrap();
    assert_eq!(again.destruction, None);
    keys.refresh().await.unwrap();
    let ring = keys.ring().unwrap();
    assert_eq!((ring.generation, ring.scheduled.len()), (before, 1), "nothing is written for it");
    world.root.memory.lock().unwrap().until = None;
    let again = keys.shred(&tenant("a")).await.unwrap();
    assert_eq!(again.destruction, Some(Destruction::Done));
    assert!(keys.ring().unwrap().scheduled.is_empty());
}

/// Somebody calls the old generation back before its day: when that has come, it is destroyed
/// again, and is not forgotten before the root says that it is gone.
#[tokio::test]
async fn what_was_called_back_is_destroyed_again() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    made(&keys, &of("a", "orders")).await;
    let older = world.shelf.copy();
    world.root.memory.lock().unwrap().until = Some("2026-01-08T00:00:00Z".parse().unwrap());
    keys.shred(&tenant("a")).await.unwrap();
    world.root.revive();
    world.root.memory.lock().unwrap().until = Some("2026-01-15T00:00:00Z".parse().unwrap());
    world.pass(7);
    keys.refresh().await.unwrap();
    let ring = keys.ring().unwrap();
    assert!(ring.scheduled[0].contains("2026-01-15"), "{:?}", ring.scheduled);
    let elsewhere = World { root: Arc::clone(&world.root), ..World::new() };
    elsewhere.shelf.put_back(older);
    assert!(matches!(elsewhere.open().await, Err(Error::Root(kms::Error::Destroyed(_)))));
    world.root.memory.lock().unwrap().until = None;
    world.pass(7);
    world.root.go(true);
    keys.refresh().await.unwrap();
    assert_eq!(keys.ring().unwrap().scheduled.len(), 1, "an outage is no answer");
    world.root.go(false);
    world.root.refuse_to_destroy(true);
    keys.refresh().await.unwrap();
    assert_eq!(keys.ring().unwrap().scheduled.len(), 1, "nor is a refusal");
    world.root.refuse_to_destroy(false);
    keys.refresh().await.unwrap();
    assert!(keys.ring().unwrap().scheduled.is_empty());
}

/// A clock that is ahead hides no kit; one that was destroyed is named no more.
#[tokio::test]
async fn each_kit_is_named_until_it_is_destroyed() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    made(&keys, &of("a", "orders")).await;
    let ahead = "2026-02-01T00:00:00Z".parse().unwrap();
    for id in ["kit-1", "kit-2"] {
        keys.note_kit(id, ahead, 2, 3).await.unwrap();
    }
    assert!(keys.forget_kit("kit-1").await.unwrap());
    assert!(!keys.forget_kit("kit-1").await.unwrap());
    let kits = keys.ring().unwrap().kits;
    assert!(kits.len() == 1 && kits[0].starts_with("kit-2"), "{kits:?}");
    let said = keys.shred(&tenant("a")).await.unwrap().remains.join("\n");
    assert!(said.contains("Recovery kit kit-2") && !said.contains("kit-1"), "{said}");
    assert_eq!(world.open().await.unwrap().ring().unwrap().kits, kits);
}

/// The root is away when an older copy brings destroyed keys back: they are gone from memory, the
/// destruction is owed and shown, nothing is written without it, and it is done with the root.
#[tokio::test]
async fn an_owed_destruction_is_not_forgotten() {
    for write in [false, true] {
        let world = World::new();
        let keys = world.open().await.unwrap();
        let (gone, kept) = (of("a", "orders"), of("b", "orders"));
        let (lost, text) = (made(&keys, &gone).await, made(&keys, &kept).await);
        let older = world.shelf.copy();
        keys.shred(&tenant("a")).await.unwrap();
        drop(keys);
        // An older ring, its root generation and an older head are put back.
        world.root.revive();
        world.shelf.put_back(older.clone());
        world.anchor.memory.lock().unwrap().0 = None;
        world.root.refuse_to_roll(true);
        let keys = world.open().await.unwrap();
        assert!(matches!(opens(&keys, &gone, &lost), Err(Error::Shredded { .. })));
        assert_eq!(keys.ring().unwrap().pending, ["g1"]);
        assert_eq!(keys.shred(&tenant("a")).await.unwrap().destruction, None);
        assert!(keys.rotate(&kept).await.is_err(), "a ring that says it was done would be a lie");
        assert_eq!(world.shelf.copy(), older);
        world.root.refuse_to_roll(false);
        if write {
            keys.rotate(&kept).await.unwrap();
        }
        keys.refresh().await.unwrap();
        assert_eq!(keys.ring().unwrap().pending, Vec::<String>::new());
        opens(&keys, &kept, &text).unwrap();
        let elsewhere = World { root: Arc::clone(&world.root), ..World::new() };
        elsewhere.shelf.put_back(older);
        assert!(matches!(elsewhere.open().await, Err(Error::Root(kms::Error::Destroyed(_)))));
        let again = world.open().await.unwrap();
        assert_eq!(again.ring().unwrap().tombstones.len(), 1);
        assert!(matches!(opens(&again, &gone, &lost), Err(Error::Shredded { .. })));
    }
}

/// The root goes away in the middle: the keys are gone, it says that older copies still open, and
/// the next refresh finishes it.
#[tokio::test]
async fn an_unfinished_destruction_is_finished() {
    for at in 0.. {
        let world = World::new();
        let keys = world.open().await.unwrap();
        let key = of("a", "orders");
        let lost = made(&keys, &key).await;
        world.fuse.arm(at, false, true);
        let done = keys.shred(&tenant("a")).await;
        if world.fuse.disarm() != Some("root.destroy") {
            continue;
        }
        let done = done.unwrap();
        assert_eq!(done.destruction, None);
        assert!(done.remains.join("").contains("could still be opened"));
        assert_eq!(keys.ring().unwrap().pending.len(), 1);
        assert!(matches!(opens(&keys, &key, &lost), Err(Error::Shredded { .. })));
        keys.refresh().await.unwrap();
        assert_eq!(keys.ring().unwrap().pending.len(), 0);
        assert_eq!(world.root.memory.lock().unwrap().destroyed.len(), 1);
        return;
    }
}

/// With the root away from the beginning nothing is destroyed, and everything goes on.
#[tokio::test]
async fn without_the_root_nothing_is_destroyed() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let key = of("a", "orders");
    let text = made(&keys, &key).await;
    let before = world.shelf.copy();
    world.root.go(true);
    assert!(keys.shred(&tenant("a")).await.is_err());
    assert!(keys.rotate_all(&|_| {}).await.is_err());
    assert_eq!(world.shelf.copy(), before);
    opens(&keys, &key, &text).unwrap();
}

/// A root that goes on wrapping under its old generation is noticed before anything is written.
#[tokio::test]
async fn a_root_that_does_not_roll_is_noticed() {
    struct Stuck(Arc<TestRoot>);
    impl kms::Root for Stuck {
        fn place(&self) -> kms::Place {
            self.0.place()
        }
        fn current(&self) -> kernel::Fut<'_, kms::Result<kms::Generation>> {
            self.0.current()
        }
        fn wrap<'a>(
            &'a self,
            key: &'a cipher::Material,
            context: &'a cipher::Context,
        ) -> kernel::Fut<'a, kms::Result<kms::Wrapped>> {
            self.0.wrap(key, context)
        }
        fn unwrap<'a>(
            &'a self,
            key: &'a kms::Wrapped,
            context: &'a cipher::Context,
        ) -> kernel::Fut<'a, kms::Result<cipher::Material>> {
            self.0.unwrap(key, context)
        }
        fn roll(&self) -> kernel::Fut<'_, kms::Result<kms::Generation>> {
            self.0.current()
        }
        fn disable<'a>(&'a self, g: &'a kms::Generation) -> kernel::Fut<'a, kms::Result<()>> {
            self.0.disable(g)
        }
        fn destroy<'a>(
            &'a self,
            generation: &'a kms::Generation,
        ) -> kernel::Fut<'a, kms::Result<Destruction>> {
            self.0.destroy(generation)
        }
    }
    let world = World::new();
    let root = Arc::new(Stuck(Arc::clone(&world.root)));
    let keys = Keys::open(Settings { root, ..world.settings() }).await.unwrap();
    let key = of("a", "orders");
    let text = made(&keys, &key).await;
    let before = world.shelf.copy();
    let refused = keys.shred(&tenant("a")).await.err().unwrap();
    assert!(refused.to_string().contains("still wraps under its old generation"), "{refused}");
    assert_eq!(world.shelf.copy(), before);
    opens(&keys, &key, &text).unwrap();
}

/// A removed key is gone like a shredded one, and what it encrypted says so.
#[tokio::test]
async fn a_removed_key_is_gone_for_good() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let key = house("orders");
    let lost = made(&keys, &key).await;
    let older = world.shelf.copy();
    let removable = Change { removable: Some(true), ..Change::default() };
    keys.configure(&key, &removable).await.unwrap();
    keys.remove(&key).await.unwrap();
    assert!(matches!(keys.card(&key), Err(Error::Unknown(_))));
    assert!(matches!(opens(&keys, &key, &lost), Err(Error::Shredded { .. })));
    // The name may be used again; the old texts stay closed.
    let text = made(&keys, &key).await;
    opens(&keys, &key, &text).unwrap();
    assert!(matches!(opens(&keys, &key, &lost), Err(Error::Shredded { .. })));
    let elsewhere = World { root: Arc::clone(&world.root), ..World::new() };
    elsewhere.shelf.put_back(older);
    assert!(matches!(elsewhere.open().await, Err(Error::Root(kms::Error::Destroyed(_)))));
}
