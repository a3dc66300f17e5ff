//! The shape of a tree, and its right edge, which is all that growing it takes.

use std::ops::Range;

use crate::Hash;

/// A node of a perfect subtree: `2^level` leaves, of which the first is leaf `index * 2^level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// How far above the leaves.
    pub level: u32,
    /// Which one of its level.
    pub index: u64,
}

/// The nodes that together cover `leaves`, from the left: their hashes, put together by
/// [`Edge::fold`], are the hash over these leaves. Their beginning must be one where a subtree of
/// their length can begin, as it is in every range that a proof names.
pub fn nodes_of(leaves: Range<u64>) -> Vec<Node> {
    let mut all = Vec::new();
    let mut at = leaves.start;
    while at < leaves.end {
        let level = (leaves.end - at).ilog2();
        all.push(Node { level, index: at >> level });
        at += 1 << level;
    }
    all
}

/// The right edge of a tree: the hashes of [`nodes_of`] all of its leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    peaks: Vec<Hash>,
}

impl Edge {
    /// The edge of a tree of `size`, from the hashes of [`nodes_of`]`(0..size)`; `None` when they are
    /// more or fewer.
    pub fn resume(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        let expected = usize::try_from(size.count_ones()).ok()?;
        (peaks.len() == expected).then_some(Self { size, peaks })
    }

    /// How many leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf and hands over every node that is complete with it, from below.
    pub fn push(&mut self, leaf: Hash, mut completed: impl FnMut(Node, Hash)) {
        let index = self.size;
        let (mut level, mut hash) = (0, leaf);
        completed(Node { level, index }, hash);
        while (index >> level) & 1 == 1
            && let Some(left) = self.peaks.pop()
        {
            hash = Hash::node(&left, &hash);
            level += 1;
            completed(Node { level, index: index >> level }, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        Self::fold(&self.peaks).unwrap_or_else(Hash::empty)
    }

    /// Puts the hashes of neighbours together, the smallest first; `None` when there are none.
    pub fn fold(peaks: &[Hash]) -> Option<Hash> {
        peaks.iter().rev().copied().reduce(|right, left| Hash::node(&left, &right))
    }
}
