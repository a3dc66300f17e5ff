//! Columns that are encrypted in the trail.

use jiff::{SignedDuration, Timestamp};
use kernel::{FixedRng, Outcome};
use store::{Db, Protected, Tx};

use super::{Keeper, SHOP, cx, house, none, run, track, trail, unsealed, watched, whole};
use crate::{ColumnKeys, Shown, TrailRow, controls, encrypts, reading};

/// One column of a table that is recorded by rows, and two of one that is recorded by statements.
const ASKED: &str = "
ALTER TABLE product ADD note jsonb;
COMMENT ON TABLE product IS '@audit(statement)';
COMMENT ON COLUMN product.name IS '@audit(encrypted)';
COMMENT ON COLUMN product.note IS '@audit(encrypted)';
COMMENT ON COLUMN product.price IS '@audit(hashed)';
COMMENT ON COLUMN company.name IS 'The name of a person: @audit(encrypted).'";

fn now() -> Timestamp {
    "2026-11-26T12:00:00Z".parse().unwrap()
}

fn keeper(protected: &Protected) -> &Db {
    protected.superuser.as_ref().unwrap_or(&protected.owner)
}

async fn shop(keeper: Keeper) -> Protected {
    let protected = house(SHOP, keeper).await;
    run(&protected.owner, ASKED).await;
    track(&protected).await;
    protected
}

/// What Amanah does with each approval and once a day; whether there is a new key.
async fn settle(protected: &Protected, keys: &mut ColumnKeys, now: Timestamp) -> bool {
    let tx = keeper(protected).operator().await.unwrap();
    assert_eq!(encrypts(&tx).await.unwrap(), Some(true));
    keys.adopt(&tx, now).await.unwrap();
    let current = keys.is_current(&tx, now).await.unwrap();
    if !current {
        keys.renew(now, &FixedRng::new(now.as_second().unsigned_abs())).unwrap();
        keys.install(&tx).await.unwrap();
        assert!(keys.is_current(&tx, now).await.unwrap());
    }
    tx.commit().await.unwrap();
    !current
}

async fn write(protected: &Protected, id: i32) {
    let sql = format!(
        "INSERT INTO company VALUES ({id}, 'Citra \u{e9} \"{id}\"'), (-{id}, NULL);
         UPDATE company SET name = 'Dewi' WHERE id = {id};
         INSERT INTO product (id, company_id, name, price, note)
         SELECT {id} * 10 + n, {id}, 'hidden' || n, n, jsonb_build_object('n', 1.10)
           FROM generate_series(1, 2) n;
         INSERT INTO product (id, company_id, name, note) VALUES ({id} * 10, {id}, 'x', 'null')"
    );
    run(&protected.owner, &sql).await;
}

async fn rows(protected: &Protected) -> Vec<TrailRow> {
    let tx = whole(protected).await;
    trail(&tx).await
}

/// A copy of the keys, as the strongbox gives it back.
fn clear(keys: &ColumnKeys) -> Shown {
    Shown::Clear(ColumnKeys::read(&keys.text()).unwrap())
}

fn documents(row: &TrailRow) -> String {
    format!("{:?} {:?} {:?}", row.row_key, row.old_data, row.new_data)
}

/// Whoever keeps the trail: values are nowhere in it, and open with the ring.
#[tokio::test]
async fn values_are_recorded_encrypted_and_open_again() {
    for keeper in [Keeper::Superuser, Keeper::Owner] {
        let protected = shop(keeper).await;
        let mut keys = ColumnKeys::default();
        // Before there is a key of the ring, one is made there; it is taken in.
        write(&protected, 5).await;
        assert!(settle(&protected, &mut keys, now()).await);
        write(&protected, 7).await;
        assert!(!settle(&protected, &mut keys, now()).await);
        let rows = rows(&protected).await;
        let mut shown = Vec::new();
        for row in &rows {
            assert!(row.is_whole());
            let text = documents(row);
            for word in ["Citra", "Dewi", "hidden", "1.10"] {
                assert!(!text.contains(word), "{text}");
            }
            let number = i32::from(text.contains("\\\"key\\\": 1"));
            let seen = clear(&keys).row(row.clone());
            shown.push(format!("key {number}: {} {}", row.action, documents(&seen)));
            let short = documents(&Shown::Short.row(row.clone()));
            assert!(!short.contains("value"), "{short}");
            assert_eq!(Shown::Recorded.row(row.clone()), *row);
            // Without the ring's keys nothing opens, and nothing is empty.
            let without = documents(&Shown::Clear(ColumnKeys::default()).row(row.clone()));
            assert_eq!(without.contains("no such key"), text.contains("encrypted"), "{without}");
        }
        let shown = shown.join("\n");
        let digest = without_digests(&shown);
        insta::assert_snapshot!("opened", digest);
    }
}

