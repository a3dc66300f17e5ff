//! The end of a tenant among others.

use sha2::{Digest as _, Sha256};

use super::super::archive::{Site, run, site};
use super::super::erasure::sign;
use super::super::fixture::{as_owner, bound};
use super::super::fleet::tenant;
use super::{OTHER, TOKO, export, fill, full, import, seen};
use crate::{Closing, Error, Gone, GonePart, Guarded, RowErasing, Signed};

fn closing() -> Closing<'static> {
    let remains = vec!["A copy, until 2030.".to_owned()];
    Closing { version: "0.0.0", by: "Sari".to_owned(), remains, last: true }
}

/// As soon as the server has noticed that the one before has ended.
async fn erase(site: &Site, guarded: &Guarded, more: bool) -> crate::Result<RowErasing> {
    loop {
        match site.fleet.erase_rows(guarded, &tenant(TOKO), more).await {
            Err(Error::Taken(_)) => tokio::task::yield_now().await,
            other => return other,
        }
    }
}

fn total(erasing: &RowErasing) -> (usize, u64) {
    let (tables, _) = erasing.rows();
    (tables.len(), tables.iter().map(|table| table.rows).sum())
}

#[tokio::test]
async fn a_tenant_of_a_shared_database_goes_and_the_others_stay() {
    let (site, there) = (site(true).await, full().await);
    let before = seen(&there, OTHER).await;
    let mut erasing = erase(&site, &there, false).await.unwrap();
    assert_eq!(total(&erasing), (6, 13));
    let files = GonePart { what: "files".to_owned(), count: 2, bytes: Some(10) };
    erasing.note(Gone { keys: Vec::new(), parts: vec![files.clone()] }).await.unwrap();
    drop(erasing);
    // Begun again after a crash, it counts the same.
    let erasing = erase(&site, &there, false).await.unwrap();
    assert_eq!(total(&erasing), (6, 13));
    let (erasure, text) = erasing.certify(closing(), &sign).await.unwrap();
    assert_eq!(seen(&there, TOKO).await, seen(&there, "nobody").await);
    assert_eq!(seen(&there, OTHER).await, before);
    let Signed { certificate, text: signed, signature } = Signed::parse(&text).unwrap();
    assert_eq!(signature.bytes, Sha256::digest(signed.as_bytes()).to_vec());
    assert!(certificate.is_of(&tenant(TOKO)) && !text.contains("Jaya"), "{text}");
    assert_eq!(certificate.parts, [files]);
    let rows = |name: &str| certificate.tables.iter().find(|t| t.table == name).unwrap().rows;
    assert_eq!((rows("public.visit"), rows("the \"shop\".li\"ne"), rows("public.shop")), (3, 4, 1));
    assert_eq!((certificate.bytes, certificate.logins), (erasure.bytes, 0));
    assert!(certificate.bytes > 100 && certificate.begun_at <= certificate.erased_at);
    assert!(certificate.remains.iter().any(|words| words.contains("public.plan")), "{text}");
    let kept = site.fleet.erasures().await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        (kept[0].certificate.as_ref(), &kept[0].place),
        (Some(&text), &there.protected.name)
    );
    let gone = erase(&site, &there, false).await.err().unwrap();
    assert!(matches!(gone, Error::NoRows { .. }), "{gone}");
    // One without rows that has something else is erased all the same.
    let erasing = erase(&site, &there, true).await.unwrap();
    assert_eq!(total(&erasing).1, 0);
}

/// All rows go, or none.
#[tokio::test]
async fn what_the_database_keeps_stops_it_whole() {
    let (site, there) = (site(true).await, full().await);
    let before = seen(&there, TOKO).await;
    for (harm, undo, words) in [
        (
            "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
             CREATE TRIGGER keep BEFORE DELETE ON visit FOR EACH ROW EXECUTE FUNCTION keep()",
            "DROP TRIGGER keep ON visit",
            "public.visit",
        ),
        (
            "CREATE TABLE guest (person bigint REFERENCES person); \
             INSERT INTO guest VALUES (101)",
            "DROP TABLE guest",
            "guest",
        ),
    ] {
        as_owner(&there, harm).await;
        let why = erase(&site, &there, false).await.err().unwrap().to_string();
        assert!(why.contains(words), "{harm}: {why}");
        assert_eq!(seen(&there, TOKO).await, before, "{harm}");
        as_owner(&there, undo).await;
    }
    let erasing = erase(&site, &there, false).await.unwrap();
    assert_eq!(total(&erasing), (6, 13));
}

