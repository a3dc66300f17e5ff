//! `audit.tamper-evident`: what anybody does to the trail after it was sealed is found and named.
//!
//! It promises that every row, every entry and every tile of each real trail was read and held against
//! the checkpoint that the log's key has signed, and against every one under which it was right before;
//! and that the verifier which did so finds each kind of damage where it was done on purpose.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kernel::{Card, Clock, Control, Cx, Finding, Fut, Params, Proof, Rng};
use store::Db;
use tlog::Verifier;
use tokio::time::{Instant, MissedTickBehavior};

use super::trial::{Deed, Trial, Verify};
use super::whole::Judge;
use super::{Bitten, Ledger, Place, Watched, Work};
use crate::archive::Archive;
use crate::seal::Shelf;
use crate::verify::{
    Acceptances, Accepted, Damage, Job, Kind, Memory, Report, STALE, Signed, verify,
};
use crate::{Error, Result};

/// The most damages that are named one by one.
const NAMED: usize = 100;
/// For how long it is waited that a sealer which has just been started signs again.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is looked whether it has.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// What is done to a trail that is looked after, by the names of the damages.
const SEEDED: [Kind; 5] = [Kind::Edited, Kind::Missing, Kind::Foreign, Kind::LogCut, Kind::Forged];

static CARD: Card = Card {
    id: "audit.tamper-evident",
    title: "Whatever is changed in the trail is found and named",
    attack: "Once an hour every row of every trail is read, archived months too, and every entry and tile \
             of its log, and all of it is held against the log's signed checkpoint and the earlier ones \
             that were kept here. Then, \
             in a sandbox, a superuser edits, empties, deletes, puts in, exchanges and moves rows, and \
             alters, cuts, rolls back and rewrites the log: each must be found by its name.",
    bite: "The verifier is exchanged for one that looks at nothing; and in a sandbox a row is edited, \
           one deleted, one put in, the log cut, and its checkpoint signed by another key.",
    cadence: Duration::from_hours(1),
    deadline: Duration::from_mins(30),
    not_covered: &[
        "a change between a row's commit and its seal, a second or so: `access.production-audited` \
         finds that",
        "who holds the log's key and its place: another history that they write is found only where \
         somebody has kept an older checkpoint",
        "trails of which not everything is read within the deadline",
        "the sandbox where several databases are protected: it is made of the first one alone",
    ],
};

/// The log over a trail, and what is known of it.
#[derive(Clone)]
pub struct SealedLog {
    /// Where it lies.
    pub shelf: Arc<dyn Shelf>,
    /// Gives the keys that sign it.
    pub keys: Arc<dyn Fn() -> Result<Vec<Verifier>> + Send + Sync>,
    /// The checkpoints under which it was right; none in a rehearsal.
    pub memory: Option<Memory>,
    /// The epochs that somebody answers for; none in a rehearsal.
    pub accepted: Option<Acceptances>,
    /// By which its checkpoints are dated.
    pub clock: Arc<dyn Clock>,
}

/// The control.
pub(super) struct Tamper {
    pub(super) databases: Arc<[Watched]>,
}

impl Control for Tamper {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let at = cx.clock.now();
            let (databases, rng) = (&*self.databases, &*cx.rng);
            let all = Ledger::of(databases, rng, |database, _| Box::pin(prove(database, at))).await;
            let work: Work<Ledger> = |inside, rng| Box::pin(rehearse(inside, rng));
            let all = all.and_sandbox(databases, rng, work).await;
            let measured = format!("{} findings", all.findings.len());
            all.proof(at, "trails, and damages done in a sandbox", &measured, "0 findings")
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        let seed: Work<Bitten> = |inside, rng| Box::pin(bite(inside, rng));
        Box::pin(super::bite(&self.databases, cx, seed))
    }
}

async fn prove(database: &Watched, now: Timestamp) -> Result<Ledger> {
    let place = database.place();
    let reading = database.whole.read(Judge::Tamper, now, read(&place)).await?;
    Ok(Ledger { seen: Some(reading.at), ..ledger(&reading.report) })
}

/// Reads all of a trail and its log.
pub(super) async fn read(place: &Place<'_>) -> Result<Report> {
    let log = place.sealed()?;
    verified(log, place.reader().await?, place.archived()?).await
}

/// Verifies a trail, and keeps the checkpoint under which it was right.
async fn verified(log: &SealedLog, reader: &Db, archive: Option<&Archive>) -> Result<Report> {
    let (keys, is_there) = begun(log).await?;
    let kept = log.memory.as_ref().map_or_else(|| Ok(Vec::new()), |memory| memory.kept(&keys))?;
    if !is_there && kept.is_empty() {
        return Err(Error::Unsealed("it has no checkpoint yet".to_owned()));
    }
    let accepted = log.accepted.as_ref().map_or_else(|| Ok(Vec::new()), |file| file.all(&keys))?;
    let job = Job {
        shelf: &*log.shelf,
        keys: &keys,
        current: keys.first(),
        kept: &kept,
        accepted: &accepted,
        database: Some(reader),
        archive,
        now: log.clock.now(),
        stale: STALE,
    };
    let report = looked(&job).await?;
    if let Some(memory) = &log.memory {
        memory.keep(&report, kept)?;
    }
    Ok(report)
}

