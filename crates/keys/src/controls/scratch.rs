//! A folder for one bite or rehearsal, gone when it is dropped.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use kernel::{Rng, random_hex};

/// The folder. Nobody else can enter it.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Makes one below `parent`.
    pub(super) fn new(parent: &Path, rng: &dyn Rng) -> Result<Self, String> {
        let told = |e: &dyn std::fmt::Display| {
            format!("no scratch folder could be made in {}: {e}", parent.display())
        };
        let name = random_hex(rng, 8).map_err(|e| told(&e))?;
        let folder = parent.join(format!("keys-{name}"));
        let made = DirBuilder::new().mode(0o700).recursive(true).create(&folder);
        made.map_err(|e| told(&e))?;
        Ok(Self(folder))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left holds canaries alone.
        let _ = fs::remove_dir_all(&self.0);
    }
}
