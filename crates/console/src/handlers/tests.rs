//! The router as a whole, asked as a browser, a program or an attacker would ask it.

mod holder;
mod programs;
mod rights;
mod support;
mod trail;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY as POLICY, CONTENT_TYPE, COOKIE, LOCATION,
    SET_COOKIE,
};
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request, StatusCode};
use claims::{Page, Report};
use jiff::Timestamp;
use kernel::{FixedRng, Fut, Identity, ManualClock, Secret, SessionToken};
use tower::ServiceExt as _;

use crate::pages::sample;
use crate::voice::CONTENT_SECURITY_POLICY;
use crate::{
    ApiKeys, AskedKey, Entered, Error, Granted, KeyRack, KeyRefusal, LogHead, Refusal, Scim,
    SignIn, State, TokenRefusal, Tokens, Trust, Vitals, router, routes,
};

/// The head of a log.
const CHECKPOINT: &str = "amanah-1f0c77aa/shop\n1\n\n\u{2014} signed\n";

/// A house with the sample pages, one account and a switch for each thing that can fail.
#[derive(Default)]
pub(crate) struct House {
    primary: Option<String>,
    broken: bool,
    busy: bool,
    asked: Mutex<Vec<Option<Timestamp>>>,
    ended: Mutex<Vec<String>>,
    pub(super) accounts: Arc<super::tests_accounts::House>,
}

impl Trust for House {
    fn pages(&self) -> Vec<Arc<Page>> {
        vec![sample::english().0, sample::arabic().0]
    }

    fn primary(&self) -> Option<String> {
        self.primary.clone()
    }

    fn report<'a>(
        &'a self,
        page: &'a str,
        at: Option<Timestamp>,
    ) -> Fut<'a, Result<Report, Error>> {
        Box::pin(async move {
            if self.broken {
                return Err(Error::Unavailable("password=hunter2".to_owned()));
            }
            self.asked.lock().unwrap().push(at);
            let all = [sample::english().1, sample::arabic().1];
            let mut report =
                all.into_iter().find(|report| report.page == page).ok_or(Error::NotFound)?;
            report.at = at.unwrap_or(report.at);
            Ok(report)
        })
    }

    fn logs(&self) -> Vec<LogHead> {
        sample::logs()
    }

    fn checkpoint(&self, log: &str) -> Option<String> {
        (log == "0123456789abcdef").then(|| CHECKPOINT.to_owned())
    }
}

impl SignIn for House {
    fn sign_in<'a>(
        &'a self,
        email: &'a str,
        password: &'a Secret,
    ) -> Fut<'a, Result<Entered, Refusal>> {
        Box::pin(async move {
            if self.broken {
                Err(Refusal::Unavailable("password=hunter2".to_owned()))
            } else if self.busy {
                Err(Refusal::Busy)
            } else if (email, password.expose()) == ("sari@toko.example", "a b&c=d") {
                Ok(Entered::Session(SessionToken(Secret::new("t0ken".to_owned()))))
            } else {
                Err(Refusal::Refused)
            }
        })
    }

    fn sign_out<'a>(&'a self, token: &'a SessionToken) -> Fut<'a, Result<(), Error>> {
        Box::pin(async move {
            if self.broken {
                return Err(Error::Unavailable("password=hunter2".to_owned()));
            }
            self.ended.lock().unwrap().push(token.0.expose().to_owned());
            Ok(())
        })
    }
}

impl Tokens for House {
    fn exchange<'a>(&'a self, session: &'a SessionToken) -> Fut<'a, Result<Granted, TokenRefusal>> {
        self.refresh(&session.0)
    }

    fn refresh<'a>(&'a self, token: &'a Secret) -> Fut<'a, Result<Granted, TokenRefusal>> {
        Box::pin(async move {
            let secret = |text: &str| Secret::new(text.to_owned());
            match token.expose() {
                _ if self.broken => Err(TokenRefusal::Unavailable("password=hunter2".to_owned())),
                "good" => Ok(Granted {
                    access: secret("a.b.c"),
                    refresh: secret("next"),
                    expires_in: 300,
                }),
                "stale" => Err(TokenRefusal::Stale),
                _ => Err(TokenRefusal::Refused),
            }
        })
    }

