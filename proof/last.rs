//! A tenant with data in several places, as an operator erases it: its keys and files go with the last of
//! them, and not before.

use std::process::Output;

use serde_json::Value;

use crate::house::{House, directory, shared};
use crate::tenants::{code, held};

/// Tenants that nobody else in these tests knows; the sample application names its own by UUID.
const BOTH: &str = "55555555-5555-4555-8555-555555555551";
const HALF: &str = "55555555-5555-4555-8555-555555555552";
const BARE: &str = "55555555-5555-4555-8555-555555555553";

impl House {
    /// Gives a tenant a row in the shared database.
    fn share(&self, tenant: &str) {
        self.psql("demo", &format!("INSERT INTO tenants VALUES ('{tenant}', 'Toko', 'IDR')"));
    }

    /// Gives a tenant a file, and with it a key.
    fn give(&self, tenant: &str) {
        held(self, &["file", "put", tenant, "licence", "--from", "LICENSE"]);
    }

    /// Takes it back; a tenant is not made while there are files of its name.
    fn take(&self, tenant: &str) {
        held(self, &["file", "remove", tenant, "licence"]);
    }

    fn file(&self, tenant: &str) -> Output {
        let dir = directory();
        let out = dir.path().join("out").display().to_string();
        self.run(&["file", "get", tenant, "licence", "--out", &out])
    }

    fn has_file(&self, tenant: &str) {
        let output = self.file(tenant);
        assert_eq!(code(&output).0, Some(0), "{}", code(&output).1);
    }

    /// Refuses a new file, because the tenant's keys were destroyed.
    fn is_gone(&self, tenant: &str) {
        let late = self.run(&["file", "put", tenant, "late", "--from", "LICENSE"]);
        assert_ne!(code(&late).0, Some(0), "it got a new key");
        assert!(code(&late).1.contains("destroyed"), "{}", code(&late).1);
    }
}

fn keys(erased: &Value) -> &Value {
    &erased["keys"]
}

/// What the certificate says of what was kept.
fn kept(erased: &Value) -> String {
    let text = erased["certificate"].as_str().unwrap();
    let told = erased["remains"].as_array().unwrap().iter().filter_map(Value::as_str);
    let told: Vec<&str> = told.filter(|words| words.contains("were kept")).collect();
    if !told.is_empty() {
        assert!(text.contains("on Redis were kept"), "the certificate says it too: {text}");
    }
    told.concat()
}

fn last(house: &House) -> bool {
    held(house, &["tenant", "erasures"])["erasures"][0]["last"].as_bool().unwrap()
}

/// Whichever of them is erased first.
#[test]
fn keys_and_files_go_with_the_last_of_a_tenant() {
    let house = shared();
    held(&house, &["tenant", "add", BOTH]);
    house.share(BOTH);
    house.give(BOTH);
    let asked = house.run(&["tenant", "erase", BOTH, "--json"]);
    let said: Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert_eq!(said["elsewhere"][0], "rows in the database demo", "{said}");
    let erased = held(&house, &["tenant", "erase", BOTH, "--yes"]);
    assert_eq!(keys(&erased), 0, "{erased}");
    assert!(kept(&erased).contains("rows in the database demo"), "{erased}");
    assert!(!last(&house));
    house.has_file(BOTH);

    house.take(BOTH);
    held(&house, &["tenant", "add", BOTH]);
    house.give(BOTH);
    let erased = held(&house, &["tenant", "erase", BOTH, "--database", "demo", "--yes"]);
    assert_eq!(keys(&erased), 0, "{erased}");
    assert!(kept(&erased).contains("a database of its own"), "{erased}");
    house.has_file(BOTH);

    // A database that cannot be looked into may have rows of it.
    let force = |how: &str| {
        house.psql("demo", &format!("ALTER TABLE notes {how} ROW LEVEL SECURITY"));
    };
    force("NO FORCE");
    let erased = held(&house, &["tenant", "erase", BOTH, "--yes"]);
    force("FORCE");
    assert_eq!(keys(&erased), 0, "{erased}");
    assert!(kept(&erased).contains("perhaps"), "{erased}");
    house.has_file(BOTH);
    let erased = held(&house, &["tenant", "erase", BOTH, "--database", "demo", "--yes"]);
    assert_eq!(keys(&erased), 1, "{erased}");
    assert_eq!(kept(&erased), "");
    assert!(last(&house));
    house.is_gone(BOTH);
}

/// Ended by a crash before and after the keys were destroyed, while rows came to another database: what was
/// begun ends, and nothing else is destroyed.
#[test]
fn an_erasure_that_was_begun_ends_as_it_began() {
    let house = shared();
    let crash = || {
        let place = held(&house, &["tenant", "add", HALF])["database"].clone();
        house.psql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", place.as_str().unwrap()));
        house.psql(
            "amanah",
            &format!(
                "UPDATE tenancy.tenants SET state = 'erasing' WHERE id = '{HALF}';
                 INSERT INTO tenancy.erasing (id, begun_at, bytes, logins, gone) VALUES
                     ('{HALF}', now(), 4096, 1,
                      '{{\"keys\": [{{\"name\": \"noted\", \"versions\": [\"00\"]}}], \"parts\": []}}')"
            ),
        );
    };
    crash();
    house.share(HALF);
    house.give(HALF);
    let erased = held(&house, &["tenant", "erase", HALF, "--yes"]);
    assert_eq!(keys(&erased), 0, "they were noted and not destroyed: {erased}");
    assert!(kept(&erased).contains("rows in the database demo"), "{erased}");
    house.has_file(HALF);

    house.take(HALF);
    crash();
    house.give(HALF);
    held(&house, &["keys", "shred", "--tenant", HALF, "--yes"]);
    let erased = held(&house, &["tenant", "erase", HALF, "--yes"]);
    assert_eq!((keys(&erased), kept(&erased).as_str()), (&Value::from(1), ""), "{erased}");
    assert_eq!(erased["files"]["files"], 1, "nobody can read it any more: {erased}");
    house.is_gone(HALF);
    held(&house, &["tenant", "erase", HALF, "--database", "demo", "--yes"]);
}

/// Nobody who was erased gets keys, also where there were none.
#[test]
fn a_tenant_without_keys_gets_none_afterwards() {
    let house = shared();
    house.share(BARE);
    let erased = held(&house, &["tenant", "erase", BARE, "--database", "demo", "--yes"]);
    assert_eq!((keys(&erased), kept(&erased).as_str()), (&Value::from(0), ""), "{erased}");
    assert_eq!(erased["parts"], Value::Array(vec![]), "there was no file: {erased}");
    assert!(!erased["certificate"].as_str().unwrap().contains("\"files\""), "{erased}");
    house.is_gone(BARE);
    // Its place on Redis goes with the rows, and not alone.
    let other = "55555555-5555-4555-8555-555555555554";
    house.share(other);
    held(&house, &["tenant", "connect", other, "--redis"]);
    let refused = house.run(&["tenant", "erase", other, "--yes"]);
    assert_eq!(code(&refused).0, Some(2));
    assert!(code(&refused).1.contains("rows in the database demo"), "{}", code(&refused).1);
    let erased = held(&house, &["tenant", "erase", other, "--database", "demo", "--yes"]);
    assert_eq!(erased["parts"][0]["what"], "keys on Redis", "{erased}");
}
