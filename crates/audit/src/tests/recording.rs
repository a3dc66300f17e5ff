//! What a write leaves behind.

use store::Tx;

use super::{Keeper, SHOP, binding, house, run, trail, whole};
use crate::TrailRow;

/// Every kind of value that JSON has no word for.
const ZOO: &str = "
CREATE TYPE mood AS ENUM ('calm', 'a ''quoted'' one');
CREATE TYPE point3 AS (x float8, y float8, \"z \"\"q\"\"\" text);
CREATE TABLE zoo (
    company_id int,
    id uuid PRIMARY KEY,
    nothing text,
    list text[],
    grid int[][],
    feeling mood,
    bytes bytea,
    nan_n numeric,
    nan_f float8,
    pi float8,
    never date,
    ever timestamptz,
    at timestamptz,
    span interval,
    during tstzrange,
    place point3,
    \"odd \"\"name\"\" 'x'\" int,
    doc jsonb,
    gone int
);
ALTER TABLE zoo DROP COLUMN gone;
ALTER TABLE zoo ADD COLUMN gone text DEFAULT 'again';
CREATE TABLE keyless (company_id int, note text);
CREATE TABLE ledger (company_id int, year int, note text, PRIMARY KEY (year, company_id))
    PARTITION BY RANGE (year);
CREATE TABLE ledger_old PARTITION OF ledger FOR VALUES FROM (2000) TO (2020);
CREATE TABLE ledger_new PARTITION OF ledger FOR VALUES FROM (2020) TO (2040);
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {app};";

const ANIMAL: &str = "
INSERT INTO zoo VALUES (-1, '00000000-0000-4000-8000-000000000001', NULL,
    ARRAY['a', NULL, '\"{,}\\'], ARRAY[[1, 2], [3, 4]], 'a ''quoted'' one', '\\x00ff61',
    'NaN', '-Infinity', 3.141592653589793, 'infinity', '-infinity',
    '2026-01-02 03:04:05.678901+00', '1 year 2 days 03:04:05.6',
    '[2026-01-01 00:00+00, infinity)', ROW(1.5, 'Infinity', 'q\"'), 1,
    '{\"b\": [1.10, null], \"a\": \"\\u00e9\"}')";

async fn text(tx: &Tx, sql: &str) -> String {
    tx.query_one(sql, &[]).await.unwrap().get(0)
}

/// Strange values are recorded whole, and in one form whatever the session's settings say.
#[tokio::test]
async fn values_are_recorded_whole_whatever_the_settings() {
    let protected = house(ZOO, Keeper::Superuser).await;
    let mut seen: Vec<(Option<String>, Option<String>)> = Vec::new();
    for settings in [
        "SET LOCAL timezone = 'UTC'",
        "SET LOCAL timezone = 'America/St_Johns'; SET LOCAL datestyle = 'German';
         SET LOCAL intervalstyle = 'sql_standard'; SET LOCAL bytea_output = 'escape';
         SET LOCAL extra_float_digits = -15",
    ] {
        let tx = protected.owner.tenant(&binding(&protected, "ani")).await.unwrap();
        tx.batch(settings).await.unwrap();
        tx.batch(ANIMAL).await.unwrap();
        let entries = trail(&tx).await;
        let [entry] = entries.as_slice() else { panic!("{entries:?}") };
        assert!(entry.is_whole());
        seen.push((entry.row_key.clone(), entry.new_data.clone()));
        tx.rollback().await.unwrap();
    }
    assert_eq!(seen[0], seen[1]);
    insta::assert_snapshot!(seen[0].1.as_deref().unwrap());
}

/// What names a relation is recorded with its schema, whatever the session's path and quotes; and the
/// session has both afterwards as it had them.
#[tokio::test]
async fn no_path_of_the_session_reaches_a_record() {
    for comment in ["", "COMMENT ON TABLE link IS '@audit(statement)';"] {
        let table = format!(
            "CREATE SCHEMA evil; CREATE TABLE evil.link (id int);
             CREATE TABLE link (id int PRIMARY KEY, company_id int, r regclass); {comment}"
        );
        let protected = house(&table, Keeper::Superuser).await;
        let tx = protected.owner.operator().await.unwrap();
        tx.batch(
            "SET LOCAL search_path = evil, public; SET LOCAL quote_all_identifiers = on;
             INSERT INTO public.link VALUES (1, -1, 'evil.link'::regclass)",
        )
        .await
        .unwrap();
        let left =
            "SELECT current_setting('search_path') || current_setting('quote_all_identifiers')";
        assert_eq!(text(&tx, left).await, "evil, publicon");
        let row = trail(&tx).await.pop().unwrap().new_data.unwrap();
        assert!(row.contains("\"r\": \"evil.link\""), "{row}");
    }
}

/// Whoever says who acts changes nothing of how the next rows print, by row, by statement, and where
/// JSONB does not take a value.
#[tokio::test]
async fn a_planted_actor_hides_no_digits() {
    for comment in ["", "COMMENT ON TABLE wage IS '@audit(statement)';"] {
        let table = format!(
            "CREATE TABLE wage (id int PRIMARY KEY, company_id int, n float8, j json); {comment}"
        );
        let protected = house(&table, Keeper::Superuser).await;
        run(
            &protected.owner,
            "CREATE OR REPLACE FUNCTION amanah.current_actor() RETURNS text LANGUAGE sql AS
                 $$ SELECT set_config('extra_float_digits', '-15', false) $$",
        )
        .await;
        for json in ["1", "1e999999"] {
            let tx = protected.owner.operator().await.unwrap();
            let sql = "INSERT INTO wage SELECT g, -1, 1499.99, $1::text::json
                         FROM generate_series(1, 70) g";
            tx.execute(sql, &[&json]).await.unwrap();
            let rows = trail(&tx).await;
            let whole = |row: &TrailRow| row.new_data.as_ref().unwrap().contains("1499.99");
            assert_eq!(rows.iter().filter(|row| whole(row)).count(), 70, "{comment} {json}");
            tx.rollback().await.unwrap();
        }
    }
}

/// The three actions: who, what, from what to what, and the login.
#[tokio::test]
async fn a_write_names_its_actor_tenant_and_both_states() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let tx = protected.owner.tenant(&binding(&protected, "budi o'neil")).await.unwrap();
    tx.batch(
        "SET LOCAL amanah.request_id = 'req-1';
         INSERT INTO product (id, company_id, name, price) VALUES (7, -1, 'Rice', 9.50);
         SAVEPOINT s; UPDATE product SET price = 10 WHERE id = 7; RELEASE s;
         UPDATE product SET id = 8; DELETE FROM product;
         UPDATE product SET price = 1 WHERE false;
         SET LOCAL amanah.request_id = ''; TRUNCATE product CASCADE",
    )
    .await
    .unwrap();
    let xid = text(&tx, "SELECT pg_current_xact_id()::text").await;
    let entries = trail(&tx).await;
    for entry in &entries {
        assert_eq!(entry.xid.to_string(), xid);
        assert_eq!(entry.actor_id.as_deref(), Some("budi o'neil"));
        assert_eq!(entry.tenant_id.as_deref(), Some("-1"));
        assert_eq!(entry.db_user, protected.owner.url().user);
        assert!(entry.is_whole());
    }
    let shown: Vec<String> = entries.iter().map(show).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

fn show(entry: &TrailRow) -> String {
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    format!(
        "{} {} | {} | {} -> {} | {}",
        entry.action,
        entry.table_name,
        or(&entry.row_key),
        or(&entry.old_data),
        or(&entry.new_data),
        or(&entry.request_id)
    )
}

/// A session that is bound to nobody still leaves its login.
#[tokio::test]
async fn maintenance_without_a_binding_is_recorded_by_login() {
    let protected = house(SHOP, Keeper::Superuser).await;
    run(&protected.owner, "INSERT INTO product (company_id, name) VALUES (-1, 'Rice')").await;
    let tx = whole(&protected).await;
    let entries = trail(&tx).await;
    assert_eq!(entries[0].actor_id, None);
    assert_eq!(entries[0].db_user, protected.owner.url().user);
}

/// Neither a setting nor a search path chosen by the writer reaches what is recorded.
#[tokio::test]
async fn a_hostile_session_changes_nothing() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let superuser = protected.superuser.clone().unwrap();
    run(&superuser, HOSTILE).await;
    let tx = protected.owner.tenant(&binding(&protected, "ani")).await.unwrap();
    tx.batch(
        "CREATE TEMP TABLE jsonb (x int); CREATE TEMP TABLE text (x int);
         CREATE TEMP TABLE system_audit_logs (x int);
         SET LOCAL search_path = evil, pg_temp, pg_catalog, public;
         SET LOCAL standard_conforming_strings = off; SET LOCAL escape_string_warning = off",
    )
    .await
    .unwrap();
    tx.batch(
        "INSERT INTO public.product (id, company_id, name) VALUES (7, -1, 'Rice');
         UPDATE public.product SET name = 'Maize'; DELETE FROM public.product;
         SET LOCAL search_path = pg_catalog;
         DROP TABLE pg_temp.jsonb, pg_temp.text, pg_temp.system_audit_logs",
    )
    .await
    .unwrap();
    let entries = trail(&tx).await;
    let actions: Vec<&str> = entries.iter().map(|e| e.action.as_str()).collect();
    assert_eq!(actions, ["INSERT", "UPDATE", "DELETE"]);
    for entry in &entries {
        assert!(entry.is_whole(), "{entry:?}");
        assert_eq!(entry.actor_id.as_deref(), Some("ani"));
        assert_eq!(entry.row_key.as_deref(), Some("{\"id\": 7}"));
    }
}