    fn revoke<'a>(&'a self, token: &'a Secret) -> Fut<'a, Result<(), String>> {
        self.ended.lock().unwrap().push(token.expose().to_owned());
        Box::pin(async { Ok(()) })
    }

    fn key_set(&self) -> Result<String, String> {
        Ok(r#"{"keys":[]}"#.to_owned())
    }
}

impl ApiKeys for House {
    fn rack<'a>(&'a self, _: &'a Identity) -> Fut<'a, Result<KeyRack, Error>> {
        Box::pin(async { Ok(sample::rack()) })
    }

    fn make<'a>(
        &'a self,
        _: &'a Identity,
        asked: &'a AskedKey,
    ) -> Fut<'a, Result<Secret, KeyRefusal>> {
        Box::pin(async move {
            match (asked.days, asked.scopes.as_slice()) {
                (0 | 366.., _) => Err(KeyRefusal::Form),
                (_, [scope]) if scope == "trail.read" => Err(KeyRefusal::Scope),
                _ => Ok(Secret::new("amk_made".to_owned())),
            }
        })
    }

    fn make_service<'a>(
        &'a self,
        _: &'a Identity,
        name: &'a str,
    ) -> Fut<'a, Result<(), KeyRefusal>> {
        Box::pin(async move { if name.is_empty() { Err(KeyRefusal::Form) } else { Ok(()) } })
    }

    fn revoke<'a>(&'a self, _: &'a Identity, id: &'a str) -> Fut<'a, Result<(), Error>> {
        self.ended.lock().unwrap().push(id.to_owned());
        Box::pin(async { Ok(()) })
    }
}

impl Vitals for House {
    fn healthy(&self) -> Fut<'_, bool> {
        Box::pin(async { !self.broken })
    }

    fn metrics(&self) -> Fut<'_, String> {
        Box::pin(async { "# EOF\n".to_owned() })
    }
}

pub(super) fn open(house: House) -> (Arc<House>, Router) {
    opened(house, None)
}

/// The same house, where directories are answered.
pub(crate) fn opened(house: House, scim: Option<Scim>) -> (Arc<House>, Router) {
    let house = Arc::new(house);
    let router = router(State {
        trust: house.clone(),
        sign_in: house.clone(),
        tokens: house.clone(),
        api_keys: house.clone(),
        desk: None,
        leaving: house.clone(),
        support: house.clone(),
        trail: house.clone(),
        reviews: house.clone(),
        roles: house.clone(),
        scim,
        accounts: house.accounts.clone(),
        vitals: house.clone(),
        clock: Arc::new(ManualClock::at(sample::now())),
        rng: Arc::new(FixedRng::new(7)),
    });
    (house, router)
}

fn house() -> Router {
    open(House { primary: Some("example".into()), ..House::default() }).1
}

