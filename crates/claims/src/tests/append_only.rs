//! Evidence cannot be rewritten, by whom ever, and its time is the server's.

use kernel::{Params, SystemClock};
use std::sync::Arc;

use super::{Fake, database, engine};

const INSERT: &str = "INSERT INTO claims.proof (claim, params, kind, outcome, population_checked, \
    population_total, population_of, measured, threshold, detail, findings, attack, cadence_ms, \
    version, took_ms, observed_at";

#[tokio::test]
async fn nobody_changes_a_row() {
    let db = database().await;
    let fake = Fake::new("mfa.totp");
    let engine = engine(&db, &[&fake], Arc::new(SystemClock));
    engine.prove("mfa.totp", &Params::none()).await.unwrap();
    for (who, login) in [("owner", &db.owner), ("engine", &db.engine), ("superuser", &db.superuser)]
    {
        let tx = login.operator().await.unwrap();
        if who == "superuser" {
            // A replica does not fire ordinary triggers.
            tx.batch("SET LOCAL session_replication_role = replica").await.unwrap();
        }
        for sql in [
            "UPDATE claims.proof SET outcome = 'holds'",
            "UPDATE claims.proof SET detail = '' WHERE false",
            "DELETE FROM claims.proof",
            "TRUNCATE claims.proof",
            "INSERT INTO claims.proof SELECT * FROM claims.proof ON CONFLICT DO NOTHING",
            "MERGE INTO claims.proof p USING (SELECT 1) AS s ON true WHEN MATCHED THEN DELETE",
        ] {
            let refused = tx.attempt(sql, &[]).await.unwrap().unwrap_err();
            let identity = refused.sqlstate() == Some("428C9");
            assert!(refused.is_denied() || identity, "{who}: {sql}: {refused}");
        }
        tx.rollback().await.unwrap();
    }
    let tx = db.owner.operator().await.unwrap();
    let refused = tx.attempt("DELETE FROM claims.proof", &[]).await.unwrap().unwrap_err();
    assert_eq!(
        refused.server_message(),
        Some(
            "claims.proof is append-only: DELETE is refused for everybody, and nothing was changed"
        )
    );
}

#[tokio::test]
async fn the_engine_adds_rows_and_nothing_else() {
    let db = database().await;
    let tx = db.engine.operator().await.unwrap();
    for sql in [
        format!("{INSERT}, received_at) SELECT"),
        "ALTER TABLE claims.proof DISABLE TRIGGER ALL".to_owned(),
        "DROP TABLE claims.proof".to_owned(),
        "CREATE TABLE claims.mine ()".to_owned(),
        "SELECT claims.stamp()".to_owned(),
    ] {
        let sql = sql.replace(
            "SELECT",
            "SELECT 'c', '', 'proof', 'broken', 0, 0, '', '', '', '', '[]', '', 1, '', 0, \
             now(), now()",
        );
        let sql = if sql.contains("stamp") { "SELECT claims.stamp()" } else { sql.as_str() };
        let refused = tx.attempt(sql, &[]).await.unwrap().unwrap_err();
        assert!(refused.is_denied(), "{sql}: {refused}");
    }
}

#[tokio::test]
async fn the_time_of_arrival_is_the_servers_and_a_lie_is_refused() {
    let db = database().await;
    let tx = db.owner.operator().await.unwrap();
    let row = |outcome: &str, checked: i64, total: i64| {
        format!(
            "{INSERT}, received_at) VALUES ('c', '', 'proof', '{outcome}', {checked}, {total}, '', \
             '', '', '', '[]', '', 1, '', 0, '2000-01-01', '2000-01-01') \
             RETURNING received_at > now() - interval '1 hour'"
        )
    };
    let stamped = tx.query_one(&row("holds", 3, 3), &[]).await.unwrap();
    assert!(stamped.get::<_, bool>(0));
    for (checked, total) in [(0, 0), (2, 3)] {
        let lie = tx.attempt(&row("holds", checked, total), &[]).await.unwrap();
        assert_eq!(lie.unwrap_err().sqlstate(), Some("23514"));
    }
}
