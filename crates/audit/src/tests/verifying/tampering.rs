//! The tamper matrix: what is done to rows by a superuser, and to files by who can write there, and by
//! which names it is found.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::copied::Seals;
use super::{GUARD, Log, ORIGIN, Shop, UNGUARD, in_order, leaf, python_holds, run};
use crate::archive::Archive;
use crate::seal::Scratch;
use crate::verify::{Damage, Job, KeptCheckpoint, STALE, verify};
use crate::{EpochLeaf, ErasureLeaf, Leaf};
use tlog::{Note, Signer};

/// The lines of the matrix so far.
struct Matrix {
    shop: Shop,
    table: String,
    copies: usize,
    done: usize,
}

impl Matrix {
    async fn new() -> Self {
        Self { shop: Shop::new().await, table: String::new(), copies: 0, done: 0 }
    }

    fn note(&mut self, what: &str, damage: &[Damage]) {
        self.done += 1;
        let found: Vec<String> = damage
            .iter()
            .map(|one| format!("{} ({})", one.kind.name(), self.shown(&one.object)))
            .collect();
        let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.table, "{what:<66} {found}");
    }

    /// Numbers of rows depend on what was written before; the first one is `#1` here.
    fn shown(&self, object: &str) -> String {
        let mut shown = String::new();
        for part in object.split_inclusive([' ', '–']) {
            let bare = part.trim_end_matches([' ', '–']);
            let row =
                object.contains("row") && bare.parse::<i64>().is_ok_and(|n| n >= self.shop.ids[0]);
            let n: i64 = bare.parse().unwrap_or_default();
            if row {
                let rest = part.strip_prefix(bare).unwrap();
                let _ = write!(shown, "#{}{rest}", n - self.shop.ids[0] + 1);
            } else {
                shown.push_str(part);
            }
        }
        shown
    }

    /// What a superuser does to the rows. `#7` is the seventh row.
    async fn rows(&mut self, what: &str, sql: &str) {
        let sql = self.numbered(sql);
        run(&self.shop.superuser, &sql).await;
        let damage = self.shop.damage(&self.shop.log.folder, &[]).await;
        self.note(what, &damage);
        self.shop.restore().await;
    }

    /// The same, and then the hashes of these rows are made to fit.
    async fn rehashed(&mut self, what: &str, sql: &str, ids: &[usize]) {
        let sql = self.numbered(sql);
        run(&self.shop.superuser, &sql).await;
        self.rehash(ids).await;
        let damage = self.shop.damage(&self.shop.log.folder, &[]).await;
        self.note(what, &damage);
        self.shop.restore().await;
    }

    async fn rehash(&self, ids: &[usize]) {
        let ids: Vec<i64> = ids.iter().map(|n| self.shop.ids[n - 1]).collect();
        for row in in_order(&self.shop.superuser).await {
            if ids.contains(&row.id) {
                let hash = kernel::hex(&row.digest());
                let sql = format!(
                    "UPDATE audit.system_audit_logs SET row_hash = '\\x{hash}' WHERE id = {}",
                    row.id
                );
                run(&self.shop.superuser, &sql).await;
            }
        }
    }

    fn numbered(&self, sql: &str) -> String {
        let mut parts = sql.split('#');
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            let (n, rest) = part.split_at(digits);
            let n: usize = n.parse().unwrap();
            let _ = write!(whole, "{}{rest}", self.shop.ids[n - 1]);
        }
        whole
    }

    /// What is done to the files of the log.
    async fn log(&mut self, what: &str, damage: impl FnOnce(&Path)) {
        self.log_with(what, &[], damage).await;
    }

    async fn log_with(&mut self, what: &str, kept: &[KeptCheckpoint], damage: impl FnOnce(&Path)) {
        self.copies += 1;
        let folder = self.shop.copy(&format!("copy{}", self.copies));
        damage(&folder);
        if kept.is_empty() {
            let clean = self.shop.damage(&folder, &[]).await.is_empty();
            let key = self.shop.log.signer.verifier();
            assert_eq!(python_holds(&folder, key), clean, "{what}: the other verifier differs");
        }
        let found = self.shop.damage(&folder, kept).await;
        self.note(what, &found);
    }

    /// A log that was made anew, by whoever has `seed` for a key.
    async fn anew(&mut self, seed: u8, leaves: &[Leaf]) -> Log {
        self.copies += 1;
        let folder = self.shop.dir.path().join(format!("anew{}", self.copies));
        let mut log = Log::new(&folder, seed);
        log.at = self.shop.heads.last().unwrap().head.time.unwrap();
        log.add(leaves).await;
        log
    }

    /// What an honest sealer would seal of the rows as they are now.
    async fn leaves(&self) -> Vec<Leaf> {
        let rows = in_order(&self.shop.superuser).await;
        let first = Leaf::Epoch(self.shop.epoch.clone());
        [first].into_iter().chain(rows.iter().map(|row| leaf(row, 1))).collect()
    }
}

