//! Changes of structure leave their rows too, where a superuser guards the trail.

use super::{Keeper, SHOP, binding, commands, house, run, whole};

/// Who changed what: commands and drops of everybody, with the actor of the binding; nothing of
/// temporary objects, and nothing of what was rolled back.
#[tokio::test]
async fn each_change_of_structure_is_recorded() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let superuser = protected.superuser.as_ref().unwrap();
    let start = commands(&*whole(&protected).await).await.len();
    let tx = protected.owner.tenant(&binding(&protected, "budi")).await.unwrap();
    tx.batch(
        "CREATE TABLE note (id int, text text); ALTER TABLE note ADD at date;
         ALTER TABLE note ALTER id TYPE bigint USING 7; ALTER TABLE note SET UNLOGGED;
         CREATE TEMP TABLE scratch (id int); CREATE TEMP TABLE other ON COMMIT DROP AS SELECT 1;
         ALTER TABLE pg_temp.scratch ADD x int; DROP TABLE pg_temp.scratch",
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let tx = protected.owner.operator().await.unwrap();
    tx.batch("CREATE TABLE never (id int)").await.unwrap();
    tx.rollback().await.unwrap();
    run(&protected.owner, "GRANT SELECT ON note TO PUBLIC; DROP TABLE note").await;
    run(
        superuser,
        "CREATE SCHEMA extra; CREATE FUNCTION extra.f() RETURNS int LANGUAGE sql AS
                    'SELECT 1'; DROP SCHEMA extra CASCADE",
    )
    .await;
    let tx = whole(&protected).await;
    let entries = commands(&tx).await;
    let owner = &protected.owner.url().user;
    let shown: Vec<String> = entries[start..]
        .iter()
        .map(|e| {
            assert!(e.is_whole());
            format!(
                "{} {} {}.{} {}",
                if &e.db_user == owner { "owner" } else { &e.db_user },
                e.actor_id.as_deref().unwrap_or("-"),
                e.table_schema,
                e.table_name,
                numberless(e.new_data.as_deref().unwrap())
            )
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

/// Without the number of the table, which is another one in each database.
fn numberless(told: &str) -> String {
    let Some((before, after)) = told.split_once("\"oid\": ") else { return told.to_owned() };
    let (number, after) = after.split_once(", ").unwrap();
    assert!(number.parse::<u32>().is_ok_and(|number| number > 0), "{told}");
    format!("{before}{after}")
}

/// What the session says of itself, and what its owner has planted, does not reach the record.
#[tokio::test]
async fn a_session_cannot_forge_it() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let app = &protected.app_role;
    run(&protected.owner, &format!("CREATE SCHEMA own; GRANT ALL ON SCHEMA own TO {app}")).await;
    let tx = protected.intruder.tenant(&binding(&protected, "ani")).await.unwrap();
    for sql in [
        "SELECT audit.record_command('DROP TABLE', 'public', 'product', '{}')",
        "SELECT audit.record_ddl()",
        "SET LOCAL session_replication_role = replica",
        "ALTER EVENT TRIGGER amanah_trail_record_ddl DISABLE",
    ] {
        assert!(tx.attempt(sql, &[]).await.unwrap().is_err(), "{sql}");
    }
    tx.batch("SET LOCAL amanah.actor = 'mallory'; CREATE TABLE own.thing (id int)").await.unwrap();
    tx.commit().await.unwrap();
    let entries = commands(&*whole(&protected).await).await;
    let last = entries.last().unwrap();
    // Who acts would be asked of a function that the owner can replace.
    assert_eq!(last.actor_id, None);
    assert_eq!((last.table_schema.as_str(), last.table_name.as_str()), ("own", "thing"));
    assert_eq!(last.db_user, protected.intruder.url().user);
}

/// What was done can be told apart, to whom a right went stands there, and no literal does, however
/// it is written.
#[tokio::test]
async fn what_was_done_is_told_without_secrets() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let app = &protected.app_role;
    let superuser = protected.superuser.as_ref().unwrap();
    let start = commands(&*whole(&protected).await).await.len();
    for sql in [
        "ALTER TABLE product RENAME price TO cost -- s3cret",
        "/* s3cret */ ALTER TABLE product ADD \"od'd\" text DEFAULT 's3''cret', ADD y int DEFAULT 4711",
        "ALTER TABLE product ADD z text DEFAULT $x$s3cret $$ ' $x$; ALTER TABLE product DROP y;
         SELECT 's3cret'",
        "ALTER TABLE product ADD e text DEFAULT E'it\\'s3cret', ADD f text DEFAULT E'\\\\', ADD g text",
        "ALTER TABLE product ALTER e SET DEFAULT E'a' -- b\n\n -- c'\n  'b\\' s3cret'",
        "GRANT SELECT, UPDATE (cost) ON product TO {app}",
        "DO $$ BEGIN EXECUTE 'GRANT s3cret_or_not' || '' ; EXCEPTION WHEN OTHERS THEN
             GRANT INSERT ON product TO {app}; END $$",
        "COMMENT ON COLUMN product.cost IS 'What it costs. @audit(hashed)'",
        "SELECT '/*', 1; ALTER TABLE product ADD i text DEFAULT '*/ s3cret \" '; SELECT \"id\" FROM product
         WHERE name = 's3cret\" ; '",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $body$ SELECT 's3cret' $body$; DROP FUNCTION f()",
        "CREATE TABLE p1 (x text DEFAULT $$5\" disk$$); CREATE TABLE p2 (x text DEFAULT 's3cret');
         CREATE TABLE \"p3\" (i int)",
        "DO $d$ BEGIN EXECUTE format('ALTER TABLE p1 ALTER x SET DEFAULT %L', $q$s3cret$q$); END $d$",
        "/* one /* s3cret */ 's3cret */ ALTER TABLE p2 ALTER x SET DEFAULT U&'s3cret' -- 's3cret",
        "CREATE TABLE date$x$ (a int, at date DEFAULT date'2020-01-01', \"é$x$\" text DEFAULT $é$s3cret$é$)",
    ] {
        run(&protected.owner, &sql.replace("{app}", app)).await;
    }
    let tx = superuser.operator().await.unwrap();
    for sql in [
        "SET LOCAL standard_conforming_strings = off; SET LOCAL escape_string_warning = off",
        "ALTER TABLE product DISABLE TRIGGER amanah_audit_row;
         ALTER TABLE product ADD h text DEFAULT 'it\\'s3cret'",
    ] {
        tx.batch(sql).await.unwrap();
    }
    tx.commit().await.unwrap();
    let tx = whole(&protected).await;
    let rows = commands(&tx).await;
    let told = |row: &crate::TrailRow| {
        let told: serde_json::Value =
            serde_json::from_str(row.new_data.as_deref().unwrap()).unwrap();
        let word = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        format!("{} | {} | {}", word("command"), word("statement"), word("says"))
    };
    let all: Vec<String> = rows[start..].iter().map(told).collect();
    let all = all.join("\n").replace(app, "{app}");
    assert!(!all.contains("s3cret") && !all.contains("4711"), "{all}");
    insta::assert_snapshot!(all);
}
