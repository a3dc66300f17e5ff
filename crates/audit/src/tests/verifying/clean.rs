//! What is not damaged is not called damaged.

use jiff::SignedDuration;
use tlog::{Note, Signer};

use super::{GUARD, Log, ORIGIN, Pen, Shop, leaf, run};
use crate::seal::{Folder, LogReader};
use crate::verify::{
    Acceptances, Accepted, Job, KeptCheckpoint, Kind, Memory, Report, STALE, Signed, found, verify,
};
use crate::{EpochLeaf, ErasureLeaf, Leaf, RowLeaf};

/// What the log says was erased may be gone: the digest that is left still fits.
#[tokio::test]
async fn an_erasure_that_the_log_tells_of_is_no_damage() {
    let mut shop = Shop::new().await;
    let row = &super::in_order(&shop.superuser).await[19];
    let digest = kernel::hex(&row.content().digest().unwrap());
    let erase = format!(
        "UPDATE audit.system_audit_logs SET salt = NULL, row_key = NULL, old_data = NULL,
                new_data = NULL, erased = '\\x{digest}' WHERE id = {}",
        row.id
    );
    run(&shop.superuser, &erase).await;
    let request = "ticket 12".to_owned();
    let leaf = Leaf::Erasure(ErasureLeaf { index: 20, at_micros: 0, request });
    let head = shop.log.add(&[leaf]).await;
    shop.heads.push(head);
    let report = shop.verify_at(&shop.log.folder.clone(), &shop.kept(), 30).await;
    assert!(report.is_clean(), "{:#?}", report.damage);
    assert_eq!((report.whole, report.erased), (300, 1));
}

/// A restore to an earlier moment goes on on another timeline, under the same numbers: what was
/// written since is held against its own entries, and what was undone is no damage any more as soon as
/// somebody who has the log's key answers for it.
#[tokio::test]
async fn a_restore_that_somebody_answers_for_is_no_damage() {
    let mut shop = Shop::new().await;
    let rows = super::in_order(&shop.superuser).await;
    // The log is told of a history in which this timeline is the second one.
    let folder = shop.dir.path().join("restored");
    let mut log = Log::new(&folder, 1);
    let now = shop.epoch.clone();
    let before = EpochLeaf { timeline: now.timeline + 1, ..now.clone() };
    let xid = rows[290].xid;
    let lost = |id: i64| {
        let row_hash = [7; 32];
        Leaf::Row(RowLeaf { epoch: 1, xid: xid + 1_000, id, at_micros: 0, row_hash })
    };
    let mut leaves = vec![Leaf::Epoch(before)];
    leaves.extend(rows[..283].iter().map(|row| leaf(row, 1)));
    // Other rows stood in the same place, and some are no longer there.
    let Leaf::Row(other) = leaf(&rows[283], 1) else { panic!("no row") };
    leaves.push(Leaf::Row(RowLeaf { row_hash: [9; 32], ..other }));
    leaves.extend([lost(9_001), lost(9_002)]);
    let first_xid = rows[283].xid;
    leaves.push(Leaf::Epoch(EpochLeaf { epoch: 2, first_xid, ..now }));
    leaves.extend(rows[283..].iter().map(|row| leaf(row, 2)));
    shop.heads = vec![log.add(&leaves).await];
    let report = shop.verify_at(&folder, &[], 30).await;
    assert!(!report.damage.is_empty());
    assert!(report.damage.iter().all(|one| one.kind == Kind::Undone), "{:#?}", report.damage);
    assert_eq!((report.whole, report.undone, report.epochs.len()), (300, 0, 2));

    // Who reads the log with its key is told which epochs there are, and answers for one of them.
    let (head, keys) = (&shop.heads[0], log.keys());
    let reader = LogReader::new(log.shelf(), head.head.size);
    assert_eq!(found(&reader, head, 1).await.unwrap(), None, "the first one takes nothing away");
    assert_eq!(found(&reader, head, 3).await.unwrap(), None);
    let [_, (entry, epoch)] = found(&reader, head, 2).await.unwrap().unwrap();
    assert_eq!((entry, epoch.first_xid), (287, first_xid));
    let at = log.at;
    let sign = |seed: u8, epoch: &EpochLeaf, why: &str| {
        let (pen, words) = (Pen::of(&[seed]), ("budi", why));
        Accepted::sign(&*pen, ORIGIN, (entry, epoch), words, at)
    };
    let accepted = sign(1, &epoch, "restored, ticket 4711").unwrap();
    let file = Acceptances::at(shop.dir.path().join("accepted/shop"));
    assert_eq!(file.all(&keys).unwrap(), []);
    file.add(&accepted, &keys).unwrap();
    let accepted = file.all(&keys).unwrap();
    let report = shop.verify_with(&folder, (&[], &accepted), 30).await;
    assert!(report.is_clean(), "{:#?}", report.damage);
    assert_eq!((report.whole, report.undone, &report.accepted), (300, 3, &accepted));

    // It is about this entry alone, and counts by the log's key alone.
    let other = EpochLeaf { first_xid: first_xid + 1, ..epoch.clone() };
    let other = sign(1, &other, "another").unwrap();
    let report = shop.verify_with(&folder, (&[], &[other]), 30).await;
    assert!(!report.is_clean() && report.accepted.is_empty());
    assert!(sign(1, &epoch, "two\nlines by another\u{1b}").is_err());
    assert!(file.add(&sign(2, &epoch, "by another key").unwrap(), &keys).is_ok());
    let error = file.all(&keys).unwrap_err().to_string();
    assert!(error.contains("the key of this log has not signed"), "{error}");
}

