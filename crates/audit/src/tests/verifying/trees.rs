//! A tile that was altered is named at every size at which a tree changes its shape. Verifiers have
//! missed one there (CVE-2026-56865): at a power of 256 no tile stood above the altered one.

use std::fs;

use super::Log;
use crate::seal::Folder;
use crate::verify::{Job, Kind, Report, STALE, verify};
use crate::{EpochLeaf, Leaf, RowLeaf};
use tlog::{WIDTH, tiles};

fn row(n: u64) -> Leaf {
    let id = i64::try_from(n).unwrap();
    let row_hash = *tlog::Hash::leaf(&n.to_be_bytes()).as_bytes();
    Leaf::Row(RowLeaf { epoch: 1, xid: n, id, at_micros: 0, row_hash })
}

async fn alone(log: &Log) -> Report {
    let shelf = Folder::new(log.folder.clone());
    let keys = log.keys();
    let now = log.at;
    let job = Job {
        shelf: &shelf,
        keys: &keys,
        current: None,
        kept: &[],
        accepted: &[],
        database: None,
        archive: None,
        now,
        stale: STALE,
    };
    verify(&job, &|_, _, _| {}).await.unwrap()
}

#[tokio::test]
async fn an_altered_tile_is_named_at_every_size() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::new(&dir.path().join("log"), 1);
    let why = String::new();
    let first = EpochLeaf { epoch: 1, at_micros: 0, system: 1, timeline: 1, first_xid: 0, why };
    log.add(&[Leaf::Epoch(first)]).await;
    let mut tried = 0;
    for size in [1, 2, 255, 256, 257, 512, 65_535, 65_536, 65_537, 65_792] {
        let more: Vec<Leaf> = (log.growth.size()..size).map(row).collect();
        if !more.is_empty() {
            log.add(&more).await;
        }
        let report = alone(&log).await;
        assert!(report.is_clean(), "{size}: {:?}", report.damage);
        // Of each level the first tile and the last ones: where a tree changes its shape.
        let all = tiles(0, size);
        let edge = |level: u32| all.iter().filter(move |tile| tile.level == level);
        let some = (0..4).flat_map(|level| edge(level).take(1).chain(edge(level).rev().take(2)));
        let mut some: Vec<_> = some.copied().collect();
        some.sort_unstable();
        some.dedup();
        for tile in some {
            let path = log.folder.join(tile.path());
            let whole = fs::read(&path).unwrap();
            let mut other = whole.clone();
            *other.last_mut().unwrap() ^= 1;
            fs::write(&path, &other).unwrap();
            let report = alone(&log).await;
            fs::write(&path, &whole).unwrap();
            let found: Vec<_> = report.damage.iter().map(|d| (d.kind, d.object.clone())).collect();
            assert_eq!(found, [(Kind::AlteredTile, tile.path())], "size {size}");
            tried += 1;
        }
    }
    assert!(tried >= 30, "{tried}");
    // An entry is named by itself.
    let bundle = log.folder.join(tlog::bundle_path(3, WIDTH));
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[10] ^= 1;
    fs::write(&bundle, &bytes).unwrap();
    let report = alone(&log).await;
    let found: Vec<_> = report.damage.iter().map(|d| (d.kind, d.object.clone())).collect();
    assert_eq!(found, [(Kind::AlteredBundle, "entry 768".to_owned())]);
}
