//! What keeps months of the trail in the database, and `audit.retention` over it.

use kernel::{Outcome, Params, Proof, catalogue};
use store::Db;

use super::claims::seal;
use super::{Keeper, SHOP, control, cx, house, run, watched};
use crate::Watched;
use crate::controls::written;
use crate::retention::{Month, lengthen, stays};

const ID: &str = "audit.retention";

/// A month that ended so many months ago.
pub(super) async fn ago(db: &Db, months: u32) -> Month {
    let tx = db.operator().await.unwrap();
    let now: jiff::Timestamp = tx.query_one("SELECT now()", &[]).await.unwrap().get(0);
    Month::of(now).earlier(months + 1)
}

/// Has the trail hold `rows` rows of a month that is past.
pub(super) async fn write(superuser: &Db, month: Month, rows: u32) {
    run(superuser, &written(month, rows)).await;
}

async fn prove(watched: &Watched, period: &str) -> Proof {
    let params = Params::check(catalogue::find(ID).unwrap(), [("for", period)]).unwrap();
    control(ID, vec![watched.clone()]).prove(&cx(), &params).await
}

/// What it says of a call, as the archivist.
async fn removal(superuser: &Db, month: Month, rows: i64) -> Result<(), String> {
    let digest = format!("{}{}", crate::sql::DIGEST, month.partition());
    let tx = superuser.operator().await.unwrap();
    let there = format!("audit.{}", month.partition());
    let mut sealed = Vec::new();
    if tx.query_one(crate::sql::IS_PART, &[&there]).await.unwrap().get(0) {
        sealed = tx.query_one(&digest, &[]).await.unwrap().get::<_, Vec<u8>>(0);
    }
    tx.rollback().await.unwrap();
    removal_of(superuser, month, rows, &sealed).await
}

