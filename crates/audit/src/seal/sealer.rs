//! The sealer: what was committed goes into the log, once, and the log's head is signed.
//!
//! It promises that a step is whole or is finished by whoever comes next: what is added and the head
//! that it leads to are put down as one file, the stage, before anything else is written. Whatever
//! dies at whatever point, the same bytes are written again. So no entry is lost or doubled, and no
//! two heads of one size differ in what they say.
//!
//! The attack it stops: a database that was put back, rebuilt or moved, whose trail then contradicts
//! the log. It is not mended silently: an epoch is begun, which says what happened and stays.
//!
//! It does not stop who changes a row before it is sealed, and it does not judge rows: a row that was
//! changed afterwards is found by the verifier.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kernel::{Clock, Signatory};
use store::Db;
use tlog::{Hash, Head, Verifier};

use super::copied::Copied;
use super::former::Former;
use super::growth::{Growth, outgrown};
use super::head;
use super::reader::LogReader;
use super::shelf::{Hold, Shelf, Stored};
use super::source::Moment;
use super::stage::{self, MAX_STAGE_BYTES, Stage};
use super::turning::{Next, Standing};
use crate::{Error, Leaf, Result, RowLeaf};

/// How many rows are sealed in one step.
pub const BATCH: usize = 50_000;
/// After how long without work a head is signed anew, so that silence is told from death.
pub const HEARTBEAT: Duration = Duration::from_mins(1);

/// What a sealer works with.
#[derive(Clone)]
pub struct SealerSettings {
    /// A login that may read the trail; it needs no more.
    pub db: Db,
    /// Where the log lies.
    pub shelf: Arc<dyn Shelf>,
    /// Who signs.
    pub signatory: Arc<dyn Signatory>,
    /// The name of the log, as [`origin`](super::origin()) makes it.
    pub origin: String,
    /// By which heads are dated.
    pub clock: Arc<dyn Clock>,
}

/// Seals one trail. It alone writes the log as long as it lives.
pub struct Sealer {
    settings: SealerSettings,
    hold: Box<dyn Hold>,
    /// The newest head, as it lies on the shelf; none before the first.
    head: Option<(Stored, Head)>,
    growth: Growth,
    standing: Standing,
    former: Former,
    /// How many rows are sealed in one step.
    batch: usize,
}

/// What one round came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// How many rows were sealed.
    pub rows: u64,
    /// Whether a head was signed.
    pub signed: bool,
    /// Whether there may be more to seal at once.
    pub more: bool,
    /// How many entries the log has.
    pub size: u64,
    /// How long ago the oldest row was written that is committed and not sealed.
    pub lag: Option<Duration>,
    /// What an epoch that was begun says, but the first.
    pub finding: Option<String>,
}

/// What a round seals.
#[derive(Default)]
struct Work {
    leaves: Vec<Leaf>,
    rows: u64,
    /// The last row that was read, whether it is sealed now or was before.
    read: Option<(u64, i64)>,
    /// Whether there may be more of them.
    full: bool,
    begins: bool,
    finding: Option<String>,
}

impl Sealer {
    /// Opens the log, or begins it, and finishes the step that a dead writer has left.
    ///
    /// # Errors
    /// [`Error::Held`] while somebody else seals; [`Error::Damaged`] when the log is not one that our
    /// keys have signed, whole to its right edge. Nothing is written then.
    pub async fn open(settings: SealerSettings) -> Result<Self> {
        let hold = settings.shelf.lock().await?;
        let keys = head::keys(&*settings.signatory, &settings.origin)?;
        let mut sealer = Self {
            settings,
            hold,
            head: None,
            growth: Growth::default(),
            standing: Standing::before_any(),
            former: Former::default(),
            batch: BATCH,
        };
        sealer.believe(&keys).await?;
        sealer.finish(&keys).await?;
        sealer.look_back().await?;
        Ok(sealer)
    }

    /// The same with another number of rows in a step.
    #[must_use]
    pub fn in_steps_of(self, rows: usize) -> Self {
        Self { batch: rows.clamp(1, BATCH), ..self }
    }

