//! The protocol over HTTP, as directories and others ask it.

mod head;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, ETAG, LOCATION};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use directory::{By, Directory, NewToken, PATCH, ROOM, USER};
use identity::Limits;
use kernel::{
    Actor, Door, FixedRng, Fut, Grantable, Identity, ManualClock, MappedRole, Peer, PermissionId,
    Provision, Provisioned, Provisioning, Reopened, Standing, Strength, TenantId, own,
};
use serde_json::{Value, json};
use testkit::TestDb;

use super::Scim;
use crate::handlers::tests::{House, TOKEN, ask, form, opened};
use crate::pages::sample;

type Done<'a, T> = Fut<'a, Result<T, String>>;

/// Every address is free once, and everything goes well.
#[derive(Default)]
struct People(Mutex<BTreeMap<String, String>>);

impl Provisioning for People {
    fn is_open<'a>(&'a self, _: &'a TenantId) -> Done<'a, bool> {
        Box::pin(async { Ok(true) })
    }

    fn in_hand<'a>(&'a self, _: &'a Provision) -> Done<'a, Option<String>> {
        Box::pin(async { Ok(None) })
    }

    fn provision<'a>(&'a self, new: &'a Provision) -> Done<'a, Provisioned> {
        let mut all = self.0.lock().unwrap();
        let id = format!("00000000-0000-4000-8000-{:012x}", all.len() + 1);
        let free = all.insert(new.email.clone(), id.clone()).is_none();
        let made = if free { Provisioned::Account(id) } else { Provisioned::Taken };
        Box::pin(async move { Ok(made) })
    }

    fn adopt<'a>(&'a self, _: &'a TenantId, _: &'a str) -> Done<'a, Option<(String, String)>> {
        Box::pin(async { Ok(None) })
    }

    fn change<'a>(&'a self, account: &'a str, _: &'a Provision) -> Done<'a, Provisioned> {
        Box::pin(async move { Ok(Provisioned::Account(account.to_owned())) })
    }

    fn close<'a>(&'a self, _: &'a str, _: &'a str) -> Done<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn open_of<'a>(&'a self, accounts: &'a [String]) -> Done<'a, Vec<String>> {
        Box::pin(async { Ok(accounts.to_vec()) })
    }

    fn reopen<'a>(&'a self, _: &'a str) -> Done<'a, Reopened> {
        Box::pin(async { Ok(Reopened::Done) })
    }

    fn is_last<'a>(&'a self, _: &'a TenantId, _: &'a str, _: Option<&'a str>) -> Done<'a, bool> {
        Box::pin(async { Ok(false) })
    }

    fn may_direct<'a>(&'a self, _: &'a str, _: &'a TenantId) -> Done<'a, bool> {
        Box::pin(async { Ok(true) })
    }

    fn may_give<'a>(&'a self, _: &'a str, _: &'a TenantId, _: &'a str) -> Done<'a, bool> {
        Box::pin(async { Ok(true) })
    }

    fn may_end<'a>(&'a self, _: &'a str, _: &'a str, _: &'a TenantId) -> Done<'a, bool> {
        Box::pin(async { Ok(true) })
    }

    fn mappable<'a>(&'a self, _: &'a Identity) -> Done<'a, Vec<Grantable>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn give<'a>(&'a self, _: MappedRole<'a>) -> Done<'a, bool> {
        Box::pin(async { Ok(true) })
    }

    fn given<'a>(&'a self, _: &'a TenantId) -> Done<'a, Vec<(String, String)>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn take<'a>(&'a self, _: &'a TenantId, _: &'a str, _: &'a str, _: &'a str) -> Done<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

struct Place {
    router: Router,
    directory: Arc<Directory>,
    scim: Scim,
    _base: TestDb,
}

async fn place() -> Place {
    let base = testkit::database(&[&ROOM]).await;
    let world = (Arc::new(ManualClock::at(sample::now())) as _, Arc::new(FixedRng::new(5)) as _);
    let people = Arc::<People>::default();
    let site = "https://a.example/_amanah/scim/v2";
    let directory = Arc::new(Directory::new(base.engine.clone(), world, people, site));
    let limits = Arc::new(Limits::new(&FixedRng::new(1)).unwrap());
    let scim = Scim { directory: Arc::clone(&directory), limits };
    let (_, router) = opened(House::default(), Some(scim.clone()));
    Place { router, directory, scim, _base: base }
}

