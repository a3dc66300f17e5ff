//! Whatever order transactions begin and end in, each committed row is sealed once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use store::Db;

use super::epochs::while_stopped;
use super::{Bench, INSERT};
use crate::seal::{Sealer, holder};

/// How many write at once.
const WRITERS: usize = 8;
/// How many transactions each.
const EACH: usize = 40;

/// A transaction of writer `n`: long or short, with savepoints, ended in one way or the other.
async fn write(db: &Db, n: usize, round: usize) {
    let tx = db.operator().await.unwrap();
    let name = format!("{n}-{round}");
    tx.execute(INSERT, &[&name]).await.unwrap();
    tx.batch("SAVEPOINT one").await.unwrap();
    tx.execute(INSERT, &[&format!("{name}-s")]).await.unwrap();
    if (n + round).is_multiple_of(3) {
        tx.batch("ROLLBACK TO SAVEPOINT one").await.unwrap();
    }
    // Long ones stay open over transactions of others.
    for _ in 0..(n * round) % 20 {
        tx.query_one("SELECT 1", &[]).await.unwrap();
    }
    tx.execute(INSERT, &[&format!("{name}-e")]).await.unwrap();
    if (n * 7 + round).is_multiple_of(4) {
        tx.rollback().await.unwrap();
    } else {
        tx.commit().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_writers_are_sealed_each_row_once() {
    let bench = Bench::new().await;
    let writing = Arc::new(AtomicUsize::new(WRITERS));
    let mut writers = Vec::new();
    for n in 0..WRITERS {
        let (writing, url) = (Arc::clone(&writing), bench.superuser.url().clone());
        writers.push(tokio::spawn(async move {
            let db = Db::lazy(&url, 1).unwrap();
            for round in 0..EACH {
                write(&db, n, round).await;
            }
            writing.fetch_sub(1, Ordering::SeqCst);
        }));
    }
    let mut sealer = Sealer::open(bench.settings.clone()).await.unwrap().in_steps_of(17);
    let mut busy = 0;
    loop {
        let last = writing.load(Ordering::SeqCst) == 0;
        let (next, round) = sealer.round().await.unwrap();
        sealer = next;
        busy += usize::from(round.rows > 0);
        if last && !round.more {
            break;
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let committed = bench.agrees().await;
    assert!(committed > 500 && busy > 5, "{committed} rows in {busy} steps");
    // Within the one epoch, the order is that of transactions.
    assert!(bench.sealed().await.is_sorted_by_key(|leaf| (leaf.xid, leaf.id)));
}

/// What holds the horizon back delays what came after it, is told, and loses nothing.
#[tokio::test]
async fn an_open_transaction_delays_and_loses_nothing() {
    let bench = Bench::new().await;
    let long = bench.superuser.operator().await.unwrap();
    long.execute(INSERT, &[&"long"]).await.unwrap();
    bench.write(&["short"]).await;
    let rounds = bench.seal().await;
    let last = rounds.last().unwrap();
    assert_eq!((last.size, last.rows), (1, 0));
    let first = last.lag.unwrap();
    let again = bench.seal().await.last().unwrap().lag.unwrap();
    assert!(again > first, "{again:?} after {first:?}");
    let pid: i32 = long.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let holds = holder(&bench.superuser).await.unwrap().unwrap();
    assert!(holds.pid == Some(pid) && holds.since.is_some(), "{holds:?}");
    let words = holds.to_string();
    assert!(words.contains(&format!("process {pid} of login postgres in database")), "{words}");
    // Who may only read the trail sees which session it is, and not since when.
    let seen = holder(&bench.settings.db).await.unwrap().unwrap();
    assert_eq!((seen.pid, &seen.login), (Some(pid), &holds.login));
    long.commit().await.unwrap();
    let rounds = bench.seal().await;
    assert_eq!((rounds[0].rows, rounds[0].lag), (2, None));
    // One that only reads holds nothing back.
    let idle = bench.superuser.operator().await.unwrap();
    idle.batch("SELECT count(*) FROM audit.system_audit_logs").await.unwrap();
    bench.write(&["beside a reader"]).await;
    assert_eq!(bench.seal().await[0].rows, 1);
    idle.rollback().await.unwrap();
    assert_eq!(bench.agrees().await, 3);
}

/// A transaction that was prepared and forgotten is one that goes on, over restarts too.
#[tokio::test]
async fn a_prepared_transaction_delays_and_loses_nothing() {
    let bench = Bench::new().await;
    while_stopped(&bench, "echo max_prepared_transactions=2 >> \"$1/postgresql.auto.conf\"").await;
    let bench = bench.again().await;
    let forgotten = bench.superuser.operator().await.unwrap();
    forgotten.execute(INSERT, &[&"forgotten"]).await.unwrap();
    forgotten.batch("PREPARE TRANSACTION 'forgotten'").await.unwrap();
    drop(forgotten);
    bench.write(&["later"]).await;
    while_stopped(&bench, "true").await;
    let bench = bench.again().await;
    let last = bench.seal().await.pop().unwrap();
    assert!(last.size == 1 && last.lag.is_some(), "{last:?}");
    let words = holder(&bench.superuser).await.unwrap().unwrap().to_string();
    assert!(
        words.starts_with("the prepared transaction \"forgotten\" of login postgres"),
        "{words}"
    );
    assert!(words.ends_with("COMMIT PREPARED or ROLLBACK PREPARED it there"), "{words}");
    // It refuses to run inside a transaction.
    let tx = bench.superuser.operator().await.unwrap();
    tx.batch("COMMIT").await.unwrap();
    tx.batch("COMMIT PREPARED 'forgotten'").await.unwrap();
    drop(tx);
    bench.seal().await;
    assert_eq!(holder(&bench.superuser).await.unwrap(), None);
    assert_eq!(bench.agrees().await, 2);
}
