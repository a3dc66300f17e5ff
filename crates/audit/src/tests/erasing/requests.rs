//! Requests from their beginning to their end, and killed at each step of it.

use std::sync::Arc;
use std::time::Instant;

use kernel::{Clock as _, SystemClock, SystemRng};
use store::{Db, Protected};
use tlog::Verifier;

use super::super::sealing::{OTHERS_END, Pen};
use super::super::{CONTROL, Keeper, SHOP, binding, comparison, house, run, trail, whole};
use crate::erasing::{Asked, Chosen, ContentState, Erasing, Fault, Selection, Standing, choose};
use crate::reading::Key;
use crate::seal::{LogReader, Scratch, Sealer, SealerSettings, Shelf, keys};
use crate::verify::{Job, Report, STALE, Signed, check, prove, verify};
use crate::wal::{Comparison, Look};
use crate::{Leaf, Result, TrailRow};

struct World {
    protected: Protected,
    shelf: Arc<dyn Shelf>,
    origin: String,
    erasing: Erasing,
    comparison: Comparison,
}

impl World {
    async fn new() -> Self {
        let protected = house(SHOP, Keeper::Superuser).await;
        let control = Db::lazy(CONTROL.get().unwrap(), 4).unwrap();
        let world = Self {
            // Other tests of this process have their requests in the same place.
            origin: format!("amanah-ab12/{}", protected.name),
            shelf: Arc::new(Scratch::default()),
            erasing: Erasing::new(control, Arc::new(SystemClock)),
            comparison: comparison().unwrap(),
            protected,
        };
        world.differences().await;
        for name in ["tea", "rice", "salt"] {
            let sql =
                format!("INSERT INTO product (company_id, name, price) VALUES (-1, '{name}', 3)");
            world.write(&sql).await;
        }
        world
    }

    fn superuser(&self) -> &Db {
        self.protected.superuser.as_ref().unwrap()
    }

