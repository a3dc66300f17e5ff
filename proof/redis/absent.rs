//! A house without Redis: it is not installed, does not start, comes later, dies and stays away.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{connect, held, wait_for};
use crate::house::{House, directory};
use crate::web;

const CLAIMS: [&str; 2] = ["isolation.cache", "isolation.channels"];

/// The program that the configuration names, and a folder beside it to prepare what comes next.
struct Program {
    file: PathBuf,
    next: PathBuf,
}

impl Program {
    /// What takes the place of whatever was there, at once.
    fn becomes(&self, prepare: impl FnOnce(&Path)) {
        prepare(&self.next);
        fs::rename(&self.next, &self.file).unwrap();
    }

    fn becomes_real(&self) {
        self.becomes(|next| symlink("/usr/bin/redis-server", next).unwrap());
    }

    fn becomes_broken(&self) {
        self.becomes(|next| {
            fs::write(next, "#!/bin/sh\necho 'no room for a server' >&2\nexit 1\n").unwrap();
            fs::set_permissions(next, fs::Permissions::from_mode(0o755)).unwrap();
        });
    }
}

/// Asks for both claims and what they came to: the exit code, and verdicts with their details.
fn verified(house: &House) -> (i32, String) {
    let (mut worst, mut told) = (0, String::new());
    for claim in CLAIMS {
        let (exit, claims) =
            house.verify(&["--page", "pages/amanah.md", "--claim", claim, "--bite"]);
        worst = worst.max(exit);
        told.push_str(&claims[0].to_string());
    }
    (worst, told)
}

fn unknown(house: &House, why: &str) {
    let (exit, told) = verified(house);
    assert_eq!(exit, 3, "{told}");
    assert_eq!(told.matches(why).count(), told.matches("\"detail\"").count(), "{told}");
    assert!(!told.contains("\"proven\"") && told.contains(why), "{told}");
}

#[test]
fn everything_else_works_without_redis_and_it_is_taken_up_when_it_comes() {
    let folder = directory();
    let file = folder.path().join("redis-server");
    let program = Program { next: folder.path().join("next"), file };
    let house = House::configured(&format!("[redis]\nprogram = {:?}\n", program.file));

    // Not installed.
    unknown(&house, "redis-server is not there; install it with: apt-get install redis-server");
    let refused = house.run(&["tenant", "connect", "Toko Sabar", "--redis"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{told}");
    assert!(told.contains("is not there"), "{told}");
    for claim in ["isolation.rows", "isolation.database"] {
        let (exit, claims) =
            house.verify(&["--page", "pages/amanah.md", "--claim", claim, "--bite"]);
        assert_eq!((exit, &claims[0]["verdict"]), (0, &Value::from("proven")), "{:#}", claims[0]);
    }
    assert_eq!(web::get(&house, "/trust").status, 200);

    // Installed, and it does not start.
    program.becomes_broken();
    unknown(&house, "no room for a server");

    // It comes, and no command is run that could start it.
    program.becomes_real();
    let pid = house.data.join("redis/server.pid");
    wait_for("it is taken up", || pid.exists());
    let login = connect(&house, "Toko Sabar");
    assert_eq!(login.run(&["SET", &login.key("k"), "v"]), "OK");
    let (exit, told) = verified(&house);
    assert_eq!(exit, 0, "{told}");

    // Its program goes, and it stays: who is shut out is shut out of the one that runs.
    let before = house.log();
    fs::rename(&program.file, &program.next).unwrap();
    let doctor = String::from_utf8(house.run(&["doctor"]).stdout).unwrap();
    assert!(doctor.contains("Redis: the managed server runs, or can be started"), "{doctor}");
    let other = connect(&house, "Toko Lain");
    assert_eq!(other.run(&["SET", &other.key("k"), "v"]), "OK");
    held(&house, &["tenant", "suspend", "Toko Lain"]);
    assert!(other.run(&["PING"]).contains("WRONGPASS"));
    let erased = held(&house, &["tenant", "erase", "Toko Lain", "--yes"]);
    assert_eq!(erased["redis"]["keys"], 1, "{erased}");

    // It dies, and cannot come back.
    let killed = fs::read_to_string(&pid).unwrap();
    assert!(Command::new("kill").args(["-9", killed.trim()]).status().unwrap().success());
    let told = || house.log().replacen(&before, "", 1);
    wait_for("it is told", || told().contains("redis-server is not there"));
    unknown(&house, "is not there");
    assert_eq!(web::get(&house, "/trust").status, 200);

    // It can, and the login that is still good is there again.
    fs::remove_file(&program.next).unwrap();
    program.becomes_real();
    wait_for("the login comes back", || login.run(&["PING"]) == "PONG");
    assert!(told().contains("Redis had died and was started again"));
    let (exit, told) = verified(&house);
    assert_eq!(exit, 0, "{told}");
}
