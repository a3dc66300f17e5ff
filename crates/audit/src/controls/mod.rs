//! What this room can prove.

mod append_only;
mod context;
mod hash;
mod offsite;
mod probe;
mod production;
mod reach;
mod reads;
mod remedy;
mod retention;
mod review;
mod tamper;
mod trial;
mod triggers;
mod whole;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use kernel::{Binder, Control, Cx, Finding, Fut, Population, Proof, Rng};
use store::{Above, Db, OperatorTx, Protected, Table, ident};

use append_only::AppendOnly;
use context::Context;
#[cfg(test)]
pub(crate) use context::recorder;
use hash::Hash;
use offsite::SecondPlace;
pub(crate) use probe::Probe;
use production::Production;
#[cfg(test)]
pub(crate) use reach::READERS;
use reads::Reads;
use retention::Retention;
#[cfg(test)]
pub(crate) use retention::past::written;
use review::Review;
pub use review::Reviewed;
pub use tamper::SealedLog;
use tamper::Tamper;
use triggers::Triggers;
pub use whole::Whole;

use crate::archive::Archive;
use crate::asked::{self, Asked};
use crate::attack::keepers;
use crate::offsite::Offsite;
use crate::wal::Comparison;
use crate::{
    DDL_GUARD_SQL, ENCRYPTED_SQL, ERASING_SQL, Error, KEEPER_SQL, READING_SQL, REFUSALS_SQL,
    REMOVE_MONTH_SQL, RETENTION_SQL, Result, TRAIL_SQL, sql, track,
};

/// Gives the binder of the database with a name: a binding is good in one database alone, and a
/// sandbox is another one.
pub type Binders = Arc<dyn Fn(&str) -> Arc<dyn Binder> + Send + Sync>;

/// Names, by schema and name, those of all tables of a database that must be recorded. Tables with
/// the tenant column are recorded whether it names them or not; it adds those that hold tenants'
/// rows without having the column. It is asked anew at each proof, with the tables of that moment.
pub type Critical = Arc<dyn Fn(&[Table]) -> Vec<(String, String)> + Send + Sync>;

/// A protected database that the controls watch.
#[derive(Clone)]
pub struct Watched {
    /// The database and the logins of its proofs.
    pub protected: Protected,
    /// Who mints bindings for it and for its sandboxes.
    pub binders: Binders,
    /// Which of its tables must be recorded.
    pub critical: Critical,
    /// Who compares the server's write-ahead log with the trail, where somebody does.
    pub comparison: Option<Comparison>,
    /// The log over its trail, or why there is none to look at.
    pub log: std::result::Result<SealedLog, String>,
    /// Where a copy of it lies, or why none is known.
    pub offsite: std::result::Result<Offsite, String>,
    /// Where months lie that are no longer in it, where some are, or why that cannot be opened.
    pub archive: std::result::Result<Option<Archive>, String>,
    /// For how many months anything of its trail is kept at least, in the database or elsewhere.
    pub keep: u32,
    /// Who keeps its reviews, or why nobody does.
    pub reviewed: std::result::Result<Reviewed, String>,
    /// What one claim has read of its trail, for the other one.
    pub whole: Whole,
}

impl Watched {
    fn place(&self) -> Place<'_> {
        self.at(&self.protected)
    }

    fn at<'a>(&'a self, protected: &'a Protected) -> Place<'a> {
        Place {
            protected,
            binder: (self.binders)(&protected.name),
            critical: &self.critical,
            comparison: self.comparison.as_ref(),
            log: self.log.as_ref().map_err(String::as_str),
            offsite: self.offsite.as_ref().map_err(String::as_str),
            archive: self.archive.as_ref().map(Option::as_ref).map_err(String::as_str),
            keep: self.keep,
        }
    }
}

/// A database, real or a sandbox, with what the proofs in it need.
struct Place<'a> {
    protected: &'a Protected,
    binder: Arc<dyn Binder>,
    critical: &'a Critical,
    comparison: Option<&'a Comparison>,
    log: std::result::Result<&'a SealedLog, &'a str>,
    offsite: std::result::Result<&'a Offsite, &'a str>,
    archive: std::result::Result<Option<&'a Archive>, &'a str>,
    keep: u32,
}

