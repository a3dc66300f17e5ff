//! SQL and Rust take the same bytes of a row.

use kernel::{FixedRng, Outcome, Params, Rng, catalogue};

use super::{Keeper, SHOP, TENANCY, control, cx, house, run, trail, watched};
use crate::{ROOM, sql};

const ROWS: usize = 200;

/// Random texts with everything that an encoding gets wrong: nothing, NULL, quotes, separators,
/// characters of one to four bytes.
fn text(rng: &FixedRng) -> Option<String> {
    const PIECES: [&str; 12] =
        ["a", "'", "\"", "\\", "|", "\n", "é", "سر", "🔑", " ", "0", "\u{200b}"];
    let mut bytes = [0_u8; 9];
    rng.fill(&mut bytes).unwrap();
    let length = usize::from(bytes[0] % 9);
    (length < 8)
        .then(|| bytes[1..=length].iter().map(|b| PIECES[usize::from(*b) % PIECES.len()]).collect())
}

/// Random rows, written in sessions whose settings print everything differently, have the hash in
/// the table that Rust computes from what it reads.
#[tokio::test]
async fn sql_and_rust_agree_on_random_rows() {
    let db = testkit::database(&[&TENANCY, &ROOM]).await;
    let rng = FixedRng::new(7);
    let tx = db.owner.operator().await.unwrap();
    tx.batch(
        "SET LOCAL timezone = 'Asia/Kathmandu'; SET LOCAL datestyle = 'SQL, DMY';
         SET LOCAL bytea_output = 'escape'; SET LOCAL standard_conforming_strings = off;
         SET LOCAL client_encoding = 'UTF8';
         ALTER TABLE audit.system_audit_logs DISABLE TRIGGER hash, DISABLE TRIGGER refuse_row,
             DISABLE TRIGGER refuse_statement",
    )
    .await
    .unwrap();
    // Rows of any time, which nobody can write: so the digest is taken as the trigger takes it.
    let sql = "INSERT INTO audit.system_audit_logs
                   (actor_id, tenant_id, request_id, action, table_schema, table_name,
                    row_key, old_data, new_data, event_timestamp, salt, row_hash)
               VALUES ($1, $2, $3, 'UPDATE', coalesce($4, 's'), coalesce($5, 't'),
                       to_jsonb($6::text), to_jsonb($7::text), to_jsonb($8::text),
                       now() - random() * interval '9000 days', gen_random_uuid(), '')";
    for _ in 0..ROWS {
        let t: Vec<Option<String>> = (0..8).map(|_| text(&rng)).collect();
        tx.execute(sql, &[&t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]]).await.unwrap();
    }
    let digest = "UPDATE audit.system_audit_logs SET row_hash = audit.row_digest(
            id, event_timestamp, xid, actor_id, tenant_id, db_user, request_id, action, table_schema,
            table_name, audit.content_digest(salt, row_key, old_data, new_data))";
    tx.batch(digest).await.unwrap();
    let entries = trail(&tx).await;
    assert_eq!(entries.len(), ROWS);
    for entry in &entries {
        assert!(entry.is_whole(), "{entry:?}");
    }
    let sql = "SELECT count(*) FROM audit.system_audit_logs t
                WHERE row_hash <> audit.row_digest(id, event_timestamp, xid, actor_id, tenant_id,
                          db_user, request_id, action, table_schema, table_name,
                          audit.content_digest(salt, row_key, old_data, new_data))";
    let differing: i64 = tx.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(differing, 0, "the hash cannot be taken again in SQL");
}

/// Any change of any field shows.
#[tokio::test]
async fn a_changed_field_no_longer_fits() {
    let db = testkit::database(&[&TENANCY, &ROOM]).await;
    let tx = db.owner.operator().await.unwrap();
    tx.batch(
        "INSERT INTO audit.system_audit_logs (action, table_schema, table_name, new_data)
         VALUES ('INSERT', 's', 't', '{\"a\": 1}')",
    )
    .await
    .unwrap();
    let entry = trail(&tx).await.remove(0);
    let mut changed = Vec::new();
    let mut change = |f: fn(&mut crate::TrailRow)| {
        let mut copy = entry.clone();
        f(&mut copy);
        changed.push(copy);
    };
    change(|e| e.id += 1);
    change(|e| e.xid += 1);
    change(|e| e.event_timestamp += jiff::SignedDuration::from_micros(1));
    change(|e| e.actor_id = Some(String::new()));
    change(|e| e.tenant_id = Some("x".into()));
    change(|e| e.db_user.push('x'));
    change(|e| e.request_id = Some("x".into()));
    change(|e| e.action = "DELETE".into());
    change(|e| e.table_schema.push('x'));
    change(|e| e.table_name.push('x'));
    change(|e| e.row_key = Some("null".into()));
    change(|e| e.old_data = e.new_data.take());
    change(|e| e.new_data = Some("{\"a\": 2}".into()));
    assert!(entry.is_whole());
    for copy in changed {
        assert!(!copy.is_whole(), "{copy:?}");
    }
}

fn promised(alg: &str) -> Params {
    let promise = catalogue::find("audit.hash").unwrap();
    Params::check(promise, [("alg", alg)]).unwrap()
}

/// The claim holds while every row fits, names the row that does not, and promises no other algorithm.
#[tokio::test]
async fn every_row_is_hashed_anew() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let superuser = protected.superuser.clone().unwrap();
    let claim = control("audit.hash", vec![watched(&protected)]);
    let proof = claim.prove(&cx(), &promised("sha-256")).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    let rows = proof.population().total;
    assert!(rows > 0 && proof.population().checked == rows, "{}", proof.population());
    let proof = claim.prove(&cx(), &promised("sha-512")).await;
    assert_eq!(proof.outcome(), Outcome::Broken);
    assert!(proof.detail().contains("not with sha-512"), "{}", proof.detail());
    run(&superuser, &format!("{}; {}", sql::DDL_GUARD_OFF, sql::UNGUARD)).await;
    run(&superuser, "ALTER TABLE audit.system_audit_logs ENABLE TRIGGER hash").await;
    let edit = "UPDATE audit.system_audit_logs SET actor_id = 'nobody'
                 WHERE id = (SELECT min(id) FROM audit.system_audit_logs)";
    run(&superuser, edit).await;
    let proof = claim.prove(&cx(), &promised("sha-256")).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
    assert_eq!(proof.findings().len(), 1, "{:?}", proof.findings());
    assert!(proof.detail().contains("does not fit its SHA-256"), "{}", proof.detail());
    let none = control("audit.hash", Vec::new());
    assert_eq!(none.prove(&cx(), &promised("sha-256")).await.outcome(), Outcome::Unknown);
}
