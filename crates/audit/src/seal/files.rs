//! The files of a log, read without believing any of them.
//!
//! It promises that whatever lies on the shelf, reading it is bounded and ends in an answer. Here is the
//! only place that knows which file a tile or a bundle is in: a partial one may be gone once the full
//! one is there, so the beginning of the full one does in its place. Whoever names damages takes the
//! answer as it is; [`LogReader`](super::LogReader), which builds upon what it reads, makes an error of
//! all that is not [`Read::There`].
//!
//! The attack it stops: a tile or bundle that is cut, too long or of another width, by which a reader
//! would stop, run out of memory, or take one entry for another.

use std::ops::Range;

use sha2::{Digest as _, Sha256};
use tlog::{HASH_BYTES, Hash, Tile, WIDTH, bundle_path, open_bundle};

use super::shelf::{MAX_BUNDLE_BYTES, MAX_TILE_BYTES, Shelf};
use crate::{Error, Result};

/// Bytes of the length in front of an entry.
const LENGTH: usize = 2;

/// What came of reading a file.
#[derive(Debug)]
pub(crate) enum Read<T> {
    There(T),
    Missing,
    /// It is there and is not what it should be; why.
    Broken(String),
}

impl<T> Read<T> {
    fn and<U>(self, then: impl FnOnce(T) -> Read<U>) -> Read<U> {
        match self {
            Self::There(value) => then(value),
            Self::Missing => Read::Missing,
            Self::Broken(why) => Read::Broken(why),
        }
    }
}

/// The files of a log of a certain size.
#[derive(Clone, Copy)]
pub(crate) struct Files<'a> {
    pub(crate) shelf: &'a dyn Shelf,
    pub(crate) size: u64,
}

/// The entries of one bundle.
#[derive(Debug, Default)]
pub(crate) struct Bundle {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Bundle {
    /// Its entries, in their order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &[u8]> {
        self.places.iter().filter_map(|place| self.bytes.get(place.clone()))
    }

    /// The entry at this place in it.
    pub(crate) fn entry(&self, place: usize) -> Option<&[u8]> {
        self.bytes.get(self.places.get(place)?.clone())
    }

    /// Tells it from any other.
    pub(crate) fn mark(&self) -> [u8; HASH_BYTES] {
        let mut hash = Sha256::new();
        for entry in self.entries() {
            hash.update(entry.len().to_be_bytes());
            hash.update(entry);
        }
        hash.finalize().into()
    }

    /// The first `width` entries of a bundle that has `there`.
    fn open(bytes: Vec<u8>, there: u64, width: u64) -> tlog::Result<Self> {
        let mut end = 0;
        let places = open_bundle(&bytes, there)?.into_iter().map(|entry| {
            let start = end + LENGTH;
            end = start + entry.len();
            start..end
        });
        let places = places.take(usize::try_from(width).unwrap_or(usize::MAX)).collect();
        Ok(Self { bytes, places })
    }
}

impl Files<'_> {
    /// How many hashes the tree has `level` tiles above its leaves.
    pub(crate) fn hashes_at(&self, level: u32) -> u64 {
        tlog::hashes_at(self.size, level)
    }

    /// The tile `index` of a level, as wide as it is in this log; `None` where there is none.
    pub(crate) fn tile(&self, level: u32, index: u64) -> Option<Tile> {
        let width = WIDTH.min(self.hashes_at(level).checked_sub(index.checked_mul(WIDTH)?)?);
        (width > 0).then_some(Tile { level, index, width })
    }

    /// The hashes of a tile.
    ///
    /// # Errors
    /// When the shelf cannot be read now: that says nothing of what lies there.
    pub(crate) async fn hashes(&self, tile: Tile) -> Result<Read<Vec<Hash>>> {
        let full = Tile { width: WIDTH, ..tile };
        let file = self.file((tile.path(), tile.width), full.path(), MAX_TILE_BYTES).await?;
        Ok(file.and(|(bytes, width)| match (Tile { width, ..tile }).read(&bytes) {
            Ok(mut hashes) => {
                hashes.truncate(usize::try_from(tile.width).unwrap_or(usize::MAX));
                Read::There(hashes)
            }
            Err(error) => Read::Broken(error.to_string()),
        }))
    }

    /// The bundle `index`, as wide as it is in this log.
    ///
    /// # Errors
    /// As [`Files::hashes`].
    pub(crate) async fn bundle(&self, index: u64) -> Result<Read<Bundle>> {
        let Some(Tile { width, .. }) = self.tile(0, index) else { return Ok(Read::Missing) };
        let (path, full) = (bundle_path(index, width), bundle_path(index, WIDTH));
        let file = self.file((path, width), full, MAX_BUNDLE_BYTES).await?;
        Ok(file.and(|(bytes, there)| match Bundle::open(bytes, there, width) {
            Ok(bundle) => Read::There(bundle),
            Err(error) => Read::Broken(error.to_string()),
        }))
    }

    /// The file at a path, or the full one that took its place, and how wide it is.
    async fn file(
        &self,
        (path, width): (String, u64),
        full: String,
        limit: usize,
    ) -> Result<Read<(Vec<u8>, u64)>> {
        for (path, width) in [(&path, width), (&full, WIDTH)] {
            match self.shelf.read(path, limit).await {
                Ok(Some(bytes)) => return Ok(Read::There((bytes, width))),
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
pub(crate) fn perfect(hashes: &[Hash]) -> Option<Hash> {
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
