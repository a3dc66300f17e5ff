//! A tenant goes from one installation to another, and hostile archives do not.

use std::io::{Cursor, Read};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kernel::{
    Condition, FileFault, FileName, NewFile, Quota, SystemClock, SystemRng, TenantFiles as _,
    TenantId,
};
use store::Db;
use tempfile::TempDir;
use testkit::try_damaged;

use super::fleet::{World, script, tenant, world_of};
use crate::archive::{Manifest, check};
use crate::files::tests::world::TestSeals;
use crate::{Error, Exporting, FILES_ROOM, FileSettings, FileShelf, Files, Imported, State};

/// An installation with its tenants' files.
pub(super) struct Site {
    pub(super) world: World,
    pub(super) files: Files,
    _folder: TempDir,
}

impl Deref for Site {
    type Target = World;
    fn deref(&self) -> &World {
        &self.world
    }
}

pub(super) async fn site(superuser: bool) -> Site {
    let (world, folder) = (world_of(superuser).await, tempfile::tempdir().unwrap());
    let db = world.server.superuser("amanah").await;
    store::migrate(&db, &[&FILES_ROOM]).await.unwrap();
    let files = Files::new(FileSettings {
        engine: db.clone(),
        owner: db,
        shelf: FileShelf::folder(folder.path().join("files")).unwrap(),
        seals: Arc::new(TestSeals::default()),
        quota: Quota { bytes: 64 << 20, files: 100 },
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
    });
    Site { world, files, _folder: folder }
}

impl Site {
    pub(super) async fn put(&self, who: &str, name: &str, content: &[u8]) {
        let (content_type, condition) = ("text/plain".to_owned(), Condition::None);
        let new = NewFile { content_type, bytes: None, condition };
        let name = FileName::new(name).unwrap();
        let mut writer = self.files.write(&tenant(who), &name, new).await.unwrap();
        writer.push(content).await.unwrap();
        writer.finish().await.unwrap();
    }

    /// A file as an import has made it that a crash has ended, on its way to `place`.
    pub(super) async fn half(&self, who: &str, name: &str, place: &str) {
        self.put(who, name, b"half a file").await;
        self.note(who, place).await;
    }

    /// Notes all files of a tenant as made by an import to `place`.
    async fn note(&self, who: &str, place: &str) {
        let db = self.server.superuser("amanah").await;
        let (tx, who) = (db.operator().await.unwrap(), tenant(who));
        let mut walk = self.files.walk(&who);
        while let Some(card) = walk.next().await.unwrap() {
            let bound: store::Bound<'_> =
                &[&who.as_str(), &place, &card.etag, &card.name.as_str().as_bytes()];
            tx.execute(
                "INSERT INTO tenancy.made_files VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                bound,
            )
            .await
            .unwrap();
        }
        tx.commit().await.unwrap();
    }

    pub(super) async fn get(&self, who: &str, name: &str) -> Result<Vec<u8>, FileFault> {
        let name = FileName::new(name).unwrap();
        let mut reader = self.files.read(&tenant(who), &name).await?;
        let (all, mut read) = (reader.card().bytes, Vec::new());
        while (read.len() as u64) < all {
            read.extend_from_slice(&reader.next(read.len() as u64..all).await?);
        }
        Ok(read)
    }
}

/// Every kind of thing that a schema can have, and rows that break other tools.
const SCHEMA: &str = include_str!("archive/schema.sql");
const ROWS: &str = include_str!("archive/rows.sql");
const MOST: u64 = 1 << 30;

pub(super) async fn export(world: &Site, id: &str) -> crate::Result<(Manifest, Vec<u8>)> {
    let with = Exporting {
        version: "0.0.0",
        key_of: &|text| text.starts_with("amanah:v1:AAAA").then(|| "notes".to_owned()),
        files: &world.files,
        without: Vec::new(),
    };
    let mut bytes = Vec::new();
    let manifest = world.fleet.export(&tenant(id), &with, &mut bytes).await?;
    Ok((manifest, bytes))
}

pub(super) async fn import(
    world: &Site,
    bytes: &[u8],
    called: Option<&str>,
) -> crate::Result<Imported> {
    let open = || Ok(Box::new(Cursor::new(bytes.to_vec())) as Box<dyn Read + Send>);
    let called = called.map(tenant);
    world.fleet.import(&open, (called.as_ref(), None), &world.files, MOST).await
}

