//! Contents that are erased, and everything that looks like it and is refused.

mod requests;

use kernel::SystemRng;
use store::{Db, Protected};

use super::{Keeper, SHOP, binding, house, run, trail, whole};
use crate::TrailRow;
use crate::attack::ERASER;
use crate::controls::Probe;

const ERASE: &str = "SELECT audit.erase($1::text[]::xid8[], $2, $3)";

/// A shop with two products, and the row about the second.
async fn sold() -> (Protected, TrailRow) {
    let protected = house(SHOP, Keeper::Superuser).await;
    let tx = protected.owner.tenant(&binding(&protected, "sari")).await.unwrap();
    for name in ["tea", "rice"] {
        let sql = format!("INSERT INTO product (company_id, name, price) VALUES (-1, '{name}', 3)");
        tx.batch(&sql).await.unwrap();
    }
    tx.commit().await.unwrap();
    let row = newest(&protected).await;
    (protected, row)
}

async fn newest(protected: &Protected) -> TrailRow {
    let tx = whole(protected).await;
    trail(&tx).await.pop().unwrap()
}

/// What becomes of an erasure of these rows by `login`.
async fn erase(login: &Db, rows: &[(&TrailRow, &[u8])]) -> store::Result<i64> {
    let xids: Vec<String> = rows.iter().map(|(row, _)| row.xid.to_string()).collect();
    let ids: Vec<i64> = rows.iter().map(|(row, _)| row.id).collect();
    let hashes: Vec<&[u8]> = rows.iter().map(|(_, hash)| *hash).collect();
    let tx = login.operator().await?;
    let erased = tx.query_one(ERASE, &[&xids, &ids, &hashes]).await?.get(0);
    tx.commit().await?;
    Ok(erased)
}

/// The content goes and nothing else: the row has the hash that it had, and fits it. A second erasure
/// does nothing, and one that was never sealed so is refused as a whole.
#[tokio::test]
async fn an_erased_row_keeps_its_hash() {
    let (protected, row) = sold().await;
    let superuser = protected.superuser.as_ref().unwrap();
    let eraser = Probe::make(superuser, ERASER, &SystemRng).await.unwrap();
    let tx = whole(&protected).await;
    let other = trail(&tx).await.remove(0);
    drop(tx);
    assert_ne!(other.id, row.id);
    let wrong: &[(&TrailRow, &[u8])] = &[(&row, &row.row_hash), (&other, &row.row_hash)];
    let refused = erase(&eraser.db, wrong).await.unwrap_err();
    assert_eq!(refused.sqlstate(), Some("TRAIL"), "{refused}");
    assert!(refused.to_string().contains("1 of 2 rows are not there"), "{refused}");
    assert_eq!(newest(&protected).await, row, "nothing was erased");
    assert_eq!(erase(&eraser.db, &[(&row, &row.row_hash)]).await.unwrap(), 1);
    let mut wanted = row.clone();
    assert!(wanted.erase());
    let left = newest(&protected).await;
    assert_eq!(left, wanted);
    assert!(left.is_erased() && left.is_whole());
    assert_eq!(erase(&eraser.db, &[(&row, &row.row_hash)]).await.unwrap(), 0);
    eraser.remove().await.unwrap();
}

