//! An archive in a real bucket: filled, read back, verified, damaged.

use std::sync::Arc;

use kernel::Outcome;

use super::super::shelves::settings;
use super::super::verifying::copied::Seals;
use super::Old;
use crate::archive::{Archive, check};
use crate::seal::{Bucket, Shelf};
use crate::verify::Kind;

/// Months go into a bucket as into a folder: they are read back from there, the verifier and the claim read
/// them, and an object that is changed or gone is named.
#[tokio::test]
async fn a_bucket_keeps_an_archive() {
    let old = Old::new().await;
    let settings = settings();
    let shelf: Arc<dyn Shelf> = Arc::new(Bucket::new(&settings, "house/shop").unwrap());
    let place = Archive { shelf: Arc::clone(&shelf), seals: Arc::<Seals>::clone(&old.seals) };
    let gone = old.keep_at(&old.superuser, &place).await.unwrap();
    assert_eq!(gone.iter().map(|one| one.rows).collect::<Vec<_>>(), [3, 5]);
    assert!(old.plan().await.due.is_empty());
    // Another process opens it anew.
    let again = Arc::new(Bucket::new(&settings, "house/shop").unwrap());
    let again = Archive { shelf: again, seals: Arc::<Seals>::clone(&old.seals) };
    let alone = check(&again, &old.keys(), old.elder).await.unwrap();
    assert_eq!((alone.rows, alone.wrong.len()), (5, 0), "{:?}", alone.wrong);
    let report = old.verify(Some(&again)).await;
    assert!(report.is_clean(), "{:?}", report.damage);
    assert_eq!(report.archived, 8);
    let held = old.claim(Some(again.clone())).await;
    assert_eq!(held.outcome(), Outcome::Holds, "{}: {:?}", held.detail(), held.findings());
    let month = old.elder;
    for path in [format!("{month}/000000000"), format!("{month}/manifest")] {
        let whole = shelf.read(&path, 1 << 20).await.unwrap().unwrap();
        assert!(!whole.windows(8).any(|text| text == b"new_data"), "rows are sealed");
        let mut changed = whole.clone();
        *changed.last_mut().unwrap() ^= 1;
        for damage in [Some(changed), None] {
            match damage {
                Some(changed) => shelf.put(vec![(path.clone(), changed)]).await.unwrap(),
                None => shelf.remove(&path).await.unwrap(),
            }
            let report = old.verify(Some(&again)).await;
            let named: Vec<_> = report.damage.iter().map(|one| (one.kind, &*one.object)).collect();
            assert_eq!(named, [(Kind::LostArchive, &*format!("the month {month}"))], "{path}");
            assert_eq!((report.unsaid, report.archived), (5, 3), "{path}");
            let broken = old.claim(Some(again.clone())).await;
            assert_eq!(broken.outcome(), Outcome::Broken, "{}", broken.detail());
        }
        shelf.put(vec![(path.clone(), whole)]).await.unwrap();
    }
    assert!(old.verify(Some(&again)).await.is_clean(), "what is put back is whole");
}

/// Where nothing can be written, nothing leaves the database.
#[tokio::test]
async fn a_month_stays_while_the_bucket_does_not_take_it() {
    let old = Old::new().await;
    let mut settings = settings();
    settings.url = "s3://there-is-no-such-bucket/logs".to_owned();
    let shelf = Arc::new(Bucket::new(&settings, "house/shop").unwrap());
    let place = Archive { shelf, seals: Arc::<Seals>::clone(&old.seals) };
    let error = old.keep_at(&old.superuser, &place).await.unwrap_err().to_string();
    assert!(error.contains("there-is-no-such-bucket"), "{error}");
    assert_eq!(old.plan().await.due.len(), 2);
    assert!(old.verify(None).await.is_clean());
}
