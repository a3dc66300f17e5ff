//! A database that was put back, moved or cut: nothing is sealed twice, nothing is left out, and the
//! log says what happened.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use super::super::run;
use super::{BARE, Bench, each_once, rows, seal};
use crate::seal::{LogReader, Round, SealerSettings};
use crate::{EpochLeaf, Leaf};

async fn epochs(bench: &Bench) -> Vec<EpochLeaf> {
    let reader = LogReader::new(Arc::clone(&bench.shelf), bench.head().await.size);
    let found = reader.epochs().await.unwrap();
    let all = bench.leaves().await;
    // Halving finds what reading finds.
    let read =
        all.iter().filter_map(|l| if let Leaf::Epoch(e) = l { Some(e.clone()) } else { None });
    let found: Vec<_> = found.into_iter().map(|(_, epoch)| epoch).collect();
    assert_eq!(found, read.collect::<Vec<_>>());
    found
}

fn findings(rounds: &[Round]) -> Vec<&str> {
    rounds.iter().filter_map(|round| round.finding.as_deref()).collect()
}

fn shell(script: &str, folders: &[&Path]) {
    let done = Command::new("sh").args(["-ec", script, "sh"]).args(folders).status().unwrap();
    assert!(done.success(), "{script}");
}

/// Stops the server, does `script` with its folder and a folder for a copy, and starts it again.
pub(super) async fn while_stopped(bench: &Bench, script: &str) {
    let cluster = bench.server.cluster();
    bench.settings.db.close();
    bench.superuser.close();
    cluster.stop().await.unwrap();
    shell(script, &[cluster.dir(), &bench.dir.path().join("copy")]);
    cluster.revive().await.unwrap();
}

impl Bench {
    /// Logs in again after the server was stopped.
    pub(super) async fn again(mut self) -> Self {
        self.superuser = self.server.superuser("postgres").await;
        let db = self.server.login(&self.superuser, "sealer", "postgres").await;
        self.settings.db = db;
        self
    }
}

const KEEP: &str = "cp -a \"$1\" \"$2\"";
/// The copy goes on by itself, as a timeline of its own, as after a recovery to a point in time.
const RESTORE: &str = "rm -r \"$1\"; cp -a \"$2\" \"$1\"; touch \"$1/recovery.signal\"
    chown --reference=\"$1/PG_VERSION\" \"$1/recovery.signal\"
    echo \"restore_command = 'false'\" >> \"$1/postgresql.auto.conf\"";
/// The copy of a disk: nothing tells it from the server that it was taken from.
const REWIND: &str = "rm -r \"$1\"; cp -a \"$2\" \"$1\"";

/// Put back to an earlier point: what was written and sealed since is told, and what is written now is
/// sealed, under numbers of transactions and rows that come a second time.
#[tokio::test]
async fn a_restored_database_begins_an_epoch() {
    for (script, line) in [(RESTORE, 2), (REWIND, 1)] {
        let bench = Bench::new().await;
        bench.write(&["kept"]).await;
        bench.seal().await;
        while_stopped(&bench, KEEP).await;
        let bench = bench.again().await;
        bench.write(&["lost 1", "lost 2"]).await;
        bench.write(&["lost 3"]).await;
        bench.seal().await;
        let lost = bench.rows().await;
        while_stopped(&bench, script).await;
        let bench = bench.again().await;
        bench.write(&["new 1"]).await;
        let rounds = bench.seal().await;
        let [told] = findings(&rounds)[..] else { panic!("{rounds:?}") };
        assert!(told.contains("the 3 rows that were sealed last are no longer there"), "{told}");
        assert_eq!(told.contains("timeline 2 follows timeline 1"), line == 2, "{told}");
        bench.write(&["new 2"]).await;
        assert_eq!(findings(&bench.seal().await), [""; 0], "it is told once");
        let all = epochs(&bench).await;
        assert_eq!((all.len(), all[1].epoch, all[1].timeline), (2, 2, line));
        // The rows that are there are in the log once, and those that are lost stay in it.
        let mut wanted: Vec<_> = lost.into_iter().chain(bench.rows().await).collect();
        wanted.dedup();
        wanted.sort_unstable();
        wanted.dedup();
        let sealed = bench.sealed().await;
        let mut found: Vec<_> =
            sealed.iter().map(|l| ((l.xid, l.id), (l.at_micros, l.row_hash))).collect();
        found.sort_unstable();
        assert_eq!(found, wanted);
        let new = bench.rows().await.len() - 1;
        assert_eq!(sealed.iter().filter(|leaf| leaf.epoch == 2).count(), new);
        assert!(sealed.iter().filter(|leaf| leaf.epoch == 2).all(|l| l.xid >= all[1].first_xid));
    }
}

