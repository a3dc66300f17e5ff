//! What does not fit is refused before anything is changed, and says what to do.

use super::super::archive::{export as export_own, import as import_own, run, site};
use super::super::fixture::{as_owner, as_superuser, bare, bound};
use super::super::fleet::{ORDERS, script, tenant};
use super::{OTHER, TOKO, export, fill, full, import, protect, seen, shop};
use crate::Error;

async fn refusal(site: &super::Site, guarded: &crate::Guarded, id: &str) -> String {
    export(site, guarded, id).await.expect_err("it is refused").to_string()
}

#[tokio::test]
async fn who_is_no_tenant_is_not_exported() {
    let (site, there) = (site(true).await, full().await);
    for nobody in ["nobody", "TOKO", "toko ", "%", "' OR '1'='1", "Toko"] {
        let why = export(&site, &there, nobody).await.unwrap_err();
        assert!(matches!(why, Error::NoRows { .. }), "{why}");
    }
    let why = export(&site, &there, "canary-a").await.unwrap_err();
    assert!(matches!(why, Error::Canary), "{why}");
    let numbers = bare(
        "CREATE TABLE thing (company integer NOT NULL, id uuid PRIMARY KEY)",
        "company",
        ("-2000000001", "-2000000002"),
    )
    .await;
    protect(&numbers).await;
    for (id, words) in [("41", "no rows"), ("041", "`41`"), ("toko", "integer"), ("9e9", "integer")]
    {
        let why = refusal(&site, &numbers, id).await;
        assert!(why.contains(words), "{id}: {why}");
    }
}

#[tokio::test]
async fn where_a_binding_would_not_show_just_the_tenant_nothing_is_read() {
    let (site, there) = (site(true).await, full().await);
    for (harm, undo, words) in [
        (
            "DROP POLICY amanah_select ON orders",
            "CREATE POLICY amanah_select ON orders AS RESTRICTIVE FOR SELECT USING \
             (shop = (SELECT amanah.reading_tenant()))",
            "public.orders",
        ),
        (
            "ALTER TABLE visit NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE visit FORCE ROW LEVEL SECURITY",
            "public.visit",
        ),
        (
            "CREATE POLICY mine ON person AS RESTRICTIVE USING (boss IS NULL)",
            "DROP POLICY mine ON person",
            "mine on public.person",
        ),
        ("CREATE TABLE later (shop text NOT NULL)", "DROP TABLE later", "public.later"),
    ] {
        // The guard stops everybody else.
        as_superuser(&there, harm).await;
        let why = export(&site, &there, TOKO).await.unwrap_err();
        assert!(matches!(why, Error::Premises { .. }), "{harm}: {why}");
        assert!(why.to_string().contains(words), "{harm}: {why}");
        let erased = site.fleet.erase_rows(&there, &tenant(TOKO), true).await;
        assert!(matches!(erased, Err(Error::Premises { .. })), "{harm}");
        as_superuser(&there, undo).await;
    }
    let above = format!("ALTER ROLE {} BYPASSRLS", there.protected.intruder.url().user);
    as_superuser(&there, &above).await;
    let why = refusal(&site, &there, TOKO).await;
    assert!(why.contains("does not bind the role"), "{why}");
}

