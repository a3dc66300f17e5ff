//! Trees and proofs, beside those of `tlog_tiles` and `ct-merkle`.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use tlog_tiles as theirs;

use super::{Log, entry, leaf};
use crate::{
    Edge, Error, Hash, Node, Tile, consistency, inclusion, nodes_of, verify_consistency,
    verify_inclusion,
};

/// Sizes around which trees and tiles change their shape.
const EDGES: [u64; 12] = [0, 1, 2, 3, 7, 8, 255, 256, 257, 511, 513, 700];

/// The other program's way to store a tree.
struct Stored(Vec<theirs::Hash>);

impl theirs::HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<theirs::Hash>, theirs::Error> {
        Ok(indexes.iter().map(|at| self.0[usize::try_from(*at).unwrap()]).collect())
    }
}

impl Stored {
    fn of(size: u64) -> Self {
        let mut stored = Self(Vec::new());
        for n in 0..size {
            let more = theirs::stored_hashes(n, &entry(n), &stored).unwrap();
            stored.0.extend(more);
        }
        stored
    }
}

fn ours(hash: theirs::Hash) -> Hash {
    Hash::new(hash.0)
}

#[test]
fn roots_are_those_of_others() {
    let stored = Stored::of(700);
    let mut memory = MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
    let mut edge = Edge::default();
    for n in 0..=700 {
        assert_eq!(edge.root(), ours(theirs::tree_hash(n, &stored).unwrap()), "{n}");
        let root = memory.root();
        assert_eq!(edge.root().as_bytes()[..], root.as_bytes()[..], "{n}");
        memory.push(entry(n));
        edge.push(leaf(n), |_, _| {});
    }
}

#[test]
fn proofs_are_those_of_others_and_are_believed() {
    let stored = Stored::of(700);
    for size in EDGES.into_iter().filter(|size| *size > 0) {
        let log = Log::of(size);
        let root = log.edge.root();
        for index in EDGES.into_iter().chain([size - 1, size / 2]).filter(|index| *index < size) {
            let proof = log.read(&inclusion(index, size).unwrap());
            let other = theirs::prove_record(size, index, &stored).unwrap();
            assert_eq!(proof, other.into_iter().map(ours).collect::<Vec<_>>(), "{index} of {size}");
            verify_inclusion(leaf(index), index, size, root, &proof).unwrap();
        }
        for old in EDGES.into_iter().chain([size - 1, size / 2]).filter(|old| *old <= size) {
            let proof = log.read(&consistency(old, size).unwrap());
            if old > 0 {
                let other = theirs::prove_tree(size, old, &stored).unwrap();
                assert_eq!(
                    proof,
                    other.into_iter().map(ours).collect::<Vec<_>>(),
                    "{old} of {size}"
                );
            }
            let before = Log::of(old).edge.root();
            verify_consistency((old, before), (size, root), &proof).unwrap();
        }
    }
}

#[test]
fn tiles_are_those_of_others() {
    for size in EDGES.into_iter().chain([65_536, 65_537, 70_001]) {
        let stored = Stored::of(size);
        let files = Log::of(size).tiles();
        let all = theirs::Tile::new_tiles(8, 0, size);
        assert_eq!(files.len(), all.len(), "{size}");
        for tile in all {
            let path = tile.path().replacen("tile/8/", "tile/", 1);
            assert_eq!(files.get(&path), Some(&tile.read_data(&stored).unwrap()), "{size}: {path}");
        }
    }
}

#[test]
fn an_edge_goes_on_where_it_was() {
    let log = Log::of(700);
    for size in EDGES {
        let peaks = nodes_of(0..size).into_iter().map(|node| log.nodes[&node]).collect();
        let mut edge = Edge::resume(size, peaks).unwrap();
        for n in size..700 {
            edge.push(leaf(n), |node, hash| assert_eq!(log.nodes[&node], hash));
        }
        assert_eq!(edge, log.edge);
    }
    assert_eq!(Edge::resume(3, vec![leaf(0)]), None);
}

