//! What an owner of tables tries to keep out of the record, below a guard.

use kernel::Outcome;
use store::Protected;

use super::{Keeper, SHOP, binding, cx, house, none, run, track, trail, watched, whole};
use crate::controls;

/// The statement is refused, in these words.
async fn refused(protected: &Protected, sql: &str, words: &str) {
    let tx = protected.owner.operator().await.unwrap();
    let error = tx.batch(sql).await.expect_err(sql);
    assert_eq!(error.sqlstate(), Some("TRAIL"), "{sql}: {error}");
    let said = error.to_string();
    assert!(said.contains(words), "{sql}: {said}");
}

async fn arguments(protected: &Protected, table: &str) -> String {
    let tx = protected.owner.operator().await.unwrap();
    let sql = "SELECT encode(tgargs, 'escape') FROM pg_trigger
                WHERE tgrelid = $1::text::regclass AND tgname = 'amanah_audit_row'";
    tx.query_one(sql, &[&table]).await.unwrap().get(0)
}

async fn always(protected: &Protected, table: &str) -> String {
    let tx = protected.owner.operator().await.unwrap();
    let sql = "SELECT tgenabled::text FROM pg_trigger
                WHERE tgrelid = $1::text::regclass AND tgname = 'amanah_audit_row'";
    tx.query_one(sql, &[&table]).await.unwrap().get(0)
}

/// How rows print follows the columns of their table, whoever adds them; and a session's settings
/// reach no record, whatever the form.
#[tokio::test]
async fn a_column_that_is_added_is_printed_with_care() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let plain = "id\\000\\000plain\\000";
    assert_eq!(arguments(&protected, "product").await, plain);
    let superuser = protected.superuser.as_ref().unwrap();
    let zoned = "id\\000\\000zoned\\000";
    for (who, column, wanted) in [
        (&protected.owner, "at timestamptz DEFAULT '2026-01-02 03:04:05+07'", zoned),
        (superuser, "ratio float8[] DEFAULT '{0.123456789012345}'", zoned),
        (&protected.owner, "took interval DEFAULT '90 minutes'", "id\\000\\000care\\000"),
    ] {
        run(who, &format!("ALTER TABLE product ADD COLUMN {column}")).await;
        assert_eq!(arguments(&protected, "product").await, wanted, "{column}");
        assert_eq!(always(&protected, "product").await, "A", "{column}");
        let tx = protected.owner.tenant(&binding(&protected, "ani")).await.unwrap();
        tx.batch(
            "SET LOCAL timezone = 'Asia/Jakarta'; SET LOCAL extra_float_digits = -15;
             SET LOCAL intervalstyle = 'sql_standard';
             INSERT INTO product (id, company_id, name, price) VALUES (1, -1, 'tea', 7)",
        )
        .await
        .unwrap();
        let recorded = trail(&tx).await.pop().unwrap().new_data.unwrap();
        assert!(recorded.contains("\"at\": \"2026-01-01T20:04:05+00:00\""), "{recorded}");
        let told = recorded.contains("0.123456789012345");
        assert_eq!(told, !column.starts_with("at"), "{recorded}");
        tx.rollback().await.unwrap();
    }
    run(&protected.owner, "ALTER TABLE product DROP COLUMN took, DROP COLUMN at, DROP ratio").await;
    assert_eq!(arguments(&protected, "product").await, plain);
}

