//! What is opened, and what is refused and left as it is.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::world::{TestRoot, World, house, made, of, opens, sealed};
use crate::document::{Document, Id};
use crate::{Anchor, Error, FileAnchor, Keys, Settings, Snapshot, Tombstone};

/// What is done to a document.
type Spoil = fn(&mut Document);

/// Opens and returns the reason of the refusal; the shelf must be as before.
async fn refusal(world: &World) -> String {
    let before = world.shelf.copy();
    let refused = world.open().await.err().expect("it was opened");
    assert_eq!(world.shelf.copy(), before, "nothing is overwritten");
    refused.to_string()
}

/// Puts these bytes in the place of the newest generation.
fn put_newest(world: &World, bytes: Vec<u8>) {
    let mut files = world.shelf.copy();
    *files.last_entry().unwrap().get_mut() = bytes;
    world.shelf.put_back(files);
}

fn newest(world: &World) -> Vec<u8> {
    world.shelf.copy().last_key_value().unwrap().1.clone()
}

/// A ring that was cut off anywhere, or changed by a bit, is refused, though older whole ones
/// are there.
#[tokio::test]
async fn a_damaged_ring_is_refused() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    made(&keys, &house("orders")).await;
    drop(keys);
    let whole = newest(&world);
    assert!(world.shelf.copy().len() > 1);
    for length in 0..whole.len() {
        assert!(Document::read(&whole[..length]).is_err(), "{length} bytes of it were read");
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        // In the signature, another spelling of a digit is the one thing that says the same.
        assert!(Document::read(&changed).is_err(), "byte {at}");
    }
    for bad in [&whole[..whole.len() / 2], &[], &[whole.as_slice(), b"\n"].concat()] {
        put_newest(&world, bad.to_vec());
        let why = refusal(&world).await;
        assert!(why.contains("is not usable"), "{why}");
        assert!(why.contains("recover it from a recovery kit"), "{why}");
    }
    put_newest(&world, whole);
    world.open().await.unwrap();
}

/// Each anchor alone notices an older ring.
#[tokio::test]
async fn each_anchor_alone_suffices() {
    let scratch = tempfile::tempdir().unwrap();
    let world = World::new();
    let file: Arc<dyn Anchor> = Arc::new(FileAnchor::new(scratch.path().join("head")));
    let both = || vec![Arc::clone(&world.anchor) as Arc<dyn Anchor>, Arc::clone(&file)];
    let keys = Keys::open(Settings { anchors: both(), ..world.settings() }).await.unwrap();
    let older = world.shelf.copy();
    made(&keys, &house("orders")).await;
    drop(keys);
    world.shelf.put_back(older);
    for anchor in both() {
        let settings = Settings { anchors: vec![Arc::clone(&anchor)], ..world.settings() };
        let refused = Keys::open(settings).await.err().unwrap().to_string();
        assert!(refused.contains(&anchor.place()), "{refused}");
        assert!(refused.contains("an older copy was put back"), "{refused}");
    }
    let settings = Settings { anchors: Vec::new(), ..world.settings() };
    Keys::open(settings).await.unwrap();
}

/// Another ring of the same number, which the anchor has not seen, is refused.
#[tokio::test]
async fn another_ring_of_the_same_number_is_refused() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let before = world.shelf.copy();
    let known = world.anchor.memory.lock().unwrap().clone();
    made(&keys, &house("one")).await;
    let seen = world.anchor.memory.lock().unwrap().clone();
    // A fork: the same root and ring, another second generation.
    world.shelf.put_back(before);
    *world.anchor.memory.lock().unwrap() = known;
    let fork = world.open().await.unwrap();
    made(&fork, &house("two")).await;
    *world.anchor.memory.lock().unwrap() = seen;
    let why = refusal(&world).await;
    assert!(why.contains("another one than anchor has seen"), "{why}");
    assert!(keys.refresh().await.is_err(), "so does the process that wrote the other");
}

