//! Tenants with a database of their own, on a server of their own.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Control, Cx, Outcome, Params, Proof, Secret, SystemClock, SystemRng, TenantId};
use store::{DatabaseUrl, Db};
use testkit::Server;

use super::erasure::{closing, sign};
use crate::{
    Campaign, Erasing, Erasure, Error, FLEET_ROOM, Fleet, Logins, MemoryVault, Script, Settings,
    State,
};

/// A fleet on a fresh server, whose own databases are closed as the product's are.
pub(super) struct World {
    pub(super) server: Server,
    pub(super) root: Db,
    pub(super) registry: Db,
    pub(super) fleet: Fleet,
}

/// How long is waited for what must come, however slow the machine is.
const PATIENCE: Duration = Duration::from_mins(2);
pub(super) const CAMPAIGN: Campaign = Campaign { workers: 4, budget: 0 };
pub(super) const ORDERS: &str =
    "CREATE TABLE orders (id bigint PRIMARY KEY, total numeric NOT NULL)";

pub(super) async fn world() -> World {
    world_of(true).await
}

/// A world whose fleet has a superuser, or a login that may make roles and databases and nothing
/// else, as on a server of somebody else's.
pub(super) async fn world_of(superuser: bool) -> World {
    let server = testkit::own_postgres().await;
    let root = server.superuser("postgres").await;
    let registry = server.login(&root, "amanah", "amanah").await;
    root.ensure_database("amanah", "amanah").await.unwrap();
    root.allow_roles("amanah").await.unwrap();
    for name in ["postgres", "template1", "amanah"] {
        root.close_database(name, &[]).await.unwrap();
    }
    let owner = server.login(&root, "amanah_tenants", "amanah").await.url().clone();
    if !superuser {
        root.allow_databases("amanah").await.unwrap();
        root.grant_role("amanah_tenants", "amanah").await.unwrap();
    }
    let settings = Settings {
        home: Logins {
            maker: if superuser { root.clone() } else { registry.clone() },
            owner,
            superuser: superuser.then(|| root.clone()),
        },
        registry,
        vault: Arc::new(MemoryVault::default()),
        programs: server.cluster().programs().clone(),
        installation: "0123abcd".to_owned(),
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
    };
    store::migrate(&settings.registry, &[&FLEET_ROOM]).await.unwrap();
    let registry = settings.registry.clone();
    let fleet = Fleet::new(settings);
    World { server, root, registry, fleet }
}

pub(super) fn tenant(id: &str) -> TenantId {
    TenantId::new(id).unwrap()
}

pub(super) fn script(name: &str, sql: &str) -> Script {
    Script::new(name, sql).unwrap()
}

impl World {
    /// Waits until nobody has a tenant or a cell any more: of a process that was killed, the server
    /// notices that a moment later.
    pub(super) async fn untaken(&self) {
        let tx = self.root.operator().await.unwrap();
        let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
        let free = async {
            while tx.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, free).await.expect("somebody still has it");
        tx.rollback().await.unwrap();
    }

    /// Begins an erasure again, as soon as the server has noticed that the first one has ended.
    pub(super) async fn again(&self, id: &TenantId) -> Erasing {
        self.untaken().await;
        self.fleet.erase(id).await.unwrap()
    }

    /// Erases a tenant to its end.
    pub(super) async fn erase(&self, id: &str) -> Erasure {
        let erasing = self.fleet.erase(&tenant(id)).await.unwrap();
        erasing.certify(closing(), &sign).await.unwrap().0
    }

    /// The databases of tenants, the template apart.
    pub(super) async fn places(&self) -> Vec<String> {
        let tx = self.root.operator().await.unwrap();
        let sql = "SELECT datname::text FROM pg_database WHERE datname ~ '^amt_.*_[0-9a-f]{16}$'";
        let rows = tx.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub(super) async fn sql(&self, database: &str, sql: &str) {
        let db = self.server.superuser(database).await;
        let tx = db.operator().await.unwrap();
        tx.batch(sql).await.unwrap();
        tx.commit().await.unwrap();
        db.close();
    }

    pub(super) async fn migrate(&self, scripts: &[Script]) -> crate::Done {
        self.fleet.migrate(scripts, CAMPAIGN, &|_| {}).await.unwrap()
    }

    pub(super) async fn as_tenant(&self, id: &str) -> Db {
        let lease = self.fleet.lease(&tenant(id), Duration::from_mins(1)).await.unwrap();
        Db::connect(&lease.url, 1).await.unwrap()
    }

    pub(super) fn control(&self) -> Arc<dyn Control> {
        self.fleet.control()
    }

    pub(super) async fn prove(&self) -> Proof {
        self.control().prove(&cx(), &Params::default()).await
    }
}

pub(super) fn cx() -> Cx {
    Cx { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng) }
}

