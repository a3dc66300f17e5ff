//! Proofs that an entry is in a tree, and that one tree is the beginning of another (RFC 6962,
//! section 2.1; verified as RFC 9162, sections 2.1.3.2 and 2.1.4.2, has it).
//!
//! What a proof is made of is named as ranges of leaves, in the order of the proof: whoever has the
//! tiles reads the [`nodes_of`](crate::nodes_of) each and [folds](crate::Edge::fold) them.

use std::ops::Range;

use crate::{Error, Hash, Result};

/// The ranges whose hashes prove that entry `index` is in a tree of `size`.
///
/// # Errors
/// When the tree ends before it.
pub fn inclusion(index: u64, size: u64) -> Result<Vec<Range<u64>>> {
    if index >= size {
        return Err(Error::Beyond(index, size));
    }
    let (mut low, mut high) = (0, size);
    let mut ranges = Vec::new();
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            ranges.push(middle..high);
            high = middle;
        } else {
            ranges.push(low..middle);
            low = middle;
        }
    }
    ranges.reverse();
    Ok(ranges)
}

/// The ranges whose hashes prove that the tree of `old` is the beginning of the tree of `size`.
///
/// # Errors
/// When the older tree is the larger.
pub fn consistency(old: u64, size: u64) -> Result<Vec<Range<u64>>> {
    if old > size {
        return Err(Error::Beyond(old, size));
    }
    let (mut low, mut high) = (0, size);
    let mut ranges = Vec::new();
    // Whoever verifies has the root of the old tree, so it is left out where it is a node itself.
    while old > 0 && high != old {
        let middle = low + split(high - low);
        if old <= middle {
            ranges.push(middle..high);
            high = middle;
        } else {
            ranges.push(low..middle);
            low = middle;
        }
    }
    if low > 0 {
        ranges.push(low..high);
    }
    ranges.reverse();
    Ok(ranges)
}

/// The largest power of two below `leaves`, of which there are two at least.
const fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

/// Checks that the entry with this leaf's hash is entry `index` of the tree of `size` under `root`.
///
/// # Errors
/// [`Error::NotIncluded`] when the proof does not show it, [`Error::Beyond`] when there is no such
/// place.
pub fn verify_inclusion(
    leaf: Hash,
    index: u64,
    size: u64,
    root: Hash,
    proof: &[Hash],
) -> Result<()> {
    if index >= size {
        return Err(Error::Beyond(index, size));
    }
    let mut walk = Walk { at: index, last: size - 1 };
    let mut hash = leaf;
    for sibling in proof {
        hash = match walk.up().ok_or(Error::NotIncluded)? {
            Side::Left => Hash::node(sibling, &hash),
            Side::Right => Hash::node(&hash, sibling),
        };
    }
    if walk.last == 0 && hash == root { Ok(()) } else { Err(Error::NotIncluded) }
}

/// Checks that the tree of `old` with `old_root` is the beginning of the tree of `size` with `root`.
///
/// # Errors
/// [`Error::NotConsistent`] when the proof does not show it, [`Error::Beyond`] when the older tree is
/// the larger.
pub fn verify_consistency(
    (old, old_root): (u64, Hash),
    (size, root): (u64, Hash),
    proof: &[Hash],
) -> Result<()> {
    let whether = |fits: bool| if fits { Ok(()) } else { Err(Error::NotConsistent) };
    if old > size {
        return Err(Error::Beyond(old, size));
    }
    if old == size {
        return whether(proof.is_empty() && old_root == root);
    }
    if old == 0 {
        return whether(proof.is_empty() && old_root == Hash::empty());
    }
    let mut walk = Walk { at: old - 1, last: size - 1 };
    while walk.at & 1 == 1 {
        walk.step();
    }
    // The old tree as one node: its root is not in the proof.
    let (first, rest) = if walk.at == 0 {
        (old_root, proof)
    } else {
        let (first, rest) = proof.split_first().ok_or(Error::NotConsistent)?;
        (*first, rest)
    };
    let (mut before, mut now) = (first, first);
    for sibling in rest {
        match walk.up().ok_or(Error::NotConsistent)? {
            Side::Left => {
                before = Hash::node(sibling, &before);
                now = Hash::node(sibling, &now);
            }
            Side::Right => now = Hash::node(&now, sibling),
        }
    }
    whether(walk.last == 0 && before == old_root && now == root)
}

/// On which side of the path the next hash of a proof stands.
enum Side {
    Left,
    Right,
}

/// The way from a node to the root: the node and the last one of its level.
struct Walk {
    at: u64,
    last: u64,
}

impl Walk {
    const fn step(&mut self) {
        self.at >>= 1;
        self.last >>= 1;
    }

    /// Goes one hash of the proof further; `None` at the root, where no more can follow.
    const fn up(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        let left = self.at & 1 == 1 || self.at == self.last;
        if left {
            // The last node of its level has no sibling there: it stands higher up by itself.
            while self.at & 1 == 0 && self.at != 0 {
                self.step();
            }
        }
        self.step();
        Some(if left { Side::Left } else { Side::Right })
    }
}
