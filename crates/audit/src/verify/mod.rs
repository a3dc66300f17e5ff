//! Whether a trail is what was sealed: every row, every entry, every tile and the checkpoint.
//!
//! It promises that a row which was edited, removed, put in, moved or swapped after it was sealed is
//! found and named, and so is a log that was altered, cut, rolled back or rewritten, as far as somebody
//! has kept an earlier checkpoint; and that what could not be compared is said, never passed over.
//! Nothing that it reads is believed but what the log's key has signed.
//!
//! The attack it stops: a superuser who changes the trail and every hash in the database, and trusts
//! that nobody looks again.
//!
//! It does not say that a row was right when it was written, nor what happened to it before it was
//! sealed. Who holds the log's key can sign another history: only an earlier checkpoint, kept by
//! somebody else, shows that.

mod accepted;
mod compare;
mod damage;
mod exported;
mod hashes;
mod memory;
mod merge;
mod notes;
mod order;
mod prove;
mod report;
mod rows;
mod signed;
mod survey;

use std::ops::Range;
use std::time::Duration;

use jiff::Timestamp;
use store::Db;
use tlog::Verifier;

pub use accepted::{Acceptances, Accepted, found};
pub use damage::{Damage, Kind};
pub use exported::MAX_ROW_BYTES;
pub use hashes::Hashes;
pub use memory::Memory;
pub use prove::{Checked, check, prove};
pub use rows::row;
pub use signed::Signed;

use crate::archive::{Archive, Away};
use crate::seal::{Files, MAX_CHECKPOINT_BYTES, Shelf};
use crate::{EpochLeaf, Error, Result};
pub(crate) use compare::Sight;
use compare::{Counts, Horizon, Judge};
use merge::Entries;
use report::{Found, Told};
pub(crate) use rows::{Rows, readable};
use survey::{Earlier, Survey, Surveyor};

/// After how long without a new checkpoint a log is behind.
pub const STALE: Duration = Duration::from_mins(5);

/// SQLSTATEs: there is no such schema, table or column.
const NO_TRAIL: [&str; 3] = ["3F000", "42P01", "42703"];

/// An earlier checkpoint that somebody has kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCheckpoint {
    /// What it says.
    pub signed: Signed,
    /// Where it comes from, for people.
    pub source: String,
    /// Whether every row up to it was compared then, and right.
    pub whole: bool,
}

/// What is to be verified.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// Where the log lies.
    pub shelf: &'a dyn Shelf,
    /// The keys that may have signed its checkpoint.
    pub keys: &'a [Verifier],
    /// The one of them that signs now, where that is known: once it has signed, no other does alone.
    pub current: Option<&'a Verifier>,
    /// Checkpoints that somebody has kept, to be held against it.
    pub kept: &'a [KeptCheckpoint],
    /// Epochs that somebody answers for.
    pub accepted: &'a [Accepted],
    /// The database, by a login that sees all of the trail; without it, the log alone is verified.
    pub database: Option<&'a Db>,
    /// Where months lie that are no longer in the database.
    pub archive: Option<&'a Archive>,
    /// The time.
    pub now: Timestamp,
    /// How old a checkpoint may be.
    pub stale: Duration,
}

