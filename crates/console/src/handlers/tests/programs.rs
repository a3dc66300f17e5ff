//! Tokens and keys of programs, asked for as the standards say and as they do not.

use super::*;

/// Sends `body` to the place of tokens.
async fn token(router: &Router, media: &str, body: &str) -> (StatusCode, HeaderMap, String) {
    let request = Request::post("/_amanah/token")
        .header(CONTENT_TYPE, media)
        .header(COOKIE, "__Host-amanah=good")
        .body(Body::from(body.to_owned()));
    ask(router, request.unwrap()).await
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn tokens_are_given_out_as_the_standard_says() {
    let router = house();
    let next =
        r#"{"access_token":"a.b.c","token_type":"Bearer","expires_in":300,"refresh_token":"next"}"#;
    for (media, body) in [
        (JSON, r#"{"grant_type":"refresh_token","refresh_token":"good"}"#),
        (FORM, "grant_type=refresh_token&refresh_token=good"),
        (JSON, r#"{"grant_type":"urn:amanah:grant:session"}"#),
    ] {
        let (status, headers, text) = token(&router, media, body).await;
        assert_eq!((status, text.as_str()), (StatusCode::OK, next), "{body}");
        assert_eq!(headers[CACHE_CONTROL], "no-store");
    }
    for (media, body, error) in [
        (JSON, r#"{"grant_type":"refresh_token","refresh_token":"bad"}"#, "invalid_grant"),
        (JSON, r#"{"grant_type":"refresh_token"}"#, "invalid_request"),
        (JSON, r#"{"grant_type":"password"}"#, "unsupported_grant_type"),
        (JSON, "[]", "invalid_request"),
        (JSON, "", "invalid_request"),
        (FORM, "grant_type=a&grant_type=b", "invalid_request"),
        ("text/plain", r#"{"grant_type":"urn:amanah:grant:session"}"#, "invalid_request"),
        // A form of another site must not turn a cookie into tokens.
        (FORM, "grant_type=urn:amanah:grant:session", "invalid_request"),
    ] {
        let (status, _, text) = token(&router, media, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(text.starts_with(&format!(r#"{{"error":"{error}""#)), "{body}: {text}");
    }
    // Whoever proved who they are too long ago is told where to do so.
    let stale = Request::post("/_amanah/token")
        .header(CONTENT_TYPE, JSON)
        .header(COOKIE, "__Host-amanah=stale")
        .body(Body::from(r#"{"grant_type":"urn:amanah:grant:session"}"#));
    let (status, _, text) = ask(&router, stale.unwrap()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text.contains("insufficient_user_authentication"), "{text}");
    assert!(text.contains(r#""error_uri":"/_amanah/account/confirm""#), "{text}");
    let (_, broken) = open(House { broken: true, ..House::default() });
    let body = r#"{"grant_type":"refresh_token","refresh_token":"good"}"#;
    let (status, _, text) = token(&broken, JSON, body).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn tokens_are_ended_and_keys_published() {
    let (house, router) = open(House::default());
    let request = Request::post("/_amanah/token/revoke").header(CONTENT_TYPE, FORM);
    let (status, _, text) = ask(&router, request.body("token=x".into()).unwrap()).await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, ""));
    assert_eq!(*house.ended.lock().unwrap(), ["x"]);
    let (status, headers, text) = get(&router, "/.well-known/jwks.json").await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, r#"{"keys":[]}"#));
    assert_eq!(headers[CONTENT_TYPE], "application/jwk-set+json");
    let (status, ..) = get(&router, "/_amanah/identity").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let mut request = Request::get("/_amanah/identity").body(Body::empty()).unwrap();
    request.extensions_mut().insert(sample::identity());
    let (status, _, text) = ask(&router, request).await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains(r#""door":"browser""#), "{text}");
}

/// Somebody who is signed in, with the form's token, sends `body` to `path`.
async fn send(router: &Router, path: &str, body: &str) -> (StatusCode, HeaderMap, String) {
    let mut request = form(path).body(Body::from(format!("token={TOKEN}&{body}"))).unwrap();
    request.extensions_mut().insert(sample::identity());
    ask(router, request).await
}

#[tokio::test]
async fn keys_are_made_shown_once_and_ended() {
    let (house, router) = open(House::default());
    let page = "/_amanah/account/keys";
    let (status, _, text) = send(&router, page, "name=x&days=9&scopes=people.read").await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("amk_made"), "{text}");
    let mut again = Request::get(page).body(Body::empty()).unwrap();
    again.extensions_mut().insert(sample::identity());
    let (status, _, text) = ask(&router, again).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!text.contains("amk_made") && text.contains("amk_ab12cd34"), "{text}");
    for body in ["name=x&days=", "name=x&days=366", "name=x&days=1&scopes=trail.read"] {
        let (status, _, text) = send(&router, page, body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert!(text.contains("role=\"alert\""), "{text}");
    }
    let (status, headers, _) = send(&router, "/_amanah/account/keys/end", "id=ab12cd34").await;
    assert_eq!((status, &headers[LOCATION]), (StatusCode::SEE_OTHER, &page.parse().unwrap()));
    assert_eq!(*house.ended.lock().unwrap(), ["ab12cd34"]);
    let (status, ..) = send(&router, "/_amanah/account/services", "name=Export").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
}

/// Nobody makes a key without the form's token, signed out, or by a key.
#[tokio::test]
async fn keys_are_for_people_in_a_browser() {
    let (house, router) = open(House::default());
    for path in ["/_amanah/account/keys", "/_amanah/account/keys/end", "/_amanah/account/services"]
    {
        let body = "name=x&days=9&id=ab12cd34";
        let mut forged = form(path).body(Body::from(format!("token=no&{body}"))).unwrap();
        forged.extensions_mut().insert(sample::identity());
        assert_eq!(ask(&router, forged).await.0, StatusCode::FORBIDDEN, "{path}");
        let whole = format!("token={TOKEN}&{body}");
        let nobody = form(path).body(Body::from(whole.clone())).unwrap();
        let (status, headers, _) = ask(&router, nobody).await;
        assert_eq!(status, StatusCode::SEE_OTHER);
        assert!(headers[LOCATION].to_str().unwrap().starts_with("/_amanah/sign-in"), "{path}");
        let mut key = form(path).body(Body::from(whole)).unwrap();
        let door = kernel::Door::ApiKey;
        let who = Identity { door, ..Arc::unwrap_or_clone(sample::identity()) };
        key.extensions_mut().insert(Arc::new(who));
        let (status, headers, _) = ask(&router, key).await;
        assert_eq!(status, StatusCode::SEE_OTHER);
        assert!(headers[LOCATION].to_str().unwrap().starts_with("/_amanah/sign-in"), "{path}");
    }
    assert!(house.ended.lock().unwrap().is_empty());
}