pub(super) async fn run(db: &Db, sql: &str) {
    let tx = db.operator().await.unwrap();
    tx.batch(sql).await.unwrap();
    tx.commit().await.unwrap();
}

async fn one(db: &Db, sql: &str) -> String {
    let tx = db.operator().await.unwrap();
    tx.query_one(sql, &[]).await.unwrap().get(0)
}

async fn is_there(world: &Site, id: &str) -> bool {
    let all = world.fleet.list().await.unwrap();
    all.iter().any(|found| found.id == tenant(id))
}

/// Nothing of a refused import is left: no tenant, no database, no role.
async fn nothing_is_left(world: &Site, id: &str) {
    assert!(!is_there(world, id).await, "{id} is listed");
    let known: Vec<_> = world.fleet.list().await.unwrap();
    let known: Vec<&str> = known.iter().map(|tenant| tenant.place.name()).collect();
    for name in world.places().await {
        assert!(known.contains(&name.as_str()), "{name} is left");
    }
}

/// A world with the schema and a tenant that has everything.
async fn full(id: &str) -> Site {
    let world = site(true).await;
    world.migrate(&[script("0001_shop", SCHEMA)]).await;
    world.fleet.add(&tenant(id)).await.unwrap();
    let db = world.as_tenant(id).await;
    run(&db, ROWS).await;
    db.close();
    world
}

#[tokio::test]
async fn a_tenant_goes_to_another_installation_whole() {
    let id = "Toko \"Jaya\" – شركة o'brien select";
    let there = full(id).await;
    let (manifest, bytes) = export(&there, id).await.unwrap();
    assert_eq!(manifest.tenant, tenant(id));
    assert_eq!(manifest.objects.len(), 3, "{:?}", manifest.objects);
    assert_eq!(manifest.ciphertexts.iter().map(|n| n.fields).sum::<u64>(), 2, "{manifest:?}");
    assert!(manifest.without.iter().any(|words| words.contains("2 ciphertexts")));
    let checked = check(bytes.as_slice(), MOST).unwrap();
    assert_eq!(checked.manifest, manifest);
    let here = site(true).await;
    let early = import(&here, &bytes, None).await.unwrap_err();
    assert!(early.to_string().contains("0001_shop"), "{early}");
    nothing_is_left(&here, id).await;
    here.migrate(&[script("0001_shop", SCHEMA)]).await;
    let imported = import(&here, &bytes, None).await.unwrap();
    assert_eq!(imported.tenant.schema_version.as_deref(), Some("0001_shop"));
    // What comes out of the new place is what came out of the old one.
    let (again, _) = export(&here, id).await.unwrap();
    assert_eq!(again.tables, manifest.tables);
    assert_eq!(again.sequences, manifest.sequences);
    assert_eq!(again.objects, manifest.objects);
    assert_eq!(again.migrations, manifest.migrations);
    // It works: keys between tables hold, triggers fire, sequences go on, objects are the tenant's.
    let db = here.as_tenant(id).await;
    let missing = db.operator().await.unwrap();
    let refused = missing.query("INSERT INTO \"Order\" (customer) VALUES (99)", &[]).await;
    assert_eq!(refused.unwrap_err().sqlstate(), Some("23503"));
    drop(missing);
    run(&db, "INSERT INTO \"Order\" (customer) VALUES (1)").await;
    assert_eq!(one(&db, "SELECT max(id)::text FROM \"Order\"").await, "4", "3 was refused");
    assert_eq!(one(&db, "SELECT note FROM \"Order\" WHERE id = 4").await, "triggered");
    assert_eq!(one(&db, "SELECT count(*)::text FROM summary").await, "2");
    let object = "SELECT encode(lo_get(photo), 'escape') FROM album WHERE id = 1";
    assert_eq!(one(&db, object).await, "a photo");
    assert_eq!(one(&db, "SELECT sum(pg_catalog.lo_unlink(photo))::text FROM album").await, "2");
    db.close();
    // The twin is refused, and nothing happens to the first one; under another name it is made.
    let twin = import(&here, &bytes, None).await;
    assert!(matches!(twin, Err(Error::Exists(_))), "{twin:?}");
    import(&here, &bytes, Some("other")).await.unwrap();
    let canary = import(&here, &bytes, Some("amanah-canary-a")).await;
    assert!(matches!(canary, Err(Error::Canary)), "{canary:?}");
}