pub(crate) async fn ask(
    router: &Router,
    request: Request<Body>,
) -> (StatusCode, HeaderMap, String) {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

pub(super) async fn get(router: &Router, path: &str) -> (StatusCode, HeaderMap, String) {
    ask(router, Request::get(path).body(Body::empty()).unwrap()).await
}

/// A token of forms, and the cookie that goes with it.
pub(crate) const TOKEN: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

pub(crate) fn form(path: &str) -> Builder {
    Request::post(path)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(COOKIE, format!("__Host-amanah=old; __Host-amanah-csrf={TOKEN}"))
}

async fn sign_in(router: &Router, body: String) -> (StatusCode, HeaderMap, String) {
    ask(router, form("/_amanah/sign-in").body(body.into()).unwrap()).await
}

pub(super) fn cookies(headers: &HeaderMap) -> Vec<&str> {
    headers.get_all(SET_COOKIE).iter().map(|v| v.to_str().unwrap()).collect()
}

#[tokio::test]
async fn every_route_answers_with_the_policy_and_none_is_missing() {
    let router = house();
    for (method, path) in routes() {
        assert!(!path.contains('{'), "{path} is an example");
        let request = Request::builder().method(method.clone()).uri(&path);
        let (status, headers, _) = ask(&router, request.body(Body::empty()).unwrap()).await;
        assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert_eq!(headers[POLICY], CONTENT_SECURITY_POLICY, "{method} {path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{method} {path}");
        assert!(headers.contains_key(CACHE_CONTROL), "{method} {path}");
    }
}

#[tokio::test]
async fn a_page_is_shown_now_and_as_it_stood() {
    let (house, router) = open(House { primary: Some("example".into()), ..House::default() });
    let (status, headers, html) = get(&router, "/trust").await;
    assert_eq!((status, &headers[CACHE_CONTROL]), (StatusCode::OK, &"no-cache".parse().unwrap()));
    assert!(html.contains("Security at Example") && !html.contains("in the past"));
    let (status, _, html) = get(&router, "/trust/mithal").await;
    assert!(status == StatusCode::OK && html.contains("lang=\"ar\" dir=\"rtl\""));
    let (status, _, html) = get(&router, "/trust/example?at=2026-01-02T03:04:05Z").await;
    assert_eq!(status, StatusCode::OK);
    assert!(html.contains("As of <time dir=\"ltr\" datetime=\"2026-01-02T03:04:05Z\">"));
    assert!(html.contains("in the past") && html.contains("at=2026-01-02T03%3A04%3A05Z"));
    let then = "2026-01-02T03:04:05Z".parse().unwrap();
    assert_eq!(*house.asked.lock().unwrap(), [None, None, Some(then)]);
}

/// Whoever keeps a checkpoint gets it as it was signed, and the page says who else keeps it; of the past
/// it says nothing.
#[tokio::test]
async fn checkpoints_are_given_out_as_they_were_signed() {
    let router = house();
    let (status, headers, text) = get(&router, "/trust/checkpoint/0123456789abcdef").await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, CHECKPOINT));
    assert_eq!(headers[CONTENT_TYPE], "text/plain; charset=utf-8");
    assert_eq!(headers[CACHE_CONTROL], "no-cache");
    let (status, _, _) = get(&router, "/trust/checkpoint/fedcba9876543210").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, _, html) = get(&router, "/trust/example").await;
    assert!(
        html.contains("href=\"/trust/checkpoint/0123456789abcdef\"")
            && html.contains("Self-attested")
            && html.contains("witness.example/w1")
    );
    let (_, _, past) = get(&router, "/trust/example?at=2026-03-01T00:00:00Z").await;
    assert!(!past.contains("Self-attested"));
}

#[tokio::test]
async fn a_bad_moment_is_told_the_form() {
    let router = house();
    for at in ["yesterday", "", "2026-03-15T00:00:00Z", "2026-03-14T09:00:00+00:00", "%3Cscript%3E"]
    {
        let (status, _, html) = get(&router, &format!("/trust?at={at}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{at}");
        assert!(html.contains("2026-03-14T09:26:53Z") && !html.contains("<script"), "{at}");
        let (status, headers, json) =
            get(&router, &format!("/.well-known/trust.json?at={at}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{at}");
        assert_eq!(headers[CONTENT_TYPE], "application/json");
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["error"], "moment");
    }
    let (status, ..) = get(&router, "/trust?at=2026-01-01&at=2026-01-02").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn programs_get_the_same_report() {
    let router = house();
    let (_, headers, text) = get(&router, "/.well-known/trust.json").await;
    assert_eq!(headers[CONTENT_TYPE], "application/json");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["page"], "example");
    assert_eq!(json["verdict"], "failing");
    assert_eq!(json["claims"][0]["population"]["total"], 12);
    let (status, _, text) = get(&router, "/.well-known/trust.json?page=nobody").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());

    let (_, router) = open(House::default());
    let (_, _, text) = get(&router, "/.well-known/trust.json").await;
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["pages"][1]["language"], "ar");
    let (_, _, html) = get(&router, "/trust").await;
    assert!(html.contains("Security pages") && html.contains("href=\"/trust/mithal\""));
}

