//! Tenants on several cells: each a PostgreSQL of its own.

use kernel::Outcome;
use store::{DatabaseUrl, Db};
use testkit::Server;

use super::fleet::{ORDERS, World, cx, script, tenant, world};
use super::moving::kill;
use crate::{CellState, Error, State};

/// Another server, whose own databases are closed as the product's are, with a login on it that may
/// make roles and databases.
pub(super) struct Ground {
    pub(super) server: Server,
    pub(super) root: Db,
    pub(super) maker: DatabaseUrl,
}

pub(super) async fn ground() -> Ground {
    let server = testkit::own_postgres().await;
    let root = server.superuser("postgres").await;
    let maker = server.login(&root, "maker", "maker").await.url().clone();
    root.allow_roles("maker").await.unwrap();
    root.allow_databases("maker").await.unwrap();
    root.ensure_database("maker", "maker").await.unwrap();
    for name in ["postgres", "template1", "maker"] {
        root.close_database(name, &[]).await.unwrap();
    }
    Ground { server, root, maker }
}

impl Ground {
    pub(super) fn superuser(&self) -> DatabaseUrl {
        self.server.cluster().superuser("postgres")
    }

    /// Makes it a cell of `world`.
    pub(super) async fn join(&self, world: &World, name: &str) {
        let superuser = self.superuser();
        let added = world.fleet.add_cell(name, &self.maker, Some(&superuser), None).await.unwrap();
        assert_eq!(added.open_databases, Vec::<String>::new());
    }
}

fn refused<T>(came_to: Result<T, Error>) -> String {
    match came_to {
        Ok(_) => panic!("it was let through"),
        Err(error) => error.to_string(),
    }
}

/// A cell gets what every tenant is made from, is chosen by its free room, takes no more when it is
/// full or drained, and goes when it is empty.
#[tokio::test]
async fn a_cell_comes_fills_and_goes() {
    let (world, other) = (world().await, ground().await);
    let fleet = &world.fleet;
    world.migrate(&[script("0001", &format!("{ORDERS}; INSERT INTO orders VALUES (0, 0)"))]).await;
    fleet.bound_cell("home", Some(1)).await.unwrap();
    fleet.add(&tenant("first")).await.unwrap();
    let full = refused(fleet.add(&tenant("second")).await);
    assert!(full.contains("home is full, with 1 tenants"), "{full}");

    let open = "GRANT CONNECT ON DATABASE postgres TO PUBLIC";
    let tx = other.root.operator().await.unwrap();
    tx.batch(open).await.unwrap();
    tx.commit().await.unwrap();
    // Without a superuser there.
    let added = fleet.add_cell("east", &other.maker, None, Some(2)).await.unwrap();
    assert_eq!(added.open_databases, ["postgres"]);
    other.root.close_database("postgres", &[]).await.unwrap();
    for (name, words) in [
        ("east", "is there already"),
        ("west", "this server is another cell already"),
        ("West", "is no name"),
        ("home", "is no name"),
    ] {
        let again = refused(fleet.add_cell(name, &other.maker, None, None).await);
        assert!(again.contains(words), "{name}: {again}");
    }
    let made = fleet.add(&tenant("second")).await.unwrap();
    assert_eq!((made.cell.as_str(), made.schema_version.as_deref()), ("east", Some("0001")));
    let db = world.as_tenant("second").await;
    let tx = db.operator().await.unwrap();
    assert_eq!(tx.query("SELECT FROM orders", &[]).await.unwrap().len(), 1, "rows of the template");
    tx.rollback().await.unwrap();
    db.close();

    let ids = ["a", "b", "c"].map(tenant);
    let together = futures_util::future::join_all(ids.iter().map(|id| fleet.add(id))).await;
    let made = together.iter().filter(|made| made.is_ok()).count();
    assert_eq!(made, 1, "two commands do not take the last place: {together:?}");
    let named = refused(fleet.add_on(&tenant("d"), "home").await);
    assert!(named.contains("`home` takes no new tenant: it is full"), "{named}");

    fleet.bound_cell("east", None).await.unwrap();
    fleet.drain_cell("east", true).await.unwrap();
    let drained = refused(fleet.add(&tenant("d")).await);
    assert!(drained.contains("east is being drained"), "{drained}");
    // Again and again: a command that was refused leaves the cell free for the next one at once.
    for _ in 0..20 {
        let occupied = refused(fleet.remove_cell("east").await);
        assert!(occupied.contains("2 tenants"), "{occupied}");
        let twice = refused(fleet.add_cell("east", &other.maker, None, None).await);
        assert!(twice.contains("is there already"), "{twice}");
    }
    for tenant in fleet.list().await.unwrap() {
        if !tenant.canary && tenant.cell == "east" {
            world.erase(tenant.id.as_str()).await;
        }
    }
    fleet.remove_cell("east").await.unwrap();
    let tx = other.root.operator().await.unwrap();
    let sql = "SELECT datname::text FROM pg_database WHERE datname ~ '^amt_'
               UNION SELECT rolname::text FROM pg_roles WHERE rolname ~ '^am(t|anah_tenants)'";
    let left: Vec<String> =
        tx.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(fleet.cells().await.unwrap().len(), 1);
}

