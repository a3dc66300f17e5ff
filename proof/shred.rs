//! The shred drill: a tenant's keys are destroyed, an older database and an older copy of the ring
//! are put back, and nothing of the tenant opens.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::house::House;
use crate::web;

const GULF: &str = "33333333-3333-4333-8333-333333333333";
const SUPPLIER: &str = "/suppliers/00000000-0000-4000-8002-000000000001/reveal";

/// A house of its own, whose root is sealed by a secret of the environment.
fn start() -> House {
    let secret = ["a secret for the", "shred drill"].join(" ");
    let house = House::start_with(vec![("AMANAH_ROOT_SECRET", secret)]);
    testkit::guard(&house.data, house.data.parent().unwrap());
    house
}

/// What the sample application answers to somebody who asks for a supplier's token.
fn reveal(house: &House, email: &str) -> web::Answer {
    let session = web::sign_in(house, email);
    let request = http::Request::post(SUPPLIER)
        .header("cookie", session)
        .header("origin", format!("https://localhost:{}", house.port()))
        .header("content-type", "application/x-www-form-urlencoded");
    web::ask(house, request, "")
}

/// Copies a folder with owners and modes.
fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// Runs one of PostgreSQL's programs as the superuser, with a file as its last argument.
fn server(house: &House, program: &str, arguments: &[&str], file: &Path) -> Output {
    let pid = std::fs::read_to_string(house.data.join("postgres/postmaster.pid")).unwrap();
    let lines: Vec<&str> = pid.lines().collect();
    Command::new(program)
        .args(["-U", "postgres", "-p", lines[3], "-h", lines[4]])
        .args(arguments)
        .arg(file)
        .output()
        .unwrap()
}