async fn removal_of(superuser: &Db, month: Month, rows: i64, digest: &[u8]) -> Result<(), String> {
    let tx = superuser.operator().await.unwrap();
    tx.batch("SET LOCAL ROLE amanah_trail_archivist").await.unwrap();
    let sql = format!(
        "SELECT audit.remove_month('{}', {rows}, '\\x{}')",
        month.first(),
        kernel::hex(digest)
    );
    match tx.batch(&sql).await {
        Ok(()) => {
            tx.commit().await.unwrap();
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// A month goes when it is old enough, by the one function that takes it out, and with exactly the rows that
/// were archived; what it says of the period never gets shorter by itself.
#[tokio::test]
async fn a_month_goes_at_its_time_and_never_before() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let superuser = protected.superuser.clone().unwrap();
    let (old, young) = (ago(&superuser, 24).await, ago(&superuser, 23).await);
    write(&superuser, old, 3).await;
    write(&superuser, young, 2).await;
    let said = removal(&superuser, old, 3).await.unwrap_err();
    assert!(said.contains("of the trail stays"), "nobody has said for how long: {said}");
    assert_eq!(stays(&superuser).await.unwrap(), None);
    assert_eq!(lengthen(&superuser, 24).await.unwrap(), 24);
    assert_eq!(lengthen(&superuser, 12).await.unwrap(), 24, "it only grows");
    assert_eq!(stays(&protected.owner).await.unwrap(), Some(24));
    let said = removal(&superuser, young, 2).await.unwrap_err();
    assert!(said.contains(&format!("the month {young} of the trail stays")), "{said}");
    let said = removal(&superuser, old, 2).await.unwrap_err();
    assert!(said.contains("has 3 rows, and 2 were archived; nothing was removed"), "{said}");
    for (far, wanted) in [("'infinity'", "no month was named"), ("NULL", "no month was named")] {
        let tx = superuser.operator().await.unwrap();
        let sql = format!("SELECT audit.remove_month({far}, 0, '')");
        let said = tx.batch(&sql).await.unwrap_err().to_string();
        assert!(said.contains(wanted), "{said}");
    }
    let said = removal_of(&superuser, old, 3, &[7; 32]).await.unwrap_err();
    assert!(said.contains("are not those that were archived; nothing was removed"), "{said}");
    let tx = superuser.operator().await.unwrap();
    tx.batch("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    let stale = format!("SELECT audit.remove_month('{}', 3, '')", old.first());
    let said = tx.batch(&stale).await.unwrap_err().to_string();
    assert!(said.contains("READ COMMITTED; nothing was removed"), "{said}");
    drop(tx);
    removal(&superuser, old, 3).await.unwrap();
    let said = removal(&superuser, old, 3).await.unwrap_err();
    assert!(said.contains("has no partition of the month"), "{said}");
    let tx = superuser.operator().await.unwrap();
    let sql = "SELECT string_agg(month || ' ' || rows, ', ') FROM audit.archived_months";
    let noted: String = tx.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(noted, format!("{} 3", old.first()));
    // The trail itself says that it went.
    let sql = "SELECT count(*) FROM audit.system_audit_logs
                WHERE action = 'DDL' AND table_name = $1 AND new_data ->> 'dropped' = 'true'";
    let told: i64 = tx.query_one(sql, &[&old.partition()]).await.unwrap().get(0);
    assert_eq!(told, 1);
    for login in [&protected.owner, &protected.intruder] {
        let tx = login.operator().await.unwrap();
        let error = tx.batch("SELECT audit.remove_month('2000-01-01', 0, '')").await.unwrap_err();
        assert_eq!(error.sqlstate(), Some("42501"), "{error}");
    }
}

/// The claim holds while every month of which something was sealed is there, nobody can take one out, and it
/// is kept for as long as the page says; it names the month that is gone.
#[tokio::test]
async fn a_month_that_is_gone_breaks_the_claim() {
    let protected = house(SHOP, Keeper::Superuser).await;
    let superuser = protected.superuser.clone().unwrap();
    lengthen(&superuser, 24).await.unwrap();
    let watched = watched(&protected);
    let unsealed = prove(&watched, "24mo").await;
    assert_eq!(unsealed.outcome(), Outcome::Unknown, "{}", unsealed.detail());
    let (old, young) = (ago(&superuser, 30).await, ago(&superuser, 3).await);
    write(&superuser, old, 3).await;
    write(&superuser, young, 2).await;
    seal(&protected, &watched).await;
    let held = prove(&watched, "24mo").await;
    assert_eq!(held.outcome(), Outcome::Holds, "{}: {:?}", held.detail(), held.findings());
    assert!(
        held.detail().contains(&format!("sealed rows since {old}, of 3 months")),
        "{}",
        held.detail()
    );
    assert!(
        held.population().to_string().ends_with("months of trails, and attempts to take one out")
    );
    let short = prove(&watched, "5y").await;
    assert_eq!(short.outcome(), Outcome::Broken);
    let said: Vec<&str> = short.findings().iter().map(|one| one.what.as_str()).collect();
    assert_eq!(
        said,
        [
            "the trail is kept for 24 months, and 60 are promised",
            "a month may leave the database 24 months after its end, and 60 are promised"
        ]
    );
    // One row of three, the last one, and one that takes the place of another.
    let part = format!("audit.{}", old.partition());
    let by_hand = |what: &str| {
        format!(
            "ALTER TABLE {part} DISABLE TRIGGER USER;
             CREATE TABLE IF NOT EXISTS public.kept AS TABLE {part}; {what}"
        )
    };
    let last = format!("WHERE id = (SELECT max(id) FROM {part})");
    for (what, said) in [
        (format!("DELETE FROM {part} {last}"), "3 rows of this month were sealed, and 2 are"),
        (format!("UPDATE {part} SET row_hash = sha256('') {last}"), "its last row, "),
        (format!("DELETE FROM {part}"), "none of them is in the database"),
    ] {
        run(&superuser, &by_hand(&what)).await;
        let broken = prove(&watched, "24mo").await;
        assert_eq!(broken.outcome(), Outcome::Broken, "{what}");
        let [found] = broken.findings() else { panic!("{:?}", broken.findings()) };
        assert_eq!(found.object, format!("the month {old}"));
        assert!(found.what.contains(said), "{what}: {}", found.what);
        let back = format!(
            "DELETE FROM {part}; INSERT INTO audit.system_audit_logs OVERRIDING SYSTEM VALUE
                 SELECT * FROM public.kept; ALTER TABLE {part} ENABLE ALWAYS TRIGGER hash,
                 ENABLE ALWAYS TRIGGER refuse_row, ENABLE ALWAYS TRIGGER refuse_statement"
        );
        run(&superuser, &back).await;
        assert_eq!(prove(&watched, "24mo").await.outcome(), Outcome::Holds, "{what}");
    }
    run(&superuser, &format!("DROP TABLE audit.{}", young.partition())).await;
    let broken = prove(&watched, "24mo").await;
    assert_eq!(broken.outcome(), Outcome::Broken);
    assert_eq!(broken.findings().len(), 1, "{:?}", broken.findings());
    assert_eq!(broken.findings()[0].object, format!("the month {young}"));
    let nobody = Watched { log: Err("nobody seals it".to_owned()), ..watched };
    assert_eq!(prove(&nobody, "24mo").await.outcome(), Outcome::Unknown);
}

/// Where nobody keeps the trail out of the owner's hands, the owner can drop any month, and that is said.
#[tokio::test]
async fn an_owner_who_keeps_the_trail_breaks_the_claim() {
    let protected = house(SHOP, Keeper::Owner).await;
    let watched = watched(&protected);
    seal(&protected, &watched).await;
    let proof = prove(&watched, "24mo").await;
    assert_eq!(proof.outcome(), Outcome::Broken, "{}", proof.detail());
    let dropped =
        |one: &kernel::Finding| one.what.contains("the owner") && one.what.contains("drop its");
    assert!(proof.findings().iter().any(dropped), "{:?}", proof.findings());
}
