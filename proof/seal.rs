//! The seal of a running house: rows are in the log within seconds, a kill changes nothing of it, and
//! whoever verifies finds what was edited afterwards, and nothing else.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr as _;
use std::time::{Duration, Instant};

use serde_json::Value;
use tlog::{Checkpoint, Note, Verifier};

use crate::house::{House, LOOK_AGAIN, amanah, root};
use crate::web;

/// How long a seal may take on a slow machine that proves other things meanwhile.
const SEALED: Duration = Duration::from_mins(2);

/// What the command says of the log, once there is one.
fn told(house: &House) -> Option<Value> {
    let out = house.run(&["audit", "checkpoint", "--database", "demo", "--json"]);
    serde_json::from_slice(&out.stdout).ok()
}

/// Waits until the log has one entry for each row of the trail and one for its beginning.
pub fn sealed(house: &House) -> u64 {
    let begun = Instant::now();
    loop {
        let rows = house.psql("demo", "SELECT 1 + count(*) FROM audit.system_audit_logs");
        let size = told(house).and_then(|told| told["size"].as_u64());
        if let Some(size) = size.filter(|size| size.to_string() == rows) {
            return size;
        }
        assert!(begun.elapsed() < SEALED, "{rows} entries are wanted, and there are {size:?}");
        std::thread::park_timeout(LOOK_AGAIN);
    }
}

/// Runs a command, and returns its exit code and what it prints, or else why it prints nothing.
fn run(house: &House, arguments: &[&str]) -> (i32, String) {
    let out = house.run(arguments);
    let said = if out.stdout.is_empty() { out.stderr } else { out.stdout };
    (out.status.code().unwrap(), String::from_utf8(said).unwrap())
}

/// Verifies the trail, also against a checkpoint that was kept.
fn verified(house: &House, kept: &Path) -> (i32, Value) {
    let kept = kept.to_str().unwrap();
    let arguments = ["audit", "verify", "--database", "demo", "--checkpoint", kept, "--json"];
    let (exit, said) = run(house, &arguments);
    (exit, serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}")))
}

/// What the verifier beside the documentation comes to.
fn python(arguments: &[&str]) -> i32 {
    let mut python = Command::new(testkit::python_tool("python"));
    let out = python.arg(root().join("docs/verify.py")).args(arguments).output().unwrap();
    assert!(out.status.code() != Some(1) || !out.stdout.is_empty(), "{out:?}");
    out.status.code().unwrap()
}

/// The keys of the log, the newest first: each its own line.
fn keys(house: &House) -> Vec<String> {
    let (exit, lines) = run(house, &["audit", "checkpoint", "--key"]);
    assert_eq!(exit, 0, "{lines}");
    let opened = |line: &str| assert!(Verifier::from_str(line).is_ok(), "{lines}");
    lines.lines().for_each(opened);
    lines.lines().map(str::to_owned).collect()
}

/// A house of its own: what is done to its trail would be found by the proofs of others.
#[test]
fn what_is_committed_is_sealed_and_a_kill_changes_nothing() {
    let mut house = House::start();
    let dir = tempfile::tempdir().unwrap();
    let first = sealed(&house);
    let write = "UPDATE tenants SET name = name";
    house.psql("demo", write);
    let second = sealed(&house);
    assert!(second > first, "{second} after {first}");
    let kept = dir.path().join("kept.txt");
    let told = run(&house, &["audit", "checkpoint", "--database", "demo"]).1;
    std::fs::write(&kept, told).unwrap();
    let key = keys(&house).remove(0);

    house.psql("demo", write);
    house.kill_and_restart();
    house.psql("demo", write);
    assert!(sealed(&house) > second);
    // Whoever knows the former key goes over to the next: both sign.
    assert_eq!(house.run(&["keys", "rotate", "amanah.trail"]).status.code(), Some(0));
    house.psql("demo", write);
    let row = house.psql("demo", "SELECT max(id) FROM audit.system_audit_logs");
    let size = sealed(&house);
    let newest = keys(&house);
    assert!(newest.len() == 2 && newest[1] == key, "{newest:?}");
    let (exit, found) = verified(&house, &kept);
    assert_eq!((exit, &found[0]["holds"]), (0, &Value::Bool(true)), "{found:#}");
    // The house's own proofs may have written more since.
    assert!(found[0]["as_sealed"].as_u64().unwrap() >= size - 1, "{found:#}");
    public(&house, &key, second);
    proven(&house, dir.path(), (&row, &key));
    edited(&house, &kept);
    cut(&house, &kept, &row);
}

/// What the running house shows of its log to everybody, and to its operator.
fn public(house: &House, key: &str, second: u64) {
    let key = Verifier::from_str(key).unwrap();
    let id = told(house).unwrap()["id"].as_str().unwrap().to_owned();
    let page = web::get(house, &format!("/trust/checkpoint/{id}"));
    assert_eq!(page.status, 200);
    let opened = Note::parse(&page.body).unwrap().open(&key).unwrap();
    let head = Checkpoint::parse(opened.text()).unwrap();
    assert!(head.size > second && head.origin == key.name(), "{head:?}");
    assert!(web::get(house, "/trust").body.contains(&format!("/trust/checkpoint/{id}")));
    let metrics = web::get(house, "/metrics").body;
    assert!(metrics.contains(&format!("amanah_trail_seal_lag_seconds{{log=\"{id}\"}}")));
    let data = house.data.display().to_string();
    let doctor = amanah(&["doctor", "--data", &data]);
    let doctor = String::from_utf8(doctor.stdout).unwrap();
    assert!(doctor.contains("no row waits for more than a minute"), "{doctor}");
}

