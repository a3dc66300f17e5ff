//! Reads a log: entries out of its bundles, hashes out of its tiles, proofs out of both.
//!
//! It promises an answer or an error: it is for whoever builds upon what it reads, so a file that is gone
//! or is not what it should be ends the reading. Whoever names such files instead, as the verifier
//! does, reads the [files](super::files) themselves. It does not say that the answer is true: only a
//! proof that leads to the root of a checkpoint, which somebody has signed, shows that.

use std::ops::Range;
use std::sync::Arc;

use tlog::{Edge, HEIGHT, Hash, Node, Tile, WIDTH, bundle_path, nodes_of};

use super::files::{Files, Read, perfect};
use super::shelf::Shelf;
use crate::{EpochLeaf, Error, Leaf, Result, RowLeaf};

/// The most entries that are read at once.
pub const MAX_ENTRIES_READ: u64 = 1 << 16;
/// So many entries are read at a time where one is looked for.
const STEP: u64 = 4096;

/// A log of so many entries on a shelf.
#[derive(Clone)]
pub struct LogReader {
    shelf: Arc<dyn Shelf>,
    size: u64,
}

impl LogReader {
    /// The log on `shelf` as a checkpoint of `size` knows it.
    pub fn new(shelf: Arc<dyn Shelf>, size: u64) -> Self {
        Self { shelf, size }
    }

    /// How many entries.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Where it lies.
    pub fn shelf(&self) -> &Arc<dyn Shelf> {
        &self.shelf
    }

