//! The application's own migrations, over all tenants: the synthetic ones first, then the template
//! that new tenants are made from, then everybody else, several at a time.
//!
//! Each script runs in one transaction with the note that it ran, in the tenant's database itself.
//! A crash at any moment therefore leaves each database before or after a script, and running the
//! same again goes on where it stopped.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use futures_util::StreamExt as _;
use futures_util::stream;
use kernel::TenantId;
use serde::Serialize;
use sha2::{Digest, Sha256};
use store::{Db, Tx};

use super::{Cell, Fleet, HOME, Place, State, Tenant, registry, sql};
use crate::passing::again;
use crate::{Error, Result};

/// How long a script waits for a lock that a tenant's sessions hold, before it is undone and tried
/// again: everybody who comes later waits behind it.
const LOCK_WAIT: &str = "SET LOCAL lock_timeout = '3s'";
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
    /// Those whose cell does not answer, each with the reason. They catch up when the same is run
    /// again.
    pub unreached: Vec<(String, String)>,
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
    cell: Cell,
    place: Place,
    id: Option<TenantId>,
}

/// The cells that stopped to answer on the way, each with why.
type Lost = Mutex<HashMap<String, String>>;

/// What became of one database.
enum Came {
    /// So many scripts were run.
    To(usize),
    /// What failed.
    Failed(Error),
    /// Why it was not reached.
    Unreached(String),
    /// Too many others had failed.
    Left,
}

