//! What opens what, and what does not.

use cipher::Material;
use jiff::SignedDuration;

use super::world::{World, house, made, of, opens, sealed};
use crate::{Change, Ciphertext, Error, Kind, Plain, Purpose, Sealed, Spec, Tag, verify_signature};

/// A text opens with its key, tenant and object, and with no other.
#[tokio::test]
async fn only_the_same_place_opens() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let text = made(&keys, &of("a", "orders")).await;
    for other in [of("b", "orders"), of("a", "prices"), house("orders")] {
        keys.create(&other, &Spec::default()).await.unwrap();
        assert!(matches!(opens(&keys, &other, &text), Err(Error::Refused)), "{other}");
    }
    let elsewhere = [Sealed { ciphertext: &text, context: b"row 2" }];
    let opened = keys.decrypt(&of("a", "orders"), &elsewhere).unwrap();
    assert!(matches!(opened[..], [Err(Error::Refused)]));
    // The number of the version cannot be changed, though it is not encrypted.
    let renumbered = Ciphertext { version: 2, ..text.clone() };
    assert!(matches!(opens(&keys, &of("a", "orders"), &renumbered), Err(Error::Refused)));
    // Each text is encrypted anew.
    assert_ne!(sealed(&keys, &of("a", "orders")), sealed(&keys, &of("a", "orders")));
    opens(&world.open().await.unwrap(), &of("a", "orders"), &text).unwrap();
}

/// One item that does not open is no reason to refuse the others.
#[tokio::test]
async fn a_batch_is_opened_item_by_item() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let key = of("a", "orders");
    let good = made(&keys, &key).await;
    let mut bad = good.clone();
    *bad.sealed.last_mut().unwrap() ^= 1;
    let items = [&good, &bad, &good].map(|c| Sealed { ciphertext: c, context: b"row 1" });
    let opened = keys.decrypt(&key, &items).unwrap();
    assert!(matches!(opened[..], [Ok(_), Err(Error::Refused), Ok(_)]));
    let value = |name: &str| {
        let all = keys.readings();
        let hit = |r: &&crate::Reading| r.name == name && r.label.is_none_or(|l| l.1 == "decrypt");
        all.iter().find(hit).unwrap().value
    };
    assert_eq!(value("keys_operations_total"), 2);
    assert_eq!(value("keys_refused_total"), 1);
    assert_eq!(value("keys_count"), 1);
}

/// After a rotation old texts open, new ones have the new version, and rewrapping moves them.
#[tokio::test]
async fn rotation_leaves_texts_alone() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let key = of("a", "orders");
    let old = made(&keys, &key).await;
    assert_eq!(keys.rotate(&key).await.unwrap(), 2);
    opens(&keys, &key, &old).unwrap();
    assert_eq!((old.version, sealed(&keys, &key).version), (1, 2));
    let items = [Sealed { ciphertext: &old, context: b"row 1" }];
    let moved = keys.rewrap(&key, &items).unwrap().remove(0).unwrap();
    assert_eq!(moved.version, 2);
    opens(&keys, &key, &moved).unwrap();

    let change = Change { min_decryption: Some(2), ..Change::default() };
    keys.configure(&key, &change).await.unwrap();
    let refused = opens(&keys, &key, &old);
    assert!(matches!(refused, Err(Error::Version { version: 1, oldest: 2, .. })), "{refused:?}");
    let change = Change { min_decryption: Some(1), ..Change::default() };
    keys.configure(&key, &change).await.unwrap();
    opens(&keys, &key, &old).unwrap();
    keys.trim(&key, 2).await.unwrap();
    assert!(matches!(opens(&keys, &key, &old), Err(Error::Shredded { .. })));
    opens(&keys, &key, &moved).unwrap();
}

/// The key of a stream and a text are different things, also to the same key.
#[tokio::test]
async fn a_stream_key_is_no_text() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let key = house("files");
    let text = made(&keys, &key).await;
    let (clear, stream) = keys.stream_key(&key, b"row 1").unwrap();
    let open =
        |c: &Ciphertext| keys.open_stream_key(&key, Sealed { ciphertext: c, context: b"row 1" });
    let same = |m: &Material| m.expose() == clear.expose();
    assert!(same(&open(&stream).unwrap()));
    assert!(matches!(open(&text), Err(Error::Refused)));
    assert!(matches!(opens(&keys, &key, &stream), Err(Error::Refused)));
    keys.rotate(&key).await.unwrap();
    let moved = keys.rewrap_stream_key(&key, Sealed { ciphertext: &stream, context: b"row 1" });
    let moved = moved.unwrap();
    assert_eq!(moved.version, 2);
    assert!(same(&open(&moved).unwrap()));
    let (short, sealed) = keys.datakey(&key, 16, b"x").unwrap();
    let opened = keys.decrypt(&key, &[Sealed { ciphertext: &sealed, context: b"x" }]).unwrap();
    assert_eq!(opened[0].as_ref().unwrap(), &short);
    assert!(keys.datakey(&key, 0, b"x").is_err() && keys.datakey(&key, 65, b"x").is_err());
}