/// A server that dies with commits that it had not waited for goes on on the same timeline. The rows
/// are gone, the log says so, and that is damage until somebody answers for it.
#[tokio::test]
async fn a_cut_that_somebody_answers_for_is_no_damage() {
    let shop = Shop::new().await;
    let folder = shop.copy("cut");
    let mut log = Log::new(&folder, 1);
    log.at = shop.heads.last().unwrap().head.time.unwrap();
    // All that the last transaction wrote.
    let cut = format!("DELETE FROM audit.system_audit_logs WHERE id >= {}", shop.ids[287]);
    run(&shop.superuser, &cut).await;
    let head = log.seal(&shop.superuser, 302).await;
    let kinds = |report: &Report| report.damage.iter().map(|one| one.kind).collect::<Vec<_>>();
    let report = shop.verify_at(&folder, &[], 30).await;
    assert_eq!(kinds(&report), [Kind::Epoch, Kind::Cut]);
    let reader = LogReader::new(log.shelf(), head.head.size);
    let [_, (entry, epoch)] = found(&reader, &head, 2).await.unwrap().unwrap();
    let words = ("budi", "a crash of the server");
    let accepted = Accepted::sign(&*Pen::of(&[1]), ORIGIN, (entry, &epoch), words, log.at).unwrap();
    let report = shop.verify_with(&folder, (&[], std::slice::from_ref(&accepted)), 30).await;
    assert!(report.is_clean(), "{:#?}", report.damage);
    assert_eq!(report.undone, 13);
}

/// Since when: after the row was written, or was last known to be right, and before it was found.
#[tokio::test]
async fn a_damage_has_a_time() {
    let shop = Shop::new().await;
    let rows = super::in_order(&shop.superuser).await;
    let edit =
        format!("UPDATE audit.system_audit_logs SET actor_id = 'x' WHERE id = {}", rows[9].id);
    run(&shop.superuser, &edit).await;
    let report = shop.verify_at(&shop.log.folder, &[], 30).await;
    let now = shop.heads[2].head.time.unwrap() + SignedDuration::from_secs(30);
    let [damage] = &report.damage[..] else { panic!("{:?}", report.damage) };
    assert_eq!((damage.after, damage.before), (Some(rows[9].event_timestamp), now));
    // A verification that found everything right says more, for the rows that it saw.
    let mut kept = shop.kept();
    for kept in &mut kept {
        kept.whole = true;
    }
    let report = shop.verify_at(&shop.log.folder, &kept[..2], 30).await;
    let seen = shop.heads[1].head.time.unwrap().max(rows[9].event_timestamp);
    assert_eq!(report.damage[0].after, Some(seen));
    let words = report.damage[0].to_string();
    assert!(words.starts_with(&format!("edited-row: row {}: ", rows[9].id)), "{words}");
    assert!(words.contains(", between 20") && words.contains(" and 20"), "{words}");
}

#[tokio::test]
async fn a_trail_that_nobody_touched_is_clean() {
    let mut shop = Shop::new().await;
    let report = shop.verify_at(&shop.log.folder.clone(), &shop.kept(), 30).await;
    assert!(report.is_clean(), "{:#?}", report.damage);
    assert_eq!((report.rows, report.whole, report.unsealed), (300, 300, 0));
    assert_eq!(report.head.as_ref(), shop.heads.last());
    // Rows that were written since are not sealed yet, and that is all there is to say.
    let sql = "INSERT INTO product (company_id, name) VALUES (-1, 'late'), (-1, 'later')";
    run(&shop.superuser, &format!("{GUARD}; {sql}")).await;
    let report = shop.verify_at(&shop.log.folder.clone(), &[], 30).await;
    assert!(report.is_clean(), "{:#?}", report.damage);
    assert_eq!((report.rows, report.whole, report.unsealed), (302, 300, 2));
    let rows = super::in_order(&shop.superuser).await;
    let late: Vec<_> = rows.iter().skip(300).map(|row| leaf(row, 1)).collect();
    shop.log.add(&late).await;
    let report = shop.verify_at(&shop.log.folder.clone(), &shop.kept(), 90).await;
    assert!(report.is_clean(), "{:#?}", report.damage);
    assert_eq!((report.rows, report.whole, report.unsealed), (302, 302, 0));
}

