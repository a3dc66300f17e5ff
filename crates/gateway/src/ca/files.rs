//! The authority's folder: small text files, written whole or not at all, keys for their owner
//! alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::GatewayError;

/// The largest file that is read, in bytes; keys and certificates are far smaller.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// A folder that holds the authority's files.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Opens the folder, making it (for its owner alone) if it is not there.
    pub(super) fn open(dir: &Path) -> Result<Self, GatewayError> {
        let folder = Self(dir.to_owned());
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|error| folder.failed("", "make the folder", error))?;
        Ok(folder)
    }

    /// The text of `file`, or `None` when there is no such file.
    pub(super) fn read(&self, file: &str) -> Result<Option<String>, GatewayError> {
        let opened = match File::open(self.0.join(file)) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(file, "read", error)),
        };
        let mut text = String::new();
        opened
            .take(MAX_FILE_BYTES)
            .read_to_string(&mut text)
            .map_err(|error| self.failed(file, "read", error))?;
        Ok(Some(text))
    }

    /// As [`Folder::read`], but refuses a key that others can read: it may have been taken.
    pub(super) fn read_key(&self, file: &str) -> Result<Option<String>, GatewayError> {
        if let Ok(meta) = fs::metadata(self.0.join(file))
            && meta.permissions().mode() & 0o077 != 0
        {
            let why = "this private key can be read by other users of the machine";
            let next = "run `chmod 600` on it, or move it away if it may have been copied";
            return Err(self.damaged(file, why, next));
        }
        self.read(file)
    }

    /// Writes `file` whole or not at all. Certificates are public, keys are their owner's.
    pub(super) fn write(&self, file: &str, text: &str) -> Result<(), GatewayError> {
        self.put(file, text, 0o644)
    }

    /// As [`Folder::write`], readable by the owner alone.
    pub(super) fn write_key(&self, file: &str, text: &str) -> Result<(), GatewayError> {
        self.put(file, text, 0o600)
    }

    fn put(&self, file: &str, text: &str, mode: u32) -> Result<(), GatewayError> {
        let temporary = self.0.join(format!(".{file}.new"));
        let kept = || -> io::Result<()> {
            // Left over from a start that was cut short; `create_new` keeps links from being
            // followed.
            match fs::remove_file(&temporary) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut opened =
                OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
            opened.write_all(text.as_bytes())?;
            opened.sync_all()?;
            fs::rename(&temporary, self.0.join(file))?;
            File::open(&self.0)?.sync_all()
        };
        kept().map_err(|error| self.failed(file, "write", error))
    }

    /// `file` is not what it should be.
    pub(super) fn damaged(
        &self,
        file: &str,
        why: impl Into<String>,
        next: &'static str,
    ) -> GatewayError {
        GatewayError::Damaged { file: self.0.join(file), why: why.into(), next }
    }

    fn failed(&self, file: &str, action: &'static str, error: io::Error) -> GatewayError {
        GatewayError::File { file: self.0.join(file), action, error }
    }
}