impl Place {
    async fn token(&self, tenant: &str) -> String {
        let new = NewToken { name: "test".to_owned(), days: 30 };
        let tenant = TenantId::new(tenant).unwrap();
        let made = self.directory.make_token(&tenant, &new, &By::operator("a test")).await;
        made.unwrap().1.expose().to_owned()
    }

    async fn send(
        &self,
        (method, path): (Method, &str),
        headers: &[(&str, &str)],
        body: &Value,
    ) -> (StatusCode, HeaderMap, Value) {
        let mut request = Request::builder().method(method).uri(format!("/_amanah/scim/v2{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let (status, headers, text) = ask(&self.router, request.body(body).unwrap()).await;
        let json = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        (status, headers, json)
    }

    async fn call(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> (StatusCode, Value) {
        let bearer = format!("Bearer {token}");
        let headers =
            [(AUTHORIZATION.as_str(), bearer.as_str()), ("content-type", "application/scim+json")];
        let (status, headers, json) = self.send((method, path), &headers, body).await;
        if !json.is_null() {
            assert_eq!(headers[CONTENT_TYPE], "application/scim+json");
            assert_eq!(headers["cache-control"], "no-store");
        }
        (status, json)
    }
}

fn user(name: &str) -> Value {
    json!({ "schemas": [USER], "userName": name })
}

#[tokio::test]
async fn nobody_is_answered_without_a_token() {
    let place = place().await;
    let token = place.token("sinar").await;
    let bearer = format!("Bearer {token}");
    let twice = format!("Bearer {token}, Bearer {token}");
    for headers in [
        vec![],
        vec![(COOKIE.as_str(), "__Host-amanah=good")],
        vec![(AUTHORIZATION.as_str(), "Basic c2FyaTpzYXJp")],
        vec![(AUTHORIZATION.as_str(), "Bearer")],
        vec![(AUTHORIZATION.as_str(), "Bearer x")],
        vec![(AUTHORIZATION.as_str(), &twice)],
        vec![(AUTHORIZATION.as_str(), bearer.as_str()), (AUTHORIZATION.as_str(), "Bearer x")],
    ] {
        for path in ["/Users", "/Groups", "/Schemas", "/ServiceProviderConfig", "/", "/Users/x"] {
            let (status, answer, json) =
                place.send((Method::GET, path), &headers, &Value::Null).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path} {headers:?}");
            assert!(answer.contains_key("www-authenticate"));
            assert_eq!(json["schemas"][0], "urn:ietf:params:scim:api:messages:2.0:Error");
            assert_eq!(json["status"], "401");
        }
    }
    let (status, _) = place.call(&token, Method::GET, "/Users", &Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    // A house without directories has none.
    let (_, router) = opened(House::default(), None);
    let bare = Request::get("/_amanah/scim/v2/Users").header(AUTHORIZATION, bearer);
    let (status, ..) = ask(&router, bare.body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn whoever_asks_too_often_waits() {
    let place = place().await;
    let (token, other) = (place.token("sinar").await, place.token("gulf").await);
    // From one address, as the tenants of one cloud directory ask.
    let ask = async |token: &str| {
        let request = Request::get("/_amanah/scim/v2/ServiceProviderConfig");
        let request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(Peer(IpAddr::from([192, 0, 2, 7])));
        let (status, headers, _) = ask(&place.router, request).await;
        let waits = status == StatusCode::TOO_MANY_REQUESTS;
        assert!(!waits || headers.contains_key("retry-after"));
        status
    };
    let bad = format!("ams_{}_{}", "0".repeat(12), "0".repeat(64));
    for (token, good) in [(bad, false), (token, true)] {
        let first = ask(&token).await;
        assert_eq!(first, if good { StatusCode::OK } else { StatusCode::UNAUTHORIZED });
        let mut last = first;
        for _ in 0..600 {
            last = ask(&token).await;
            if last != first {
                break;
            }
        }
        assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(ask(&other).await, StatusCode::OK, "others go on");
    }
}

#[tokio::test]
async fn users_and_groups_are_made_read_changed_and_removed() {
    let place = place().await;
    let token = place.token("sinar").await;
    let bearer = format!("Bearer {token}");
    let with = |extra: &'static [(&'static str, &'static str)]| {
        let mut all = vec![
            (AUTHORIZATION.as_str(), bearer.as_str()),
            ("content-type", "application/json; charset=utf-8"),
        ];
        all.extend_from_slice(extra);
        all
    };
    let (status, headers, made) =
        place.send((Method::POST, "/Users"), &with(&[]), &user("sari@sinar.example")).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let id = made["id"].as_str().unwrap();
    let path = format!("/Users/{id}");
    assert_eq!(headers[LOCATION], format!("https://a.example/_amanah/scim/v2{path}").as_str());
    assert_eq!(headers[ETAG], "W/\"1\"");
    let (status, again) =
        place.call(&token, Method::POST, "/Users", &user("sari@sinar.example")).await;
    assert_eq!((status, &again["scimType"]), (StatusCode::CONFLICT, &json!("uniqueness")));
    let get = async |tags: &'static [(&'static str, &'static str)]| {
        place.send((Method::GET, &path), &with(tags), &Value::Null).await
    };
    let (status, headers, json) = get(&[("if-none-match", "W/\"1\"")]).await;
    assert_eq!((status, &json), (StatusCode::NOT_MODIFIED, &Value::Null));
    assert_eq!(headers[ETAG], "W/\"1\"");
    assert_eq!(get(&[("if-none-match", "W/\"2\"")]).await.0, StatusCode::OK);
    let change = json!({"schemas": [PATCH], "Operations": [{"op": "Add", "path": "title", "value": "Lead"}]});
    let old = place.send((Method::PATCH, &path), &with(&[("if-match", "W/\"7\"")]), &change).await;
    assert_eq!(old.0, StatusCode::PRECONDITION_FAILED);
    let (status, headers, json) =
        place.send((Method::PATCH, &path), &with(&[("if-match", "*")]), &change).await;
    assert_eq!((status, &json["title"]), (StatusCode::OK, &json!("Lead")));
    assert_eq!(headers[ETAG], "W/\"2\"");
    let (status, json) = place.call(&token, Method::PUT, &path, &user("s@sinar.example")).await;
    assert_eq!((status, json.get("title")), (StatusCode::OK, None));
    let group =
        json!({"schemas": [directory::GROUP], "displayName": "A", "members": [{"value": id}]});
    let (status, group) = place.call(&token, Method::POST, "/Groups", &group).await;
    assert_eq!(status, StatusCode::CREATED);
    let short = format!("/Groups/{}?excludedAttributes=members", group["id"].as_str().unwrap());
    let (_, told) = place.call(&token, Method::GET, &short, &Value::Null).await;
    assert!(told.get("members").is_none() && told["displayName"] == "A");
    // Another tenant's directory finds nothing of it, whatever it does.
    let other = place.token("gulf").await;
    for (method, body) in [
        (Method::GET, Value::Null),
        (Method::PUT, user("x@y.example")),
        (Method::PATCH, change.clone()),
        (Method::DELETE, Value::Null),
    ] {
        let (status, told) = place.call(&other, method.clone(), &path, &body).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{method}");
        assert!(!told.to_string().contains("sari"));
    }
    let (_, list) = place.call(&other, Method::GET, "/", &Value::Null).await;
    assert_eq!(list["totalResults"], 0);
    let (status, none) = place.call(&token, Method::DELETE, &path, &Value::Null).await;
    assert_eq!((status, none), (StatusCode::NO_CONTENT, Value::Null));
    assert_eq!(place.call(&token, Method::GET, &path, &Value::Null).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn lists_and_searches_are_the_same() {
    let place = place().await;
    let token = place.token("sinar").await;
    for n in 0..3 {
        place.call(&token, Method::POST, "/Users", &user(&format!("p{n}@sinar.example"))).await;
    }
    let found =
        "/Users?filter=userName+sw+%22P1%22&attributes=userName&count=10&startIndex=1&sortBy=x";
    let (status, listed) = place.call(&token, Method::GET, found, &Value::Null).await;
    assert_eq!((status, &listed["totalResults"]), (StatusCode::OK, &json!(1)), "{listed}");
    assert_eq!(listed["Resources"][0].as_object().unwrap().len(), 3);
    let search = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "filter": "userName sw \"P1\"", "attributes": ["userName"], "count": 10, "startIndex": 1,
    });
    for path in ["/Users/.search", "/.search"] {
        let (_, searched) = place.call(&token, Method::POST, path, &search).await;
        if path == "/Users/.search" {
            assert_eq!(searched, listed);
        } else {
            // Groups have no userName, so that the question makes no sense for all.
            assert_eq!(searched["scimType"], "invalidFilter");
        }
    }
    let (_, all) = place.call(&token, Method::GET, "/?count=2", &Value::Null).await;
    assert_eq!((&all["totalResults"], &all["itemsPerPage"]), (&json!(3), &json!(2)));
    for (query, kind) in [
        ("filter=userName+eq", "invalidFilter"),
        ("filter=shoeSize+eq+%227%22", "invalidFilter"),
        ("count=many", "invalidValue"),
        ("startIndex=1.5", "invalidValue"),
    ] {
        let (status, told) =
            place.call(&token, Method::GET, &format!("/Users?{query}"), &Value::Null).await;
        assert_eq!(
            (status, told["scimType"].as_str()),
            (StatusCode::BAD_REQUEST, Some(kind)),
            "{query}"
        );
    }
}

#[tokio::test]
async fn the_service_says_what_it_can() {
    let place = place().await;
    let token = place.token("sinar").await;
    let get = async |path: &str| place.call(&token, Method::GET, path, &Value::Null).await;
    let (_, settings) = get("/ServiceProviderConfig").await;
    assert_eq!(
        (&settings["patch"]["supported"], &settings["bulk"]["supported"]),
        (&json!(true), &json!(false))
    );
    let (_, kinds) = get("/ResourceTypes").await;
    assert_eq!(kinds["totalResults"], 2);
    assert_eq!(
        get("/ResourceTypes/User").await.1["schemaExtensions"][0]["schema"],
        directory::ENTERPRISE
    );
    let (_, schemas) = get("/Schemas").await;
    assert_eq!(schemas["totalResults"], 3);
    let (_, schema) = get(&format!("/Schemas/{USER}")).await;
    let names: Vec<&str> = schema["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"userName") && !names.contains(&"password"), "{names:?}");
    for missing in ["/Me", "/Bulk", "/Schemas/x", "/ResourceTypes/x", "/Users/x/y"] {
        let (status, told) = get(missing).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{missing}");
        assert_eq!(told["schemas"][0], "urn:ietf:params:scim:api:messages:2.0:Error");
    }
    let (status, told) = place.call(&token, Method::DELETE, "/Users", &Value::Null).await;
    assert_eq!((status, &told["status"]), (StatusCode::METHOD_NOT_ALLOWED, &json!("405")));
}

#[tokio::test]
async fn hostile_bodies_are_refused() {
    let place = place().await;
    let token = place.token("sinar").await;
    let bearer = format!("Bearer {token}");
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let large = format!("\"{}\"", "a".repeat(super::MAX_BODY_BYTES));
    for (media, body, expected) in [
        ("application/scim+json", "", StatusCode::BAD_REQUEST),
        ("application/scim+json", "{", StatusCode::BAD_REQUEST),
        ("application/scim+json", "[]", StatusCode::BAD_REQUEST),
        ("application/scim+json", "{\"schemas\":7}", StatusCode::BAD_REQUEST),
        ("application/scim+json", deep.as_str(), StatusCode::BAD_REQUEST),
        ("application/scim+json", large.as_str(), StatusCode::PAYLOAD_TOO_LARGE),
        ("application/x-www-form-urlencoded", "a=b", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("text/plain", "{}", StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        let request = Request::post("/_amanah/scim/v2/Users")
            .header(AUTHORIZATION, &bearer)
            .header(CONTENT_TYPE, media)
            .body(Body::from(body.to_owned()))
            .unwrap();
        let (status, headers, _) = ask(&place.router, request).await;
        assert_eq!(status, expected, "{media} {body:.20}");
        assert_eq!(headers[CONTENT_TYPE], "application/scim+json");
    }
}

/// An administrator of the tenant, or somebody with less.
fn dewi(permits: &[PermissionId], recent: bool) -> Arc<Identity> {
    Arc::new(Identity {
        account: "00000000-0000-4000-8000-0000000000ad".to_owned(),
        actor: Actor::new("dewi@sinar.example").unwrap(),
        name: "Dewi".to_owned(),
        tenant: TenantId::new("sinar").unwrap(),
        standing: Standing { permits: permits.iter().copied().collect(), ..Standing::default() },
        strength: Strength::Two,
        authenticated_at: if recent { sample::now() } else { jiff::Timestamp::UNIX_EPOCH },
        session: "s".to_owned(),
        door: Door::Browser,
    })
}

/// Its administrators see their directory's tokens and groups, and change them after a fresh proof; nobody
/// else learns that there is such a page.
#[tokio::test]
async fn administrators_have_a_page() {
    let place = place().await;
    let page = "/_amanah/people/directory";
    let show = async |who: Option<Arc<Identity>>| {
        let mut request = Request::get(page).body(Body::empty()).unwrap();
        if let Some(who) = who {
            request.extensions_mut().insert(who);
        }
        ask(&place.router, request).await
    };
    assert_eq!(show(None).await.0, StatusCode::SEE_OTHER);
    let weak = dewi(&[own::PEOPLE_ROLES], true);
    assert_eq!(show(Some(weak)).await.0, StatusCode::NOT_FOUND);
    let admin = dewi(&[own::PEOPLE_DIRECTORY], true);
    let (status, _, html) = show(Some(Arc::clone(&admin))).await;
    assert!(status == StatusCode::OK && html.contains("https://a.example/_amanah/scim/v2"));
    let send = async |who: &Arc<Identity>, path: &str, fields: &str| {
        let request = form(&format!("{page}{path}"));
        let mut request = request.body(format!("token={TOKEN}&{fields}").into()).unwrap();
        request.extensions_mut().insert(Arc::clone(who));
        ask(&place.router, request).await
    };
    let stale = dewi(&[own::PEOPLE_DIRECTORY], false);
    for path in ["/token", "/token/end", "/map", "/unmap"] {
        let (status, headers, _) = send(&stale, path, "name=x&days=9").await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{path}");
        assert!(headers[LOCATION].to_str().unwrap().starts_with("/_amanah/account/confirm"));
    }
    let (status, _, html) = send(&admin, "/token", "name=Entra&days=9").await;
    assert!(status == StatusCode::OK && html.contains("ams_"), "{html}");
    let shown = html.split("<code dir=\"ltr\">ams_").nth(1).unwrap();
    let token = format!("ams_{}", shown.split('<').next().unwrap());
    assert_eq!(place.call(&token, Method::GET, "/Users", &Value::Null).await.0, StatusCode::OK);
    assert!(!show(Some(Arc::clone(&admin))).await.2.contains(&token), "it is shown once");
    assert_eq!(send(&admin, "/token", "name=&days=9").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(send(&admin, "/token", "name=x&days=many").await.0, StatusCode::BAD_REQUEST);
    let group = json!({"schemas": [directory::GROUP], "displayName": "Pricing"});
    let (_, group) = place.call(&token, Method::POST, "/Groups", &group).await;
    let which = format!("group={}&role=editor", group["id"].as_str().unwrap());
    assert_eq!(
        send(&admin, "/map", &which).await.0,
        StatusCode::FORBIDDEN,
        "nothing is hers to give"
    );
    assert_eq!(send(&admin, "/unmap", &which).await.0, StatusCode::NOT_FOUND);
    let (status, ..) =
        send(&admin, "/token/end", &format!("id={}", token.get(4..16).unwrap())).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        place.call(&token, Method::GET, "/Users", &Value::Null).await.0,
        StatusCode::UNAUTHORIZED
    );
    // A form of another site changes nothing.
    let mut forged =
        Request::post(format!("{page}/token")).body(Body::from("token=x&name=x&days=9")).unwrap();
    forged.headers_mut().insert(CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
    forged.extensions_mut().insert(admin);
    assert_eq!(ask(&place.router, forged).await.0, StatusCode::FORBIDDEN);
}
