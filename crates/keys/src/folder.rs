//! Small files that are written whole or not at all, for their owner alone.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use kernel::{Rng, SystemRng, random_hex};

/// How a file is called while it is being written.
const NEW: &str = ".new-";

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
    let (new, mut file) = begin(folder, name)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let target = folder.join(name);
    let named = written.and_then(|()| match place {
        Place::Replace => fs::rename(&new, &target).map(|()| true),
        // A link is made only where there is no file of that name: the one step in which two
        // processes are told apart.
        Place::Create => match fs::hard_link(&new, &target) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        },
    });
    let removed = match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    let named = named?;
    if named {
        File::open(folder)?.sync_all()?;
    }
    removed.map(|()| named)
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
        let Ok(file) = OpenOptions::new().write(true).open(&path) else { continue };
        match file.try_lock() {
            Ok(()) => match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            },
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(())
}

/// A new file of a name of its own, locked for as long as it is open.
fn begin(folder: &Path, name: &str) -> io::Result<(PathBuf, File)> {
    loop {
        let tail = random_hex(&SystemRng as &dyn Rng, 8).map_err(io::Error::other)?;
        let path = folder.join(format!(".{name}{NEW}{tail}"));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.lock()?;
        // Whoever cleans up may have had the lock first, and removed it.
        if path.exists() {
            return Ok((path, file));
        }
    }
}
