//! Tenants with a database of their own: what making one costs beside `CREATE DATABASE` alone, with
//! few and with a thousand of them there, and what migrating a thousand costs beside a loop of
//! psql. Both sides work on the same server, two at a time where nothing else is said.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use kernel::{Fut, SystemClock, SystemRng, TenantId, random_hex};
use store::{Db, Host};
use tenancy::{Campaign, FLEET_ROOM, Fleet, Logins, MemoryVault, Script, Settings};
use testkit::Server;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::{Contestant, race, race_rounds, row};

/// Tables of the template, each with a primary key and an index.
const TABLES: usize = 60;
/// Tenants in one turn.
const TURN: usize = 10;
/// Tenants when there are many.
const MANY: usize = 1_000;
/// How many are made, or migrated by us, at one time.
const AT_ONCE: usize = 2;
/// How many psql run at one time: each waits for its own start, so more of them are faster.
const LOOPS: usize = 4;
/// Rounds of migrating a thousand.
const ROUNDS: usize = 3;

const MADE: &str = "tenants: made, 60 tables, with role and rights";
const ALONE: &str = "CREATE DATABASE alone";
const MIGRATED: &str = "tenants: 1,000 migrated, a column each";
const LOOP: &str = "psql in a loop, four at a time";

/// A server with a fleet on it.
struct World {
    _server: Server,
    root: Db,
    owner: store::DatabaseUrl,
    fleet: Fleet,
    template: String,
    scripts: Vec<Script>,
}

/// Measures making and migrating.
pub(crate) async fn measure() -> anyhow::Result<Vec<String>> {
    let world = World::build().await?;
    let mut rows = Vec::new();
    for there in ["few there", "1,000 there"] {
        let [ours, alone] = race([&mut Making(&world), &mut Bare(&world)]).await?;
        rows.push(row(&format!("{MADE}, {there}"), &ours, ALONE, &alone));
        world.fill().await?;
    }
    let names = world.names().await?;
    let mut psql = Loop { owner: world.owner.clone(), names, number: 0 };
    let mut ours = Campaigning { tenants: psql.names.len(), world };
    let [ours, theirs] = race_rounds([&mut ours, &mut psql], ROUNDS).await?;
    rows.push(row(MIGRATED, &ours, LOOP, &theirs));
    Ok(rows)
}

impl World {
    async fn build() -> anyhow::Result<Self> {
        let server = testkit::own_postgres().await;
        let root = server.superuser("postgres").await;
        let registry = server.login(&root, "amanah", "amanah").await;
        root.ensure_database("amanah", "amanah").await?;
        root.allow_roles("amanah").await?;
        store::migrate(&registry, &[&FLEET_ROOM]).await?;
        let owner = server.login(&root, "amanah_tenants", "amanah").await.url().clone();
        let installation = random_hex(&SystemRng, 4)?;
        let template = format!("amt_{installation}_template");
        let fleet = Fleet::new(Settings {
            registry,
            vault: Arc::new(MemoryVault::default()),
            programs: server.cluster().programs().clone(),
            home: Logins { maker: root.clone(), owner: owner.clone(), superuser: None },
            installation,
            clock: Arc::new(SystemClock),
            rng: Arc::new(SystemRng),
        });
        let table = |n| {
            format!(
                "CREATE TABLE t{n} (id bigint PRIMARY KEY, name text, at timestamptz); \
                 CREATE INDEX ON t{n} (name);\n"
            )
        };
        let tables: String = (0..TABLES).map(table).collect();
        let scripts = vec![Script::new("0000_tables.sql", &tables)?];
        let world = Self { _server: server, root, owner, fleet, template, scripts };
        world.migrate(&world.scripts).await?;
        Ok(world)
    }

