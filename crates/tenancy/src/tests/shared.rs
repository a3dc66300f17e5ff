//! One tenant of a shared database comes and goes, and the others stay as they are.

mod erase;
mod hostile;
mod lost;

use std::io::{Cursor, Read};
use std::sync::atomic::{AtomicUsize, Ordering};

use store::literal;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::archive::{Site, site};
use super::fixture::{bare, bound, planned};
use super::fleet::tenant;
use crate::archive::{Manifest, check};
use crate::{Elsewhere, Error, Exporting, Guarded, ImportedRows, apply};

pub(super) const SHOP: &str = include_str!("shared/shop.sql");
const ROWS: &str = include_str!("shared/rows.sql");
/// A name that breaks other tools, and a neighbour.
pub(super) const TOKO: &str = "Toko \"Jaya\" – شركة o'brien \\ select";
pub(super) const OTHER: &str = "toko";
const MOST: u64 = 1 << 30;

/// A protected shop without tenants.
pub(super) async fn shop() -> Guarded {
    let guarded = bare(SHOP, "shop", ("canary-a", "canary-b")).await;
    let tx = guarded.protected.owner.operator().await.unwrap();
    tx.batch("INSERT INTO plan VALUES ('pro', 10)").await.unwrap();
    tx.commit().await.unwrap();
    protect(&guarded).await;
    guarded
}

pub(super) async fn protect(guarded: &Guarded) {
    let plan = planned(&guarded.protected).await;
    let (owner, superuser) = (&guarded.protected.owner, guarded.protected.superuser.as_ref());
    apply(owner, superuser, &plan).await.unwrap();
}

/// Gives a tenant rows, as the application would.
pub(super) async fn fill(guarded: &Guarded, name: &str, number: u32) {
    let tx = bound(guarded, name).await;
    let sql = ROWS.replace("{t}", &literal(name)).replace("{n}", &number.to_string());
    tx.batch(&sql).await.unwrap();
    tx.commit().await.unwrap();
}

/// Two tenants.
pub(super) async fn full() -> Guarded {
    let guarded = shop().await;
    fill(&guarded, TOKO, 100).await;
    fill(&guarded, OTHER, 200).await;
    guarded
}

/// All that a tenant has, as it sees it: one text.
pub(super) async fn seen(guarded: &Guarded, name: &str) -> String {
    let tx = bound(guarded, name).await;
    let mut all = String::new();
    for table in
        ["shop", "person", "orders", "payment", "\"the \"\"shop\"\"\".\"li\"\"ne\"", "visit"]
    {
        let sql = format!(
            "SELECT count(*) || coalesce(string_agg(t::text, ';' ORDER BY t::text), '') FROM {table} t"
        );
        all += &tx.query_one(&sql, &[]).await.unwrap().get::<_, String>(0);
        all.push('\n');
    }
    all
}

pub(super) async fn export(
    site: &Site,
    guarded: &Guarded,
    id: &str,
) -> crate::Result<(Manifest, Vec<u8>)> {
    let with =
        Exporting { version: "0.0.0", key_of: &|_| None, files: &site.files, without: Vec::new() };
    let mut bytes = Vec::new();
    let manifest = site.fleet.export_rows(guarded, &tenant(id), &with, &mut bytes).await?;
    Ok((manifest, bytes))
}

pub(super) async fn import(
    site: &Site,
    guarded: &Guarded,
    bytes: &[u8],
) -> crate::Result<ImportedRows> {
    let open = || Ok(Box::new(Cursor::new(bytes.to_vec())) as Box<dyn Read + Send>);
    let nowhere: Elsewhere<'_> = &|_| Box::pin(async { Vec::new() });
    site.fleet.import_rows(guarded, &open, (&site.files, nowhere), MOST).await
}

/// All that is in an archive, unpacked.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    let mut archive = tar::Archive::new(bytes);
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let packed = entry.path_bytes().ends_with(b".zst");
        let mut text = Vec::new();
        entry.read_to_end(&mut text).unwrap();
        all.extend(if packed { zstd::bulk::decompress(&text, 8 << 20).unwrap() } else { text });
    }
    all
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    memchr::memmem::find(haystack, needle.as_bytes()).is_some()
}

