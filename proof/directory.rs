//! A customer's directory on a running house: it makes somebody, gives a role by a group, and throws
//! them out of an open session.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::house::{House, LOOK_AGAIN, shared};
use crate::letters::{letter, link, open, post, shown};
use crate::web::{self, Answer, cookie, try_sign_in};

const TENANT: &str = "11111111-1111-4111-8111-111111111111";
const ADMIN: &str = "direktori@sinar.example";
const EMAIL: &str = "wati@sinar.example";
const PASSWORD: &str = "empat+kuda+makan+salak";
/// How long an open session may live on after somebody was deactivated.
const THROWN_OUT: Duration = Duration::from_secs(1);
/// How long a role may take to count.
const PATIENCE: Duration = Duration::from_secs(20);
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

fn scim(house: &House, bearer: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = http::Request::builder()
        .method(method)
        .uri(format!("/_amanah/scim/v2{path}"))
        .header("authorization", format!("Bearer {bearer}"))
        .header("content-type", "application/scim+json");
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let answer = web::ask(house, request, &text);
    (answer.status, serde_json::from_str(&answer.body).unwrap_or_default())
}

fn products(house: &House, session: &str) -> Answer {
    web::ask(house, http::Request::get("/products").header("cookie", session), "")
}

fn json_of(house: &House, words: &[&str]) -> Value {
    let done = house.run(&[&["directory"], words, &["--json"]].concat());
    assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

fn active(is: bool) -> Value {
    json!({"schemas": [PATCH], "Operations": [
        {"op": "Replace", "path": "active", "value": if is { "True" } else { "False" }}]})
}

#[test]
fn a_directory_makes_somebody_and_throws_them_out() {
    let house = shared();
    let role = ["account", "add", ADMIN, "--tenant", TENANT, "--role", "administrator"];
    assert!(house.run(&role).status.success());
    let made = json_of(&house, &["token", "create", "--tenant", TENANT, "--name", "a test"]);
    let bearer = made["token"].as_str().unwrap();
    // Nobody else is answered there: no cookie, no token of a person, no token that is none.
    let session = web::sign_in(&house, "sari@sinar.example");
    let with_cookie = http::Request::get("/_amanah/scim/v2/Users").header("cookie", &session);
    assert_eq!(web::ask(&house, with_cookie, "").status, 401);
    assert_eq!(scim(&house, "amk_x", "GET", "/Users", &Value::Null).0, 401);
    // And the token opens nothing else.
    let elsewhere =
        http::Request::get("/products").header("authorization", format!("Bearer {bearer}"));
    assert_eq!(web::ask(&house, elsewhere, "").status, 401);

    let new = json!({"schemas": [USER], "userName": EMAIL, "displayName": "Wati", "preferredLanguage": "id"});
    let (status, user) = scim(&house, bearer, "POST", "/Users", &new);
    assert_eq!(status, 201, "{user}");
    assert_eq!(scim(&house, bearer, "POST", "/Users", &new).0, 409);
    for taken in ["sari@sinar.example", "budi@bintang.example"] {
        let other = json!({"schemas": [USER], "userName": taken});
        let (status, told) = scim(&house, bearer, "POST", "/Users", &other);
        assert_eq!((status, &told["scimType"]), (409, &json!("uniqueness")), "{taken}");
    }
    let path = link(&house, &letter(&house, EMAIL, "/_amanah/reset/new?t="));
    let (held, page) = open(&house, &path);
    let set = format!("{}&password={PASSWORD}", shown(&page.body));
    assert_eq!(post(&house, "/_amanah/reset", "/_amanah/reset/new", (&held, &set)).status, 200);
    let entered = try_sign_in(&house, EMAIL, PASSWORD);
    assert_eq!(entered.status, 303, "{}", entered.body);
    let session = cookie(&entered, "__Host-amanah");
    assert_eq!(products(&house, &session).status, 403, "no role yet");

    let id = user["id"].as_str().unwrap();
    let team = json!({"schemas": [GROUP], "displayName": "Harga", "members": [{"value": id}]});
    assert_eq!(scim(&house, bearer, "POST", "/Groups", &team).0, 201);
    json_of(&house, &["map", "harga", "editor", "--as", ADMIN]);
    let refused = house.run(&["directory", "map", "harga", "editor", "--as", "sari@sinar.example"]);
    assert_eq!(refused.status.code(), Some(2), "an editor maps nothing");
    let started = Instant::now();
    while products(&house, &session).status != 200 {
        assert!(started.elapsed() < PATIENCE, "{}", products(&house, &session).body);
        std::thread::park_timeout(LOOK_AGAIN);
    }

    let user = format!("/Users/{id}");
    let (status, told) = scim(&house, bearer, "PATCH", &user, &active(false));
    assert_eq!((status, &told["active"]), (200, &json!(false)), "{told}");
    let started = Instant::now();
    while products(&house, &session).status == 200 {
        assert!(started.elapsed() < THROWN_OUT, "the session lives on");
    }
    assert!(started.elapsed() < THROWN_OUT);
    assert_ne!(try_sign_in(&house, EMAIL, PASSWORD).status, 303);
    // Back again: nothing of before, and a letter.
    assert_eq!(scim(&house, bearer, "PATCH", &user, &active(true)).0, 200);
    assert_ne!(try_sign_in(&house, EMAIL, PASSWORD).status, 303);
    assert_ne!(products(&house, &session).status, 200);
    comes_to_an_end(&house, &made, &user);
}

/// People off-board her: no directory brings her back, and its token ends.
fn comes_to_an_end(house: &House, made: &Value, user: &str) {
    let bearer = made["token"].as_str().unwrap();
    assert!(house.run(&["access", "offboard", EMAIL]).status.success());
    let (_, told) = scim(house, bearer, "GET", user, &Value::Null);
    assert_eq!(told["active"], json!(false));
    assert_eq!(scim(house, bearer, "PATCH", user, &active(true)).0, 403);
    assert_eq!(scim(house, bearer, "DELETE", user, &Value::Null).0, 204);
    let log = json_of(house, &["log", "--tenant", TENANT]);
    let actor = format!("directory:{}", made["id"].as_str().unwrap());
    let done = log.as_array().unwrap().iter().filter(|one| one["actor"] == actor.as_str());
    assert!(done.count() >= 4, "{log}");
    json_of(house, &["token", "revoke", made["id"].as_str().unwrap()]);
    // Whoever administers without a second factor would be found by the tests of the page.
    assert!(house.run(&["access", "offboard", ADMIN]).status.success());
    assert_eq!(scim(house, bearer, "GET", "/Users", &Value::Null).0, 401);
}
