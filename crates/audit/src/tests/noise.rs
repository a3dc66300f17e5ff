//! Who may do nothing writes nothing into the trail; and every change of rights is there.

use store::Db;

use super::reading::person;
use super::{Keeper, SHOP, commands, house, run, whole};

/// Runs each of these in the same session; returns which ended well.
async fn tried(db: &Db, statements: &[&str]) -> Vec<bool> {
    let tx = db.operator().await.unwrap();
    let mut ended = Vec::new();
    for sql in statements {
        tx.batch("SAVEPOINT one").await.unwrap();
        let well = tx.batch(sql).await.is_ok();
        tx.batch(if well { "RELEASE one" } else { "ROLLBACK TO one" }).await.unwrap();
        ended.push(well);
    }
    tx.commit().await.unwrap();
    ended
}

/// A login that may connect and make temporary objects grants what it has not, hangs things on
/// temporary objects, and makes large ones.
#[tokio::test]
async fn a_login_without_rights_leaves_nothing() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let superuser = protected.superuser.as_ref().unwrap();
    run(superuser, &format!("GRANT TEMP ON DATABASE {} TO PUBLIC", protected.name)).await;
    // A role that has nothing here.
    let nobody = person(&protected, "pg_signal_backend").await;
    let start = commands(&*whole(&protected).await).await.len();
    let quiet = [
        "CREATE TEMP TABLE t (a int CHECK (a > 0), b text DEFAULT 'x')",
        "CREATE FUNCTION pg_temp.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE RULE r AS ON INSERT TO t DO ALSO NOTHING",
        "CREATE POLICY p ON t USING (true)",
        "CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION pg_temp.f()",
        "COMMENT ON TRIGGER tr ON t IS 'x'; COMMENT ON RULE r ON t IS 'x'; COMMENT ON POLICY p ON t IS 'x';
         COMMENT ON CONSTRAINT t_a_check ON t IS 'x'; COMMENT ON COLUMN t.a IS 'x'",
        "ALTER POLICY p ON t USING (false); ALTER TRIGGER tr ON t RENAME TO trr;
         ALTER RULE r ON t RENAME TO rr; ALTER TABLE t RENAME CONSTRAINT t_a_check TO positive",
        "DROP RULE rr ON t; DROP POLICY p ON t; DROP TRIGGER trr ON t;
         ALTER TABLE t DROP CONSTRAINT positive, ALTER b DROP DEFAULT",
        "CREATE TYPE pg_temp.st AS ENUM ('a')",
        "CREATE FUNCTION pg_temp.said(pg_temp.st) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE CAST (pg_temp.st AS int) WITH FUNCTION pg_temp.said(pg_temp.st)",
        "DROP CAST (pg_temp.st AS int)",
        "CREATE DOMAIN pg_temp.d AS int CONSTRAINT c CHECK (VALUE > 0)",
        "COMMENT ON CONSTRAINT c ON DOMAIN pg_temp.d IS 'x'; ALTER DOMAIN pg_temp.d DROP CONSTRAINT c",
        "GRANT SELECT ON pg_catalog.pg_class TO PUBLIC",
        "REVOKE SELECT ON pg_catalog.pg_class FROM PUBLIC",
        "GRANT EXECUTE ON FUNCTION pg_catalog.now() TO PUBLIC",
        "GRANT SELECT ON t TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        "SELECT lo_create(424242); COMMENT ON LARGE OBJECT 424242 IS 'x';
         GRANT SELECT ON LARGE OBJECT 424242 TO PUBLIC",
        "SELECT set_config('amanah.rights', 'changed', true); GRANT SELECT ON pg_catalog.pg_proc TO PUBLIC",
        "DROP OWNED BY CURRENT_USER",
    ];
    let ended = tried(&nobody, &quiet).await;
    let refused: Vec<_> = quiet.iter().zip(ended).filter(|(_, well)| !well).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let left = commands(&*whole(&protected).await).await;
    let left: Vec<_> = left[start..].iter().map(|row| row.new_data.clone()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// What really changes rights is told: by the owner, by who may hand a right on, by a function that runs
/// with its owner's rights, and with a schema; and the session cannot say that nothing was changed.
#[tokio::test]
async fn each_change_of_rights_is_told() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let superuser = protected.superuser.as_ref().unwrap();
    let hander = person(&protected, "pg_signal_backend").await;
    let name = hander.url().user.clone();
    let schema = format!(
        "CREATE FUNCTION opens() RETURNS void LANGUAGE sql SECURITY DEFINER AS
             'GRANT SELECT ON product TO PUBLIC';
         GRANT SELECT (name) ON product TO {name} WITH GRANT OPTION;
         REVOKE SELECT ON company FROM PUBLIC;
         CREATE TYPE pair AS (a int)"
    );
    run(&protected.owner, &schema).await;
    run(superuser, "CREATE SCHEMA lent AUTHORIZATION pg_monitor").await;
    let start = commands(&*whole(&protected).await).await.len();
    let lie = "SELECT set_config('amanah.rights', 'unchanged', false);";
    for (who, sql, tag) in [
        (&protected.owner, "GRANT SELECT ON product TO PUBLIC", "GRANT"),
        (
            &protected.owner,
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
            "ALTER DEFAULT PRIVILEGES",
        ),
        (&protected.owner, "REVOKE USAGE ON TYPE pair FROM PUBLIC", "REVOKE"),
        (&hander, "SELECT opens()", "GRANT"),
        (&hander, "GRANT SELECT (name) ON product TO PUBLIC", "GRANT"),
        (
            &hander,
            "REVOKE GRANT OPTION FOR SELECT (name) ON product FROM CURRENT_USER CASCADE",
            "REVOKE",
        ),
        (superuser, "GRANT USAGE ON SCHEMA lent TO PUBLIC", "GRANT"),
        (superuser, "SET LOCAL ROLE pg_monitor; GRANT CREATE ON SCHEMA lent TO PUBLIC", "GRANT"),
    ] {
        run(who, &format!("{lie} {sql}")).await;
        let told = commands(&*whole(&protected).await).await;
        let last = told.last().and_then(|row| row.new_data.clone()).unwrap_or_default();
        assert!(
            told.len() > start && last.contains(&format!("\"command\": \"{tag}\"")),
            "{sql}: {last}"
        );
        // So that the next one is told by a row of its own.
        run(superuser, "COMMENT ON SCHEMA lent IS 'next'").await;
    }
    run(
        superuser,
        &format!("{lie} CREATE SCHEMA two CREATE TABLE x (id int) GRANT SELECT ON x TO PUBLIC"),
    )
    .await;
    let told = commands(&*whole(&protected).await).await;
    let tags: Vec<_> =
        told.iter().rev().take(3).filter_map(|row| row.new_data.as_deref()).collect();
    assert!(tags.iter().any(|told| told.contains("\"command\": \"GRANT\"")), "{tags:?}");
}
