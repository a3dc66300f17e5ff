//! The pages about support, asked by staff, by those who may let them in, and by others.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, COOKIE, LOCATION};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use jiff::Timestamp;
use kernel::{Fut, Identity, Secret, SessionToken, TenantId, own};

use super::{House, TOKEN, ask, cookies, open};
use crate::pages::{sample, support_sample};
use crate::{
    LeavingDesk, LeavingReport, SupportCard, SupportDesk, SupportQuestion, SupportStanding,
    SupportUse, Trouble,
};

impl SupportDesk for House {
    fn seen<'a>(&'a self, _: &'a Identity) -> Fut<'a, Result<Vec<SupportCard>, Trouble>> {
        Box::pin(async { Ok(support_sample::support()) })
    }

    fn live<'a>(
        &'a self,
        who: &'a Identity,
    ) -> Fut<'a, Result<(usize, Option<Timestamp>), Trouble>> {
        let here = support_sample::support().into_iter();
        let here = here.filter(|card| card.standing == SupportStanding::Live);
        let here = here.filter(move |card| card.tenant == who.tenant.as_str());
        let ends: Vec<_> = here.filter_map(|card| card.ends_at).collect();
        Box::pin(async move { Ok((ends.len(), ends.into_iter().max())) })
    }

    fn uses<'a>(
        &'a self,
        who: &'a Identity,
        _: &'a str,
    ) -> Fut<'a, Result<Vec<SupportUse>, Trouble>> {
        let may = who.may(own::PEOPLE_SUPPORT);
        let told = if may { Ok(support_sample::uses()) } else { Err(Trouble::Refused) };
        Box::pin(async { told })
    }

    fn ask<'a>(
        &'a self,
        _: &'a Identity,
        question: &'a SupportQuestion,
    ) -> Fut<'a, Result<(), Trouble>> {
        let fits = (1..=24).contains(&question.hours);
        Box::pin(async move { if fits { Ok(()) } else { Err(Trouble::Unfit) } })
    }

    fn approve<'a>(&'a self, who: &'a Identity, _: &'a str) -> Fut<'a, Result<(), Trouble>> {
        let may = who.may(own::PEOPLE_SUPPORT);
        Box::pin(async move { if may { Ok(()) } else { Err(Trouble::Refused) } })
    }

    fn end<'a>(&'a self, _: &'a Identity, _: &'a str) -> Fut<'a, Result<(), Trouble>> {
        Box::pin(async { Err(Trouble::Gone) })
    }

    fn enter<'a>(
        &'a self,
        _: &'a Identity,
        old: &'a SessionToken,
        _: &'a str,
    ) -> Fut<'a, Result<SessionToken, Trouble>> {
        self.ended.lock().unwrap().push(old.0.expose().to_owned());
        Box::pin(async { Ok(SessionToken(Secret::new("inside".to_owned()))) })
    }
}

impl LeavingDesk for House {
    fn offboard<'a>(
        &'a self,
        _: &'a Identity,
        email: &'a str,
        _: &'a str,
    ) -> Fut<'a, Result<LeavingReport, Trouble>> {
        let report = LeavingReport { email: email.to_owned(), ..LeavingReport::default() };
        let told = match email {
            "sari@toko.example" => Ok(report),
            "late@toko.example" => Err(Trouble::StepUp),
            _ => Err(Trouble::Gone),
        };
        Box::pin(async { told })
    }
}

/// What `who` is answered.
pub(super) async fn as_seen(
    router: &Router,
    (method, path): (Method, &str),
    who: Option<Arc<Identity>>,
    body: &str,
) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(COOKIE, format!("__Host-amanah-csrf={TOKEN}; __Host-amanah=t0ken"))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body.to_owned()))
        .unwrap();
    request.extensions_mut().extend(
        who.map(|who| {
            let mut extensions = axum::http::Extensions::new();
            extensions.insert(who);
            extensions
        })
        .unwrap_or_default(),
    );
    ask(router, request).await
}

const ID: &str = "id=00000000-0000-4000-8000-000000000001";

