//! Checkpoints that were seen, kept apart from the log: one that was rolled back or rewritten is
//! told from one that grew by what it was before.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use tlog::Verifier;

use super::head::Signed;
use super::{Kept, Report};
use crate::{Error, Result};

/// How many are kept: the oldest one, and the newest of the others.
const MAX_KEPT: usize = 64;
/// What stands between two of them: no line of a checkpoint looks like it.
const BETWEEN: &str = "\n";
/// Where they come from, for people.
const SOURCE: &str = "kept here when all of it was right";

/// A file with the checkpoints under which a log was verified and found right.
#[derive(Debug, Clone)]
pub struct Memory {
    path: PathBuf,
}

impl Memory {
    /// The file at `path`, which need not be there yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// What was kept, the oldest first, as far as one of `keys` has signed it.
    ///
    /// # Errors
    /// When the file cannot be read, or holds what none of them has signed: nothing is left out in
    /// silence.
    pub fn kept(&self, keys: &[Verifier]) -> Result<Vec<Kept>> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed(&error.to_string())),
        };
        let mut kept = Vec::new();
        for note in notes(&text) {
            let signed = Signed::open(&note, keys).map_err(|error| {
                self.failed(&format!(
                    "it holds a checkpoint that is none of this log's ({error}). If the log was begun \
                     anew on purpose, remove the file"
                ))
            })?;
            kept.push(Kept { signed, source: SOURCE.to_owned(), whole: true });
        }
        Ok(kept)
    }

    /// Keeps the checkpoint under which everything was right, if it was.
    ///
    /// # Errors
    /// When it cannot be written; what was kept before stays.
    pub fn keep(&self, report: &Report, mut kept: Vec<Kept>) -> Result<()> {
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
        self.write(&notes.join(BETWEEN)).map_err(|error| self.failed(&error.to_string()))
    }

    /// Writes all of it or nothing.
    fn write(&self, text: &str) -> std::io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let unfinished = self.path.with_extension("unfinished");
        let mut file = fs::File::create(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, &self.path)?;
        fs::File::open(folder)?.sync_all()
    }

    fn failed(&self, why: &str) -> Error {
        Error::Memory { place: self.path.display().to_string(), why: why.to_owned() }
    }
}

/// The notes in the text of a memory: each has one empty line of its own, in front of its signatures.
fn notes(text: &str) -> Vec<String> {
    let mut notes = Vec::new();
    let (mut note, mut gaps) = (String::new(), 0);
    for line in text.lines() {
        gaps += usize::from(line.is_empty());
        if gaps == 2 {
            notes.push(std::mem::take(&mut note));
            gaps = 0;
            continue;
        }
        note.push_str(line);
        note.push('\n');
    }
    if !note.is_empty() {
        notes.push(note);
    }
    notes
}