#[tokio::test]
async fn a_tenant_goes_from_one_shared_database_to_another() {
    let (site, there, here) = (site(true).await, full().await, shop().await);
    site.put(TOKO, "../contract", b"net 30").await;
    fill(&here, OTHER, 200).await;
    let before = (seen(&there, OTHER).await, seen(&here, OTHER).await);
    let (manifest, bytes) = export(&site, &there, TOKO).await.unwrap();
    let shared = manifest.shared.clone().unwrap();
    assert_eq!((manifest.tables.len(), manifest.rows()), (6, 13), "{manifest:?}");
    assert_eq!(shared.left, ["public.plan"]);
    assert_eq!(shared.read_as, "the application's role");
    assert!(manifest.without.iter().any(|words| words.contains("public.plan")));
    assert_eq!(check(bytes.as_slice(), MOST).unwrap().manifest, manifest);
    // Nothing of another tenant is in it, in whatever part of it.
    let whole = unpacked(&bytes);
    assert!(contains(&whole, "mark-100") && contains(&whole, "net 30"));
    for foreign in ["mark-200", "\ttoko\t", "'toko'"] {
        assert!(!contains(&whole, foreign), "{foreign}");
    }
    // The store of files is one for both databases here, so there it goes first.
    let taken = import(&site, &here, &bytes).await.unwrap_err();
    assert!(matches!(taken, Error::HasFiles(_)), "{taken}");
    assert_eq!(seen(&here, TOKO).await, seen(&here, "nobody").await);
    site.files.erase(&tenant(TOKO)).await.unwrap();
    let imported = import(&site, &here, &bytes).await.unwrap();
    assert_eq!(imported.database, here.protected.name);
    assert_eq!(seen(&here, TOKO).await, seen(&there, TOKO).await);
    assert_eq!(site.get(TOKO, "../contract").await.unwrap(), b"net 30");
    assert_eq!((seen(&there, OTHER).await, seen(&here, OTHER).await), before);
    // What comes out of the new place is what came out of the old one.
    let (again, _) = export(&site, &here, TOKO).await.unwrap();
    assert_eq!(again.tables, manifest.tables);
    let twice = import(&site, &here, &bytes).await.unwrap_err();
    assert!(matches!(twice, Error::HasRows { .. }), "{twice}");
    // Rows that the application adds later get keys of their own.
    let tx = bound(&here, TOKO).await;
    tx.batch(
        "INSERT INTO orders (shop, person, total) SELECT shop, id, 1 FROM person;
              INSERT INTO person (shop) SELECT name FROM shop",
    )
    .await
    .unwrap();
    let ids =
        "SELECT min(o.id)::text || ' ' || max(p.id) FROM orders o, person p WHERE o.total = 1";
    assert_eq!(tx.query_one(ids, &[]).await.unwrap().get::<_, String>(0), "103 103");
}

/// Files of an import that a crash has ended are nobody's; it is begun anew.
#[tokio::test]
async fn an_import_that_a_crash_has_ended_begins_anew() {
    let (site, there, here) = (site(true).await, full().await, shop().await);
    let (_, bytes) = export(&site, &there, TOKO).await.unwrap();
    site.half(TOKO, "half", &here.protected.name).await;
    let taken = import(&site, &here, &bytes).await.unwrap_err();
    assert!(matches!(taken, Error::HasFiles(_)), "{taken}");
    ended(&site, &here).await;
    import(&site, &here, &bytes).await.unwrap();
    assert_eq!(seen(&here, TOKO).await, seen(&there, TOKO).await);
    assert!(site.get(TOKO, "half").await.is_err(), "it belongs to nobody");
    assert_eq!(made(&site).await, 0);
}

/// The tenant lives in another database since, and has files of its own.
#[tokio::test]
async fn files_that_were_written_since_a_crash_are_the_tenants_own() {
    let (site, there, here) = (site(true).await, full().await, shop().await);
    let (_, bytes) = export(&site, &there, TOKO).await.unwrap();
    site.half(TOKO, "half", &here.protected.name).await;
    site.half(TOKO, "contract", &here.protected.name).await;
    ended(&site, &here).await;
    site.put(TOKO, "own", b"its own").await;
    site.put(TOKO, "contract", b"net 60").await;
    let taken = import(&site, &here, &bytes).await.unwrap_err();
    assert!(matches!(taken, Error::HasFiles(_)), "{taken}");
    assert_eq!(site.get(TOKO, "own").await.unwrap(), b"its own");
    assert_eq!(site.get(TOKO, "contract").await.unwrap(), b"net 60");
    assert!(site.get(TOKO, "half").await.is_err(), "it belongs to nobody");
}

