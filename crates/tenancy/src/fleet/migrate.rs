//! The application's own migrations, over all tenants: the synthetic ones first, then the template
//! that new tenants are made from, then everybody else, several at a time.
//!
//! Each script runs in one transaction with the note that it ran, in the tenant's database itself.
//! A crash at any moment therefore leaves each database before or after a script, and running the
//! same again goes on where it stopped.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use kernel::TenantId;
use serde::Serialize;
use sha2::{Digest, Sha256};
use store::{Db, Tx};

use super::{Fleet, Place, Settings, State, Tenant, registry, sql};
use crate::{Error, Result};

/// How long a script waits for a lock that a tenant's sessions hold, before it is undone and tried
/// again: everybody who comes later waits behind it.
const LOCK_WAIT: &str = "SET LOCAL lock_timeout = '3s'";
/// So often is a script tried that met a lock, a deadlock or a conflict, so long apart.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
/// SQLSTATE of what may pass: lock not available, deadlock, serialization failure.
const PASSING: [&str; 3] = ["55P03", "40P01", "40001"];
/// What the template is called in a report.
const TEMPLATE: &str = "the template";

/// One migration of the application.
#[derive(Debug, Clone)]
pub struct Script {
    name: String,
    sql: String,
    sha256: Vec<u8>,
}

/// How a migration of all tenants is run.
#[derive(Debug, Clone, Copy)]
pub struct Campaign {
    /// How many tenants at a time.
    pub workers: usize,
    /// How many tenants may fail before no more are begun.
    pub budget: usize,
}

/// How far it has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// So many databases are done, failed ones too.
    pub done: usize,
    /// Of so many.
    pub total: usize,
    /// So many failed.
    pub failed: usize,
}

/// What it came to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Done {
    /// How many databases have every script now, the template and the canaries too.
    pub current: usize,
    /// In how many of them scripts were run for it.
    pub migrated: usize,
    /// Those that failed, each with the reason. What they had before, they have still.
    pub failed: Vec<(String, String)>,
    /// Those that were not begun, because too many had failed.
    pub left: Vec<String>,
}

