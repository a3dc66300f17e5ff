//! A log that grows in steps of every kind is the log that an in-memory tree says it is.

use std::sync::Arc;

use tlog::{Checkpoint, Edge, Hash, verify_consistency, verify_inclusion};

use crate::seal::{Folder, Growth, LogReader, Shelf, outgrown};
use crate::{EpochLeaf, ErasureLeaf, Leaf, RowLeaf};

/// Sizes that end within tiles and bundles, at their ends, and just beyond them.
const SIZES: [u64; 10] = [1, 2, 255, 256, 257, 511, 512, 1_000, 65_536, 65_800];

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

fn root(size: u64) -> Hash {
    let mut edge = Edge::default();
    (0..size).for_each(|index| edge.push(Hash::leaf(&entry(index)), |_, _| {}));
    edge.root()
}

async fn grow(shelf: &dyn Shelf, growth: &mut Growth, entries: &[Vec<u8>]) {
    let old = growth.size();
    shelf.put(growth.grow(entries).unwrap()).await.unwrap();
    for folder in outgrown(old, growth.size()) {
        shelf.remove(&folder).await.unwrap();
    }
}

#[tokio::test]
async fn a_log_grows_in_steps_and_proves_each() {
    let dir = tempfile::tempdir().unwrap();
    let shelf: Arc<dyn Shelf> = Arc::new(Folder::new(dir.path().join("log")));
    let mut growth = Growth::default();
    let mut before = (0, Hash::empty());
    for size in SIZES {
        let entries: Vec<_> = (growth.size()..size).map(entry).collect();
        grow(&*shelf, &mut growth, &entries).await;
        let wanted = root(size);
        assert_eq!((growth.size(), growth.root()), (size, wanted));
        let reader = LogReader::new(Arc::clone(&shelf), size);
        assert_eq!(Growth::resume(&reader, wanted).await.unwrap(), growth, "at {size}");
        assert_eq!(reader.root().await.unwrap(), wanted);
        for index in [0, size / 2, size - 1] {
            let proof = reader.inclusion(index).await.unwrap();
            verify_inclusion(Hash::leaf(&entry(index)), index, size, wanted, &proof).unwrap();
            assert_eq!(reader.entries(index..index + 1).await.unwrap(), [entry(index)]);
        }
        let proof = reader.consistency(before.0).await.unwrap();
        verify_consistency(before, (size, wanted), &proof).unwrap();
        // A reader of the older checkpoint goes on, though its unfinished files are gone.
        let older = LogReader::new(Arc::clone(&shelf), before.0);
        assert_eq!(older.root().await.unwrap(), before.1, "{} after {size}", before.0);
        before = (size, wanted);
    }
    let reader = LogReader::new(Arc::clone(&shelf), 1_000);
    let found = reader.entries(200..800).await.unwrap();
    assert_eq!(found, (200..800).map(entry).collect::<Vec<_>>());
    assert!(reader.entries(999..1_001).await.is_err() && reader.inclusion(1_000).await.is_err());
    let there = std::fs::read_dir(dir.path().join("log/tile/0")).unwrap().count();
    assert_eq!(there, 256 + 2, "of unfinished tiles only the last is there, as folder and x001");
}

