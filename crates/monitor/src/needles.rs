//! The secrets that are in use, looked for byte for byte: the surest detector there is.

use kernel::Secret;
use memchr::memmem::Finder;

/// A secret shorter than this turns up by chance, so it is not looked for. In bytes.
const MIN_BYTES: usize = 8;

/// The detector's name in findings.
pub(crate) const IN_USE: &str = "secret-in-use";

/// The secrets in use.
pub(crate) struct Needles<'s> {
    finders: Vec<(Finder<'s>, &'s [u8])>,
    /// How many were too short to be looked for.
    pub(crate) too_short: usize,
}

impl<'s> Needles<'s> {
    pub(crate) fn new(secrets: &'s [Secret]) -> Self {
        let long = |secret: &&Secret| secret.expose().trim().len() >= MIN_BYTES;
        let finders: Vec<_> = secrets
            .iter()
            .filter(long)
            // A secret read from a file may carry the line's end.
            .map(|secret| secret.expose().trim().as_bytes())
            .map(|bytes| (Finder::new(bytes), bytes))
            .collect();
        Self { too_short: secrets.len() - finders.len(), finders }
    }

    /// Where the first occurrence of each secret begins, in bytes, and the secret.
    pub(crate) fn search(&self, bytes: &[u8]) -> Vec<(usize, &'s [u8])> {
        self.finders
            .iter()
            .filter_map(|(finder, secret)| Some((finder.find(bytes)?, *secret)))
            .collect()
    }
}