#[tokio::test]
async fn errors_speak_with_one_voice_and_in_the_readers_language() {
    let router = house();
    for path in ["/trust/nobody", "/_amanah/nothing", "/_amanah/static/x.css", "/trust/%ff"] {
        let (status, _, html) = get(&router, path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(html.contains("There is nothing at this address"), "{path}");
    }
    let request = Request::get("/trust/nobody").header("accept-language", "id-ID,en;q=0.5");
    let (_, _, html) = ask(&router, request.body(Body::empty()).unwrap()).await;
    assert!(html.contains("<html lang=\"id\"") && html.contains("Tidak ada apa pun"));
    let request = Request::delete("/trust").body(Body::empty()).unwrap();
    let (status, headers, html) = ask(&router, request).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(headers[ALLOW], "GET,HEAD");
    assert!(html.contains("not asked that way"));
}

#[tokio::test]
async fn what_cannot_be_read_is_not_shown_and_its_cause_is_kept_from_the_reader() {
    let (_, router) = open(House { broken: true, ..House::default() });
    let body = format!("token={TOKEN}&email=a%40b.example&password=c");
    let answers = [
        get(&router, "/trust/example").await,
        get(&router, "/.well-known/trust.json?page=example").await,
        sign_in(&router, body).await,
        ask(&router, form("/_amanah/sign-out").body(format!("token={TOKEN}").into()).unwrap())
            .await,
    ];
    for (status, headers, body) in answers {
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(!body.contains("hunter2") && cookies(&headers).is_empty());
    }
    assert_eq!(get(&router, "/healthz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get(&house(), "/healthz").await.2, "ok\n");
    assert_eq!(get(&router, "/metrics").await.2, "# EOF\n");
}

#[tokio::test]
async fn a_sign_in_opens_a_session_and_returns_to_this_site() {
    let router = house();
    let (_, headers, html) = get(&router, "/_amanah/sign-in?next=/prices").await;
    let cookie = cookies(&headers)[0];
    let token = cookie.strip_prefix("__Host-amanah-csrf=").unwrap().split(';').next().unwrap();
    assert!(html.contains(&format!("value=\"{token}\"")) && html.contains("value=\"/prices\""));
    assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"));
    for (next, expected) in [
        ("/prices?page=2", "/prices?page=2"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/%0d%0aSet-Cookie: a=b", "/"),
    ] {
        let next = next.replace('?', "%3F").replace('&', "%26");
        let body =
            format!("token={TOKEN}&email=+sari%40toko.example&password=a+b%26c%3Dd&next={next}");
        let (status, headers, _) = sign_in(&router, body).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{next}");
        assert_eq!(headers[LOCATION], expected, "{next}");
        let session = "__Host-amanah=t0ken; Path=/; Secure; HttpOnly; SameSite=Lax";
        assert_eq!(cookies(&headers)[0], session);
        assert!(cookies(&headers)[1].starts_with("__Host-amanah-known=known; Path=/; Secure; "));
        assert!(cookies(&headers)[2].starts_with("__Host-amanah-csrf=; "));
    }
    let (_, _, html) = get(&router, "/_amanah/sign-in?next=//evil.example").await;
    assert!(!html.contains("evil"));
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_are_answered_alike() {
    let router = house();
    let known = format!("token={TOKEN}&email=sari%40toko.example&password=wrong&next=/");
    let unknown = format!("token={TOKEN}&email=none%40toko.example&password=wrong&next=/");
    let known = sign_in(&router, known).await;
    let (status, headers, html) = sign_in(&router, unknown).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(html.contains("do not go together") && !html.contains("wrong"));
    let html = html.replace("none@toko.example", "sari@toko.example");
    assert_eq!((status, headers, html), known);

    let (house, router) = open(House { busy: true, ..House::default() });
    let body = format!("token={TOKEN}&email=a&password=b");
    let (status, headers, html) = sign_in(&router, body).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(headers.contains_key("retry-after") && html.contains("Too many sign-ins"));
    let done = house.accounts.done.lock().unwrap().clone();
    assert_eq!(done, ["not wrong: a from 0.0.0.0"], "what was not looked at is no wrong guess");
}

#[tokio::test]
async fn a_form_of_another_site_changes_nothing() {
    let primary = Some("example".to_owned());
    let (house, router) = open(House { primary, ..House::default() });
    let rest = "email=sari%40toko.example&password=a+b%26c%3Dd";
    for token in ["", "x", &TOKEN.replace('0', "1")] {
        let (status, headers, _) = sign_in(&router, format!("token={token}&{rest}")).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{token}");
        assert!(cookies(&headers).is_empty(), "{token}");
        let request = form("/_amanah/sign-out").body(format!("token={token}").into()).unwrap();
        let (status, headers, _) = ask(&router, request).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{token}");
        assert!(cookies(&headers).is_empty(), "{token}");
    }
    // The right token without its cookie is as good as none.
    let request = Request::post("/_amanah/sign-in")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(format!("token={TOKEN}&{rest}").into());
    assert_eq!(ask(&router, request.unwrap()).await.0, StatusCode::FORBIDDEN);
    assert!(house.ended.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_form_that_cannot_be_read_or_is_too_large_is_refused() {
    let router = house();
    assert_eq!(sign_in(&router, "email=a".to_owned()).await.0, StatusCode::BAD_REQUEST);
    let large = format!("token={TOKEN}&email=a&password={}", "p".repeat(20_000));
    let (status, _, html) = sign_in(&router, large).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(html.contains("The form is too large"));
    let json = Request::post("/_amanah/sign-in").header(CONTENT_TYPE, "application/json");
    let (status, ..) = ask(&router, json.body("{}".into()).unwrap()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_account_shows_who_is_signed_in_and_the_way_out_ends_the_session() {
    let primary = Some("example".to_owned());
    let (house, router) = open(House { primary, ..House::default() });
    let (status, headers, _) = get(&router, "/_amanah/account").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert_eq!(headers[LOCATION], "/_amanah/sign-in?next=/_amanah/account");

    let signed_in = |path: &str| {
        let request = Request::get(path).extension(sample::identity());
        request.body(Body::empty()).unwrap()
    };
    let (_, headers, html) = ask(&router, signed_in("/_amanah/account")).await;
    assert!(html.contains("toko-sari") && html.contains("approver"));
    assert_eq!(headers[CACHE_CONTROL], "no-store");
    let (status, headers, _) = ask(&router, signed_in("/_amanah/sign-in?next=/prices")).await;
    assert_eq!((status, &headers[LOCATION]), (StatusCode::SEE_OTHER, &"/prices".parse().unwrap()));

    let request = form("/_amanah/sign-out").body(format!("token={TOKEN}").into()).unwrap();
    let (status, headers, _) = ask(&router, request).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert_eq!(*house.ended.lock().unwrap(), ["old"]);
    assert!(cookies(&headers)[0].starts_with("__Host-amanah=; "));
    assert!(cookies(&headers)[0].ends_with("Max-Age=0"));
    assert_eq!(headers["clear-site-data"], "\"cache\", \"storage\"");
}

#[tokio::test]
async fn the_stylesheet_may_be_kept_for_ever() {
    let router = house();
    let (_, path) = routes().into_iter().find(|(_, path)| path.contains("/static/")).unwrap();
    let (status, headers, css) = get(&router, &path).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers[CONTENT_TYPE], "text/css; charset=utf-8");
    assert!(headers[CACHE_CONTROL].to_str().unwrap().contains("immutable"));
    assert!(css.contains(":root"));
    let (_, _, html) = get(&router, "/trust").await;
    assert!(html.contains(&path));
}