impl Fleet {
    /// Runs what is missing of `scripts` in every tenant's database, on every cell. A failure in a
    /// canary or in a template ends it before any other tenant is touched. A cell that does not
    /// answer keeps only its own tenants back.
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
        let (cells, silent) = self.split().await?;
        let lost = Lost::new(silent.into_iter().collect());
        let mut firsts = Vec::new();
        for cell in &cells {
            match self.ensure_pair(cell).await {
                Ok(pair) => firsts.extend(pair.map(|tenant| Target::of(tenant, cell))),
                Err(error) if cell.name == HOME || cell.reach().await.is_ok() => return Err(error),
                Err(error) => note(&lost, &cell.name, error.to_string()),
            }
        }
        let (mut done, mut total) = (Done::default(), firsts.len() + cells.len());
        for target in firsts {
            if !self.first(target, scripts, &lost, (&mut done, total), watch).await {
                return self.left(done).await;
            }
        }
        for cell in &cells {
            // Whoever copies the template has done so before, and is listed below, or copies it
            // after.
            let lock = registry::waiting(&self.settings.registry).await?;
            lock.query(sql::CHANGE_TEMPLATE, &[&cell.name]).await?;
            let target = Target::template(cell);
            let held = self.first(target, scripts, &lost, (&mut done, total), watch).await;
            lock.commit().await?;
            if !held {
                return self.left(done).await;
            }
        }
        let tenants = self.others().await?;
        total += tenants.len();
        let tenants = Self::reachable(tenants, &cells, &lost, &mut done);
        self.several(tenants, scripts, campaign, &lost, (&mut done, total), watch).await;
        done.failed.sort();
        done.unreached.sort();
        done.left.sort();
        Ok(done)
    }

    /// One that goes before all others. Whether it went well, or not at all with its cell.
    async fn first(
        &self,
        target: Target,
        scripts: &[Script],
        lost: &Lost,
        (done, total): (&mut Done, usize),
        watch: &(dyn Fn(Progress) + Sync),
    ) -> bool {
        let came_to = self.attend(&target, scripts, lost).await;
        let held = !matches!(came_to, Came::Failed(_));
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

    /// The tenants on cells that answer; the others are noted.
    fn reachable(
        tenants: Vec<Tenant>,
        cells: &[Cell],
        lost: &Lost,
        done: &mut Done,
    ) -> Vec<Target> {
        let mut targets = Vec::new();
        for tenant in tenants {
            if let Some(cell) = cells.iter().find(|cell| cell.name == tenant.cell) {
                targets.push(Target::of(tenant, cell));
            } else {
                let why = lost_with(lost, &tenant.cell).unwrap_or_default();
                done.add(tenant.id.to_string(), Came::Unreached(why));
            }
        }
        targets
    }

    async fn several(
        &self,
        tenants: Vec<Target>,
        scripts: &[Script],
        campaign: Campaign,
        lost: &Lost,
        (done, total): (&mut Done, usize),
        watch: &(dyn Fn(Progress) + Sync),
    ) {
        let failed = &AtomicUsize::new(0);
        let work = tenants.into_iter().map(|target| async move {
            if failed.load(Ordering::Acquire) > campaign.budget {
                return (target.label, Came::Left);
            }
            let came_to = match self.attend(&target, scripts, lost).await {
                // It was erased meanwhile, so there is nothing to bring up to date.
                Came::Failed(_) if self.is_gone(&target).await => Came::To(0),
                Came::Failed(error) => {
                    failed.fetch_add(1, Ordering::AcqRel);
                    Came::Failed(error)
                }
                other => other,
            };
            (target.label, came_to)
        });
        let mut work = stream::iter(work).buffer_unordered(campaign.workers.max(1));
        while let Some((label, came_to)) = work.next().await {
            done.add(label, came_to);
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

    /// Brings one database up to date, unless its cell is lost: then the others of that cell are not
    /// tried any more.
    async fn attend(&self, target: &Target, scripts: &[Script], lost: &Lost) -> Came {
        if let Some(why) = lost_with(lost, &target.cell.name) {
            return Came::Unreached(why);
        }
        match self.bring(target, scripts).await {
            Ok(ran) => Came::To(ran),
            Err(error) => match target.cell.reach().await {
                Ok(_) => Came::Failed(error),
                Err(why) => {
                    note(lost, &target.cell.name, why.clone());
                    Came::Unreached(why)
                }
            },
        }
    }

    /// Runs what is missing in one database. How many scripts that were.
    async fn bring(&self, target: &Target, scripts: &[Script]) -> Result<usize> {
        let owner = target.place.owner(&target.cell)?;
        let brought = run_missing(&owner, &target.place, scripts, target.id.is_some()).await;
        owner.close();
        let ran = brought?;
        if let (Some(id), Some(last)) = (&target.id, scripts.last()) {
            let cell = &target.cell.name;
            registry::set_version(&self.settings.registry, id, cell, &last.name).await?;
        }
        Ok(ran)
    }
}

impl Target {
    fn of(tenant: Tenant, cell: &Cell) -> Self {
        let label = tenant.id.to_string();
        Self { label, cell: cell.clone(), place: tenant.place, id: Some(tenant.id) }
    }

    fn template(cell: &Cell) -> Self {
        let label = match cell.name.as_str() {
            HOME => TEMPLATE.to_owned(),
            other => format!("{TEMPLATE} of {other}"),
        };
        Self { label, cell: cell.clone(), place: Place::template(cell), id: None }
    }
}

fn note(lost: &Lost, cell: &str, why: String) {
    lost.lock().unwrap_or_else(PoisonError::into_inner).insert(cell.to_owned(), why);
}

/// Why a cell is lost, in words for the reader, if it is.
fn lost_with(lost: &Lost, cell: &str) -> Option<String> {
    let lost = lost.lock().unwrap_or_else(PoisonError::into_inner);
    lost.get(cell).map(|why| format!("its cell {cell} cannot be reached: {why}"))
}

impl Done {
    fn add(&mut self, label: String, came_to: Came) {
        match came_to {
            Came::To(ran) => {
                self.current += 1;
                self.migrated += usize::from(ran > 0);
            }
            Came::Failed(error) => self.failed.push((label, error.to_string())),
            Came::Unreached(why) => self.unreached.push((label, why)),
            Came::Left => self.left.push(label),
        }
    }

    fn progress(&self, total: usize) -> Progress {
        let failed = self.failed.len() + self.unreached.len();
        Progress { done: self.current + failed + self.left.len(), total, failed }
    }
}

/// The migrations of a place, in order: name and digest.
pub(super) async fn applied(place: &Place, cell: &Cell) -> Result<Vec<(String, Vec<u8>)>> {
    let owner = place.owner(cell)?;
    let tx = owner.operator().await?;
    let rows = tx.query(sql::APPLIED, &[]).await?;
    tx.rollback().await?;
    owner.close();
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The last migration of a place.
pub(super) async fn version(place: &Place, cell: &Cell) -> Result<Option<String>> {
    Ok(applied(place, cell).await?.pop().map(|(name, _)| name))
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
        again(|| run_one(owner, place, scripts, script, admits))
            .await
            .map_err(|error| told(script, error))?;
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