#[tokio::test]
async fn what_does_not_fit_is_not_imported() {
    let (site, there, here) = (site(true).await, full().await, shop().await);
    fill(&here, OTHER, 200).await;
    let before = seen(&here, OTHER).await;
    as_owner(&there, "INSERT INTO plan VALUES ('max', 20)").await;
    let tx = bound(&there, TOKO).await;
    tx.batch("UPDATE shop SET plan = 'max'").await.unwrap();
    tx.commit().await.unwrap();
    let (_, bytes) = export(&site, &there, TOKO).await.unwrap();
    for (harm, undo, words) in [
        // A row of a table that all tenants share is missing here.
        ("SELECT 1", "INSERT INTO plan VALUES ('max', 20)", "public.shop"),
        (
            "ALTER TABLE person ALTER mail TYPE varchar(39)",
            "ALTER TABLE person ALTER mail TYPE varchar(40)",
            "column mail",
        ),
        ("ALTER TABLE person ADD age integer", "ALTER TABLE person DROP age", "column age"),
        (
            "ALTER TABLE person RENAME mail TO post",
            "ALTER TABLE person RENAME post TO mail",
            "column",
        ),
        ("CREATE TABLE later (shop text NOT NULL)", "DROP TABLE later", "public.later"),
        (
            "CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN NEW.page := 1; RETURN NEW; END'; \
             CREATE TRIGGER loud BEFORE INSERT ON visit FOR EACH ROW EXECUTE FUNCTION loud()",
            "DROP TRIGGER loud ON visit",
            "public.visit",
        ),
        (
            "CREATE FUNCTION deny() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN RAISE EXCEPTION ''no''; END'; \
             CREATE CONSTRAINT TRIGGER deny AFTER INSERT ON payment DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION deny()",
            "DROP TRIGGER deny ON payment",
            "no",
        ),
    ] {
        as_owner(&here, harm).await;
        if harm.contains("later") {
            protect(&here).await;
        }
        let why = import(&site, &here, &bytes).await.unwrap_err().to_string();
        assert!(why.contains(words), "{harm}: {why}");
        as_owner(&here, undo).await;
        assert_eq!(seen(&here, TOKO).await, seen(&here, "nobody").await, "{harm}");
    }
    assert_eq!(seen(&here, OTHER).await, before);
    // Its files are not left either, nor is it held up by what was begun.
    import(&site, &here, &bytes).await.unwrap();
    assert_eq!(seen(&here, TOKO).await, seen(&there, TOKO).await);
}

/// Keys of numbers that all tenants draw may be taken.
#[tokio::test]
async fn a_key_that_another_tenant_has_stops_it_whole() {
    let (site, there, here) = (site(true).await, full().await, shop().await);
    fill(&here, OTHER, 100).await;
    let before = seen(&here, OTHER).await;
    let (_, bytes) = export(&site, &there, TOKO).await.unwrap();
    let why = import(&site, &here, &bytes).await.unwrap_err();
    assert!(matches!(why, Error::Table { .. }), "{why}");
    assert_eq!(seen(&here, OTHER).await, before);
    assert_eq!(seen(&here, TOKO).await, seen(&here, "nobody").await);
}

/// An archive of somebody who says that the rows of another tenant are the tenant's.
#[tokio::test]
async fn a_row_of_another_tenant_does_not_come_in() {
    let site = site(true).await;
    let schema = "CREATE TABLE doc (id bigint PRIMARY KEY, org text NOT NULL, shop text NOT NULL);
                  GRANT SELECT, INSERT, UPDATE, DELETE ON doc TO {app}";
    let canaries = ("canary-a", "canary-b");
    let (there, here) = (bare(schema, "org", canaries).await, bare(schema, "shop", canaries).await);
    protect(&there).await;
    protect(&here).await;
    let tx = bound(&there, "mine").await;
    tx.batch("INSERT INTO doc VALUES (1, 'mine', 'victim')").await.unwrap();
    tx.commit().await.unwrap();
    let (_, bytes) = export(&site, &there, "mine").await.unwrap();
    let why = import(&site, &here, &bytes).await.unwrap_err();
    assert!(why.to_string().contains("public.doc"), "{why}");
    let tx = bound(&here, "victim").await;
    let rows = tx.query("SELECT FROM doc", &[]).await.unwrap();
    assert!(rows.is_empty(), "the victim has a row of somebody else's");
}

/// Neither kind of archive passes for the other.
#[tokio::test]
async fn the_two_kinds_of_archive_are_not_taken_for_each_other() {
    let (site, there) = (site(true).await, full().await);
    let (_, rows) = export(&site, &there, TOKO).await.unwrap();
    let why = import_own(&site, &rows, None).await.unwrap_err().to_string();
    assert!(why.contains("--database"), "{why}");
    site.migrate(&[script("0001", ORDERS)]).await;
    site.fleet.add(&tenant("own")).await.unwrap();
    let db = site.as_tenant("own").await;
    run(&db, "INSERT INTO orders VALUES (1, 1)").await;
    db.close();
    let (manifest, own) = export_own(&site, "own").await.unwrap();
    assert!(manifest.shared.is_none());
    let why = import(&site, &there, &own).await.unwrap_err().to_string();
    assert!(why.contains("without --database"), "{why}");
}