/// Names that break other systems, and each its own database all the same.
#[tokio::test]
async fn a_tenant_may_be_called_anything() {
    let world = world().await;
    let long = "x".repeat(128);
    let names = ["Toko \"Jaya\"", "o'brien", "select", "Toko", "toko", "شركة الخليج", &long];
    world.migrate(&[script("0001", ORDERS)]).await;
    for name in names {
        let made = world.fleet.add(&tenant(name)).await.unwrap();
        assert_eq!((made.state, made.schema_version.as_deref()), (State::Active, Some("0001")));
        assert!(!made.place.name().contains(name));
    }
    let again = world.fleet.add(&tenant("toko")).await;
    assert!(matches!(again, Err(Error::Exists(_))), "{again:?}");
    for (name, total) in [("Toko", "1"), ("toko", "2")] {
        let db = world.as_tenant(name).await;
        let tx = db.operator().await.unwrap();
        tx.batch(&format!("INSERT INTO orders VALUES (1, {total})")).await.unwrap();
        tx.commit().await.unwrap();
    }
    let db = world.as_tenant("toko").await;
    let tx = db.operator().await.unwrap();
    let rows = tx.query("SELECT total::text FROM orders", &[]).await.unwrap();
    assert_eq!(rows.iter().map(|r| r.get::<_, &str>(0)).collect::<Vec<_>>(), ["2"]);
}

/// The whole battery holds on a sound server, over all its databases; each thing that is undone by
/// hand is named.
#[tokio::test]
async fn it_holds_and_what_is_undone_is_named() {
    let world = world().await;
    assert_eq!(world.prove().await.outcome(), Outcome::Unknown, "nobody is there yet");
    world.migrate(&[script("0001", ORDERS)]).await;
    assert_eq!(world.prove().await.outcome(), Outcome::Unknown, "the synthetic ones are nobody");
    let shop = world.fleet.add(&tenant("shop")).await.unwrap();
    let proof = world.prove().await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}: {:?}", proof.detail(), proof.findings());
    let total = proof.population().total;
    assert!(total >= 6, "{total}: postgres, template1, amanah, the template, a canary, the shop");
    let place = shop.place.name();
    let damage = [
        (
            "postgres",
            format!("GRANT CONNECT ON DATABASE {place} TO PUBLIC"),
            format!("REVOKE CONNECT ON DATABASE {place} FROM PUBLIC"),
            place,
        ),
        (
            "postgres",
            "GRANT CONNECT ON DATABASE postgres TO PUBLIC".to_owned(),
            "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC".to_owned(),
            "postgres",
        ),
        (
            "postgres",
            format!("GRANT pg_read_all_data TO {place}"),
            format!("REVOKE pg_read_all_data FROM {place}"),
            place,
        ),
        (place, "CREATE EXTENSION dblink".to_owned(), "DROP EXTENSION dblink".to_owned(), place),
    ];
    for (database, harm, mend, named) in damage {
        world.sql(database, &harm).await;
        let proof = world.prove().await;
        assert_eq!(proof.outcome(), Outcome::Broken, "{harm}");
        assert!(proof.findings().iter().any(|f| f.object == named), "{harm}: {proof:?}");
        world.sql(database, &mend).await;
    }
    let proof = world.prove().await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}: {:?}", proof.detail(), proof.findings());
}