/// A key that needs a context is never used without one.
#[tokio::test]
async fn a_needed_context_is_asked_for() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let key = house("orders");
    let spec = Spec { needs_context: true, ..Spec::default() };
    keys.create(&key, &spec).await.unwrap();
    let bare = [Plain { text: b"text", context: b"" }];
    assert!(matches!(keys.encrypt(&key, &bare), Err(Error::NoContext(_))));
    let text = sealed(&keys, &key);
    let opened = keys.decrypt(&key, &[Sealed { ciphertext: &text, context: b"" }]).unwrap();
    assert!(matches!(opened[..], [Err(Error::NoContext(_))]));
    assert!(matches!(keys.datakey(&key, 32, b""), Err(Error::NoContext(_))));
    let hmac = Spec { kind: Kind::Hmac, ..spec };
    assert!(keys.create(&house("h"), &hmac).await.is_err());
}

/// Each kind does what it is for, and nothing else.
#[tokio::test]
async fn kinds_are_kept_apart() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let (signs, counts, seals) = (house("signs"), house("counts"), house("seals"));
    for (key, kind) in [(&signs, Kind::Ed25519), (&counts, Kind::Hmac), (&seals, Kind::Aes256Gcm)] {
        keys.create(key, &Spec { kind, purpose: Purpose::Signing, needs_context: false })
            .await
            .unwrap();
    }
    let text = [Plain { text: b"text", context: b"" }];
    for key in [&signs, &counts] {
        assert!(matches!(keys.encrypt(key, &text), Err(Error::Kind(_))));
        assert!(matches!(keys.stream_key(key, b""), Err(Error::Kind(_))));
    }
    for key in [&seals, &counts] {
        assert!(matches!(keys.sign(key, None, &[b"text"]), Err(Error::Kind(_))));
    }
    for key in [&signs, &counts, &seals] {
        let old = keys.hmac(key, None, &[b"text"]).unwrap().remove(0);
        keys.rotate(key).await.unwrap();
        let new = keys.hmac(key, None, &[b"text"]).unwrap().remove(0);
        assert_eq!((old.version, new.version, old.bytes.len()), (1, 2, 32));
        assert_eq!(keys.hmac(key, Some(1), &[b"text"]).unwrap(), std::slice::from_ref(&old));
        let lied = Tag { version: 2, ..old.clone() };
        let none = Tag { version: 9, ..old.clone() };
        let items: [(&[u8], &Tag); 5] =
            [(b"text", &old), (b"text", &new), (b"texT", &old), (b"text", &lied), (b"text", &none)];
        assert_eq!(keys.verify_hmac(key, &items).unwrap(), [true, true, false, false, false]);
        assert!(matches!(keys.hmac(key, Some(3), &[]), Err(Error::Version { .. })));
    }
    let old = keys.sign(&signs, Some(1), &[b"text"]).unwrap().remove(0);
    let new = keys.sign(&signs, None, &[b"text"]).unwrap().remove(0);
    let items: [(&[u8], &Tag); 3] = [(b"text", &old), (b"text", &new), (b"texT", &new)];
    assert_eq!(keys.verify(&signs, &items).unwrap(), [true, true, false]);
    let public = keys.public_keys(&signs).unwrap();
    assert_eq!(public.iter().map(|(version, _)| *version).collect::<Vec<_>>(), [1, 2]);
    // Without a ring: by the right key, of the right text, and wholly.
    let (first, second) = (public[0].1, public[1].1);
    assert!(verify_signature(&first, b"text", &old.bytes));
    assert!(!verify_signature(&second, b"text", &old.bytes));
    assert!(!verify_signature(&first, b"texT", &old.bytes));
    assert!(!verify_signature(&first, b"text", &old.bytes[1..]));
}

/// Settings that make no sense change nothing.
#[tokio::test]
async fn senseless_settings_are_refused() {
    let world = World::new();
    let keys = world.open().await.unwrap();
    let key = house("orders");
    made(&keys, &key).await;
    let before = keys.ring().unwrap().generation;
    assert!(matches!(keys.create(&key, &Spec::default()).await, Err(Error::Exists(_))));
    for change in [
        Change { min_decryption: Some(0), ..Change::default() },
        Change { min_decryption: Some(2), ..Change::default() },
        Change { rotate_after: Some(SignedDuration::from_secs(-1)), ..Change::default() },
        Change { rotate_after: Some(SignedDuration::from_mins(59)), ..Change::default() },
    ] {
        assert!(keys.configure(&key, &change).await.is_err(), "{change:?}");
    }
    assert!(keys.trim(&key, 2).await.is_err());
    assert!(matches!(keys.remove(&key).await, Err(Error::NotRemovable(_))));
    assert!(matches!(keys.rotate(&house("none")).await, Err(Error::Unknown(_))));
    assert!(keys.note_kit("", "2026-01-01T00:00:00Z".parse().unwrap(), 2, 3).await.is_err());
    keys.trim(&key, 1).await.unwrap();
    assert_eq!(keys.ring().unwrap().generation, before, "nothing was written");
}
