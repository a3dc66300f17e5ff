//! Files that are written whole or not at all: under a name of their own first, which they lose for
//! the right one when every byte has reached the disk.
//!
//! While it is written, a file is called `.NAME.new-` and 16 digits beside where it will be, and is
//! locked. So two writers never write into one file, and what a writer left that died is told from
//! what another one still writes.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use kernel::{Rng, random_hex};

/// What stands between the name that a file will have and the digits.
pub(crate) const NEW: &str = ".new-";
/// The random part of a name, in bytes; two digits each.
const TAIL_BYTES: usize = 8;

/// A file that is being written. Dropped before it has its name, it goes.
#[derive(Debug)]
pub struct Unfinished {
    file: File,
    path: PathBuf,
    target: PathBuf,
}

impl Unfinished {
    /// Begins a file that is to be called `target`, for its owner alone.
    ///
    /// # Errors
    /// Those of the system; [`io::ErrorKind::InvalidInput`] when `target` names no file.
    pub fn begin(target: &Path, rng: &dyn Rng) -> io::Result<Self> {
        let (folder, name) = parts(target)?;
        loop {
            let tail = random_hex(rng, TAIL_BYTES).map_err(io::Error::other)?;
            let mut own = OsStr::new(".").to_owned();
            own.push(name);
            own.push(NEW);
            own.push(tail);
            let path = folder.join(own);
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.lock()?;
            // Whoever sweeps may have had the lock first, and removed it.
            if path.exists() {
                return Ok(Self { file, path, target: target.to_owned() });
            }
        }
    }

    /// The file, to be written to.
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Gives it this mode.
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_permissions(&self, mode: Permissions) -> io::Result<()> {
        self.file.set_permissions(mode)
    }

    /// Gives it owner and mode of the file that it will replace, if there is one.
    ///
    /// # Errors
    /// Those of the system, as when only root may give the file to its owner.
    pub fn take_after_target(&self) -> io::Result<()> {
        let before = match fs::metadata(&self.target) {
            Ok(before) => before,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let made = self.file.metadata()?;
        if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
            fchown(&self.file, Some(before.uid()), Some(before.gid()))?;
        }
        self.set_permissions(before.permissions())
    }

    /// Gives it its name, in the place of the file that has it, and makes both last.
    ///
    /// # Errors
    /// Those of the system; the file that was there is as it was then.
    pub fn replace(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, &self.target)?;
        sync_folder(&self.target)
    }

    /// Gives it its name where no file has it, and makes both last. `false` when one has it.
    ///
    /// # Errors
    /// Those of the system.
    pub fn create(self) -> io::Result<bool> {
        self.file.sync_all()?;
        // A link is made only where there is no file of that name: the one step in which two
        // writers are told apart.
        match fs::hard_link(&self.path, &self.target) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            // Some filesystems know no links, FAT for one. There the best that can be had is to
            // look first.
            Err(error) if no_links(&error) && !self.target.try_exists()? => {
                fs::rename(&self.path, &self.target)?;
            }
            Err(error) => return Err(error),
        }
        sync_folder(&self.target)?;
        Ok(true)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After a rename there is none. One that cannot be removed is swept by the next writer.
        let _ = fs::remove_file(&self.path);
    }
}

/// Writes `bytes` into the file `target`, whole and lasting, with this mode, and removes what
/// earlier writers of it left behind.
///
/// # Errors
/// Those of the system; the file that was there is as it was then.
pub fn replace(target: &Path, bytes: &[u8], mode: u32, rng: &dyn Rng) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    sweep(target)?;
    let fresh = Unfinished::begin(target, rng)?;
    fresh.set_permissions(Permissions::from_mode(mode))?;
    fresh.file().write_all(bytes)?;
    fresh.replace()
}

/// Removes what writers of `target` left behind when they died. What another one still writes
/// stays, and so does every file whose name is not exactly of our form.
///
/// # Errors
/// Those of the system.
pub fn sweep(target: &Path) -> io::Result<()> {
    for path in unfinished(target)? {
        if let Some(dead) = Dead::find(&path)? {
            dead.remove()?;
        }
    }
    Ok(())
}