/// A database that is shut to us by a rule of the server alone may be open to others.
#[tokio::test]
async fn what_a_rule_alone_keeps_out_is_not_held() {
    let world = world().await;
    world.migrate(&[script("0001", ORDERS)]).await;
    let shop = world.fleet.add(&tenant("shop")).await.unwrap();
    world.root.ensure_database("foreign", "amanah").await.unwrap();
    let tx = world.root.operator().await.unwrap();
    let file: String = tx.query_one("SHOW hba_file", &[]).await.unwrap().get(0);
    let rules = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("host foreign all 127.0.0.1/32 reject\n{rules}")).unwrap();
    tx.query("SELECT pg_reload_conf()", &[]).await.unwrap();
    tx.commit().await.unwrap();
    let lease = world.fleet.lease(&shop.id, Duration::from_mins(1)).await.unwrap();
    let foreign = lease.url.database("foreign");
    let refused = wait_for_refusal(&foreign).await;
    assert_eq!(refused.as_deref(), Some("28000"));
    let proof = world.prove().await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{}: {proof:?}", proof.detail());
    assert!(proof.detail().contains("REVOKE CONNECT ON DATABASE"), "{}", proof.detail());
    world.root.close_database("foreign", &[]).await.unwrap();
    let proof = world.prove().await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}: {:?}", proof.detail(), proof.findings());
}

/// What a bite gives to a role of the whole server is found by no proof that runs beside it: the proof
/// waits until it was taken back.
#[tokio::test]
async fn a_proof_waits_for_a_bite() {
    let world = world().await;
    world.fleet.add(&tenant("shop")).await.unwrap();
    let turn = world.root.operator().await.unwrap();
    turn.query("SELECT pg_advisory_xact_lock(7304683, 0)", &[]).await.unwrap();
    world.sql("postgres", "GRANT amanah_tenants TO pg_checkpoint").await;
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    let release = async {
        let waits = async {
            while turn.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, waits).await.expect("the proof does not wait");
        world.sql("postgres", "REVOKE amanah_tenants FROM pg_checkpoint").await;
        turn.rollback().await.unwrap();
    };
    let (proof, ()) = tokio::join!(world.prove(), release);
    assert_eq!(proof.outcome(), Outcome::Holds, "{}: {:?}", proof.detail(), proof.findings());
}

#[tokio::test]
async fn it_bites() {
    let world = world().await;
    world.fleet.add(&tenant("shop")).await.unwrap();
    let bite = world.control().bite(&cx()).await;
    assert_eq!(bite.outcome(), Outcome::Broken, "{}", bite.detail());
    testkit::told("docs/tenants.md", &format!("seeds {} violations", bite.population().checked));
    let tx = world.root.operator().await.unwrap();
    let sql = "SELECT count(*) FROM pg_database, pg_roles
                WHERE datname ~ '^amanah_sandbox' OR rolname ~ '^amanah_sandbox'";
    assert_eq!(tx.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 0, "nothing is left");
}

