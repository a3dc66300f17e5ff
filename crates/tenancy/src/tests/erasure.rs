//! What an erasure leaves behind: a certificate, and nothing else.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use store::Db;
use testkit::try_damaged;

use super::fleet::{ORDERS, World, script, tenant, world};
use crate::fleet::let_in;
use crate::{Closing, Error, Gone, GoneKey, GonePart, Signature, Signed, State};

/// Stands in for the ring, which this room does not know.
pub(super) fn sign(text: &[u8]) -> Result<Signature, String> {
    let bytes = Sha256::digest(text).to_vec();
    if text.is_empty() {
        Err("nothing".to_owned())
    } else {
        Ok(Signature { public_key: [7; 32], bytes })
    }
}

pub(super) fn closing() -> Closing<'static> {
    let remains = vec!["A copy, until 2030.".to_owned()];
    Closing { version: "0.0.0", by: "Sari \"the operator\"".to_owned(), remains, last: true }
}

fn key(name: &str) -> GoneKey {
    GoneKey { name: name.to_owned(), versions: vec!["00112233".to_owned()] }
}

fn files(count: u64) -> GonePart {
    GonePart { what: "files".to_owned(), count, bytes: Some(count * 10) }
}

async fn shop(name: &str) -> World {
    let world = world().await;
    world.migrate(&[script("0001", ORDERS)]).await;
    world.fleet.add(&tenant(name)).await.unwrap();
    world
}

/// From the moment that the certificate calls its beginning, nobody is in and nobody gets in, also with
/// a login from before.
#[tokio::test]
async fn an_erasure_that_is_begun_lets_nobody_in() {
    let world = shop("toko").await;
    let id = tenant("toko");
    let lease = world.fleet.lease(&id, Duration::from_mins(5)).await.unwrap();
    let inside = Db::connect(&lease.url, 1).await.unwrap();
    let tx = inside.operator().await.unwrap();
    tx.batch("INSERT INTO orders VALUES (1, 1)").await.unwrap();
    let erasing = world.fleet.erase(&id).await.unwrap();
    tx.commit().await.unwrap_err();
    Db::connect(&lease.url, 1).await.unwrap_err();
    drop(erasing);
    Db::connect(&lease.url, 1).await.unwrap_err();
    world.fleet.lease(&id, Duration::from_mins(5)).await.unwrap_err();
    let (_, text) = world.again(&id).await.certify(closing(), &sign).await.unwrap();
    assert!(Signed::parse(&text).unwrap().certificate.is_of(&id));
}

/// Begun, ended by a crash after the keys were destroyed, and begun again: it counts the same.
#[tokio::test]
async fn an_erasure_that_is_begun_again_counts_the_same() {
    let world = shop("Toko \"Jaya\"").await;
    let id = tenant("Toko \"Jaya\"");
    let erasing = world.fleet.erase(&id).await.unwrap();
    let gone = Gone { keys: vec![key("orders"), key("notes")], parts: vec![files(2)] };
    erasing.note(gone).await.unwrap();
    drop(erasing);
    let place = world.fleet.list().await.unwrap().pop().unwrap().place;
    world.root.drop_database(place.name()).await.unwrap();
    let erasing = world.again(&id).await;
    let gone = erasing.note(Gone { keys: Vec::new(), parts: vec![files(1)] }).await.unwrap();
    assert_eq!((gone.keys.len(), gone.parts[0].count), (2, 3));
    let unsigned = erasing.certify(closing(), &|_| Err("no ring".to_owned())).await;
    assert!(matches!(unsigned, Err(Error::Unsigned(_))));
    let (erasure, text) = world.again(&id).await.certify(closing(), &sign).await.unwrap();
    assert!(erasure.bytes > 1_000_000, "{erasure:?}");
    let Signed { certificate, text: signed, signature } = Signed::parse(&text).unwrap();
    assert_eq!(signature.bytes, Sha256::digest(signed.as_bytes()).to_vec());
    assert!(certificate.is_of(&id) && !certificate.is_of(&tenant("toko \"jaya\"")));
    assert!(!text.contains("Jaya"), "the name is forgotten: {text}");
    assert_eq!(certificate.keys, [key("orders"), key("notes")]);
    assert_eq!(certificate.parts, [files(3)]);
    assert_eq!((certificate.bytes, certificate.logins), (erasure.bytes, 1));
    assert!(certificate.begun_at <= certificate.erased_at);
    assert_eq!(certificate.database, place.name());
    let kept = world.fleet.erasures().await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].keys, kept[0].certificate.as_ref()), (2, Some(&text)));
    assert_eq!(kept[0].tenant_sha256, certificate.tenant_sha256);
    let left = "SELECT count(*) FROM tenancy.erasing";
    let tx = world.server.superuser("amanah").await.operator().await.unwrap();
    assert_eq!(tx.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
}