/// Who may not tell the recording what a table has become does not change it; a key that is called as
/// a form is none; and a superuser's own trigger is left to him.
#[tokio::test]
async fn no_form_is_kept_or_feigned() {
    let table = "CREATE TABLE pay (id int PRIMARY KEY, company_id int, iban text, wage float8, took interval);
                 COMMENT ON COLUMN pay.iban IS '@audit(never)';";
    let protected = house(&format!("{SHOP}{table}"), Keeper::Superuser).await;
    let superuser = protected.superuser.as_ref().unwrap();
    run(&protected.owner, "REVOKE TRIGGER ON product FROM CURRENT_USER").await;
    for change in ["ADD COLUMN ratio float8", "RENAME id TO number"] {
        let sql = format!("ALTER TABLE product {change}");
        refused(&protected, &sql, "may not tell the recording so").await;
    }
    run(&protected.owner, "ALTER TABLE product ADD COLUMN colour text").await;
    run(&protected.owner, "ALTER TABLE pay RENAME id TO plain").await;
    let wanted = "\\000never\\000iban\\000\\000plain\\000\\000care\\000";
    assert_eq!(arguments(&protected, "pay").await, wanted);
    let tx = protected.owner.operator().await.unwrap();
    tx.batch(
        "SET LOCAL extra_float_digits = -15; SET LOCAL intervalstyle = 'sql_standard';
         INSERT INTO pay VALUES (1, -1, 'DE123', 1499.99, '1 day')",
    )
    .await
    .unwrap();
    let recorded = trail(&tx).await.pop().unwrap().new_data.unwrap();
    assert!(recorded.contains("1499.99") && recorded.contains("P1D"), "{recorded}");
    tx.rollback().await.unwrap();
    run(
        superuser,
        "CREATE TABLE odd (id int PRIMARY KEY);
         CREATE TRIGGER mine AFTER INSERT OR UPDATE OR DELETE ON odd
             FOR EACH ROW EXECUTE FUNCTION audit.global_track_changes();
         ALTER TABLE product DISABLE TRIGGER amanah_audit_row;
         ALTER TABLE product ADD COLUMN ratio float8",
    )
    .await;
    let tx = superuser.operator().await.unwrap();
    let sql = "SELECT tgtype FROM pg_trigger WHERE tgrelid = 'odd'::regclass";
    assert_eq!(tx.query_one(sql, &[]).await.unwrap().get::<_, i16>(0), 29);
    assert_eq!(always(&protected, "product").await, "D");
}

/// What a trigger is given hides nothing that was not approved, never the key, and not by way of a
/// new name; its list of columns cannot be forged by a name with odd characters.
#[tokio::test]
async fn the_owner_hides_nothing_by_arguments() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let trigger = |arguments: &str| {
        format!(
            "CREATE OR REPLACE TRIGGER amanah_audit_row AFTER INSERT OR UPDATE OR DELETE ON product
             FOR EACH ROW EXECUTE FUNCTION audit.global_track_changes({arguments})"
        )
    };
    let nobody = "nobody has approved that";
    for (arguments, words) in [
        ("'', 'never', 'price', '', 'id'", "would not tell price (never), and nobody"),
        ("'', 'hashed', 'price', '', 'id'", nobody),
        ("'', 'shown', 'price', '', 'id'", nobody),
        ("'', 'never', 'id', '', 'id'", "which is its key"),
        ("'', 'hashed', 'id', '', 'id'", nobody),
        ("'', 'never', 'price'", "no list of columns"),
        ("'', 'never', '', 'price'", "no list of columns"),
        ("'', E'never\\x1fx', 'price', '', 'id'", "no list of columns"),
        ("'', 'never', E'x\\x1f\\x1fid', '', 'id'", "no list of columns"),
    ] {
        refused(&protected, &trigger(arguments), words).await;
    }
    // A wrong key is put right.
    for wrong in ["", "'name'", "'', '', 'price'"] {
        run(&protected.owner, &trigger(wrong)).await;
        let kept = "id\\000\\000plain\\000";
        assert_eq!(arguments(&protected, "product").await, kept, "{wrong}");
        run(&protected.owner, &trigger("'id'")).await;
    }
    let tx = protected.owner.tenant(&binding(&protected, "ani")).await.unwrap();
    tx.batch("INSERT INTO product (id, company_id, name, price) VALUES (1, -1, 'tea', 7)")
        .await
        .unwrap();
    let row = trail(&tx).await.pop().unwrap();
    assert_eq!(row.row_key.as_deref(), Some("{\"id\": 1}"));
    assert!(row.new_data.unwrap().contains("\"price\": 7.00"));
}