/// The golden matrix: every attack, and what it came to.
#[tokio::test]
async fn the_battery_is_this() {
    let world = world().await;
    let shop = world.fleet.add(&tenant("shop")).await.unwrap();
    let report = world.fleet.attack(&[shop]).await.unwrap();
    assert!(report.matrix.len() >= 30, "{}", report.matrix.len());
    testkit::told("docs/tenants.md", &format!("by {} kinds of attack", report.matrix.len()));
    let lines: Vec<String> =
        report.matrix.iter().map(|(name, word)| format!("{name:<16} {word}")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// A suspended tenant is shut out, its open sessions too; its rows are there when it is let in.
#[tokio::test]
async fn a_suspended_tenant_is_shut_out() {
    let world = world().await;
    world.migrate(&[script("0001", ORDERS)]).await;
    world.fleet.add(&tenant("shop")).await.unwrap();
    let lease = world.fleet.lease(&tenant("shop"), Duration::from_mins(1)).await.unwrap();
    let db = Db::connect(&lease.url, 2).await.unwrap();
    let tx = db.operator().await.unwrap();
    tx.batch("INSERT INTO orders VALUES (1, 5)").await.unwrap();
    tx.commit().await.unwrap();
    let open = db.operator().await.unwrap();
    world.fleet.suspend(&tenant("shop")).await.unwrap();
    assert!(open.query("SELECT 1", &[]).await.is_err(), "an open session ends");
    let fresh = Db::connect(&lease.url, 1).await;
    assert_eq!(fresh.unwrap_err().sqlstate(), Some("42501"));
    let refused = world.fleet.lease(&tenant("shop"), Duration::from_mins(1)).await;
    assert!(matches!(refused, Err(Error::NotActive { .. })), "{refused:?}");
    world.fleet.resume(&tenant("shop")).await.unwrap();
    let db = world.as_tenant("shop").await;
    let tx = db.operator().await.unwrap();
    assert_eq!(tx.query("SELECT FROM orders", &[]).await.unwrap().len(), 1);
}

/// A session whose login has gone is ended all the same when its tenant is suspended.
#[tokio::test]
async fn a_session_without_a_login_ends_too() {
    let world = world().await;
    world.fleet.add(&tenant("shop")).await.unwrap();
    let lease = world.fleet.lease(&tenant("shop"), Duration::from_mins(1)).await.unwrap();
    let db = Db::connect(&lease.url, 1).await.unwrap();
    let open = db.operator().await.unwrap();
    let expire = format!("ALTER ROLE {} VALID UNTIL '2020-01-01'", lease.url.user);
    world.sql("postgres", &expire).await;
    assert_eq!(world.fleet.sweep().await.unwrap(), 0, "it has a session");
    world.sql("postgres", &format!("DROP ROLE {}", lease.url.user)).await;
    world.fleet.suspend(&tenant("shop")).await.unwrap();
    assert!(open.query("SELECT 1", &[]).await.is_err());
}

/// All of it without a superuser: made, attacked, suspended and erased with a session open.
#[tokio::test]
async fn it_works_without_a_superuser() {
    let world = world_of(false).await;
    for id in ["shop", "kiosk"] {
        world.fleet.add(&tenant(id)).await.unwrap();
    }
    let proof = world.prove().await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}: {:?}", proof.detail(), proof.findings());
    let bite = world.fleet.control().bite(&cx()).await;
    assert_eq!(bite.outcome(), Outcome::Broken, "{}", bite.detail());
    let told = format!("without a superuser it is the {} that need", bite.population().checked);
    testkit::told("docs/tenants.md", &told);
    let (first, second) = (world.as_tenant("shop").await, world.as_tenant("kiosk").await);
    let (open, other) = (first.operator().await.unwrap(), second.operator().await.unwrap());
    world.fleet.suspend(&tenant("shop")).await.unwrap();
    assert!(open.query("SELECT 1", &[]).await.is_err());
    world.erase("kiosk").await;
    assert!(other.query("SELECT 1", &[]).await.is_err());
}

/// Erased is erased, and the others' rows are what they were.
#[tokio::test]
async fn an_erased_tenant_is_gone() {
    let world = world().await;
    world.migrate(&[script("0001", ORDERS)]).await;
    let gone = world.fleet.add(&tenant("gone")).await.unwrap();
    world.fleet.add(&tenant("stays")).await.unwrap();
    for id in ["gone", "stays"] {
        let db = world.as_tenant(id).await;
        let tx = db.operator().await.unwrap();
        tx.batch("INSERT INTO orders SELECT n, n FROM generate_series(1, 100) n").await.unwrap();
        tx.commit().await.unwrap();
        db.close();
    }
    let erasure = world.erase("gone").await;
    assert!(erasure.bytes > 1_000_000, "{erasure:?}");
    assert!(!world.root.has_database(gone.place.name()).await.unwrap());
    assert!(!world.root.has_role(gone.place.name()).await.unwrap());
    let missing = world.fleet.lease(&tenant("gone"), Duration::from_mins(1)).await;
    assert!(matches!(missing, Err(Error::NoTenant(_))), "{missing:?}");
    let db = world.as_tenant("stays").await;
    let tx = db.operator().await.unwrap();
    let sum = tx.query_one("SELECT sum(total)::bigint FROM orders", &[]).await.unwrap();
    assert_eq!(sum.get::<_, i64>(0), 5050);
    let canary = world.fleet.erase(&tenant("amanah-canary-a")).await;
    assert!(matches!(canary, Err(Error::Canary)));
}

/// A lease ends by itself, and its role is swept.
#[tokio::test]
async fn a_lease_ends() {
    let world = world().await;
    world.fleet.add(&tenant("shop")).await.unwrap();
    let lease = world.fleet.lease(&tenant("shop"), Duration::ZERO).await.unwrap();
    let refused = wait_for_refusal(&lease.url).await;
    assert_eq!(refused.as_deref(), Some("28P01"));
    assert_eq!(world.fleet.sweep().await.unwrap(), 1);
    assert!(!world.root.has_role(&lease.url.user).await.unwrap());
    let wrong = lease.url.login(&lease.url.user, Some(Secret::new("x".to_owned())));
    assert!(Db::connect(&wrong, 1).await.is_err());
}

/// A program that asks for a login with each request fills no server with roles.
#[tokio::test]
async fn a_tenant_has_so_many_logins_at_a_time() {
    let world = world().await;
    let shop = world.fleet.add(&tenant("shop")).await.unwrap();
    let make = format!(
        "DO $$ BEGIN FOR n IN 1..199 LOOP EXECUTE format('CREATE ROLE {}_%s LOGIN VALID UNTIL \
         %L', lpad(to_hex(n), 8, '0'), now() + interval '1 hour'); END LOOP; END $$",
        shop.place.name()
    );
    world.sql("postgres", &make).await;
    world.fleet.lease(&tenant("shop"), Duration::from_mins(1)).await.unwrap();
    let refused = world.fleet.lease(&tenant("shop"), Duration::from_mins(1)).await.unwrap_err();
    assert!(matches!(refused, Error::Leases(_)), "{refused}");
    let end = format!("ALTER ROLE {}_00000001 VALID UNTIL '2020-01-01'", shop.place.name());
    world.sql("postgres", &end).await;
    world.fleet.lease(&tenant("shop"), Duration::from_mins(1)).await.unwrap();
}

async fn wait_for_refusal(url: &DatabaseUrl) -> Option<String> {
    for _ in 0..1000 {
        match Db::connect(url, 1).await {
            Ok(db) => db.close(),
            Err(error) => return error.sqlstate().map(str::to_owned),
        }
    }
    None
}

/// What a session has made belongs to the tenant, and holds up nothing when its login goes: also
/// what it made as itself.
#[tokio::test]
async fn a_lease_leaves_what_it_made_to_the_tenant() {
    let world = world().await;
    let shop = world.fleet.add(&tenant("shop")).await.unwrap();
    let lease = world.fleet.lease(&tenant("shop"), Duration::from_mins(1)).await.unwrap();
    let db = Db::connect(&lease.url, 1).await.unwrap();
    let tx = db.operator().await.unwrap();
    let own = tx.query_one("SELECT current_user::text, lo_create(0)", &[]).await.unwrap();
    assert_eq!(own.get::<_, &str>(0), shop.place.name());
    tx.batch("RESET ROLE; SET ROLE NONE; SELECT lo_create(0)").await.unwrap();
    tx.batch("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC").await.unwrap();
    tx.commit().await.unwrap();
    db.close();
    let expire = format!("ALTER ROLE {} VALID UNTIL '2020-01-01'", lease.url.user);
    world.sql("postgres", &expire).await;
    assert_eq!(world.fleet.sweep().await.unwrap(), 1);
    let db = world.as_tenant("shop").await;
    let tx = db.operator().await.unwrap();
    let sql = "SELECT count(*) FROM pg_largeobject_metadata WHERE lomowner = $1::text::regrole";
    let kept = tx.query_one(sql, &[&shop.place.name()]).await.unwrap();
    assert_eq!(kept.get::<_, i64>(0), 2);
}

/// What a crash has left half made is made anew.
#[tokio::test]
async fn a_half_made_tenant_is_made_again() {
    let world = world().await;
    let shop = world.fleet.add(&tenant("shop")).await.unwrap();
    let harm = format!("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}", shop.place.name());
    world.sql(shop.place.name(), &harm).await;
    world.sql("amanah", "UPDATE tenancy.tenants SET state = 'making' WHERE id = 'shop'").await;
    let refused = world.fleet.lease(&tenant("shop"), Duration::from_mins(1)).await;
    assert!(matches!(refused, Err(Error::NotActive { .. })), "{refused:?}");
    let again = world.fleet.add(&tenant("shop")).await.unwrap();
    assert_eq!(again.place, shop.place, "it keeps its name");
    world.as_tenant("shop").await;
    // A template that was left behind while it was made is made again.
    world.sql("postgres", "ALTER DATABASE amt_0123abcd_template ALLOW_CONNECTIONS false").await;
    world.fleet.add(&tenant("stall")).await.unwrap();
    world.as_tenant("stall").await;
    // Two commands at once: one of them is told.
    let (shop, kiosk) = (tenant("shop"), tenant("kiosk"));
    let both = tokio::join!(world.fleet.add(&kiosk), world.fleet.add(&kiosk));
    let refused = match both {
        (Ok(_), Err(error)) | (Err(error), Ok(_)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(refused, Error::Taken(_) | Error::Exists(_)), "{refused}");
    assert_eq!(world.fleet.suspend(&shop).await.unwrap().state, State::Suspended);
}