impl Script {
    /// A script by its file's name and text.
    ///
    /// # Errors
    /// When it is empty.
    pub fn new(name: &str, sql: &str) -> Result<Self> {
        if sql.trim().is_empty() {
            return Err(Error::Script(format!("the migration {name} is empty")));
        }
        let sha256 = Sha256::digest(sql.as_bytes()).to_vec();
        Ok(Self { name: name.to_owned(), sql: sql.to_owned(), sha256 })
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A database that is migrated.
struct Target {
    label: String,
    place: Place,
    id: Option<TenantId>,
}

impl Fleet {
    /// Runs what is missing of `scripts` in every tenant's database. A failure in a canary or in
    /// the template ends it before any other tenant is touched.
    ///
    /// # Errors
    /// When the scripts are not in order, the canaries cannot be made or the registry cannot be
    /// read. What failed in one tenant stands in the result.
    pub async fn migrate(
        &self,
        scripts: &[Script],
        campaign: Campaign,
        watch: &(dyn Fn(Progress) + Sync),
    ) -> Result<Done> {
        in_order(scripts)?;
        let canaries = self.ensure_canaries().await?;
        let mut done = Done::default();
        let mut total = canaries.len() + 1;
        for target in canaries.into_iter().map(Target::from) {
            if !self.first(target, scripts, (&mut done, total), watch).await {
                return self.left(done).await;
            }
        }
        // Whoever copies the template has done so before, and is listed below, or copies it after.
        let lock = self.settings.registry.operator().await?;
        lock.query(sql::CHANGE_TEMPLATE, &[]).await?;
        let template = Place::template(&self.settings);
        let template = Target { label: TEMPLATE.to_owned(), place: template, id: None };
        let held = self.first(template, scripts, (&mut done, total), watch).await;
        lock.commit().await?;
        if !held {
            return self.left(done).await;
        }
        let tenants = self.others().await?;
        total += tenants.len();
        self.several(tenants, scripts, campaign, (&mut done, total), watch).await;
        done.failed.sort();
        done.left.sort();
        Ok(done)
    }

    /// One that goes before all others. Whether it went well.
    async fn first(
        &self,
        target: Target,
        scripts: &[Script],
        (done, total): (&mut Done, usize),
        watch: &(dyn Fn(Progress) + Sync),
    ) -> bool {
        let came_to = self.bring(&target, scripts).await;
        let held = came_to.is_ok();
        done.add(target.label, came_to);
        watch(done.progress(total));
        held
    }

    /// Everybody else is not begun.
    async fn left(&self, mut done: Done) -> Result<Done> {
        done.left = self.others().await?.iter().map(|tenant| tenant.id.to_string()).collect();
        Ok(done)
    }

    /// The tenants that are no canaries and whose database is whole.
    async fn others(&self) -> Result<Vec<Tenant>> {
        let mut tenants = self.list().await?;
        tenants.retain(|tenant| !tenant.canary && tenant.is_living());
        Ok(tenants)
    }

    async fn several(
        &self,
        tenants: Vec<Tenant>,
        scripts: &[Script],
        campaign: Campaign,
        (done, total): (&mut Done, usize),
        watch: &(dyn Fn(Progress) + Sync),
    ) {
        let failed = &AtomicUsize::new(0);
        let work = tenants.into_iter().map(Target::from).map(|target| async move {
            if failed.load(Ordering::Acquire) > campaign.budget {
                return (target.label, None);
            }
            let came_to = match self.bring(&target, scripts).await {
                // It was erased meanwhile, so there is nothing to bring up to date.
                Err(_) if self.is_gone(&target).await => Ok(0),
                Err(error) => {
                    failed.fetch_add(1, Ordering::AcqRel);
                    Err(error)
                }
                ran => ran,
            };
            (target.label, Some(came_to))
        });
        let mut work = stream::iter(work).buffer_unordered(campaign.workers.max(1));
        while let Some((label, came_to)) = work.next().await {
            match came_to {
                Some(came_to) => done.add(label, came_to),
                None => done.left.push(label),
            }
            watch(done.progress(total));
        }
    }

    async fn is_gone(&self, target: &Target) -> bool {
        let Some(id) = &target.id else { return false };
        match registry::find(&self.settings.registry, id).await {
            Ok(tenant) => tenant.state == State::Erasing,
            Err(error) => matches!(error, Error::NoTenant(_)),
        }
    }

    /// Runs what is missing in one database. How many scripts that were.
    async fn bring(&self, target: &Target, scripts: &[Script]) -> Result<usize> {
        let owner = target.place.owner(&self.settings)?;
        let brought = run_missing(&owner, &target.place, scripts, target.id.is_some()).await;
        owner.close();
        let ran = brought?;
        if let (Some(id), Some(last)) = (&target.id, scripts.last()) {
            registry::set_version(&self.settings.registry, id, &last.name).await?;
        }
        Ok(ran)
    }
}

impl From<Tenant> for Target {
    fn from(tenant: Tenant) -> Self {
        Self { label: tenant.id.to_string(), place: tenant.place, id: Some(tenant.id) }
    }
}

impl Done {
    fn add(&mut self, label: String, came_to: Result<usize>) {
        match came_to {
            Ok(ran) => {
                self.current += 1;
                self.migrated += usize::from(ran > 0);
            }
            Err(error) => self.failed.push((label, error.to_string())),
        }
    }

    fn progress(&self, total: usize) -> Progress {
        let (failed, left) = (self.failed.len(), self.left.len());
        Progress { done: self.current + failed + left, total, failed }
    }
}

/// The last migration of a place.
pub(super) async fn version(place: &Place, settings: &Settings) -> Result<Option<String>> {
    let owner = place.owner(settings)?;
    let tx = owner.operator().await?;
    let last = tx.query(sql::APPLIED, &[]).await?.last().map(|row| row.get(0));
    tx.rollback().await?;
    owner.close();
    Ok(last)
}

/// Names decide the order, so they must not repeat and must be sorted as bytes.
fn in_order(scripts: &[Script]) -> Result<()> {
    if scripts.is_empty() {
        return Err(Error::Script("there is no migration there".to_owned()));
    }
    match scripts.windows(2).find_map(|pair| match pair {
        [first, second] if first.name >= second.name => Some(second),
        _ => None,
    }) {
        Some(script) => Err(Error::Script(format!("{} is not in order", script.name))),
        None => Ok(()),
    }
}

async fn run_missing(owner: &Db, place: &Place, scripts: &[Script], admits: bool) -> Result<usize> {
    let tx = owner.operator().await?;
    let missing = missing(&tx, scripts).await?.len();
    tx.rollback().await?;
    for script in scripts.iter().skip(scripts.len() - missing) {
        let mut tries = 1;
        while let Err(error) = run_one(owner, place, scripts, script, admits).await {
            let passing = |e: &store::Error| e.sqlstate().is_some_and(|c| PASSING.contains(&c));
            let again = matches!(&error, Error::Store(e) if passing(e)) && tries < TRIES;
            if !again {
                return Err(told(script, error));
            }
            tries += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(missing)
}

/// One script and the note that it ran, or neither.
async fn run_one(
    owner: &Db,
    place: &Place,
    scripts: &[Script],
    script: &Script,
    admits: bool,
) -> Result<()> {
    let tx = owner.operator().await?;
    tx.batch(LOCK_WAIT).await?;
    tx.batch(sql::LOCK_APPLIED).await?;
    // Somebody else may have been faster.
    if !missing(&tx, scripts).await?.iter().any(|missing| missing.name == script.name) {
        return Ok(tx.rollback().await?);
    }
    let number = |row: store::Row| row.get::<_, String>(0);
    let before = number(tx.query_one(sql::TRANSACTION, &[]).await?);
    tx.batch(&script.sql).await?;
    let after = number(tx.query_one(sql::TRANSACTION, &[]).await?);
    if before != after {
        return Err(Error::Migration {
            script: script.name.clone(),
            why:
                "it ends the transaction by itself, so what it did before that stays: take COMMIT \
                  and ROLLBACK out of it"
                    .to_owned(),
        });
    }
    tx.execute(sql::APPLY, &[&script.name, &script.sha256]).await?;
    if admits {
        place.grant(&tx).await?;
    }
    Ok(tx.commit().await?)
}

/// Those of `scripts` that a database has not, after checking that what it has is the same.
async fn missing<'a>(tx: &Tx, scripts: &'a [Script]) -> Result<Vec<&'a Script>> {
    let applied = tx.query(sql::APPLIED, &[]).await?;
    for (n, row) in applied.iter().enumerate() {
        let (name, sha256): (&str, &[u8]) = (row.get(0), row.get(1));
        let why = match scripts.get(n) {
            Some(script) if script.name != name => {
                format!("{name} was run here, and {} comes in its place now", script.name)
            }
            Some(script) if script.sha256 != sha256 => {
                format!("{name} has changed since it was run here")
            }
            Some(_) => continue,
            None => format!("{name} was run here and is not among the migrations any more"),
        };
        return Err(Error::Script(why));
    }
    Ok(scripts.iter().skip(applied.len()).collect())
}

fn told(script: &Script, error: Error) -> Error {
    match error {
        Error::Store(why) => Error::Migration {
            script: script.name.clone(),
            why: format!("{why}; it was undone there"),
        },
        other => other,
    }
}