/// A tenant that is still let in writes on; then there is no certificate yet.
#[tokio::test]
async fn what_is_written_meanwhile_is_found() {
    let (site, there) = (site(true).await, full().await);
    let erasing = erase(&site, &there, false).await.unwrap();
    erasing.look_again().await.unwrap();
    let tx = bound(&there, TOKO).await;
    tx.query("INSERT INTO shop VALUES ($1)", &[&TOKO]).await.unwrap();
    tx.commit().await.unwrap();
    let found = |why: &Error| matches!(why, Error::RowsLeft { rows: 1, table, .. } if table == "public.shop");
    let why = erasing.look_again().await.unwrap_err();
    assert!(found(&why), "{why}");
    let why = erasing.certify(closing(), &sign).await.unwrap_err();
    assert!(found(&why), "{why}");
    assert_eq!(site.fleet.erasures().await.unwrap().len(), 0);
    let erasing = erase(&site, &there, false).await.unwrap();
    assert_eq!(total(&erasing), (6, 14));
    let (_, text) = erasing.certify(closing(), &sign).await.unwrap();
    assert!(text.contains("\"public.shop\""), "{text}");
}

/// A crash between the end of the deletion and its note: the shared database is asked.
#[tokio::test]
async fn a_deletion_whose_end_was_not_noted_is_counted_if_it_was_one() {
    let (site, there) = (site(true).await, full().await);
    drop(erase(&site, &there, false).await.unwrap());
    let (committed, aborted) = (xid(&there, true).await, xid(&there, false).await);
    for (xid, counted) in [(committed, 13 + 5), (aborted, 13)] {
        let pending = format!(
            "UPDATE tenancy.passages SET noted = jsonb_set(noted, '{{pending}}', \
             '[\"{xid}\", {{\"tables\": [{{\"table\": \"public.shop\", \"rows\": 5}}], \"bytes\": 9}}]')"
        );
        let db = site.server.superuser("amanah").await;
        run(&db, "CREATE TABLE IF NOT EXISTS kept AS SELECT noted FROM tenancy.passages").await;
        run(&db, &pending).await;
        let erasing = erase(&site, &there, false).await.unwrap();
        assert_eq!(total(&erasing).1, counted);
        drop(erasing);
        run(&db, "UPDATE tenancy.passages SET noted = (SELECT noted FROM kept)").await;
    }
}

async fn xid(guarded: &Guarded, commits: bool) -> String {
    let tx = guarded.protected.owner.operator().await.unwrap();
    let xid = tx.query_one("SELECT pg_current_xact_id()::text", &[]).await.unwrap().get(0);
    let ended = if commits { tx.commit().await } else { tx.rollback().await };
    ended.unwrap();
    xid
}

/// It comes back out of its archive.
#[tokio::test]
async fn a_tenant_that_was_erased_can_come_back() {
    let (site, there) = (site(true).await, full().await);
    let before = seen(&there, TOKO).await;
    let (_, bytes) = export(&site, &there, TOKO).await.unwrap();
    let half = erase(&site, &there, false).await.unwrap();
    drop(half);
    let held = loop {
        match import(&site, &there, &bytes).await {
            Err(Error::Taken(_)) => tokio::task::yield_now().await,
            other => break other.unwrap_err(),
        }
    };
    assert!(held.to_string().contains("being erased"), "{held}");
    erase(&site, &there, false).await.unwrap().certify(closing(), &sign).await.unwrap();
    fill(&there, "third", 300).await;
    import(&site, &there, &bytes).await.unwrap();
    assert_eq!(seen(&there, TOKO).await, before);
}
