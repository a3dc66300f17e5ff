//! What is proven was compared: a write that is made to see, and a transaction that cannot be printed.

use kernel::Outcome;

use super::super::{control, cx, none, watched};
use super::{SALE, run, world};
use crate::wal::{Kind, Look};

const CLAIM: &str = "access.production-audited";

/// A look that compared nothing proves nothing.
#[tokio::test]
async fn nothing_is_proven_without_a_write_that_was_compared() {
    let world = world().await;
    let claim = control(CLAIM, vec![watched(&world.protected)]);
    // The slot is new: without the write nothing would have been compared.
    assert_eq!(world.standing().await.transactions, 0);
    let proof = claim.prove(&cx(), &none()).await;
    assert_eq!(proof.outcome(), Outcome::Holds, "{}: {:?}", proof.detail(), proof.findings());
    assert!(proof.detail().contains("was compared in this look"), "{}", proof.detail());
    assert!(world.standing().await.transactions > 0);
    // None can be made, so that nobody knows whether any would be found.
    let tables = "ALTER TABLE company DISABLE TRIGGER ALL; ALTER TABLE product DISABLE TRIGGER ALL;
                  ALTER TABLE \"Order \"\"line\"\" 'x'\" DISABLE TRIGGER ALL";
    run(world.superuser(), tables).await;
    let proof = claim.prove(&cx(), &none()).await;
    assert_eq!(proof.outcome(), Outcome::Unknown, "{}", proof.detail());
    // What was found is told all the same.
    run(world.superuser(), SALE).await;
    let proof = claim.prove(&cx(), &none()).await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
    world.end().await;
}

/// What another process has read is not met, nor is a transaction that changed nothing.
#[tokio::test]
async fn a_transaction_is_met_once_and_with_its_changes() {
    let world = world().await;
    let write = async |sql: &str| -> u32 {
        let tx = world.superuser().operator().await.unwrap();
        tx.batch(sql).await.unwrap();
        let xid: String = tx.query_one(crate::sql::OWN_XID, &[]).await.unwrap().get(0);
        tx.commit().await.unwrap();
        (xid.parse::<u64>().unwrap() & u64::from(u32::MAX)).try_into().unwrap()
    };
    let met = async |xid: u32| {
        let (look, met) = world.comparison.read_for(world.superuser(), xid).await.unwrap();
        assert!(matches!(look, Look::Done { .. }), "{look:?}");
        met
    };
    let xid = write(SALE).await;
    assert!(met(xid).await && !met(xid).await);
    assert!(!met(write("CREATE TABLE plain (id int); INSERT INTO plain VALUES (1)").await).await);
    world.end().await;
}

/// One row that PostgreSQL cannot print is stepped over and told; what comes before and after it is
/// compared.
#[tokio::test]
async fn a_transaction_that_cannot_be_printed_stops_nothing() {
    let world = world().await;
    run(&world.protected.owner, "CREATE TABLE plain (held bytea)").await;
    world.look().await;
    run(world.superuser(), "ALTER TABLE product DISABLE TRIGGER ALL").await;
    run(world.superuser(), SALE).await;
    // Half of what a value may be, and twice as much as it is printed.
    let huge = "INSERT INTO plain SELECT convert_to(repeat('x', 540000000), 'UTF8')";
    run(&world.protected.owner, huge).await;
    run(world.superuser(), "DELETE FROM product").await;
    let told = world.told().await;
    assert_eq!(
        told,
        [
            "unrecorded: INSERT public.product, 1 and 0",
            "unread: a transaction that PostgreSQL cannot print ., 0 and 0",
            "unrecorded: DELETE public.product, 1 and 0",
        ]
    );
    let unread = world.standing().await.open.remove(1);
    assert!(unread.kind == Kind::Unread && unread.xid > 0, "{unread}");
    assert!(unread.to_string().contains("was not compared: transaction "), "{unread}");
    assert_eq!(world.told().await.len(), 3, "it is found once");
    world.end().await;
}

/// The same of one that is so small that PostgreSQL does not stream it: some numbers of a hundred thousand
/// digits each, which are a kilobyte in the log.
#[tokio::test]
async fn a_small_transaction_that_cannot_be_printed_stops_nothing() {
    let world = world().await;
    run(&world.protected.owner, "CREATE TABLE plain (held numeric[])").await;
    world.look().await;
    run(world.superuser(), "ALTER TABLE product DISABLE TRIGGER ALL").await;
    run(world.superuser(), SALE).await;
    let huge =
        "INSERT INTO plain SELECT array_agg('1e131071'::numeric) FROM generate_series(1, 8300)";
    run(&world.protected.owner, huge).await;
    run(world.superuser(), "DELETE FROM product").await;
    let told = world.told().await;
    assert_eq!(
        told,
        [
            "unrecorded: INSERT public.product, 1 and 0",
            "unread: a transaction that PostgreSQL cannot print ., 0 and 0",
            "unrecorded: DELETE public.product, 1 and 0",
        ]
    );
    let unread = world.standing().await.open.remove(1).to_string();
    assert!(unread.contains("was not compared: it ends at "), "{unread}");
    assert_eq!(world.told().await.len(), 3, "it is found once");
    world.end().await;
}