#[test]
fn what_is_beyond_the_end_is_refused() {
    assert_eq!(inclusion(5, 5), Err(Error::Beyond(5, 5)));
    assert_eq!(consistency(6, 5), Err(Error::Beyond(6, 5)));
    let root = Hash::empty();
    assert_eq!(verify_inclusion(leaf(0), 0, 0, root, &[]), Err(Error::Beyond(0, 0)));
    assert_eq!(verify_consistency((2, root), (1, root), &[]), Err(Error::Beyond(2, 1)));
    assert_eq!(Tile::of(Node { level: 0, index: 5 }, 5), None);
    assert_eq!(Tile::of(Node { level: 63, index: 1 }, u64::MAX), None);
    assert_eq!(Tile::of(Node { level: 9, index: u64::MAX }, 5), None);
}

/// What is done to a proof that is good.
#[derive(Debug, Clone)]
enum Damage {
    Bit(usize, u8),
    Cut,
    More,
    Swap(usize),
    Index(u64),
    Size(u64),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, bit)| Damage::Bit(at, bit)),
        Just(Damage::Cut),
        Just(Damage::More),
        any::<usize>().prop_map(Damage::Swap),
        (0_u64..400).prop_map(Damage::Index),
        (1_u64..400).prop_map(Damage::Size),
    ]
}

/// Whether it is another proof then.
fn apply(damage: &Damage, proof: &mut Vec<Hash>, index: &mut u64, size: &mut u64) -> bool {
    let before = (proof.clone(), *index, *size);
    let length = proof.len();
    match *damage {
        Damage::Bit(at, bit) if length > 0 => {
            let hash = &mut proof[at % length];
            let mut bytes = *hash.as_bytes();
            bytes[usize::from(bit >> 3)] ^= 1 << (bit & 7);
            *hash = Hash::new(bytes);
        }
        Damage::Cut => drop(proof.pop()),
        Damage::More => proof.push(leaf(1_000)),
        Damage::Swap(at) if length > 1 => proof.swap(at % length, (at + 1) % length),
        Damage::Index(other) => *index = other,
        Damage::Size(other) => *size = other,
        Damage::Bit(..) | Damage::Swap(_) => {}
    }
    before != (proof.clone(), *index, *size)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// No proof but the one for this entry, place and tree is believed. Another size is one where the
    /// other tree happens to hang this entry on the same way to the same root, which no proof could
    /// tell; a size is signed together with its root.
    #[test]
    fn a_damaged_inclusion_is_refused(size in 1_u64..300, at in any::<u64>(), damage in damage()) {
        let (mut index, mut claimed) = (at % size, size);
        let (log, right) = (Log::of(size), at % size);
        let mut proof = log.read(&inclusion(index, size).unwrap());
        let changed = apply(&damage, &mut proof, &mut index, &mut claimed);
        let believed = verify_inclusion(leaf(right), index, claimed, log.edge.root(), &proof).is_ok();
        if !matches!(damage, Damage::Size(_)) {
            prop_assert_eq!(believed, !changed);
        }
        prop_assert!(changed || believed);
        prop_assert!(verify_inclusion(leaf(right + 1), right, size, log.edge.root(), &proof).is_err());
    }

    #[test]
    fn a_damaged_consistency_is_refused(
        old in 1_u64..300, more in 0_u64..300, damage in damage()
    ) {
        let size = old + more;
        let (before, now) = (Log::of(old).edge.root(), Log::of(size));
        let mut proof = now.read(&consistency(old, size).unwrap());
        let (mut from, mut to) = (old, size);
        let changed = apply(&damage, &mut proof, &mut from, &mut to);
        let believed = verify_consistency((from, before), (to, now.edge.root()), &proof).is_ok();
        if !matches!(damage, Damage::Size(_) | Damage::Index(_)) {
            prop_assert_eq!(believed, !changed);
        }
        prop_assert!(changed || believed);
        if more > 0 {
            let other = Log::of(size - 1).edge.root();
            prop_assert!(verify_consistency((old, before), (size, other), &proof).is_err());
        }
    }
}
