//! The trail on a real PostgreSQL.

mod archiving;
mod asked;
mod attacks;
mod bites;
mod claims;
mod comparing;
mod encrypted;
mod erasing;
mod form;
mod growing;
mod handover;
mod hashing;
mod labels;
mod noise;
mod planted;
mod reading;
mod recording;
mod refusing;
mod retaining;
mod reviewing;
mod sealing;
mod shelves;
mod structure;
mod tracking;
mod undoing;
mod verifying;
mod weakening;

use std::sync::Arc;

use ::claims::Ledger;
use kernel::{
    Actor, Binder, Control, Cx, FixedRng, Params, Scope, Secret, SystemClock, SystemRng, TenantId,
};
use store::{Migration, Protected, Room, Table, Tx};

use sealing::Pen;
use verifying::copied::Seals;

use crate::offsite::Offsite;
use crate::review::Reports;
use crate::seal::{self, Scratch};
use crate::wal::Comparison;
use crate::{
    Binders, COMPARED_ROOM, ERASING_ROOM, GUARD, ROOM, Reviewed, SealedLog, TrailRow, Watched,
    Whole, apply, approve, controls, plan,
};

/// Stands in for `tenancy`, which this crate must not import: the same functions over a token
/// that only names its database, where the real one carries a MAC.
static TENANCY: Room = Room {
    name: "tenancy",
    migrations: &[Migration { name: "0001_standin", sql: include_str!("standin.sql") }],
};

/// Mints what the stand-in takes: database, tenant and actor.
struct Standin(String);

impl Binder for Standin {
    fn mint(
        &self,
        tenant: &TenantId,
        actor: &Actor,
        _: Scope,
        _: Option<jiff::Timestamp>,
    ) -> Option<Secret> {
        let text = format!("{}|{}|{}", self.0, tenant, actor);
        Some(Secret::new(text))
    }
}

fn binders() -> Binders {
    Arc::new(|database| Arc::new(Standin(database.to_owned())))
}

/// Where the comparison keeps what it finds: one database for all tests of this process.
static CONTROL: tokio::sync::OnceCell<store::DatabaseUrl> = tokio::sync::OnceCell::const_new();

fn comparison() -> Option<Comparison> {
    // A pool belongs to the test that made it.
    let control = store::Db::lazy(CONTROL.get()?, 4).unwrap();
    Some(Comparison::new(control, Arc::new(SystemClock)))
}

/// Reviews of a trail that nobody has made.
fn reviewed() -> Option<Reviewed> {
    let scratch = tempfile::env::temp_dir();
    Some(Reviewed {
        trail: "shop".to_owned(),
        reports: Reports::at(scratch.join("reviews-of-nobody")),
        attestations: Arc::new(words(store::Db::lazy(CONTROL.get()?, 4).unwrap(), 1)),
        scratch,
    })
}

/// What people vouch for in a control database, signed by the key that this seed gives.
fn words(db: store::Db, seed: u8) -> Ledger {
    Ledger::new(db, Pen::of(&[seed]), "amanah-ab12/attestations", Arc::new(SystemRng))
}

/// A log of which nothing is sealed yet.
fn log() -> SealedLog {
    let pen = Pen::of(&[1]);
    SealedLog {
        shelf: Arc::new(Scratch::default()),
        keys: Arc::new(move || seal::keys(&*pen, ORIGIN)),
        memory: None,
        accepted: None,
        clock: Arc::new(SystemClock),
    }
}

/// What the log of a test is called.
const ORIGIN: &str = "amanah-ab12/shop";

/// The control of the claim `id` over these databases.
fn control(id: &str, databases: Vec<Watched>) -> Arc<dyn Control> {
    controls(databases).into_iter().find(|control| control.card().id == id).unwrap()
}

/// Every control but those about what is sealed, copied and signed, of which there is nothing here.
fn unsealed(databases: Vec<Watched>) -> Vec<Arc<dyn Control>> {
    let all = controls(databases).into_iter();
    let elsewhere = ["audit.tamper-evident", "audit.offsite", "audit.retention", "audit.review"];
    all.filter(|control| !elsewhere.contains(&control.card().id)).collect()
}

fn watched(protected: &Protected) -> Watched {
    Watched {
        protected: protected.clone(),
        binders: binders(),
        critical: Arc::new(critical),
        comparison: comparison(),
        log: Ok(log()),
        offsite: Ok(Offsite {
            shelf: Arc::new(Scratch::default()),
            seals: Arc::new(Seals::new()),
            near: None,
        }),
        archive: Ok(None),
        keep: 24,
        reviewed: reviewed().ok_or_else(|| "nobody keeps its reviews".to_owned()),
        whole: Whole::default(),
    }
}

/// Stands in for tenancy's census: tables with the tenant column, what it points to, and whatever
/// points to one of these by columns that are never NULL.
fn critical(shape: &[Table]) -> Vec<(String, String)> {
    let name = |t: &Table| (t.schema.clone(), t.name.clone());
    let own = |t: &&Table| t.column("company_id").is_some();
    let mut held: Vec<_> = shape.iter().filter(own).map(name).collect();
    let keys = shape.iter().flat_map(|t| &t.foreign_keys);
    held.extend(keys.filter(|k| k.columns == ["company_id"]).map(|k| k.parent.clone()));
    loop {
        let linked = |t: &&Table| {
            let required = |c: &String| t.column(c).is_some_and(|c| c.not_null);
            let mut keys = t.foreign_keys.iter();
            keys.any(|k| held.contains(&k.parent) && k.columns.iter().all(required))
        };
        let found = shape.iter().filter(linked).map(name).find(|n| !held.contains(n));
        let Some(found) = found else { break };
        held.push(found);
    }
    held.sort();
    held.dedup();
    held
}

