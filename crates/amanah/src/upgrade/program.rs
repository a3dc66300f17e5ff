//! Which program may take a house over.
//!
//! It gets the listeners, the lock and, through the environment, every secret of the house. So it has to be
//! a file that nobody but root and the user of the house can put something else in place of: the file and
//! every folder above it belong to one of them, and nobody else may write there. Nothing can change between
//! this look and the start but by those who could have changed it before.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::exit::Usage;

const WRITABLE_BY_OTHERS: u32 = 0o022;
const EXECUTABLE: u32 = 0o111;
/// In such a folder one takes away or renames one's own files alone.
const STICKY: u32 = 0o1000;

/// The program at `path` by its real name, if `user` may be replaced by it.
///
/// # Errors
/// [`Usage`] when it is no program, or when others could have put it there.
pub(crate) fn trusted(path: &Path, user: u32) -> anyhow::Result<PathBuf> {
    let wrong = |what: &str| Usage(format!("{}: {what}; nothing was changed", path.display()));
    let real = path.canonicalize().map_err(|error| wrong(&error.to_string()))?;
    let file = real.metadata().map_err(|error| wrong(&error.to_string()))?;
    if !file.is_file() || file.permissions().mode() & EXECUTABLE == 0 {
        return Err(wrong("it is no program").into());
    }
    for place in real.ancestors() {
        let seen = place.metadata().with_context(|| place.display().to_string())?;
        if !is_ours(&seen, user) {
            let place = place.display();
            let why = format!(
                "{place} does not belong to root or the user of the house, or others may write there"
            );
            return Err(wrong(&why).into());
        }
    }
    Ok(real)
}

fn is_ours(seen: &Metadata, user: u32) -> bool {
    let mode = seen.permissions().mode();
    let shared = mode & WRITABLE_BY_OTHERS != 0 && !(seen.is_dir() && mode & STICKY != 0);
    (seen.uid() == 0 || seen.uid() == user) && !shared
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir, set_permissions, write};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::Path;

    use super::trusted;

    /// What others can write is not started, nor what lies where they can.
    #[test]
    fn a_program_that_others_can_replace_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let user = dir.path().metadata().unwrap().uid();
        let folder = dir.path().join("bin");
        create_dir(&folder).unwrap();
        let program = folder.join("amanah");
        write(&program, "x").unwrap();
        let mode = |path: &Path, mode| set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let refused = |path: &Path| trusted(path, user).unwrap_err().to_string();
        mode(&folder, 0o755);
        mode(&program, 0o644);
        assert!(refused(&program).contains("no program"));
        assert!(refused(&folder).contains("no program"));
        assert!(refused(&folder.join("none")).contains("nothing was changed"));
        mode(&program, 0o755);
        let real = program.canonicalize().unwrap();
        assert_eq!(trusted(&program, user).unwrap(), real);
        let link = dir.path().join("link");
        symlink(&program, &link).unwrap();
        assert_eq!(trusted(&link, user).unwrap(), real, "its real name");
        for open in [0o775, 0o757] {
            mode(&program, open);
            assert!(refused(&program).contains("others may write"), "{open:o}");
            mode(&program, 0o755);
            mode(&folder, open);
            assert!(refused(&program).contains("others may write"), "{open:o}");
            mode(&folder, 0o1777);
            assert!(trusted(&program, user).is_ok(), "as in /tmp");
            mode(&folder, 0o755);
        }
        if user != 0 {
            assert!(trusted(&program, user + 1).is_err(), "somebody else's");
        } else {
            std::os::unix::fs::chown(&program, Some(4711), None).unwrap();
            assert!(refused(&program).contains("does not belong"));
        }
    }
}