/// The keys of the log, and whether it has a checkpoint; waits a little for one that is due.
pub(super) async fn begun(log: &SealedLog) -> Result<(Vec<Verifier>, bool)> {
    let (since, mut tick) = (Instant::now(), tokio::time::interval(ASK_EVERY));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let is_late = since.elapsed() > PATIENCE;
        let keys = match (log.keys)() {
            Ok(keys) => keys,
            Err(error) if is_late => return Err(error),
            Err(_) => continue,
        };
        let signed = match log.shelf.checkpoint().await {
            Ok(Some(stored)) => Signed::open(&stored.note, &keys).map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        // What is wrong with one is the verifier's to name.
        let Ok(signed) = signed else { return Ok((keys, true)) };
        let is_due = signed.as_ref().is_none_or(|signed| signed.is_stale(log.clock.now(), STALE));
        if !is_due || is_late {
            return Ok((keys, signed.is_some()));
        }
    }
}

fn ledger(report: &Report) -> Ledger {
    let mut ledger = Ledger { total: 1, ..Ledger::default() };
    match (report.unsaid, report.rows) {
        (0, 0) => ledger.open.push("the trail has no row to hold against its log".to_owned()),
        (0, _) => ledger.checked = 1,
        (unsaid, _) => {
            ledger.open.push(format!("of {unsaid} entries or rows nothing can be said"));
        }
    }
    ledger.findings.extend(report.damage.iter().take(NAMED).map(finding));
    if let more @ 1.. = report.damage.len().saturating_sub(NAMED) {
        let what = format!("{more} more damages; `amanah audit verify` lists them");
        ledger.findings.push(Finding::new("the trail", what));
    }
    let (rows, whole) = (report.rows, report.whole);
    let size = report.head.as_ref().map_or(0, |signed| signed.head.size);
    if report.archived > 0 {
        ledger.notes.push(format!("{} of the rows lie in the archive", report.archived));
    }
    ledger.notes.push(format!(
        "{rows} rows read, {whole} of them as sealed and {} not sealed yet; {size} entries",
        report.unsealed
    ));
    ledger.notes.extend(report.accepted.iter().map(|one| {
        let Accepted { epoch, by, at, why, .. } = one;
        format!("epoch {epoch} was accepted by {by} on {at:.0}: {why}")
    }));
    ledger
}

fn finding(damage: &Damage) -> Finding {
    let fix = "see what else `amanah audit verify` names, and keep the log's folder as it is";
    Finding::new(&damage.object, damage.happened()).fix(fix)
}

/// The real verifier.
fn looked<'a>(job: &'a Job<'a>) -> Fut<'a, Result<Report>> {
    Box::pin(async move { verify(job, &|_, _, _| {}).await })
}

/// A verifier that looks at nothing.
fn skipped<'a>(_: &'a Job<'a>) -> Fut<'a, Result<Report>> {
    Box::pin(async move { Ok(Report::default()) })
}

/// Does every damage in a sandbox, and sees whether the verifier names it.
async fn rehearse(inside: &Place<'_>, rng: &dyn Rng) -> Result<Ledger> {
    rehearsed(&Trial::of(inside, rng).await?, looked).await
}

async fn rehearsed(trial: &Trial<'_>, verifier: Verify) -> Result<Ledger> {
    let mut ledger = Ledger::default();
    let calm = trial.calm(verifier).await?;
    for damage in &calm.damage {
        let what = format!("was found where nothing was done: {damage}");
        ledger.findings.push(Finding::new("the verifier", what));
    }
    for deed in trial.deeds().await? {
        let report = trial.report(&deed, verifier).await?;
        ledger.total += 1;
        ledger.checked += 1;
        ledger.findings.extend(overlooked(&deed, &report));
    }
    Ok(ledger)
}

/// The finding that a damage was not named, if it was not.
fn overlooked(deed: &Deed, report: &Report) -> Option<Finding> {
    if report.damage.iter().any(|damage| damage.kind == deed.wanted) {
        return None;
    }
    let said: Vec<String> =
        report.damage.iter().map(|damage| damage.kind.name().to_owned()).collect();
    let said = if said.is_empty() { "nothing".to_owned() } else { said.join(", ") };
    let what = format!("was not found as {}; what was found: {said}", deed.wanted.name());
    Some(Finding::new(deed.name, what))
}

/// Whether a verifier that is skipped is found out, and whether what is wrong with a trail that is
/// looked after becomes a finding.
async fn bite(inside: &Place<'_>, rng: &dyn Rng) -> Result<Bitten> {
    let trial = Trial::of(inside, rng).await?;
    let mut bitten = Bitten { found: Vec::new(), missed: Vec::new() };
    let blind = rehearsed(&trial, skipped).await?;
    match blind.findings.into_iter().next() {
        Some(finding) if blind.total > 0 => bitten.found.push(finding),
        _ => bitten.missed.push("a verifier that looks at nothing".to_owned()),
    }
    for deed in trial.deeds().await?.iter().filter(|deed| SEEDED.contains(&deed.wanted)) {
        let look = async |log| verified(&trial.sealed(log), trial.maker, None).await;
        match ledger(&trial.during(deed, look).await?).findings.into_iter().next() {
            Some(finding) => bitten.found.push(finding),
            None => bitten.missed.push(deed.name.to_owned()),
        }
    }
    Ok(bitten)
}
