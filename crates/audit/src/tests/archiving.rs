//! Months that leave the database for the archive, and what is found when they are not whole there.

mod bucket;
mod erasing;
mod reading;

use std::sync::Arc;

use kernel::{Outcome, Params, catalogue};
use store::{Db, Protected};

use super::claims::seal;
use super::retaining::{ago, write};
use super::verifying::copied::Seals;
use super::{Keeper, SHOP, control, cx, house, run, watched};
use crate::archive::{Archive, Gone, Plan, archive, check, plan};
use crate::retention::{Month, lengthen};
use crate::seal::Scratch;
use crate::verify::{Job, Kind, Report, STALE, verify};
use crate::{Result, Watched};

/// A sealed trail with two months that are due and one that is not, and an empty archive.
struct Old {
    protected: Protected,
    superuser: Db,
    watched: Watched,
    shelf: Arc<Scratch>,
    seals: Arc<Seals>,
    eldest: Month,
    elder: Month,
}

impl Old {
    async fn new() -> Self {
        let protected = house(SHOP, Keeper::Superuser).await;
        let superuser = protected.superuser.clone().unwrap();
        lengthen(&superuser, 24).await.unwrap();
        let (eldest, elder) = (ago(&superuser, 30).await, ago(&superuser, 26).await);
        write(&superuser, eldest, 3).await;
        write(&superuser, elder, 5).await;
        let young = ago(&superuser, 3).await;
        write(&superuser, young, 2).await;
        let watched = watched(&protected);
        seal(&protected, &watched).await;
        let (shelf, seals) = (Arc::default(), Arc::new(Seals::new()));
        Self { protected, superuser, watched, shelf, seals, eldest, elder }
    }

    fn at(&self, place: Arc<Scratch>) -> Archive {
        Archive { shelf: place, seals: Arc::<Seals>::clone(&self.seals) }
    }

    fn archive(&self) -> Archive {
        self.at(Arc::clone(&self.shelf))
    }

    async fn plan(&self) -> Plan {
        plan(&self.superuser, 24).await.unwrap()
    }

    async fn keep(&self, by: &Db) -> Result<Vec<Gone>> {
        self.keep_at(by, &self.archive()).await
    }

    async fn keep_at(&self, by: &Db, place: &Archive) -> Result<Vec<Gone>> {
        let (mut gone, log) = (Vec::new(), self.watched.log.as_ref().unwrap());
        let plan = self.plan().await;
        archive(log, by, place, &plan, &mut |one| gone.push(one.clone())).await?;
        Ok(gone)
    }

    fn keys(&self) -> Vec<tlog::Verifier> {
        (self.watched.log.as_ref().unwrap().keys)().unwrap()
    }

    async fn verify(&self, archive: Option<&Archive>) -> Report {
        let (log, keys) = (self.watched.log.as_ref().unwrap(), self.keys());
        let job = Job {
            shelf: &*log.shelf,
            keys: &keys,
            current: keys.first(),
            kept: &[],
            accepted: &[],
            database: Some(&self.superuser),
            archive,
            now: log.clock.now(),
            stale: STALE,
        };
        verify(&job, &|_, _, _| {}).await.unwrap()
    }

    async fn claim(&self, archive: Option<Archive>) -> kernel::Proof {
        let id = "audit.retention";
        let params = Params::check(catalogue::find(id).unwrap(), [("for", "24mo")]).unwrap();
        let watched = Watched { archive: Ok(archive), ..self.watched.clone() };
        control(id, vec![watched]).prove(&cx(), &params).await
    }
}

/// A month leaves the database once it lies in the archive, and is the trail's as before: the verifier reads it
/// there, the claim holds, and each file is proven by the key's line alone.
#[tokio::test]
async fn an_archived_month_is_still_the_trails() {
    let old = Old::new().await;
    let due: Vec<_> = old.plan().await.due.iter().map(|one| (one.month, one.rows)).collect();
    assert_eq!(due, [(old.eldest, 3), (old.elder, 5)]);
    let before = old.verify(None).await;
    assert!(before.is_clean(), "{:?}", before.damage);
    let gone = old.keep(&old.superuser).await.unwrap();
    let gone: Vec<_> = gone.iter().map(|one| (one.month, one.rows)).collect();
    assert_eq!(gone, due);
    assert!(old.plan().await.due.is_empty());
    let archive = old.archive();
    let after = old.verify(Some(&archive)).await;
    assert!(after.is_clean(), "{:?}", after.damage);
    // The trail tells of what was dropped, which is not sealed yet.
    assert_eq!((after.archived, after.whole, after.unsealed > 0), (8, before.whole, true));
    let held = old.claim(Some(archive.clone())).await;
    assert_eq!(held.outcome(), Outcome::Holds, "{}: {:?}", held.detail(), held.findings());
    assert!(held.detail().contains("2 months lie in the archive"), "{}", held.detail());
    let alone = check(&archive, &old.keys(), old.elder).await.unwrap();
    assert_eq!((alone.rows, alone.wrong.len()), (5, 0), "{:?}", alone.wrong);
    // Somebody else's key has vouched for nothing there.
    let other = tlog::Signer::from_seed(super::ORIGIN, &[9; 32]).unwrap().verifier().clone();
    let other = check(&archive, &[other], old.elder).await.unwrap();
    assert!(other.wrong[0].contains("not what was sealed"), "{:?}", other.wrong);
}

