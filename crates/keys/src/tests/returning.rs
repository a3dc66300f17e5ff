//! Going on after a loss: what was destroyed, dismissed or begun does not come back by it.

use std::sync::Arc;

use kernel::TenantId;

use super::world::{TestRoot, World, made, of, opens};
use crate::{Client, Error, Keys, Operation, Reach, Settings, Standing};

fn tenant(id: &str) -> TenantId {
    TenantId::new(id).unwrap()
}

/// Without any anchor: the settings of a machine that knows nothing.
fn bare(world: &World) -> Settings {
    Settings { anchors: Vec::new(), ..world.settings() }
}

/// The anchors are lost, and the newest ring, whose root is out of reach, says what was destroyed:
/// neither an older ring nor a kit brings it back.
#[tokio::test]
async fn the_newest_ring_is_believed_about_what_was_destroyed() {
    let world = World::new();
    let keys = Keys::open(bare(&world)).await.unwrap();
    let (gone, kept) = (of("a", "orders"), of("b", "orders"));
    let (lost, text) = (made(&keys, &gone).await, made(&keys, &kept).await);
    let snapshot = keys.snapshot().unwrap();
    let older = world.shelf.copy();
    let number = *older.last_key_value().unwrap().0;
    keys.note_kit("kit-1", "2026-01-01T00:00:00Z".parse().unwrap(), 2, 3).await.unwrap();
    keys.shred(&tenant("a")).await.unwrap();
    let newest = world.shelf.copy();
    drop(keys);
    let judge = |keys: &Keys| {
        assert!(matches!(opens(keys, &gone, &lost), Err(Error::Shredded { .. })));
        opens(keys, &kept, &text).unwrap();
        let ring = keys.ring().unwrap();
        assert_eq!((ring.tombstones.len(), ring.kits.len()), (1, 1));
        assert_eq!(ring.pending, Vec::<String>::new());
        assert!(ring.generation > *newest.last_key_value().unwrap().0);
    };
    // An older copy lies beside it, and the root's old generation was brought back.
    let both: std::collections::BTreeMap<_, _> =
        older.clone().into_iter().chain(newest.clone()).collect();
    world.root.revive();
    world.shelf.put_back(both.clone());
    judge(&Keys::accept(bare(&world), number).await.unwrap());
    let elsewhere = World { root: Arc::clone(&world.root), ..World::new() };
    elsewhere.shelf.put_back(older);
    let refused = Keys::open(bare(&elsewhere)).await;
    assert!(matches!(refused, Err(Error::Root(kms::Error::Destroyed(_)))), "{:?}", refused.err());

    // A kit, with the root that is there, and with another one.
    for same in [true, false] {
        let other = || Arc::new(TestRoot::new(Arc::clone(&world.fuse)));
        let root = if same { Arc::clone(&world.root) } else { other() };
        world.root.revive();
        world.shelf.put_back(newest.clone());
        let settings = || Settings { root: Arc::clone(&root) as _, ..bare(&world) };
        judge(&Keys::rebuild(settings(), &snapshot, false).await.unwrap());
        judge(&Keys::open(settings()).await.unwrap());
        let closed = matches!(Keys::open(bare(&elsewhere)).await, Err(Error::Root(_)));
        assert_eq!(closed, same, "of another root nothing is known here");
    }
}

/// The newest generation is torn; the one before it, which is not the accepted one, still says
/// what was destroyed.
#[tokio::test]
async fn a_torn_ring_hides_no_destruction() {
    let world = World::new();
    let keys = Keys::open(bare(&world)).await.unwrap();
    let gone = of("a", "orders");
    let lost = made(&keys, &gone).await;
    let mut files = world.shelf.copy();
    keys.shred(&tenant("a")).await.unwrap();
    files.extend(world.shelf.copy());
    drop(keys);
    let newest = *files.last_key_value().unwrap().0;
    files.insert(newest + 1, b"torn".to_vec());
    world.shelf.put_back(files);
    world.root.revive();
    let keys = Keys::accept(bare(&world), 2).await.unwrap();
    assert!(matches!(opens(&keys, &gone, &lost), Err(Error::Shredded { .. })));
    assert!(keys.ring().unwrap().generation > newest + 1);
}

