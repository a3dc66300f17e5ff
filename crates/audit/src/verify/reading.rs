//! The files of a log, read without believing any of them.
//!
//! A partial tile or bundle may be gone once the full one is there, so the beginning of the full one
//! does in its place.

use std::ops::Range;

use sha2::{Digest as _, Sha256};
use tlog::{HASH_BYTES, Hash, Tile, WIDTH, bundle_path};

use crate::seal::{MAX_BUNDLE_BYTES, MAX_TILE_BYTES, Shelf};
use crate::{Error, Result};

/// Bytes of the length in front of an entry.
const LENGTH: usize = 2;

/// What came of reading a file.
#[derive(Debug)]
pub(super) enum Read<T> {
    There(T),
    Missing,
    /// It is there and is not what it should be; why.
    Broken(String),
}

/// The files of a log of a certain size.
#[derive(Clone, Copy)]
pub(super) struct Log<'a> {
    pub(super) shelf: &'a dyn Shelf,
    pub(super) size: u64,
}

/// The entries of one bundle.
#[derive(Debug, Default)]
pub(super) struct Bundle {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Bundle {
    /// Its entries, in their order.
    pub(super) fn entries(&self) -> impl Iterator<Item = &[u8]> {
        self.places.iter().filter_map(|place| self.bytes.get(place.clone()))
    }

    /// The entry at this place in it.
    pub(super) fn entry(&self, place: usize) -> Option<&[u8]> {
        self.bytes.get(self.places.get(place)?.clone())
    }

    /// Tells it from any other.
    pub(super) fn mark(&self) -> [u8; HASH_BYTES] {
        let mut hash = Sha256::new();
        for entry in self.entries() {
            hash.update(entry.len().to_be_bytes());
            hash.update(entry);
        }
        hash.finalize().into()
    }

    /// The first `width` entries of a bundle that may have more.
    fn open(bytes: Vec<u8>, width: u64) -> Read<Self> {
        let mut places = Vec::new();
        let mut at = 0;
        for _ in 0..width {
            let Some(length) = bytes.get(at..).and_then(<[u8]>::first_chunk::<LENGTH>) else {
                return Read::Broken(format!("it ends after {} of {width} entries", places.len()));
            };
            let place = at + LENGTH..at + LENGTH + usize::from(u16::from_be_bytes(*length));
            if place.end > bytes.len() {
                return Read::Broken(format!("it ends within its entry {}", places.len()));
            }
            at = place.end;
            places.push(place);
        }
        Read::There(Self { bytes, places })
    }
}

impl Log<'_> {
    /// How many hashes the tree has `level` tiles above its leaves.
    pub(super) fn hashes_at(&self, level: u32) -> u64 {
        tlog::hashes_at(self.size, level)
    }

    /// The tile `index` of a level, as wide as it is in this log; `None` where there is none.
    pub(super) fn tile(&self, level: u32, index: u64) -> Option<Tile> {
        let width = WIDTH.min(self.hashes_at(level).checked_sub(index.checked_mul(WIDTH)?)?);
        (width > 0).then_some(Tile { level, index, width })
    }

    /// The hashes of a tile.
    pub(super) async fn hashes(&self, tile: Tile) -> Result<Read<Vec<Hash>>> {
        let full = Tile { width: WIDTH, ..tile };
        Ok(match self.file(tile.path(), full.path(), MAX_TILE_BYTES).await? {
            Read::There((bytes, partial)) => {
                let as_wide = if partial { tile } else { full };
                let hashes = as_wide.read(&bytes).map(|mut hashes| {
                    hashes.truncate(usize::try_from(tile.width).unwrap_or(usize::MAX));
                    hashes
                });
                hashes.map_or_else(|error| Read::Broken(error.to_string()), Read::There)
            }
            Read::Missing => Read::Missing,
            Read::Broken(why) => Read::Broken(why),
        })
    }

    /// The bundle `index`, as wide as it is in this log.
    pub(super) async fn bundle(&self, index: u64) -> Result<Read<Bundle>> {
        let Some(Tile { width, .. }) = self.tile(0, index) else { return Ok(Read::Missing) };
        let (path, full) = (bundle_path(index, width), bundle_path(index, WIDTH));
        Ok(match self.file(path, full, MAX_BUNDLE_BYTES).await? {
            Read::There((bytes, partial)) => {
                let there = if partial { width } else { WIDTH };
                match tlog::open_bundle(&bytes, there).map(drop) {
                    Ok(()) => Bundle::open(bytes, width),
                    Err(error) => Read::Broken(error.to_string()),
                }
            }
            Read::Missing => Read::Missing,
            Read::Broken(why) => Read::Broken(why),
        })
    }

    /// The file at `path`, or the full one that took its place, and whether it was the first.
    async fn file(
        &self,
        path: String,
        full: String,
        limit: usize,
    ) -> Result<Read<(Vec<u8>, bool)>> {
        for (path, partial) in [(&path, true), (&full, false)] {
            match self.shelf.read(path, limit).await {
                Ok(Some(bytes)) => return Ok(Read::There((bytes, partial))),
                Ok(None) => {}
                // Longer than any such file, or no file: others can have put it there.
                Err(Error::Damaged { what, .. }) => return Ok(Read::Broken(what)),
                Err(error) => return Err(error),
            }
        }
        Ok(Read::Missing)
    }
}

/// The hash over neighbours, from the left: over a power of two of them, that of their node.
pub(super) fn perfect(hashes: &[Hash]) -> Option<Hash> {
    let mut edge = Vec::new();
    for (n, hash) in hashes.iter().enumerate() {
        let mut hash = *hash;
        let mut place = n;
        while place & 1 == 1
            && let Some(left) = edge.pop()
        {
            hash = Hash::node(&left, &hash);
            place >>= 1;
        }
        edge.push(hash);
    }
    tlog::Edge::fold(&edge)
}
