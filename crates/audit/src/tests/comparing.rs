//! What the write-ahead log says that the trail does not, on a real PostgreSQL.

mod awaiting;
mod lending;
mod marking;
mod names;
mod pausing;

use std::sync::Arc;
use std::time::Duration;

use kernel::{Clock as _, ManualClock, SystemClock};
use store::Protected;

use super::{Keeper, SHOP, binding, comparison, house, run};
use crate::wal::{Comparison, Fault, Kind, Look, Open, Standing};

const SALE: &str = "INSERT INTO product (company_id, name, price) VALUES (-1, 'tea', 3)";

struct World {
    protected: Protected,
    comparison: Comparison,
}

async fn world() -> World {
    let protected = house(SHOP, Keeper::Superuser).await;
    let comparison = comparison().unwrap();
    let world = World { protected, comparison };
    // The first look begins.
    assert!(world.look().await.is_empty());
    world
}

impl World {
    fn superuser(&self) -> &store::Db {
        self.protected.superuser.as_ref().unwrap()
    }

    async fn standing(&self) -> Standing {
        self.comparison.standing(self.superuser()).await.unwrap().unwrap()
    }

    /// What is open after everything was read, oldest first.
    async fn look(&self) -> Vec<Open> {
        let read = self.comparison.read(self.superuser()).await.unwrap();
        assert!(matches!(read, Look::Done { .. }), "{read:?}");
        self.standing().await.open.into_iter().rev().collect()
    }

    async fn told(&self) -> Vec<String> {
        let one = |d: Open| {
            format!(
                "{}: {} {}.{}, {} and {}",
                d.kind, d.action, d.schema, d.table, d.changes, d.records
            )
        };
        self.look().await.into_iter().map(one).collect()
    }

