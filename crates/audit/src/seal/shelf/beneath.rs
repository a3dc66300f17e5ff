//! A folder that is open, and what lies beneath it, one name at a time.
//!
//! It promises that nothing is read, written, made or removed outside of it, whatever somebody else
//! does to its names in that moment: a link on the way is an error, and is never followed.
//!
//! It does not stop who moves a folder elsewhere while it is open: that one may write there too.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{self as unix, AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

/// How deep a folder that is removed may be: no log has more.
const MAX_DEPTH: usize = 8;

/// An open folder.
#[derive(Debug)]
pub(super) struct Beneath(OwnedFd);

impl Beneath {
    /// The folder of this path. Links on the way are whoever's who configured it.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(unix::open(folder, flags, Mode::empty())?))
    }

    /// The same, made with those above it where it is not there.
    pub(super) fn made(folder: &Path) -> io::Result<Self> {
        match Self::open(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        make(folder)?;
        Self::open(folder)
    }

    /// The folder of this name in it.
    pub(super) fn folder(&self, name: &str) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match unix::openat(&self.0, name, flags, Mode::empty()) {
            Ok(opened) => Ok(Self(opened)),
            // A link is told from a file, which is where no folder is.
            Err(Errno::NOTDIR | Errno::LOOP) if self.is_link(name) => Err(link(name)),
            Err(error) => Err(error.into()),
        }
    }

    /// The same, made where it is not there, so that it lasts.
    pub(super) fn folder_made(&self, name: &str) -> io::Result<Self> {
        match self.folder(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        match unix::mkdirat(&self.0, name, Mode::RWXU) {
            Ok(()) => self.last()?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        self.folder(name)
    }

    /// The plain file of this name, to be read; `None` when what has the name is something else. It is
    /// not waited for.
    pub(super) fn file(&self, name: &str) -> io::Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = match unix::openat(&self.0, name, flags, Mode::empty()) {
            // A link; a socket.
            Err(Errno::LOOP | Errno::NXIO) => return Ok(None),
            opened => File::from(opened?),
        };
        Ok(opened.metadata()?.is_file().then_some(opened))
    }

    /// A new file of this name, to be written by its owner alone. An error where there is anything.
    pub(super) fn new_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(File::from(unix::openat(&self.0, name, flags | OFlags::CLOEXEC, mode)?))
    }

    /// The file of this name, made where it is not there, whose content may be replaced: a plain one
    /// with no other name, of the owner of this folder or of our own.
    pub(super) fn own_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mode = Mode::RUSR | Mode::WUSR;
        let opened = match unix::openat(&self.0, name, flags | OFlags::CLOEXEC, mode) {
            Err(Errno::LOOP) => return Err(link(name)),
            opened => File::from(opened?),
        };
        let (meta, owner) = (opened.metadata()?, unix::fstat(&self.0)?.st_uid);
        let own = [owner, rustix::process::geteuid().as_raw()].contains(&meta.uid());
        if meta.is_file() && meta.nlink() == 1 && own {
            return Ok(opened);
        }
        let what = "is another's, has two names, or is no plain file: it was left alone";
        Err(io::Error::other(format!("{name} {what}")))
    }

    /// Has the file `name` be `to` in the folder `there`, in the place of what was there.
    pub(super) fn rename(&self, name: &str, there: &Self, to: &str) -> io::Result<()> {
        Ok(unix::renameat(&self.0, name, &there.0, to)?)
    }

    /// The same, where nothing is there.
    pub(super) fn link(&self, name: &str, there: &Self, to: &str) -> io::Result<()> {
        Ok(unix::linkat(&self.0, name, &there.0, to, AtFlags::empty())?)
    }

    /// Removes the file of this name, or a link, and not where it leads.
    pub(super) fn remove_file(&self, name: &str) -> io::Result<()> {
        Ok(unix::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Removes what has this name: a file, or a folder with all that is in it.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        self.remove_below(name, MAX_DEPTH)
    }

    fn remove_below(&self, name: &str, depth: usize) -> io::Result<()> {
        match unix::unlinkat(&self.0, name, AtFlags::empty()) {
            Err(Errno::ISDIR) => {}
            done => return Ok(done?),
        }
        let deeper = depth.checked_sub(1);
        let deeper = deeper.ok_or_else(|| io::Error::other(format!("{name} is too deep")))?;
        let folder = self.folder(name)?;
        for entry in Dir::read_from(&folder.0)? {
            let entry = entry?;
            match entry.file_name().to_str() {
                Ok("." | "..") => {}
                Ok(inside) => folder.remove_below(inside, deeper)?,
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(unix::unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    /// Makes the names in it last.
    pub(super) fn last(&self) -> io::Result<()> {
        Ok(unix::fsync(&self.0)?)
    }

    fn is_link(&self, name: &str) -> bool {
        unix::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
    }
}

fn link(name: &str) -> io::Error {
    io::Error::other(format!("{name} is a link: it was not followed"))
}

/// Makes a folder and those above it, for their owner alone, so that they last.
fn make(folder: &Path) -> io::Result<()> {
    let create = || DirBuilder::new().mode(0o700).create(folder);
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
    match (create(), above) {
        (Err(error), Some(above)) if error.kind() == io::ErrorKind::NotFound => {
            make(above)?;
            create()?;
        }
        (Err(error), _) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        (done, _) => done?,
    }
    Beneath::open(above.unwrap_or(Path::new(".")))?.last()
}