/// What was seen once is held against what is seen later, also when it was seen by nobody else.
#[tokio::test]
async fn a_checkpoint_that_was_seen_is_remembered() {
    let mut shop = Shop::new().await;
    let memory = Memory::at(shop.dir.path().join("seen/shop"));
    let keys = shop.log.keys();
    assert_eq!(memory.kept(&keys).unwrap(), []);
    for size in [301, 302, 303, 303] {
        let kept = memory.kept(&keys).unwrap();
        let report = shop.verify_at(&shop.log.folder, &kept, 30).await;
        assert!(report.is_clean(), "{:#?}", report.damage);
        assert_eq!(report.head.as_ref().unwrap().head.size, size);
        memory.keep(&report, kept).unwrap();
        let again = memory.kept(&keys).unwrap();
        assert_eq!(again.last().unwrap().signed, report.head.unwrap());
        if size < 303 {
            let request = "ticket".to_owned();
            let leaf = Leaf::Erasure(ErasureLeaf { index: 0, at_micros: 0, request });
            let head = shop.log.add(&[leaf]).await;
            shop.heads.push(head);
        }
    }
    let kept = memory.kept(&keys).unwrap();
    assert_eq!(kept.iter().map(|k| k.signed.head.size).collect::<Vec<_>>(), [301, 302, 303]);
    let back = shop.heads[3].note.clone();
    std::fs::write(shop.log.folder.join("checkpoint"), back).unwrap();
    let report = shop.verify_at(&shop.log.folder, &kept, 30).await;
    assert_eq!(report.damage[0].kind, Kind::RolledBack, "{:?}", report.damage);
    // What was found wrong is not kept as right.
    memory.keep(&report, kept.clone()).unwrap();
    assert_eq!(memory.kept(&keys).unwrap(), kept);
    let other = Log::new(shop.dir.path(), 5).keys();
    let error = memory.kept(&other).unwrap_err().to_string();
    assert!(error.contains("none of this log's"), "{error}");
}

/// A key that was retired signs a log no longer, once the next one has.
#[tokio::test]
async fn a_retired_key_does_not_sign_alone() {
    let shop = Shop::new().await;
    let files = Folder::new(shop.log.folder.clone());
    let next = Signer::from_seed(ORIGIN, &[2; 32]).unwrap();
    let keys = [next.verifier().clone(), shop.log.signer.verifier().clone()];
    let newest = shop.heads.last().unwrap();
    let both = Note::parse(&newest.note).unwrap().signed(&next).to_string();
    let signed = Signed::open(&both, &keys).unwrap();
    let kept = KeptCheckpoint { signed, source: "kept here".to_owned(), whole: true };
    for (kept, wanted) in [(&[][..], None), (std::slice::from_ref(&kept), Some(Kind::Forged))] {
        let job = Job {
            shelf: &files,
            keys: &keys,
            current: keys.first(),
            kept,
            accepted: &[],
            database: Some(&shop.superuser),
            archive: None,
            now: newest.head.time.unwrap(),
            stale: STALE,
        };
        let report = verify(&job, &|_, _, _| {}).await.unwrap();
        assert_eq!(report.damage.first().map(|one| one.kind), wanted, "{:#?}", report.damage);
    }
}

/// Transactions are in the order of their numbers, and not in that of their digits.
#[tokio::test]
async fn numbers_of_any_length_are_in_order() {
    let shop = Shop::new().await;
    let spread = "UPDATE audit.system_audit_logs a SET xid = (n.n * n.n)::text::xid8
                    FROM (SELECT id, row_number() OVER (ORDER BY id) AS n
                            FROM audit.system_audit_logs) n WHERE n.id = a.id";
    run(&shop.superuser, spread).await;
    let hash = |row: &crate::TrailRow| {
        let hash = kernel::hex(&row.digest());
        format!("UPDATE audit.system_audit_logs SET row_hash = '\\x{hash}' WHERE id = {};", row.id)
    };
    let rows = super::in_order(&shop.superuser).await;
    let hashes: String = rows.iter().map(hash).collect();
    run(&shop.superuser, &hashes).await;
    let rows = super::in_order(&shop.superuser).await;
    assert_eq!((rows[2].xid, rows[3].xid, rows[299].xid), (9, 16, 90_000));
    let folder = shop.dir.path().join("spread");
    let mut log = Log::new(&folder, 1);
    log.at = shop.heads[2].head.time.unwrap();
    let first = Leaf::Epoch(shop.epoch.clone());
    let leaves = rows.iter().map(|row| leaf(row, 1));
    let leaves: Vec<_> = [first].into_iter().chain(leaves).collect();
    log.add(&leaves).await;
    let report = shop.verify_at(&folder, &[], 30).await;
    let told: Vec<_> = report.damage.iter().map(|damage| damage.kind).collect();
    assert!(told.is_empty(), "{:#?}", report.damage);
    assert_eq!(report.whole, 300);
}