/// The tenant lives in another database, and writes a file while an import is going on that fails.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_written_meanwhile_are_the_tenants_own() {
    let (site, there, here) = (site(true).await, full().await, shop().await);
    site.put(TOKO, "a", b"made").await;
    site.put(TOKO, "b", b"never made").await;
    let (_, bytes) = export(&site, &there, TOKO).await.unwrap();
    site.files.erase(&tenant(TOKO)).await.unwrap();
    let opened = AtomicUsize::new(0);
    let open = || {
        // It was checked, and is read into the database now.
        if opened.fetch_add(1, Ordering::SeqCst) == 1 {
            let writes = site.put(TOKO, "b", b"its own");
            block_in_place(|| Handle::current().block_on(writes));
        }
        Ok(Box::new(Cursor::new(bytes.clone())) as Box<dyn Read + Send>)
    };
    let nowhere: Elsewhere<'_> = &|_| Box::pin(async { Vec::new() });
    let why = site.fleet.import_rows(&here, &open, (&site.files, nowhere), MOST).await.unwrap_err();
    assert!(matches!(&why, Error::File { name, .. } if name == "b"), "{why}");
    assert_eq!(site.get(TOKO, "b").await.unwrap(), b"its own");
    assert!(site.get(TOKO, "a").await.is_err(), "it belongs to nobody");
    assert_eq!(seen(&here, TOKO).await, seen(&here, "nobody").await);
    assert_eq!(made(&site).await, 0);
}

/// Files are one for all of its databases.
#[tokio::test]
async fn who_lives_elsewhere_gets_no_files() {
    let (site, there, here) = (site(true).await, full().await, shop().await);
    let (_, without) = export(&site, &there, TOKO).await.unwrap();
    site.put(TOKO, "contract", b"net 30").await;
    let (_, with) = export(&site, &there, TOKO).await.unwrap();
    site.files.erase(&tenant(TOKO)).await.unwrap();
    let there: Elsewhere<'_> = &|_| Box::pin(async { vec!["rows in the database A".to_owned()] });
    let import = async |bytes: &[u8]| {
        let open = || Ok(Box::new(Cursor::new(bytes.to_vec())) as Box<dyn Read + Send>);
        site.fleet.import_rows(&here, &open, (&site.files, there), MOST).await
    };
    let why = import(&with).await.unwrap_err();
    assert!(matches!(why, Error::LivesElsewhere { .. }), "{why}");
    assert!(why.to_string().contains("rows in the database A"), "{why}");
    assert_eq!(seen(&here, TOKO).await, seen(&here, "nobody").await);
    import(&without).await.unwrap();
}

/// How many files are noted as made.
async fn made(site: &Site) -> i64 {
    let db = site.server.superuser("amanah").await;
    let tx = db.operator().await.unwrap();
    tx.query_one("SELECT count(*) FROM tenancy.made_files", &[]).await.unwrap().get(0)
}

/// Notes an import that a crash has ended before it came to its end.
async fn ended(site: &Site, here: &Guarded) {
    let note = format!(
        "INSERT INTO tenancy.passages VALUES ({}, {}, 'in', now(), '{}')",
        literal(TOKO),
        literal(&here.protected.name),
        r#"{"gone": {"keys": [], "parts": []}, "rows": {"tables": [], "bytes": 0}, "pending": null}"#
    );
    super::archive::run(&site.server.superuser("amanah").await, &note).await;
}

/// Sequences that are far ahead are not set back.
#[tokio::test]
async fn a_sequence_is_never_set_back() {
    let (site, there, here) = (site(true).await, full().await, shop().await);
    fill(&here, OTHER, 200).await;
    super::fixture::as_owner(&here, "SELECT setval('orders_id_seq', 5000)").await;
    let (_, bytes) = export(&site, &there, TOKO).await.unwrap();
    import(&site, &here, &bytes).await.unwrap();
    let tx = here.protected.owner.operator().await.unwrap();
    let next = "SELECT nextval('orders_id_seq')::text || ' ' || nextval('person_id_seq')";
    assert_eq!(tx.query_one(next, &[]).await.unwrap().get::<_, String>(0), "5001 103");
}

/// Where the application may not read a table, the owner does, bound to the tenant likewise.
#[tokio::test]
async fn what_the_application_may_not_read_the_owner_reads_for_the_tenant_alone() {
    let (site, there) = (site(true).await, full().await);
    let (manifest, bytes) = export(&site, &there, TOKO).await.unwrap();
    super::fixture::as_owner(&there, "REVOKE SELECT ON payment FROM {app}").await;
    let (other, again) = export(&site, &there, TOKO).await.unwrap();
    assert_eq!(other.shared.unwrap().read_as, "the tables' owner");
    assert_eq!(other.tables, manifest.tables);
    assert_eq!(contains(&unpacked(&again), "mark-200"), contains(&unpacked(&bytes), "mark-200"));
    assert!(!contains(&unpacked(&again), "mark-200"));
}
