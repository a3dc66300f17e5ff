//! After a rotation: every sidecar under a folder, moved to the newest version of its key.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kernel::Rng;

use super::sidecar::SIDECAR_SUFFIX;
use super::{Error, KeyRef, Keys, Result, Sidecar};
use crate::Progress;
use crate::whole::{Dead, target_of};

/// What became of the sidecars under a folder.
#[derive(Debug, Default)]
pub struct Rewrapped {
    /// So many were moved to the newest version.
    pub moved: usize,
    /// So many were there already, and were not touched.
    pub current: usize,
    /// So many belong to keys that were destroyed, and open nothing any more.
    pub shredded: usize,
    /// Those that could not be moved. They are as they were.
    pub left: Vec<Left>,
}

/// A sidecar, or a folder of them, that was left as it was.
#[derive(Debug)]
pub struct Left {
    /// Which one.
    pub place: PathBuf,
    /// Why.
    pub why: Error,
}

/// Moves every sidecar under `folder` to the newest version of its key, and never touches an
/// object. Each is replaced whole or not at all, and one that is current is left alone: when this
/// was stopped, begin it again and it goes on where it was. Symbolic links are not followed.
///
/// One sidecar that fails stops none of the others; it is in [`Rewrapped::left`].
///
/// # Errors
/// [`Error::Sidecar`] when `folder` itself cannot be read.
pub fn rewrap_tree(
    keys: &Keys,
    rng: &dyn Rng,
    folder: &Path,
    watch: &(dyn Fn(Progress) + Sync),
) -> Result<Rewrapped> {
    let mut outcome = Rewrapped::default();
    let sidecars = find(folder, &mut outcome)?;
    let mut newest = HashMap::new();
    let total = sidecars.len();
    watch(Progress { done: 0, total });
    for (done, place) in (1..).zip(sidecars) {
        match rewrap(keys, rng, &place, &mut newest) {
            Ok(true) => outcome.moved += 1,
            Ok(false) => outcome.current += 1,
            Err(Error::Shredded { .. }) => outcome.shredded += 1,
            Err(why) => outcome.left.push(Left { place, why }),
        }
        watch(Progress { done, total });
    }
    Ok(outcome)
}

/// Whether it had to be moved.
fn rewrap(
    keys: &Keys,
    rng: &dyn Rng,
    place: &Path,
    newest: &mut HashMap<KeyRef, Option<u32>>,
) -> Result<bool> {
    let sidecar = Sidecar::load(place)?;
    let key = sidecar.key();
    let version = if let Some(known) = newest.get(&key) {
        *known
    } else {
        let version = match keys.card(&key) {
            Ok(card) => card.newest().map(|newest| newest.version),
            // The ciphertext's own id knows more: whether the key was destroyed.
            Err(Error::Unknown(_)) => None,
            Err(other) => return Err(other),
        };
        newest.insert(key, version);
        version
    };
    // Of a newer version than was looked up: somebody rotated meanwhile.
    if version.is_some_and(|newest| sidecar.ciphertext().is_ok_and(|c| c.version >= newest)) {
        return Ok(false);
    }
    sidecar.rewrap(keys)?.store(place, rng)?;
    Ok(true)
}

/// The sidecars under `folder`, in order. Unfinished files that nobody writes any more go.
fn find(folder: &Path, outcome: &mut Rewrapped) -> Result<Vec<PathBuf>> {
    let mut sidecars = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        if let Err(error) = list(&next, &mut folders, &mut sidecars) {
            let why = Error::Sidecar { place: next.display().to_string(), why: error.to_string() };
            if next == folder {
                return Err(why);
            }
            outcome.left.push(Left { place: next, why });
        }
    }
    sidecars.sort();
    Ok(sidecars)
}

fn list(folder: &Path, folders: &mut Vec<PathBuf>, sidecars: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, entry.path());
        let name = entry.file_name();
        if kind.is_dir() {
            folders.push(path);
        } else if kind.is_file() && target_of(&name).is_some_and(is_sidecar) {
            remove_if_left_behind(&path);
        } else if kind.is_file() && is_sidecar(&name) {
            sidecars.push(path);
        }
    }
    Ok(())
}

/// Where it cannot be removed, it does no harm: all it has is another encryption of a stream key.
fn remove_if_left_behind(path: &Path) {
    if let Ok(Some(dead)) = Dead::find(path) {
        let _ = dead.remove();
    }
}

fn is_sidecar(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(SIDECAR_SUFFIX.as_bytes())
}
