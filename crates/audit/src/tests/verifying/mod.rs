//! A real trail, sealed in a folder, in the hands of a superuser who may do anything to both.

mod clean;
pub(super) mod copied;
pub(super) mod proving;
mod tampering;
mod trees;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use kernel::ManualClock;
use store::{Db, Protected};
use tempfile::TempDir;
use tlog::{Checkpoint, Note, Signer, Verifier};

use super::sealing::{OTHERS_END, Pen};
use super::{Keeper, SHOP, house, run, trail};
use crate::seal::{Folder, Growth, LogReader, Sealer, SealerSettings, Shelf};
use crate::verify::{Accepted, Damage, Job, KeptCheckpoint, Report, STALE, Signed, verify};
use crate::{EpochLeaf, Leaf, RowLeaf, TrailRow};

/// When the newest checkpoint was signed.
const SIGNED: &str = "2026-11-26T12:00:00Z";
const ORIGIN: &str = "amanah-ab12/shop";
/// What a superuser can always do: the trail takes anything then.
const UNGUARD: &str = "DO $$ DECLARE place regclass; BEGIN
        FOR place IN SELECT oid FROM pg_class WHERE relkind IN ('r', 'p')
                     AND relnamespace = 'audit'::regnamespace LOOP
            EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', place);
        END LOOP;
    END $$";
/// And back again: new rows get their hashes.
const GUARD: &str = "ALTER TABLE audit.system_audit_logs ENABLE TRIGGER USER";

/// A log that somebody writes into a folder: the sealer's form without its care.
pub(super) struct Log {
    folder: PathBuf,
    growth: Growth,
    signer: Signer,
    at: Timestamp,
}

impl Log {
    pub(super) fn new(folder: &Path, seed: u8) -> Self {
        Self {
            folder: folder.to_owned(),
            growth: Growth::default(),
            signer: Signer::from_seed(ORIGIN, &[seed; 32]).unwrap(),
            at: SIGNED.parse().unwrap(),
        }
    }

    pub(super) fn shelf(&self) -> Arc<dyn Shelf> {
        Arc::new(Folder::new(self.folder.clone()))
    }

    /// Has the real sealer seal what is there, until the log has `size` entries.
    async fn seal(&mut self, db: &Db, size: u64) -> Signed {
        let settings = SealerSettings {
            db: db.clone(),
            shelf: self.shelf(),
            signatory: Pen::of(&[1]),
            origin: ORIGIN.to_owned(),
            clock: Arc::new(ManualClock::at(self.at)),
        };
        let mut sealer = Sealer::open(settings).await.unwrap();
        let begun = Instant::now();
        loop {
            let round;
            // What others write on this server may hold the horizon back for a while.
            assert!(begun.elapsed() < OTHERS_END, "{size} entries are wanted");
            (sealer, round) = sealer.round().await.unwrap();
            if round.size >= size {
                break;
            }
        }
        self.at += SignedDuration::from_secs(60);
        let note = fs::read_to_string(self.folder.join("checkpoint")).unwrap();
        let signed = Signed::open(&note, &self.keys()).unwrap();
        assert_eq!(signed.head.size, size);
        let reader = LogReader::new(self.shelf(), size);
        self.growth = Growth::resume(&reader, signed.head.root).await.unwrap();
        signed
    }

    /// Adds entries, and signs the log as it is then.
    pub(super) async fn add(&mut self, leaves: &[Leaf]) -> Signed {
        let entries: Vec<Vec<u8>> = leaves.iter().map(|leaf| leaf.encode().unwrap()).collect();
        self.add_bytes(&entries).await
    }

    async fn add_bytes(&mut self, entries: &[Vec<u8>]) -> Signed {
        let files = self.growth.grow(entries).unwrap();
        self.shelf().put(files).await.unwrap();
        self.sign()
    }

    fn sign(&mut self) -> Signed {
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: self.growth.size(),
            root: self.growth.root(),
            more: vec![format!("time {}", self.at)],
        };
        let note = Note::new(checkpoint.to_string()).unwrap().signed(&self.signer).to_string();
        fs::create_dir_all(&self.folder).unwrap();
        fs::write(self.folder.join("checkpoint"), &note).unwrap();
        self.at += SignedDuration::from_secs(60);
        Signed::open(&note, &self.keys()).unwrap()
    }

    pub(super) fn keys(&self) -> Vec<Verifier> {
        vec![self.signer.verifier().clone()]
    }
}

fn leaf(row: &TrailRow, epoch: u32) -> Leaf {
    Leaf::Row(RowLeaf {
        epoch,
        xid: row.xid,
        id: row.id,
        at_micros: row.event_timestamp.as_microsecond(),
        row_hash: row.row_hash.clone().try_into().unwrap(),
    })
}