    /// The newest signed head, as a note; `None` before the first.
    pub fn checkpoint(&self) -> Option<&str> {
        self.head.as_ref().map(|(stored, _)| stored.note.as_str())
    }

    /// Seals what is finished, one step of it, and signs the head; or signs it anew when that is due.
    /// After an error the sealer is gone: whoever opens the log again finishes the step.
    ///
    /// # Errors
    /// When the database or the log cannot be read or written, or [`Error::Overtaken`].
    pub async fn round(mut self) -> Result<(Self, Round)> {
        let now = self.settings.clock.now();
        let moment = Moment::of(&self.settings.db).await?;
        let work = self.work(&moment, now).await?;
        let oldest = match work.read {
            Some((xid, _)) if work.full => xid,
            _ => moment.horizon,
        };
        let lag = if work.begins { None } else { moment.age(oldest).await? };
        moment.end().await?;
        let signed = !work.leaves.is_empty() || self.is_due(now);
        if !work.leaves.is_empty() {
            self.step(&work.leaves, now).await?;
        } else if signed {
            self.sign(now).await?;
        }
        if work.begins {
            self.look_back().await?;
        }
        if let Some(read) = work.read {
            self.standing.place = read;
        }
        if let Some(Leaf::Row(row)) = work.leaves.last() {
            self.standing.newest = Some((row.xid, row.id));
        }
        let Work { rows, full, begins, finding, .. } = work;
        let size = self.growth.size();
        Ok((self, Round { rows, signed, more: full || begins, size, lag, finding }))
    }

    /// Adds entries that are of no row. After an error the sealer is gone, as after a round.
    pub(crate) async fn enter(mut self, leaves: &[Leaf]) -> Result<Self> {
        if !leaves.is_empty() {
            self.step(leaves, self.settings.clock.now()).await?;
        }
        Ok(self)
    }

    /// What the log is called.
    pub fn origin(&self) -> &str {
        &self.settings.origin
    }

    /// What is to be sealed at this moment.
    async fn work(&self, moment: &Moment, now: Timestamp) -> Result<Work> {
        let reader = self.reader();
        let next = self.standing.next(moment, &reader, (now, self.batch)).await?;
        let (rows, full) = match next {
            Next::Epoch(epoch) => {
                let finding = (epoch.epoch > 1).then(|| epoch.why.clone());
                let leaves = vec![Leaf::Epoch(epoch)];
                return Ok(Work { leaves, finding, begins: true, ..Work::default() });
            }
            Next::Rest(rows) => (rows, true),
            Next::Rows(rows) => {
                let full = rows.len() >= self.batch;
                (rows, full)
            }
        };
        let read = rows.last().map(Copied::place);
        let fresh = self.former.without(&reader, rows).await?;
        let epoch = self.standing.epoch.as_ref().map_or(1, |epoch| epoch.epoch);
        let leaf = |row: &Copied| {
            let Copied { xid, id, at_micros, row_hash } = *row;
            Leaf::Row(RowLeaf { epoch, xid, id, at_micros, row_hash })
        };
        let leaves: Vec<Leaf> = fresh.iter().map(leaf).collect();
        Ok(Work { rows: leaves.len() as u64, leaves, read, full, ..Work::default() })
    }

    /// Takes the head on the shelf for ours if it is, and the log for whole up to it.
    async fn believe(&mut self, keys: &[Verifier]) -> Result<()> {
        let log = &*self.settings.shelf;
        let Some(stored) = log.checkpoint().await? else { return Ok(()) };
        let head = Head::open(&stored.note, &self.settings.origin, keys)
            .map_err(|error| head::refused(log, &error.into()))?;
        let reader = LogReader::new(Arc::clone(&self.settings.shelf), head.size);
        self.growth = Growth::resume(&reader, head.root).await?;
        self.head = Some((stored, head));
        Ok(())
    }

