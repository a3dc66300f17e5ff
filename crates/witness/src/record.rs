//! What a witness keeps in its folder, whole or not at all: its key, the newest checkpoint of each log,
//! and what it was shown that did not fit.
//!
//! ```text
//! witness.key                     its name and its seed, for its owner alone
//! witness.lock                    held by the process that runs
//! logs/LOG                        the newest checkpoint of a log, signed and cosigned
//! evidence/LOG/KIND-DIGEST.txt    a checkpoint that did not fit, beside the one that was known
//! evidence/LOG/KIND-newest.txt    the newest of those for which there was no more room
//! ```
//!
//! LOG is the SHA-256 of the log's name, in hexadecimal: a name is nothing that a path could hold.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use kernel::{Rng, hex, random_hex, unhex};
use sha2::{Digest as _, Sha256};
use tlog::{Cosigner, MAX_SUBMISSION, Submission};
use zeroize::Zeroizing;

use crate::judge::Misfit;
use crate::{Error, Result};

/// The most cases of one kind that are kept of a log, and the newest one. The first ones are worth most.
const MAX_CASES: usize = 100;
/// The longest file of ours that is read, in bytes.
const MAX_FILE: u64 = 2 * MAX_SUBMISSION as u64;
/// Digits of a digest in the name of a case.
const CASE_DIGITS: usize = 16;

/// A witness's folder, held by this process.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    // Released when the process ends, however it ends.
    _lock: File,
}

/// What became of a checkpoint that did not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kept {
    /// It lies here now.
    New(PathBuf),
    /// It lay here already.
    Known,
    /// There are too many of its kind: it lies here until another one comes.
    Newest(PathBuf),
}

impl Folder {
    pub(super) fn open(root: &Path) -> Result<Self> {
        let cannot = |why: io::Error| Error::Folder { path: root.to_owned(), why };
        folder(root).map_err(cannot)?;
        let mut lock = OpenOptions::new();
        lock.create(true).truncate(false).write(true).mode(0o600);
        let lock = lock.open(root.join("witness.lock")).map_err(cannot)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Held(root.to_owned())),
            Err(TryLockError::Error(why)) => return Err(cannot(why)),
        }
        Ok(Self { root: root.to_owned(), _lock: lock })
    }

    /// The witness's key, made at the first start. `name` is only needed then; another one than it has
    /// is refused.
    pub(super) fn cosigner(&self, name: Option<&str>, rng: &dyn Rng) -> Result<Cosigner> {
        let path = self.root.join("witness.key");
        let bad = |why| Error::Key { path: path.clone(), why };
        let text = match read(&path)? {
            Some(text) => Zeroizing::new(text),
            None => self.make_key(&path, name, rng)?,
        };
        let mode = fs::metadata(&path).map_err(|why| cannot(&path, why))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(bad("others on this machine may read it; chmod 600, or begin anew"));
        }
        let (is, seed) = text.trim_end().split_once('\n').ok_or(bad("it is damaged"))?;
        if name.is_some_and(|name| name != is) {
            return Err(Error::Named { is: is.to_owned() });
        }
        let seed = unhex(seed).map(Zeroizing::new).ok_or(bad("it is damaged"))?;
        let seed: &[u8; 32] = seed.as_slice().try_into().map_err(|_| bad("it is damaged"))?;
        Ok(Cosigner::from_seed(is, seed)?)
    }

    fn make_key(
        &self,
        path: &Path,
        name: Option<&str>,
        rng: &dyn Rng,
    ) -> Result<Zeroizing<String>> {
        // A witness without its key but with checkpoints has lost it: it must not seem another one.
        if self.root.join("logs").exists() {
            let why = "it is gone, although checkpoints are here. Put its backup back, or begin anew \
                       in another folder";
            return Err(Error::Key { path: path.to_owned(), why });
        }
        let name = match name {
            Some(name) => name.to_owned(),
            None => format!("amanah-witness/{}", random_hex(rng, 4)?),
        };
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill(&mut *seed)?;
        // Refused before it is written: a name that cannot stand in a note.
        Cosigner::from_seed(&name, &seed)?;
        let text = Zeroizing::new(format!("{name}\n{}\n", *Zeroizing::new(hex(&*seed))));
        replace(path, text.as_bytes())?;
        Ok(text)
    }

    /// The newest checkpoint of `log`, as it was written.
    pub(super) fn newest(&self, log: &str) -> Result<Option<String>> {
        folder(&self.root.join("logs")).map_err(|why| cannot(&self.root, why))?;
        read(&self.file_of(log))
    }

    /// Replaces it. When this returns, it is there after whatever happens to the machine.
    pub(super) fn put(&self, log: &str, note: &str) -> Result<()> {
        replace(&self.file_of(log), note.as_bytes())
    }

    /// Keeps what did not fit, beside what was known.
    pub(super) fn keep(
        &self,
        log: &str,
        misfit: Misfit,
        request: &Submission,
        known: Option<&str>,
        at: Timestamp,
    ) -> Result<Kept> {
        let evidence = self.root.join("evidence");
        let own = evidence.join(digest(log));
        for path in [&evidence, &own] {
            folder(path).map_err(|why| cannot(path, why))?;
        }
        let kind = misfit.name();
        let mut case = digest(request.checkpoint.text());
        case.truncate(CASE_DIGITS);
        let path = own.join(format!("{kind}-{case}.txt"));
        if path.exists() {
            return Ok(Kept::Known);
        }
        let is_full = count(&own, kind).map_err(|why| cannot(&own, why))? >= MAX_CASES;
        let path = if is_full { own.join(format!("{kind}-newest.txt")) } else { path };
        let known = known.unwrap_or("nothing\n");
        let text = format!("{misfit}\nnoticed {at}\n\n== known ==\n{known}== shown ==\n{request}");
        replace(&path, text.as_bytes())?;
        Ok(if is_full { Kept::Newest(path) } else { Kept::New(path) })
    }

    /// Where the newest checkpoint of `log` lies.
    pub(super) fn file_of(&self, log: &str) -> PathBuf {
        self.root.join("logs").join(digest(log))
    }
}

fn digest(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn count(folder: &Path, kind: &str) -> io::Result<usize> {
    let mut found = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let whole = path.extension().is_some_and(|end| end == "txt");
        let name = path.file_stem().and_then(|name| name.to_str());
        found += usize::from(whole && name.is_some_and(|name| name.starts_with(kind)));
    }
    Ok(found)
}

/// Makes a folder that nobody else can enter, for ever.
fn folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    sync(path)
}

/// Has the folder that holds `path` know it also after the machine dies.
fn sync(path: &Path) -> io::Result<()> {
    // A path of one part lies where the process runs.
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn read(path: &Path) -> Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(cannot(path, why)),
    };
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text).map_err(|why| cannot(path, why))?;
    Ok(Some(text))
}

/// Writes a file whole or not at all, and makes it last. One process alone writes here, and no two of
/// its threads write one file, so that the name before is nobody else's.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = || {
        let new = path.with_extension("new");
        let mut file = OpenOptions::new();
        file.create(true).truncate(true).write(true).mode(0o600);
        let mut file = file.open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        sync(path)
    };
    written().map_err(|why| cannot(path, why))
}

fn cannot(path: &Path, why: io::Error) -> Error {
    Error::Folder { path: path.to_owned(), why }
}