impl<'a> Place<'a> {
    /// The same, sealed in another log.
    fn sealed_in<'b>(&'b self, log: &'b SealedLog) -> Place<'b> {
        Place { log: Ok(log), binder: Arc::clone(&self.binder), ..*self }
    }

    /// The log over its trail.
    fn sealed(&self) -> Result<&'a SealedLog> {
        self.log.map_err(|why| Error::Unsealed(why.to_owned()))
    }

    /// Where months lie that are no longer in it.
    fn archived(&self) -> Result<Option<&Archive>> {
        self.archive.map_err(|why| Error::Unsealed(why.to_owned()))
    }

    /// A transaction of the owner that reads the catalogue, and whatever stands on the path of its
    /// sessions does not lead it astray.
    async fn catalogue(&self) -> Result<OperatorTx> {
        let tx = self.protected.owner.operator().await?;
        tx.batch(sql::CLOSED_PATH).await?;
        Ok(tx)
    }

    /// Every table. Types outside `pg_catalog` are named with their schema, so that they are good
    /// in any session.
    async fn shape(&self) -> Result<Vec<Table>> {
        let tx = self.catalogue().await?;
        let shape = store::tables(&tx).await?;
        tx.rollback().await?;
        Ok(shape)
    }

    /// The superuser, where the trail is not in the owner's hands.
    async fn keeper(&self) -> Result<Option<&Db>> {
        let tx = self.catalogue().await?;
        let (keeper, _) = keepers(&tx).await?;
        tx.rollback().await?;
        let kept = keeper != self.protected.owner.url().user;
        Ok(self.protected.superuser.as_ref().filter(|_| kept))
    }

    /// Whoever may read the whole trail without being recorded: a superuser who keeps it, since
    /// nothing of the owner's hangs on it there, or else a login made for that; the owner where it is
    /// in its own hands.
    async fn trail(&self) -> Result<&Db> {
        let tx = self.catalogue().await?;
        let kept: bool = tx.query_one(reach::KEPT_ABOVE, &[]).await?.get(0);
        tx.rollback().await?;
        let Protected { superuser, reader, owner, .. } = self.protected;
        match superuser.as_ref().or(reader.as_ref()) {
            Some(above) if kept => Ok(above),
            None if kept => Err(Error::NoReader),
            _ => Ok(owner),
        }
    }

    /// Whoever may read the whole trail and nothing else, where there is such a login.
    async fn reader(&self) -> Result<&Db> {
        match &self.protected.reader {
            Some(reader) => Ok(reader),
            None => self.trail().await,
        }
    }

    /// Changes tables of the owner in a sandbox, as the owner: whoever opens a partitioned table
    /// runs what its key is made of. The guard over DDL, where there is one, sleeps meanwhile.
    async fn weaken(&self, statements: &str) -> Result<()> {
        let keeper = self.keeper().await?;
        if let Some(superuser) = keeper {
            alter(superuser, sql::DDL_GUARD_OFF).await?;
        }
        alter(&self.protected.owner, statements).await?;
        match keeper {
            Some(superuser) => alter(superuser, sql::DDL_GUARD_ON).await,
            None => Ok(()),
        }
    }

    /// Those of `shape` that must be recorded.
    fn recorded<'s>(&self, shape: &'s [Table]) -> Result<Vec<&'s Table>> {
        track::wanted(shape, &self.protected.tenant_column, &(self.critical)(shape))
    }

    /// What comments ask of the recording.
    async fn asked(&self) -> Result<BTreeMap<(String, String), Asked>> {
        let tx = self.catalogue().await?;
        let asked = asked::all(&tx).await?;
        tx.rollback().await?;
        Ok(asked)
    }

    /// What is missing so that they are.
    async fn plan(&self, shape: &[Table]) -> Result<Vec<track::Step>> {
        let tx = self.catalogue().await?;
        let also = (self.critical)(shape);
        let plan = track::plan(&tx, shape, &self.protected.tenant_column, &also).await?;
        tx.rollback().await?;
        Ok(plan)
    }
}