/// A new timeline with which nothing was lost: what was not sealed yet goes on.
#[tokio::test]
async fn a_timeline_that_loses_nothing_loses_nothing() {
    let bench = Bench::new().await;
    bench.write(&["a"]).await;
    bench.seal().await;
    bench.write(&["b"]).await;
    while_stopped(&bench, &format!("{KEEP}; {RESTORE}")).await;
    let bench = bench.again().await;
    bench.write(&["c"]).await;
    let rounds = bench.seal().await;
    let [told] = findings(&rounds)[..] else { panic!("{rounds:?}") };
    assert!(told.ends_with("the row that was sealed last is still there"), "{told}");
    assert_eq!(bench.agrees().await, 3);
}

/// On another cluster transactions are counted from the beginning: what was brought along and sealed
/// before is not sealed again, what was not is, and so is what is written there.
#[tokio::test]
async fn a_database_on_another_cluster_begins_an_epoch() {
    let bench = Bench::new().await;
    // So that the numbers there are higher than any that the other cluster reaches.
    for n in 0..60 {
        bench.write(&[&n.to_string(), "and one"]).await;
    }
    bench.seal().await;
    bench.write(&["not sealed before it was moved"]).await;
    let other = testkit::own_postgres().await;
    let there = other.superuser("postgres").await;
    let db = other.login(&there, "sealer", "postgres").await;
    run(&there, BARE).await;
    let mut lines = Vec::new();
    for ((xid, id), (at, hash)) in bench.rows().await {
        let hash = kernel::hex(&hash);
        lines.push(format!(
            "({id}, '{xid}', timestamptz 'epoch' + interval '{at} microseconds', '\\x{hash}')"
        ));
    }
    let sql = format!(
        "INSERT INTO audit.system_audit_logs (id, xid, event_timestamp, row_hash) VALUES {};
         SELECT setval('audit.system_audit_logs_id_seq', max(id)) FROM audit.system_audit_logs",
        lines.join(", ")
    );
    run(&there, &sql).await;
    let settings = SealerSettings { db, ..bench.settings.clone() };
    let rounds = seal(settings.clone()).await;
    let [told] = findings(&rounds)[..] else { panic!("{rounds:?}") };
    assert!(told.contains("on another cluster"), "{told}");
    let write = "INSERT INTO audit.system_audit_logs (row_hash) VALUES (sha256('new'))";
    // Until the numbers there have passed those that were brought along.
    for _ in 0..150 {
        run(&there, write).await;
    }
    seal(settings.clone()).await;
    assert_eq!(findings(&seal(settings).await), [""; 0]);
    assert_eq!(each_once(&bench.sealed().await), rows(&there).await);
    assert_eq!(epochs(&bench).await.len(), 2);
}

/// A trail whose end was cut off, or all of it.
#[tokio::test]
async fn a_cut_trail_begins_an_epoch() {
    let bench = Bench::new().await;
    for name in ["a", "b", "c"] {
        bench.write(&[name]).await;
    }
    bench.seal().await;
    let sealed = bench.rows().await;
    run(&bench.superuser, "DELETE FROM audit.system_audit_logs WHERE id > 1").await;
    bench.write(&["d"]).await;
    let rounds = bench.seal().await;
    assert!(findings(&rounds)[0].starts_with("the 2 rows that were sealed last"), "{rounds:?}");
    run(&bench.superuser, "TRUNCATE audit.system_audit_logs").await;
    bench.write(&["e"]).await;
    let rounds = bench.seal().await;
    assert!(findings(&rounds)[0].ends_with("none that was sealed is left"), "{rounds:?}");
    assert_eq!(epochs(&bench).await.len(), 3);
    let found = each_once(&bench.sealed().await);
    assert!(sealed.iter().all(|row| found.get(row.0) == Some(row.1)) && found.len() == 5);
}

/// What was changed after it was sealed is not sealed again: it is left for the verifier.
#[tokio::test]
async fn an_edited_row_is_not_sealed_again() {
    let bench = Bench::new().await;
    bench.write(&["a", "b"]).await;
    bench.seal().await;
    let before = bench.leaves().await;
    run(&bench.superuser, "UPDATE audit.system_audit_logs SET row_hash = sha256('x')").await;
    bench.seal().await;
    assert_eq!(bench.leaves().await, before);
}