    async fn write(&self, sql: &str) {
        let tx = self.protected.owner.tenant(&binding(&self.protected, "sari")).await.unwrap();
        tx.batch(sql).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn rows(&self) -> Vec<TrailRow> {
        let tx = whole(&self.protected).await;
        trail(&tx).await
    }

    async fn sealer(&self) -> Result<Sealer> {
        Sealer::open(SealerSettings {
            db: self.superuser().clone(),
            shelf: Arc::clone(&self.shelf),
            signatory: Pen::of(&[1]),
            origin: self.origin.clone(),
            clock: Arc::new(SystemClock),
        })
        .await
    }

    /// Seals and enters until nothing of a request waits for it.
    async fn enter(&self, erasing: &Erasing, request: i64) -> Result<()> {
        let begun = Instant::now();
        let mut sealer = self.sealer().await?;
        while erasing.standing(request).await?.waiting > 0 {
            // What others write on this server may hold the horizon back for a while.
            assert!(begun.elapsed() < OTHERS_END);
            (sealer, _) = sealer.round().await?;
            (sealer, _) = erasing.enter(sealer).await?;
        }
        Ok(())
    }

    async fn chosen(&self, key: &str) -> Vec<Chosen> {
        let (schema, table) = (Some("public".to_owned()), "product".to_owned());
        let selection = Selection::Record { schema, table, key: Key::of(key) };
        choose(self.superuser(), &selection).await.unwrap()
    }

    async fn ask(&self, rows: &[Chosen]) -> i64 {
        let size = self.size().await;
        let asked = Asked {
            log: (&self.origin, size),
            by: "budi",
            why: "ticket 12",
            chosen_by: "a record of public.product",
        };
        self.erasing.ask(self.superuser(), &asked, rows).await.unwrap()
    }

    async fn size(&self) -> u64 {
        let stored = self.shelf.checkpoint().await.unwrap();
        stored.map_or(0, |stored| Signed::open(&stored.note, &self.keys()).unwrap().head.size)
    }

    fn keys(&self) -> Vec<Verifier> {
        keys(&*Pen::of(&[1]), &self.origin).unwrap()
    }

    async fn verify(&self) -> Report {
        let job = Job {
            shelf: &*self.shelf,
            keys: &self.keys(),
            current: None,
            kept: &[],
            accepted: &[],
            database: Some(self.superuser()),
            archive: None,
            now: SystemClock.now(),
            stale: STALE,
        };
        verify(&job, &|_, _, _| ()).await.unwrap()
    }

    /// What of the log speaks of erasures: of which entry, and what it says.
    async fn erasures(&self) -> Vec<(u64, String)> {
        let reader = LogReader::new(Arc::clone(&self.shelf), self.size().await);
        let mut all = Vec::new();
        for entry in reader.entries(0..reader.size()).await.unwrap() {
            if let Leaf::Erasure(erasure) = Leaf::decode(&entry).unwrap() {
                all.push((erasure.index, erasure.request));
            }
        }
        all
    }

    /// What the comparison has found, after all was read.
    async fn differences(&self) -> Vec<String> {
        let read = self.comparison.read(self.superuser()).await.unwrap();
        assert!(matches!(read, Look::Done { .. }), "{read:?}");
        let standing = self.comparison.standing(self.superuser()).await.unwrap().unwrap();
        standing.open.iter().map(|open| format!("{}: {}", open.kind, open.action)).collect()
    }
}

/// The contents about one record go, and nothing else. The log says so, the verifier finds nothing, a
/// proof from before still holds, and the comparison takes it for no change of the trail.
#[tokio::test]
async fn a_request_takes_contents_and_leaves_the_proofs() {
    let world = World::new().await;
    world.write("UPDATE product SET price = 4 WHERE name = 'tea'").await;
    let before = world.rows().await;
    let chosen = world.chosen("1").await;
    let wanted: Vec<i64> = [&before[0], &before[3]].map(|row| row.id).into();
    assert_eq!(chosen.iter().map(|row| row.id).collect::<Vec<_>>(), wanted);
    assert!(chosen.iter().all(|row| row.content == ContentState::There));
    let request = world.ask(&chosen).await;
    // Without an entry in the log nothing goes.
    let taken =
        world.erasing.take(world.superuser(), &world.origin, None, &SystemRng).await.unwrap();
    assert_eq!((taken, world.rows().await), (Some(0), before.clone()));
    world.enter(&world.erasing, request).await.unwrap();
    let said = format!("request {request} by budi: ticket 12");
    assert_eq!(world.erasures().await.iter().map(|(_, why)| why).collect::<Vec<_>>(), [&said; 2]);
    let stored = world.shelf.checkpoint().await.unwrap().unwrap();
    let (head, key) = (Signed::open(&stored.note, &world.keys()).unwrap(), &world.keys()[0]);
    let reader = LogReader::new(Arc::clone(&world.shelf), head.head.size);
    let proof = prove(&reader, &head, key, &before[0]).await.unwrap();

    let taken =
        world.erasing.take(world.superuser(), &world.origin, None, &SystemRng).await.unwrap();
    assert_eq!(taken, Some(2));
    let standing = Standing { rows: 2, waiting: 0, taken: 2, finished: true, refused: vec![] };
    assert_eq!(world.erasing.standing(request).await.unwrap(), standing);
    let after = world.rows().await;
    for (was, is) in before.iter().zip(&after) {
        let mut kept = was.clone();
        assert!(!wanted.contains(&was.id) || kept.erase());
        assert_eq!(*is, kept);
    }
    let report = world.verify().await;
    assert!(report.is_clean(), "{:?}", report.damage);
    assert_eq!(report.erased, 2);
    let checked = check(&proof, key).unwrap();
    assert_eq!(checked.refutes(&after[0]), None);
    assert_eq!(world.differences().await, [""; 0]);
    assert_eq!(world.chosen("1").await, []);
    world.comparison.end(world.superuser()).await.unwrap();
}

/// Killed at each step, and done again: no content is gone that the log says nothing of, each entry is
/// there once, and in the end all is erased.
#[tokio::test]
async fn whatever_is_killed_is_finished_by_the_next() {
    for fault in [Fault::Entered, Fault::Erasing, Fault::Erased, Fault::Cleaning] {
        let world = World::new().await;
        let chosen = [world.chosen("1").await, world.chosen("3").await].concat();
        let request = world.ask(&chosen).await;
        let mut killed = world.erasing.clone();
        killed.fault = Some(fault);
        let entered = world.enter(&killed, request).await;
        assert_eq!(entered.is_err(), fault == Fault::Entered, "{fault:?}");
        if entered.is_ok() {
            let taken = killed.take(world.superuser(), &world.origin, None, &SystemRng).await;
            assert!(taken.unwrap_err().to_string().contains("a kill by a test"), "{fault:?}");
        }
        let gone = world.rows().await.iter().filter(|row| row.is_erased()).count();
        let committed = matches!(fault, Fault::Erased | Fault::Cleaning);
        assert_eq!(gone, if committed { 2 } else { 0 }, "{fault:?}");
        assert_eq!(world.erasures().await.len(), 2, "{fault:?}");
        assert!(!world.erasing.standing(request).await.unwrap().finished, "{fault:?}");
        assert!(world.erasing.open_logs().await.unwrap().contains(&world.origin));

        world.enter(&world.erasing, request).await.unwrap();
        world.erasing.take(world.superuser(), &world.origin, None, &SystemRng).await.unwrap();
        let standing = world.erasing.standing(request).await.unwrap();
        assert!(standing.finished && standing.taken == 2, "{fault:?}: {standing:?}");
        assert_eq!(world.erasures().await.len(), 2, "{fault:?}: an entry is there once");
        let report = world.verify().await;
        assert!(report.is_clean() && report.erased == 2, "{fault:?}: {:?}", report.damage);
        assert_eq!(world.differences().await, [""; 0], "{fault:?}");
        world.comparison.end(world.superuser()).await.unwrap();
    }
}

/// A superuser who does the same by hand is found by both; so is one who rides on a request.
#[tokio::test]
async fn the_same_by_hand_is_found() {
    let world = World::new().await;
    let chosen = world.chosen("1").await;
    let request = world.ask(&chosen).await;
    world.enter(&world.erasing, request).await.unwrap();
    let by_hand = |id: i64| {
        format!(
            "SET LOCAL ROLE amanah_trail_erasing;
             UPDATE audit.system_audit_logs SET salt = NULL, row_key = NULL, old_data = NULL,
                    new_data = NULL, erased = audit.content_digest(salt, row_key, old_data, new_data)
              WHERE id = {id}"
        )
    };
    let second = world.chosen("2").await[0].id;
    run(world.superuser(), &by_hand(second)).await;
    // The one that the log speaks of, by another transaction than that of the request.
    run(world.superuser(), &by_hand(chosen[0].id)).await;
    world.erasing.take(world.superuser(), &world.origin, None, &SystemRng).await.unwrap();
    assert!(world.erasing.standing(request).await.unwrap().finished);
    assert_eq!(world.differences().await, ["trail-changed: UPDATE", "trail-changed: UPDATE"]);
    let report = world.verify().await;
    let found: Vec<_> = report.damage.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("silent-erasure") && found[0].contains(&second.to_string()));
    world.comparison.end(world.superuser()).await.unwrap();
}

