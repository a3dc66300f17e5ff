//! What proofs leave behind goes, and nothing else can.

use super::rights::{SARI, house, operator};

const CANARY: &str = "00000000-0000-4000-8000-0000000000ca";

#[tokio::test]
async fn what_is_synthetic_and_over_can_go_and_what_is_real_never() {
    let house = house().await;
    let owner = &house.base.owner;
    let tx = owner.operator().await.unwrap();
    tx.batch(&format!(
        "INSERT INTO identity.accounts VALUES ('{CANARY}', 'x@amanah.invalid', 'amanah-staff'), \
         ('{SARI}', 'sari@vendor.example', 'amanah-staff')"
    ))
    .await
    .unwrap();
    for account in [CANARY, SARI] {
        // Asked for, let in, used and over for days; and one that was over a moment ago.
        for days in [3, 0] {
            tx.batch(&format!(
                "INSERT INTO access.support_grants \
                     (tenant, asked_by, asked_as, ticket, reason, scope, hours, asked_at) \
                 VALUES ('sinar', '{account}', 'x', 't', 'r', 'ro', 1, now() - interval '{days} days 2 hours'); \
                 INSERT INTO access.grants (account, tenant, role, granted_by, reason, granted_at) \
                 SELECT '{account}', 'sinar', id, 'x', 'x', now() - interval '{days} days 2 hours' \
                 FROM access.roles WHERE name = 'viewer' AND {days} = 3 OR name = 'editor' AND {days} = 0"
            ))
            .await
            .unwrap();
        }
    }
    tx.batch(
        "UPDATE access.support_grants SET ended_at = asked_at + interval '1 hour', ended_as = 'x'; \
         UPDATE access.grants SET revoked_at = granted_at + interval '1 hour', revoked_by = 'x'",
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let count = async |table: &str| -> Vec<i64> {
        let tx = owner.operator().await.unwrap();
        let sql = format!(
            "SELECT count(*) FILTER (WHERE synthetic), count(*) FILTER (WHERE NOT synthetic) FROM access.{table}"
        );
        let row = tx.query_one(&sql, &[]).await.unwrap();
        vec![row.get(0), row.get(1)]
    };
    assert_eq!((count("grants").await, count("support_grants").await), (vec![2, 2], vec![2, 2]));
    let real = "is evidence";
    for sql in [
        "DELETE FROM access.grants WHERE NOT synthetic",
        "DELETE FROM access.support_grants WHERE NOT synthetic",
        "DELETE FROM access.grants WHERE role = (SELECT id FROM access.roles WHERE name = 'editor')",
        "DELETE FROM access.support_grants WHERE asked_at > now() - interval '1 day'",
        "UPDATE access.grants SET synthetic = true",
    ] {
        assert!(house.attempt(owner, sql).await.contains(real), "{sql}");
        assert!(house.attempt(&house.base.engine, sql).await.contains("denied"), "{sql}");
    }
    let marked = "UPDATE access.support_grants SET synthetic = NOT synthetic";
    assert!(!house.attempt(owner, marked).await.contains("rows"));
    assert_eq!(crate::sweep(owner).await.unwrap(), 2);
    assert_eq!((count("grants").await, count("support_grants").await), (vec![1, 2], vec![1, 2]));
    assert_eq!(crate::sweep(owner).await.unwrap(), 0);
    // Nobody says of themselves that they are synthetic.
    house.grant(&operator(), SARI, "auditor").await.unwrap();
    assert_eq!(count("grants").await, [1, 3]);
}