fn code(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_shredded_tenant_stays_unreadable() {
    let mut house = start();
    let away = tempfile::tempdir().unwrap();
    let (ring, postgres) = (house.data.join("keys/ring"), house.data.join("postgres"));
    let plain = away.path().join("contract");
    std::fs::write(&plain, "what the tenant signed").unwrap();
    let (plain, sealed) = (plain.display().to_string(), format!("{}.sealed", plain.display()));
    let secret_is_in_the_server = secret_in_environment_of(&house);
    assert!(!secret_is_in_the_server, "PostgreSQL's superuser could read the root's secret");
    let held = |arguments: &[&str]| {
        let output = house.run(arguments);
        assert_eq!(code(&output).0, Some(0), "{arguments:?}: {}", code(&output).1);
        output
    };
    held(&["keys", "create", "contracts", "--purpose", "files"]);
    held(&["keys", "seal", &plain, "--key", "contracts", "--tenant", GULF]);
    for email in ["amal@gulf.example", "sari@sinar.example"] {
        assert!(reveal(&house, email).body.contains("<code>sup_"), "{email}");
    }

    // What an attacker, or an operator in a hurry, has kept.
    let dump = away.path().join("demo.sql");
    let dumped = server(&house, "pg_dump", &["--create", "-d", "demo", "-f"], &dump);
    assert_eq!(code(&dumped).0, Some(0), "{}", code(&dumped).1);
    house.stop();
    let (old_ring, old_postgres) = (away.path().join("ring"), away.path().join("postgres"));
    copy(&ring, &old_ring);
    copy(&postgres, &old_postgres);
    house.start_again();

    shred(&house);
    gone(&house, &sealed);

    // The logical dump of before: the rows come back with their ciphertexts, which do not open.
    house
        .psql("demo", &format!("UPDATE suppliers SET api_token = NULL WHERE tenant_id = '{GULF}'"));
    house.psql("postgres", "DROP DATABASE demo WITH (FORCE)");
    let restored = server(&house, "psql", &["-X", "-q", "-d", "postgres", "-f"], &dump);
    assert_eq!(code(&restored).0, Some(0), "{}", code(&restored).1);
    house.stop();
    house.start_again();
    let rows = format!(
        "SELECT count(*) FROM suppliers WHERE tenant_id = '{GULF}' AND api_token IS NOT NULL"
    );
    assert_eq!(house.psql("demo", &rows), "3", "the dumped rows are back");
    gone(&house, &sealed);

    // The older ring alone, or with the older database: refused, in one line.
    house.stop();
    let new_ring = away.path().join("new-ring");
    copy(&ring, &new_ring);
    copy(&old_ring, &ring);
    refused(&house, &sealed);
    copy(&old_postgres, &postgres);
    refused(&house, &sealed);
    // Whoever insists on it gets nothing either: what wrapped that ring was destroyed.
    let generation = generation(&ring);
    let accepted = house.run(&["keys", "accept", "--generation", &generation]);
    assert_ne!(code(&accepted).0, Some(0), "{}", code(&accepted).1);

    // The older database with the ring that belongs: everybody else's secrets open, and the
    // tenant's rows are there again and say what became of their keys.
    copy(&new_ring, &ring);
    house.start_again();
    assert_eq!(house.psql("demo", &rows), "3", "the older rows are back");
    gone(&house, &sealed);
}

/// Without `--yes` nothing happens; with it, it says what was destroyed.
fn shred(house: &House) {
    let asked = house.run(&["keys", "shred", "--tenant", GULF]);
    assert_eq!(code(&asked).0, Some(2));
    let said = String::from_utf8_lossy(&asked.stdout).into_owned();
    assert!(said.contains("contracts") && said.contains("supplier-tokens"), "{said}");
    for remains in ["backups", "logical dump", "stored in clear", "others made", "root"] {
        assert!(said.contains(remains), "{remains}: {said}");
    }
    let asked = house.run(&["keys", "shred", "--tenant", GULF, "--json"]);
    let preview: Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert_eq!(preview["remains"].as_array().unwrap().len(), 5, "{preview:#}");
    assert!(reveal(house, "amal@gulf.example").body.contains("<code>sup_"), "nothing happened");
    let done = house.run(&["keys", "shred", "--tenant", GULF, "--yes", "--json"]);
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(report["destroyed"], true, "{report:#}");
    assert_eq!(report["shredding"]["keys"], 3, "{report:#}");
}

/// The distinct answer for what was destroyed, in the application and on the command line; the
/// others' secrets open.
fn gone(house: &House, sealed: &str) {
    let page = reveal(house, "amal@gulf.example");
    assert_eq!(page.status, 410, "{}", page.body);
    assert!(page.body.contains("destroyed on purpose"), "{}", page.body);
    assert!(reveal(house, "sari@sinar.example").body.contains("<code>sup_"));
    let (exit, error) = code(&house.run(&["keys", "open", sealed]));
    assert_eq!(exit, Some(3));
    assert!(error.contains("was destroyed on"), "{error}");
    let again = house.run(&["keys", "create", "contracts", "--tenant", GULF]);
    assert_eq!(code(&again).0, Some(3), "a destroyed tenant gets no keys again");
}

/// Neither the house nor a command starts on an older ring.
fn refused(house: &House, sealed: &str) {
    let before = generation(&house.data.join("keys/ring"));
    for arguments in [
        &["up", "--listen", "127.0.0.1:0", "--keys-listen", "127.0.0.1:0"][..],
        &["keys", "open", sealed],
    ] {
        let (exit, error) = code(&house.run(arguments));
        assert_eq!(exit, Some(3), "{arguments:?}: {error}");
        assert_eq!(error.trim_end().lines().count(), 1, "one line: {error}");
        assert!(error.contains("ring"), "{error}");
    }
    assert_eq!(generation(&house.data.join("keys/ring")), before, "it was left as it is");
}

/// The newest generation on a shelf.
fn generation(ring: &Path) -> String {
    let names = std::fs::read_dir(ring).unwrap().map(|e| e.unwrap().file_name());
    let numbers =
        names.filter_map(|name| name.to_str()?.strip_prefix("ring-")?.parse::<u64>().ok());
    numbers.max().unwrap().to_string()
}

/// Whether the server's environment holds what ours does.
fn secret_in_environment_of(house: &House) -> bool {
    let pid = std::fs::read_to_string(house.data.join("postgres/postmaster.pid")).unwrap();
    let pid = pid.lines().next().unwrap();
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    String::from_utf8_lossy(&environment).contains("AMANAH_")
}

/// A file of an earlier version, with the binding key in it, is taken in: the key is sealed, and
/// the file does not hold it any more.
#[test]
fn a_file_of_an_earlier_version_is_taken_in() {
    let mut house = start();
    house.stop();
    let file = house.data.join("secrets/protected-demo.json");
    let mut kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(kept.get("key").is_none() && kept.get("superuser").is_none(), "{text}");
    let key = "5a".repeat(32);
    kept["key"] = key.clone().into();
    kept["superuser"] = Value::Null;
    kept["kid"] = "0badc0de".into();
    std::fs::write(&file, kept.to_string()).unwrap();
    house.start_again();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(&key) && text.contains("0badc0de"), "{text}");
    assert!(reveal(&house, "sari@sinar.example").body.contains("<code>sup_"), "bindings are good");
    let names = house.psql("amanah", "SELECT string_agg(name, ' ') FROM keys.secrets");
    assert!(names.contains("protected/0badc0de/binding-key"), "{names}");
    drop(house);
}