/// What was approved is approved of that column alone, in that way, and by nobody else.
#[tokio::test]
async fn what_is_approved_is_one_column() {
    let protected = house(SHOP, Keeper::Superuser).await;
    run(&protected.owner, "COMMENT ON COLUMN product.name IS '@audit(never)'").await;
    let proof = controls(vec![watched(&protected)])[1].prove(&cx(), &none()).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
    assert!(proof.findings().iter().any(|f| f.what.contains("nobody approved it")));
    let tx = protected.owner.operator().await.unwrap();
    let denied = tx
        .attempt("INSERT INTO audit.hidden_columns VALUES ('product', 4, 'price', 'never')", &[])
        .await
        .unwrap()
        .unwrap_err();
    assert!(denied.is_denied(), "{denied}");
    tx.rollback().await.unwrap();
    track(&protected).await;
    let proof = controls(vec![watched(&protected)])[1].prove(&cx(), &none()).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}", proof.detail());
    assert!(proof.detail().contains("recorded without name"), "{}", proof.detail());
    for (sql, words) in [
        // Another column takes its name.
        ("ALTER TABLE product RENAME name TO x; ALTER TABLE product RENAME price TO name", "name"),
        ("ALTER TABLE product DROP name; ALTER TABLE product ADD name text", "name (never)"),
        ("ALTER TABLE product DROP CONSTRAINT product_pkey CASCADE, ADD PRIMARY KEY (name)", "key"),
        (
            "CREATE OR REPLACE TRIGGER amanah_audit_row AFTER INSERT OR UPDATE OR DELETE ON product
             FOR EACH ROW EXECUTE FUNCTION
             audit.global_track_changes('', 'hashed', 'name', '', 'id')",
            "name (hashed)",
        ),
    ] {
        refused(&protected, sql, words).await;
    }
    // It is shown again as soon as nobody asks for more.
    run(&protected.owner, "COMMENT ON COLUMN product.name IS NULL").await;
    track(&protected).await;
    assert_eq!(arguments(&protected, "product").await, "id\\000\\000plain\\000");
}

