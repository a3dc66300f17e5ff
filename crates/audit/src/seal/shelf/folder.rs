//! A log in a folder: one file for each tile, readable by whoever may read the folder.
//!
//! It promises that a file is written under another name first, that it and the folder's list of
//! names have reached the disk before it counts, and that one process writes at a time.
//!
//! The attack it stops: a power cut in the middle of a write, and a file in the log that is a pipe
//! or a link. It does not stop a disk that says it has written what it has not.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kernel::Fut;

use super::{CHECKPOINT, Hold, MAX_CHECKPOINT_BYTES, Shelf, Stored, plain, text};
use crate::{Error, Result};

/// What a writer holds a lock on; it says who.
const LOCK: &str = ".lock";
/// Where files are written before they have their names.
const UNFINISHED: &str = ".unfinished";
/// How many files are open at a time.
const MAX_OPEN: usize = 128;
/// How many of them are made to last at a time.
const AT_ONCE: usize = 16;
/// The longest note of who holds the lock that is read, in bytes.
const MAX_WHO: u64 = 200;

/// A folder, for its owner alone.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
    /// Of the files that are being written, each has a number.
    next: Arc<AtomicU64>,
}

/// The lock, while this lives.
struct Locked {
    file: File,
}

impl Drop for Locked {
    fn drop(&mut self) {
        // A program that is being started has the file for a moment too, and must not keep the lock.
        let _ = self.file.unlock();
    }
}

impl Hold for Locked {
    fn is_alone(&self) -> bool {
        true
    }
}

impl Folder {
    /// A log in `root`, which is made with its first file.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), next: Arc::default() }
    }

    fn read_at(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        let place = self.place();
        let path = self.root.join(plain(&place, path)?);
        // A pipe would be waited for, and a link leads elsewhere.
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_file() => {}
            Ok(_) => return Err(self.odd(&path, "is no plain file")),
            Err(error) if gone(&error) => return Ok(None),
            Err(error) => return Err(self.failed(&error)),
        }
        let mut bytes = Vec::new();
        let read =
            File::open(&path).and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes));
        match read {
            Err(error) if gone(&error) => Ok(None),
            Err(error) => Err(self.failed(&error)),
            Ok(length) if length > limit => Err(self.odd(&path, "is longer than it can be")),
            Ok(_) => Ok(Some(bytes)),
        }
    }

    /// Writes all of them, then names all of them, then makes the names last; so many at a time as a
    /// process may have open.
    fn write(&self, files: &[(String, Vec<u8>)]) -> io::Result<()> {
        let mut folders = BTreeSet::new();
        for some in files.chunks(MAX_OPEN) {
            let mut written = Vec::new();
            for (path, bytes) in some {
                let target = self.root.join(path);
                let parent = target.parent().unwrap_or(&self.root).to_owned();
                if !folders.contains(&parent) {
                    self.make(&parent)?;
                    folders.insert(parent);
                }
                written.push((self.unfinished(bytes)?, target));
            }
            last(&written)?;
            for (unfinished, target) in &written {
                fs::rename(&unfinished.path, target)?;
            }
        }
        folders.iter().try_for_each(|folder| File::open(folder)?.sync_all())
    }

    /// A file of this content that has no name of a log's yet, and may not have reached the disk.
    fn unfinished(&self, bytes: &[u8]) -> io::Result<Unfinished> {
        let folder = self.root.join(UNFINISHED);
        self.make(&folder)?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{}-{number}", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut unfinished = Unfinished { file: options.open(&path)?, path };
        unfinished.file.write_all(bytes)?;
        Ok(unfinished)
    }

    /// Makes the folder and those above it up to the log's own, so that they last.
    fn make(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut above = folder.parent();
        while let Some(one) = above {
            File::open(one)?.sync_all()?;
            above =
                (one != self.root && one.starts_with(&self.root)).then(|| one.parent()).flatten();
        }
        Ok(())
    }

    /// A link is made only where there is no file of that name.
    fn write_new(&self, path: &str, bytes: &[u8]) -> io::Result<bool> {
        let target = self.root.join(path);
        let parent = target.parent().unwrap_or(&self.root).to_owned();
        self.make(&parent)?;
        let unfinished = self.unfinished(bytes)?;
        unfinished.file.sync_all()?;
        match fs::hard_link(&unfinished.path, &target) {
            Ok(()) => File::open(parent)?.sync_all().map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn erase(&self, path: &str) -> io::Result<()> {
        let target = self.root.join(path);
        let removed = match fs::symlink_metadata(&target) {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(&target),
            Ok(_) => fs::remove_file(&target),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if !gone(&error) => Err(error),
            _ => Ok(()),
        }
    }

    fn take(&self) -> Result<Box<dyn Hold>> {
        let open = || {
            self.make(&self.root)?;
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            options.open(self.root.join(LOCK))
        };
        let mut file = open().map_err(|error| self.failed(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut who = Vec::new();
                let _ = file.take(MAX_WHO).read_to_end(&mut who);
                let who = kernel::shown(String::from_utf8_lossy(&who).trim());
                let by = if who.is_empty() { "another process".to_owned() } else { who };
                return Err(Error::Held { place: self.place(), by });
            }
            Err(TryLockError::Error(error)) => return Err(self.failed(&error)),
        }
        let mut tidy = || {
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "process {} of this machine", std::process::id())?;
            // Nobody else writes now, so what is unfinished is a dead writer's.
            self.erase(UNFINISHED)
        };
        tidy().map_err(|error| self.failed(&error))?;
        Ok(Box::new(Locked { file }))
    }

    fn replace(&self, before: Option<&Stored>, note: &str) -> Result<Stored> {
        let there = self.newest()?;
        if there.as_ref().map(|stored| &stored.note) != before.map(|stored| &stored.note) {
            return Err(Error::Overtaken { place: self.place() });
        }
        let file = (CHECKPOINT.to_owned(), note.as_bytes().to_vec());
        self.write(&[file]).map_err(|error| self.failed(&error))?;
        Ok(Stored { note: note.to_owned(), tag: None, version: None })
    }

    fn newest(&self) -> Result<Option<Stored>> {
        let Some(bytes) = self.read_at(CHECKPOINT, MAX_CHECKPOINT_BYTES)? else { return Ok(None) };
        let note = text(&self.place(), bytes)?;
        Ok(Some(Stored { note, tag: None, version: None }))
    }

    fn odd(&self, path: &Path, what: &str) -> Error {
        let name = path.strip_prefix(&self.root).unwrap_or(path).display();
        Error::Damaged { place: self.place(), what: format!("{name} {what}") }
    }

    fn failed(&self, error: &io::Error) -> Error {
        Error::Shelf { place: self.place(), why: error.to_string() }
    }

    /// Does what waits for the disk where waiting is in nobody's way.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let folder = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&folder)).await;
        done.map_err(|error| self.failed(&io::Error::other(error)))?
    }
}

