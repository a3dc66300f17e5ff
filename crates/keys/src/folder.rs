//! Small files that are written whole or not at all, for their owner alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use kernel::SystemRng;

use crate::whole::{Dead, NEW, Unfinished};

/// Makes the folder, for its owner alone, if it is not there.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The file's bytes, at most `limit` and one more; `None` when there is no such file.
pub(crate) fn read(path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Waits for the lock that this file stands for, until what is returned is dropped or the process
/// ends.
pub(crate) fn lock(path: &Path) -> io::Result<File> {
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.lock()?;
    Ok(file)
}

/// How a written file comes to its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Only where there is none.
    Create,
    /// In the place of the one that is there.
    Replace,
}

/// Writes `bytes` to `name` in `folder`, whole and lasting. `false` when there is one already and
/// it is not to be replaced.
pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8], place: Place) -> io::Result<bool> {
    make(folder)?;
    let fresh = Unfinished::begin(&folder.join(name), &SystemRng)?;
    fresh.file().write_all(bytes)?;
    match place {
        Place::Replace => fresh.replace().map(|()| true),
        Place::Create => fresh.create(),
    }
}

/// Removes what writers of files whose names begin with `stem` left behind when they died. One
/// that is still writing holds a lock.
pub(crate) fn clean(folder: &Path, stem: &str) -> io::Result<()> {
    let ours = |name: &str| {
        let rest = name.strip_prefix('.').and_then(|name| name.strip_prefix(stem));
        rest.is_some_and(|rest| rest.contains(NEW))
    };
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.file_name().and_then(|name| name.to_str()).is_some_and(ours) {
            continue;
        }
        if let Some(dead) = Dead::find(&path)? {
            dead.remove()?;
        }
    }
    Ok(())
}
