//! A person's request from end to end: the content goes, the proofs stay, and everybody who looks at the
//! trail is told so.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::house::{House, LOOK_AGAIN, amanah, root};

/// How long a seal may take on a slow machine.
const SEALED: Duration = Duration::from_mins(2);

const PERSON: &str = "47110000-0000-4000-8000-000000000001";
const WHO: [&str; 4] = ["--by", "budi@sinar.example", "--reason", "request 4711"];

fn run(house: &House, arguments: &[&str]) -> (i32, String) {
    let out = house.run(arguments);
    let said = if out.stdout.is_empty() { out.stderr } else { out.stdout };
    (out.status.code().unwrap(), String::from_utf8(said).unwrap())
}

fn erase(house: &House, how: &[&str]) -> (i32, Value) {
    let which = ["audit", "erase", "--database", "demo", "--table", "tenants", "--key", PERSON];
    let (exit, said) = run(house, &[&which[..], &WHO, how, &["--json"]].concat());
    (exit, serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}")))
}

/// What both verifiers come to over a proof, and over a row beside it.
fn checked(proof: &Path, key: &str, row: &Path) -> (Option<i32>, Option<i32>) {
    let (proof, row) = (proof.to_str().unwrap(), row.to_str().unwrap());
    let ours = amanah(&["audit", "check", proof, "--key", key, "--row", row]);
    let mut python = Command::new(testkit::python_tool("python"));
    let theirs =
        python.arg(root().join("docs/verify.py")).args(["proof", proof, key, row]).output();
    (ours.status.code(), theirs.unwrap().status.code())
}

/// Has a row proven, once it is sealed.
fn proven(house: &House, id: &str, proof: &Path, row: &Path) {
    let (proof, row) = (proof.to_str().unwrap(), row.to_str().unwrap());
    let begun = Instant::now();
    let prove = ["audit", "prove", id, "--database", "demo", "--output", proof, "--row", row];
    loop {
        let (exit, said) = run(house, &prove);
        if exit == 0 {
            return;
        }
        assert!(exit == 3 && begun.elapsed() < SEALED, "{said}");
        std::thread::park_timeout(LOOK_AGAIN);
    }
}

/// A house of its own, of which the whole trail is verified.
#[test]
fn a_content_is_erased_and_its_proof_stays() {
    let house = House::start();
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    house.psql("demo", &format!("INSERT INTO tenants VALUES ('{PERSON}', 'Rahasia', 'IDR')"));
    house.psql("demo", &format!("DELETE FROM tenants WHERE tenant_id = '{PERSON}'"));
    let rows = "SELECT count(*) FROM audit.system_audit_logs WHERE";
    let says = format!(
        "{rows} new_data::text || coalesce(old_data::text, '') LIKE '%Rahasia%'
                         OR old_data::text LIKE '%Rahasia%'"
    );
    assert_eq!(house.psql("demo", &says), "2");

    let (exit, plan) = erase(&house, &[]);
    assert_eq!((exit, &plan["applied"]), (0, &Value::Bool(false)), "{plan:#}");
    assert_eq!(plan["rows"].as_array().unwrap().len(), 2, "{plan:#}");
    assert_eq!(house.psql("demo", &says), "2", "a plan erases nothing");

    let (id, row) = (plan["rows"][0]["row"].to_string(), file("row.json"));
    proven(&house, &id, &file("before"), &file("content.json"));
    assert!(std::fs::read_to_string(file("content.json")).unwrap().contains("Rahasia"));
    let (exit, done) = erase(&house, &["--apply"]);
    assert_eq!((exit, &done["request"]["erased"]), (0, &Value::from(2)), "{done:#}");
    assert_eq!(house.psql("demo", &says), "0");
    assert_eq!(house.psql("demo", &format!("{rows} erased IS NOT NULL")), "2");
    // Asked again, there is nothing of it.
    let which = ["audit", "erase", "--database", "demo", "--table", "tenants", "--key", PERSON];
    assert_eq!(run(&house, &[&which[..], &WHO].concat()).0, 2);

    let (exit, said) = run(&house, &["audit", "verify", "--database", "demo"]);
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("erased"), "{said}");
    proven(&house, &id, &file("after"), &row);
    let (_, key) = run(&house, &["audit", "checkpoint", "--database", "demo", "--key"]);
    for proof in ["before", "after"] {
        let both = checked(&file(proof), key.lines().next().unwrap(), &row);
        assert_eq!(both, (Some(0), Some(0)), "{proof}");
    }
    assert!(!std::fs::read_to_string(&row).unwrap().contains("Rahasia"));
    let (exit, said) = run(&house, &["audit", "unrecorded", "--database", "demo"]);
    assert_eq!(exit, 0, "{said}");
}
