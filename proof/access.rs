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
