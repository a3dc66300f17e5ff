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
    assert_eq!(run(&["revoke", who, "approver"]).0, Some(2), "nobody takes one without a reason");
    assert_eq!(run(&["revoke", who, "approver", "--reason", "a test"]).0, Some(0));
    assert_eq!(run(&["revoke", who, "approver", "--reason", "a test"]).0, Some(2));
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

/// Whoever may read the trail sees in their own browser what was recorded in their tenant, and nothing of
/// another's; that they looked is recorded with their name.
#[test]
fn a_tenant_sees_its_own_trail_and_no_other() {
    let house = shared();
    let reader = |who: &str, tenant: &str| {
        let run = |words: &[&str]| {
            let done = house.run(words);
            assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
            String::from_utf8(done.stdout).unwrap()
        };
        let made = run(&["account", "add", who, "--tenant", tenant, "--json"]);
        let made: serde_json::Value = serde_json::from_str(&made).unwrap();
        let role = ["access", "role", "define", "Reader of the trail", "--tenant", tenant];
        run(&[&role[..], &["--title", "Reader", "--permit", "trail.read"]].concat());
        run(&["access", "grant", who, "Reader of the trail", "--reason", "a test"]);
        let entered = web::try_sign_in(&house, who, made["password"].as_str().unwrap());
        assert_eq!(entered.status, 303, "{}", entered.body);
        web::cookie(&entered, "__Host-amanah")
    };
    let sari = web::sign_in(&house, "sari@sinar.example");
    let products = ask(&house, &sari, "GET", "/products").body;
    let (_, product) = products.split_once("href=\"/products/").expect("a product");
    let (product, _) = product.split_once('"').unwrap();
    let words = "A%20note%20about%20%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let request = http::Request::post(format!("/products/{product}/notes"))
        .header("cookie", &sari)
        .header("origin", format!("https://localhost:{}", house.port()))
        .header("content-type", "application/x-www-form-urlencoded");
    let noted = web::ask(&house, request, &format!("note={words}&text={words}&body={words}"));
    assert_eq!(noted.status, 303, "{}", noted.body);
    let request = noted.headers["x-request-id"].to_str().unwrap();

    let theirs = reader("jejak@sinar.example", "11111111-1111-4111-8111-111111111111");
    let bare = ask(&house, &theirs, "GET", "/_amanah/trail");
    assert!(bare.status == 200 && !bare.body.contains("sari@sinar.example"));
    let seen = ask(&house, &theirs, "GET", "/_amanah/trail?from=");
    assert_eq!(seen.status, 200, "{}", seen.body);
    assert!(seen.body.contains("sari@sinar.example") && seen.body.contains(request));
    assert!(seen.body.contains("A note about") && !seen.body.contains("<script>alert"));
    let one = ask(&house, &theirs, "GET", &format!("/_amanah/trail?request={request}"));
    assert_eq!(one.body.matches("<tr><td").count(), 1, "{}", one.body);
    let nothing = ask(&house, &theirs, "GET", "/_amanah/trail?actor=nobody@sinar.example");
    assert!(nothing.status == 200 && nothing.body.contains("Nothing was recorded then."));

    let others = reader("jejak@gulf.example", "33333333-3333-4333-8333-333333333333");
    for path in ["/_amanah/trail?from=".to_owned(), format!("/_amanah/trail?request={request}")] {
        let seen = ask(&house, &others, "GET", &path);
        assert_eq!(seen.status, 200);
        assert!(!seen.body.contains("sari@sinar.example") && !seen.body.contains("A note about"));
    }
    assert_eq!(ask(&house, &sari, "GET", "/_amanah/trail").status, 404, "she may not");

    let asked =
        ["audit", "log", "--action", "read", "--by", "a test", "--purpose", "who looked", "--json"];
    let told = house.run(&asked);
    let told = String::from_utf8(told.stdout).unwrap();
    let looked = told.lines().filter(|line| line.contains("(jejak@sinar.example)")).count();
    assert!(looked > 0 && told.contains("(jejak@gulf.example)"), "{told}");
}
