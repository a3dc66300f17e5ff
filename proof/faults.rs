//! Processes that are killed: nothing is lost, and everything comes back by itself.

use std::time::{Duration, Instant};

use crate::house::{House, LOOK_AGAIN, shared};
use crate::web;

/// How long something may take to come back on a slow machine.
const RETURN: Duration = Duration::from_mins(1);

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < RETURN, "{what} within {RETURN:?}");
        std::thread::park_timeout(LOOK_AGAIN);
    }
}

/// Evidence and rows that were committed before a kill are there after it.
#[test]
fn amanah_is_killed_and_started_again() {
    let mut house = shared();
    let before = proofs(&house);
    house.kill_and_restart();
    assert!(proofs(&house) >= before, "evidence was lost");
    assert_eq!(house.psql("demo", "SELECT count(*) > 3 FROM tenants"), "t");
    wait_until("the page answers", || web::get(&house, "/trust").status == 200);
}

/// What a killed proof left behind is removed at the next start.
#[test]
fn leftover_sandboxes_are_swept() {
    let mut house = shared();
    house.psql("postgres", "CREATE DATABASE amanah_sandbox_leftover OWNER demo_owner");
    house.kill_and_restart();
    let left = "SELECT count(*) FROM pg_database WHERE datname = 'amanah_sandbox_leftover'";
    wait_until("the sandbox is gone", || house.psql("postgres", left) == "0");
}

/// The running house notices that its PostgreSQL is dead and starts it again.
#[test]
fn postgresql_is_killed_and_revived() {
    let house = shared();
    let before = proofs(&house);
    let file = house.data.join("postgres/postmaster.pid");
    let pid = || std::fs::read_to_string(&file).ok()?.lines().next().map(str::to_owned);
    let old = pid().unwrap();
    let killed = std::process::Command::new("kill").args(["-9", &old]).status().unwrap();
    assert!(killed.success());
    wait_until("PostgreSQL is back", || pid().is_some_and(|new| new != old));
    wait_until("health is back", || web::get(&house, "/healthz").status == 200);
    assert!(proofs(&house) >= before, "evidence was lost");
}

/// A database that does not answer: whoever is signed in is let into nothing, and is signed in again when
/// it is back.
#[test]
fn while_the_database_is_away_nobody_is_let_in_and_nobody_signed_out() {
    let house = shared();
    let session = web::sign_in(&house, "sari@sinar.example");
    // The application needs no database for this one: it is the gateway that has to refuse it.
    let style = || http::Request::get("/style.css").header("cookie", &session);
    let asked = || web::ask(&house, style(), "");
    assert_eq!(asked().status, 200);
    let away = Frozen::postgresql(&house);
    wait_until("the gateway refuses", || {
        let answer = asked();
        let refused = answer.headers.get(kernel::REFUSED_HEADER);
        answer.status == 503 && refused.is_some_and(|why| why == "undecided")
    });
    let answer = asked();
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("You were not signed out"), "{}", answer.body);
    assert_eq!(web::get(&house, "/_amanah/sign-in").status, 200);
    drop(away);
    wait_until("the same session is good again", || asked().status == 200);
}

/// Processes that are stopped in the middle of whatever they do, until this is dropped.
struct Frozen(String);

impl Frozen {
    fn postgresql(house: &House) -> Self {
        let file = std::fs::read_to_string(house.data.join("postgres/postmaster.pid")).unwrap();
        let frozen = Self(file.lines().next().unwrap().to_owned());
        frozen.all("-STOP");
        frozen
    }

    /// The server first, so that it starts no other process in between.
    fn all(&self, signal: &str) {
        let run = |program: &str, words: &[&str]| {
            let done = std::process::Command::new(program).args(words).status().unwrap();
            assert!(done.success(), "{program} {words:?}");
        };
        run("kill", &[signal, &self.0]);
        run("pkill", &[signal, "-P", &self.0]);
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.all("-CONT");
    }
}

/// The application is started again where the gateway knows it.
#[test]
fn the_application_is_killed_and_started_again() {
    let house = shared();
    let asked = || {
        let request = http::Request::get("/").header("accept", "text/html");
        web::ask(&house, request, "").status
    };
    assert_eq!(asked(), 303);
    let killed = std::process::Command::new("pkill")
        .args(["-9", "-P", &house.pid().to_string(), "-x", "demo"])
        .status()
        .unwrap();
    assert!(killed.success());
    let style = || web::get(&house, "/_amanah/sign-in").status == 200;
    wait_until("the gateway answers", style);
    wait_until("headers are proven again", || {
        house.verify(&["--page", "pages/amanah.md", "--claim", "edge.headers"]).0 == 0
    });
}

fn proofs(house: &House) -> u64 {
    house.psql("amanah", "SELECT count(*) FROM claims.proof").parse().unwrap()
}