/// Only this change of a row, and only by the function: not by its caller, nor by the role that it runs
/// as in any other shape, nor by a superuser.
#[tokio::test]
async fn nothing_that_only_looks_like_an_erasure_passes() {
    let (protected, row) = sold().await;
    let superuser = protected.superuser.as_ref().unwrap();
    let good = "salt = NULL, row_key = NULL, old_data = NULL, new_data = NULL,
                erased = audit.content_digest(salt, row_key, old_data, new_data)";
    let update =
        |set: &str| format!("UPDATE audit.system_audit_logs SET {set} WHERE id = {}", row.id);
    let eraser = Probe::make(superuser, ERASER, &SystemRng).await.unwrap();
    let tx = eraser.db.operator().await.unwrap();
    for attack in [update(good), "SELECT salt FROM audit.system_audit_logs".to_owned()] {
        let refused = tx.attempt(&attack, &[]).await.unwrap().unwrap_err();
        assert_eq!(refused.sqlstate(), Some("42501"), "{attack}: {refused}");
    }
    tx.rollback().await.unwrap();
    let tx = superuser.operator().await.unwrap();
    let refused = tx.attempt(&update(good), &[]).await.unwrap().unwrap_err();
    assert_eq!(refused.sqlstate(), Some("TRAIL"), "as a superuser: {refused}");
    tx.batch("SET LOCAL ROLE amanah_trail_erasing").await.unwrap();
    let shapes = [
        (
            "a wrong digest",
            "erased = sha256('') , salt = NULL, row_key = NULL, old_data = NULL,
                            new_data = NULL"
                .to_owned(),
        ),
        ("no digest", "salt = NULL, row_key = NULL, old_data = NULL, new_data = NULL".to_owned()),
        ("a part", good.replace(", new_data = NULL", "")),
        ("the salt alone", "salt = NULL".to_owned()),
        ("another content", good.replace("new_data = NULL", "new_data = '{}'")),
    ];
    for (what, set) in shapes {
        let refused = tx.attempt(&update(&set), &[]).await.unwrap().unwrap_err();
        assert_eq!(refused.sqlstate(), Some("TRAIL"), "{what}: {refused}");
    }
    for attack in [
        update(&format!("{good}, actor_id = 'nobody'")),
        "DELETE FROM audit.system_audit_logs".to_owned(),
        "TRUNCATE audit.system_audit_logs".to_owned(),
    ] {
        let refused = tx.attempt(&attack, &[]).await.unwrap().unwrap_err();
        assert!(matches!(refused.sqlstate(), Some("TRAIL" | "42501")), "{attack}: {refused}");
    }
    tx.rollback().await.unwrap();
    // With more rights than it has, the role still changes nothing else.
    let tx = superuser.operator().await.unwrap();
    tx.batch("GRANT ALL ON audit.system_audit_logs TO amanah_trail_erasing").await.unwrap();
    tx.batch("SET LOCAL ROLE amanah_trail_erasing").await.unwrap();
    for attack in [
        update(&format!("{good}, actor_id = 'nobody'")),
        update(&format!("{good}, row_hash = sha256('')")),
        update(&format!("{good}, db_user = db_user || 'x'")),
        "DELETE FROM audit.system_audit_logs".to_owned(),
        "TRUNCATE audit.system_audit_logs".to_owned(),
    ] {
        let refused = tx.attempt(&attack, &[]).await.unwrap().unwrap_err();
        assert_eq!(refused.sqlstate(), Some("TRAIL"), "{attack}: {refused}");
    }
    assert!(tx.attempt(&update(good), &[]).await.unwrap().is_ok(), "the shape itself");
    assert!(tx.attempt(&update(good), &[]).await.unwrap().is_ok());
    tx.rollback().await.unwrap();
    assert_eq!(newest(&protected).await, row);
    eraser.remove().await.unwrap();
}

/// A content is erased once: what stands for it is not replaced. And where the owner keeps the trail,
/// nobody erases.
#[tokio::test]
async fn what_was_erased_stays_so() {
    let (protected, row) = sold().await;
    let superuser = protected.superuser.as_ref().unwrap();
    let eraser = Probe::make(superuser, ERASER, &SystemRng).await.unwrap();
    assert_eq!(erase(&eraser.db, &[(&row, &row.row_hash)]).await.unwrap(), 1);
    eraser.remove().await.unwrap();
    let tx = superuser.operator().await.unwrap();
    tx.batch("SET LOCAL ROLE amanah_trail_erasing").await.unwrap();
    for set in ["erased = NULL", "erased = sha256('')", "new_data = '{}'"] {
        let sql = format!("UPDATE audit.system_audit_logs SET {set} WHERE id = {}", row.id);
        let refused = tx.attempt(&sql, &[]).await.unwrap().unwrap_err();
        assert_eq!(refused.sqlstate(), Some("TRAIL"), "{set}: {refused}");
    }
    tx.rollback().await.unwrap();
    let kept = house(SHOP, Keeper::Owner).await;
    run(&kept.owner, "INSERT INTO company VALUES (5, 'E')").await;
    let tx = kept.owner.operator().await.unwrap();
    let sql = "UPDATE audit.system_audit_logs SET salt = NULL, row_key = NULL, old_data = NULL,
               new_data = NULL, erased = audit.content_digest(salt, row_key, old_data, new_data)";
    let refused = tx.attempt(sql, &[]).await.unwrap().unwrap_err();
    assert_eq!(refused.sqlstate(), Some("TRAIL"), "{refused}");
    let there = tx.query_opt(crate::sql::ERASES, &[]).await.unwrap();
    assert!(there.is_none());
}
