//! Contents go from the archive too: chosen as in the database, killed at each step, and proven afterwards.

use std::sync::Arc;
use std::time::Instant;

use kernel::{SystemClock, SystemRng};
use store::Db;

use super::super::sealing::{OTHERS_END, Pen};
use super::super::{CONTROL, ORIGIN};
use super::Old;
use super::reading::{beyond, library};
use crate::archive::{Beyond, Past};
use crate::erasing::{
    Asked, Choice, Chosen, Erasing, Fault, Selection, Shelved, Standing, choose, choose_everywhere,
};
use crate::reading::{Filter, Key};
use crate::retention::Month;
use crate::seal::{LogReader, Scratch, Sealer, SealerSettings};
use crate::verify::{Signed, check, prove, row};
use crate::{Result, TrailRow};

/// An archive with records, and whoever erases.
struct Shop {
    old: Old,
    erasing: Erasing,
}

impl Shop {
    async fn new() -> Self {
        let (old, _) = library().await;
        let control = Db::lazy(CONTROL.get().unwrap(), 4).unwrap();
        Self { old, erasing: Erasing::new(control, Arc::new(SystemClock)) }
    }

    fn beyond(&self) -> Beyond {
        beyond(&self.old, Arc::clone(&self.old.shelf))
    }

    fn files(&self, place: Arc<Scratch>) -> Shelved {
        let log = Arc::clone(&self.old.watched.log.as_ref().unwrap().shelf);
        Shelved { archive: self.old.at(place), keys: self.old.keys(), log }
    }

    async fn near(&self, selection: &Selection) -> Vec<Chosen> {
        choose(&self.old.superuser, selection).await.unwrap()
    }

    async fn chosen(&self, selection: &Selection) -> Choice {
        choose_everywhere(&self.old.superuser, selection, &self.beyond()).await.unwrap()
    }

    /// The row of this number in the archive's files, wherever else it may be.
    async fn filed(&self, month: Month, id: i64) -> TrailRow {
        let (beyond, one) = (self.beyond(), Some(id));
        let filter = Filter { first: one, last: one, ..Filter::default() };
        let mut past = Past::of(&beyond, (month, None), filter).await.unwrap();
        past.next().await.unwrap().unwrap()
    }

    async fn ask(&self, rows: &[Chosen]) -> i64 {
        let asked = Asked {
            log: (ORIGIN, self.head().await.head.size),
            by: "budi",
            why: "ticket 12",
            chosen_by: "a record of amanah.thing",
        };
        self.erasing.ask(&self.old.superuser, &asked, rows).await.unwrap()
    }

    async fn head(&self) -> Signed {
        let log = self.old.watched.log.as_ref().unwrap();
        let stored = log.shelf.checkpoint().await.unwrap().unwrap();
        Signed::open(&stored.note, &self.old.keys()).unwrap()
    }

    /// Enters the request into the log, and takes the contents out of `place` and the database.
    async fn erase(&self, erasing: &Erasing, request: i64, place: &Arc<Scratch>) -> Result<()> {
        let begun = Instant::now();
        let mut sealer = Sealer::open(SealerSettings {
            db: self.old.superuser.clone(),
            shelf: Arc::clone(&self.old.watched.log.as_ref().unwrap().shelf),
            signatory: Pen::of(&[1]),
            origin: ORIGIN.to_owned(),
            clock: Arc::new(SystemClock),
        })
        .await?;
        while erasing.standing(request).await?.waiting > 0 {
            assert!(begun.elapsed() < OTHERS_END);
            (sealer, _) = sealer.round().await?;
            (sealer, _) = erasing.enter(sealer).await?;
        }
        let files = self.files(Arc::clone(place));
        erasing.take(&self.old.superuser, ORIGIN, Some(&files), &SystemRng).await.map(drop)
    }

    /// The same, until it is done: what was ended a moment ago may have its turn still.
    async fn finish(&self, request: i64) -> Standing {
        let begun = Instant::now();
        loop {
            self.erase(&self.erasing, request, &self.old.shelf).await.unwrap();
            let standing = self.standing(request).await;
            if standing.finished || begun.elapsed() > OTHERS_END {
                return standing;
            }
        }
    }

    async fn standing(&self, request: i64) -> Standing {
        self.erasing.standing(request).await.unwrap()
    }
}

fn record(key: &str) -> Selection {
    let (schema, table) = (Some("amanah".to_owned()), "thing".to_owned());
    Selection::Record { schema, table, key: Key::of(key) }
}

/// The requests of one log are one queue, so one test goes through all of it.
#[tokio::test]
async fn contents_go_from_the_archive_too() {
    what_is_chosen_goes_and_its_proof_stays().await;
    for fault in [Fault::Entered, Fault::Archived, Fault::Erasing, Fault::Erased, Fault::Cleaning] {
        whatever_is_killed_is_finished(fault).await;
    }
    what_is_in_both_goes_from_both().await;
    what_cannot_be_opened_stays_and_is_named().await;
}