/// The digests of hashed values left out.
fn without_digests(text: &str) -> String {
    let mut parts = text.split("hmac_sha256\\\": \\\"");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.chars().skip(64).collect::<String>());
    std::iter::once(first).chain(rest).collect::<Vec<_>>().join("hmac_sha256\\\": \\\"…")
}

/// A key that is replaced goes out of the database, and what was recorded under it opens all the same.
#[tokio::test]
async fn a_former_key_is_not_in_the_database() {
    let protected = shop(Keeper::Superuser).await;
    let mut keys = ColumnKeys::default();
    assert!(settle(&protected, &mut keys, now()).await);
    write(&protected, 5).await;
    let later = now() + SignedDuration::from_hours(91 * 24);
    let early = now() + SignedDuration::from_hours(89 * 24);
    assert!(!settle(&protected, &mut keys, early).await);
    assert!(settle(&protected, &mut keys, later).await);
    write(&protected, 7).await;
    let tx = keeper(&protected).operator().await.unwrap();
    let sql = "SELECT number FROM audit.cipher_key";
    let numbers: Vec<i64> =
        tx.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(numbers, [2]);
    // Whoever takes the database now has the second key alone.
    let mut taken = ColumnKeys::default();
    assert!(taken.adopt(&tx, later).await.unwrap());
    tx.rollback().await.unwrap();
    let all: Vec<String> =
        rows(&protected).await.into_iter().map(|row| documents(&clear(&keys).row(row))).collect();
    assert!(all.iter().filter(|text| text.contains("Dewi")).count() >= 2, "{all:?}");
    assert!(!all.iter().any(|text| text.contains("damaged") || text.contains("no such")));
    let seen: Vec<String> =
        rows(&protected).await.into_iter().map(|row| documents(&clear(&taken).row(row))).collect();
    assert_eq!(seen.iter().filter(|text| text.contains("hidden1")).count(), 1);
    assert!(seen.iter().any(|text| text.contains("no such key")));
    // A backup brings the first key back, and it goes again.
    let tx = keeper(&protected).operator().await.unwrap();
    tx.batch("UPDATE audit.cipher_key SET number = 1").await.unwrap();
    tx.commit().await.unwrap();
    assert!(settle(&protected, &mut keys, later).await);
}

/// What was changed, or moved to another row or column, is shown as damaged.
#[tokio::test]
async fn what_does_not_open_is_damaged() {
    let protected = shop(Keeper::Superuser).await;
    let mut keys = ColumnKeys::default();
    settle(&protected, &mut keys, now()).await;
    write(&protected, 5).await;
    let shown = clear(&keys);
    let rows: Vec<TrailRow> = rows(&protected)
        .await
        .into_iter()
        .filter(|row| row.table_name == "product" && documents(row).contains("encrypted"))
        .collect();
    let see = |row: &TrailRow| documents(&shown.row(row.clone()));
    let damaged = |row: &TrailRow| see(row).matches("damaged").count();
    let mut moved = rows[0].clone();
    assert_eq!(damaged(&moved), 0, "{}", see(&moved));
    moved.salt = rows[1].salt;
    assert_eq!(damaged(&moved), 2, "{}", see(&moved));
    let mut swapped = rows[0].clone();
    let text = swapped.new_data.unwrap();
    swapped.new_data = Some(
        text.replace("\"name\"", "\"-\"")
            .replace("\"note\"", "\"name\"")
            .replace("\"-\"", "\"note\""),
    );
    assert_eq!(damaged(&swapped), 2, "{}", see(&swapped));
    // Every byte counts, and a part of it is nothing.
    for n in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[n] ^= 1;
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        let mut row = rows[0].clone();
        row.new_data = Some(changed);
        let seen = see(&row);
        let revealed = seen.matches("revealed").count();
        let whole = see(&rows[0]).matches("revealed").count();
        let hidden = reading::document::members(row.new_data.as_deref().unwrap())
            .iter()
            .filter(|(_, held)| held.contains("\"value\""))
            .count();
        assert!(revealed <= whole && (hidden == 0 || !seen.is_empty()), "{seen}");
    }
    let mut bare = rows[0].clone();
    bare.salt = None;
    assert_eq!(damaged(&bare), 2);
}

