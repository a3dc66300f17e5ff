//! The ring in a folder: one file for each generation.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use kernel::Fut;

use super::Shelf;
use crate::document::MAX_RING_BYTES;
use crate::folder::{self, Place};
use crate::{Error, Result};

/// How a generation's file is called, before its number of 16 digits.
const PREFIX: &str = "ring-";
/// The digits of a number: names in the order of their letters are in that of their numbers.
const DIGITS: usize = 16;
/// What a writer holds a lock on.
const LOCK: &str = ".lock";
/// So often the newest file is looked up again when it was removed before it could be read.
const MAX_LOOKS: u32 = 16;

/// A folder, for its owner alone, with a file `ring-0000000000000001` for each generation.
#[derive(Debug, Clone)]
pub struct Directory {
    folder: PathBuf,
}

impl Directory {
    /// A shelf in `folder`, which is made with the first generation.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The numbers that are there, in order.
    fn numbers(&self) -> io::Result<Vec<u64>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut numbers = Vec::new();
        for entry in entries {
            numbers.extend(entry?.file_name().to_str().and_then(number));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn find_newest(&self) -> io::Result<Option<(u64, Vec<u8>)>> {
        self.refuse_shared()?;
        for _ in 0..MAX_LOOKS {
            let Some(number) = self.numbers()?.pop() else { return Ok(None) };
            // It may be gone: somebody wrote a newer one and removed this.
            if let Some(bytes) = self.bytes(number)? {
                return Ok(Some((number, bytes)));
            }
        }
        Err(io::Error::other("its files come and go; stop whoever removes them"))
    }

    fn bytes(&self, number: u64) -> io::Result<Option<Vec<u8>>> {
        folder::read(&self.folder.join(name(number)), MAX_RING_BYTES)
    }

    /// Two looks at names and nothing read: the next one is there, or this one is gone, which
    /// happens only when there are newer ones.
    fn follows(&self, number: u64) -> io::Result<bool> {
        let has = |number| self.folder.join(name(number)).try_exists();
        if number == 0 {
            return Ok(!self.numbers()?.is_empty());
        }
        Ok(has(number.saturating_add(1))? || !has(number)?)
    }

    /// One after the other: a writer that was held up for long may find its number free because
    /// it was taken, followed and removed meanwhile.
    fn create(&self, number: u64, bytes: &[u8]) -> io::Result<bool> {
        folder::make(&self.folder)?;
        let _lock = folder::lock(&self.folder.join(LOCK))?;
        if self.numbers()?.pop().is_some_and(|newest| newest >= number) {
            return Ok(false);
        }
        folder::write(&self.folder, &name(number), bytes, Place::Create)
    }

    fn remove_before(&self, number: u64) -> io::Result<()> {
        let mut numbers = self.numbers()?;
        // The newest stays, whatever is asked.
        let newest = numbers.pop();
        for old in numbers.into_iter().filter(|old| *old < number && Some(*old) < newest) {
            match fs::remove_file(self.folder.join(name(old))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        folder::clean(&self.folder, PREFIX)
    }

    /// Who may write to the folder can take the ring away or put an older one there.
    fn refuse_shared(&self) -> io::Result<()> {
        match fs::metadata(&self.folder) {
            Ok(meta) if meta.permissions().mode() & 0o022 != 0 => Err(io::Error::other(
                "other users of this machine may write to it; run `chmod 700` on it, after a \
                 look at what is in it",
            )),
            _ => Ok(()),
        }
    }

    fn failed(&self, error: &io::Error) -> Error {
        Error::Ring { place: self.place(), why: error.to_string() }
    }
}

impl Shelf for Directory {
    fn place(&self) -> String {
        self.folder.display().to_string()
    }

    fn newest(&self) -> Fut<'_, Result<Option<(u64, Vec<u8>)>>> {
        Box::pin(async { self.find_newest().map_err(|error| self.failed(&error)) })
    }

    fn put(&self, number: u64, bytes: Vec<u8>) -> Fut<'_, Result<bool>> {
        Box::pin(async move {
            let writer = self.clone();
            // It waits for the disk, so it is done where waiting is in nobody's way.
            let write = move || writer.create(number, &bytes);
            let written = tokio::task::spawn_blocking(write).await.map_err(io::Error::other);
            written.and_then(|written| written).map_err(|error| self.failed(&error))
        })
    }

    fn has_after(&self, number: u64) -> Fut<'_, Result<bool>> {
        Box::pin(async move { self.follows(number).map_err(|error| self.failed(&error)) })
    }

    fn prune(&self, number: u64) -> Fut<'_, Result<()>> {
        Box::pin(async move { self.remove_before(number).map_err(|error| self.failed(&error)) })
    }

    fn read(&self, number: u64) -> Fut<'_, Result<Option<Vec<u8>>>> {
        Box::pin(async move { self.bytes(number).map_err(|error| self.failed(&error)) })
    }

    fn glance(&self, number: u64) -> Result<Option<(u64, Vec<u8>)>> {
        let look = || {
            if !self.follows(number)? {
                return Ok(None);
            }
            Ok(self.find_newest()?.filter(|(found, _)| *found > number))
        };
        look().map_err(|error| self.failed(&error))
    }
}

fn name(number: u64) -> String {
    format!("{PREFIX}{number:0DIGITS$}")
}

/// The number in a file's name, if it is a generation's.
fn number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?;
    let plain = digits.len() >= DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    let number = plain.then(|| digits.parse().ok()).flatten()?;
    // One file for each number, and no other spelling of it.
    (self::name(number) == name).then_some(number)
}
