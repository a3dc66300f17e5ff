//! The reports of a trail, kept in a folder: what was shown last, and what was signed.
//!
//! It promises that a report which was signed is never overwritten: its name is its digest.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use kernel::hex;

use super::{Month, digest};

/// A report longer than this, in bytes, is none of ours.
const MAX_BYTES: u64 = 4 << 20;
/// What was shown last.
const SHOWN: &str = "shown.md";
/// How much of a digest names a report, in bytes.
const NAME_BYTES: usize = 8;

/// The reports of one trail.
#[derive(Debug, Clone)]
pub struct Reports {
    root: PathBuf,
}

impl Reports {
    /// The reports in the folder `root`, which need not be there yet.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The name of a report under the folder, by its digest.
    pub fn name(month: Month, digest: &[u8; 32]) -> String {
        format!("{month}/{}.md", hex(digest.get(..NAME_BYTES).unwrap_or_default()))
    }

    /// Keeps what is shown to somebody.
    ///
    /// # Errors
    /// When it cannot be written; what was there stays.
    pub fn show(&self, month: Month, text: &str) -> Result<(), String> {
        self.write(&format!("{month}/{SHOWN}"), text)
    }

    /// What was shown of a month last.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn shown(&self, month: Month) -> Result<Option<String>, String> {
        self.read(&format!("{month}/{SHOWN}"))
    }

    /// Keeps a report that is about to be signed. Its name under the folder.
    ///
    /// # Errors
    /// As [`Reports::show`].
    pub fn keep(&self, month: Month, text: &str) -> Result<String, String> {
        let name = Self::name(month, &digest(text));
        self.write(&name, text)?;
        Ok(name)
    }

    /// The report of a month with this digest; `None` when it is gone.
    ///
    /// # Errors
    /// When it cannot be read, or is another one: the text says so.
    pub fn kept(&self, month: Month, wanted: &[u8; 32]) -> Result<Option<String>, String> {
        let name = Self::name(month, wanted);
        let Some(text) = self.read(&name)? else { return Ok(None) };
        if digest(&text) != *wanted {
            return Err(format!("{name} was changed: its SHA-256 is not the one that was signed"));
        }
        Ok(Some(text))
    }

    /// Puts another text in the place of a signed one, or removes it: for a sandbox.
    pub(crate) fn damage(
        &self,
        month: Month,
        signed: &[u8; 32],
        text: Option<&str>,
    ) -> Result<(), String> {
        let name = Self::name(month, signed);
        match text {
            Some(text) => self.write(&name, text),
            None => std::fs::remove_file(self.root.join(name)).map_err(|error| error.to_string()),
        }
    }

    fn read(&self, name: &str) -> Result<Option<String>, String> {
        let path = self.root.join(name);
        // What is wrong with a report is published, and where this machine keeps it is not.
        let wrong = |why: String| format!("{name}: {why}");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(error.to_string())),
        };
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| wrong(error.to_string()))?;
        // What is no text, or too long, has another digest than any report: it is told as changed.
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let path = self.root.join(name);
        put(&path, text).map_err(|error| format!("{} cannot be written: {error}", path.display()))
    }
}

/// Writes a file whole or not at all, for nobody else to read.
fn put(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let unfinished = path.with_extension("unfinished");
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()
}
