//! Requests of directories whose bodies are still to come.

use std::net::IpAddr;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, StatusCode};
use kernel::ManualClock;
use serde_json::Value;

use super::place;
use crate::pages::sample;
use crate::scim::{Scim, judge};

/// By its head alone, whoever shows no good token is told what the request itself would be told, and both
/// count; heads with a good one are counted apart from requests.
#[tokio::test]
async fn a_head_is_judged_before_its_body_comes() {
    let place = place().await;
    let token = place.token("sinar").await;
    let peer = IpAddr::from([192, 0, 2, 8]);
    let judged = async |scim: Option<&Scim>, token: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        judge((scim, &ManualClock::at(sample::now())), &headers, peer).await
    };
    let scim = Some(&place.scim);
    let who = judged(scim, &token).await.unwrap();
    assert_eq!((who.tenant().as_str(), token.contains(who.token())), ("sinar", true));
    let bad = format!("ams_{}_{}", "0".repeat(12), "0".repeat(64));
    for token in ["", "x", bad.as_str()] {
        let no = judged(scim, token).await.unwrap_err();
        assert_eq!(no.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(no.headers()[CONTENT_TYPE], "application/scim+json");
        assert_eq!(no.headers()["cache-control"], "no-store");
        assert!(no.headers().contains_key("www-authenticate"));
    }
    assert_eq!(judged(None, &token).await.unwrap_err().status(), StatusCode::NOT_FOUND);
    for shown in [&bad, &token] {
        let mut last = StatusCode::OK;
        for _ in 0..600 {
            last = judged(scim, shown).await.map_or_else(|no| no.status(), |_| StatusCode::OK);
            if last == StatusCode::TOO_MANY_REQUESTS {
                break;
            }
        }
        assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    }
    let (status, _) = place.call(&token, Method::GET, "/Users", &Value::Null).await;
    assert_eq!(status, StatusCode::OK);
}
