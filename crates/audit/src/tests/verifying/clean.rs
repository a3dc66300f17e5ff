//! What is not damaged is not called damaged.

use super::{Shop, leaf};

#[tokio::test]
async fn a_trail_that_nobody_touched_is_clean() {
    let mut shop = Shop::new().await;
    let report = shop.verify_at(&shop.log.folder.clone(), &shop.kept(), 30).await;
    assert!(report.is_clean(), "{:#?}", report.damage);
    assert_eq!((report.rows, report.whole, report.unsealed), (300, 300, 0));
    assert_eq!(report.head.as_ref(), shop.heads.last());
    // Rows that were written since are not sealed yet, and that is all there is to say.
    let sql = "ALTER TABLE audit.system_audit_logs ENABLE TRIGGER USER;
               INSERT INTO product (company_id, name) VALUES (-1, 'late'), (-1, 'later')";
    super::run(&shop.superuser, sql).await;
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
