//! What people may do, as the running house decides it.

use crate::house::shared;
use crate::web::{self, Answer};

const APPROVE: &str = "/approvals/00000000-0000-4000-8000-00000000dead/approve";

fn ask(house: &crate::house::House, session: &str, method: &str, path: &str) -> Answer {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("cookie", session)
        .header("origin", format!("https://localhost:{}", house.port()));
    web::ask(house, request, "")
}

/// What no role of somebody permits is refused before the application sees it, what is not mapped is
/// nowhere, and a role that is given counts.
#[test]
fn a_role_decides_what_passes() {
    let house = shared();
    let sari = web::sign_in(&house, "sari@sinar.example");
    let dewi = web::sign_in(&house, "dewi@sinar.example");
    assert_eq!(ask(&house, &sari, "GET", "/products").status, 200);
    for (session, method, path, status) in [
        (&sari, "POST", APPROVE, 403),
        (&dewi, "POST", APPROVE, 404),
        (&sari, "GET", "/admin", 404),
        (&sari, "DELETE", "/products", 404),
        (&sari, "GET", "/products/..%2fapprovals", 404),
    ] {
        let answer = ask(&house, session, method, path);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
    }
    assert!(ask(&house, &sari, "POST", APPROVE).body.contains("403 Forbidden"));
    // The application's own answer, and not the gateway's.
    assert!(!ask(&house, &dewi, "POST", APPROVE).body.contains("There is no such page here."));
}

/// The command line gives, lists and takes roles, and prints what was reviewed.
#[test]
fn roles_are_given_and_taken_by_command() {
    let house = shared();
    let tenant = "22222222-2222-4222-8222-222222222222";
    let made = house.run(&["account", "add", "peran@bintang.example", "--tenant", tenant]);
    assert!(made.status.success());
    let run = |words: &[&str]| {
        let done = house.run(&[&["access"], words].concat());
        (done.status.code(), String::from_utf8(done.stdout).unwrap())
    };
    let who = "peran@bintang.example";
    assert!(run(&["roles", "--of", who]).1.starts_with("viewer "));
    assert_eq!(run(&["grant", who, "approver", "--reason", "a test"]).0, Some(0));
    assert_eq!(run(&["grant", who, "approver", "--reason", "a test"]).0, Some(2));
    assert_eq!(run(&["grant", who, "wizard", "--reason", "a test"]).0, Some(2));
    assert_eq!(
        run(&["grant", "nobody@bintang.example", "viewer", "--reason", "a test"]).0,
        Some(2)
    );
    assert_eq!(run(&["roles", "--of", who]).1.lines().count(), 2);
    assert_eq!(run(&["revoke", who, "approver"]).0, Some(0));
    assert_eq!(run(&["revoke", who, "approver"]).0, Some(2));
    assert_eq!(run(&["roles"]).1.lines().count(), 18);
    let (code, matrix) = run(&["matrix"]);
    assert_eq!((code, matrix.lines().count()), (Some(0), 528 + 18));
}

/// A tenant's own role is made, shown, and retired when that was said; a review is begun and given up.
#[test]
fn own_roles_and_reviews_go_by_command() {
    let house = shared();
    let tenant = "22222222-2222-4222-8222-222222222222";
    let who = "malam@bintang.example";
    assert!(house.run(&["account", "add", who, "--tenant", tenant]).status.success());
    let run = |words: &[&str]| {
        let done = house.run(&[&["access"], words].concat());
        (done.status.code(), String::from_utf8(done.stdout).unwrap())
    };
    let define = |rest: &[&str]| {
        let first = ["role", "define", "Night shift", "--tenant", tenant, "--title", "Nights"];
        run(&[&first, rest].concat()).0
    };
    assert_eq!(define(&["--permit", "notes.read", "--parent", "viewer"]), Some(0));
    assert_eq!(define(&["--permit", "notes.paint"]), Some(2));
    assert_eq!(define(&["--parent", "Night shift"]), Some(2));
    assert_eq!(run(&["grant", who, "Night shift", "--reason", "a test"]).0, Some(0));
    let (code, shown) = run(&["role", "show", "Night shift", "--tenant", tenant]);
    assert!(code == Some(0) && shown.contains(who) && shown.contains("notes.read"), "{shown}");
    let retire = ["role", "retire", "Night shift", "--tenant", tenant];
    assert_eq!(run(&retire).0, Some(2));
    assert!(run(&["role", "list", "--tenant", tenant]).1.starts_with("Night shift "));
    assert_eq!(run(&[&retire[..], &["--anyway"]].concat()).0, Some(0));
    assert_eq!(run(&retire).0, Some(2));
    let (code, started) = run(&["review", "start", "--tenant", tenant]);
    let id = started.split(' ').next().unwrap_or_default();
    assert_eq!(code, Some(0), "{started}");
    assert_eq!(run(&["review", "start", "--tenant", tenant]).0, Some(2));
    assert_eq!(run(&["review", "close", id, "--by", "Dewi"]).0, Some(2));
    let abandon = ["review", "abandon", id, "--reason", "a test"];
    assert_eq!((run(&abandon).0, run(&abandon).0), (Some(0), Some(2)));
    let (code, due) = run(&["review", "due"]);
    assert!(code == Some(0) && due.contains(tenant), "{due}");
}
