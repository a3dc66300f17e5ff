//! Checkpoints that were seen, kept apart from the log: one that was rolled back or rewritten is
//! told from one that grew by what it was before.

use std::path::PathBuf;

use tlog::Verifier;

use super::notes::Notes;
use super::signed::Signed;
use super::{KeptCheckpoint, Report};
use crate::Result;

/// How many are kept: the oldest one, and the newest of the others.
const MAX_KEPT: usize = 64;
/// Where they come from, for people.
const SOURCE: &str = "kept here when all of it was right";

/// A file with the checkpoints under which a log was verified and found right.
#[derive(Debug, Clone)]
pub struct Memory(Notes);

impl Memory {
    /// The file at `path`, which need not be there yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(Notes::at(path))
    }

    /// What was kept, the oldest first, as far as one of `keys` has signed it.
    ///
    /// # Errors
    /// When the file cannot be read, or holds what none of them has signed: nothing is left out in
    /// silence.
    pub fn kept(&self, keys: &[Verifier]) -> Result<Vec<KeptCheckpoint>> {
        let mut kept = Vec::new();
        for note in self.0.read()? {
            let signed = Signed::open(&note, keys).map_err(|error| {
                self.0.failed(&format!(
                    "it holds a checkpoint that is none of this log's ({error}). If the log was begun \
                     anew on purpose, remove the file"
                ))
            })?;
            kept.push(KeptCheckpoint { signed, source: SOURCE.to_owned(), whole: true });
        }
        Ok(kept)
    }

    /// Keeps the checkpoint under which everything was right, if it was.
    ///
    /// # Errors
    /// When it cannot be written; what was kept before stays.
    pub fn keep(&self, report: &Report, mut kept: Vec<KeptCheckpoint>) -> Result<()> {
        let Some(signed) = report.head.as_ref().filter(|_| report.is_clean()) else {
            return Ok(());
        };
        kept.retain(|kept| kept.whole && kept.source == SOURCE);
        // A heartbeat says nothing new but the time.
        kept.retain(|kept| kept.signed.head.size < signed.head.size);
        if kept.len() >= MAX_KEPT {
            kept.remove(1);
        }
        let notes = kept.iter().map(|kept| kept.signed.note.as_str());
        let notes: Vec<&str> = notes.chain([signed.note.as_str()]).collect();
        self.0.write(&notes)
    }
}