fn cx() -> Cx {
    // A seed of its own for each call: sandboxes of one server must not share a name.
    use std::sync::atomic::{AtomicU64, Ordering};
    static SEED: AtomicU64 = AtomicU64::new(1);
    let seed = SEED.fetch_add(1, Ordering::Relaxed);
    Cx { clock: Arc::new(SystemClock), rng: Arc::new(FixedRng::new(seed)) }
}

fn none() -> Params {
    Params::none()
}

/// A shop with two tables of tenants' rows and one that is shared.
const SHOP: &str = "
CREATE TYPE mood AS ENUM ('calm', 'hurried');
CREATE TABLE company (id int PRIMARY KEY, name text);
INSERT INTO company VALUES (-1, 'Canary A'), (-2, 'Canary B');
CREATE TABLE product (
    id serial PRIMARY KEY,
    company_id int NOT NULL REFERENCES company,
    name varchar(20) NOT NULL,
    price numeric(12, 2) CHECK (price >= 0)
);
CREATE TABLE \"Order \"\"line\"\" 'x'\" (
    company_id int NOT NULL,
    \"no\" int NOT NULL,
    product_id int REFERENCES product,
    mood mood NOT NULL DEFAULT 'calm',
    PRIMARY KEY (company_id, \"no\")
);
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {app};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app};";

/// Who holds the guard over the trail.
#[derive(Clone, Copy, PartialEq)]
enum Keeper {
    /// A superuser has installed it.
    Superuser,
    /// There is none: the owner keeps the trail.
    Owner,
}

/// A database with `schema`, tracked by the plan.
async fn house(schema: &str, keeper: Keeper) -> Protected {
    let mut protected =
        testkit::protected(schema, "company_id", ("-1", "-2"), &[&TENANCY, &ROOM]).await;
    let superuser = protected.superuser.clone().unwrap();
    if keeper == Keeper::Superuser {
        store::migrate_privileged(&superuser, &[&GUARD]).await.unwrap();
        let owner = &protected.owner.url().user;
        run(&superuser, &format!("ALTER ROLE {owner} NOCREATEROLE")).await;
    } else {
        // Nobody could have made this login.
        let replicator = protected.replicator.take().unwrap();
        let (role, owner) = (&replicator.url().user, &protected.owner.url().user);
        run(&superuser, &format!("REVOKE {owner} FROM {role}")).await;
        protected.superuser = None;
    }
    track(&protected).await;
    CONTROL
        .get_or_init(|| async {
            let rooms = [&COMPARED_ROOM, &ERASING_ROOM, &::claims::ROOM];
            testkit::database(&rooms).await.owner.url().clone()
        })
        .await;
    protected
}

/// Plans and applies, as the owner; what is to be approved is approved by who keeps the trail.
async fn track(protected: &Protected) {
    let tx = protected.owner.operator().await.unwrap();
    let shape = store::tables(&tx).await.unwrap();
    let steps = plan(&tx, &shape, "company_id", &critical(&shape)).await.unwrap();
    if steps.iter().any(|step| step.approval) {
        let keeper = protected.superuser.as_ref().unwrap_or(&protected.owner);
        let above = keeper.operator().await.unwrap();
        approve(&above, &steps).await.unwrap();
        above.commit().await.unwrap();
    }
    apply(&tx, &steps).await.unwrap();
    tx.commit().await.unwrap();
}

async fn run(db: &store::Db, sql: &str) {
    let tx = db.operator().await.unwrap();
    tx.batch(sql).await.unwrap();
    tx.commit().await.unwrap();
}

/// A binding to the first canary tenant for `actor`.
fn binding(protected: &Protected, actor: &str) -> Secret {
    let actor = Actor::new(actor).unwrap();
    Standin(protected.name.clone())
        .mint(&protected.canaries.0, &actor, Scope::ReadWrite, None)
        .unwrap()
}

/// A transaction that sees the whole trail, whoever keeps it.
async fn whole(protected: &Protected) -> store::OperatorTx {
    let superuser = testkit::postgres().await.superuser(&protected.name).await;
    superuser.operator().await.unwrap()
}

/// What the trail has of rows, oldest first.
async fn trail(tx: &Tx) -> Vec<TrailRow> {
    entries(tx, "action <> 'DDL'").await
}

/// What it has of changes of structure, oldest first.
async fn commands(tx: &Tx) -> Vec<TrailRow> {
    entries(tx, "action = 'DDL'").await
}

async fn entries(tx: &Tx, filter: &str) -> Vec<TrailRow> {
    let sql = format!("{} WHERE {filter} ORDER BY id", crate::sql::ROW);
    let rows = tx.query(&sql, &[]).await.unwrap();
    rows.iter().map(TrailRow::from_row).collect()
}

/// The statement that installs the recording function, with `old` replaced by `new`.
fn recorder(old: &str, new: &str) -> String {
    let text = controls::recorder();
    assert!(text.contains(old), "{old}");
    text.replace(old, new)
}
