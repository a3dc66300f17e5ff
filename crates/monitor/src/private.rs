//! The files that hold our secrets: readable and writable by their owner alone, and ours.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use kernel::Finding;

/// The rights of everybody but the owner.
const OTHERS: u32 = 0o077;
/// The rights, without the kind of file.
const RIGHTS: u32 = 0o7777;

/// What is wrong with the private file or folder at `path`, if anything.
///
/// # Errors
/// When it cannot be looked at, as when it is not there.
pub(crate) fn check(path: &Path, own_user: u32) -> Result<Option<Finding>, String> {
    let shown = path.display().to_string();
    let data = fs::symlink_metadata(path).map_err(|e| format!("{shown}: {e}"))?;
    let mode = data.mode() & RIGHTS;
    let finding = if data.file_type().is_symlink() {
        Finding::new(shown, "a file that holds a secret is a link to another place")
            .fix("Put the file itself here")
    } else if mode & OTHERS != 0 {
        Finding::new(
            &*shown,
            format!("a file that holds a secret is open to other users (mode {mode:04o})"),
        )
        .fix(format!("chmod go= {shown}"))
    } else if data.uid() != own_user {
        Finding::new(shown, format!("a file that holds a secret belongs to user {}", data.uid()))
            .fix("Give it to the user that Amanah runs as")
    } else {
        return Ok(None);
    };
    Ok(Some(finding))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::check;
    use crate::processes::own_user;

    #[test]
    fn a_private_file_is_ours_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "x").unwrap();
        let user = own_user().unwrap();
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(check(&path, user).unwrap().is_none(), good, "{mode:o}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(check(&path, user + 1).unwrap().is_some());
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(check(&link, user).unwrap().is_some());
        assert!(check(&folder.path().join("none"), user).is_err());
    }
}