/// The key in the record follows that of the table, whose owner may change it.
#[tokio::test]
async fn a_key_that_is_renamed_stays_the_key() {
    let protected = house(SHOP, Keeper::Superuser).await;
    run(
        &protected.owner,
        "CREATE TYPE pair AS (company_id int, n int);
         CREATE TABLE typed OF pair (PRIMARY KEY (n));
         CREATE TABLE \"Le \"\"dger\" (company_id int, \"ye ar\" int, PRIMARY KEY (\"ye ar\"))
             PARTITION BY RANGE (\"ye ar\");
         CREATE TABLE led PARTITION OF \"Le \"\"dger\" FOR VALUES FROM (1) TO (9)",
    )
    .await;
    track(&protected).await;
    run(
        &protected.owner,
        "ALTER TABLE product RENAME id TO \"nu'mber\";
         ALTER TABLE \"Le \"\"dger\" RENAME \"ye ar\" TO \"Jahr é\";
         ALTER TYPE pair RENAME ATTRIBUTE n TO place CASCADE;
         ALTER TABLE company DROP CONSTRAINT company_pkey CASCADE;
         ALTER TABLE company ADD PRIMARY KEY (name, id)",
    )
    .await;
    for (table, wanted) in [
        ("product", "nu'mber"),
        ("led", "Jahr \\303\\251"),
        ("typed", "place"),
        ("company", "name\\000id"),
    ] {
        let wanted = format!("{wanted}\\000\\000plain\\000");
        assert_eq!(arguments(&protected, table).await, wanted);
    }
    // A superuser's change is followed too, and no session sleeps through what takes its place.
    run(protected.superuser.as_ref().unwrap(), "ALTER TABLE product RENAME \"nu'mber\" TO number")
        .await;
    assert_eq!(arguments(&protected, "product").await, "number\\000\\000plain\\000");
    assert_eq!(always(&protected, "product").await, "A");
    let tx = protected.owner.operator().await.unwrap();
    tx.batch("INSERT INTO typed VALUES (-1, 5)").await.unwrap();
    assert_eq!(trail(&tx).await.pop().unwrap().row_key.as_deref(), Some("{\"place\": 5}"));
}

/// Triggers for statements are silent where rows are written through another table.
#[tokio::test]
async fn no_hierarchy_is_recorded_by_statements() {
    let protected = house(
        "CREATE TABLE k (id int PRIMARY KEY, company_id int) PARTITION BY RANGE (id);
         CREATE TABLE par (company_id int, id int PRIMARY KEY);
         CREATE TABLE alone (company_id int, id int PRIMARY KEY);
         CREATE TABLE chi () INHERITS (par);",
        Keeper::Superuser,
    )
    .await;
    let three = |table: &str| {
        format!(
            "CREATE TRIGGER amanah_audit_insert AFTER INSERT ON {table} REFERENCING NEW TABLE AS
                 amanah_becomes FOR EACH STATEMENT EXECUTE FUNCTION audit.global_track_changes('id');
             CREATE TRIGGER amanah_audit_update AFTER UPDATE ON {table} REFERENCING OLD TABLE AS
                 amanah_was NEW TABLE AS amanah_becomes FOR EACH STATEMENT
                 EXECUTE FUNCTION audit.global_track_changes('id');
             CREATE TRIGGER amanah_audit_delete AFTER DELETE ON {table} REFERENCING OLD TABLE AS
                 amanah_was FOR EACH STATEMENT EXECUTE FUNCTION audit.global_track_changes('id')"
        )
    };
    let words = "would be recorded by statements";
    for table in ["k", "par", "chi"] {
        refused(&protected, &three(table), words).await;
    }
    run(&protected.owner, &format!("{}; DROP TRIGGER amanah_audit_row ON alone", three("alone")))
        .await;
    refused(&protected, "CREATE TABLE more () INHERITS (alone)", words).await;
    refused(&protected, "ALTER TABLE alone INHERIT par", words).await;
    // The superuser makes a subscription; the plan says what is wrong then.
    let asked = "COMMENT ON TABLE par IS '@audit(statement)'";
    run(&protected.owner, asked).await;
    let tx = protected.owner.operator().await.unwrap();
    let shape = store::tables(&tx).await.unwrap();
    let steps = crate::plan(&tx, &shape, "company_id", &[]).await.unwrap();
    let blocked =
        |s: &crate::Step| s.blocked && s.object == "public.par" && s.why.contains("subscription");
    assert!(steps.iter().any(blocked), "{steps:?}");
}

/// A table that a subscription fills is recorded row by row: an apply worker fires no other trigger.
#[tokio::test]
async fn a_subscribed_table_is_recorded_by_rows() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let superuser = protected.superuser.as_ref().unwrap();
    // What CREATE SUBSCRIPTION learns from a publisher, which there is none of here.
    run(
        superuser,
        "CREATE SUBSCRIPTION amanah_test CONNECTION 'dbname=none' PUBLICATION none
             WITH (connect = false, slot_name = NONE);
         SET LOCAL allow_system_table_mods = on;
         INSERT INTO pg_subscription_rel SELECT oid, 'public.product'::regclass, 'r', NULL
           FROM pg_subscription WHERE subname = 'amanah_test'",
    )
    .await;
    let insert = "CREATE TRIGGER amanah_audit_insert AFTER INSERT ON product
         REFERENCING NEW TABLE AS amanah_becomes FOR EACH STATEMENT
         EXECUTE FUNCTION audit.global_track_changes('id')";
    refused(&protected, insert, "would be recorded by statements").await;
    run(&protected.owner, "COMMENT ON TABLE product IS '@audit(statement)'").await;
    let tx = protected.owner.operator().await.unwrap();
    let shape = store::tables(&tx).await.unwrap();
    let steps = crate::plan(&tx, &shape, "company_id", &[]).await.unwrap();
    let blocked = |s: &crate::Step| {
        s.blocked && s.object == "public.product" && s.why.contains("subscription")
    };
    assert!(steps.iter().any(blocked), "{steps:?}");
    tx.rollback().await.unwrap();
    run(superuser, "DROP SUBSCRIPTION amanah_test").await;
}