impl Shelf for Folder {
    fn place(&self) -> String {
        self.root.display().to_string()
    }

    fn read<'a>(&'a self, path: &'a str, limit: usize) -> Fut<'a, Result<Option<Vec<u8>>>> {
        let path = path.to_owned();
        Box::pin(self.aside(move |folder| folder.read_at(&path, limit)))
    }

    fn put(&self, files: Vec<(String, Vec<u8>)>) -> Fut<'_, Result<()>> {
        Box::pin(self.aside(move |folder| {
            files.iter().try_for_each(|(path, _)| plain(&folder.place(), path).map(drop))?;
            folder.write(&files).map_err(|error| folder.failed(&error))
        }))
    }

    fn create<'a>(&'a self, path: &'a str, bytes: Vec<u8>) -> Fut<'a, Result<bool>> {
        let path = path.to_owned();
        Box::pin(self.aside(move |folder| {
            let path = plain(&folder.place(), &path)?.to_owned();
            folder.write_new(&path, &bytes).map_err(|error| folder.failed(&error))
        }))
    }

    fn remove<'a>(&'a self, path: &'a str) -> Fut<'a, Result<()>> {
        let path = path.to_owned();
        Box::pin(self.aside(move |folder| {
            let path = plain(&folder.place(), &path)?.to_owned();
            folder.erase(&path).map_err(|error| folder.failed(&error))
        }))
    }

    fn checkpoint(&self) -> Fut<'_, Result<Option<Stored>>> {
        Box::pin(self.aside(Self::newest))
    }

    fn replace_checkpoint<'a>(
        &'a self,
        before: Option<&'a Stored>,
        note: &'a str,
    ) -> Fut<'a, Result<Stored>> {
        let (before, note) = (before.cloned(), note.to_owned());
        Box::pin(self.aside(move |folder| folder.replace(before.as_ref(), &note)))
    }

    fn lock(&self) -> Fut<'_, Result<Box<dyn Hold>>> {
        Box::pin(self.aside(Self::take))
    }
}

/// A file before it has its name. Dropped without one, it goes: on a full disk even what was begun is in
/// the way.
struct Unfinished {
    file: File,
    path: PathBuf,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After it was renamed there is none; what stays is removed by the next writer.
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes the files last, several at a time: a disk that is asked for many writes does them together.
fn last(files: &[(Unfinished, PathBuf)]) -> io::Result<()> {
    let share = files.len().div_ceil(AT_ONCE).max(1);
    std::thread::scope(|scope| {
        let sync = |some: &[(Unfinished, PathBuf)]| {
            some.iter().try_for_each(|(one, _)| one.file.sync_all())
        };
        let lanes: Vec<_> =
            files.chunks(share).map(|some| scope.spawn(move || sync(some))).collect();
        let join = |lane: std::thread::ScopedJoinHandle<'_, io::Result<()>>| {
            lane.join().map_err(|_| io::Error::other("a file could not be made to last"))?
        };
        lanes.into_iter().try_for_each(join)
    })
}

fn gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
