//! The seal of a running house: rows are in the log within seconds, and a kill changes nothing of it.

use std::str::FromStr as _;
use std::time::{Duration, Instant};

use serde_json::Value;
use tlog::{Checkpoint, Note, Verifier};

use crate::house::{House, LOOK_AGAIN, amanah, shared};
use crate::web;

/// How long a seal may take on a slow machine that proves other things meanwhile.
const SEALED: Duration = Duration::from_mins(2);

/// What the command says of the log, once there is one.
fn told(house: &House) -> Option<Value> {
    let out = house.run(&["audit", "checkpoint", "--database", "demo", "--json"]);
    serde_json::from_slice(&out.stdout).ok()
}

/// Waits until the log has one entry for each row of the trail and one for its beginning.
fn sealed(house: &House) -> u64 {
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

#[test]
fn what_is_committed_is_sealed_and_a_kill_changes_nothing() {
    let mut house = shared();
    let first = sealed(&house);
    let write = "UPDATE tenants SET name = name";
    house.psql("demo", write);
    let second = sealed(&house);
    assert!(second > first, "{second} after {first}");
    house.psql("demo", write);
    house.kill_and_restart();
    house.psql("demo", write);
    assert!(sealed(&house) > second);

    // The line of the key opens what the page gives out.
    let data = house.data.display().to_string();
    let key = amanah(&["audit", "checkpoint", "--data", &data, "--key"]);
    let key = Verifier::from_str(String::from_utf8(key.stdout).unwrap().trim()).unwrap();
    let id = told(&house).unwrap()["id"].as_str().unwrap().to_owned();
    let page = web::get(&house, &format!("/trust/checkpoint/{id}"));
    assert_eq!(page.status, 200);
    let opened = Note::parse(&page.body).unwrap().open(&key).unwrap();
    let head = Checkpoint::parse(opened.text()).unwrap();
    assert!(head.size > second && head.origin == key.name(), "{head:?}");
    assert!(web::get(&house, "/trust").body.contains(&format!("/trust/checkpoint/{id}")));
    let metrics = web::get(&house, "/metrics").body;
    assert!(metrics.contains(&format!("amanah_trail_seal_lag_seconds{{log=\"{id}\"}}")));
    let doctor = amanah(&["doctor", "--data", &data]);
    let doctor = String::from_utf8(doctor.stdout).unwrap();
    assert!(doctor.contains("no row waits for more than a minute"), "{doctor}");
}
