//! Writes under names that are not those of recorded tables, and tables that come and go.

use super::{SALE, run, world};

const AWAKE: &str = "ALTER TABLE product ENABLE TRIGGER ALL;
    ALTER TABLE product ENABLE ALWAYS TRIGGER amanah_audit_row,
                        ENABLE ALWAYS TRIGGER amanah_audit_truncate";

/// Whoever lends a recorded table another name for a write is found: a new name, one in another schema,
/// and one that another table has.
#[tokio::test]
async fn a_borrowed_name_hides_nothing() {
    let world = world().await;
    world.sell(&[SALE, SALE]).await;
    let plain = "CREATE SCHEMA aside; CREATE TABLE plain (id int PRIMARY KEY, price numeric)";
    run(&world.protected.owner, plain).await;
    world.look().await;
    let superuser = world.superuser();
    for (n, (before, name, after)) in [
        ("ALTER TABLE product RENAME TO lent", "public.lent", "ALTER TABLE lent RENAME TO product"),
        (
            "ALTER TABLE product SET SCHEMA aside",
            "aside.product",
            "ALTER TABLE aside.product SET SCHEMA public",
        ),
        (
            "ALTER TABLE plain RENAME TO other; ALTER TABLE product RENAME TO plain",
            "public.plain",
            "ALTER TABLE plain RENAME TO product; ALTER TABLE other RENAME TO plain",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let hidden = format!(
            "ALTER TABLE product DISABLE TRIGGER ALL; {before}; UPDATE {name} SET price = {n};
             {after}; {AWAKE}"
        );
        run(superuser, &hidden).await;
        let told = world.told().await;
        assert_eq!(told.len(), n + 1, "{told:?}");
        assert_eq!(told[n], format!("unrecorded: UPDATE {name}, 2 and 0"));
    }
    // The other table is itself again.
    run(&world.protected.owner, "INSERT INTO plain VALUES (1, 1)").await;
    world.sell(&[SALE]).await;
    assert_eq!(world.told().await.len(), 3);
    // Without the record of changes of structure the name alone tells.
    let unseen = format!(
        "ALTER EVENT TRIGGER amanah_trail_record_ddl DISABLE;
         ALTER TABLE product DISABLE TRIGGER ALL; ALTER TABLE product RENAME TO lent;
         UPDATE lent SET price = 9; ALTER TABLE lent RENAME TO product; {AWAKE};
         ALTER EVENT TRIGGER amanah_trail_record_ddl ENABLE ALWAYS"
    );
    run(superuser, &unseen).await;
    assert_eq!(world.told().await[3..], ["unknown-table: UPDATE public.lent, 3 and 0"]);
    world.end().await;
}

/// A write while the table is in no log, or by a change of a column's type, leaves its rewriting.
#[tokio::test]
async fn a_rewriting_is_told() {
    let world = world().await;
    world.sell(&[SALE]).await;
    let unlogged = format!(
        "ALTER TABLE product DISABLE TRIGGER ALL; SET CONSTRAINTS ALL IMMEDIATE;
         ALTER TABLE \"Order \"\"line\"\" 'x'\" DROP CONSTRAINT \"Order \"\"line\"\" 'x'_product_id_fkey\";
         ALTER TABLE product DROP CONSTRAINT product_company_id_fkey;
         ALTER TABLE product SET UNLOGGED; UPDATE product SET price = 0;
         ALTER TABLE product SET LOGGED; {AWAKE}"
    );
    run(world.superuser(), &unlogged).await;
    assert_eq!(world.told().await, ["rewritten: ALTER TABLE public.product, 0 and 0"]);
    let typed = "ALTER TABLE product ALTER price TYPE numeric(14, 2) USING 7";
    run(world.superuser(), typed).await;
    assert_eq!(world.told().await[1..], ["rewritten: ALTER TABLE public.product, 0 and 0"]);
    // A new column changes no value that was there.
    run(world.superuser(), "ALTER TABLE product ADD made timestamptz DEFAULT clock_timestamp()")
        .await;
    assert_eq!(world.told().await.len(), 2);
    world.end().await;
}

/// As many records as changes are not enough: they must be of the same rows.
#[tokio::test]
async fn a_record_of_another_row_is_told() {
    let world = world().await;
    world.sell(&[SALE, SALE, "UPDATE product SET id = 90 WHERE id = 1"]).await;
    assert_eq!(world.told().await, [""; 0]);
    let swapped = |table: &str, key: &str| {
        format!(
            "ALTER TABLE product DISABLE TRIGGER ALL; UPDATE product SET price = 0 WHERE id = 2;
             INSERT INTO audit.system_audit_logs (action, table_schema, table_name, row_key)
             VALUES ('UPDATE', 'public', '{table}', '{key}'); {AWAKE}"
        )
    };
    run(world.superuser(), &swapped("product", r#"{"id": 90}"#)).await;
    assert_eq!(world.told().await, ["other-rows: UPDATE public.product, 1 and 1"]);
    // What cannot be compared is none.
    run(world.superuser(), &swapped("product", r#"{"id": {"amanah": "never recorded"}}"#)).await;
    assert_eq!(world.told().await.len(), 1);
    world.end().await;
}

/// A table that is dropped, made anew, filled and recorded again, as a restore does it, is no difference;
/// and then it counts again.
#[tokio::test]
async fn a_restored_table_counts_again_with_its_triggers() {
    let world = world().await;
    let lines = "\"Order \"\"line\"\" 'x'\"";
    let restored = format!(
        "CREATE TABLE copy (LIKE {lines} INCLUDING ALL); DROP TABLE {lines};
         CREATE TABLE {lines} (LIKE copy INCLUDING ALL); DROP TABLE copy;
         INSERT INTO {lines} (company_id, \"no\") VALUES (-1, 5), (-1, 6)"
    );
    run(&world.protected.owner, &restored).await;
    super::super::track(&world.protected).await;
    let sold = format!("INSERT INTO {lines} (company_id, \"no\") VALUES (-1, 7)");
    world.sell(&[&sold]).await;
    assert_eq!(world.told().await, [""; 0]);
    run(world.superuser(), &format!("ALTER TABLE {lines} DISABLE TRIGGER ALL")).await;
    run(world.superuser(), &format!("DELETE FROM {lines}")).await;
    assert_eq!(world.told().await, ["unrecorded: DELETE public.Order \"line\" 'x', 3 and 0"]);
    world.end().await;
}

/// A record that says of a table which is there that it was dropped or renamed ends nothing.
#[tokio::test]
async fn a_forged_record_of_structure_ends_nothing() {
    let world = world().await;
    let forged = "DO $$ DECLARE number oid := 'product'::regclass; BEGIN
                      INSERT INTO audit.system_audit_logs (action, table_schema, table_name, new_data)
                      VALUES ('DDL', 'public', 'product', jsonb_build_object('command', 'DROP TABLE',
                                  'type', 'table', 'oid', number::int8, 'dropped', true)),
                             ('DDL', 'public', 'product_old', jsonb_build_object('command',
                                  'ALTER TABLE', 'type', 'table', 'oid', number::int8));
                      ALTER TABLE product DISABLE TRIGGER ALL;
                      INSERT INTO product (company_id, name, price) VALUES (-1, 'tea', 3);
                  END $$";
    run(world.superuser(), forged).await;
    assert_eq!(world.told().await, ["unrecorded: INSERT public.product, 1 and 0"]);
    world.end().await;
}

/// Tables of no interest come, are filled and go.
#[tokio::test]
async fn a_passing_table_is_no_difference() {
    let world = world().await;
    let owner = &world.protected.owner;
    let whole = "CREATE TABLE passing (id int); INSERT INTO passing VALUES (1); DROP TABLE passing";
    run(owner, whole).await;
    run(owner, "CREATE TABLE shadow (id int); INSERT INTO shadow VALUES (1)").await;
    run(owner, "CREATE TABLE shadow2 AS SELECT * FROM shadow; DROP TABLE shadow").await;
    run(owner, "ALTER TABLE shadow2 RENAME TO shadow").await;
    run(owner, "CREATE TABLE earlier (id int)").await;
    assert_eq!(world.told().await, [""; 0]);
    run(owner, "INSERT INTO earlier VALUES (1)").await;
    run(owner, "DROP TABLE earlier").await;
    assert_eq!(world.told().await, [""; 0]);
    world.end().await;
}

/// A partition is put in the place of another one by a superuser, filled before it is recorded.
#[tokio::test]
async fn a_filled_partition_is_told() {
    let world = world().await;
    let parted = "CREATE TABLE parted (company_id int NOT NULL, id int PRIMARY KEY, note text)
                      PARTITION BY RANGE (id);
                  CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10)";
    run(&world.protected.owner, parted).await;
    super::super::track(&world.protected).await;
    world.sell(&["INSERT INTO parted VALUES (-1, 1, 'right')"]).await;
    assert_eq!(world.told().await, [""; 0]);
    let swapped = "CREATE TABLE filled (LIKE parted_1 INCLUDING ALL);
                   INSERT INTO filled VALUES (-1, 1, 'forged'); DROP TABLE parted_1;
                   ALTER TABLE filled RENAME TO parted_1;
                   ALTER TABLE parted ATTACH PARTITION parted_1 FOR VALUES FROM (0) TO (10)";
    run(world.superuser(), swapped).await;
    assert_eq!(world.told().await, ["unknown-table: INSERT public.filled, 1 and 0"]);
    let attached = "CREATE TABLE parted_2 (LIKE parted_1 INCLUDING ALL);
                    INSERT INTO parted_2 VALUES (-1, 11, 'forged');
                    ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (10) TO (20)";
    run(world.superuser(), attached).await;
    assert_eq!(world.told().await[1..], ["unrecorded: INSERT public.parted_2, 1 and 0"]);
    // One that is made as a partition is recorded from its first row on.
    let made = "CREATE TABLE parted_3 PARTITION OF parted FOR VALUES FROM (20) TO (30);
                INSERT INTO parted VALUES (-1, 21, 'right')";
    run(&world.protected.owner, made).await;
    let hidden =
        "ALTER TABLE parted_3 DISABLE TRIGGER ALL; INSERT INTO parted VALUES (-1, 22, 'x')";
    run(world.superuser(), hidden).await;
    assert_eq!(world.told().await[2..], ["unrecorded: INSERT public.parted_3, 1 and 0"]);
    world.end().await;
}