/// Rows are not rewritten where no trigger looks, and a table does not leave the server's log; what
/// needs no rewrite, and what fills a new column, goes on.
#[tokio::test]
async fn rows_are_not_rewritten_unseen() {
    let protected = house(
        "CREATE TABLE sale (id int PRIMARY KEY, company_id int, amount int, note varchar(9));
         CREATE TABLE k (id int PRIMARY KEY, company_id int, n int) PARTITION BY RANGE (id);
         CREATE TABLE k1 PARTITION OF k FOR VALUES FROM (1) TO (9);",
        Keeper::Superuser,
    )
    .await;
    run(
        &protected.owner,
        "INSERT INTO sale VALUES (1, -1, 5, 'x'); INSERT INTO k VALUES (1, -1, 1)",
    )
    .await;
    let anew = "would write every row";
    for (sql, words) in [
        (
            "ALTER TABLE sale ALTER amount TYPE numeric
             USING CASE WHEN id = 1 THEN 999999 ELSE amount END",
            anew,
        ),
        ("ALTER TABLE sale ALTER amount TYPE bigint", anew),
        ("ALTER TABLE sale ADD x uuid DEFAULT gen_random_uuid(), ALTER amount TYPE bigint", anew),
        ("ALTER TABLE k ALTER n TYPE bigint", anew),
        ("ALTER TABLE sale SET UNLOGGED", "out of the server's log"),
    ] {
        refused(&protected, sql, words).await;
    }
    run(
        &protected.owner,
        "ALTER TABLE sale ALTER note TYPE text; ALTER TABLE sale ADD x uuid DEFAULT gen_random_uuid();
         ALTER TABLE sale ADD wide bigint; UPDATE sale SET wide = amount;
         ALTER TABLE sale DROP amount; ALTER TABLE sale RENAME wide TO amount;
         CREATE TABLE free (id int); ALTER TABLE free ALTER id TYPE bigint",
    )
    .await;
    let superuser = protected.superuser.as_ref().unwrap();
    run(superuser, "ALTER TABLE sale ALTER amount TYPE numeric").await;
}

/// A table with rows is not hung below a recorded one, whether it changes places with a partition or
/// comes as a child; an empty one is, and its rows are recorded.
#[tokio::test]
async fn rows_do_not_come_in_with_a_table() {
    let protected = house(
        "CREATE TABLE k (id int PRIMARY KEY, company_id int) PARTITION BY RANGE (id);
         CREATE TABLE k1 PARTITION OF k FOR VALUES FROM (1) TO (9);
         CREATE TABLE par (company_id int, id int PRIMARY KEY);
         CREATE TABLE mid () INHERITS (par);",
        Keeper::Superuser,
    )
    .await;
    run(&protected.owner, "INSERT INTO k VALUES (1, -1)").await;
    let words = "brings rows into a recorded table";
    let swap = "CREATE TABLE k1n (LIKE k1 INCLUDING ALL); INSERT INTO k1n SELECT id, -2 FROM k1;
                DROP TABLE k1; ALTER TABLE k1n RENAME TO k1;
                ALTER TABLE k ATTACH PARTITION k1 FOR VALUES FROM (1) TO (9)";
    refused(&protected, swap, words).await;
    refused(&protected, &format!("DO $do$ BEGIN EXECUTE '{swap}'; END $do$"), words).await;
    // Within a savepoint, and below a table that is below a recorded one.
    let filled = "CREATE TABLE k2 (LIKE k INCLUDING ALL); INSERT INTO k2 VALUES (11, -1);
                  CREATE TABLE chi (LIKE par); INSERT INTO chi VALUES (-1, 7)";
    run(&protected.owner, filled).await;
    let attach = "ALTER TABLE k ATTACH PARTITION k2 FOR VALUES FROM (10) TO (20)";
    let inside = format!("SAVEPOINT a; CREATE TABLE aside (); SAVEPOINT b; {attach}");
    refused(&protected, &inside, words).await;
    let branch = "CREATE TABLE branch (LIKE k) PARTITION BY RANGE (id);
                  ALTER TABLE branch ALTER id SET NOT NULL;
                  ALTER TABLE branch ATTACH PARTITION k2 DEFAULT;
                  ALTER TABLE k ATTACH PARTITION branch FOR VALUES FROM (10) TO (20)";
    refused(&protected, branch, words).await;
    for parent in ["par", "mid"] {
        refused(&protected, &format!("ALTER TABLE chi INHERIT {parent}"), words).await;
    }
    run(&protected.owner, &format!("TRUNCATE k2, chi; {attach}")).await;
    run(
        &protected.owner,
        "ALTER TABLE chi INHERIT mid; ALTER TABLE chi ADD PRIMARY KEY (id);
         CREATE TABLE born () INHERITS (par);
         CREATE TABLE k3 PARTITION OF k FOR VALUES FROM (20) TO (30)",
    )
    .await;
    // Those that hang there are no obstacle to anything else.
    run(
        &protected.owner,
        "INSERT INTO k VALUES (11, -1), (21, -1); INSERT INTO chi VALUES (-1, 1)",
    )
    .await;
    run(
        &protected.owner,
        "INSERT INTO born VALUES (-1, 2); UPDATE par SET id = id + 5; TRUNCATE born;
         ALTER TABLE k ADD note text; ALTER TABLE par ADD note text; ALTER TABLE k3 ADD CHECK (id > 1)",
    )
    .await;
    let tx = whole(&protected).await;
    let all = trail(&tx).await;
    let of = |table: &str| all.iter().filter(|row| row.table_name == table).count();
    assert_eq!([of("k1"), of("k2"), of("k3"), of("chi"), of("born")], [1, 1, 1, 2, 3]);
    let key = |row: &&crate::TrailRow| row.table_name == "chi" && row.action == "UPDATE";
    let row = all.iter().find(key).unwrap();
    assert_eq!(row.row_key.as_deref(), Some("{\"id\": 1}"));
}