/// Nobody but whoever keeps the trail reads the key, or has a value encrypted.
#[tokio::test]
async fn the_key_is_nobodys() {
    let protected = shop(Keeper::Superuser).await;
    settle(&protected, &mut ColumnKeys::default(), now()).await;
    let superuser = protected.superuser.as_ref().unwrap();
    let statements = [
        "SELECT key FROM audit.cipher_key",
        "SELECT audit.encrypted(gen_random_uuid(), 'x', '1')",
        "SELECT audit.cipher('x', 'x', 'x', 'aes')",
        "DELETE FROM audit.cipher_key",
        "INSERT INTO audit.cipher_key VALUES (9, '', '', '')",
    ];
    let refused = async |tx: &Tx, who: &str, statements: &[&str]| {
        for sql in statements {
            let error = tx.attempt(sql, &[]).await.unwrap().unwrap_err();
            assert!(error.is_denied(), "{who}: {sql}: {error}");
        }
    };
    for login in [&protected.owner, &protected.intruder] {
        let tx = login.operator().await.unwrap();
        refused(&tx, &login.url().user, &statements).await;
    }
    for role in ["amanah_trail_reader", "amanah_auditor", "amanah_admin", "amanah_trail_desk"] {
        let tx = superuser.operator().await.unwrap();
        tx.batch(&format!("SET LOCAL ROLE {role}")).await.unwrap();
        refused(&tx, role, &statements).await;
    }
    // The recorder has values encrypted, and sees no key.
    let tx = superuser.operator().await.unwrap();
    tx.batch("SET LOCAL ROLE amanah_trail; SELECT audit.encrypted(gen_random_uuid(), 'x', '1')")
        .await
        .unwrap();
    refused(&tx, "the recorder", &[statements[0], statements[2], statements[3]]).await;
}

/// The controls hold with such columns, and their bites bite.
#[tokio::test]
async fn the_controls_hold_with_encrypted_columns() {
    let protected = shop(Keeper::Superuser).await;
    settle(&protected, &mut ColumnKeys::default(), now()).await;
    for control in unsealed(vec![watched(&protected)]) {
        let (id, proof) = (control.card().id, control.prove(&cx(), &none()).await);
        assert_eq!(
            proof.outcome(),
            Outcome::Holds,
            "{id}: {} {:?}",
            proof.detail(),
            proof.findings()
        );
        let bite = control.bite(&cx()).await;
        assert_eq!(bite.outcome(), Outcome::Broken, "{id}: {}", bite.detail());
    }
    let proof = controls(vec![watched(&protected)])[1].prove(&cx(), &none()).await;
    assert!(proof.detail().contains("public.product is recorded without"), "{}", proof.detail());
    // From encrypted to hashed and back is for somebody to approve.
    for word in ["hashed", "encrypted"] {
        let comment = format!("COMMENT ON COLUMN company.name IS '@audit({word})'");
        run(&protected.owner, &comment).await;
        let proof = controls(vec![watched(&protected)])[1].prove(&cx(), &none()).await;
        assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
        track(&protected).await;
    }
}

/// Where the owner keeps the trail, it is recorded all the same, in a sandbox too.
#[tokio::test]
async fn an_owner_alone_has_columns_encrypted() {
    let protected = shop(Keeper::Owner).await;
    settle(&protected, &mut ColumnKeys::default(), now()).await;
    let control = controls(vec![watched(&protected)]).remove(1);
    let proof = control.prove(&cx(), &none()).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    let bite = control.bite(&cx()).await;
    assert_eq!(bite.outcome(), Outcome::Broken, "{}", bite.detail());
    // Somebody moves the extension: nothing is recorded in clear, and the plan mends it.
    let superuser = testkit::postgres().await.superuser(&protected.name).await;
    run(
        &superuser,
        "CREATE SCHEMA elsewhere; GRANT USAGE ON SCHEMA elsewhere TO PUBLIC;
         ALTER EXTENSION pgcrypto SET SCHEMA elsewhere",
    )
    .await;
    let tx = protected.owner.operator().await.unwrap();
    assert!(tx.attempt("UPDATE company SET name = 'Eko'", &[]).await.unwrap().is_err());
    tx.rollback().await.unwrap();
    let proof = control.prove(&cx(), &none()).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
    track(&protected).await;
    run(&protected.owner, "UPDATE company SET name = 'Eko'").await;
}

/// A superuser who comes later makes the trail anew: what is approved is approved again, and rows under
/// former keys open.
#[tokio::test]
async fn a_superuser_comes_later() {
    let mut protected = shop(Keeper::Owner).await;
    let mut keys = ColumnKeys::default();
    settle(&protected, &mut keys, now()).await;
    write(&protected, 5).await;
    let superuser = testkit::postgres().await.superuser(&protected.name).await;
    store::migrate_privileged(&superuser, &[&crate::GUARD]).await.unwrap();
    protected.superuser = Some(superuser);
    write(&protected, 6).await;
    track(&protected).await;
    assert!(settle(&protected, &mut keys, now()).await);
    write(&protected, 7).await;
    let all: Vec<String> =
        rows(&protected).await.into_iter().map(|row| documents(&clear(&keys).row(row))).collect();
    assert_eq!(all.iter().filter(|text| text.contains("hidden1")).count(), 3, "{all:?}");
    assert!(!all.iter().any(|text| text.contains("damaged") || text.contains("no such")));
}