    /// As the application does, bound to a tenant.
    async fn sell(&self, statements: &[&str]) {
        let token = binding(&self.protected, "sari");
        let tx = self.protected.owner.tenant(&token).await.unwrap();
        for sql in statements {
            tx.batch(sql).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    async fn end(self) {
        self.comparison.end(self.superuser()).await.unwrap();
        let look = self.comparison.look(self.superuser()).await.unwrap();
        assert!(matches!(look, Look::Impossible(_)), "{look:?}");
        let paused = self.comparison.pause(self.superuser()).await.unwrap();
        paused.end(self.superuser(), Some("budi")).await.unwrap();
        assert!(self.comparison.standing(self.superuser()).await.unwrap().is_none());
    }
}

/// Ordinary work of every kind is recorded, and what was rolled back is no work.
#[tokio::test]
async fn what_is_recorded_is_no_difference() {
    let world = world().await;
    world
        .sell(&[
            SALE,
            "UPDATE product SET price = price + 1",
            "SAVEPOINT a",
            SALE,
            "ROLLBACK TO a",
            "SAVEPOINT b",
            "DELETE FROM product WHERE price > 100",
            "DELETE FROM product",
            "INSERT INTO \"Order \"\"line\"\" 'x'\" (company_id, \"no\") VALUES (-1, 1)
                 ON CONFLICT DO NOTHING",
            "INSERT INTO \"Order \"\"line\"\" 'x'\" (company_id, \"no\") VALUES (-1, 1)
                 ON CONFLICT DO NOTHING",
        ])
        .await;
    let token = binding(&world.protected, "sari");
    let tx = world.protected.owner.tenant(&token).await.unwrap();
    tx.batch(SALE).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(world.told().await, [""; 0]);
    let standing = world.comparison.standing(world.superuser()).await.unwrap().unwrap();
    assert!(standing.transactions > 0 && standing.changes >= 4, "{standing:?}");
    world.end().await;
}

/// A superuser who writes without a record, forges one, or touches the trail, is found, once.
#[tokio::test]
async fn what_a_superuser_hides_is_named() {
    let world = world().await;
    world.sell(&[SALE, SALE]).await;
    let hidden = "ALTER TABLE product DISABLE TRIGGER ALL; UPDATE product SET price = 0;
                  ALTER TABLE product ENABLE TRIGGER ALL; ALTER TABLE product ENABLE ALWAYS TRIGGER
                  amanah_audit_row; ALTER TABLE product ENABLE ALWAYS TRIGGER amanah_audit_truncate";
    run(world.superuser(), hidden).await;
    assert_eq!(world.told().await, ["unrecorded: UPDATE public.product, 2 and 0"]);
    assert_eq!(world.told().await.len(), 1, "it is found once");
    let forged = "INSERT INTO audit.system_audit_logs (action, table_schema, table_name)
                  VALUES ('DELETE', 'public', 'product')";
    run(world.superuser(), forged).await;
    assert_eq!(world.told().await[1..], ["unfounded: DELETE public.product, 0 and 1"]);
    let late = "ALTER EVENT TRIGGER amanah_trail_record_ddl DISABLE;
                ALTER TABLE audit.system_audit_logs DISABLE TRIGGER hash;
                INSERT INTO audit.system_audit_logs (action, table_schema, table_name, xid, row_hash)
                VALUES ('DELETE', 'public', 'product', '3', sha256(''));
                ALTER TABLE audit.system_audit_logs ENABLE ALWAYS TRIGGER hash;
                ALTER EVENT TRIGGER amanah_trail_record_ddl ENABLE ALWAYS";
    run(world.superuser(), late).await;
    let told = world.told().await;
    assert!(told[2].starts_with("trail-changed: INSERT audit.system_audit_logs"), "{told:?}");
    let emptied = "ALTER TABLE audit.system_audit_logs DISABLE TRIGGER refuse_statement,
                   DISABLE TRIGGER refuse_row; DELETE FROM audit.system_audit_logs";
    run(world.superuser(), emptied).await;
    let told = world.told().await;
    assert!(told[3].starts_with("trail-changed: DELETE audit.system_audit_logs"), "{told:?}");
    world.end().await;
}

/// What was written before a table was recorded is nobody's business, what is written after it lost
/// its trigger is.
#[tokio::test]
async fn a_table_counts_from_when_it_is_recorded() {
    let world = world().await;
    let owner = &world.protected.owner;
    run(owner, "CREATE TABLE plain (id int PRIMARY KEY); INSERT INTO plain VALUES (1)").await;
    assert_eq!(world.told().await, [""; 0]);
    run(world.superuser(), "DROP TRIGGER amanah_audit_row ON product").await;
    run(world.superuser(), SALE).await;
    assert_eq!(world.told().await, ["unrecorded: INSERT public.product, 1 and 0"]);
    world.end().await;
}

/// A slot that was dropped or read by somebody else leaves a gap, which is told.
#[tokio::test]
async fn a_log_that_was_not_read_whole_is_told() {
    let world = world().await;
    let slots =
        "SELECT slot_name::text FROM pg_replication_slots WHERE database = current_database()";
    let tx = world.superuser().operator().await.unwrap();
    let slot: String = tx.query_one(slots, &[]).await.unwrap().get(0);
    tx.query("SELECT pg_drop_replication_slot($1::text::name)", &[&slot]).await.unwrap();
    tx.rollback().await.unwrap();
    assert!(world.told().await[0].starts_with("gap: from "));
    // What waits for the disk could be read by nobody.
    world.sell(&["SET LOCAL synchronous_commit = on", SALE]).await;
    let tx = world.superuser().operator().await.unwrap();
    let read = "SELECT count(*) FROM pg_logical_slot_get_changes($1::text::name, NULL, NULL)";
    tx.query(read, &[&slot]).await.unwrap();
    tx.rollback().await.unwrap();
    let told = world.told().await;
    assert!(told.len() == 2 && told[1].starts_with("gap: from "), "{told:?}");
    let open = world.look().await;
    assert!(world.comparison.explain(open[0].id, "budi", "maintenance").await.unwrap());
    assert!(!world.comparison.explain(open[0].id, "budi", "again").await.unwrap());
    assert_eq!(world.look().await.len(), 1);
    world.end().await;
}

/// A look that is killed before it kept what it found finds it again, and one that is killed after that
/// finds nothing twice; neither leaves a gap.
#[tokio::test]
async fn a_killed_look_loses_and_doubles_nothing() {
    let mut world = world().await;
    run(world.superuser(), "ALTER TABLE product DISABLE TRIGGER ALL").await;
    for (n, fault) in [(1, Fault::Keeping), (2, Fault::Advancing)] {
        run(world.superuser(), SALE).await;
        let before = world.standing().await;
        world.comparison.fault = Some(fault);
        world.comparison.look(world.superuser()).await.unwrap_err();
        world.comparison.fault = None;
        let kept = world.standing().await.count > before.count;
        assert_eq!(kept, fault == Fault::Advancing);
        assert_eq!(world.told().await, vec!["unrecorded: INSERT public.product, 1 and 0"; n]);
        assert_eq!(world.standing().await.changes, before.changes + 1);
    }
    // As if what was kept had been lost together with the advance of the slot: it is a gap, since
    // the log can no longer be read.
    let tx = world.comparison.control().operator().await.unwrap();
    let back = "UPDATE compared.slots SET lsn = '0/1' WHERE database = $1";
    tx.execute(back, &[&world.protected.name]).await.unwrap();
    tx.commit().await.unwrap();
    let told = world.told().await;
    assert!(told.len() == 3 && told[2].starts_with("gap: "), "{told:?}");
    world.end().await;
}

/// Whoever leaves a transaction open is told after a minute.
#[tokio::test]
async fn who_holds_the_log_back_is_told() {
    let world = world().await;
    let idle = world.protected.owner.operator().await.unwrap();
    idle.batch("SELECT pg_current_xact_id()").await.unwrap();
    let late = ManualClock::at(SystemClock.now() + Duration::from_secs(90));
    let control = world.comparison.control().clone();
    let comparison = Comparison::new(control, Arc::new(late));
    let look = comparison.look(world.superuser()).await.unwrap();
    let Look::Done { held: Some(held), .. } = look else { panic!("{look:?}") };
    assert!(held.since.is_some() && held.to_string().contains("holds sealing back"), "{held}");
    idle.rollback().await.unwrap();
    world.end().await;
}

/// Many old differences do not hide a new one, and of very many in one transaction the rest is counted.
#[tokio::test]
async fn many_differences_hide_none() {
    let world = world().await;
    let forged = "DO $$ BEGIN FOR n IN 1..150 LOOP
                      INSERT INTO audit.system_audit_logs (action, table_schema, table_name)
                      VALUES ('DELETE', 'public', 'product'); COMMIT;
                  END LOOP; END $$";
    let tx = world.superuser().operator().await.unwrap();
    tx.batch("COMMIT").await.unwrap();
    tx.batch(forged).await.unwrap();
    drop(tx);
    run(world.superuser(), "ALTER TABLE product DISABLE TRIGGER ALL").await;
    run(world.superuser(), SALE).await;
    let open = world.look().await;
    let standing = world.standing().await;
    assert_eq!((open.len(), standing.count, standing.more()), (100, 151, 51));
    assert_eq!(standing.open[0].kind, Kind::Unrecorded, "the newest is told first");
    let tables = "DO $$ BEGIN FOR n IN 1..120 LOOP
                      EXECUTE format('CREATE TABLE wide_%s (company_id int NOT NULL, id int PRIMARY KEY)', n);
                  END LOOP; END $$";
    run(&world.protected.owner, tables).await;
    super::track(&world.protected).await;
    world.look().await;
    let hidden = "DO $$ BEGIN FOR n IN 1..120 LOOP
                      EXECUTE format('ALTER TABLE wide_%s DISABLE TRIGGER ALL', n);
                      EXECUTE format('INSERT INTO wide_%s VALUES (-1, 1)', n);
                  END LOOP; END $$";
    run(world.superuser(), hidden).await;
    world.look().await;
    let standing = world.standing().await;
    assert_eq!(standing.count, 151 + 101);
    let rest = standing.open.iter().find(|open| open.table.is_empty()).unwrap();
    assert_eq!((rest.action.as_str(), rest.changes), ("20 more differences", 20));
    assert!(rest.to_string().starts_with("20 more differences in transaction "), "{rest}");
    world.end().await;
}

/// Whoever may write messages into the write-ahead log writes as many and as odd ones as he likes: nothing
/// behind them is passed over, and nothing stops there. The guard takes that right from everybody.
#[tokio::test]
async fn messages_of_anybody_hide_nothing() {
    let world = world().await;
    let intruder = &world.protected.intruder;
    let tx = intruder.operator().await.unwrap();
    let emit = "SELECT pg_logical_emit_message(false, 'x', 'y')";
    assert!(tx.attempt(emit, &[]).await.unwrap().unwrap_err().is_denied());
    tx.rollback().await.unwrap();
    run(
        world.superuser(),
        "GRANT EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text),
             pg_logical_emit_message(boolean, text, bytea) TO PUBLIC;
         ALTER TABLE product DISABLE TRIGGER amanah_audit_row",
    )
    .await;
    for (n, transactional) in [(1, "false"), (2, "true")] {
        let flood = format!(
            "SELECT count(pg_logical_emit_message({transactional}, 'x', '\\xff'::bytea))
               FROM generate_series(1, 60000)"
        );
        run(intruder, &flood).await;
        run(world.superuser(), SALE).await;
        let told = world.told().await;
        assert_eq!(told.len(), n, "{told:?}");
        assert!(told.iter().all(|t| t == "unrecorded: INSERT public.product, 1 and 0"), "{told:?}");
    }
    // One that began before others were read, and ends after them.
    let early = intruder.operator().await.unwrap();
    early.batch("SELECT pg_logical_emit_message(true, 'x', 'early')").await.unwrap();
    run(world.superuser(), SALE).await;
    assert_eq!(world.told().await.len(), 3);
    let flood =
        "SELECT count(pg_logical_emit_message(true, 'x', '')) FROM generate_series(1, 60000)";
    early.batch(flood).await.unwrap();
    early.commit().await.unwrap();
    run(world.superuser(), SALE).await;
    let told = world.told().await;
    assert_eq!(told.len(), 4, "{told:?}");
    world.end().await;
}