/// What is missing or damaged in the archive is named, by the verifier and by the claim; nothing is said of
/// rows where no archive is at hand.
#[tokio::test]
async fn what_is_wrong_with_an_archive_is_named() {
    let old = Old::new().await;
    old.keep(&old.superuser).await.unwrap();
    let unsaid = old.verify(None).await;
    assert!(unsaid.damage.is_empty(), "{:?}", unsaid.damage);
    assert_eq!((unsaid.unsaid, unsaid.is_clean()), (8, false));
    let month = old.elder.to_string();
    let flip = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    let damages = [
        old.shelf.without(&format!("{month}/manifest")),
        old.shelf.without(&format!("{month}/0")),
        old.shelf.without(&month),
        old.shelf.changed(&format!("{month}/0"), flip),
        old.shelf.changed(&format!("{month}/manifest"), flip),
    ];
    for (n, damaged) in damages.into_iter().enumerate() {
        let archive = old.at(Arc::new(damaged));
        let report = old.verify(Some(&archive)).await;
        let named: Vec<_> = report.damage.iter().map(|one| (one.kind, &*one.object)).collect();
        assert_eq!(named, [(Kind::LostArchive, &*format!("the month {month}"))], "{n}");
        assert_eq!((report.unsaid, report.archived), (5, 3), "{n}");
    }
    // The index is only a help: what the database says was archived is looked for all the same.
    let archive = old.at(Arc::new(old.shelf.without("months")));
    assert!(old.verify(Some(&archive)).await.is_clean());
    for archive in [None, Some(old.at(Arc::new(old.shelf.without(&month))))] {
        let broken = old.claim(archive).await;
        assert_eq!(broken.outcome(), Outcome::Broken, "{}", broken.detail());
        let named = |one: &kernel::Finding| one.object == format!("the month {month}");
        assert!(broken.findings().iter().any(named), "{:?}", broken.findings());
    }
    // A month that somebody dropped by hand is not in the archive, whatever the database says of it.
    let young = ago(&old.superuser, 3).await;
    let drop = format!(
        "DROP TABLE audit.{}; INSERT INTO audit.archived_months (month, rows) VALUES ('{}', 2)",
        young.partition(),
        young.first()
    );
    run(&old.superuser, &drop).await;
    let report = old.verify(Some(&old.archive())).await;
    let named: Vec<_> = report.damage.iter().map(|one| (one.kind, &*one.object)).collect();
    assert_eq!(named, [(Kind::LostArchive, &*format!("the month {young}"))]);
}

/// Nothing leaves the database that is not what was sealed, is not sealed, or was not read back; and what
/// was ended between archiving and removing is in both, which harms nobody, and is done the next time.
#[tokio::test]
async fn nothing_goes_that_is_not_in_the_archive() {
    let old = Old::new().await;
    // It reads the trail, and may take nothing out.
    let reader = super::reading::person(&old.protected, "amanah_trail_reader").await;
    let error = old.keep(&reader).await.unwrap_err().to_string();
    assert!(error.contains("permission denied for function remove_month"), "{error}");
    let whole = check(&old.archive(), &old.keys(), old.eldest).await.unwrap();
    assert_eq!((whole.rows, whole.wrong.len()), (3, 0), "{:?}", whole.wrong);
    assert_eq!(old.plan().await.due.len(), 2, "it is in the database still");
    let report = old.verify(Some(&old.archive())).await;
    assert!(report.is_clean(), "{:?}", report.damage);
    assert_eq!(report.archived, 0, "what is in both is the database's");
    let part = format!("audit.{}", old.eldest.partition());
    let edit = |to: &str| {
        format!(
            "ALTER TABLE {part} DISABLE TRIGGER USER; UPDATE {part} SET actor_id = {to};
             ALTER TABLE {part} ENABLE ALWAYS TRIGGER hash"
        )
    };
    run(&old.superuser, &edit("'nobody'")).await;
    let error = old.keep(&old.superuser).await.unwrap_err().to_string();
    assert!(error.contains("the trail is not what was sealed: edited-row"), "{error}");
    run(&old.superuser, &edit("NULL")).await;
    write(&old.superuser, old.eldest, 1).await;
    let error = old.keep(&old.superuser).await.unwrap_err().to_string();
    assert!(error.contains("it has 4 rows, and 3 were sealed"), "{error}");
    assert_eq!(old.plan().await.due.len(), 2);
    seal(&old.protected, &old.watched).await;
    let gone = old.keep(&old.superuser).await.unwrap();
    assert_eq!(gone.iter().map(|one| one.rows).collect::<Vec<_>>(), [4, 5]);
    let report = old.verify(Some(&old.archive())).await;
    assert!(report.is_clean(), "{:?}", report.damage);
}

/// The database and the archive take the same digest also over more rows than one piece of it has.
#[tokio::test]
async fn a_large_month_leaves_too() {
    let old = Old::new().await;
    write(&old.superuser, old.elder, 4_100).await;
    seal(&old.protected, &old.watched).await;
    let gone = old.keep(&old.superuser).await.unwrap();
    assert_eq!(gone.iter().map(|one| one.rows).collect::<Vec<_>>(), [3, 4_105]);
    let report = old.verify(Some(&old.archive())).await;
    assert!(report.is_clean(), "{:?}", report.damage);
}