/// What was noted and is kept after all is in no certificate, and the name stays that of somebody.
#[tokio::test]
async fn what_is_kept_is_in_no_certificate() {
    let world = shop("shop").await;
    let id = tenant("shop");
    let erasing = world.fleet.erase(&id).await.unwrap();
    erasing.note(Gone { keys: vec![key("orders")], parts: vec![files(0)] }).await.unwrap();
    erasing.keep().await.unwrap();
    let closing = Closing { last: false, ..closing() };
    let (_, text) = erasing.certify(closing, &sign).await.unwrap();
    let Signed { certificate, .. } = Signed::parse(&text).unwrap();
    assert!(certificate.keys.is_empty() && certificate.parts.is_empty(), "{certificate:?}");
    let kept = world.fleet.erasures().await.unwrap();
    assert_eq!((kept.len(), kept[0].last, kept[0].keys), (1, false, 0));
    let db = world.server.superuser("amanah").await;
    for (last, stays) in [(false, true), (true, false)] {
        if last {
            world.fleet.add(&id).await.unwrap();
            let erasing = world.fleet.erase(&id).await.unwrap();
            erasing.certify(self::closing(), &sign).await.unwrap();
        }
        let tx = db.operator().await.unwrap();
        assert_eq!(let_in(&tx, &id).await.is_ok(), stays, "{last}");
    }
}

/// Nobody changes what is kept: not the engine, nor the owner of the tables.
#[tokio::test]
async fn what_is_kept_of_an_erasure_stays() {
    let world = shop("shop").await;
    let erasing = world.fleet.erase(&tenant("shop")).await.unwrap();
    erasing.certify(closing(), &sign).await.unwrap();
    for harm in [
        "UPDATE tenancy.erasures SET certificate = NULL",
        "DELETE FROM tenancy.erasures",
        "TRUNCATE tenancy.erasures",
        "SET session_replication_role = replica; DELETE FROM tenancy.erasures",
    ] {
        let superuser = refused(&world.server.superuser("amanah").await, harm).await;
        assert_eq!(superuser.as_deref(), Some("42501"), "{harm}");
        let as_engine = format!("SET ROLE amanah_engine; {harm}");
        let engine = refused(&world.server.superuser("amanah").await, &as_engine).await;
        assert_eq!(engine.as_deref(), Some("42501"), "{harm}");
    }
    assert_eq!(world.fleet.erasures().await.unwrap().len(), 1);
}

async fn refused(db: &Db, sql: &str) -> Option<String> {
    let tx = db.operator().await.unwrap();
    tx.batch(sql).await.err().and_then(|error| error.sqlstate().map(str::to_owned))
}

/// Changed anywhere, it is not read, or its signature is not of what is read.
#[tokio::test]
async fn a_damaged_certificate_does_not_hold() {
    let world = shop("shop").await;
    let erasing = world.fleet.erase(&tenant("shop")).await.unwrap();
    erasing.note(Gone { keys: vec![key("orders")], parts: vec![files(1)] }).await.unwrap();
    let (_, text) = erasing.certify(closing(), &sign).await.unwrap();
    let whole = text.clone().into_bytes();
    let holds = |bytes: &[u8]| {
        let Ok(read) = std::str::from_utf8(bytes) else { return false };
        let Ok(signed) = Signed::parse(read) else { return false };
        signed.signature.bytes == Sha256::digest(signed.text.as_bytes()).to_vec()
            && signed.signature.public_key == [7; 32]
    };
    try_damaged("certificate", std::slice::from_ref(&whole), |bytes| {
        let held = holds(bytes);
        assert!(!held || bytes.eq_ignore_ascii_case(&whole), "it holds and was changed");
        held
    });
    for part in ["begun_at", "orders", "remains", "\"bytes\"", "A copy"] {
        let at = text.find(part).unwrap();
        let mut changed = whole.clone();
        changed[at + 1] ^= 1;
        assert!(!holds(&changed), "{part}");
    }
}

/// Of a database that is not there nothing was erased: it is said, and what is recorded says so too.
#[tokio::test]
async fn a_database_that_is_not_there_was_not_erased() {
    let world = shop("shop").await;
    let id = tenant("shop");
    let place = world.fleet.find(&id).await.unwrap().place;
    let tx = world.root.operator().await.unwrap();
    let hidden = format!("ALTER DATABASE {} RENAME TO hidden", place.name());
    tx.batch(&hidden).await.unwrap();
    tx.commit().await.unwrap();
    let refused = world.fleet.erase(&id).await.err().expect("it did not happen").to_string();
    assert!(refused.contains("is not on the cell `home`"), "{refused}");
    assert_eq!(world.fleet.find(&id).await.unwrap().state, State::Active);
    assert_eq!(world.fleet.erasures().await.unwrap().len(), 0);

    world.root.drop_database("hidden").await.unwrap();
    let erasing = world.fleet.erase_missing(&id).await.unwrap();
    let (erasure, text) = erasing.certify(closing(), &sign).await.unwrap();
    assert_eq!(erasure.bytes, 0);
    let Signed { certificate, .. } = Signed::parse(&text).unwrap();
    let told = certificate.remains.iter().find(|line| line.contains("was not dropped"));
    assert!(told.is_some_and(|line| line.contains(place.name())), "{certificate:?}");
}
