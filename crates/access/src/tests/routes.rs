//! Routes that are read, damaged and asked for, and what is remembered of it.

use std::sync::Arc;

use jiff::SignedDuration;
use kernel::{
    Actor, Bits, Clock as _, Door, Gatekeeper as _, Identity, ManualClock, Passage, Standing,
    Strength, TenantId,
};

use crate::{Access, Catalogue, Error, Routes};

const DEMO: &str = include_str!("../../../../demo/routes.toml");

fn read(text: &str) -> Result<Routes, Error> {
    Routes::read(text, Catalogue::shipped().unwrap())
}

fn refused(text: &str) -> String {
    match read(text) {
        Err(Error::Routes(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn needs(routes: &Routes, method: &str, path: &str) -> String {
    let catalogue = Catalogue::shipped().unwrap();
    match routes.need(method, path) {
        None => "unmapped".to_owned(),
        Some(need) => match need.permission {
            None => "signed-in".to_owned(),
            Some(id) => catalogue.names(&[id].into_iter().collect::<Bits>()).concat(),
        },
    }
}

#[test]
fn the_samples_routes_need_what_they_say() {
    let routes = read(DEMO).unwrap();
    for (method, path, wanted) in [
        ("GET", "/", "dashboard.read"),
        ("HEAD", "/products", "products.read"),
        ("GET", "/products/1", "products.read"),
        ("POST", "/products/1/price", "prices.propose"),
        ("GET", "/style.css", "signed-in"),
        ("POST", "/", "unmapped"),
        ("TRACE", "/", "unmapped"),
        ("get", "/", "unmapped"),
        ("GET", "/products/", "unmapped"),
        ("GET", "/products//price", "unmapped"),
        ("GET", "/Products", "unmapped"),
        ("GET", "/products/1/price", "unmapped"),
        ("POST", "/products/1/price/", "unmapped"),
        ("GET", "/products/..", "unmapped"),
        ("GET", "/products/%2e%2e", "unmapped"),
        ("GET", "/products/1%2fprice", "unmapped"),
        ("GET", "/admin", "unmapped"),
        ("OPTIONS", "*", "unmapped"),
    ] {
        assert_eq!(needs(&routes, method, path), wanted, "{method} {path}");
    }
    assert_eq!(routes.all().len(), 13);
}

/// A literal goes before a parameter, also where an application would not look at its case, and
/// nobody comes back from it to the parameter.
#[test]
fn no_parameter_takes_what_may_be_a_literal() {
    let routes = read(
        "[[route]]\npath = \"/p/export\"\nGET = \"products.export\"\n\
         [[route]]\npath = \"/p/{id}\"\nGET = \"products.read\"\n\
         [[route]]\npath = \"/p/{id}/x\"\nGET = \"products.read\"\n\
         [[route]]\npath = \"/f/{*rest}\"\nGET = \"documents.read\"\n\
         [[route]]\npath = \"/f/new\"\nPOST = \"documents.upload\"\n",
    )
    .unwrap();
    for (method, path, wanted) in [
        ("GET", "/p/export", "products.export"),
        ("GET", "/p/1", "products.read"),
        ("GET", "/p/EXPORT", "unmapped"),
        ("GET", "/p/Export", "unmapped"),
        ("GET", "/p/export/x", "unmapped"),
        ("GET", "/p/export;a=1", "unmapped"),
        ("GET", "/f/a/b/c", "documents.read"),
        ("GET", "/f/a", "documents.read"),
        ("GET", "/f", "unmapped"),
        ("POST", "/f/new", "documents.upload"),
        ("POST", "/f/a", "unmapped"),
        ("GET", "/f/../p", "unmapped"),
    ] {
        assert_eq!(needs(&routes, method, path), wanted, "{method} {path}");
    }
}

#[test]
fn an_openapi_document_is_read_alike() {
    let text = r#"{"openapi":"3.1.0","servers":[{"url":"https://a.example/v1/"}],"paths":{
        "/prices":{"parameters":[],"get":{"x-permission":"prices.read"},
                   "post":{"x-permission":"prices.propose","x-step-up":true}},
        "/me":{"get":{"x-permission":"signed-in"},"head":{}}}}"#;
    let routes = read(text).unwrap();
    assert_eq!(needs(&routes, "GET", "/v1/prices"), "prices.read");
    assert!(routes.need("POST", "/v1/prices").unwrap().step_up);
    assert_eq!(needs(&routes, "HEAD", "/v1/me"), "signed-in");
    assert_eq!(needs(&routes, "GET", "/prices"), "unmapped");
    for (text, part) in [
        ("{", "EOF"),
        (r#"{"openapi":"2.0"}"#, "no OpenAPI 3"),
        (r#"{"openapi":"3.0.0"}"#, "no paths"),
        (r#"{"openapi":"3.0.0","paths":{"/a":{"get":{}}}}"#, "no x-permission"),
        (r#"{"openapi":"3.0.0","paths":{"/a":{"get":3}}}"#, "no operation"),
        (r##"{"openapi":"3.0.0","paths":{"/a":{"$ref":"#/x"}}}"##, "reference"),
        (
            r#"{"openapi":"3.0.0","servers":[{"url":"/a"},{"url":"/b"}],"paths":{}}"#,
            "different paths",
        ),
        (r#"{"openapi":"3.0.0","servers":[{"url":"/{v}"}],"paths":{}}"#, "variables"),
        (r#"{"openapi":"3.0.0","paths":{}}"#, "no route"),
    ] {
        let why = refused(text);
        assert!(why.contains(part), "{why}");
    }
}

#[test]
fn what_is_wrong_with_a_route_is_named() {
    let route = |path: &str, rest: &str| format!("[[route]]\npath = \"{path}\"\n{rest}\n");
    let get = "GET = \"prices.read\"";
    for (text, part) in [
        (String::new(), "missing field"),
        (route("/a", ""), "no method"),
        (route("a", get), "begins with no /"),
        (route("/a//b", get), "empty"),
        (route("/a/../b", get), "neither plain"),
        (route("/a%2fb", get), "neither plain"),
        (route("/{}", get), "neither plain"),
        (route("/{a}b", get), "neither plain"),
        (route("/{*a}/b", get), "its end"),
        (route("/a", "get = \"prices.read\""), "none of"),
        (route("/a", "HEAD = \"prices.read\""), "none of"),
        (route("/a", "GET = \"prices.paint\""), "no permission"),
        (route("/a", "GET = 3"), "no permission's name"),
        (route("/a", &format!("{get}\nstep-up = [\"POST\"]")), "step-up names"),
        (route("/{a}", get) + &route("/{b}", get), "there twice"),
        (route(&"/a".repeat(40), get), "32 segments"),
    ] {
        let why = refused(&text);
        assert!(why.contains(part), "{why}");
    }
}

#[test]
fn damaged_files_are_refused() {
    let json = r#"{"openapi":"3.0.0","paths":{"/a/{b}":{"get":{"x-permission":"prices.read"}}}}"#;
    let samples = [DEMO.as_bytes().to_vec(), json.as_bytes().to_vec()];
    testkit::try_damaged("routes", &samples, crate::fuzzing::routes);
}

/// Who asks, what is answered, and what is written down of it.
#[tokio::test]
async fn requests_are_decided_and_uses_remembered() {
    let base = testkit::database(&[&crate::ROOM]).await;
    let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
    let access = Access::new(base.engine.clone(), Arc::<ManualClock>::clone(&clock));
    let catalogue = Catalogue::shipped().unwrap();
    let mut who = Identity {
        account: "00000000-0000-4000-8000-000000000001".to_owned(),
        actor: Actor::new("a@b").unwrap(),
        name: "A".to_owned(),
        tenant: TenantId::new("sinar").unwrap(),
        standing: Standing::default(),
        strength: Strength::One,
        authenticated_at: clock.now(),
        session: "s".to_owned(),
        door: Door::Browser,
    };
    assert_eq!(access.pass(&who, "GET", "/"), Passage::Unmapped, "no routes, no passage");
    access.guard(read("[[route]]\npath = \"/a\"\nGET = \"prices.read\"\nPOST = \"prices.update\"\nstep-up = [\"POST\"]\nPUT = \"signed-in\"\n").unwrap());
    assert_eq!(access.pass(&who, "GET", "/a"), Passage::Denied);
    assert_eq!(access.pass(&who, "PUT", "/a"), Passage::Open);
    for name in ["prices.read", "prices.update"] {
        who.standing.permits.insert(catalogue.number(name).unwrap());
    }
    assert_eq!(access.pass(&who, "GET", "/a"), Passage::Open);
    assert_eq!(access.pass(&who, "HEAD", "/a"), Passage::Open);
    assert_eq!(access.pass(&who, "POST", "/a"), Passage::Open);
    clock.set(clock.now() + SignedDuration::from_mins(10));
    assert_eq!(access.pass(&who, "POST", "/a"), Passage::StepUp);
    clock.set(clock.now() - SignedDuration::from_mins(11));
    assert_eq!(access.pass(&who, "POST", "/a"), Passage::StepUp);
    assert_eq!(access.write_uses().await.unwrap(), 2);
    assert_eq!(access.write_uses().await.unwrap(), 0);
    access.pass(&who, "GET", "/a");
    assert_eq!(access.write_uses().await.unwrap(), 1);
    let tx = base.owner.operator().await.unwrap();
    let rows =
        tx.query("SELECT last_used_at FROM access.uses ORDER BY permission", &[]).await.unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].get::<_, jiff::Timestamp>(0).to_string(), "2026-01-01T00:00:00Z");
    tx.commit().await.unwrap();
}
