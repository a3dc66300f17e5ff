//! The page of one person, asked by whoever may give and take roles, and by others.

use std::sync::Arc;

use axum::http::header::LOCATION;
use axum::http::{Method, StatusCode};
use kernel::{Door, Identity, PermissionId, Standing, own};

use super::support::as_seen;
use super::{House, TOKEN, open};
use crate::pages::review_sample::chief;

const BUDI: &str = "00000000-0000-4000-8000-000000000005";

fn page() -> String {
    format!("/_amanah/people/{BUDI}")
}

fn body(rest: &str) -> String {
    format!("token={TOKEN}&account={BUDI}&{rest}")
}

/// Who may not: without one of the permissions, as a program, and as support.
fn others() -> Vec<Arc<Identity>> {
    let with = |permits: &[PermissionId]| {
        let permits = permits.iter().copied().collect();
        let standing = Standing { permits, ..Standing::default() };
        Arc::new(Identity { standing, ..(*chief()).clone() })
    };
    let mut inside = (*chief()).clone();
    inside.standing.support = crate::pages::support_sample::inside().standing.support.clone();
    assert!(inside.standing.support.is_some());
    vec![with(&[]), with(&[own::PEOPLE_READ]), with(&[own::PEOPLE_ROLES]), Arc::new(inside)]
}

