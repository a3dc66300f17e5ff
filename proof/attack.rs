//! Under-attack mode on a running house: strangers are challenged, people are served, a browser passes
//! with script and without, and each switch is written down for good.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::browser::drive;
use crate::house::{House, LOOK_AGAIN, shared};
use crate::web::{Answer, ask_from, get, sign_in};

const PATIENCE: Duration = Duration::from_secs(30);
/// Where nobody else of the tests comes from.
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 34, 0, 1);

/// The mode is as it was when this is dropped, however the test ends: the house is everybody's.
struct Switched<'a>(&'a House);

impl Drop for Switched<'_> {
    fn drop(&mut self) {
        for mode in ["off", "auto"] {
            self.0.run(&["edge", "attack", mode]);
        }
    }
}

fn stranger(house: &House, path: &str, accept: &str) -> Answer {
    ask_from(house, STRANGER, http::Request::get(path).header("accept", accept), "")
}

/// The mode, and the newest switches first, once `wanted` of them are written down.
fn status(house: &House, wanted: usize) -> Value {
    let begun = Instant::now();
    loop {
        let told = house.run(&["edge", "attack", "status", "--json"]);
        let told: Value = serde_json::from_slice(&told.stdout).unwrap();
        if told["switches"].as_array().unwrap().len() >= wanted {
            return told;
        }
        assert!(begun.elapsed() < PATIENCE, "{told:#}");
        std::thread::park_timeout(LOOK_AGAIN);
    }
}

#[test]
fn strangers_are_shed_by_hand_and_a_browser_passes() {
    let house = shared();
    let before = status(&house, 0);
    assert_eq!(
        (&before["attack"]["mode"], &before["attack"]["on"]),
        (&"auto".into(), &false.into())
    );
    let known = before["switches"].as_array().unwrap().len();
    let session = sign_in(&house, "sari@sinar.example");
    assert_eq!(stranger(&house, "/trust", "text/html").status, 200);
    let switched = Switched(&house);
    let on = house.run(&["edge", "attack", "on"]);
    assert!(on.status.success(), "{on:?}");

    let page = stranger(&house, "/trust", "text/html");
    assert_eq!(page.status, 503, "{}", page.body);
    assert_eq!(page.headers["amanah-refused"], "under_attack");
    assert!(page.headers.contains_key("retry-after"));
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(page.body.contains("action=\"/_amanah/challenge\""), "{}", page.body);
    let script = page.body.split("<script src=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(stranger(&house, script, "*/*").status, 200, "{script}");
    let program = stranger(&house, "/.well-known/trust.json", "application/json");
    assert_eq!((program.status, program.headers.contains_key("set-cookie")), (503, false));
    assert_eq!(stranger(&house, "/.well-known/jwks.json", "*/*").status, 200);
    assert_eq!(get(&house, "/healthz").status, 200);
    let person = http::Request::get("/").header("cookie", session);
    assert_eq!(ask_from(&house, STRANGER, person, "").status, 200, "people are served");
    assert!(get(&house, "/metrics").body.contains("amanah_gateway_under_attack 1"));
    drive(&house, "challenge.cjs", &[], "passed by work, and by waiting");

    drop(switched);
    assert_eq!(stranger(&house, "/trust", "text/html").status, 200);
    let told = status(&house, known + 3);
    let last = &told["switches"][2];
    assert_eq!((&last["shedding"], &last["why"]), (&true.into(), &"hand".into()), "{told:#}");
    assert_eq!((&last["mode"], &told["attack"]["mode"]), (&"on".into(), &"auto".into()));
    for change in [
        "UPDATE access.attack_switches SET shedding = false",
        "DELETE FROM access.attack_switches",
        "TRUNCATE access.attack_switches",
    ] {
        let text = format!(
            "DO $$ BEGIN {change}; RAISE EXCEPTION 'it was taken'; EXCEPTION WHEN raise_exception \
             THEN IF SQLERRM NOT LIKE '%evidence%' THEN RAISE; END IF; END $$"
        );
        house.psql("amanah", &text);
    }
    assert_eq!(status(&house, known + 3)["switches"].as_array().unwrap().len(), known + 3);
}
