//! The root's file on the disk: read whole, replaced whole, by one process at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{Error, Result};

/// How long another process may hold the lock before we give up.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// How often we ask for the lock meanwhile.
const LOCK_POLL: Duration = Duration::from_millis(20);
/// The largest file that is read, in bytes. One of a hundred generations has about 20,000.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Only its owner may read it.
const PRIVATE: u32 = 0o600;
/// Only its owner may enter it.
const PRIVATE_DIR: u32 = 0o700;

/// The place of the file.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    path: PathBuf,
}

/// While this exists, no other process reads or writes the file.
#[derive(Debug)]
pub(super) struct Lock {
    // The kernel releases the lock when the file is closed, also when the process is killed.
    _file: File,
}

impl Disk {
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(super) fn place(&self) -> String {
        self.path.display().to_string()
    }

    /// Waits for the others, at most [`LOCK_WAIT`].
    pub(super) async fn lock(&self) -> Result<Lock> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(PRIVATE)
            .open(self.beside(".lock"))
            .map_err(|error| self.failed(&error))?;
        let until = Instant::now() + LOCK_WAIT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < until => sleep(LOCK_POLL).await,
                Err(TryLockError::WouldBlock) => {
                    let why = "another process holds its lock".to_owned();
                    return Err(Error::Unavailable { place: self.place(), why });
                }
                Err(TryLockError::Error(error)) => return Err(self.failed(&error)),
            }
        }
    }

    /// Makes the folder.
    pub(super) fn prepare(&self) -> Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(PRIVATE_DIR);
        builder.create(self.folder()).map_err(|error| self.failed(&error))
    }

    pub(super) fn exists(&self) -> Result<bool> {
        self.path.try_exists().map_err(|error| self.failed(&error))
    }

    /// The whole file.
    pub(super) fn read(&self, _: &Lock) -> Result<Vec<u8>> {
        let file = File::open(&self.path).map_err(|error| self.failed(&error))?;
        let mut bytes = Vec::new();
        let read = file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|error| self.failed(&error))?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(self.damaged(&format!("it is larger than {MAX_FILE_BYTES} bytes")));
        }
        Ok(bytes)
    }

    /// Puts `bytes` in the file's place: after a crash there is the old file or the new one, whole.
    ///
    /// What the old file held is overwritten afterwards: it has the sealed keys of generations that
    /// are destroyed one day, which must not lie on in free blocks of the disk until then. File
    /// systems that copy on write keep them nevertheless. A copy that shares the old file's blocks
    /// stays as it is, until with `wipe` a key is destroyed that it holds.
    pub(super) fn replace(&self, _: &Lock, bytes: &[u8], wipe: bool) -> Result<()> {
        let failed = |error: io::Error| self.failed(&error);
        let fresh = self.beside(".new");
        // A crash may have left one behind, with keys in it.
        if let Ok(left) = OpenOptions::new().write(true).open(&fresh) {
            let _ = zero(left);
        }
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).write(true).mode(PRIVATE);
        let mut file = options.open(&fresh).map_err(failed)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
        let old = OpenOptions::new().write(true).open(&self.path).ok();
        let old = old.filter(|old| wipe || is_alone(old));
        fs::rename(&fresh, &self.path).map_err(failed)?;
        File::open(self.folder()).and_then(|folder| folder.sync_all()).map_err(failed)?;
        if let Some(old) = old {
            // The new file lies safely in its place, so this cannot undo anything.
            let _ = zero(old);
        }
        Ok(())
    }

    pub(super) fn damaged(&self, why: &str) -> Error {
        Error::Damaged { place: self.place(), why: why.to_owned() }
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    fn beside(&self, end: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(end);
        name.into()
    }

    fn failed(&self, error: &io::Error) -> Error {
        let place = self.place();
        match error.kind() {
            io::ErrorKind::NotFound => Error::Missing { place },
            io::ErrorKind::PermissionDenied => {
                Error::Denied { place, why: "this user may not read or write it".to_owned() }
            }
            _ => Error::Unavailable { place, why: error.to_string() },
        }
    }
}

/// Whether no other name leads to the file.
fn is_alone(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.nlink() == 1)
}

fn zero(mut old: File) -> io::Result<()> {
    let length = old.metadata()?.len().min(MAX_FILE_BYTES);
    old.rewind()?;
    io::copy(&mut io::repeat(0).take(length), &mut old)?;
    old.sync_all()
}