/// How far it has come: what is being read, how much of it was, and how much there is.
pub type Progress<'a> = &'a (dyn Fn(&'static str, u64, u64) + Sync);

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The checkpoint that it was all held against; `None` when there is none that can be believed.
    pub head: Option<Signed>,
    /// Rows that were read.
    pub rows: u64,
    /// Of these, those that lie in the archive alone.
    pub archived: u64,
    /// Of the rows, those that are what was sealed.
    pub whole: u64,
    /// Of the rows, those whose content was erased, as the log says.
    pub erased: u64,
    /// Rows that were written since the checkpoint: they are not sealed yet.
    pub unsealed: u64,
    /// Entries of rows that are gone with an epoch that somebody answers for.
    pub undone: u64,
    /// Entries of which nothing could be said.
    pub unsaid: u64,
    /// How the rows that were read fit their own SHA-256, whatever was sealed.
    pub hashes: Hashes,
    /// The epochs of the log, and the number of the entry that begins each.
    pub epochs: Vec<(u64, EpochLeaf)>,
    /// Those of them that somebody answers for.
    pub accepted: Vec<Accepted>,
    /// Everything that is wrong.
    pub damage: Vec<Damage>,
}

impl Report {
    /// Whether everything was compared, and nothing is wrong.
    pub const fn is_clean(&self) -> bool {
        self.damage.is_empty() && self.unsaid == 0
    }
}

/// Reads all of the trail and all of its log, and holds one against the other.
///
/// # Errors
/// When a part of it cannot be read now, so that nothing can be said: that is no damage.
pub async fn verify(job: &Job<'_>, progress: Progress<'_>) -> Result<Report> {
    let mut told = Told::default();
    // First the checkpoint, then the rows: every row that it speaks of is there by then.
    let head = open(job, &mut told).await?;
    let Some(head) = head else {
        return Ok(report(job, None, Survey::default(), Counts::default(), told));
    };
    let log = Files { shelf: job.shelf, size: head.head.size };
    let rows = match job.database {
        Some(database) => Some(trail(database, &mut told).await?),
        None => None,
    };
    let read = |done| progress("entries", done, log.size);
    let surveyor = Surveyor::new(log, head.head.root, (kept(job.kept), job.accepted));
    let mut survey = surveyor.whole(&read).await?;
    told.add(std::mem::take(&mut survey.told));
    let mut counts = Counts::default();
    if let Some(Some(rows)) = rows {
        let away = Away::open(rows.tx(), job.archive, job.keys).await?;
        let found;
        (counts, found) = compare(log, &survey, (rows, away), progress).await?;
        told.add(found);
    }
    Ok(report(job, Some(head), survey, counts, told))
}

/// The newest checkpoint, if it can be believed.
async fn open(job: &Job<'_>, told: &mut Told) -> Result<Option<Signed>> {
    let mut say = |kind, what| told.say(Found::new(kind, "the checkpoint".to_owned(), what));
    let bytes = match job.shelf.read("checkpoint", MAX_CHECKPOINT_BYTES).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            say(Kind::NoCheckpoint, "it is not there".to_owned());
            return Ok(None);
        }
        Err(Error::Damaged { what, .. }) => {
            say(Kind::Forged, what);
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let text = String::from_utf8_lossy(&bytes);
    match Signed::open(&text, job.keys) {
        Ok(head) => {
            if job.current.is_some_and(|key| is_retired(&head, key, job.kept)) {
                let why =
                    "only a key that was retired has signed it, and the newest one signed before";
                say(Kind::Forged, why.to_owned());
                return Ok(None);
            }
            if let Some(why) = head.stale(job.now, job.stale) {
                say(Kind::Stale, why);
            }
            Ok(Some(head))
        }
        Err(error) => {
            say(Kind::Forged, error.to_string());
            Ok(None)
        }
    }
}

/// Whether `key` has not signed a checkpoint, and has signed one that was kept.
fn is_retired(head: &Signed, key: &Verifier, kept: &[KeptCheckpoint]) -> bool {
    !head.is_signed_by(key) && kept.iter().any(|kept| kept.signed.is_signed_by(key))
}

/// The rows, if there is a trail.
async fn trail(database: &Db, told: &mut Told) -> Result<Option<Rows>> {
    match Rows::open(database.operator().await?).await {
        Ok(rows) => Ok(Some(rows)),
        Err(Error::Store(error))
            if error.sqlstate().is_some_and(|state| NO_TRAIL.contains(&state)) =>
        {
            told.say(Found::new(Kind::NoTrail, "the trail".to_owned(), error.to_string()));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The roots of earlier checkpoints, by their size.
fn kept(kept: &[KeptCheckpoint]) -> Earlier {
    let mut by_size = Earlier::new();
    for KeptCheckpoint { signed, source, .. } in kept {
        let of_size = by_size.entry(signed.head.size).or_default();
        if of_size.iter().all(|(root, _)| *root != signed.head.root) {
            of_size.push((signed.head.root, format!("{} ({source})", signed.named())));
        }
    }
    by_size
}

/// Holds the rows against the entries.
async fn compare(
    log: Files<'_>,
    survey: &Survey,
    (rows, away): (Rows, Away<'_>),
    progress: Progress<'_>,
) -> Result<(Counts, Told)> {
    let mut entries = Entries::new(log, survey).await?;
    let (horizon, foreign) = horizon(log, survey, &rows).await?;
    let mut judge = Judge::new(survey, horizon);
    let mut rows = EveryRow::of(rows, away).await?;
    let (mut entry, mut row) = (entries.next().await?, rows.next().await?);
    while entry.is_some() || row.is_some() {
        let place = entry.map(|entry| (entry.leaf.xid, entry.leaf.id));
        let seen = row.map(|row| (row.xid, row.id));
        match (entry, row) {
            (Some(one), Some(other)) if place == seen => {
                judge.pair(one, &other);
                (entry, row) = (entries.next().await?, rows.next().await?);
            }
            (Some(one), _) if seen.is_none() || place < seen => {
                if rows.away.has_lost(one.index, one.leaf.at_micros) {
                    judge.unsaid();
                } else {
                    judge.bereft(one);
                }
                entry = entries.next().await?;
            }
            (_, Some(other)) => {
                judge.alone(&other);
                row = rows.next().await?;
            }
            (_, None) => break,
        }
        if judge.rows().is_multiple_of(4096) {
            progress("rows", judge.rows(), log.size.max(judge.rows()));
        }
    }
    let (mut counts, mut told) = judge.finish();
    told.add(foreign);
    counts.hashes = rows.hashes;
    let (wrong, archived) = rows.away.end();
    counts.archived = archived;
    for (object, what) in wrong {
        told.say(Found::new(Kind::LostArchive, object, what));
    }
    Ok((counts, told))
}

/// The rows of the database and of the archive, in one order.
struct EveryRow<'a> {
    rows: Rows,
    /// The next one of the database.
    near: Option<Sight>,
    away: Away<'a>,
    hashes: Hashes,
}

impl<'a> EveryRow<'a> {
    async fn of(mut rows: Rows, away: Away<'a>) -> Result<Self> {
        let near = rows.next().await?;
        Ok(Self { rows, near, away, hashes: Hashes::default() })
    }

    async fn next(&mut self) -> Result<Option<Sight>> {
        let archived = self.away.next_before(self.near.as_ref().map(Sight::place)).await?;
        let row = match archived {
            Some(row) => Some(row),
            None => match self.near.take() {
                Some(row) => {
                    self.near = self.rows.next().await?;
                    Some(row)
                }
                None => None,
            },
        };
        if let Some(row) = &row {
            self.hashes.take(row);
        }
        Ok(row)
    }
}

/// Up to where rows are sealed, and whether they belong to the history that the log speaks of.
async fn horizon(log: Files<'_>, survey: &Survey, rows: &Rows) -> Result<(Horizon, Told)> {
    let mut told = Told::default();
    let (system, timeline, next_xid) = rows.moment().await?;
    let Some((index, epoch)) = survey.epochs.last() else {
        let sealed = last_of(log, survey, 0).await?.unwrap_or((0, i64::MIN));
        return Ok((Horizon { sealed, next_xid }, told));
    };
    if (system, timeline) != (epoch.system, epoch.timeline) {
        let what = format!(
            "it is on cluster {system}, timeline {timeline}, and the newest epoch of the log on cluster {}, \
             timeline {}: the log does not say how that came",
            epoch.system, epoch.timeline
        );
        told.say(Found::new(Kind::Epoch, "the database".to_owned(), what));
    }
    // Another cluster counts its transactions anew, so that old rows may be ahead of it.
    let next_xid = if system == epoch.system && survey.is_of(system) { next_xid } else { u64::MAX };
    let last = last_of(log, survey, *index).await?;
    Ok((Horizon { sealed: last.unwrap_or((epoch.first_xid, i64::MIN)), next_xid }, told))
}

/// The place of the last row that was sealed since entry `from`.
async fn last_of(log: Files<'_>, survey: &Survey, from: u64) -> Result<Option<(u64, i64)>> {
    let mut bundle = log.size.div_ceil(tlog::WIDTH);
    while bundle > from / tlog::WIDTH {
        bundle -= 1;
        let first = bundle * tlog::WIDTH;
        let read = survey::again(log, survey, bundle).await?;
        let rows = read.entries().zip(first..).filter_map(|(entry, n)| {
            let known = n >= from && !survey.unread.contains(&n);
            match crate::Leaf::decode(entry) {
                Ok(crate::Leaf::Row(row)) if known => Some((row.xid, row.id)),
                _ => None,
            }
        });
        if let Some(last) = rows.max() {
            return Ok(Some(last));
        }
    }
    Ok(None)
}

fn report(
    job: &Job<'_>,
    head: Option<Signed>,
    survey: Survey,
    counts: Counts,
    told: Told,
) -> Report {
    // Until when the entries up to this one were known to have their rows.
    let whole = |entries: &Range<u64>| {
        let seen = job.kept.iter().filter(|kept| kept.whole);
        let seen = seen.filter(|kept| kept.signed.head.size >= entries.end);
        seen.filter_map(|kept| kept.signed.head.time).max()
    };
    let Counts { rows, archived, whole: right, erased, unsealed, undone, unsaid, hashes } = counts;
    let damage = told.damage(job.now, whole);
    let unsaid = unsaid + survey.unsaid;
    let Survey { epochs, accepted, .. } = survey;
    Report {
        head,
        rows,
        archived,
        whole: right,
        erased,
        unsealed,
        undone,
        unsaid,
        hashes,
        epochs,
        accepted,
        damage,
    }
}
