//! A running `amanah up` follows what other commands protect and undo, without a restart.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::house::House;

const TENANT: &str = "41";
/// How long `up` may take to follow, many times what it takes.
const FOLLOWS: Duration = Duration::from_mins(10);
const LOOK_AGAIN: Duration = Duration::from_millis(500);
const SCHEMA: &str = "
    CREATE TABLE firm (id integer PRIMARY KEY, name text NOT NULL);
    CREATE TABLE bill (firm_id integer NOT NULL REFERENCES firm, id bigint NOT NULL, PRIMARY KEY (firm_id, id))";
/// The last proof there is about tenants' rows.
const LAST: &str = "SELECT coalesce(max(id), 0) FROM claims.proof
    WHERE claim = 'isolation.rows' AND kind = 'proof'";

fn done(house: &House, arguments: &[&str]) -> Value {
    let output = house.run(&[arguments, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {said}"))
}

/// What the API answers when it is asked for a token in a database: the name of the token's key, or
/// what kind of refusal it is.
fn asked(house: &House, client: &str, database: &str) -> Result<String, String> {
    let address = house.running()["keys"].as_str().unwrap().to_owned();
    let url = format!("http://{address}/api/v1/tenants/{TENANT}/binding");
    let body = format!(r#"{{"actor": "a job", "database": "{database}"}}"#);
    let header = format!("Authorization: Bearer {client}");
    let output =
        Command::new("curl").args(["-sS", "-H", &header, "-d", &body, &url]).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    match told["token"].as_str() {
        Some(token) => Ok(token.split('.').nth(1).unwrap().to_owned()),
        None => Err(told.to_string()),
    }
}

fn is_unknown(answer: &Result<String, String>) -> bool {
    answer.as_ref().is_err_and(|told| told.contains("unknown-database"))
}

/// Outcome and population of the last proof that was stored after `id`.
fn proven_after(house: &House, id: &str) -> Option<(String, u32)> {
    let row = house.psql(
        "amanah",
        &format!(
            "SELECT outcome, population_total FROM claims.proof WHERE claim = 'isolation.rows'
                AND kind = 'proof' AND id > {id} ORDER BY id DESC LIMIT 1"
        ),
    );
    let (outcome, tables) = row.split_once('|')?;
    Some((outcome.to_owned(), tables.parse().ok()?))
}

fn eventually<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < FOLLOWS, "up does not follow: {what}");
        std::thread::park_timeout(LOOK_AGAIN);
    }
}

/// Protected, it is proven, bound and rotated like the one from the beginning; undone, it is let go.
#[tokio::test]
async fn a_database_that_is_protected_later_is_taken_in() {
    let db = testkit::database(&[]).await;
    let tx = db.owner.operator().await.unwrap();
    tx.batch(SCHEMA).await.unwrap();
    tx.commit().await.unwrap();
    let house = House::start_with(vec![
        ("AMANAH_PROTECT_URL", db.owner.url().expose().expose().to_owned()),
        ("AMANAH_SUPERUSER_URL", db.superuser.url().expose().expose().to_owned()),
    ]);
    let (outcome, before) = eventually("its own first proof", || proven_after(&house, "0"));
    assert_eq!(outcome, "holds");
    let add = ["keys", "client", "add", "jobs", "--allow", "bind", "--all-tenants", "--databases"];
    let client = done(&house, &[&add[..], &[db.name.as_str()]].concat())["token"].clone();
    let client = client.as_str().unwrap();
    let answer = asked(&house, client, &db.name);
    assert!(is_unknown(&answer), "{answer:?}");

    let protected = done(&house, &["protect", "--tenant-column", "firm_id", "--apply"]);
    let claim = &protected["claims"][0];
    assert_eq!(claim["verdict"], "proven", "{protected:#}");
    // The claim is about all databases, whoever proves it.
    assert_eq!(claim["population"]["total"], before + 2, "{protected:#}");
    let last = house.psql("amanah", LAST);
    let first = eventually("tokens", || asked(&house, client, &db.name).ok());
    let (outcome, tables) = eventually("a proof", || proven_after(&house, &last));
    assert_eq!((outcome.as_str(), tables), ("holds", before + 2));

    // While Amanah's own database is away nothing is known, so nothing is lost.
    let shut = "ALTER DATABASE amanah ALLOW_CONNECTIONS false";
    house.psql("postgres", shut);
    house.psql(
        "postgres",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'amanah'",
    );
    eventually("an outage", || house.log().contains("not followed yet").then_some(()));
    assert_eq!(asked(&house, client, &db.name), Ok(first.clone()));
    house.psql("postgres", "ALTER DATABASE amanah ALLOW_CONNECTIONS true");

    let rotated = done(&house, &["binding", "rotate", "--database", &db.name]);
    let next = rotated[0]["kid"].as_str().unwrap();
    assert_ne!(next, first);
    eventually("a rotation", || asked(&house, client, &db.name).ok().filter(|kid| kid == next));

    let undone = house.run(&["protect", "--undo", "--apply"]);
    assert!(undone.status.success(), "{}", String::from_utf8_lossy(&undone.stderr));
    let gone = || is_unknown(&asked(&house, client, &db.name)).then_some(());
    eventually("the end of tokens", gone);
    let last = house.psql("amanah", LAST);
    let (outcome, tables) = eventually("the end of proofs", || proven_after(&house, &last));
    assert_eq!((outcome.as_str(), tables), ("holds", before));
}