pub(super) fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

const TILE: &str = "tile/0/000";
const PARTIAL_TILE: &str = "tile/0/001.p/45";
const UPPER_TILE: &str = "tile/1/000.p/1";
const BUNDLE: &str = "tile/entries/000";
const PARTIAL_BUNDLE: &str = "tile/entries/001.p/45";
/// The length of a row's entry, and of that of the first epoch, with their lengths.
const ROW_ENTRY: usize = 64;
const FIRST_ENTRY: usize = 52;

#[tokio::test]
async fn every_damage_is_found_by_its_name() {
    let mut matrix = Matrix::new().await;
    rows_alone(&mut matrix).await;
    rows_moved(&mut matrix).await;
    tables(&mut matrix).await;
    files(&mut matrix).await;
    checkpoints(&mut matrix).await;
    histories(&mut matrix).await;
    insiders(&mut matrix).await;
    archives(&mut matrix).await;
    assert!(matrix.done >= 40, "{}", matrix.done);
    insta::assert_snapshot!(matrix.table);
}

async fn rows_alone(matrix: &mut Matrix) {
    let set =
        |what: &str, id: &str| format!("UPDATE audit.system_audit_logs SET {what} WHERE id = {id}");
    let edit = r#"new_data = '{"price": 0}'"#;
    matrix.rows("a row's new data edited", &set(edit, "#7")).await;
    matrix.rows("who did it edited", &set("actor_id = 'nobody'", "#8")).await;
    matrix
        .rows("its time edited", &set("event_timestamp = event_timestamp - interval '1 us'", "#9"))
        .await;
    matrix
        .rows("the rows of a whole range edited", &set(edit, "#10 OR id BETWEEN #10 AND #19"))
        .await;
    matrix.rehashed("a row edited and its hash recomputed", &set(edit, "#11"), &[11]).await;
    matrix.rows("a row's hash alone changed", &set("row_hash = sha256(row_hash)", "#12")).await;
    matrix.rows("a row's salt exchanged", &set("salt = gen_random_uuid()", "#14")).await;
    let erased = &in_order(&matrix.shop.superuser).await[14];
    let digest = kernel::hex(&erased.content().digest().unwrap());
    let erase = format!(
        "salt = NULL, row_key = NULL, old_data = NULL, new_data = NULL, erased = '\\x{digest}'"
    );
    matrix.rows("a row's content erased, and no entry says so", &set(&erase, "#15")).await;
    let wrong = "salt = NULL, row_key = NULL, old_data = NULL, new_data = NULL, erased = row_hash";
    matrix.rows("a row's content erased, and its digest is none", &set(wrong, "#16")).await;
    let hash = "UPDATE audit.system_audit_logs SET row_hash = '' WHERE id = #13";
    matrix.rows("a row's hash emptied", hash).await;
    let delete = |which: &str| format!("DELETE FROM audit.system_audit_logs WHERE {which}");
    matrix.rows("a row deleted", &delete("id = #20")).await;
    matrix.rows("five rows deleted", &delete("id BETWEEN #21 AND #25")).await;
    matrix
        .rows("every second row of ten deleted", &delete("id IN (#32, #34, #36, #38, #40)"))
        .await;
    matrix.rows("the newest ten rows deleted", &delete("id >= #291")).await;
    matrix.rows("the oldest row deleted", &delete("id = #1")).await;
    matrix.rows("the trail emptied", "TRUNCATE audit.system_audit_logs").await;
}