/// The same rows are chosen as before they left; their contents go, and everything that proves them stays.
async fn what_is_chosen_goes_and_its_proof_stays() {
    let shop = Shop::new().await;
    let selections = [
        record("17"),
        record("18"),
        record(r#"{"id": 1.5}"#),
        record("nothing"),
        Selection::Tenant("7".to_owned()),
        Selection::About("Tea".to_owned()),
        Selection::About("x\"y".to_owned()),
        Selection::About("name".to_owned()),
    ];
    let mut before = Vec::new();
    for selection in &selections {
        before.push(shop.near(selection).await);
    }
    let first = before[0][0].clone();
    let was = row(&shop.old.superuser, first.id).await.unwrap().unwrap();
    let (log, head) = (shop.old.watched.log.as_ref().unwrap(), shop.head().await);
    let reader = LogReader::new(Arc::clone(&log.shelf), head.head.size);
    let key = &shop.old.keys()[0];
    let proof = prove(&reader, &head, key, &was).await.unwrap();
    shop.old.keep(&shop.old.superuser).await.unwrap();
    for (selection, before) in selections.iter().zip(&before) {
        let Choice { mut rows, unread } = shop.chosen(selection).await;
        assert_eq!(unread, []);
        assert_eq!(rows.iter().any(|row| row.archived), !rows.is_empty(), "{selection:?}");
        for row in &mut rows {
            row.archived = false;
        }
        assert_eq!(&rows, before, "{selection:?}");
    }
    let chosen = shop.chosen(&record("17")).await.rows;
    assert_eq!(chosen.len(), 9, "three in each month");
    let request = shop.ask(&chosen).await;
    let standing = shop.finish(request).await;
    assert!(standing.finished && standing.taken == 9, "{standing:?}");
    let left = shop.filed(shop.old.eldest, first.id).await;
    let mut wanted = was.clone();
    assert!(wanted.erase());
    assert_eq!(left, wanted);
    assert!(left.is_whole() && left.row_hash == was.row_hash);
    assert_eq!(check(&proof, key).unwrap().refutes(&left), None);
    let report = shop.old.verify(Some(&shop.old.archive())).await;
    assert!(report.is_clean(), "{:?}", report.damage);
    assert_eq!((report.erased, report.archived), (9, 26));
    assert_eq!(shop.chosen(&record("17")).await.rows, []);
}

/// Killed at each step and done again: all is gone in the end, and each entry is there once.
async fn whatever_is_killed_is_finished(fault: Fault) {
    let shop = Shop::new().await;
    shop.old.keep(&shop.old.superuser).await.unwrap();
    let chosen = shop.chosen(&record("17")).await.rows;
    let request = shop.ask(&chosen).await;
    let mut killed = shop.erasing.clone();
    killed.fault = Some(fault);
    let ended = shop.erase(&killed, request, &shop.old.shelf).await.unwrap_err();
    assert!(ended.to_string().contains("a kill by a test"), "{fault:?}: {ended}");
    assert!(!shop.standing(request).await.finished, "{fault:?}");
    let standing = shop.finish(request).await;
    assert!(standing.finished && standing.taken == 9, "{fault:?}: {standing:?}");
    let report = shop.old.verify(Some(&shop.old.archive())).await;
    assert!(report.is_clean() && report.erased == 9, "{fault:?}: {:?}", report.damage);
}

/// A month that is in both places loses the contents in both, and then leaves the database.
async fn what_is_in_both_goes_from_both() {
    let shop = Shop::new().await;
    let reader = super::super::reading::person(&shop.old.protected, "amanah_trail_reader").await;
    shop.old.keep(&reader).await.unwrap_err();
    let chosen = shop.chosen(&record("17")).await.rows;
    assert!(chosen.iter().all(|row| !row.archived), "what is in both is the database's");
    let request = shop.ask(&chosen).await;
    // While somebody archives, nobody erases.
    let turn = shop.erasing.turn(ORIGIN).await.unwrap();
    shop.erase(&shop.erasing, request, &shop.old.shelf).await.unwrap();
    assert_eq!(shop.standing(request).await.taken, 0);
    drop(turn);
    assert!(shop.finish(request).await.finished);
    assert!(shop.filed(shop.old.eldest, chosen[0].id).await.is_erased());
    assert!(row(&shop.old.superuser, chosen[0].id).await.unwrap().unwrap().is_erased());
    shop.old.keep(&shop.old.superuser).await.unwrap();
    let report = shop.old.verify(Some(&shop.old.archive())).await;
    assert!(report.is_clean() && report.erased == 9, "{:?}", report.damage);
}

/// A file that does not open keeps its contents, which are named, and no others; and goes when it is put back.
async fn what_cannot_be_opened_stays_and_is_named() {
    let shop = Shop::new().await;
    shop.old.keep(&shop.old.superuser).await.unwrap();
    let month = shop.old.elder;
    let chosen = shop.chosen(&record("17")).await.rows;
    let flip = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    let damaged = Arc::new(shop.old.shelf.changed(&format!("{month}/0"), flip));
    let (place, wanted) = (beyond(&shop.old, Arc::clone(&damaged)), record("17"));
    let seen = choose_everywhere(&shop.old.superuser, &wanted, &place).await.unwrap();
    assert_eq!(seen.rows.len(), 6);
    assert_eq!(seen.unread.len(), 1);
    assert_eq!(seen.unread[0].0, month.to_string());
    let request = shop.ask(&chosen).await;
    shop.erase(&shop.erasing, request, &damaged).await.unwrap();
    let standing = shop.standing(request).await;
    assert!(standing.finished && standing.taken == 6, "{standing:?}");
    assert_eq!(standing.refused.len(), 3);
    assert!(standing.refused[0].1.contains(&format!("in the archive: {month}/0")), "{standing:?}");
    let report = shop.old.verify(Some(&shop.old.archive())).await;
    assert_eq!(report.damage.len(), 2, "the file as it was has contents that are to go");
    let request = shop.ask(&shop.chosen(&record("17")).await.rows).await;
    let standing = shop.finish(request).await;
    assert!(standing.finished && standing.refused.is_empty(), "{standing:?}");
    let report = shop.old.verify(Some(&shop.old.archive())).await;
    assert!(report.is_clean() && report.erased == 9, "{:?}", report.damage);
}