/// A cast would say what is recorded; an extension's, in C, is a superuser's.
#[tokio::test]
async fn no_cast_says_what_is_recorded() {
    let protected = house(
        "CREATE TYPE st AS ENUM ('open', 'paid');
         CREATE FUNCTION lie(st) RETURNS json LANGUAGE sql AS $$ SELECT '\"open\"'::json $$;
         CREATE TABLE bill (id int PRIMARY KEY, company_id int, s st);",
        Keeper::Superuser,
    )
    .await;
    let make = "CREATE CAST (st AS json) WITH FUNCTION lie(st)";
    refused(&protected, make, "would decide what the audit trail records").await;
    run(&protected.owner, "CREATE CAST (st AS integer) WITH INOUT AS ASSIGNMENT").await;
    // One that was there before is found.
    run(protected.superuser.as_ref().unwrap(), make).await;
    let proof = controls(vec![watched(&protected)])[1].prove(&cx(), &none()).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
    assert!(proof.findings().iter().any(|f| f.object == "the cast public.st AS json"));
}

/// A partition whose copy of the trigger somebody took out of the catalogue is found.
#[tokio::test]
async fn a_partition_without_its_copy_is_found() {
    let protected = house(
        "CREATE TABLE k (id int PRIMARY KEY, company_id int) PARTITION BY RANGE (id);
         CREATE TABLE k1 PARTITION OF k FOR VALUES FROM (0) TO (9);",
        Keeper::Superuser,
    )
    .await;
    run(
        protected.superuser.as_ref().unwrap(),
        "SET LOCAL allow_system_table_mods = on;
         DELETE FROM pg_depend WHERE classid = 'pg_trigger'::regclass AND objid IN (
             SELECT oid FROM pg_trigger WHERE tgrelid = 'k1'::regclass AND tgparentid <> 0);
         DELETE FROM pg_trigger WHERE tgrelid = 'k1'::regclass AND tgparentid <> 0",
    )
    .await;
    let proof = controls(vec![watched(&protected)])[1].prove(&cx(), &none()).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
    let lost =
        |f: &kernel::Finding| f.object == "public.k1" && f.what.contains("has lost its copy");
    assert!(proof.findings().iter().any(lost), "{}", proof.detail());
}
