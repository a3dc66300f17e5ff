//! What this crate makes and believes, beside what other people's programs make and believe of the same.

mod cosign;
mod forms;
mod trees;

use std::collections::HashMap;
use std::ops::Range;

use crate::{Edge, Hash, Node, Tile, nodes_of, tiles};

/// A log in memory: its tiles by their paths, as they would lie in a folder.
struct Log {
    edge: Edge,
    nodes: HashMap<Node, Hash>,
}

impl Log {
    fn of(size: u64) -> Self {
        let mut log = Self { edge: Edge::default(), nodes: HashMap::new() };
        for n in 0..size {
            log.edge.push(leaf(n), |node, hash| {
                log.nodes.insert(node, hash);
            });
        }
        log
    }

    /// The bytes of every tile, by its path.
    fn tiles(&self) -> HashMap<String, Vec<u8>> {
        let bytes = |tile: &Tile| {
            let first = tile.index * crate::WIDTH;
            let hashes = (first..first + tile.width)
                .map(|index| self.nodes[&Node { level: tile.level * 8, index }]);
            hashes.flat_map(|hash| *hash.as_bytes()).collect()
        };
        tiles(0, self.edge.size()).iter().map(|tile| (tile.path(), bytes(tile))).collect()
    }

    /// The hashes over ranges of leaves, read from tiles alone.
    fn read(&self, ranges: &[Range<u64>]) -> Vec<Hash> {
        let (files, size) = (self.tiles(), self.edge.size());
        let node = |node: Node| {
            let (tile, offset) = Tile::of(node, size).unwrap();
            let hashes = tile.read(&files[&tile.path()]).unwrap();
            let below = 1 << (node.level % 8);
            perfect(&hashes[offset..offset + below])
        };
        let range = |range: &Range<u64>| {
            let hashes: Vec<Hash> = nodes_of(range.clone()).into_iter().map(node).collect();
            Edge::fold(&hashes).unwrap()
        };
        ranges.iter().map(range).collect()
    }
}

fn entry(n: u64) -> Vec<u8> {
    format!("entry {n}").into_bytes()
}

fn leaf(n: u64) -> Hash {
    Hash::leaf(&entry(n))
}

/// The hash over a power of two of neighbours.
fn perfect(hashes: &[Hash]) -> Hash {
    match hashes {
        [one] => *one,
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            Hash::node(&perfect(left), &perfect(right))
        }
    }
}