/// Operators, functions and types that shadow those of the recording function.
const HOSTILE: &str = "
CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE FUNCTION evil.no(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.no);
CREATE OPERATOR evil.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.no);
CREATE FUNCTION evil.cat(jsonb, jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS 'SELECT NULL::jsonb';
CREATE OPERATOR evil.|| (LEFTARG = jsonb, RIGHTARG = jsonb, FUNCTION = evil.cat);
CREATE FUNCTION evil.catb(bytea, bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    'SELECT ''''::bytea';
CREATE OPERATOR evil.|| (LEFTARG = bytea, RIGHTARG = bytea, FUNCTION = evil.catb);
CREATE FUNCTION evil.get(jsonb, text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS 'SELECT NULL::jsonb';
CREATE OPERATOR evil.-> (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = evil.get);
CREATE FUNCTION evil.minus(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT -1';
CREATE OPERATOR evil.- (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.minus);
CREATE FUNCTION evil.to_jsonb(anyelement) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb';
CREATE FUNCTION evil.sha256(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT ''''::bytea';
CREATE FUNCTION evil.int4send(int) RETURNS bytea LANGUAGE sql AS 'SELECT ''''::bytea';
CREATE FUNCTION evil.octet_length(bytea) RETURNS int LANGUAGE sql AS 'SELECT 0';
CREATE FUNCTION evil.convert_to(text, name) RETURNS bytea LANGUAGE sql AS 'SELECT ''''::bytea';
CREATE FUNCTION evil.current_setting(text, boolean) RETURNS text LANGUAGE sql AS 'SELECT ''x''';
CREATE FUNCTION evil.format(text) RETURNS text LANGUAGE sql AS 'SELECT ''x''';
CREATE DOMAIN evil.jsonb AS int; CREATE DOMAIN evil.bytea AS int; CREATE DOMAIN evil.text AS int;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA evil TO PUBLIC;";

/// When the trail cannot take the row, the write does not happen.
#[tokio::test]
async fn a_write_that_cannot_be_recorded_fails() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let superuser = protected.superuser.clone().unwrap();
    let write = "INSERT INTO product (company_id, name) VALUES (-1, 'Rice')";
    for (damage, mend) in [
        (
            "CREATE RULE swallow AS ON INSERT TO audit.system_audit_logs DO INSTEAD NOTHING",
            "DROP RULE swallow ON audit.system_audit_logs",
        ),
        (
            "ALTER TABLE audit.system_audit_logs ADD CONSTRAINT full_disk CHECK (id < 0) NOT VALID",
            "ALTER TABLE audit.system_audit_logs DROP CONSTRAINT full_disk",
        ),
        (
            "REVOKE INSERT ON audit.system_audit_logs FROM amanah_trail",
            "GRANT INSERT ON audit.system_audit_logs TO amanah_trail",
        ),
    ] {
        // A change of structure is recorded too, so the trail refuses what would break it.
        let tx = superuser.operator().await.unwrap();
        assert!(tx.attempt(damage, &[]).await.unwrap().is_err(), "{damage}");
        tx.rollback().await.unwrap();
        let watch = "ALTER EVENT TRIGGER amanah_trail_record_ddl";
        run(&superuser, &format!("{watch} DISABLE; {damage}")).await;
        let tx = protected.owner.operator().await.unwrap();
        let refused = tx.attempt(write, &[]).await.unwrap();
        assert!(refused.is_err(), "after {damage}");
        run(&superuser, &format!("{mend}; {watch} ENABLE ALWAYS")).await;
    }
    let tx = protected.owner.operator().await.unwrap();
    // A forged binding fails the write too, and is not recorded as somebody else's.
    tx.batch("SET LOCAL amanah.token = 'elsewhere|-2|mallory'").await.unwrap();
    let refused = tx.attempt(write, &[]).await.unwrap().unwrap_err();
    assert_eq!(refused.sqlstate(), Some("28000"));
    let sql = "SELECT count(*)::text FROM product";
    assert_eq!(text(&tx, sql).await, "0");
}

/// A table without a primary key has no key to name; a partition is named itself.
#[tokio::test]
async fn keyless_tables_and_partitions_are_recorded() {
    let protected = house(ZOO, Keeper::Superuser).await;
    let tx = protected.owner.tenant(&binding(&protected, "ani")).await.unwrap();
    tx.batch(
        "INSERT INTO keyless VALUES (-1, 'a'), (-1, 'a'); UPDATE keyless SET note = 'b';
         INSERT INTO ledger VALUES (-1, 2019, 'x'); UPDATE ledger SET year = 2021;
         DELETE FROM ledger_new; TRUNCATE ledger_old",
    )
    .await
    .unwrap();
    let shown: Vec<String> = trail(&tx).await.iter().map(show).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

/// A document of fifty megabytes is recorded and hashed like any other.
#[tokio::test]
async fn a_huge_document_is_recorded() {
    let protected = house(ZOO, Keeper::Superuser).await;
    let tx = protected.owner.tenant(&binding(&protected, "ani")).await.unwrap();
    tx.batch(
        "INSERT INTO zoo (company_id, id, doc)
         SELECT -1, '00000000-0000-4000-8000-000000000002',
                jsonb_agg(jsonb_build_object('n', n, 'text', repeat('x', 1000)))
           FROM generate_series(1, 50000) n",
    )
    .await
    .unwrap();
    let entry = trail(&tx).await.remove(0);
    assert!(entry.new_data.as_ref().unwrap().len() > 50_000_000);
    assert!(entry.is_whole());
}

/// What JSONB cannot take is recorded as the text that it is, in rows and in statements, and nobody's
/// write fails for it.
#[tokio::test]
async fn json_that_jsonb_cannot_take_is_recorded_as_text() {
    let protected = house(
        "CREATE TYPE pair AS (j json, n int);
         CREATE TABLE doc (id int PRIMARY KEY, company_id int, \"j 'x\"\"\" json, js json[], p pair,
                           gone int, t text DEFAULT 'T');
         ALTER TABLE doc DROP gone;
         CREATE TABLE many (LIKE doc INCLUDING ALL);
         COMMENT ON TABLE many IS '@audit(statement)';
         COMMENT ON COLUMN many.t IS '@audit(never)';",
        Keeper::Superuser,
    )
    .await;
    let tx = protected.owner.tenant(&binding(&protected, "ani")).await.unwrap();
    for table in ["doc", "many"] {
        let odd =
            r#"'{"a":"\u0000"}', ARRAY['1e999999', '{"x":1.10}']::json[], ROW('"\ud800"', 1)"#;
        tx.batch(&format!(
            "INSERT INTO {table} VALUES (1, -1, {odd}), (2, -1, '[1.10]', '{{}}', NULL);
             UPDATE {table} SET js = '{{1e999998}}', \"j 'x\"\"\" = '2' WHERE id = 1;
             UPDATE {table} SET \"j 'x\"\"\" = '3' WHERE id = 1; DELETE FROM {table} WHERE id = 1"
        ))
        .await
        .unwrap();
    }
    let rows = trail(&tx).await;
    assert!(rows.iter().all(TrailRow::is_whole));
    let shown: Vec<String> = rows.iter().map(show).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

/// Money prints in one way, whatever the session counts in; and who acts is bounded, since somebody
/// else's function says it.
#[tokio::test]
async fn neither_money_nor_the_actor_is_the_sessions() {
    let protected = house(
        "CREATE TABLE purse (id int PRIMARY KEY, company_id int, coins money);",
        Keeper::Superuser,
    )
    .await;
    run(
        &protected.owner,
        "CREATE OR REPLACE FUNCTION amanah.current_actor() RETURNS text LANGUAGE sql AS
             $$ SELECT repeat('a', 100000) $$;
         CREATE OR REPLACE FUNCTION amanah.current_tenant() RETURNS text LANGUAGE sql AS
             $$ SELECT repeat('t', 100000) $$;
         COMMENT ON TABLE purse IS 'x'",
    )
    .await;
    let tx = protected.owner.operator().await.unwrap();
    // Not every server has another locale; the setting is taken all the same where it has.
    let other = tx.attempt("SET LOCAL lc_monetary = 'C.UTF-8'", &[]).await.unwrap();
    assert!(other.is_ok());
    tx.batch("INSERT INTO purse VALUES (1, -1, 1234.5)").await.unwrap();
    let row = trail(&tx).await.pop().unwrap();
    assert!(row.new_data.unwrap().contains("\"$1,234.50\""));
    assert_eq!(row.actor_id.unwrap(), "a".repeat(128));
    assert_eq!(row.tenant_id.unwrap(), "t".repeat(128));
    let sql = "SELECT 'lc_monetary=C' = ANY (proconfig) FROM pg_proc
                WHERE proname = 'document'";
    assert!(tx.query_one(sql, &[]).await.unwrap().get::<_, bool>(0));
}

/// A write whose record nobody could read again is refused, however small it is until it is printed; with a
/// superuser's guard and without one. Shorter ones are recorded.
#[tokio::test]
async fn a_record_has_a_bound() {
    let table = "CREATE TABLE heap (id int PRIMARY KEY, company_id int, digits numeric[]);";
    for keeper in [Keeper::Superuser, Keeper::Owner] {
        let protected = house(table, keeper).await;
        let tx = protected.owner.operator().await.unwrap();
        let write = "INSERT INTO heap SELECT $1, -1, array_agg(1e131071::numeric)
                       FROM generate_series(1, $2::int)";
        let refused = tx.attempt(write, &[&1, &2_050]).await.unwrap().unwrap_err();
        assert_eq!(refused.sqlstate(), Some("TRAIL"), "{refused}");
        assert!(refused.to_string().contains("would be longer than 256 MB as text"), "{refused}");
        tx.execute(write, &[&2, &700]).await.unwrap();
        let rows = trail(&tx).await;
        assert_eq!(rows.len(), 1, "what was refused left nothing");
        assert!(rows[0].is_whole());
    }
}
