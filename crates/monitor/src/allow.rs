//! The list of things that look like secrets and are none: published test vectors and samples.
//!
//! Each line of the file `.amanah-secrets-allow` at a root is `PATH:DIGEST REASON`. The digest is
//! the first 12 or more hexadecimal digits of the text's SHA-256 (`printf %s TEXT | sha256sum`).
//! Empty lines and lines that begin with `#` say nothing. A secret that is in use is never allowed,
//! whatever the list says.

use std::path::Path;

use kernel::hex;
use sha2::{Digest as _, Sha256};

/// The file's name at a root.
pub(crate) const ALLOW_FILE: &str = ".amanah-secrets-allow";
/// The shortest digest, in hexadecimal digits.
const MIN_DIGITS: usize = 12;

/// What one root allows.
#[derive(Debug, Default)]
pub(crate) struct Allowed {
    entries: Vec<Entry>,
    /// Numbers of the lines that could not be read; they allow nothing.
    pub(crate) unreadable: Vec<usize>,
}

#[derive(Debug)]
struct Entry {
    path: String,
    digest: String,
    used: bool,
}

impl Allowed {
    pub(crate) fn parse(text: &str) -> Self {
        let mut allowed = Self::default();
        for (n, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match entry(line) {
                Some(entry) => allowed.entries.push(entry),
                None => allowed.unreadable.push(n + 1),
            }
        }
        allowed
    }

    /// Whether `secret`, found in the file `path` below the root, is on the list.
    pub(crate) fn allows(&mut self, path: &Path, secret: &[u8]) -> bool {
        if self.entries.is_empty() {
            return false;
        }
        let digest = digest(secret);
        let mut any = false;
        for entry in &mut self.entries {
            if path == Path::new(&entry.path) && digest.starts_with(&entry.digest) {
                entry.used = true;
                any = true;
            }
        }
        any
    }

    /// How many lines have allowed nothing.
    pub(crate) fn unused(&self) -> usize {
        self.entries.iter().filter(|entry| !entry.used).count()
    }
}

fn entry(line: &str) -> Option<Entry> {
    let (key, reason) = line.split_once(char::is_whitespace)?;
    let (path, digest) = key.rsplit_once(':')?;
    let readable = !path.is_empty()
        && !reason.trim().is_empty()
        && digest.len() >= MIN_DIGITS
        && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    readable.then(|| Entry { path: path.to_owned(), digest: digest.to_owned(), used: false })
}

/// The SHA-256 of `secret` in lower-case hexadecimal digits.
pub(crate) fn digest(secret: &[u8]) -> String {
    hex(&Sha256::digest(secret))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Allowed;

    #[test]
    fn a_line_allows_one_text_in_one_file() {
        // SHA-256 of "abc" (FIPS 180-2).
        let mut allowed = Allowed::parse(
            "# samples\n\na/b.rs:ba7816bf8f01 published vector\nc.rs:ba7816bf8f01 another\n",
        );
        assert!(allowed.allows(Path::new("a/b.rs"), b"abc"));
        assert!(!allowed.allows(Path::new("a/b.rs"), b"abd"));
        assert!(!allowed.allows(Path::new("b.rs"), b"abc"));
        assert_eq!((allowed.unused(), allowed.unreadable.len()), (1, 0));
    }

    #[test]
    fn a_line_that_cannot_be_read_allows_nothing() {
        let mut allowed = Allowed::parse(
            "a:ba7816bf8f01\na:ba78 too short\nba7816bf8f01 no path\na:BA7816BF8F01 capitals\n:",
        );
        assert_eq!(allowed.unreadable, [1, 2, 3, 4, 5]);
        assert!(!allowed.allows(Path::new("a"), b"abc"));
    }
}