/// Another installation, or a copy of this one, does not share a server with it under one id.
#[tokio::test]
async fn a_server_that_is_used_under_the_same_id_is_refused() {
    let (first, second, other) = (world().await, world().await, ground().await);
    other.join(&first, "east").await;
    let clash = refused(second.fleet.add_cell("east", &other.maker, None, None).await);
    assert!(clash.contains("another installation"), "{clash}");
    let home = first.server.login(&first.root, "maker", "amanah").await.url().clone();
    first.root.allow_roles("maker").await.unwrap();
    first.root.allow_databases("maker").await.unwrap();
    let tx = first.root.operator().await.unwrap();
    tx.batch("GRANT CONNECT ON DATABASE amanah TO maker").await.unwrap();
    tx.commit().await.unwrap();
    let own = refused(first.fleet.add_cell("own", &home, None, None).await);
    assert!(own.contains("this server is the cell `home`"), "{own}");
    let weak = other.server.login(&other.root, "weak", "maker").await.url().clone();
    let tx = other.root.operator().await.unwrap();
    tx.batch("GRANT CONNECT ON DATABASE maker TO weak").await.unwrap();
    tx.commit().await.unwrap();
    let weak = refused(second.fleet.add_cell("weak", &weak, None, None).await);
    assert!(weak.contains("needs CREATEROLE and CREATEDB"), "{weak}");
}

/// Both cells are attacked, each with its own pair and the logins of the other.
#[tokio::test]
async fn the_proof_covers_every_cell() {
    let (world, other) = (world().await, ground().await);
    world.migrate(&[script("0001", ORDERS)]).await;
    other.join(&world, "east").await;
    world.fleet.add_on(&tenant("shop"), "home").await.unwrap();
    world.fleet.add_on(&tenant("kiosk"), "east").await.unwrap();
    let proof = world.prove().await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}: {:?}", proof.detail(), proof.findings());
    assert_eq!(proof.population().total, 6 + 6, "all databases but an attacker's on each");
    // What is opened on the other one is named there.
    let tx = other.root.operator().await.unwrap();
    tx.batch("GRANT CONNECT ON DATABASE postgres TO PUBLIC").await.unwrap();
    tx.commit().await.unwrap();
    let proof = world.prove().await;
    assert_eq!(proof.outcome(), Outcome::Broken);
    assert_eq!(proof.findings()[0].object, "east/postgres", "{:?}", proof.findings());
}

/// The bite is made on one cell after the other, and again where it was blunt.
#[tokio::test]
async fn the_bite_goes_from_cell_to_cell() {
    let (world, other) = (world().await, ground().await);
    world.migrate(&[script("0001", ORDERS)]).await;
    other.join(&world, "east").await;
    world.fleet.add_on(&tenant("shop"), "home").await.unwrap();
    let control = world.control();
    // Whatever is made from it is open before anything is seeded.
    let spoil = "CREATE FUNCTION public.amanah_open() RETURNS text LANGUAGE sql SECURITY DEFINER \
                 AS 'SELECT NULL'";
    let mend = "DROP FUNCTION public.amanah_open()";
    for (cell, change, outcome) in [
        ("home", spoil, Outcome::Broken),
        ("east", mend, Outcome::Unknown),
        ("east", "SELECT 1", Outcome::Broken),
    ] {
        let proof = control.bite(&cx()).await;
        assert_eq!(proof.outcome(), outcome, "{cell}: {}", proof.detail());
        assert!(proof.detail().contains(&format!("on the cell {cell}")), "{}", proof.detail());
        let template = other.server.superuser("amt_0123abcd_template").await;
        let tx = template.operator().await.unwrap();
        tx.batch(change).await.unwrap();
        tx.commit().await.unwrap();
        template.close();
    }
    let turns = "SELECT string_agg(name, ' ' ORDER BY bitten_at) FROM tenancy.cells";
    let tx = world.server.superuser("amanah").await.operator().await.unwrap();
    let turns: String = tx.query_one(turns, &[]).await.unwrap().get(0);
    assert_eq!(turns, "home east", "then it is home's turn again");
}

