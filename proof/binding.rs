//! The keys of bindings, as an operator rotates them while applications ask for tokens.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::house::{House, shared};

/// A tenant that has no rows: what it is bound to is what is looked at.
const TENANT: &str = "d0000000-0000-4000-8000-000000000001";
/// How long `up` may take to follow, many times what it takes.
const FOLLOWS: Duration = Duration::from_mins(1);
/// How many tokens are used before the key is rotated, and after `up` has followed.
const TOKENS: usize = 5;

fn held(house: &House, arguments: &[&str]) -> Value {
    let output = house.run(&[arguments, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A token from the running process, as an application asks for it.
fn asked(address: &str, header: &str) -> String {
    let url = format!("http://{address}/api/v1/tenants/{TENANT}/binding");
    let body = r#"{"actor": "a job", "database": "demo"}"#;
    let arguments = ["-sS", "--fail-with-body", "-H", header, "-d", body, &url];
    let output = Command::new("curl").args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}");
    serde_json::from_str::<Value>(&told).unwrap()["token"].as_str().unwrap().to_owned()
}

/// Binds a transaction with it, and says to whom.
fn bound(house: &House, token: &str) -> String {
    let sql =
        format!("BEGIN; SELECT amanah.bind('{token}'); SELECT amanah.current_tenant(); COMMIT");
    house.psql("demo", &sql)
}

fn kid(token: &str) -> &str {
    token.split('.').nth(1).unwrap()
}

/// Tokens are asked for and used all the time; a rotation refuses none, and `up` takes the new key
/// by itself.
#[test]
fn a_rotation_refuses_nobody() {
    let house = shared();
    let client = "keys client add rotation --allow bind --databases demo --tenant";
    let client: Vec<&str> = client.split(' ').chain([TENANT]).collect();
    let admitted = held(&house, &client);
    let header = format!("Authorization: Bearer {}", admitted["token"].as_str().unwrap());
    let address = house.running()["keys"].as_str().unwrap().to_owned();
    let use_one = || {
        let token = asked(&address, &header);
        assert_eq!(bound(&house, &token), TENANT);
        token
    };
    let before = use_one();
    (0..TOKENS).for_each(|_| drop(use_one()));
    let made = held(&house, &["binding", "token", "--tenant", TENANT, "--database", "demo"]);
    let by_hand = made["token"].as_str().unwrap().to_owned();
    assert_eq!(kid(&by_hand), kid(&before));

    // Tokens are used from another thread all the while.
    let rotated = std::thread::scope(|scope| {
        let rotating = scope.spawn(|| held(&house, &["binding", "rotate", "--database", "demo"]));
        while !rotating.is_finished() {
            use_one();
        }
        rotating.join().unwrap()
    });
    let new = rotated[0]["kid"].as_str().unwrap().to_owned();
    assert_ne!(new, kid(&before));
    let begun = Instant::now();
    while kid(&use_one()) != new {
        assert!(begun.elapsed() < FOLLOWS, "up does not follow");
    }
    (0..TOKENS).for_each(|_| assert_eq!(kid(&use_one()), new));
    // The proofs go on with the new key and the canaries of the old one.
    let (exit, claims) =
        house.verify(&["--page", "pages/row-tenants.md", "--claim", "isolation.rows"]);
    assert_eq!(exit, 0, "{claims:#?}");

    let listed = held(&house, &["binding", "list", "--database", "demo"]);
    let keys = listed[0]["keys"].as_array().unwrap();
    let role = |kid: &str| {
        let found = keys.iter().find(|key| key["kid"] == kid);
        found.unwrap_or_else(|| panic!("{kid} is gone: {listed:#}"))["role"].clone()
    };
    assert_eq!((role(&new), role(kid(&before))), ("current".into(), "former".into()));
    // Its time is over: by itself it goes.
    let end = format!(
        "UPDATE amanah.binding_key SET not_after = now() - interval '1s' WHERE kid = '{}'",
        kid(&before)
    );
    house.psql("demo", &end);
    let refused = asked_to_bind(&house, &by_hand);
    assert!(refused.contains("its key is not in use at this time"), "{refused}");
    held(&house, &["binding", "rotate", "--database", "demo"]);
    let listed = held(&house, &["binding", "list", "--database", "demo"]).to_string();
    assert!(!listed.contains(kid(&before)) && listed.contains(&new), "{listed}");
    held(&house, &["keys", "client", "remove", "rotation"]);
}

/// A row that lets the database honour a key that nobody here has made is found, and named in the list.
#[test]
fn a_key_of_somebody_elses_is_found() {
    let house = shared();
    let rows = ["--page", "pages/row-tenants.md", "--claim", "isolation.rows"];
    let insert = "INSERT INTO amanah.binding_key SELECT 'theirs', sha512('a'), sha512('b'), now(),
                  now() + interval '1 year'";
    house.psql("demo", insert);
    let output = house.run(&["binding", "list", "--database", "demo"]);
    let (exit, claims) = house.verify(&rows);
    house.psql("demo", "DELETE FROM amanah.binding_key WHERE kid = 'theirs'");
    // The page is to show again that it holds, before anybody else looks.
    assert_eq!(house.verify(&rows).0, 0);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("unknown") && told.contains("find out who put it there"), "{told}");
    assert!(told.contains("current"), "{told}");
    assert_eq!(exit, 1, "{claims:#?}");
    let found = claims[0]["findings"].to_string();
    assert!(found.contains("it honours the key theirs"), "{found}");
}

/// What the server says to a token that is not good, or nothing.
fn asked_to_bind(house: &House, token: &str) -> String {
    let sql = format!(
        "DO $$ BEGIN PERFORM amanah.bind('{token}'); RAISE NOTICE 'bound';
         EXCEPTION WHEN OTHERS THEN CREATE TEMP TABLE said AS SELECT SQLERRM AS words; END $$;
         SELECT words FROM said"
    );
    house.psql("demo", &sql)
}

/// A wrong name and a wrong tenant are the caller's, and nothing is made.
#[test]
fn wrong_names_are_refused() {
    let house = shared();
    for (arguments, told) in [
        (vec!["binding", "token", "--tenant", "x", "--database", "nowhere"], "no database nowhere"),
        (vec!["binding", "rotate", "--database", "nowhere"], "no database nowhere"),
        (vec!["binding", "token", "--tenant", ""], "tenant"),
    ] {
        let output = house.run(&arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(told), "{arguments:?}: {said}");
    }
}