/// The accepted ring lies under a generation that is to go, and was called back for it: it is
/// written under another one, so that the old one can go when its day comes.
#[tokio::test]
async fn an_accepted_ring_does_not_lie_under_what_is_to_go() {
    let world = World::new();
    let keys = Keys::open(bare(&world)).await.unwrap();
    let kept = of("b", "orders");
    let text = made(&keys, &kept).await;
    let mut files = world.shelf.copy();
    let until = "2026-01-08T00:00:00Z".parse().unwrap();
    world.root.memory.lock().unwrap().until = Some(until);
    keys.rotate_all(&|_| {}).await.unwrap();
    drop(keys);
    files.extend(world.shelf.copy());
    world.shelf.put_back(files);
    world.root.revive();
    let keys = Keys::accept(bare(&world), 2).await.unwrap();
    world.root.memory.lock().unwrap().until = None;
    world.pass(10);
    keys.refresh().await.unwrap();
    let ring = keys.ring().unwrap();
    assert_eq!((ring.pending.len(), ring.scheduled.len()), (0, 0), "{ring:?}");
    opens(&Keys::open(bare(&world)).await.unwrap(), &kept, &text).unwrap();
}

/// A destruction that the root had not finished when the ring was lost is finished by the kit's.
#[tokio::test]
async fn a_kit_carries_what_the_root_has_not_finished() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    made(&keys, &of("a", "orders")).await;
    made(&keys, &of("b", "orders")).await;
    let older = world.shelf.copy();
    world.root.refuse_to_destroy(true);
    assert_eq!(keys.shred(&tenant("a")).await.unwrap().destruction, None);
    let snapshot = keys.snapshot().unwrap();
    drop(keys);
    world.shelf.put_back([].into());
    world.root.refuse_to_destroy(false);
    let elsewhere = World { root: Arc::clone(&world.root), ..World::new() };
    elsewhere.shelf.put_back(older.clone());
    assert!(elsewhere.open().await.is_ok(), "the older ring opens as yet");
    let keys = Keys::rebuild(world.settings(), &snapshot, false).await.unwrap();
    assert_eq!(keys.ring().unwrap().pending, Vec::<String>::new());
    elsewhere.shelf.put_back(older);
    *elsewhere.anchor.memory.lock().unwrap() = Default::default();
    assert!(matches!(elsewhere.open().await, Err(Error::Root(kms::Error::Destroyed(_)))));
    // The same for what has a day on which it takes effect.
    world.root.memory.lock().unwrap().until = Some("2026-01-08T00:00:00Z".parse().unwrap());
    keys.rotate_all(&|_| {}).await.unwrap();
    let snapshot = keys.snapshot().unwrap();
    drop(keys);
    world.shelf.put_back([].into());
    let keys = Keys::rebuild(world.settings(), &snapshot, false).await.unwrap();
    assert_eq!(keys.ring().unwrap().scheduled, ["g2 until 2026-01-08T00:00:00Z"]);
}

/// What was destroyed after the kit was made lies in older rings under the generation that the
/// root still has: that one goes as well.
#[tokio::test]
async fn a_recovery_closes_older_rings_of_the_same_root() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let gone = of("a", "orders");
    let lost = made(&keys, &gone).await;
    let kept = made(&keys, &of("b", "orders")).await;
    let (older, snapshot) = (world.shelf.copy(), keys.snapshot().unwrap());
    // The anchor knows, and neither ring nor root got so far.
    let (head, _) = keys.signed().unwrap();
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    let stone = crate::Tombstone { tenant: Some(tenant("a")), ids: Vec::new(), at };
    let signer = crate::wrapping::signer(&snapshot.seed.0).unwrap();
    let stone = crate::Buried::sign(stone, "house", &signer).unwrap();
    crate::Anchor::advance(world.anchor.as_ref(), &head, &[stone]).await.unwrap();
    drop(keys);
    world.shelf.put_back([].into());
    let keys = Keys::rebuild(world.settings(), &snapshot, false).await.unwrap();
    assert!(matches!(opens(&keys, &gone, &lost), Err(Error::Shredded { .. })));
    opens(&keys, &of("b", "orders"), &kept).unwrap();
    let elsewhere = World { root: Arc::clone(&world.root), ..World::new() };
    elsewhere.shelf.put_back(older);
    assert!(matches!(elsewhere.open().await, Err(Error::Root(kms::Error::Destroyed(_)))));
}

