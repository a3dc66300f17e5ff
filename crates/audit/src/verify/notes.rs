//! Signed notes in one file, apart from the log that they speak of.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// What stands between two of them: no line of a note looks like it.
const BETWEEN: &str = "\n";

/// A file of notes, which need not be there yet.
#[derive(Debug, Clone)]
pub(super) struct Notes {
    path: PathBuf,
}

impl Notes {
    pub(super) fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The notes, as they lie there.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub(super) fn read(&self) -> Result<Vec<String>> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(parted(&text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(self.failed(&error.to_string())),
        }
    }

    /// Writes all of them or nothing.
    ///
    /// # Errors
    /// When it cannot be written; what was there before stays.
    pub(super) fn write(&self, notes: &[&str]) -> Result<()> {
        self.replace(&notes.join(BETWEEN)).map_err(|error| self.failed(&error.to_string()))
    }

    fn replace(&self, text: &str) -> std::io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let unfinished = self.path.with_extension("unfinished");
        let mut file = fs::File::create(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, &self.path)?;
        fs::File::open(folder)?.sync_all()
    }

    /// What is wrong with the file.
    pub(super) fn failed(&self, why: &str) -> Error {
        Error::Memory { place: self.path.display().to_string(), why: why.to_owned() }
    }
}

/// Each note has one empty line of its own, in front of its signatures.
fn parted(text: &str) -> Vec<String> {
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
