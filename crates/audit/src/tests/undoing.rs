//! Dropping the trail: what is ours goes, and what others have put there or hung on it stays.

use super::{Keeper, SHOP, house, run};

#[tokio::test]
async fn the_trail_goes_without_what_others_have_made_of_it() {
    for keeper in [Keeper::Superuser, Keeper::Owner] {
        let protected = house(SHOP, keeper).await;
        let superuser = protected.superuser.as_ref().filter(|_| keeper == Keeper::Superuser);
        let db = superuser.unwrap_or(&protected.owner);
        run(
            db,
            "CREATE VIEW audit_report AS SELECT id, action FROM audit.system_audit_logs;
             CREATE TABLE cases (id int, evidence text DEFAULT audit.leniently(1, 'x'));
             CREATE TABLE audit.notes (note text)",
        )
        .await;
        let tx = db.operator().await.unwrap();
        assert_eq!(
            crate::others(&tx).await.unwrap(),
            [
                "default value for public.cases.evidence",
                "rule \"_RETURN\" on public.audit_report",
                "table audit.notes"
            ]
        );
        tx.rollback().await.unwrap();
        let remove = async || -> store::Result<()> {
            let tx = db.operator().await.unwrap();
            for step in crate::removal(&tx, true).await.unwrap() {
                tx.batch(&step.sql).await?;
            }
            tx.commit().await
        };
        remove().await.unwrap_err();
        run(db, "DROP VIEW audit_report; DROP TABLE audit.notes").await;
        remove().await.unwrap_err();
        run(db, "ALTER TABLE cases ALTER evidence DROP DEFAULT").await;
        remove().await.unwrap();
        let tx = db.operator().await.unwrap();
        let left = "SELECT count(*) FROM pg_namespace WHERE nspname = 'audit'";
        assert_eq!(tx.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
        tx.batch("INSERT INTO product (company_id, name) VALUES (-1, 'x')").await.unwrap();
    }
}
