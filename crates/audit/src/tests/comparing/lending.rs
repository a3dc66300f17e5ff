//! A superuser who writes to the catalogue itself: no trigger of anybody sees it.

use super::{SALE, World, run, world};

/// Gives `product` to another name without its triggers, and back.
async fn lent(world: &World, schema: &str, table: &str, statement: &str) {
    let superuser = world.superuser();
    let lend = format!(
        "UPDATE pg_trigger SET tgenabled = 'D'
          WHERE tgrelid = 'public.product'::regclass AND NOT tgisinternal;
         UPDATE pg_class SET relname = '{table}', relnamespace = '{schema}'::regnamespace
          WHERE oid = 'public.product'::regclass"
    );
    run(superuser, &lend).await;
    run(superuser, statement).await;
    let back = format!(
        "UPDATE pg_class SET relname = 'product', relnamespace = 'public'::regnamespace
          WHERE oid = '{schema}.{table}'::regclass;
         UPDATE pg_trigger SET tgenabled = 'A'
          WHERE tgrelid = 'public.product'::regclass AND NOT tgisinternal"
    );
    run(superuser, &back).await;
}

const LENT: &str = "unknown-table: UPDATE public.lent, 1 and 0";
const UPDATE: &str = "UPDATE lent SET price = price + 1";

/// A table of the name that was lent, made and dropped by whoever may make one, explains nothing: neither
/// later nor in the same look, and neither does one that is still there.
#[tokio::test]
async fn a_table_that_comes_later_explains_nothing() {
    let world = world().await;
    let owner = &world.protected.owner;
    world.sell(&[SALE]).await;
    lent(&world, "public", "lent", UPDATE).await;
    assert_eq!(world.told().await, [LENT]);
    run(owner, "CREATE TABLE lent (tenant text); DROP TABLE lent").await;
    assert_eq!(world.told().await, [LENT]);
    run(owner, "CREATE TABLE lent (tenant text)").await;
    assert_eq!(world.told().await, [LENT]);
    run(owner, "DROP TABLE lent").await;
    assert_eq!(world.told().await, [LENT]);
    lent(&world, "public", "lent", UPDATE).await;
    run(owner, "CREATE TABLE lent (tenant text); DROP TABLE lent").await;
    assert_eq!(world.told().await, [LENT; 2]);
    lent(&world, "public", "lent", UPDATE).await;
    run(owner, "CREATE TABLE lent AS SELECT 1 AS id; UPDATE lent SET id = 2").await;
    assert_eq!(world.told().await, [LENT; 3]);
    run(owner, "UPDATE lent SET id = 3").await;
    assert_eq!(world.told().await, [LENT; 3], "it is known by now");
    world.end().await;
}

/// No schema is passed by, whoever it belongs to.
#[tokio::test]
async fn no_schema_hides_a_write() {
    let world = world().await;
    world.sell(&[SALE]).await;
    lent(&world, "information_schema", "sale", "UPDATE information_schema.sale SET price = 6")
        .await;
    assert_eq!(world.told().await, ["unknown-table: UPDATE information_schema.sale, 1 and 0"]);
    for table in ["sale", "hash_keys", "system_audit_logs_1999_01"] {
        let written =
            format!("INSERT INTO audit.{table} (company_id, name, price) VALUES (-1, 'tea', 3)");
        lent(&world, "audit", table, &written).await;
        let told = world.told().await;
        assert_eq!(*told.last().unwrap(), format!("trail-changed: INSERT audit.{table}, 1 and 0"));
    }
    let approved = "INSERT INTO audit.hidden_columns (relation, attnum, column_name, how)
                    VALUES ('product', 3, 'name', 'never')";
    run(world.superuser(), approved).await;
    let told = world.told().await;
    assert_eq!(told[4..], ["trail-changed: INSERT audit.hidden_columns, 1 and 0"]);
    world.end().await;
}

/// A row of the trail whose beginning is longer than what is read of it is none that a trigger wrote.
#[tokio::test]
async fn a_record_that_cannot_be_read_is_told() {
    let world = world().await;
    let forged = "ALTER EVENT TRIGGER amanah_trail_record_ddl DISABLE;
         ALTER TABLE audit.system_audit_logs DISABLE TRIGGER hash;
         INSERT INTO audit.system_audit_logs
             (action, table_schema, table_name, actor_id, request_id, row_hash)
         VALUES ('DELETE', 'public', 'product', 'ceo', repeat(' ', 100100), sha256(''));
         ALTER TABLE audit.system_audit_logs ENABLE ALWAYS TRIGGER hash;
         ALTER EVENT TRIGGER amanah_trail_record_ddl ENABLE ALWAYS";
    run(world.superuser(), forged).await;
    let told = world.told().await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("trail-changed: INSERT audit.system_audit_logs_"), "{told:?}");
    world.end().await;
}

/// What has no record of its own for a good reason is no difference: tables that an extension makes,
/// tables whose schema is called otherwise, and views that hold rows.
#[tokio::test]
async fn ordinary_work_without_a_record_of_the_table_is_no_difference() {
    let world = world().await;
    let owner = &world.protected.owner;
    // As an extension's script does it.
    let extended = "ALTER EVENT TRIGGER amanah_trail_record_ddl DISABLE;
                    CREATE TABLE reference (id int); INSERT INTO reference VALUES (1);
                    ALTER EVENT TRIGGER amanah_trail_record_ddl ENABLE ALWAYS;
                    ALTER EXTENSION plpgsql ADD TABLE reference";
    run(world.superuser(), extended).await;
    run(world.superuser(), "INSERT INTO reference VALUES (2)").await;
    assert_eq!(world.told().await, [""; 0]);
    run(owner, "CREATE SCHEMA aside; CREATE TABLE aside.plain (id int)").await;
    run(owner, "CREATE MATERIALIZED VIEW stock AS SELECT count(*) AS n FROM product").await;
    run(owner, "REFRESH MATERIALIZED VIEW stock").await;
    assert_eq!(world.told().await, [""; 0]);
    run(owner, "ALTER SCHEMA aside RENAME TO \"A side\"").await;
    run(owner, "INSERT INTO \"A side\".plain VALUES (1); REFRESH MATERIALIZED VIEW stock").await;
    assert_eq!(world.told().await, [""; 0]);
    world.end().await;
}