#[tokio::test]
async fn it_works_without_a_superuser_and_in_the_same_installation() {
    let world = site(false).await;
    world.migrate(&[script("0001_shop", SCHEMA)]).await;
    world.fleet.add(&tenant("shop")).await.unwrap();
    let db = world.as_tenant("shop").await;
    run(&db, ROWS).await;
    db.close();
    let (manifest, bytes) = export(&world, "shop").await.unwrap();
    import(&world, &bytes, Some("copy")).await.unwrap();
    let (again, _) = export(&world, "copy").await.unwrap();
    assert_eq!((again.tables, again.objects), (manifest.tables, manifest.objects));
}

/// Files go along under any names, and come out sealed for the new tenant; what fails takes its files
/// with it.
#[tokio::test]
async fn files_go_along() {
    let there = full("shop").await;
    let long: Vec<u8> = (0..9_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let names = [("../../etc/passwd", &b"a"[..]), ("empty", b""), ("ملف\n\0 'x'", &long)];
    for (name, content) in names {
        there.put("shop", name, content).await;
    }
    there.put("other", "theirs", b"not this one").await;
    let (manifest, bytes) = export(&there, "shop").await.unwrap();
    assert_eq!(manifest.files.len(), 3, "{:?}", manifest.files);
    let here = site(true).await;
    here.migrate(&[script("0001_shop", SCHEMA)]).await;
    import(&here, &bytes, None).await.unwrap();
    for (name, content) in names {
        assert!(here.get("shop", name).await.unwrap() == content, "{name}");
    }
    assert_eq!(here.get("shop", "theirs").await, Err(FileFault::Missing));
    // Where there are files of this name already, they stay.
    here.put("taken", "theirs", b"x").await;
    let taken = import(&here, &bytes, Some("taken")).await;
    assert!(matches!(taken, Err(Error::HasFiles(_))), "{taken:?}");
    assert_eq!(here.get("taken", "theirs").await.unwrap(), b"x");
    // Those of a tenant whose database was lost were not lost with it.
    let lost = "INSERT INTO tenancy.losses VALUES ('east', '1', 'amt_01234567_0123456789abcdef', 'taken', \
                sha256('taken'), 'active', NULL, NULL, now(), 'Sari', 'it did not answer')";
    here.sql("amanah", lost).await;
    let back = import(&here, &bytes, Some("taken")).await.unwrap();
    assert!(back.notes.iter().any(|note| note.contains("passed over")), "{:?}", back.notes);
    assert_eq!(here.get("taken", "theirs").await.unwrap(), b"x");
    assert_eq!(here.get("taken", "empty").await, Err(FileFault::Missing));
    // Where there is no room for all, none stay.
    here.files.set_quota(&tenant("small"), Some(1 << 20), None).await.unwrap();
    let small = import(&here, &bytes, Some("small")).await;
    assert!(matches!(small, Err(Error::File { .. })), "{small:?}");
    assert_eq!(here.get("small", "empty").await, Err(FileFault::Missing));
    nothing_is_left(&here, "small").await;
    // What cannot be removed either is told after the reason, and is no tenant.
    let stuck = "CREATE FUNCTION files.stuck() RETURNS trigger LANGUAGE plpgsql AS
                     'BEGIN RAISE EXCEPTION ''not now''; END';
                 CREATE TRIGGER stuck BEFORE DELETE ON files.files
                     FOR EACH ROW EXECUTE FUNCTION files.stuck()";
    here.sql("amanah", stuck).await;
    let small = import(&here, &bytes, Some("small")).await.unwrap_err();
    assert!(matches!(small, Error::StillThere { .. }), "{small}");
    let words = small.to_string();
    let (reason, left) = words.split_once(". What was made before that is still there").unwrap();
    assert!(reason.contains("room") && !reason.contains("not now"), "{words}");
    assert!(!words.contains("Nothing was"), "{words}");
    assert!(left.contains("The same import begins anew"), "{words}");
    assert_eq!(here.fleet.find(&tenant("small")).await.unwrap().state, State::Making);
    here.sql("amanah", "DROP TRIGGER stuck ON files.files").await;
    here.files.set_quota(&tenant("small"), Some(64 << 20), None).await.unwrap();
    import(&here, &bytes, Some("small")).await.unwrap();
    // A crash leaves some, and the same import takes their place.
    here.sql("amanah", "UPDATE tenancy.tenants SET state = 'making' WHERE id = 'shop'").await;
    let place = here.fleet.find(&tenant("shop")).await.unwrap().place;
    here.half("shop", "left over", place.name()).await;
    // What it wrote since, under whatever name, is its own.
    here.put("shop", "left over", b"x").await;
    let own = import(&here, &bytes, None).await.unwrap_err();
    assert!(matches!(own, Error::HasFiles(_)), "{own}");
    assert_eq!(here.get("shop", "empty").await, Err(FileFault::Missing));
    assert_eq!(here.get("shop", "left over").await.unwrap(), b"x");
    here.note("shop", place.name()).await;
    import(&here, &bytes, None).await.unwrap();
    assert_eq!(here.get("shop", "left over").await, Err(FileFault::Missing));
    assert!(here.get("shop", "ملف\n\0 'x'").await.unwrap() == long);
}

/// What was written after the beginning is in no part of it, also while the tenant goes on.
#[tokio::test]
async fn an_archive_is_of_one_moment() {
    let world = full("shop").await;
    let db = world.as_tenant("shop").await;
    let writes = async {
        for _ in 0..100 {
            run(&db, "INSERT INTO customer (name) VALUES ('x'); INSERT INTO log VALUES ('x')")
                .await;
        }
    };
    let (written, ()) = tokio::join!(export(&world, "shop"), writes);
    let (manifest, bytes) = written.unwrap();
    let rows = |name: &str| manifest.tables.iter().find(|t| t.name == name).unwrap().rows;
    assert_eq!(rows("customer") - 2, rows("log"), "both tables are of the same moment");
    check(bytes.as_slice(), MOST).unwrap();
}

/// Damaged anywhere, it is refused before anything is made.
#[tokio::test]
async fn a_damaged_archive_is_refused() {
    let there = full("shop").await;
    let (manifest, bytes) = export(&there, "shop").await.unwrap();
    let read = |bytes: &[u8]| match check(bytes, MOST) {
        // Only bytes that mean nothing may differ: who wrote a member, and when.
        Ok(checked) => checked.manifest == manifest,
        Err(Error::Archive(_)) => false,
        Err(error) => panic!("{error}"),
    };
    try_damaged("archive", std::slice::from_ref(&bytes), read);
    let here = site(true).await;
    here.migrate(&[script("0001_shop", SCHEMA)]).await;
    for place in [0, 600, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1500, bytes.len() - 1] {
        let cut = import(&here, &bytes[..place], None).await;
        assert!(matches!(cut, Err(Error::Archive(_))), "{place}: {cut:?}");
    }
    nothing_is_left(&here, "shop").await;
}

/// It is another one when it is read for the second time, or its reading ends in the middle: what
/// was made is removed.
#[tokio::test]
async fn what_changes_while_it_is_read_is_refused() {
    let there = full("shop").await;
    let (_, bytes) = export(&there, "shop").await.unwrap();
    let db = there.as_tenant("shop").await;
    run(&db, "UPDATE customer SET name = 'changed' WHERE id = 1").await;
    db.close();
    let (_, changed) = export(&there, "shop").await.unwrap();
    let here = site(true).await;
    here.migrate(&[script("0001_shop", SCHEMA)]).await;
    let half = bytes[..bytes.len() / 2].to_vec();
    for other in [changed, half] {
        let turn = AtomicUsize::new(0);
        let open = || {
            let first = turn.fetch_add(1, Ordering::Relaxed) == 0;
            let bytes = if first { bytes.clone() } else { other.clone() };
            Ok(Box::new(Cursor::new(bytes)) as Box<dyn Read + Send>)
        };
        let refused = here.fleet.import(&open, (None, None), &here.files, MOST).await;
        assert!(matches!(refused, Err(Error::Archive(_))), "{refused:?}");
        nothing_is_left(&here, "shop").await;
    }
    let small = here
        .fleet
        .import(&|| Ok(Box::new(Cursor::new(bytes.clone()))), (None, None), &here.files, 1)
        .await;
    assert!(small.unwrap_err().to_string().contains("are allowed"));
    // A crash in the middle of an import leaves it in the making; the same import begins it anew.
    import(&here, &bytes, None).await.unwrap();
    here.sql("amanah", "UPDATE tenancy.tenants SET state = 'making' WHERE id = 'shop'").await;
    import(&here, &bytes, None).await.unwrap();
}

/// Another structure is refused, each with the name of what differs; and no SQL of an archive runs.
#[tokio::test]
async fn a_foreign_structure_is_refused() {
    let there = full("shop").await;
    let here = site(true).await;
    here.migrate(&[script("0001_shop", SCHEMA)]).await;
    let place = there.fleet.list().await.unwrap().pop().unwrap().place;
    let changes = [
        ("CREATE TABLE planted (x int DEFAULT 7)", "DROP TABLE planted", "planted"),
        (
            "ALTER TABLE customer ADD CHECK (pg_catalog.pg_sleep(0) IS NOT NULL)",
            "ALTER TABLE customer DROP CONSTRAINT customer_check",
            "customer_check",
        ),
        (
            "ALTER TABLE customer ALTER name SET DEFAULT pg_catalog.current_query()",
            "ALTER TABLE customer ALTER name DROP DEFAULT",
            "customer.name",
        ),
        (
            "CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql
             AS 'BEGIN DELETE FROM customer; RETURN NEW; END'",
            include_str!("archive/touch.sql"),
            "touch()",
        ),
        ("CREATE INDEX planted ON customer (lower(name))", "DROP INDEX planted", "planted"),
        ("ALTER TYPE mood ADD VALUE 'odd'", "SELECT", "mood"),
    ];
    for (harm, mend, named) in changes {
        there.sql(place.name(), &format!("SET ROLE amanah_tenants; {harm}")).await;
        let (_, bytes) = export(&there, "shop").await.unwrap();
        let refused = import(&here, &bytes, None).await.unwrap_err().to_string();
        assert!(refused.contains(named), "{harm}: {refused}");
        there.sql(place.name(), mend).await;
    }
    nothing_is_left(&here, "shop").await;
    here.migrate(&[script("0001_shop", SCHEMA), script("0002", "CREATE TABLE later ()")]).await;
    let (_, bytes) = export(&there, "shop").await.unwrap();
    let older = import(&here, &bytes, None).await.unwrap_err().to_string();
    assert!(older.contains("0002 was run here and not there"), "{older}");
}

/// A table that is filtered for its owner is not exported in part.
#[tokio::test]
async fn what_cannot_be_read_whole_is_not_exported() {
    let world = full("shop").await;
    let place = world.fleet.list().await.unwrap().pop().unwrap().place;
    let harm = "ALTER TABLE customer ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY";
    world.sql(place.name(), harm).await;
    let refused = export(&world, "shop").await.unwrap_err();
    assert!(
        matches!(&refused, Error::Table { table, .. } if table == "public.customer"),
        "{refused}"
    );
    world.sql(place.name(), "ALTER TABLE customer NO FORCE ROW LEVEL SECURITY").await;
    world.fleet.suspend(&tenant("shop")).await.unwrap();
    let refused = export(&world, "shop").await;
    assert!(matches!(refused, Err(Error::ShutObjects(_))), "{refused:?}");
    let unknown = export(&world, "nobody").await;
    assert!(matches!(unknown, Err(Error::NoTenant(_))));
    assert!(TenantId::new("x".repeat(200)).is_err());
}

/// A file that is another one when it is read again is found out by its large objects too, whose
/// length alone says nothing.
#[tokio::test]
async fn an_object_that_changes_between_the_passes_is_refused() {
    let world = site(true).await;
    world.migrate(&[script("0001", "CREATE TABLE orders (id bigint PRIMARY KEY)")]).await;
    world.fleet.add(&tenant("shop")).await.unwrap();
    let db = world.as_tenant("shop").await;
    run(&db, "SELECT lo_from_bytea(4711, 'first')").await;
    let (_, first) = export(&world, "shop").await.unwrap();
    run(&db, "SELECT lo_put(4711, 0, 'other')").await;
    let (_, second) = export(&world, "shop").await.unwrap();
    db.close();
    let passes = AtomicUsize::new(0);
    let open = || {
        let again = passes.fetch_add(1, Ordering::SeqCst) > 0;
        let bytes = if again { &second } else { &first };
        Ok(Box::new(Cursor::new(bytes.clone())) as Box<dyn Read + Send>)
    };
    let copy = tenant("copy");
    let came_to = world.fleet.import(&open, (Some(&copy), None), &world.files, MOST).await;
    let refused = came_to.expect_err("it was taken in").to_string();
    assert!(refused.contains("it changed while it was read"), "{refused}");
    nothing_is_left(&world, "copy").await;
}
