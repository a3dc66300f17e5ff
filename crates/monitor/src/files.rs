//! Which files there are, and their bytes, within bounds.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes. A larger one counts as not checked.
const MAX_FILE_BYTES: u64 = 16 << 20;
/// How many files are listed below one root; the rest count as not checked.
const MAX_FILES: usize = 200_000;
/// How deep folders may lie in each other.
const MAX_DEPTH: usize = 64;
/// How many bytes at a file's beginning tell text from something else.
const PROBE_BYTES: usize = 8_192;

/// Folders that are not entered: what is in them is made from what is beside them.
const MADE: [&str; 2] = ["target", "node_modules"];

/// The files below one root.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) files: BTreeSet<PathBuf>,
    /// What could not be listed, and why.
    pub(crate) unchecked: Vec<String>,
}

/// Lists the regular files below `root`, which must be canonical as `skip` must be. Links are not
/// followed, so the search neither leaves the root nor goes in circles.
pub(crate) fn list(root: &Path, skip: &[PathBuf]) -> Listing {
    let mut listing = Listing::default();
    let mut folders = vec![(root.to_path_buf(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if is_gone(&error) && depth > 0 => continue,
            Err(error) => {
                listing.fail(&folder, &error);
                continue;
            }
        };
        for entry in entries {
            let kind = entry.and_then(|entry| Ok((entry.file_type()?, entry.path())));
            match kind {
                Err(error) if is_gone(&error) => {}
                Err(error) => listing.fail(&folder, &error),
                Ok((kind, path)) if kind.is_dir() => {
                    if enters(&path, skip, &mut listing) {
                        if depth < MAX_DEPTH {
                            folders.push((path, depth + 1));
                        } else {
                            listing.unchecked.push(format!("{}: too deep", path.display()));
                        }
                    }
                }
                Ok((kind, path)) if kind.is_file() => {
                    if listing.files.len() >= MAX_FILES {
                        listing.unchecked.push(format!("{}: too many files", root.display()));
                        return listing;
                    }
                    listing.files.insert(path);
                }
                // Links, sockets, pipes: no bytes of their own.
                Ok(_) => {}
            }
        }
    }
    listing
}

/// Whether the folder `path` is searched. Of a repository's own folder only the configuration is:
/// it may hold an address with a token in it.
fn enters(path: &Path, skip: &[PathBuf], listing: &mut Listing) -> bool {
    let name = path.file_name().unwrap_or_default();
    if name == ".git" {
        let config = path.join("config");
        if config.is_file() {
            listing.files.insert(config);
        }
        return false;
    }
    !MADE.iter().any(|made| name == *made) && !skip.iter().any(|skipped| skipped == path)
}

impl Listing {
    fn fail(&mut self, path: &Path, error: &io::Error) {
        self.unchecked.push(format!("{}: {error}", path.display()));
    }
}

/// The bytes of a regular file, or `None` when it has gone since it was listed.
///
/// # Errors
/// When it cannot be read or is too large; the text says which.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let bytes = || {
        let mut bytes = Vec::new();
        fs::File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match bytes() {
        Ok(bytes) if bytes.len() as u64 > MAX_FILE_BYTES => {
            Err(format!("{}: it is larger than {} MiB", path.display(), MAX_FILE_BYTES >> 20))
        }
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// Whether the bytes are text: no zero byte near the beginning.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    !bytes.iter().take(PROBE_BYTES).any(|byte| *byte == 0)
}

/// Whether a file holds settings, where values stand without quotes.
pub(crate) fn is_settings(path: &Path) -> bool {
    const ENDINGS: [&str; 10] =
        ["env", "ini", "conf", "cfg", "properties", "yml", "yaml", "toml", "service", "tfvars"];
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ending = name.rsplit('.').next().unwrap_or_default();
    name.starts_with(".env") || name.contains("Dockerfile") || ENDINGS.contains(&ending)
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{MAX_FILE_BYTES, is_settings, list, read};

    #[test]
    fn everything_is_listed_but_links_and_what_was_made() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for folder in ["a/b", ".git/objects", "target", "data", "c/node_modules"] {
            fs::create_dir_all(root.join(folder)).unwrap();
            fs::write(root.join(folder).join("file"), "x").unwrap();
        }
        fs::write(root.join(".git/config"), "x").unwrap();
        std::os::unix::fs::symlink("/", root.join("a/link")).unwrap();
        std::os::unix::fs::symlink("file", root.join("a/b/link")).unwrap();
        let listing = list(&root, &[root.join("data")]);
        let files: Vec<_> =
            listing.files.iter().map(|file| file.strip_prefix(&root).unwrap()).collect();
        assert_eq!(files, [Path::new(".git/config"), Path::new("a/b/file")]);
        assert_eq!(listing.unchecked, [""; 0]);
        assert_eq!(list(&root.join("none"), &[]).unchecked.len(), 1);
    }

    #[test]
    fn a_file_too_large_is_not_checked_and_one_that_went_is_no_file() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("large");
        fs::File::create(&path).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
        assert!(read(&path).unwrap_err().ends_with("larger than 16 MiB"));
        assert_eq!(read(&root.path().join("none")), Ok(None));
    }

    #[test]
    fn settings_are_known_by_their_name() {
        for name in [".env", ".env.local", "a/amanah.toml", "b/Dockerfile", "x.yml"] {
            assert!(is_settings(Path::new(name)), "{name}");
        }
        for name in ["main.rs", "env.rs", "README.md", ""] {
            assert!(!is_settings(Path::new(name)), "{name}");
        }
    }
}
