//! Limits and bait on a running house, from addresses that no other test has.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::house::{House, LOOK_AGAIN, shared};
use crate::web::{ask_from, sign_in};

/// Below the addresses of the proofs (127.64.0.0/10) and those of other tests.
const NETWORK: [u8; 2] = [127, 33];

const PATIENCE: Duration = Duration::from_secs(30);

fn from(network: u8, host: u8) -> Ipv4Addr {
    let [a, b] = NETWORK;
    Ipv4Addr::new(a, b, network, host)
}

fn claim(house: &House, page: &str, id: &str) -> Value {
    let (_, claims) = house.verify(&["--page", page, "--claim", id, "--bite"]);
    claims.into_iter().find(|claim| claim["id"] == id).unwrap()
}

/// The numbers of a page are what the running program does, and another number would not be proven.
#[test]
fn sign_ins_and_letters_are_refused_after_so_many() {
    let house = shared();
    let limits = claim(&house, "pages/amanah.md", "edge.limits");
    assert_eq!(limits["verdict"], "proven", "{limits:#}");
    let population = &limits["population"];
    assert_eq!(
        (&population["checked"], &population["total"]),
        (&3.into(), &3.into()),
        "{limits:#}"
    );
    let letters = claim(&house, "pages/database-tenants.md", "edge.limits");
    assert_ne!(letters["verdict"], "failing", "{letters:#}");
}

/// The hit of `source`, once it is there.
fn written_down(house: &House, source: Ipv4Addr) -> Value {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let told = house.run(&["edge", "hits", "--json"]);
        let told: Value = serde_json::from_slice(&told.stdout).unwrap();
        let own = |hit: &&Value| hit["source"] == source.to_string();
        if let Some(hit) = told["hits"].as_array().unwrap().iter().find(own) {
            return hit.clone();
        }
        std::thread::park_timeout(LOOK_AGAIN);
    }
    panic!("the hit was not written down within {PATIENCE:?}");
}

/// Every bait is written down, the scanner is refused, and the operator sees who it was.
#[test]
fn whoever_takes_bait_is_seen_and_not_heard() {
    let house = shared();
    let honeypot = claim(&house, "pages/database-tenants.md", "edge.honeypot");
    assert_eq!(honeypot["verdict"], "proven", "{honeypot:#}");
    let scanner = from(1, 1);
    let get = |path: &str| ask_from(&house, scanner, http::Request::get(path), "");
    assert_eq!(get("/trust").status, 200);
    get("/wp-login.php");
    let refused = get("/trust");
    assert_eq!(refused.status, 429);
    assert!(refused.headers["ratelimit"].to_str().unwrap().starts_with("\"banned\""));
    let session = sign_in(&house, "sari@sinar.example");
    let page = http::Request::get("/").header("cookie", session);
    assert_eq!(ask_from(&house, scanner, page, "").status, 200, "people are heard");
    let told = written_down(&house, scanner);
    assert_eq!((&told["bait"], &told["method"]), (&"/wp-login.php".into(), &"GET".into()));
    let laid = house.run(&["edge", "bait"]);
    let laid = String::from_utf8(laid.stdout).unwrap();
    assert!(laid.contains("/.env") && laid.contains("Key: amk_"), "{laid}");
}