#[tokio::test]
async fn each_sees_what_is_theirs_to_do() {
    let (_, router) = open(House::default());
    let page = (Method::GET, "/_amanah/support");
    let (status, headers, _) = as_seen(&router, page.clone(), None, "").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert!(headers[LOCATION].to_str().unwrap().starts_with("/_amanah/sign-in"));
    for (who, asks, approves) in [
        (support_sample::staff(), true, false),
        (support_sample::chief(), false, true),
        (support_sample::inside(), false, false),
        (sample::identity(), false, false),
    ] {
        let (status, _, html) = as_seen(&router, page.clone(), Some(who), "").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(html.contains("action=\"/_amanah/support/ask\""), asks);
        assert_eq!(html.contains("action=\"/_amanah/support/approve\""), approves);
    }
    let uses = (Method::GET, "/_amanah/support/00000000-0000-4000-8000-000000000001");
    let chief = as_seen(&router, uses.clone(), Some(support_sample::chief()), "").await;
    assert!(chief.2.contains("GET /prices"));
    let other = as_seen(&router, uses, Some(support_sample::staff()), "").await;
    assert_eq!(other.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_cannot_be_done_is_said_and_a_form_of_another_site_does_nothing() {
    let (house, router) = open(House::default());
    let staff = support_sample::staff;
    let good = format!("token={TOKEN}&tenant=41&ticket=T&reason=R&hours=2&scope=rw");
    for (path, who, body, wanted) in [
        ("ask", staff(), good.clone(), StatusCode::SEE_OTHER),
        ("ask", staff(), good.replace("hours=2", "hours=x"), StatusCode::BAD_REQUEST),
        ("ask", staff(), good.replace(TOKEN, "no"), StatusCode::FORBIDDEN),
        ("approve", support_sample::chief(), format!("token={TOKEN}&{ID}"), StatusCode::SEE_OTHER),
        ("approve", staff(), format!("token={TOKEN}&{ID}"), StatusCode::FORBIDDEN),
        ("approve", staff(), format!("token=no&{ID}"), StatusCode::FORBIDDEN),
        ("end", staff(), format!("token={TOKEN}&{ID}"), StatusCode::NOT_FOUND),
        ("enter", staff(), format!("token=no&{ID}"), StatusCode::FORBIDDEN),
    ] {
        let path = format!("/_amanah/support/{path}");
        let (status, ..) = as_seen(&router, (Method::POST, &path), Some(who), &body).await;
        assert_eq!(status, wanted, "{path} {body}");
    }
    assert!(house.ended.lock().unwrap().is_empty());
    let enter = (Method::POST, "/_amanah/support/enter");
    let body = format!("token={TOKEN}&{ID}");
    let (_, headers, _) = as_seen(&router, enter, Some(staff()), &body).await;
    assert!(cookies(&headers)[0].starts_with("__Host-amanah=inside; "));
    assert_eq!(*house.ended.lock().unwrap(), ["t0ken"]);
    let leave = (Method::POST, "/_amanah/support/leave");
    let (_, headers, _) = as_seen(&router, leave, Some(support_sample::inside()), &body).await;
    assert!(cookies(&headers)[0].starts_with("__Host-amanah=; "));
}

#[tokio::test]
async fn a_banner_is_told_what_it_shows() {
    let (_, router) = open(House::default());
    let path = (Method::GET, "/_amanah/support.json");
    let (_, _, inside) = as_seen(&router, path.clone(), Some(support_sample::inside()), "").await;
    assert!(inside.contains("\"inside\":true") && inside.contains("\"scope\":\"ro\""), "{inside}");
    let (_, _, home) = as_seen(&router, path.clone(), Some(support_sample::chief()), "").await;
    assert!(home.contains("\"live\":1"), "{home}");
    // Whoever has no right to let support in is told as well, and staff hear nothing of elsewhere.
    let (_, _, plain) = as_seen(&router, path.clone(), Some(sample::identity()), "").await;
    assert!(plain.contains("\"live\":1"), "{plain}");
    let mut elsewhere = (*support_sample::staff()).clone();
    elsewhere.tenant = TenantId::new("staff-home").unwrap();
    let (_, _, none) = as_seen(&router, path, Some(Arc::new(elsewhere)), "").await;
    assert!(none.contains("\"live\":0"), "{none}");
}

#[tokio::test]
async fn only_who_may_off_boards() {
    let (_, router) = open(House::default());
    let path = "/_amanah/people/offboard";
    let body = |email: &str| format!("token={TOKEN}&email={email}&successor=");
    let may = || {
        let mut who = (*sample::identity()).clone();
        who.standing.permits.insert(own::PEOPLE_OFFBOARD);
        Arc::new(who)
    };
    for (who, email, wanted) in [
        (may(), "sari%40toko.example", StatusCode::OK),
        (may(), "nobody%40toko.example", StatusCode::NOT_FOUND),
        (sample::identity(), "sari%40toko.example", StatusCode::NOT_FOUND),
    ] {
        let sent = (Method::POST, path);
        let (status, ..) = as_seen(&router, sent, Some(who), &body(email)).await;
        assert_eq!(status, wanted, "{email}");
    }
    let other = body("sari%40toko.example").replace(TOKEN, "no");
    let (status, ..) = as_seen(&router, (Method::POST, path), Some(may()), &other).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, _, html) = as_seen(&router, (Method::GET, path), Some(may()), "").await;
    assert!(status == StatusCode::OK && html.contains("name=\"successor\""));
    let (status, ..) = as_seen(&router, (Method::GET, path), Some(sample::identity()), "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn whoever_proved_themselves_long_ago_is_led_to_prove_it_again() {
    let (_, router) = open(House::default());
    let mut who = (*sample::identity()).clone();
    who.standing.permits.insert(own::PEOPLE_OFFBOARD);
    let sent = (Method::POST, "/_amanah/people/offboard");
    let body = format!("token={TOKEN}&email=late%40toko.example&successor=");
    let (status, headers, _) = as_seen(&router, sent, Some(Arc::new(who)), &body).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert_eq!(headers[LOCATION], "/_amanah/account/confirm?next=/_amanah/people/offboard");
}

#[tokio::test]
async fn a_form_that_was_sent_after_the_session_ended_leads_to_the_sign_in() {
    let (house, router) = open(House::default());
    let home = "/_amanah/support";
    for (path, body, back) in [
        ("/_amanah/people/offboard", "email=sari%40toko.example", "/_amanah/people/offboard"),
        ("/_amanah/support/ask", "tenant=41&ticket=T&reason=R&hours=2", home),
        ("/_amanah/support/approve", ID, home),
        ("/_amanah/support/end", ID, home),
        ("/_amanah/support/enter", ID, home),
        ("/_amanah/support/leave", "", home),
    ] {
        let sent = (Method::POST, path);
        let body = format!("token={TOKEN}&{body}");
        let (status, headers, _) = as_seen(&router, sent.clone(), None, &body).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{path}");
        assert_eq!(headers[LOCATION], format!("/_amanah/sign-in?next={back}"), "{path}");
        let forged = body.replace(TOKEN, "no");
        let (status, ..) = as_seen(&router, sent, None, &forged).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
    }
    assert!(house.ended.lock().unwrap().is_empty());
}