    /// The bytes of the entries in `range`, of which there may be [`MAX_ENTRIES_READ`].
    ///
    /// # Errors
    /// When the log ends before, a bundle is gone or is none, or they are more than that.
    pub async fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>> {
        if range.end > self.size {
            return Err(tlog::Error::Beyond(range.end.saturating_sub(1), self.size).into());
        }
        if range.end.saturating_sub(range.start) > MAX_ENTRIES_READ {
            return Err(self.damaged("more of it was asked for than is read at once"));
        }
        let mut found = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let index = at / WIDTH;
            let first = index * WIDTH;
            let bundle = self.bundle(index).await?;
            let skip = usize::try_from(at - first).unwrap_or(usize::MAX);
            let take = usize::try_from(range.end.min(first + WIDTH) - at).unwrap_or(usize::MAX);
            found.extend(bundle.into_iter().skip(skip).take(take));
            at = first + WIDTH;
        }
        Ok(found)
    }

    /// The entries of bundle `index`, 256 of them but in the last one.
    ///
    /// # Errors
    /// When there is no such bundle, or what lies there is none.
    pub async fn bundle(&self, index: u64) -> Result<Vec<Vec<u8>>> {
        let Some(Tile { width, .. }) = self.files().tile(0, index) else {
            return Err(tlog::Error::Beyond(index.saturating_mul(WIDTH), self.size).into());
        };
        let bundle = self.files().bundle(index).await?;
        let bundle = self.there(&bundle_path(index, width), bundle)?;
        Ok(bundle.entries().map(<[u8]>::to_vec).collect())
    }

    /// The hash of a node, by the tile that it lies in or above.
    ///
    /// # Errors
    /// When the tree has no such node, or a tile is gone or is none.
    pub async fn node(&self, node: Node) -> Result<Hash> {
        let beyond = tlog::Error::Beyond(node.index, self.size);
        let (tile, offset) = Tile::of(node, self.size).ok_or(beyond)?;
        let hashes = self.tile(tile).await?;
        let below = offset..offset + (1_usize << (node.level % HEIGHT));
        let hash = hashes.get(below).and_then(perfect);
        hash.ok_or_else(|| self.damaged(&format!("{} is too short", tile.path())))
    }

    /// The hashes of a tile.
    ///
    /// # Errors
    /// When it is gone, or what lies there is none.
    pub async fn tile(&self, tile: Tile) -> Result<Vec<Hash>> {
        let hashes = self.files().hashes(tile).await?;
        self.there(&tile.path(), hashes)
    }

    /// The hash over a range of entries that a proof names.
    ///
    /// # Errors
    /// As [`LogReader::node`].
    pub async fn hash(&self, range: Range<u64>) -> Result<Hash> {
        let mut peaks = Vec::new();
        for node in nodes_of(range) {
            peaks.push(self.node(node).await?);
        }
        Ok(Edge::fold(&peaks).unwrap_or_else(Hash::empty))
    }

    /// The root, as the tiles have it.
    ///
    /// # Errors
    /// As [`LogReader::node`].
    pub async fn root(&self) -> Result<Hash> {
        Ok(self.edge().await?.root())
    }

    /// The right edge, from which the log grows.
    ///
    /// # Errors
    /// As [`LogReader::node`].
    pub async fn edge(&self) -> Result<Edge> {
        let mut peaks = Vec::new();
        for node in nodes_of(0..self.size) {
            peaks.push(self.node(node).await?);
        }
        Edge::resume(self.size, peaks).ok_or_else(|| self.damaged("it has no right edge"))
    }

    /// The hashes that lead from entry `index` to the root.
    ///
    /// # Errors
    /// When there is no such entry, or a tile is gone or is none.
    pub async fn inclusion(&self, index: u64) -> Result<Vec<Hash>> {
        self.hashes(tlog::inclusion(index, self.size)?).await
    }

    /// The hashes that show that the tree of `old` is the beginning of this one.
    ///
    /// # Errors
    /// When it is the larger one, or a tile is gone or is none.
    pub async fn consistency(&self, old: u64) -> Result<Vec<Hash>> {
        self.hashes(tlog::consistency(old, self.size)?).await
    }

    async fn hashes(&self, ranges: Vec<Range<u64>>) -> Result<Vec<Hash>> {
        let mut hashes = Vec::new();
        for range in ranges {
            hashes.push(self.hash(range).await?);
        }
        Ok(hashes)
    }

    /// Entry `index`, read.
    ///
    /// # Errors
    /// When there is none, or it is no entry of a trail.
    pub async fn leaf(&self, index: u64) -> Result<Leaf> {
        let entries = self.entries(index..index.saturating_add(1)).await?;
        let entry = entries.first().ok_or(tlog::Error::Beyond(index, self.size))?;
        Leaf::decode(entry)
    }

    /// The epochs with the numbers of their entries, oldest first. Numbers of epochs never fall along
    /// a log, so each is found by halving. In a log of which that is not true some may be missing here:
    /// only who reads every entry sees them all.
    ///
    /// # Errors
    /// When an entry that is looked at cannot be read, or the log does not begin with an epoch.
    pub async fn epochs(&self) -> Result<Vec<(u64, EpochLeaf)>> {
        let mut found = Vec::new();
        let mut from = 0;
        while from < self.size {
            let Leaf::Epoch(epoch) = self.leaf(from).await? else {
                return Err(self.damaged(&format!("entry {from} should begin an epoch")));
            };
            let number = epoch.epoch;
            found.push((from, epoch));
            // Below `low` all is of this epoch or before it; from `high` on all is later.
            let (mut low, mut high) = (from + 1, self.size);
            while low < high {
                let middle = low + (high - low) / 2;
                if self.epoch_at(middle, from).await? > number {
                    high = middle;
                } else {
                    low = middle + 1;
                }
            }
            from = low;
        }
        Ok(found)
    }

    /// The first entry of a row at `position` or behind it, by transaction and number, among those of one
    /// epoch, which are in order. It is found by halving, over entries that are of no row.
    ///
    /// # Errors
    /// When an entry that is looked at cannot be read.
    pub async fn first_row_at(
        &self,
        epoch: Range<u64>,
        position: (u64, i64),
    ) -> Result<Option<(u64, RowLeaf)>> {
        let Range { start: mut low, end: mut high } = epoch;
        let mut found = None;
        while low < high {
            let middle = low + (high - low) / 2;
            match self.next_row(middle..high).await? {
                Some((at, row)) if (row.xid, row.id) < position => low = at + 1,
                Some(row) => {
                    found = Some(row);
                    high = middle;
                }
                None => high = middle,
            }
        }
        Ok(found)
    }

    /// The newest entry of the row with this transaction and number, in any of `epochs`, which are all of
    /// the log.
    ///
    /// # Errors
    /// When an entry that is looked at cannot be read.
    pub async fn row(
        &self,
        epochs: &[(u64, EpochLeaf)],
        place: (u64, i64),
    ) -> Result<Option<(u64, RowLeaf)>> {
        let mut end = self.size;
        for (start, _) in epochs.iter().rev() {
            let found = self.first_row_at(*start..end, place).await?;
            if let Some(found) = found.filter(|(_, row)| (row.xid, row.id) == place) {
                return Ok(Some(found));
            }
            end = *start;
        }
        Ok(None)
    }

    /// The first entry of a row in a range.
    async fn next_row(&self, range: Range<u64>) -> Result<Option<(u64, RowLeaf)>> {
        for at in range {
            if let Leaf::Row(row) = self.leaf(at).await? {
                return Ok(Some((at, row)));
            }
        }
        Ok(None)
    }

    /// The last entry of a row in a range.
    ///
    /// # Errors
    /// When an entry that is looked at cannot be read.
    pub async fn last_row(&self, range: Range<u64>) -> Result<Option<RowLeaf>> {
        let mut end = range.end;
        while end > range.start {
            let start = range.start.max(end.saturating_sub(STEP));
            for entry in self.entries(start..end).await?.iter().rev() {
                if let Leaf::Row(row) = Leaf::decode(entry)? {
                    return Ok(Some(row));
                }
            }
            end = start;
        }
        Ok(None)
    }

    /// The epoch that entry `index` belongs to: its own, or that of the nearest one before it, of
    /// which `first` is an epoch.
    async fn epoch_at(&self, index: u64, first: u64) -> Result<u32> {
        let mut at = index;
        loop {
            match self.leaf(at).await? {
                Leaf::Row(row) => return Ok(row.epoch),
                Leaf::Epoch(epoch) => return Ok(epoch.epoch),
                Leaf::Erasure(_) if at > first => at -= 1,
                Leaf::Erasure(_) => return Err(self.damaged("an erasure stands before any epoch")),
            }
        }
    }

    fn files(&self) -> Files<'_> {
        Files { shelf: &*self.shelf, size: self.size }
    }

    /// What was read, if it is there and is what it should be.
    fn there<T>(&self, path: &str, read: Read<T>) -> Result<T> {
        match read {
            Read::There(value) => Ok(value),
            Read::Missing => Err(self.damaged(&format!("{path} is gone"))),
            Read::Broken(why) => Err(self.damaged(&format!("{path}: {why}"))),
        }
    }

    fn damaged(&self, what: &str) -> Error {
        let what = format!(
            "{what}. `amanah audit verify` names all that is, from a copy it can be put back"
        );
        Error::Damaged { place: self.shelf.place(), what }
    }
}