#[tokio::test]
async fn a_ring_of_another_installation_is_refused() {
    let (world, other) = (World::new(), World::new());
    drop(world.open().await.unwrap());
    let elsewhere = Settings { installation: "elsewhere".to_owned(), ..other.settings() };
    drop(Keys::open(elsewhere).await.unwrap());
    // Its own anchor knows nothing yet: the ring itself says whose it is.
    let memory = std::mem::take(&mut *world.anchor.memory.lock().unwrap());
    world.shelf.put_back(other.shelf.copy());
    let why = refusal(&world).await;
    assert!(why.contains("belongs to installation elsewhere"), "{why}");
    // And of the same name, but another ring.
    *world.anchor.memory.lock().unwrap() = memory;
    let twin = World::new();
    drop(twin.open().await.unwrap());
    world.shelf.put_back(twin.shelf.copy());
    let why = refusal(&world).await;
    assert!(why.contains("signed by another key than anchor remembers"), "{why}");
}

#[tokio::test]
async fn a_ring_that_is_gone_is_not_made_anew() {
    let world = World::new();
    drop(world.open().await.unwrap());
    world.shelf.put_back([].into());
    let why = refusal(&world).await;
    assert!(why.contains("it is gone"), "{why}");
}

/// A wrong root opens nothing and overwrites nothing.
#[tokio::test]
async fn a_wrong_root_is_refused() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    made(&keys, &house("orders")).await;
    let before = world.shelf.copy();
    let root = Arc::new(TestRoot::new(Arc::clone(&world.fuse)));
    let wrong = Keys::open(Settings { root, ..world.settings() }).await;
    assert!(matches!(wrong, Err(Error::Root(kms::Error::Refused))));
    world.root.go(true);
    assert!(matches!(world.open().await, Err(Error::Root(kms::Error::Unavailable { .. }))));
    assert_eq!(world.shelf.copy(), before);
}

/// Who cannot get past the root cannot write a ring, though no anchor knows the true key: not with
/// a key of their own, nor by taking pieces of the true ring.
#[tokio::test]
async fn a_forged_ring_is_refused() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    made(&keys, &house("orders")).await;
    drop(keys);
    let seed = cipher::Material::new([9; 32]);
    let forger = crate::wrapping::signer(&seed).unwrap();
    let public = aws_lc_rs::signature::KeyPair::public_key(&forger);
    let mut document = Document::read(&newest(&world)).unwrap();
    document.public_key = kernel::hex(public.as_ref());
    put_newest(&world, document.write(&forger).unwrap());
    let why = refusal(&world).await;
    assert!(why.contains("signed by another key"), "{why}");
    *world.anchor.memory.lock().unwrap() = Default::default();
    let why = refusal(&world).await;
    assert!(why.contains("its keys are not those"), "{why}");
}

/// Even signed by the true key, a wrapped key opens in its own place alone.
#[tokio::test]
async fn wrapped_keys_cannot_change_places() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    for key in [of("a", "orders"), of("a", "prices"), of("b", "orders")] {
        made(&keys, &key).await;
    }
    keys.rotate(&of("a", "orders")).await.unwrap();
    let state = Snapshot::from_bytes(&keys.snapshot().unwrap().to_bytes().unwrap()).unwrap();
    let signer = crate::wrapping::signer(&state.seed.0).unwrap();
    drop(keys);
    *world.anchor.memory.lock().unwrap() = Default::default();
    let whole = Document::read(&newest(&world)).unwrap();
    let swaps: [(&str, Spoil); 6] = [
        ("two keys", |d| {
            let sealed = d.keys[0].versions[0].sealed.clone();
            d.keys[1].versions[0].sealed = sealed;
        }),
        ("two versions", |d| {
            let sealed = d.keys[0].versions[0].sealed.clone();
            d.keys[0].versions[1].sealed = sealed;
        }),
        ("two tenants", |d| {
            let sealed = d.key_encryption_keys[0].sealed.clone();
            d.key_encryption_keys[1].sealed = sealed;
        }),
        ("a key's kind", |d| d.keys[0].kind = crate::Kind::Hmac),
        ("a key's id", |d| d.keys[0].versions[0].id = Id([1; 8])),
        ("the seed", |d| d.signing_seed = d.key_encryption_keys[0].sealed.clone()),
    ];
    for (what, swap) in swaps {
        let mut document = whole.clone();
        swap(&mut document);
        put_newest(&world, document.write(&signer).unwrap());
        assert!(world.open().await.is_err(), "{what}");
    }
    put_newest(&world, whole.write(&signer).unwrap());
    world.open().await.unwrap();
}