/// The files that are, or were, being written to become `target`.
pub(crate) fn unfinished(target: &Path) -> io::Result<Vec<PathBuf>> {
    let (folder, name) = parts(target)?;
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && target_of(&entry.file_name()) == Some(name) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// What the file of this name will be called, when the name is exactly one of an unfinished file.
pub(crate) fn target_of(name: &OsStr) -> Option<&OsStr> {
    let rest = name.as_bytes().strip_prefix(b".")?;
    let (rest, tail) = rest.split_at_checked(rest.len().checked_sub(2 * TAIL_BYTES)?)?;
    let digits = tail.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let target = rest.strip_suffix(NEW.as_bytes())?;
    (digits && !target.is_empty()).then(|| OsStr::from_bytes(target))
}

/// A file whose writer died, locked so that nobody else takes it for one.
pub(crate) struct Dead {
    file: File,
    path: PathBuf,
}

impl Dead {
    /// The file at `path`; `None` when its writer lives, or it is not there or not ours to open.
    pub(crate) fn find(path: &Path) -> io::Result<Option<Self>> {
        let Ok(file) = OpenOptions::new().read(true).write(true).open(path) else {
            return Ok(None);
        };
        match file.try_lock() {
            // Whoever had the lock before may have removed it, or given it its name.
            Ok(()) if !path.exists() => Ok(None),
            Ok(()) => Ok(Some(Self { file, path: path.to_owned() })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The file, for reading.
    pub(crate) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Removes it.
    pub(crate) fn remove(self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn no_links(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied)
}

/// The folder that a file lies in, and its name.
fn parts(target: &Path) -> io::Result<(&Path, &OsStr)> {
    let nameless = || io::Error::new(io::ErrorKind::InvalidInput, "this is no name of a file");
    Ok((folder_of(target), target.file_name().ok_or_else(nameless)?))
}

fn folder_of(target: &Path) -> &Path {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

fn sync_folder(target: &Path) -> io::Result<()> {
    File::open(folder_of(target))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use kernel::SystemRng;

    use super::{Unfinished, replace, sweep, target_of};

    #[test]
    fn a_file_is_whole_or_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("file");
        let count = || fs::read_dir(dir.path()).unwrap().count();
        let fresh = Unfinished::begin(&target, &SystemRng).unwrap();
        fresh.file().write_all(b"half").unwrap();
        assert!(!target.exists() && count() == 1);
        drop(fresh);
        assert_eq!(count(), 0);
        let write = |text: &[u8]| {
            let fresh = Unfinished::begin(&target, &SystemRng).unwrap();
            fresh.file().write_all(text).unwrap();
            fresh
        };
        assert!(write(b"one").create().unwrap());
        assert!(!write(b"two").create().unwrap());
        assert_eq!((fs::read(&target).unwrap(), count()), (b"one".to_vec(), 1));
        replace(&target, b"three", 0o640, &SystemRng).unwrap();
        let mode = fs::metadata(&target).unwrap().permissions().mode() & 0o777;
        assert_eq!((fs::read(&target).unwrap(), count(), mode), (b"three".to_vec(), 1, 0o640));
        let fresh = write(b"four");
        fresh.take_after_target().unwrap();
        fresh.replace().unwrap();
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
    }

    /// What a living writer writes stays, and so does everything that is called otherwise.
    #[test]
    fn only_what_is_surely_ours_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("file");
        let place = |name: &str| dir.path().join(name);
        let dead = place(".file.new-0123456789abcdef");
        fs::write(&dead, b"half").unwrap();
        let others = [
            "file.new",
            "file.new-0123456789abcdef",
            ".file.new-0123456789abcde",
            ".file.new-0123456789abcdef0",
            ".file.new-0123456789ABCDEF",
            ".other.new-0123456789abcdef",
            ".afile.new-0123456789abcdef",
        ];
        for name in others {
            fs::write(place(name), b"a stranger's").unwrap();
        }
        fs::create_dir(place(".file.new-00000000000000ff")).unwrap();
        let living = Unfinished::begin(&target, &SystemRng).unwrap();
        sweep(&target).unwrap();
        assert!(!dead.exists());
        assert!(others.iter().all(|name| place(name).exists()));
        assert!(living.create().unwrap());
    }

    #[test]
    fn a_name_says_what_it_will_become() {
        let target = |name: &'static str| target_of(OsStr::new(name));
        assert_eq!(target(".a.new-0123456789abcdef"), Some(OsStr::new("a")));
        assert_eq!(target(".a.key.new-0123456789abcdef"), Some(OsStr::new("a.key")));
        for other in ["", ".", "é", ".new-0123456789abcdef", "..new-0123456789abcdef0", "a.new-"] {
            assert_eq!(target(other), None, "{other}");
        }
    }
}