/// What was exchanged is not built upon, and what was cut is an error.
#[tokio::test]
async fn damage_is_not_built_upon() {
    let dir = tempfile::tempdir().unwrap();
    let shelf: Arc<dyn Shelf> = Arc::new(Folder::new(dir.path()));
    let mut growth = Growth::default();
    let entries: Vec<_> = (0..300).map(entry).collect();
    grow(&*shelf, &mut growth, &entries).await;
    let reader = LogReader::new(Arc::clone(&shelf), 300);
    // A finished tile of the lowest level is below the edge: readers see it, not the sealer.
    for (path, by_sealer) in [
        ("tile/0/001.p/44", true),
        ("tile/1/000.p/1", true),
        ("tile/entries/001.p/44", true),
        ("tile/0/000", false),
    ] {
        let file = dir.path().join(path);
        let good = std::fs::read(&file).unwrap();
        let last = good.len() - 1;
        let mut bad = good.clone();
        bad[last] ^= 1;
        let longer = [&good[..], &vec![0; 70_000]].concat();
        for bytes in [&bad[..], &good[..last], &[], &longer] {
            std::fs::write(&file, bytes).unwrap();
            let resumed = Growth::resume(&reader, growth.root()).await;
            let read = reader.inclusion(7).await.map(|proof| {
                let leaf = Hash::leaf(&entry(7));
                verify_inclusion(leaf, 7, 300, growth.root(), &proof)
            });
            let by_reader = !matches!(read, Ok(Ok(())));
            let seen = if by_sealer { resumed.is_err() } else { by_reader };
            assert!(seen, "{path} {}", bytes.len());
        }
        std::fs::remove_file(&file).unwrap();
        let resumed = Growth::resume(&reader, growth.root()).await;
        assert_eq!(resumed.is_err(), by_sealer, "{path} is gone");
        std::fs::write(&file, good).unwrap();
    }
    assert_eq!(Growth::resume(&reader, growth.root()).await.unwrap(), growth);
    let other = Growth::resume(&reader, root(299)).await.unwrap_err().to_string();
    assert!(other.contains("do not give the root") && other.contains("from a copy"), "{other}");
}

/// Epochs are found wherever they begin, with erasures around them.
#[tokio::test]
async fn epochs_are_found_by_halving() {
    let dir = tempfile::tempdir().unwrap();
    let shelf: Arc<dyn Shelf> = Arc::new(Folder::new(dir.path()));
    let epoch = |number| {
        let why = "a test".to_owned();
        Leaf::Epoch(EpochLeaf {
            epoch: number,
            at_micros: 0,
            system: 1,
            timeline: 1,
            first_xid: 0,
            why,
        })
    };
    let row = |epoch, id| Leaf::Row(RowLeaf { epoch, xid: 1, id, at_micros: 0, row_hash: [0; 32] });
    let erasure = || Leaf::Erasure(ErasureLeaf { index: 1, at_micros: 0, request: "x".to_owned() });
    let mut leaves = vec![epoch(1), erasure(), epoch(2)];
    leaves.extend((0..700).map(|id| row(2, id)));
    leaves.extend((0..300).map(|_| erasure()));
    leaves.extend([epoch(3), epoch(4), row(4, 1), erasure()]);
    let wanted: Vec<u64> = vec![0, 2, 1_003, 1_004];
    let entries: Vec<_> = leaves.iter().map(|leaf| leaf.encode().unwrap()).collect();
    let mut growth = Growth::default();
    grow(&*shelf, &mut growth, &entries).await;
    let reader = LogReader::new(Arc::clone(&shelf), growth.size());
    let found: Vec<_> = reader.epochs().await.unwrap().into_iter().map(|(at, _)| at).collect();
    assert_eq!(found, wanted);
    for (position, at) in
        [((0, 9), Some(3)), ((1, 0), Some(3)), ((1, 350), Some(353)), ((1, 700), None)]
    {
        let found = reader.first_row_at(2..1_003, position).await.unwrap();
        assert_eq!(found.map(|(at, _)| at), at, "{position:?}");
    }
    let last = reader.last_row(2..1_003).await.unwrap();
    assert_eq!((last.map(|row| row.id), reader.last_row(0..2).await.unwrap()), (Some(699), None));
    assert_eq!(LogReader::new(shelf, 0).epochs().await.unwrap(), []);
}

/// The root of a checkpoint's text is spelled as the tiles give it.
#[test]
fn an_empty_log_has_the_root_of_nothing() {
    let text = "amanah-x/y\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
    assert_eq!(Checkpoint::parse(text).unwrap().root, Growth::default().root());
}