/// A token that was dismissed does not work again by a kit; by an older ring it does, and whoever
/// accepts that can list it.
#[tokio::test]
async fn dismissed_clients_do_not_come_back_unseen() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let client = Client {
        name: "shop".to_owned(),
        keys: vec!["orders".to_owned()],
        operations: [Operation::Decrypt].into(),
        reach: Reach::All,
        databases: [].into(),
        expires_at: None,
    };
    let token = keys.admit(client).await.unwrap();
    let (older, snapshot) = (world.shelf.copy(), keys.snapshot().unwrap());
    let text = String::from_utf8(snapshot.to_bytes().unwrap().to_vec()).unwrap();
    assert!(!text.contains("shop"), "no client is in a kit");
    let number = keys.ring().unwrap().generation;
    assert!(keys.dismiss("shop").await.unwrap());
    drop(keys);
    world.shelf.put_back([].into());
    let keys = Keys::rebuild(world.settings(), &snapshot, false).await.unwrap();
    assert!(keys.client(&token).is_none() && keys.clients().is_empty());
    drop(keys);
    world.shelf.put_back(older);
    let keys = Keys::accept(world.settings(), number).await.unwrap();
    assert_eq!(keys.clients().iter().map(|card| &card.client.name).collect::<Vec<_>>(), ["shop"]);
}

/// What is lost is told apart from what is out of reach for the moment.
#[tokio::test]
async fn an_outage_is_no_loss() {
    let world = World::new();
    let standing = async || Keys::standing(&world.settings()).await;
    assert_eq!(standing().await.unwrap(), Standing::Gone);
    assert!(world.shelf.copy().is_empty() && world.anchor.memory.lock().unwrap().0.is_none());
    let keys = world.open().await.unwrap();
    made(&keys, &of("a", "orders")).await;
    drop(keys);
    assert_eq!(standing().await.unwrap(), Standing::Opens);
    let whole = world.shelf.copy();

    world.root.go(true);
    assert!(matches!(standing().await, Err(Error::Root(kms::Error::Unavailable { .. }))));
    world.root.go(false);
    for at in 0..3 {
        world.fuse.arm(at, false, true);
        assert!(standing().await.is_err(), "{at}");
        assert!(world.fuse.disarm().is_some());
    }
    let lost = async |what: &str| match standing().await.unwrap() {
        Standing::Lost(why) => why,
        other => panic!("{what}: {other:?}"),
    };
    let (newest, bytes) = whole.last_key_value().unwrap();
    world.shelf.put_back([(*newest, bytes[..bytes.len() / 2].to_vec())].into());
    assert!(lost("torn").await.contains("is not usable"));
    world.shelf.put_back([(1, whole[&1].clone())].into());
    assert!(lost("older").await.contains("an older copy"));
    world.shelf.put_back(whole.clone());
    let root = Arc::new(TestRoot::new(Arc::clone(&world.fuse)));
    let wrong = Settings { root, ..world.settings() };
    assert!(matches!(Keys::standing(&wrong).await.unwrap(), Standing::Lost(_)));
    world.root.memory.lock().unwrap().keys.clear();
    assert!(matches!(standing().await.unwrap(), Standing::Lost(_)));
    assert_eq!(world.shelf.copy(), whole);
}