    async fn add(&self, count: usize) -> anyhow::Result<()> {
        let add = |name: String| async move {
            self.fleet.add(&TenantId::new(name)?).await?;
            anyhow::Ok(())
        };
        let names = (0..count).map(|_| random_hex(&SystemRng, 8)).collect::<Result<Vec<_>, _>>()?;
        let all: Vec<_> = names.into_iter().map(add).collect();
        stream::iter(all).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Makes tenants until there are a thousand.
    async fn fill(&self) -> anyhow::Result<()> {
        let there = self.fleet.list().await?.len();
        self.add(MANY.saturating_sub(there)).await
    }

    async fn migrate(&self, scripts: &[Script]) -> anyhow::Result<usize> {
        let campaign = Campaign { workers: AT_ONCE, budget: 0 };
        let done = self.fleet.migrate(scripts, campaign, &|_| {}).await?;
        ensure!(done.failed.is_empty(), "a migration failed: {:?}", done.failed);
        Ok(done.migrated)
    }

    async fn names(&self) -> anyhow::Result<Vec<String>> {
        let tenants = self.fleet.list().await?;
        Ok(tenants.iter().map(|tenant| tenant.place.name().to_owned()).collect())
    }
}

/// Ours: database, role, rights, and a row that says so.
struct Making<'a>(&'a World);

impl Contestant for Making<'_> {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let began = Instant::now();
            self.0.add(TURN).await?;
            Ok(per_second(TURN, began))
        })
    }
}

/// The database alone, which nobody but its owner may use.
struct Bare<'a>(&'a World);

impl Contestant for Bare<'_> {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let World { root, owner, template, .. } = self.0;
            let names =
                (0..TURN).map(|_| random_hex(&SystemRng, 8)).collect::<Result<Vec<_>, _>>()?;
            let began = Instant::now();
            let make = |name: String| async move {
                root.create_database(&format!("bare_{name}"), &owner.user, template).await
            };
            let all: Vec<_> = names.into_iter().map(make).collect();
            stream::iter(all).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
            Ok(per_second(TURN, began))
        })
    }
}

/// One more script over all tenants.
struct Campaigning {
    world: World,
    tenants: usize,
}

impl Contestant for Campaigning {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            let number = self.world.scripts.len();
            let column = format!("ALTER TABLE t0 ADD COLUMN ours_{number} text");
            self.world.scripts.push(Script::new(&format!("{number:04}_column.sql"), &column)?);
            let began = Instant::now();
            let migrated = self.world.migrate(&self.world.scripts).await?;
            ensure!(migrated > self.tenants, "{migrated} were migrated, the template too");
            Ok(per_second(self.tenants, began))
        })
    }
}

/// A shell's loop over the same databases, with a transaction and a note as ours has.
struct Loop {
    owner: store::DatabaseUrl,
    names: Vec<String>,
    number: usize,
}

impl Contestant for Loop {
    fn turn(&mut self) -> Fut<'_, anyhow::Result<f64>> {
        Box::pin(async {
            self.number += 1;
            let sql = format!(
                "BEGIN; ALTER TABLE t0 ADD COLUMN loop_{0} text; \
                 INSERT INTO t1 (id, name) VALUES ({0}, 'loop'); COMMIT",
                self.number
            );
            let Host::Tcp(host) = &self.owner.host else {
                anyhow::bail!("the owner connects over loopback")
            };
            let password = self.owner.password.as_ref().context("its password")?;
            let began = Instant::now();
            let mut xargs = Command::new("xargs")
                .args(["-P", &LOOPS.to_string(), "-n", "1"])
                .args(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", &sql, "-d"])
                .env("PGHOST", host)
                .env("PGPORT", self.owner.port.to_string())
                .env("PGUSER", &self.owner.user)
                .env("PGPASSWORD", password.expose())
                .stdin(Stdio::piped())
                .spawn()?;
            let mut input = xargs.stdin.take().context("its input")?;
            input.write_all(self.names.join("\n").as_bytes()).await?;
            drop(input);
            ensure!(xargs.wait().await?.success(), "a psql failed");
            Ok(per_second(self.names.len(), began))
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a thousand at most")]
fn per_second(count: usize, began: Instant) -> f64 {
    count as f64 / began.elapsed().as_secs_f64()
}
