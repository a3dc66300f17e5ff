//! A sealed file's place: its own name and its sidecar's, taken both or not at all.

use std::io;
use std::path::Path;

use kernel::Rng;

use super::{Error, Keys, Object, Result, Sidecar, open_range};
use crate::whole::{self, Dead, Unfinished};

/// Whether an object can be sealed into the file `path`: neither it nor its sidecar is there. What
/// a seal that was killed left there is removed first.
///
/// Such a seal may have written the sidecar already. A sidecar that lies alone may also be all that
/// is left to open a file which somebody moved, so it is removed only when it was seen to open the
/// very stream that was left unfinished beside it.
///
/// # Errors
/// [`Error::Cipher`] when the folder cannot be read or the leftovers cannot be removed.
pub fn vacate(keys: &Keys, path: &Path) -> Result<bool> {
    if path.try_exists().map_err(failed)? {
        return Ok(false);
    }
    let beside = Sidecar::beside(path);
    for left in whole::unfinished(path).map_err(failed)? {
        let Some(dead) = Dead::find(&left).map_err(failed)? else { continue };
        if beside.try_exists().map_err(failed)? {
            let Ok(sidecar) = Sidecar::load(&beside) else { continue };
            // As what it says it is: whether it opens tells that it belongs to this stream.
            let (key, name) = (sidecar.key(), sidecar.object());
            let object = Object { key: &key, name };
            if open_range(keys, object, &sidecar, dead.file().map_err(failed)?).is_err() {
                continue;
            }
            std::fs::remove_file(&beside).map_err(failed)?;
        }
        dead.remove().map_err(failed)?;
    }
    whole::sweep(&beside).map_err(failed)?;
    Ok(!beside.try_exists().map_err(failed)?)
}

/// Gives the stream in `sealed` its name, `path`, after its sidecar has its own. `false` when one of
/// the two was there; then both are as they were.
///
/// # Errors
/// [`Error::Sidecar`] and [`Error::Cipher`] when one of them cannot be written.
pub fn settle(sealed: Unfinished, path: &Path, sidecar: &Sidecar, rng: &dyn Rng) -> Result<bool> {
    // Whole and lasting before the sidecar is there, so that what a kill leaves between the two
    // names can be told by opening it.
    sealed.file().sync_all().map_err(failed)?;
    if !sidecar.create(path, rng)? {
        return Ok(false);
    }
    // Whoever made the sidecar alone may give the object its name, so that no other seal comes
    // between. A rename does it in one step: after a link, the unfinished name would be there too,
    // and would make the sidecar look like a leftover to [`vacate`].
    let free = path.try_exists().map(|taken| !taken);
    let named =
        free.and_then(|free| if free { sealed.replace().map(|()| true) } else { Ok(false) });
    if matches!(named, Ok(false)) || !path.exists() {
        // It was made here, just now, so it opens nothing else.
        let _ = std::fs::remove_file(Sidecar::beside(path));
    }
    named.map_err(failed)
}

fn failed(why: io::Error) -> Error {
    cipher::Error::Io(why).into()
}