/// What a bite that was killed has left goes on every cell, and nobody else's.
#[tokio::test]
async fn scratch_pairs_are_swept_on_every_cell() {
    let (world, other) = (world().await, ground().await);
    other.join(&world, "east").await;
    let (ours, theirs) =
        ("amanah_sandbox_0123abcd_0123456789abcdef", "amanah_sandbox_4567cdef_0123456789abcdef");
    for name in [ours, theirs] {
        let tx = other.root.operator().await.unwrap();
        tx.batch(&format!("CREATE ROLE {name}")).await.unwrap();
        tx.commit().await.unwrap();
        other.root.ensure_database(name, "postgres").await.unwrap();
    }
    assert_eq!(world.fleet.sweep_sandboxes().await.unwrap(), 1);
    assert!(!other.root.has_database(ours).await.unwrap());
    assert!(other.root.has_database(theirs).await.unwrap());
}

/// A cell that is down keeps its own tenants back and nobody else, and says so; when it is up
/// again, everything catches up.
#[tokio::test]
async fn a_cell_that_is_down_affects_only_its_tenants() {
    let (world, other) = (world().await, ground().await);
    let fleet = &world.fleet;
    let first = script("0001", ORDERS);
    world.migrate(std::slice::from_ref(&first)).await;
    other.join(&world, "east").await;
    fleet.add_on(&tenant("shop"), "home").await.unwrap();
    fleet.add_on(&tenant("kiosk"), "east").await.unwrap();
    other.server.cluster().stop().await.unwrap();

    let cells = fleet.cells().await.unwrap();
    assert!(cells[0].1.is_ok() && cells[1].1.is_err(), "{cells:?}");
    assert_eq!((cells[1].0.state, cells[1].0.tenants), (CellState::Open, 1));
    world.as_tenant("shop").await.close();
    let lost = fleet.lease(&tenant("kiosk"), std::time::Duration::from_mins(1)).await;
    assert!(lost.is_err());
    assert_eq!(fleet.add(&tenant("stall")).await.unwrap().cell, "home");
    let named = refused(fleet.add_on(&tenant("booth"), "east").await);
    assert!(named.contains("`east` cannot be reached"), "{named}");
    let both = [first, script("0002", "CREATE TABLE notes (id bigint PRIMARY KEY)")];
    let done = world.migrate(&both).await;
    assert_eq!((done.failed.len(), done.left.len(), done.current), (0, 0, 5), "{done:?}");
    assert_eq!(done.unreached[0].0, "kiosk");
    assert!(done.unreached[0].1.contains("its cell east cannot be reached"), "{done:?}");
    let proof = world.prove().await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{proof:?}");
    let population = proof.population();
    assert_eq!(population.total - population.checked, 4, "its databases count: {proof:?}");
    assert!(proof.detail().contains("could not be attacked"), "{}", proof.detail());

    other.server.cluster().revive().await.unwrap();
    let done = world.migrate(&both).await;
    assert_eq!((done.migrated, done.unreached.len()), (4, 0), "{done:?}");
    let proof = world.prove().await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}: {:?}", proof.detail(), proof.findings());
    let late = fleet.add_on(&tenant("late"), "east").await.unwrap();
    assert_eq!(late.schema_version.as_deref(), Some("0002"));
}

/// Only the server that was added is changed: not another one at its address, nor one that has lost
/// our mark, and a database that is not there was not erased.
#[tokio::test]
async fn nothing_is_done_on_another_server() {
    let (world, other) = (world().await, ground().await);
    let fleet = &world.fleet;
    world.migrate(&[script("0001", ORDERS)]).await;
    other.join(&world, "east").await;
    let (id, life) = (tenant("kiosk"), std::time::Duration::from_mins(1));
    let made = fleet.add_on(&id, "east").await.unwrap();
    let tell = "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles \
                WHERE rolname = 'amanah_tenants'";
    let tx = other.root.operator().await.unwrap();
    let mark: Option<String> = tx.query_one(tell, &[]).await.unwrap().get(0);
    let mark = mark.expect("the cell has a mark of ours");
    tx.rollback().await.unwrap();
    let marked = |mark: &str| format!("COMMENT ON ROLE amanah_tenants IS '{mark}'");
    let foreign = "UPDATE tenancy.cells SET server = '1', added_at = now() WHERE name = 'east'";
    for (words, on_cell, on_registry) in [
        ("its mark is not", marked("another"), "SELECT 1"),
        ("another server answers", marked(&mark), foreign),
    ] {
        let tx = other.root.operator().await.unwrap();
        tx.batch(&on_cell).await.unwrap();
        tx.commit().await.unwrap();
        world.sql("amanah", on_registry).await;
        for came_to in [
            refused(fleet.lease(&id, life).await),
            refused(fleet.suspend(&id).await),
            refused(fleet.resume(&id).await),
            refused(fleet.erase(&id).await),
            refused(fleet.erase_missing(&id).await),
            refused(fleet.add_on(&tenant("late"), "east").await),
        ] {
            assert!(came_to.contains(words), "{words}: {came_to}");
        }
        assert!(other.root.has_database(made.place.name()).await.unwrap());
    }
    assert_eq!(fleet.find(&id).await.unwrap().state, State::Active);
    assert_eq!(fleet.erasures().await.unwrap().len(), 0);
}