/// Every control of this room over `databases`. With none, each of them is unknown.
pub fn controls(databases: Vec<Watched>) -> Vec<Arc<dyn Control>> {
    let databases: Arc<[Watched]> = databases.into();
    vec![
        Arc::new(AppendOnly { databases: Arc::clone(&databases) }),
        Arc::new(Triggers { databases: Arc::clone(&databases) }),
        Arc::new(Production { databases: Arc::clone(&databases) }),
        Arc::new(Context { databases: Arc::clone(&databases) }),
        Arc::new(Hash { databases: Arc::clone(&databases) }),
        Arc::new(Tamper { databases: Arc::clone(&databases) }),
        Arc::new(Reads { databases: Arc::clone(&databases) }),
        Arc::new(SecondPlace { databases: Arc::clone(&databases) }),
        Arc::new(Retention { databases: Arc::clone(&databases) }),
        Arc::new(Review { databases }),
    ]
}

const NO_DATABASE: &str = "no database is protected; run `amanah protect`";

/// Does something in a sandbox.
type Work<T> = for<'a> fn(&'a Place<'a>, &'a dyn Rng) -> Fut<'a, Result<T>>;

/// What was looked at in one or more databases.
#[derive(Debug, Default)]
struct Ledger {
    checked: usize,
    total: usize,
    findings: Vec<Finding>,
    // What could not be checked, and why.
    open: Vec<String>,
    // What the reader should know.
    notes: Vec<String>,
    // Databases that did not answer, and why.
    failed: Vec<String>,
    // When the oldest of it was seen, where that was before the proof began.
    seen: Option<Timestamp>,
}

/// How many reasons are spelled out.
const LISTED: usize = 3;

impl Ledger {
    /// What `look` sees in all `databases`. One that fails leaves what was seen in others standing.
    async fn of(
        databases: &[Watched],
        rng: &dyn Rng,
        look: impl for<'a> Fn(&'a Watched, &'a dyn Rng) -> Fut<'a, Result<Self>>,
    ) -> Self {
        let mut all = Self::default();
        if databases.is_empty() {
            all.failed.push(NO_DATABASE.to_owned());
        }
        for database in databases {
            let name = &database.protected.name;
            match look(database, rng).await {
                Ok(seen) if databases.len() > 1 => all.add(seen.named(name)),
                Ok(seen) => all.add(seen),
                Err(error) => all.failed.push(format!("{name}: {error}")),
            }
        }
        all
    }

    /// The same, and what `work` sees in a sandbox of the first of them.
    async fn and_sandbox(mut self, databases: &[Watched], rng: &dyn Rng, work: Work<Self>) -> Self {
        let Some(first) = databases.first() else { return self };
        let (seen, left) = in_sandbox(first, rng, work).await;
        match seen {
            Ok(seen) => self.add(seen),
            Err(error) => self.failed.push(format!("the sandbox failed: {error}")),
        }
        self.notes.extend(left);
        self
    }

    /// The same, told apart from other databases.
    fn named(mut self, database: &str) -> Self {
        for finding in &mut self.findings {
            finding.object = format!("{database}: {}", finding.object);
        }
        for line in self.open.iter_mut().chain(&mut self.notes) {
            *line = format!("{database}: {line}");
        }
        self
    }

    fn add(&mut self, other: Self) {
        self.checked += other.checked;
        self.total += other.total;
        self.seen = self.seen.into_iter().chain(other.seen).min();
        for finding in other.findings {
            if !self.findings.contains(&finding) {
                self.findings.push(finding);
            }
        }
        self.open.extend(other.open);
        self.failed.extend(other.failed);
        for note in other.notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }

    fn proof(self, at: Timestamp, of: &str, measured: &str, threshold: &str) -> Proof {
        let at = self.seen.map_or(at, |seen| seen.min(at));
        // What gave way is not made undone by a database that did not answer.
        if !self.failed.is_empty() && self.findings.is_empty() {
            return Proof::unknown(at, self.failed.join("; "));
        }
        let population = Population::new(self.checked, self.total, of);
        let proof = Proof::weigh(at, population, measured, threshold, self.findings);
        let proof = self.open.iter().take(LISTED).fold(proof, |p, why| p.note(why));
        self.failed.iter().chain(&self.notes).fold(proof, |p, note| p.note(note))
    }
}

