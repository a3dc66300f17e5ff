//! The files by which a log grows: its bundles of entries and its tiles.
//!
//! It promises that the files follow from the log as it was and the new entries alone, so that whoever
//! writes them a second time writes the same bytes; and that a log is only built upon when its tiles
//! and its last entries give the root that was signed.
//!
//! The attack it stops: a tile that was exchanged, on which the next checkpoint would be built, so
//! that the sealer itself signed the forgery. This module writes nothing.

use tlog::{Edge, HEIGHT, Hash, Tile, WIDTH, bundle_path, hashes_at, put_entry, tiles};

use super::LogReader;
use crate::{Error, Result};

/// The right edge of a log, with what its unfinished files hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Growth {
    edge: Edge,
    /// The hashes of the unfinished tile of each level.
    levels: Vec<Vec<Hash>>,
    /// The unfinished bundle.
    bundle: Vec<u8>,
}

impl Growth {
    /// The edge of the log that `reader` reads, if it is the one under `root`.
    ///
    /// # Errors
    /// When its files cannot be read, or give another root.
    pub async fn resume(reader: &LogReader, root: Hash) -> Result<Self> {
        let damaged = |what: &str| Error::Damaged {
            place: reader.shelf().place(),
            what: format!("{what}. Nothing was sealed onto it: put the log back from a copy"),
        };
        let (edge, size) = (reader.edge().await?, reader.size());
        if edge.root() != root {
            return Err(damaged("its tiles do not give the root of its checkpoint"));
        }
        let mut growth = Self { edge, ..Self::default() };
        let mut level = 0;
        while let there = hashes_at(size, level)
            && there > 0
        {
            let (index, width) = (there / WIDTH, there % WIDTH);
            let tile = Tile { level, index, width };
            growth.levels.push(if width == 0 { Vec::new() } else { reader.tile(tile).await? });
            level += 1;
        }
        if !size.is_multiple_of(WIDTH) {
            let mut hashes = Vec::new();
            for entry in reader.bundle(size / WIDTH).await? {
                hashes.push(Hash::leaf(&entry));
                put_entry(&mut growth.bundle, &entry)?;
            }
            // The hashes are those under the root, so the entries must be theirs.
            if growth.levels.first() != Some(&hashes) {
                return Err(damaged("its last entries do not fit its tiles"));
            }
        }
        Ok(growth)
    }

    /// How many entries.
    pub const fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The root over them.
    pub fn root(&self) -> Hash {
        self.edge.root()
    }

    /// Adds entries, and returns the files with which they are in the log.
    ///
    /// # Errors
    /// When an entry is too long; this one is to be thrown away then.
    pub fn grow(&mut self, entries: &[Vec<u8>]) -> Result<Vec<(String, Vec<u8>)>> {
        let old = self.size();
        let mut files = Vec::new();
        for entry in entries {
            put_entry(&mut self.bundle, entry)?;
            let levels = &mut self.levels;
            self.edge.push(Hash::leaf(entry), |node, hash| {
                if !node.level.is_multiple_of(HEIGHT) {
                    return;
                }
                let level = usize::try_from(node.level / HEIGHT).unwrap_or(usize::MAX);
                // Levels are completed from below, one more at a time.
                if levels.len() == level {
                    levels.push(Vec::new());
                }
                levels.get_mut(level).into_iter().for_each(|hashes| hashes.push(hash));
            });
            if self.size().is_multiple_of(WIDTH) {
                let path = bundle_path(self.size() / WIDTH - 1, WIDTH);
                files.push((path, std::mem::take(&mut self.bundle)));
            }
        }
        let size = self.size();
        if !entries.is_empty() && !size.is_multiple_of(WIDTH) {
            files.push((bundle_path(size / WIDTH, size % WIDTH), self.bundle.clone()));
        }
        for tile in tiles(old, size) {
            files.push((tile.path(), self.bytes(tile, old)));
        }
        self.forget(old);
        Ok(files)
    }

    /// The bytes of a tile that is new since `old`.
    fn bytes(&self, tile: Tile, old: u64) -> Vec<u8> {
        let level = usize::try_from(tile.level).unwrap_or(usize::MAX);
        let first = hashes_at(old, tile.level) / WIDTH;
        let skip = usize::try_from((tile.index - first) * WIDTH).unwrap_or(usize::MAX);
        let take = usize::try_from(tile.width).unwrap_or(usize::MAX);
        let hashes = self.levels.get(level).into_iter().flatten().skip(skip).take(take);
        hashes.flat_map(|hash| *hash.as_bytes()).collect()
    }

    /// Keeps of each level what stands in an unfinished tile.
    fn forget(&mut self, old: u64) {
        let size = self.size();
        for (level, hashes) in (0..).zip(&mut self.levels) {
            let full = hashes_at(size, level) / WIDTH - hashes_at(old, level) / WIDTH;
            let full = usize::try_from(full * WIDTH).unwrap_or(usize::MAX);
            hashes.drain(..full.min(hashes.len()));
        }
    }
}

/// The folders with unfinished files of a log of `old` that one of `size` has finished.
pub fn outgrown(old: u64, size: u64) -> Vec<String> {
    let mut folders = Vec::new();
    let mut look = |before: u64, now: u64, path: String| {
        let finished = !before.is_multiple_of(WIDTH) && before / WIDTH < now / WIDTH;
        folders.extend(path.rsplit_once('/').filter(|_| finished).map(|(folder, _)| folder.into()));
    };
    look(old, size, bundle_path(old / WIDTH, 1));
    let mut level = 0;
    while hashes_at(old, level) > 0 {
        let tile = Tile { level, index: hashes_at(old, level) / WIDTH, width: 1 };
        look(hashes_at(old, level), hashes_at(size, level), tile.path());
        level += 1;
    }
    folders
}