/// A document that is not in order, or without bounds, is not written and not read.
#[tokio::test]
async fn senseless_documents_are_refused() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    made(&keys, &house("a")).await;
    made(&keys, &house("b")).await;
    let snapshot = keys.snapshot().unwrap();
    let signer = crate::wrapping::signer(&snapshot.seed.0).unwrap();
    let whole = Document::read(&newest(&world)).unwrap();
    let wrongs: [Spoil; 9] = [
        |d| d.format = 2,
        |d| d.generation = 0,
        |d| d.keys.reverse(),
        |d| d.keys.push(d.keys[1].clone()),
        |d| d.keys[0].versions.clear(),
        |d| d.keys[0].min_decryption = 2,
        |d| d.keys[1].versions[0].id = d.keys[0].versions[0].id,
        |d| d.key_encryption_keys.clear(),
        |d| d.pending.push(d.ring_key.wrapped.generation.clone()),
    ];
    for (number, wrong) in wrongs.into_iter().enumerate() {
        let mut document = whole.clone();
        wrong(&mut document);
        assert!(document.write(&signer).is_err(), "{number}");
    }
    let text = String::from_utf8(newest(&world)).unwrap();
    assert!(text.contains("\"name\": \"a\""), "it can be read by people: {text}");
}

/// From a snapshot the ring is made again, above everything that was seen, without what was
/// destroyed since.
#[tokio::test]
async fn a_lost_ring_is_rebuilt() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let (kept, gone) = (of("a", "orders"), of("b", "orders"));
    let (text, lost) = (made(&keys, &kept).await, made(&keys, &gone).await);
    let bytes = keys.snapshot().unwrap().to_bytes().unwrap();
    let clear = String::from_utf8(bytes.to_vec()).unwrap();
    keys.shred(gone.tenant.as_ref().unwrap()).await.unwrap();
    let before = keys.ring().unwrap().generation;
    drop(keys);
    world.shelf.put_back([].into());
    let snapshot = Snapshot::from_bytes(&bytes).unwrap();
    assert_eq!((snapshot.installation(), snapshot.generation()), ("house", 3));
    // A new root, since that was lost too.
    let root = Arc::new(TestRoot::new(Arc::clone(&world.fuse)));
    let settings = || Settings { root: Arc::clone(&root) as _, ..world.settings() };
    let other = Settings { installation: "other".to_owned(), ..settings() };
    assert!(Keys::rebuild(other, &snapshot, false).await.is_err());
    assert!(world.shelf.copy().is_empty());
    let keys = Keys::rebuild(settings(), &snapshot, false).await.unwrap();
    assert_eq!(keys.ring().unwrap().generation, before + 1);
    opens(&keys, &kept, &text).unwrap();
    assert!(matches!(opens(&keys, &gone, &lost), Err(Error::Shredded { .. })));
    let again = Keys::open(settings()).await.unwrap();
    opens(&again, &kept, &text).unwrap();
    assert_eq!(sealed(&again, &kept).version, 1);
    // The ring that was written holds no key in clear, and nothing of the destroyed one.
    let ring = String::from_utf8(newest(&world)).unwrap();
    let seed = clear.split("\"seed\":\"").skip(1);
    let all: Vec<_> = clear.split("\"material\":\"").skip(1).chain(seed).collect();
    assert_eq!(all.len(), 3, "two keys and the signing seed");
    for digits in all.into_iter().map(|rest| rest.split('"').next().unwrap()) {
        // As the snapshot would write it, and as the ring would.
        let text = STANDARD.encode(kernel::unhex(digits).unwrap());
        assert!(!ring.contains(digits) && !ring.contains(text.trim_end_matches('=')));
    }
    assert!(!ring.contains(&format!("\"tenant\": \"{}\",\n      \"name\"", "b")));
    for bad in [&b"{}"[..], b"", b"[1]", &bytes[..bytes.len() - 1]] {
        assert!(matches!(Snapshot::from_bytes(bad), Err(Error::Malformed(_))));
    }
}

