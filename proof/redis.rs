//! Tenants' places on Redis, as an operator and an application have them: a login, a wrong key, a
//! server that is killed, what is opened by hand.

mod absent;

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::house::{House, LOOK_AGAIN, shared};

/// How long Amanah may take to put the server in order again, however busy the machine is.
const ORDER: Duration = Duration::from_mins(2);

/// A login as a command has printed it.
struct Login {
    url: String,
    prefix: String,
}

fn held(house: &House, arguments: &[&str]) -> Value {
    let output = house.run(&[arguments, &["--json"]].concat());
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn connect(house: &House, tenant: &str) -> Login {
    let lease = held(house, &["tenant", "connect", tenant, "--redis", "--for", "30m"]);
    let text = |name: &str| lease[name].as_str().unwrap().to_owned();
    Login { url: text("url"), prefix: text("prefix") }
}

/// What redis-cli prints. The password goes through the environment: a command line can be read by
/// everybody, and a proof would find it.
fn cli(place: &[&str], user: &str, password: &str, command: &[&str]) -> String {
    let output = Command::new("redis-cli")
        .args(place)
        .args(["--no-auth-warning", "--user", user])
        .args(command)
        .env("REDISCLI_AUTH", password)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).trim().to_owned()
}

impl Login {
    fn run(&self, command: &[&str]) -> String {
        let rest = self.url.strip_prefix("redis://").unwrap();
        let (login, address) = rest.split_once('@').unwrap();
        let (user, password) = login.split_once(':').unwrap();
        let port = address.strip_prefix("127.0.0.1:").unwrap().strip_suffix("/0").unwrap();
        cli(&["-p", port], user, password, command)
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// A command of whoever runs the server.
fn admin(house: &House, command: &[&str]) -> String {
    let password = std::fs::read_to_string(house.data.join("secrets/redis.password")).unwrap();
    let socket = house.data.join("redis.socket/redis.sock");
    cli(&["-s", socket.to_str().unwrap()], "amanah", password.trim(), command)
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < ORDER, "{what}");
        std::thread::park_timeout(LOOK_AGAIN);
    }
}

/// The life of a place of a tenant that has no database of its own, with another one beside it.
#[test]
fn a_place_lives_and_goes() {
    let house = shared();
    let (kiosk, other) = ("Kios \"Baru\"", "kios \"baru\"");
    let (mine, theirs) = (connect(&house, kiosk), connect(&house, other));
    for (login, value) in [(&mine, "1"), (&theirs, "2")] {
        assert_eq!(login.run(&["SET", &login.key("basket"), value]), "OK");
    }
    assert_eq!(mine.run(&["GET", &mine.key("basket")]), "1");
    for command in
        [["GET", &theirs.key("basket")], ["GET", "basket"], ["KEYS", "*"], ["SELECT", "1"]]
    {
        let refused = mine.run(&command);
        assert!(refused.contains("NOPERM"), "{command:?}: {refused}");
    }
    assert_eq!(held(&house, &["tenant", "suspend", kiosk])["state"], "suspended");
    assert!(mine.run(&["PING"]).contains("WRONGPASS"), "{}", mine.run(&["PING"]));
    let refused = house.run(&["tenant", "connect", kiosk, "--redis"]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is suspended on Redis"));
    held(&house, &["tenant", "resume", kiosk]);
    let again = connect(&house, kiosk);
    assert_eq!(again.prefix, mine.prefix);
    assert_eq!(again.run(&["GET", &again.key("basket")]), "1", "its keys were kept");

    let asked = house.run(&["tenant", "erase", kiosk]);
    assert_eq!(asked.status.code(), Some(2), "nothing without --yes");
    assert_eq!(again.run(&["GET", &again.key("basket")]), "1");
    let erased = held(&house, &["tenant", "erase", kiosk, "--yes"]);
    assert_eq!(erased["redis"]["keys"], 1, "{erased}");
    assert!(again.run(&["PING"]).contains("WRONGPASS"));
    assert_eq!(theirs.run(&["GET", &theirs.key("basket")]), "2");
    held(&house, &["tenant", "erase", other, "--yes"]);
    assert_eq!(admin(&house, &["--raw", "KEYS", &mine.key("*")]), "");
    let unknown = house.run(&["tenant", "suspend", kiosk]);
    assert_eq!(unknown.status.code(), Some(2), "nobody knows it any more");
}

/// A tenant with a database of its own loses both at once.
#[test]
fn a_tenant_with_a_database_is_shut_out_of_both() {
    let house = shared();
    held(&house, &["tenant", "add", "Toko Dua"]);
    let login = connect(&house, "Toko Dua");
    assert_eq!(login.run(&["SET", &login.key("k"), "v"]), "OK");
    held(&house, &["tenant", "suspend", "Toko Dua"]);
    assert!(login.run(&["PING"]).contains("WRONGPASS"));
    let erased = held(&house, &["tenant", "erase", "Toko Dua", "--yes"]);
    assert_eq!(erased["redis"]["keys"], 1, "{erased}");
    assert!(erased["erasure"]["place"].is_string(), "{erased}");
}

/// Amanah's death leaves the server as it is; the server's death costs its keys, and no login.
#[test]
fn logins_survive_deaths() {
    let mut house = shared();
    let login = connect(&house, "Toko Tahan");
    assert_eq!(login.run(&["SET", &login.key("k"), "v"]), "OK");
    house.kill_and_restart();
    assert_eq!(login.run(&["GET", &login.key("k")]), "v", "the server was adopted");
    let pid = std::fs::read_to_string(house.data.join("redis/server.pid")).unwrap();
    assert!(Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success());
    wait_for("the login comes back", || login.run(&["PING"]) == "PONG");
    assert_eq!(login.run(&["GET", &login.key("k")]), "", "it is a cache");
    held(&house, &["tenant", "erase", "Toko Tahan", "--yes"]);
}

/// What an operator does by hand makes the page fail, by name; what he puts back mends it.
#[test]
fn what_is_opened_by_hand_is_named() {
    let house = shared();
    let verify =
        || house.verify(&["--page", "pages/amanah.md", "--claim", "isolation.cache", "--bite"]);
    let (exit, claims) = verify();
    assert_eq!((exit, &claims[0]["verdict"]), (0, &Value::from("proven")), "{:#}", claims[0]);
    assert_eq!(admin(&house, &["ACL", "SETUSER", "clerk", "on", "nopass", "~*", "+get"]), "OK");
    let (exit, claims) = verify();
    admin(&house, &["ACL", "DELUSER", "clerk"]);
    assert_eq!((exit, &claims[0]["verdict"]), (1, &Value::from("failing")), "{:#}", claims[0]);
    assert_eq!(claims[0]["findings"][0]["object"], "clerk", "{:#}", claims[0]);
    assert_eq!(verify().0, 0, "put back, it holds");
}