/// A row is proven, and both verifiers agree on its proof, and on the log.
fn proven(house: &House, dir: &Path, (id, key): (&str, &str)) {
    let file = |name: &str| -> PathBuf { dir.join(name) };
    let (proof, row) = (file("proof"), file("row.json"));
    let (proof, row) = (proof.to_str().unwrap(), row.to_str().unwrap());
    let arguments = ["audit", "prove", id, "--database", "demo", "--output", proof, "--row", row];
    let (exit, said) = run(house, &arguments);
    assert_eq!(exit, 0, "{said}");
    // The newest key comes first and signs too; either does.
    for key in [key, &keys(house)[0]] {
        let checked = amanah(&["audit", "check", proof, "--key", key, "--row", row, "--json"]);
        assert_eq!(checked.status.code(), Some(0), "{checked:?}");
        assert_eq!(python(&["proof", proof, key, row]), 0);
    }
    let log = house.data.join("trail/demo");
    assert_eq!(python(&["log", log.to_str().unwrap(), key]), 0);
    let other = std::fs::read_to_string(row).unwrap().replace("UPDATE", "DELETE");
    std::fs::write(file("other.json"), other).unwrap();
    let other = file("other.json");
    let other = other.to_str().unwrap();
    let checked = amanah(&["audit", "check", proof, "--key", key, "--row", other]);
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    assert_eq!(python(&["proof", proof, key, other]), 1);
    assert_eq!(python(&["proof", proof, "no key"]), 2);
    assert_eq!(run(house, &["audit", "prove", "999999999"]).0, 2, "there is no such row");
    assert_eq!(run(house, &["audit", "verify", "--database", "nowhere"]).0, 2);
}

/// A superuser does something to the partition with the trail's rows, as only he can.
fn unguarded(house: &House, what: impl Fn(&str) -> String) {
    let partition = "SELECT tableoid::regclass FROM audit.system_audit_logs ORDER BY id LIMIT 1";
    let partition = house.psql("demo", partition);
    let what = what(&partition);
    house.psql(
        "demo",
        &format!(
            "BEGIN; ALTER TABLE {partition} DISABLE TRIGGER refuse_statement, DISABLE TRIGGER refuse_row;
             {what};
             ALTER TABLE {partition} ENABLE ALWAYS TRIGGER refuse_statement,
                 ENABLE ALWAYS TRIGGER refuse_row; COMMIT"
        ),
    );
}

/// A superuser edits a row, is found, and puts it right again.
fn edited(house: &House, kept: &Path) {
    let set = |actor: &str| {
        let actor = actor.to_owned();
        move |partition: &str| {
            format!(
                "UPDATE {partition} SET actor_id = {actor}
                  WHERE id = (SELECT min(id) FROM audit.system_audit_logs)"
            )
        }
    };
    let actor = "SELECT quote_nullable(actor_id) FROM audit.system_audit_logs ORDER BY id LIMIT 1";
    let actor = house.psql("demo", actor);
    let id = house.psql("demo", "SELECT min(id) FROM audit.system_audit_logs");
    unguarded(house, set("'somebody else'"));
    let (exit, found) = verified(house, kept);
    assert_eq!((exit, &found[0]["holds"]), (1, &Value::Bool(false)), "{found:#}");
    let damage = found[0]["damage"].as_array().unwrap();
    assert_eq!(damage.len(), 1, "{found:#}");
    assert_eq!(damage[0]["name"], "edited-row", "{found:#}");
    assert_eq!(damage[0]["object"], format!("row {id}"), "{found:#}");
    unguarded(house, set(&actor));
    let (exit, found) = verified(house, kept);
    assert_eq!(exit, 0, "{found:#}");
}

/// A superuser cuts the newest rows off. The sealer says so for ever, and verifying finds it until
/// somebody answers for it.
fn cut(house: &House, kept: &Path, row: &str) {
    unguarded(house, |partition| {
        format!(
            "DELETE FROM {partition} WHERE xid < pg_current_xact_id()
                AND xid >= (SELECT xid FROM {partition} WHERE id = {row})"
        )
    });
    let begun = Instant::now();
    let found = loop {
        let (exit, found) = verified(house, kept);
        assert_eq!(exit, 1, "{found:#}");
        if found[0]["epochs"].as_array().is_some_and(|epochs| epochs.len() == 2) {
            break found;
        }
        assert!(begun.elapsed() < SEALED, "{found:#}");
        std::thread::park_timeout(LOOK_AGAIN);
    };
    let named = |name: &str| {
        let damage = found[0]["damage"].as_array().unwrap();
        assert!(damage.iter().any(|one| one["name"] == name), "{found:#}");
    };
    named("unexplained-epoch");
    let accept = ["audit", "accept-epoch", "2", "--by", "budi", "--why", "a test"];
    assert_eq!(run(house, &["audit", "accept-epoch", "3", "--by", "b", "--why", "c"]).0, 2);
    let (exit, said) = run(house, &accept);
    assert_eq!(exit, 0, "{said}");
    assert_eq!(run(house, &accept).0, 2, "it has its answer");
    let (exit, found) = verified(house, kept);
    assert_eq!(exit, 0, "{found:#}");
    assert_eq!(found[0]["epochs"][1]["accepted"]["by"], "budi", "{found:#}");
    assert!(found[0]["undone"].as_u64().unwrap() > 0, "{found:#}");
}
