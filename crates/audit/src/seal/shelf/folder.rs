//! A log in a folder: one file for each tile, readable by whoever may read the folder.
//!
//! It promises that a file is written under another name first, that it and the folder's list of
//! names have reached the disk before it counts, and that one process writes at a time.
//!
//! The attack it stops: a power cut in the middle of a write; a file in the log that is a pipe or a
//! link; and links put there by who may write in the folder of a copy, by which files of our own would
//! be written or emptied elsewhere. It does not stop a disk that says it has written what it has not.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kernel::Fut;

use super::beneath::Beneath;
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
/// How many names are tried for an unfinished file, where a dead writer left others.
const NAMES: usize = 4_096;

/// Of the files that this process writes, each has a number.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A folder, for its owner alone.
#[derive(Debug, Clone)]
pub struct Folder {
    /// Where links are followed.
    base: PathBuf,
    /// Names of folders below, where none is.
    within: Vec<String>,
    /// Where its lock lies, when not in itself.
    lock: Option<PathBuf>,
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
        Self { base: root.into(), within: Vec::new(), lock: None }
    }

    /// A log in the folder `name` of `base`, where others may write too: `name` may be no link, and the
    /// lock is the file `lock` elsewhere, where they may not.
    pub fn foreign(base: impl Into<PathBuf>, name: &str, lock: impl Into<PathBuf>) -> Self {
        Self { base: base.into(), within: vec![name.to_owned()], lock: Some(lock.into()) }
    }

    fn root(&self) -> io::Result<Beneath> {
        let base = Beneath::open(&self.base)?;
        self.within.iter().try_fold(base, |above, name| above.folder(name))
    }

    fn root_made(&self) -> io::Result<Beneath> {
        let base = Beneath::made(&self.base)?;
        self.within.iter().try_fold(base, |above, name| above.folder_made(name))
    }

    /// The folder in which this file lies, and the file's name there.
    fn parent<'a>(&self, path: &'a str) -> io::Result<(Beneath, &'a str)> {
        let (mut above, name) = split(path);
        let folder = above.try_fold(self.root()?, |above, name| above.folder(name))?;
        Ok((folder, name))
    }

    fn parent_made<'a>(&self, path: &'a str) -> io::Result<(Beneath, &'a str)> {
        let (mut above, name) = split(path);
        let folder = above.try_fold(self.root_made()?, |above, name| above.folder_made(name))?;
        Ok((folder, name))
    }

    fn read_at(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>> {
        let place = self.place();
        let path = plain(&place, path)?;
        let odd = |what: &str| Error::Damaged { place, what: format!("{path} {what}") };
        let opened = self.parent(path).and_then(|(folder, name)| folder.file(name));
        let file = match opened {
            Ok(Some(file)) => file,
            // A pipe would be waited for, and a link leads elsewhere.
            Ok(None) => return Err(odd("is no plain file")),
            Err(error) if gone(&error) => return Ok(None),
            Err(error) => return Err(self.failed(&error)),
        };
        let mut bytes = Vec::new();
        match file.take((limit as u64).saturating_add(1)).read_to_end(&mut bytes) {
            Err(error) => Err(self.failed(&error)),
            Ok(length) if length > limit => Err(odd("is longer than it can be")),
            Ok(_) => Ok(Some(bytes)),
        }
    }

    /// Writes all of them, then names all of them, then makes the names last; so many at a time as a
    /// process may have open.
    fn write(&self, files: &[(String, Vec<u8>)]) -> io::Result<()> {
        for some in files.chunks(MAX_OPEN) {
            let unfinished = self.unnamed()?;
            let mut folders = BTreeMap::new();
            let mut written = Vec::new();
            for (path, bytes) in some {
                let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
                if !folders.contains_key(above) {
                    folders.insert(above, self.parent_made(path)?.0);
                }
                written.push((Unfinished::new(&unfinished, bytes)?, above, name));
            }
            last(&written)?;
            for (unfinished, above, name) in &written {
                if let Some(folder) = folders.get(above) {
                    unfinished.folder.rename(&unfinished.name, folder, name)?;
                }
            }
            folders.values().try_for_each(Beneath::last)?;
        }
        Ok(())
    }

    /// The folder of files that have no names yet.
    fn unnamed(&self) -> io::Result<Arc<Beneath>> {
        Ok(Arc::new(self.root_made()?.folder_made(UNFINISHED)?))
    }

    /// A link is made only where there is no file of that name.
    fn write_new(&self, path: &str, bytes: &[u8]) -> io::Result<bool> {
        let (folder, name) = self.parent_made(path)?;
        let unfinished = Unfinished::new(&self.unnamed()?, bytes)?;
        unfinished.file.sync_all()?;
        match unfinished.folder.link(&unfinished.name, &folder, name) {
            Ok(()) => folder.last().map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn erase(&self, path: &str) -> io::Result<()> {
        match self.parent(path).and_then(|(folder, name)| folder.remove(name)) {
            Err(error) if !gone(&error) => Err(error),
            _ => Ok(()),
        }
    }

    fn lock_file(&self) -> io::Result<File> {
        let Some(path) = &self.lock else { return self.root_made()?.own_file(LOCK) };
        let none = || io::Error::other(format!("{} is no path of a lock", path.display()));
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(none)?;
        Beneath::made(path.parent().ok_or_else(none)?)?.own_file(name)
    }

    fn take(&self) -> Result<Box<dyn Hold>> {
        let mut file = self.lock_file().map_err(|error| self.failed(&error))?;
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
        let below = |place: PathBuf, name: &String| place.join(name);
        self.within.iter().fold(self.base.clone(), below).display().to_string()
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
    folder: Arc<Beneath>,
    name: String,
}

impl Unfinished {
    /// A file of this content that has no name of a log's yet, and may not have reached the disk.
    fn new(folder: &Arc<Beneath>, bytes: &[u8]) -> io::Result<Self> {
        let mut tried = 0;
        let (file, name) = loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}-{number}", std::process::id());
            match folder.new_file(&name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tried < NAMES => {
                    tried += 1;
                }
                made => break (made?, name),
            }
        };
        let mut unfinished = Self { file, folder: Arc::clone(folder), name };
        unfinished.file.write_all(bytes)?;
        Ok(unfinished)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After it was renamed there is none; what stays is removed by the next writer.
        let _ = self.folder.remove_file(&self.name);
    }
}

/// Makes the files last, several at a time: a disk that is asked for many writes does them together.
fn last(files: &[(Unfinished, &str, &str)]) -> io::Result<()> {
    let share = files.len().div_ceil(AT_ONCE).max(1);
    std::thread::scope(|scope| {
        let sync = |some: &[(Unfinished, &str, &str)]| {
            some.iter().try_for_each(|(one, ..)| one.file.sync_all())
        };
        let lanes: Vec<_> =
            files.chunks(share).map(|some| scope.spawn(move || sync(some))).collect();
        let join = |lane: std::thread::ScopedJoinHandle<'_, io::Result<()>>| {
            lane.join().map_err(|_| io::Error::other("a file could not be made to last"))?
        };
        lanes.into_iter().try_for_each(join)
    })
}

/// The folders above a file of a log, and its name in the last of them.
fn split(path: &str) -> (impl Iterator<Item = &str>, &str) {
    let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
    (above.split('/').filter(|name| !name.is_empty()), name)
}

fn gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