/// Runs `work` in a sandbox of `database`, which is removed whatever came of it. Beside the answer:
/// why the sandbox is still there, if it is; it is swept at the next start then.
async fn in_sandbox<T>(
    database: &Watched,
    rng: &dyn Rng,
    work: Work<T>,
) -> (Result<T>, Option<String>) {
    let above = match above(&database.place()).await {
        Ok(above) => above,
        Err(error) => return (Err(error), None),
    };
    let sandbox = match database.protected.sandbox_below(rng, above.as_ref()).await {
        Ok(sandbox) => sandbox,
        Err(error) => return (Err(error.into()), None),
    };
    let inside = database.at(sandbox.inside());
    let watched = match &inside.protected.superuser {
        // Last, because what the owner makes there is copied piece by piece.
        Some(superuser) if above.is_some() => alter(superuser, DDL_GUARD_SQL).await,
        _ => Ok(()),
    };
    let answer = match watched {
        Ok(()) => work(&inside, rng).await,
        Err(error) => Err(error),
    };
    let left = sandbox.remove().await.err();
    (answer, left.map(|error| format!("the sandbox is left behind: {error}")))
}

/// The guarded trail of a sandbox, where the real one is guarded. A superuser makes it out of our own
/// text before the owner is let in: whatever the owner could have put there first would be a
/// superuser's then.
async fn above(real: &Place<'_>) -> Result<Option<Above>> {
    if real.keeper().await?.is_none() {
        return Ok(None);
    }
    let owner = ident(&real.protected.owner.url().user);
    let rights = format!(
        "GRANT USAGE ON SCHEMA audit TO {owner};
         GRANT SELECT ON audit.system_audit_logs, audit.hidden_columns TO {owner};
         GRANT EXECUTE ON FUNCTION audit.global_track_changes() TO {owner};
         ALTER POLICY proving ON audit.system_audit_logs TO {owner};
         SELECT audit.make_partitions();"
    );
    let path = sql::CLOSED_PATH;
    let statements = format!(
        "{path};{TRAIL_SQL}{KEEPER_SQL}{REFUSALS_SQL}{READING_SQL}{ERASING_SQL}{RETENTION_SQL}{ENCRYPTED_SQL}{REMOVE_MONTH_SQL}{rights}"
    );
    Ok(Some(Above { schema: "audit", statements }))
}

/// Seeds violations with `seed`, in a sandbox of the first database.
async fn bite(databases: &[Watched], cx: &Cx, seed: Work<Bitten>) -> Proof {
    let at = cx.clock.now();
    let Some(database) = databases.first() else {
        return Proof::unknown(at, NO_DATABASE);
    };
    let (bitten, left) = in_sandbox(database, &*cx.rng, seed).await;
    let proof = match bitten {
        Ok(bitten) => bitten.proof(at),
        Err(error) => Proof::unknown(at, format!("the sandbox failed: {error}")),
    };
    proof.note(&left.unwrap_or_default())
}

/// One violation to be seeded in a sandbox.
struct Violation {
    /// What it is, as a noun: "a grant to the application".
    name: &'static str,
    /// Seeds it.
    seed: String,
    /// Takes it away again.
    undo: String,
}

/// Changes the structure of a sandbox. As a superuser, `statements` name nothing but what a superuser
/// has made there, so that nothing planted is run.
async fn alter(db: &Db, statements: &str) -> Result<()> {
    let tx = db.operator().await?;
    tx.batch(sql::CLOSED_PATH).await?;
    tx.batch(statements).await?;
    Ok(tx.commit().await?)
}

/// What came of the violations.
struct Bitten {
    /// The finding that gave each one away.
    found: Vec<Finding>,
    /// Those that were not found, or could not be seeded.
    missed: Vec<String>,
}

impl Bitten {
    /// Broken only when every violation was found.
    fn proof(self, at: Timestamp) -> Proof {
        let total = self.found.len() + self.missed.len();
        let population = Population::new(self.found.len(), total, "seeded violations");
        if !self.missed.is_empty() || total == 0 {
            let why = format!("these seeded violations were not found: {}", self.missed.join("; "));
            return Proof::missed(at, population, why);
        }
        let measured = format!("{total} found");
        Proof::weigh(at, population, measured, "all found", self.found)
    }
}

/// The first finding that was not there before the violation.
fn news(before: &[Finding], after: Vec<Finding>) -> Option<Finding> {
    after.into_iter().find(|finding| !before.contains(finding))
}
