//! Epochs that somebody answers for: the rows that are gone with one are not damage any more.
//!
//! It promises that an epoch is accepted by nobody but who has the log's key, for one entry of one log,
//! with a name and a reason that whoever verifies is shown.
//!
//! The attack it stops: a superuser makes a timeline as a restore does, deletes the newest rows, and the
//! sealer can only tell that they are gone. Nothing in the database says that this was meant.

use std::path::PathBuf;

use jiff::Timestamp;
use kernel::Signatory;
use tlog::{Hash, Note, Verifier, verify_inclusion};

use super::Signed;
use super::notes::Notes;
use crate::seal::{LogReader, signed};
use crate::{EpochLeaf, Leaf, Result};

/// The first line. No checkpoint begins so: it begins with the name of a log.
const HEAD: &str = "amanah.trail/accepted-epoch/v1";
/// The lines after it, in their order.
const LINES: [&str; 7] = ["log ", "epoch ", "entry ", "hash ", "time ", "by ", "why "];

/// That somebody answers for an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its number.
    pub epoch: u32,
    /// The entry of the log that begins it.
    pub entry: u64,
    /// The hash of that entry.
    hash: Hash,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What it was.
    pub why: String,
    /// All of it, as it was signed.
    note: String,
}

impl Accepted {
    /// Signs for an epoch, which was [found](found) in the log `origin`.
    ///
    /// # Errors
    /// When it cannot be signed, or a text has control characters.
    pub fn sign(
        signatory: &dyn Signatory,
        origin: &str,
        (entry, epoch): (u64, &EpochLeaf),
        (by, why): (&str, &str),
        at: Timestamp,
    ) -> Result<Self> {
        let hash = hash(epoch)?;
        let number = epoch.epoch;
        let values = [
            origin.to_owned(),
            number.to_string(),
            entry.to_string(),
            hash.to_string(),
            at.to_string(),
            by.to_owned(),
            why.to_owned(),
        ];
        let lines = LINES.iter().zip(&values).map(|(name, value)| format!("{name}{value}\n"));
        let note = signed(signatory, origin, format!("{HEAD}\n{}", lines.collect::<String>()))?;
        let (by, why) = (by.to_owned(), why.to_owned());
        Ok(Self { epoch: number, entry, hash, at, by, why, note })
    }

    /// What a note says that one of the log's keys has signed.
    fn open(note: &str, keys: &[Verifier]) -> Result<Self> {
        let origin = keys.first().map(Verifier::name).unwrap_or_default();
        let parsed = Note::parse(note)?;
        let opened = keys.iter().find_map(|key| parsed.open(key).ok());
        let opened = opened.ok_or_else(|| tlog::Error::Unsigned(origin.to_owned()))?;
        let read = read(opened.text()).filter(|(log, _)| log == origin);
        let (_, read) =
            read.ok_or(tlog::Error::Note("it is no word about an epoch of this log"))?;
        Ok(Self { note: note.to_owned(), ..read })
    }

    /// Whether it is about this epoch, which begins with entry `entry`.
    pub fn is_of(&self, entry: u64, epoch: &EpochLeaf) -> bool {
        self.entry == entry && hash(epoch).is_ok_and(|hash| hash == self.hash)
    }
}

/// The name of the log, and what is said of it.
fn read(text: &str) -> Option<(String, Accepted)> {
    let mut lines = text.lines();
    lines.next().filter(|line| *line == HEAD)?;
    let mut values = Vec::new();
    for name in LINES {
        values.push(lines.next()?.strip_prefix(name)?);
    }
    let [log, epoch, entry, hash, at, by, why] = <[&str; 7]>::try_from(values).ok()?;
    lines.next().is_none().then_some(())?;
    let accepted = Accepted {
        epoch: epoch.parse().ok()?,
        entry: entry.parse().ok()?,
        hash: hash.parse().ok()?,
        at: at.parse().ok()?,
        by: by.to_owned(),
        why: why.to_owned(),
        note: String::new(),
    };
    Some((log.to_owned(), accepted))
}

fn hash(epoch: &EpochLeaf) -> Result<Hash> {
    Ok(Hash::leaf(&Leaf::Epoch(epoch.clone()).encode()?))
}

/// The file with what was accepted of one log, on the side of its key.
#[derive(Debug, Clone)]
pub struct Acceptances(Notes);

impl Acceptances {
    /// The file at `path`, which need not be there yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(Notes::at(path))
    }

    /// What was accepted, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be read, or holds what none of `keys` has signed: nothing is left out in
    /// silence.
    pub fn all(&self, keys: &[Verifier]) -> Result<Vec<Accepted>> {
        let open = |note: String| {
            Accepted::open(&note, keys).map_err(|error| {
                self.0.failed(&format!(
                    "it holds what the key of this log has not signed ({error}). Look who put it there, \
                     and remove it"
                ))
            })
        };
        self.0.read()?.into_iter().map(open).collect()
    }

    /// Adds one.
    ///
    /// # Errors
    /// As [`Acceptances::all`], and when it cannot be written; what was there stays.
    pub fn add(&self, one: &Accepted, keys: &[Verifier]) -> Result<()> {
        let all = self.all(keys)?;
        let notes = all.iter().map(|one| one.note.as_str()).chain([one.note.as_str()]);
        self.0.write(&notes.collect::<Vec<_>>())
    }
}

/// The epoch of this number with its entry, and the one before it, if the checkpoint vouches for both.
///
/// # Errors
/// When the log cannot be read, or what lies there is not what was signed.
pub async fn found(
    reader: &LogReader,
    head: &Signed,
    number: u32,
) -> Result<Option<[(u64, EpochLeaf); 2]>> {
    let epochs = reader.epochs().await?;
    let at = epochs.iter().position(|(_, epoch)| epoch.epoch == number);
    let Some((before, at)) = at.and_then(|at| Some((at.checked_sub(1)?, at))) else {
        return Ok(None);
    };
    let (Some(before), Some(epoch)) = (epochs.get(before), epochs.get(at)) else {
        return Ok(None);
    };
    for (entry, epoch) in [before, epoch] {
        let hashes = reader.inclusion(*entry).await?;
        verify_inclusion(hash(epoch)?, *entry, head.head.size, head.head.root, &hashes)?;
    }
    Ok(Some([before.clone(), epoch.clone()]))
}