/// A shop whose trail has more rows than a bundle has entries, of several transactions.
struct Shop {
    protected: Protected,
    superuser: Db,
    dir: TempDir,
    log: Log,
    /// The numbers of its rows, oldest first.
    ids: Vec<i64>,
    epoch: EpochLeaf,
    /// Its checkpoints, oldest first.
    heads: Vec<Signed>,
}

impl Shop {
    async fn new() -> Self {
        let protected = house(SHOP, Keeper::Superuser).await;
        let superuser = protected.superuser.clone().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::new(&dir.path().join("log"), 1);
        // Nothing is watched any more, and nothing is there yet.
        let unwatched = "DO $$ DECLARE name text; BEGIN
                             FOR name IN SELECT evtname FROM pg_event_trigger LOOP
                                 EXECUTE format('ALTER EVENT TRIGGER %I DISABLE', name);
                             END LOOP;
                         END $$";
        run(&superuser, unwatched).await;
        let empty = format!("{UNGUARD}; TRUNCATE audit.system_audit_logs; {GUARD}");
        run(&superuser, &empty).await;
        let mut heads = vec![log.seal(&superuser, 1).await];
        for (rows, size) in [(280, None), (3, Some(284)), (3, None), (1, None), (13, Some(301))] {
            let sql = "INSERT INTO product (company_id, name, price)
                       SELECT -1, 'n' || n, n FROM generate_series(1, ";
            run(&protected.owner, &format!("{sql}{rows}) n")).await;
            if let Some(size) = size {
                heads.push(log.seal(&superuser, size).await);
            }
        }
        let rows = in_order(&superuser).await;
        let reader = LogReader::new(log.shelf(), log.growth.size());
        let Leaf::Epoch(epoch) = reader.leaf(0).await.unwrap() else { panic!("no epoch") };
        let free = "ALTER TABLE audit.system_audit_logs ALTER id SET GENERATED BY DEFAULT;
                    CREATE TABLE public.pristine AS TABLE audit.system_audit_logs";
        run(&superuser, &format!("{UNGUARD}; {free}")).await;
        let ids = rows.iter().map(|row| row.id).collect();
        Self { protected, superuser, dir, log, ids, epoch, heads }
    }

    /// Puts the rows back as they were.
    async fn restore(&self) {
        let sql = "TRUNCATE audit.system_audit_logs;
                   INSERT INTO audit.system_audit_logs OVERRIDING SYSTEM VALUE
                   SELECT * FROM public.pristine";
        run(&self.superuser, sql).await;
    }

    /// A copy of the log to be damaged.
    fn copy(&self, name: &str) -> PathBuf {
        let to = self.dir.path().join(name);
        copy(&self.log.folder, &to);
        to
    }

    async fn verify_at(&self, place: &Path, kept: &[KeptCheckpoint], seconds: i64) -> Report {
        self.verify_with(place, (kept, &[]), seconds).await
    }

    async fn verify_with(
        &self,
        place: &Path,
        (kept, accepted): (&[KeptCheckpoint], &[Accepted]),
        seconds: i64,
    ) -> Report {
        let files = Folder::new(place.to_owned());
        let newest = self.heads.last().unwrap().head.time.unwrap();
        let job = Job {
            shelf: &files,
            keys: &self.log.keys(),
            current: None,
            kept,
            accepted,
            database: self.protected.superuser.as_ref(),
            archive: None,
            now: newest + SignedDuration::from_secs(seconds),
            stale: STALE,
        };
        verify(&job, &|_, _, _| {}).await.unwrap()
    }

    async fn damage(&self, folder: &Path, kept: &[KeptCheckpoint]) -> Vec<Damage> {
        self.verify_at(folder, kept, 30).await.damage
    }

    /// Every checkpoint so far, as a witness would have kept it.
    fn kept(&self) -> Vec<KeptCheckpoint> {
        let kept = |signed: &Signed| KeptCheckpoint {
            signed: signed.clone(),
            source: "witness".to_owned(),
            whole: false,
        };
        self.heads.iter().map(kept).collect()
    }
}

/// The rows in the order in which they are sealed.
async fn in_order(db: &Db) -> Vec<TrailRow> {
    let tx = db.operator().await.unwrap();
    let mut rows = trail(&tx).await;
    rows.sort_by_key(|row| (row.xid, row.id));
    rows
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What `docs/verify.py`, which shares nothing with us, says of a log: whether all of it holds.
fn python_holds(folder: &Path, key: &Verifier) -> bool {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/verify.py");
    let said = Command::new(testkit::python_tool("python"))
        .arg(program)
        .arg("log")
        .arg(folder)
        .arg(key.to_string())
        .output()
        .unwrap();
    said.status.code() == Some(0)
}