/// A row that is not what was sealed is not erased, says so, and keeps none of the others.
#[tokio::test]
async fn what_was_changed_is_refused_and_keeps_nothing_else() {
    let world = World::new().await;
    let chosen = [world.chosen("1").await, world.chosen("2").await].concat();
    let request = world.ask(&chosen).await;
    world.enter(&world.erasing, request).await.unwrap();
    let change = format!(
        "ALTER TABLE audit.system_audit_logs DISABLE TRIGGER refuse_row;
         ALTER TABLE audit.system_audit_logs DISABLE TRIGGER refuse_statement;
         UPDATE audit.system_audit_logs SET new_data = '{{}}' WHERE id = {};
         ALTER TABLE audit.system_audit_logs ENABLE ALWAYS TRIGGER refuse_row;
         ALTER TABLE audit.system_audit_logs ENABLE ALWAYS TRIGGER refuse_statement",
        chosen[1].id
    );
    run(world.superuser(), &change).await;
    let taken =
        world.erasing.take(world.superuser(), &world.origin, None, &SystemRng).await.unwrap();
    assert_eq!(taken, Some(1));
    let standing = world.erasing.standing(request).await.unwrap();
    assert!(standing.finished && standing.taken == 1, "{standing:?}");
    let [(id, why)] = &standing.refused[..] else { panic!("{standing:?}") };
    assert_eq!(*id, chosen[1].id);
    assert!(why.contains("is refused"), "{why}");
    assert_eq!(world.differences().await, ["trail-changed: UPDATE"]);
    world.comparison.end(world.superuser()).await.unwrap();
}

/// What a request chooses: by a changed key under both, with who has read it; by tenant, number and value.
#[tokio::test]
async fn rows_are_chosen_as_they_are_asked_for() {
    let world = World::new().await;
    world.write("UPDATE product SET id = 70, name = 'sari@example.com' WHERE id = 1").await;
    let ids = |rows: Vec<Chosen>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    let all = ids_of(&world.rows().await);
    assert_eq!(ids(world.chosen("1").await), [all[0], all[3]]);
    assert_eq!(ids(world.chosen("70").await), [all[3]]);
    assert_eq!(ids(world.chosen(r#"{"id": 70}"#).await), [all[3]]);
    let by = async |selection| ids(choose(world.superuser(), &selection).await.unwrap());
    assert_eq!(by(Selection::About("sari@example.com".to_owned())).await, [all[3]]);
    assert_eq!(by(Selection::Tenant("-1".to_owned())).await, all);
    assert_eq!(by(Selection::Tenant("-2".to_owned())).await, [0; 0]);
    assert_eq!(by(Selection::Rows(vec![all[1], 0])).await, [all[1]]);
    let filter = r#"{"table": "product", "key": "70"}"#;
    let auditor = crate::controls::Probe::make(world.superuser(), "amanah_auditor", &SystemRng);
    let auditor = auditor.await.unwrap();
    let tx = auditor.db.operator().await.unwrap();
    tx.query("SELECT audit.ask($1::text::jsonb, 'a test')", &[&filter]).await.unwrap();
    tx.commit().await.unwrap();
    auditor.remove().await.unwrap();
    let reading = world.rows().await.last().unwrap().id;
    assert_eq!(ids(world.chosen("70").await), [all[3], reading]);
    assert_eq!(ids(world.chosen(r#"{"id": 70}"#).await), [all[3]]);
    world.comparison.end(world.superuser()).await.unwrap();
}

fn ids_of(rows: &[TrailRow]) -> Vec<i64> {
    rows.iter().map(|row| row.id).collect()
}