async fn rows_moved(matrix: &mut Matrix) {
    let copied = |xid: &str| {
        format!(
            "CREATE TEMPORARY TABLE one ON COMMIT DROP AS
                 SELECT * FROM audit.system_audit_logs WHERE id = #50;
             UPDATE one SET id = #300 + 1000, xid = {xid};
             INSERT INTO audit.system_audit_logs OVERRIDING SYSTEM VALUE SELECT * FROM one"
        )
    };
    matrix.rows("a row put in under an old transaction", &copied("xid")).await;
    matrix.rows("a row put in under a transaction to come", &copied("'99999999'")).await;
    matrix.rehashed("a row put in whose hash fits nothing", &copied("xid"), &[]).await;
    let swap = |a: &str, b: &str| {
        format!(
            "UPDATE audit.system_audit_logs SET id = -1 WHERE id = {a};
             UPDATE audit.system_audit_logs SET id = {a} WHERE id = {b};
             UPDATE audit.system_audit_logs SET id = {b} WHERE id = -1"
        )
    };
    matrix.rows("the numbers of two rows of one transaction swapped", &swap("#60", "#61")).await;
    matrix.rows("the numbers of two rows of two transactions swapped", &swap("#62", "#282")).await;
    let contents = "UPDATE audit.system_audit_logs a SET new_data = b.new_data, row_key = b.row_key
                      FROM audit.system_audit_logs b
                     WHERE (a.id, b.id) IN ((#63, #64), (#64, #63))";
    matrix.rows("the contents of two rows swapped", contents).await;
    matrix
        .rehashed("the contents of two rows swapped, hashes recomputed", contents, &[63, 64])
        .await;
    let set = |what: &str| format!("UPDATE audit.system_audit_logs SET {what} WHERE id = #70");
    matrix.rows("a row put under another transaction", &set("xid = '3'")).await;
    matrix.rows("a row given another number", &set("id = #300 + 500")).await;
    let rebuilt =
        "CREATE TEMPORARY TABLE old ON COMMIT DROP AS SELECT * FROM audit.system_audit_logs;
                   TRUNCATE audit.system_audit_logs;
                   UPDATE old SET xid = pg_current_xact_id();
                   INSERT INTO audit.system_audit_logs OVERRIDING SYSTEM VALUE SELECT * FROM old";
    matrix.rows("the trail emptied and built anew by one transaction", rebuilt).await;
    let edited = "new_data = '{}'";
    let late = format!(
        "{GUARD}; INSERT INTO product (company_id, name) VALUES (-1, 'late'); {UNGUARD};
         UPDATE audit.system_audit_logs SET {edited} WHERE id > #300"
    );
    matrix.rows("a row edited before it was sealed, its hash not", &late).await;
    let broken = "ALTER TABLE audit.system_audit_logs ALTER COLUMN db_user DROP NOT NULL;
                  UPDATE audit.system_audit_logs SET db_user = NULL WHERE id = #71;
                  UPDATE audit.system_audit_logs SET event_timestamp = 'infinity' WHERE id = #72";
    matrix.rows("rows that are no rows of a trail any more", broken).await;
}

async fn files(matrix: &mut Matrix) {
    matrix.log("a byte of a full tile", |log| flip(&log.join(TILE), 40)).await;
    matrix.log("a byte of an unfinished tile", |log| flip(&log.join(PARTIAL_TILE), 40)).await;
    matrix.log("a byte of an upper tile", |log| flip(&log.join(UPPER_TILE), 0)).await;
    matrix
        .log("a byte of an entry", |log| flip(&log.join(BUNDLE), FIRST_ENTRY + ROW_ENTRY - 1))
        .await;
    matrix
        .log("a byte of an entry in the unfinished bundle", |log| {
            flip(&log.join(PARTIAL_BUNDLE), 50);
        })
        .await;
    matrix.log("a length in a bundle", |log| flip(&log.join(BUNDLE), FIRST_ENTRY + 1)).await;
    matrix.log("a tile removed", |log| fs::remove_file(log.join(TILE)).unwrap()).await;
    matrix.log("a bundle removed", |log| fs::remove_file(log.join(BUNDLE)).unwrap()).await;
    let cut = |log: &Path| {
        fs::remove_file(log.join(PARTIAL_TILE)).unwrap();
        fs::remove_file(log.join(PARTIAL_BUNDLE)).unwrap();
    };
    matrix.log("the log's tail cut", cut).await;
    matrix
        .log("every file but the checkpoint removed", |log| {
            fs::remove_dir_all(log.join("tile")).unwrap();
        })
        .await;
    let longer = |log: &Path| {
        let bytes = [fs::read(log.join(TILE)).unwrap(), vec![0; 32]].concat();
        fs::write(log.join(TILE), bytes).unwrap();
    };
    matrix.log("a tile with a hash too many", longer).await;
    let endless = |log: &Path| {
        fs::File::create(log.join(BUNDLE)).unwrap().set_len(1 << 32).unwrap();
    };
    matrix.log("a bundle without an end", endless).await;
    let both = |log: &Path| {
        flip(&log.join(BUNDLE), FIRST_ENTRY + ROW_ENTRY - 1);
        refit(log, 1);
    };
    matrix.log("an entry and its hash in the tile", both).await;
    let all = |log: &Path| {
        both(log);
        fs::write(log.join(UPPER_TILE), over(&fs::read(log.join(TILE)).unwrap())).unwrap();
    };
    matrix.log("an entry and the hashes of all tiles above it", all).await;
    let exchanged = |log: &Path| {
        let mut bytes = fs::read(log.join(BUNDLE)).unwrap();
        let (one, other) = (FIRST_ENTRY..FIRST_ENTRY + ROW_ENTRY, FIRST_ENTRY + ROW_ENTRY);
        let moved = bytes[one.clone()].to_vec();
        bytes.copy_within(other..other + ROW_ENTRY, one.start);
        bytes[other..other + ROW_ENTRY].copy_from_slice(&moved);
        fs::write(log.join(BUNDLE), bytes).unwrap();
    };
    matrix.log("two entries exchanged", exchanged).await;
}

/// Makes the hash of entry `n` of the first bundle in its tile fit.
fn refit(log: &Path, n: usize) {
    let bytes = fs::read(log.join(BUNDLE)).unwrap();
    let entries = tlog::open_bundle(&bytes, 256).unwrap();
    let mut tile = fs::read(log.join(TILE)).unwrap();
    tile[n * 32..(n + 1) * 32].copy_from_slice(tlog::Hash::leaf(entries[n]).as_bytes());
    fs::write(log.join(TILE), tile).unwrap();
}

/// The hash over a full tile.
fn over(tile: &[u8]) -> Vec<u8> {
    let mut level: Vec<tlog::Hash> =
        tile.as_chunks::<32>().0.iter().map(|hash| tlog::Hash::new(*hash)).collect();
    while level.len() > 1 {
        level = level.as_chunks::<2>().0.iter().map(|[a, b]| tlog::Hash::node(a, b)).collect();
    }
    level[0].as_bytes().to_vec()
}

/// What is done to the tables themselves; they are put back by hand.
async fn tables(matrix: &mut Matrix) {
    let (away, back) = (
        "ALTER TABLE audit.system_audit_logs RENAME TO elsewhere",
        "ALTER TABLE audit.elsewhere RENAME TO system_audit_logs",
    );
    run(&matrix.shop.superuser, away).await;
    let found = matrix.shop.damage(&matrix.shop.log.folder, &[]).await;
    matrix.note("the table of the trail gone", &found);
    run(&matrix.shop.superuser, back).await;
    let partitions = "DO $$ DECLARE part regclass; BEGIN
            FOR part IN SELECT inhrelid FROM pg_inherits
                         WHERE inhparent = 'audit.system_audit_logs'::regclass LOOP
                EXECUTE format('ALTER TABLE audit.system_audit_logs DETACH PARTITION %s', part);
            END LOOP;
        END $$";
    run(&matrix.shop.superuser, partitions).await;
    let found = matrix.shop.damage(&matrix.shop.log.folder, &[]).await;
    matrix.note("the partitions with its rows taken away", &found);
    let rest = "CREATE TABLE audit.again PARTITION OF audit.system_audit_logs DEFAULT";
    run(&matrix.shop.superuser, rest).await;
    matrix.shop.restore().await;
}

async fn checkpoints(matrix: &mut Matrix) {
    let change = |from: &'static str, to: &'static str| {
        move |log: &Path| {
            let path = log.join("checkpoint");
            let note = fs::read_to_string(&path).unwrap();
            assert!(note.contains(from), "{note}");
            fs::write(path, note.replacen(from, to, 1)).unwrap();
        }
    };
    matrix.log("the size in the checkpoint", change("301", "300")).await;
    matrix
        .log("the log's name in the checkpoint", change("amanah-ab12/shop", "amanah-ab12/shep"))
        .await;
    matrix.log("the time in the checkpoint", change("2026", "2027")).await;
    matrix
        .log("the checkpoint cut short", |log| {
            let path = log.join("checkpoint");
            let note = fs::read_to_string(&path).unwrap();
            fs::write(path, note.split_at(note.len() / 2).0).unwrap();
        })
        .await;
    matrix
        .log("the checkpoint removed", |log| fs::remove_file(log.join("checkpoint")).unwrap())
        .await;
    matrix
        .log("another log's checkpoint, by the same key", |log| {
            let signer = Signer::from_seed(&ORIGIN.replace("shop", "other"), &[1; 32]).unwrap();
            let text = fs::read_to_string(log.join("checkpoint")).unwrap();
            let text = text.split_once("\n\n").unwrap().0.replace("/shop", "/other");
            let note = Note::new(format!("{text}\n")).unwrap().signed(&signer);
            fs::write(log.join("checkpoint"), note.to_string()).unwrap();
        })
        .await;
    let late = matrix.shop.verify_at(&matrix.shop.log.folder, &[], 3_600).await;
    matrix.note("no new checkpoint for an hour", &late.damage);
    let early = matrix.shop.verify_at(&matrix.shop.log.folder, &[], -3_600).await;
    matrix.note("a checkpoint from an hour ahead", &early.damage);
}

async fn histories(matrix: &mut Matrix) {
    let kept = matrix.shop.kept();
    let older = matrix.shop.heads[1].note.clone();
    let back = |log: &Path| fs::write(log.join("checkpoint"), &older).unwrap();
    matrix.log("an older log put back", back).await;
    matrix.log_with("an older log put back; a checkpoint was kept", &kept, back).await;
    let pristine = matrix.leaves().await;
    let delete = matrix.numbered("DELETE FROM audit.system_audit_logs WHERE id >= #291");
    run(&matrix.shop.superuser, &delete).await;
    let folder = matrix.shop.copy("goes-on");
    let mut log = Log::new(&folder, 1);
    log.at = matrix.shop.heads.last().unwrap().head.time.unwrap();
    log.seal(&matrix.shop.superuser, 302).await;
    let found = matrix.shop.damage(&folder, &kept).await;
    matrix.note("the newest ten rows deleted, and the sealer went on", &found);
    let mut leaves = pristine.clone();
    let Some(Leaf::Epoch(first)) = leaves.first_mut() else { panic!("no epoch") };
    first.timeline += 1;
    let Leaf::Row(cut) = leaves[291].clone() else { panic!("no row") };
    let epoch = matrix.shop.epoch.clone();
    leaves.push(Leaf::Epoch(EpochLeaf { epoch: 2, first_xid: cut.xid, ..epoch }));
    let promoted = matrix.anew(1, &leaves).await;
    let found = matrix.shop.damage(&promoted.folder, &[]).await;
    matrix.note("the same, and the server promoted to a timeline of its own", &found);
    matrix.shop.restore().await;
    let leaves = matrix.leaves().await;
    let other = matrix.anew(2, &leaves).await;
    let found = matrix.shop.damage(&other.folder, &[]).await;
    matrix.note("sealed anew with another key", &found);
    let sql = matrix.numbered("UPDATE audit.system_audit_logs SET new_data = '{}' WHERE id = #90");
    run(&matrix.shop.superuser, &sql).await;
    matrix.rehash(&[90]).await;
    let leaves = matrix.leaves().await;
    let again = matrix.anew(1, &leaves).await;
    let found = matrix.shop.damage(&again.folder, &[]).await;
    matrix.note("rows edited and sealed anew with the log's own key", &found);
    let found = matrix.shop.damage(&again.folder, &kept).await;
    matrix.note("the same; a checkpoint was kept", &found);
    matrix.shop.restore().await;
    let newest = kept.last().unwrap();
    let mut split = newest.clone();
    split.signed.head.root = tlog::Hash::leaf(b"another view");
    matrix.log_with("somebody else was shown another log of this size", &[split], |_| {}).await;
}

/// What only the holder of the log's key can do.
async fn insiders(matrix: &mut Matrix) {
    let leaves = matrix.leaves().await;
    let erase =
        |index| Leaf::Erasure(ErasureLeaf { index, at_micros: 0, request: "ticket 1".to_owned() });
    let epoch = |number, timeline, first_xid| {
        let why = "put back".to_owned();
        let first = matrix.shop.epoch.clone();
        Leaf::Epoch(EpochLeaf { epoch: number, timeline, first_xid, why, ..first })
    };
    let (same, next) = (matrix.shop.epoch.timeline, matrix.shop.epoch.timeline + 1);
    let variants: [(&str, Vec<Leaf>); 7] = [
        ("sealed: an erasure, and the content is still there", {
            [&leaves[..], &[erase(10)]].concat()
        }),
        ("sealed: an erasure of what comes later", [&leaves[..], &[erase(999)]].concat()),
        ("sealed: rows in another order", {
            let mut swapped = leaves.clone();
            swapped.swap(100, 101);
            swapped
        }),
        ("sealed: a row left out", [&leaves[..100], &leaves[101..]].concat()),
        ("sealed: an epoch with a number that is not the next", {
            [&leaves[..], &[epoch(3, same, u64::MAX)]].concat()
        }),
        ("sealed: an epoch on the same cluster and timeline", {
            [&leaves[..], &[epoch(2, same, u64::MAX)]].concat()
        }),
        ("sealed: an epoch of a timeline on which the database is not", {
            [&leaves[..], &[epoch(2, next, u64::MAX)]].concat()
        }),
    ];
    for (what, leaves) in variants {
        let log = matrix.anew(1, &leaves).await;
        let found = matrix.shop.damage(&log.folder, &[]).await;
        matrix.note(what, &found);
    }
    let mut log = matrix.anew(1, &leaves).await;
    log.at = matrix.shop.heads.last().unwrap().head.time.unwrap();
    log.add_bytes(&[b"no entry".to_vec()]).await;
    let found = matrix.shop.damage(&log.folder, &[]).await;
    matrix.note("sealed: something that is no entry", &found);
}

/// What is done to the archive, in which no month of this trail lies yet.
async fn archives(matrix: &mut Matrix) {
    let archive = Archive { shelf: Arc::new(Scratch::default()), seals: Arc::new(Seals::new()) };
    let (shop, month) = (&matrix.shop, "2021-03".parse::<crate::retention::Month>().unwrap());
    archive.note(ORIGIN, month).await.unwrap();
    let job = Job {
        shelf: &*shop.log.shelf(),
        keys: &shop.log.keys(),
        current: None,
        kept: &[],
        accepted: &[],
        database: Some(&shop.superuser),
        archive: Some(&archive),
        now: shop.log.at,
        stale: STALE,
    };
    let found = verify(&job, &|_, _, _| {}).await.unwrap().damage;
    matrix.note("a month removed from the archive", &found);
}