/// A cell on another machine is logged in to over TLS alone, and the server proves there that it
/// knows the login.
#[tokio::test]
async fn a_cell_elsewhere_needs_tls() {
    let world = world().await;
    let far = DatabaseUrl::parse("postgres://maker@db.example.invalid/maker").unwrap();
    let clear = refused(world.fleet.add_cell("far", &far, None, None).await);
    assert!(clear.contains("sslmode=require"), "{clear}");
    let near = DatabaseUrl::parse("postgres://maker@127.0.0.1:1/maker").unwrap();
    let half = refused(world.fleet.add_cell("far", &near, Some(&far), None).await);
    assert!(half.contains("sslmode=require"), "{half}");
    assert_eq!(world.fleet.cells().await.unwrap().len(), 1);
}

/// A server is looked at before anybody knows whose the database in the address is: what its owner
/// has put on the path there is not come upon.
#[tokio::test]
async fn a_look_at_a_server_runs_nothing_that_lies_there() {
    let (world, other) = (world().await, ground().await);
    let maker = &other.maker.user;
    let there = Db::connect(&other.maker, 1).await.unwrap();
    let tx = there.operator().await.unwrap();
    tx.batch(&format!(
        "CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;
         CREATE FUNCTION evil.same(name, name) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
             IF pg_catalog.current_setting('is_superuser') OPERATOR(pg_catalog.=) 'on' THEN
                 ALTER ROLE {maker} SUPERUSER;
             END IF;
             RETURN $1 OPERATOR(pg_catalog.=) $2;
         END $$;
         CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.same);
         ALTER DATABASE maker SET search_path = evil, public, pg_catalog"
    ))
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let superuser = other.superuser().database("maker").unpinned();
    world.fleet.add_cell("east", &other.maker, Some(&superuser), None).await.unwrap();
    assert!(!there.is_superuser().await.unwrap(), "{maker} is a superuser");
}

/// A cell that was half added, with its synthetic tenants, is begun anew on another server, and goes when
/// that is gone.
#[tokio::test]
async fn a_half_added_cell_is_begun_anew_or_goes() {
    let (world, one, other) = (world().await, ground().await, ground().await);
    let half = "UPDATE tenancy.cells SET state = 'making' WHERE name = 'east'";
    one.join(&world, "east").await;
    world.sql("amanah", half).await;
    other.join(&world, "east").await;
    let mut pair = world.fleet.list().await.unwrap();
    pair.retain(|tenant| tenant.cell == "east");
    assert_eq!(pair.len(), 2);
    for canary in pair {
        assert_eq!(canary.state, State::Active);
        assert!(other.root.has_database(canary.place.name()).await.unwrap(), "it is not there");
    }
    world.sql("amanah", half).await;
    kill(other.server.cluster());
    world.fleet.remove_cell("east").await.unwrap();
    let left = world.fleet.cells().await.unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
}

/// A cell that is being removed is not opened again meanwhile.
#[tokio::test]
async fn who_works_on_a_cell_is_alone() {
    let (world, other) = (world().await, ground().await);
    other.join(&world, "east").await;
    let registry = world.server.superuser("amanah").await;
    let tx = registry.operator().await.unwrap();
    tx.batch("SELECT pg_advisory_xact_lock(7304682, hashtext('east'))").await.unwrap();
    let busy = refused(world.fleet.drain_cell("east", false).await);
    assert!(busy.contains("is being worked on"), "{busy}");
    tx.rollback().await.unwrap();
    world.fleet.drain_cell("east", true).await.unwrap();
}