#[tokio::test]
async fn a_person_is_shown_to_those_who_may_alone() {
    let (_, router) = open(House::default());
    let (status, headers, _) = as_seen(&router, (Method::GET, &page()), None, "").await;
    let back = format!("/_amanah/sign-in?next={}", page());
    assert_eq!((status, headers[LOCATION].to_str().unwrap()), (StatusCode::SEE_OTHER, &*back));
    for who in others() {
        let (status, ..) = as_seen(&router, (Method::GET, &page()), Some(who), "").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
    let program = Arc::new(Identity { door: Door::ApiKey, ..(*chief()).clone() });
    let (status, ..) = as_seen(&router, (Method::GET, &page()), Some(program), "").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    // Somebody of another tenant, nobody, and what is no id.
    for other in ["00000000-0000-4000-8000-000000000009", "x", "%22%3E%0d%0a", "..%2f"] {
        let other = format!("/_amanah/people/{other}");
        let (status, ..) = as_seen(&router, (Method::GET, &other), Some(chief()), "").await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{other}");
        let (status, headers, _) = as_seen(&router, (Method::GET, &other), None, "").await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{other}");
        assert!(headers[LOCATION].to_str().unwrap().is_ascii());
    }
    let (_, _, html) = as_seen(&router, (Method::GET, &page()), Some(chief()), "").await;
    assert!(html.contains("people/roles/give") && html.contains("people/roles/take"));
    assert!(html.contains("dewi@toko.example") && !html.contains("account/confirm"));
    let (_, _, html) =
        as_seen(&router, (Method::GET, &page()), Some(super::rights::tired()), "").await;
    assert!(!html.contains("people/roles/give") && !html.contains("people/roles/take"));
    assert!(html.contains(&format!("/_amanah/account/confirm?next={}", page())));
    let people = (Method::GET, "/_amanah/people");
    let (_, _, html) = as_seen(&router, people.clone(), Some(chief()), "").await;
    assert!(html.contains(&format!("href=\"{}\"", page())));
    let reads = others().swap_remove(1);
    let (_, _, html) = as_seen(&router, people, Some(reads), "").await;
    assert!(html.contains("budi@toko.example") && !html.contains(&page()));
}

#[tokio::test]
async fn a_role_is_given_and_what_is_refused_is_said() {
    let (house, router) = open(House::default());
    let path = "/_amanah/people/roles/give";
    let give = async |who, rest: &str| {
        as_seen(&router, (Method::POST, path), Some(who), &body(rest)).await
    };
    let (status, _, html) = give(chief(), "role=editor&reason=+new+&last=").await;
    assert!(status == StatusCode::OK && html.contains("The role was given"));
    give(chief(), "role=editor&reason=new").await;
    give(chief(), "role=editor&reason=new&last=2026-12-31").await;
    let done = ["gave editor new ", "gave editor new ", "gave editor new 2027-01-01T00:00:00Z"];
    assert_eq!(*house.ended.lock().unwrap(), done);
    for (rest, wanted, said) in [
        ("role=owner&reason=new", StatusCode::FORBIDDEN, "<bdi>encryption.destroy</bdi>"),
        ("role=held&reason=new", StatusCode::CONFLICT, "have this role already"),
        ("role=app&reason=new", StatusCode::CONFLICT, "asks for a second factor"),
        ("role=key&reason=new", StatusCode::CONFLICT, "asks for a passkey or security key"),
        ("role=gone&reason=new", StatusCode::NOT_FOUND, "no such role"),
        ("role=editor&reason=+", StatusCode::BAD_REQUEST, "The reason or the last day"),
        ("role=editor&reason=n&last=x", StatusCode::BAD_REQUEST, "The reason or the last day"),
        ("reason=new", StatusCode::BAD_REQUEST, ""),
    ] {
        let (status, _, html) = give(chief(), rest).await;
        assert_eq!(status, wanted, "{rest}");
        assert!(html.contains(said), "{rest}: {html}");
    }
    // What was written is kept.
    let (_, _, html) = give(chief(), "role=Night+shift&reason=%22new&last=x").await;
    assert!(html.contains("<option value=\"Night shift\" selected>"), "{html}");
    assert!(html.contains("value=\"&#34;new\"") && html.contains("value=\"x\""));
    refuses_others(&router, path, "role=editor&reason=new&last=").await;
    assert_eq!(*house.ended.lock().unwrap(), done);
}

#[tokio::test]
async fn a_role_is_taken_and_what_is_refused_is_said() {
    let (house, router) = open(House::default());
    let path = "/_amanah/people/roles/take";
    for (rest, wanted, said) in [
        ("role=editor&reason=left+the+team", StatusCode::OK, "The role was taken"),
        ("role=owner&reason=new", StatusCode::FORBIDDEN, "<bdi>encryption.destroy</bdi>"),
        ("role=viewer&reason=new", StatusCode::CONFLICT, "do not have this role any more"),
        ("role=editor&reason=", StatusCode::BAD_REQUEST, "The reason or the last day"),
    ] {
        let sent = (Method::POST, path);
        let (status, _, html) = as_seen(&router, sent, Some(chief()), &body(rest)).await;
        assert_eq!(status, wanted, "{rest}");
        assert!(html.contains(said), "{rest}: {html}");
    }
    refuses_others(&router, path, "role=editor&reason=new").await;
    assert_eq!(*house.ended.lock().unwrap(), ["took editor left the team"]);
}

/// A form of another site, one that was sent after the session ended or too long after somebody proved who
/// they are, and those who may not, do nothing.
async fn refuses_others(router: &axum::Router, path: &str, rest: &str) {
    let sent = |who, body: String| async move {
        let (status, headers, _) = as_seen(router, (Method::POST, path), who, &body).await;
        let to = headers.get(LOCATION).map(|to| to.to_str().unwrap().to_owned());
        (status, to.unwrap_or_default())
    };
    let forged = body(rest).replace(TOKEN, "no");
    assert_eq!(sent(Some(chief()), forged).await.0, StatusCode::FORBIDDEN);
    for who in others() {
        assert_eq!(sent(Some(who), body(rest)).await.0, StatusCode::NOT_FOUND);
    }
    let (_, to) = sent(None, body(rest)).await;
    assert_eq!(to, "/_amanah/sign-in?next=/_amanah/people");
    let (_, to) = sent(Some(super::rights::tired()), body(rest)).await;
    assert_eq!(to, format!("/_amanah/account/confirm?next={}", page()));
    let foreign = body(rest).replace(BUDI, "00000000-0000-4000-8000-000000000009");
    let gone = sent(Some(chief()), foreign.replace("role=editor", "role=gone")).await;
    assert_eq!(gone.0, StatusCode::NOT_FOUND);
}
