//! Tenants with a database of their own, as an operator has them: commands, a wrong address, what
//! is undone by hand.

use std::process::Output;

use serde_json::Value;

use crate::house::{House, directory, shared};

/// Runs a command that must succeed, and returns what it says as JSON.
pub fn held(house: &House, arguments: &[&str]) -> Value {
    let output = house.run(&[arguments, &["--json"]].concat());
    assert_eq!(code(&output).0, Some(0), "{arguments:?}: {}", code(&output).1);
    serde_json::from_slice(&output.stdout).unwrap()
}

pub fn code(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Runs a statement under an address; `Err` is what psql said.
pub fn psql(url: &str, sql: &str) -> Result<String, String> {
    let url = store::DatabaseUrl::parse(url).unwrap();
    let store::Host::Tcp(host) = &url.host else { panic!("a tenant connects over TCP") };
    // In the environment: a command line can be read by everybody, and a proof would find it.
    let output = std::process::Command::new("psql")
        .args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql])
        .env("PGHOST", host)
        .env("PGPORT", url.port.to_string())
        .env("PGUSER", &url.user)
        .env("PGPASSWORD", url.password.as_ref().unwrap().expose())
        .env("PGDATABASE", &url.database)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

pub fn connect(house: &House, tenant: &str) -> String {
    held(house, &["tenant", "connect", tenant, "--for", "30m"])["url"].as_str().unwrap().to_owned()
}

/// The life of a tenant, from its first row to its end, with another one beside it.
#[test]
fn a_tenant_lives_and_goes() {
    let house = shared();
    let (kiosk, other) = ("Kios \"Pojok\"", "kios \"pojok\"");
    for tenant in [kiosk, other] {
        let made = held(&house, &["tenant", "add", tenant]);
        assert_eq!(made["state"], "active", "{made}");
        assert!(made["schema_version"].is_string(), "as the samples have it: {made}");
    }
    let twice = house.run(&["tenant", "add", kiosk]);
    assert_eq!(code(&twice).0, Some(2));
    assert!(code(&twice).1.contains("has a database already"), "{}", code(&twice).1);
    let (url, beside) = (connect(&house, kiosk), connect(&house, other));
    for (url, total) in [(&url, 1), (&beside, 2)] {
        psql(url, &format!("INSERT INTO orders (buyer, total) VALUES ('x', {total})")).unwrap();
    }
    assert_eq!(psql(&url, "SELECT sum(total) FROM orders").unwrap(), "1");
    let (server, _) = url.rsplit_once('/').unwrap();
    let (_, elsewhere) = beside.rsplit_once('/').unwrap();
    for database in [elsewhere, "amanah", "demo", "postgres", "template1"] {
        let refused = psql(&format!("{server}/{database}"), "SELECT 1").unwrap_err();
        assert!(refused.contains("permission denied for database"), "{database}: {refused}");
    }
    held(&house, &["tenant", "suspend", kiosk]);
    assert!(psql(&url, "SELECT 1").is_err(), "shut out");
    held(&house, &["tenant", "resume", kiosk]);
    assert_eq!(psql(&url, "SELECT count(*) FROM orders").unwrap(), "1", "its rows were kept");

    let asked = house.run(&["tenant", "erase", kiosk]);
    assert_eq!(code(&asked).0, Some(2), "nothing without --yes");
    assert_eq!(psql(&url, "SELECT count(*) FROM orders").unwrap(), "1");
    let erased = held(&house, &["tenant", "erase", kiosk, "--yes"]);
    assert_eq!(erased["erased"], true, "{erased}");
    assert!(!erased["remains"].as_array().unwrap().is_empty(), "{erased}");
    assert!(psql(&url, "SELECT 1").is_err());
    // It had no keys, and a file that comes later makes none.
    let late = house.run(&["file", "put", kiosk, "late.txt", "--from", "LICENSE"]);
    assert_ne!(code(&late).0, Some(0));
    assert!(code(&late).1.contains("destroyed"), "{}", code(&late).1);
    let gone = house.run(&["tenant", "connect", kiosk]);
    assert_eq!(code(&gone).0, Some(2), "{}", code(&gone).1);
    assert_eq!(psql(&beside, "SELECT sum(total) FROM orders").unwrap(), "2");
    held(&house, &["tenant", "erase", other, "--yes"]);
}

/// What an operator does by hand makes the page fail, by name; what he puts back mends it.
#[test]
fn what_is_opened_by_hand_is_named() {
    let house = shared();
    let verify =
        || house.verify(&["--page", "pages/database-tenants.md", "--claim", "isolation.database"]);
    let (exit, claims) = verify();
    assert_eq!((exit, &claims[0]["verdict"]), (0, &Value::from("proven")), "{:#}", claims[0]);
    house.psql("postgres", "GRANT CONNECT ON DATABASE demo TO PUBLIC");
    let (exit, claims) = verify();
    house.psql("postgres", "REVOKE CONNECT ON DATABASE demo FROM PUBLIC");
    assert_eq!((exit, &claims[0]["verdict"]), (1, &Value::from("failing")), "{:#}", claims[0]);
    let object = &claims[0]["findings"][0]["object"];
    assert_eq!(object, "demo", "{:#}", claims[0]);
    assert_eq!(verify().0, 0, "put back, it holds");
}

/// Scripts are run everywhere and once; bad ones say what is wrong with them.
#[test]
fn migrations_reach_everybody() {
    let house = shared();
    let dir = directory();
    let folder = dir.path().display().to_string();
    let write = |name: &str, sql: &str| std::fs::write(dir.path().join(name), sql).unwrap();
    let empty = house.run(&["migrate", &folder]);
    assert_eq!(code(&empty).0, Some(2), "{}", code(&empty).1);
    let first = std::fs::read_to_string("../demo/tenants/0001_orders.sql").unwrap();
    write("0001_orders.sql", &first);
    write("0002_note.sql", "ALTER TABLE orders ADD COLUMN note text");
    write("README", "no script");
    let done = held(&house, &["migrate", &folder]);
    assert!(done["migrated"].as_u64().unwrap() >= 5, "canaries, template, samples: {done}");
    assert_eq!(done["failed"].as_array().unwrap().len(), 0, "{done}");
    assert_eq!(held(&house, &["migrate", &folder])["migrated"], 0, "once");
    write("0003_broken.sql", "ALTER TABLE nowhere ADD COLUMN x int");
    let broken = house.run(&["migrate", &folder]);
    let told = String::from_utf8_lossy(&broken.stdout).into_owned();
    assert_eq!(code(&broken).0, Some(3));
    assert!(told.contains("0003_broken.sql") && told.contains("nowhere"), "{told}");
    let listed = held(&house, &["tenant", "list"]);
    let versions: Vec<&Value> =
        listed.as_array().unwrap().iter().map(|tenant| &tenant["schema_version"]).collect();
    assert!(versions.iter().all(|version| *version == "0002_note.sql"), "{versions:?}");
}