    /// Finishes the step that a writer has left when it died.
    async fn finish(&mut self, keys: &[Verifier]) -> Result<()> {
        let log = Arc::clone(&self.settings.shelf);
        let path = stage::path(self.growth.size());
        if let Some(bytes) = log.read(&path, MAX_STAGE_BYTES).await? {
            let opened = Stage::open(&bytes, &self.growth, &self.settings.origin, keys);
            let staged = opened.map_err(|error| {
                let what = format!(
                    "{path} is no step that was begun here ({error}). Nothing was sealed; look who put \
                     it there, and remove it"
                );
                Error::Damaged { place: log.place(), what }
            })?;
            self.carry_out(staged.note, staged.head, staged.after, staged.files).await?;
        }
        if self.hold.is_alone() {
            // Steps that were finished by who died before removing them.
            log.remove(stage::FOLDER).await?;
        }
        Ok(())
    }

    /// Reads in the log where it stands.
    async fn look_back(&mut self) -> Result<()> {
        let reader = self.reader();
        let epochs = reader.epochs().await?;
        self.standing = Standing::read(&reader, &epochs).await?;
        self.former = Former::read(&reader, &epochs).await?;
        Ok(())
    }

    /// Adds entries to the log.
    async fn step(&mut self, leaves: &[Leaf], now: Timestamp) -> Result<()> {
        let log = Arc::clone(&self.settings.shelf);
        let entries = leaves.iter().map(Leaf::encode).collect::<Result<Vec<_>>>()?;
        let old = self.growth.size();
        let mut after = self.growth.clone();
        let files = after.grow(&entries)?;
        let (note, head) = self.signed((after.size(), after.root()), now)?;
        let bytes = Stage::encode(&note, &entries)?;
        if !log.create(&stage::path(old), bytes).await? {
            return Err(Error::Overtaken { place: log.place() });
        }
        if !self.hold.is_alone() {
            self.still_there(old).await?;
        }
        self.carry_out(note, head, after, files).await
    }

    /// Where others may write: a step that begins where the log no longer ends is nobody's. The stage
    /// was created now, so from here on it is either this step that is taken or none.
    async fn still_there(&self, old: u64) -> Result<()> {
        let log = &*self.settings.shelf;
        let now = log.checkpoint().await?.map(|stored| stored.note);
        if now.as_ref() == self.head.as_ref().map(|(stored, _)| &stored.note) {
            return Ok(());
        }
        log.remove(&stage::path(old)).await?;
        Err(Error::Overtaken { place: log.place() })
    }

    /// Writes what was staged, in an order in which every head that is seen has its files.
    async fn carry_out(
        &mut self,
        note: String,
        head: Head,
        after: Growth,
        files: Vec<(String, Vec<u8>)>,
    ) -> Result<()> {
        let log = Arc::clone(&self.settings.shelf);
        let old = self.growth.size();
        log.put(files).await?;
        self.replace(note, head).await?;
        log.remove(&stage::path(old)).await?;
        for folder in outgrown(old, after.size()) {
            log.remove(&folder).await?;
        }
        self.growth = after;
        Ok(())
    }

    /// Signs the same head anew.
    async fn sign(&mut self, now: Timestamp) -> Result<()> {
        let (note, head) = self.signed((self.growth.size(), self.growth.root()), now)?;
        self.replace(note, head).await
    }

    async fn replace(&mut self, note: String, head: Head) -> Result<()> {
        let before = self.head.as_ref().map(|(stored, _)| stored);
        let stored = self.settings.shelf.replace_checkpoint(before, &note).await?;
        self.head = Some((stored, head));
        Ok(())
    }

    fn signed(&self, (size, root): (u64, Hash), now: Timestamp) -> Result<(String, Head)> {
        // The clock may have been put back; the log's time never is.
        let last = self.head.as_ref().and_then(|(_, head)| head.time);
        let now = last.map_or(now, |last| last.max(now));
        head::sign(&*self.settings.signatory, &self.settings.origin, (size, root), now)
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let Some((_, head)) = &self.head else { return false };
        head.time.is_none_or(|time| {
            Duration::try_from(now.duration_since(time)).is_ok_and(|age| age >= HEARTBEAT)
        })
    }

    /// The log as it is now.
    pub(crate) fn reader(&self) -> LogReader {
        LogReader::new(Arc::clone(&self.settings.shelf), self.growth.size())
    }
}