/// The newest generation is damaged and no copy of it is left: an administrator goes on from the
/// one before, by its number.
#[tokio::test]
async fn an_older_ring_is_accepted_by_its_number() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let key = house("orders");
    let text = made(&keys, &key).await;
    keys.rotate(&key).await.unwrap();
    let lost = sealed(&keys, &key);
    drop(keys);
    put_newest(&world, b"torn".to_vec());
    assert!(world.open().await.is_err());
    let keys = Keys::accept(world.settings(), 2).await.unwrap();
    assert_eq!(keys.ring().unwrap().generation, 4);
    opens(&keys, &key, &text).unwrap();
    assert!(matches!(opens(&keys, &key, &lost), Err(Error::Refused)));
    keys.rotate(&key).await.unwrap();
    assert!(matches!(opens(&keys, &key, &lost), Err(Error::Refused)), "another second version");
    opens(&world.open().await.unwrap(), &key, &text).unwrap();
}

/// A file that remembers: what is damaged is no memory, and what was seen is not forgotten.
#[tokio::test]
async fn the_file_anchor_forgets_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("keys/head");
    let anchor = FileAnchor::new(&path);
    assert_eq!(anchor.heads().await.unwrap(), []);
    let world = World::new();
    drop(world.open().await.unwrap());
    let head = world.anchor.memory.lock().unwrap().0.clone().unwrap();
    let signer = crate::wrapping::signer(&cipher::Material::new([7; 32])).unwrap();
    let sign = |generation| crate::Head::sign("house", (generation, "cd"), &signer).unwrap();
    let (newer, other) = (sign(9), head);
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    let stone = Tombstone { tenant: None, ids: vec!["00".repeat(8)], at };
    let stone = crate::Buried::sign(stone, "house", &signer).unwrap();
    anchor.advance(&other, &[]).await.unwrap();
    // Who advances another ring was let past this one; and what nobody signed stands in no way.
    anchor.advance(&newer, &[]).await.unwrap();
    anchor.advance(&sign(8), std::slice::from_ref(&stone)).await.unwrap();
    assert_eq!(anchor.heads().await.unwrap(), std::slice::from_ref(&newer));
    assert_eq!(anchor.buried().await.unwrap(), [stone]);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"generation\": 9", "\"generation\": 99")).unwrap();
    anchor.advance(&newer, &[]).await.unwrap();
    assert_eq!(anchor.heads().await.unwrap(), std::slice::from_ref(&newer));
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() - 1 {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(anchor.heads().await, Err(Error::Anchor { .. })), "{length}");
        assert!(anchor.advance(&newer, &[]).await.is_err());
    }
}

/// What somebody wrote into the file destroys nothing and stops nothing, and is named.
#[tokio::test]
async fn what_nobody_signed_in_the_file_is_passed_over() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("head");
    let world = World::new();
    let settings =
        || Settings { anchors: vec![Arc::new(FileAnchor::new(&path))], ..world.settings() };
    let keys = Keys::open(settings()).await.unwrap();
    let (key, other) = (of("a", "orders"), of("b", "orders"));
    let text = made(&keys, &key).await;
    made(&keys, &other).await;
    keys.shred(other.tenant.as_ref().unwrap()).await.unwrap();
    drop(keys);
    let whole = std::fs::read_to_string(&path).unwrap();
    let generation = world.shelf.copy().last_key_value().unwrap().0.to_string();
    let number = format!("\"generation\": {generation}");
    for (from, to, word) in [
        (number.as_str(), "\"generation\": 99", "nobody signed"),
        ("\"tenant\": \"b\"", "\"tenant\": \"a\"", "did not sign"),
    ] {
        assert!(whole.contains(from), "{whole}");
        std::fs::write(&path, whole.replace(from, to)).unwrap();
        let keys = Keys::open(settings()).await.unwrap();
        opens(&keys, &key, &text).unwrap();
        let passed = keys.ring().unwrap().passed;
        assert!(passed.len() == 1 && passed[0].contains(word), "{passed:?}");
    }
}
