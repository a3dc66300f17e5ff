//! A tenant's own view of the trail: who sees it, and what it says when there is nothing to see.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use kernel::{Door, Fut, Identity, Standing, own};

use super::super::tests::{House, open};
use super::support::as_seen;
use crate::pages::{sample, support_sample, trail_sample};
use crate::trail::{TrailDesk, TrailQuestion, TrailSeen, TrailTrouble};

/// The word in the place of an actor says what there is.
impl TrailDesk for House {
    fn rows<'a>(
        &'a self,
        _: &'a Identity,
        wanted: &'a TrailQuestion,
    ) -> Fut<'a, Result<TrailSeen, TrailTrouble>> {
        let said = match wanted.actor.as_deref() {
            Some("nobody") => Ok(TrailSeen::default()),
            Some("much") => Err(TrailTrouble::TooMuch),
            Some("busy") => Err(TrailTrouble::Busy),
            Some("none") => Err(TrailTrouble::Unguarded),
            Some("refused") => Err(TrailTrouble::Refused),
            Some("away") => Err(TrailTrouble::Unavailable("postgres://secret".to_owned())),
            _ => Ok(trail_sample::seen()),
        };
        Box::pin(async { said })
    }
}

fn reader() -> Arc<Identity> {
    let permits = [own::TRAIL_READ].into_iter().collect();
    let standing = Standing { permits, ..Standing::default() };
    Arc::new(Identity { standing, ..(*sample::identity()).clone() })
}

#[tokio::test]
async fn only_whoever_may_read_it_sees_it_in_their_own_browser() {
    let (_, router) = open(House::default());
    let page = (Method::GET, "/_amanah/trail");
    assert_eq!(as_seen(&router, page.clone(), None, "").await.0, StatusCode::SEE_OTHER);
    let mut inside = (*support_sample::inside()).clone();
    inside.standing.permits = [own::TRAIL_READ].into_iter().collect();
    let program = Identity { door: Door::ApiKey, ..(*reader()).clone() };
    for who in [sample::identity(), Arc::new(inside), Arc::new(program)] {
        assert_eq!(as_seen(&router, page.clone(), Some(who), "").await.0, StatusCode::NOT_FOUND);
    }
    let (status, _, html) = as_seen(&router, page, Some(reader()), "").await;
    assert!(
        status == StatusCode::OK && !html.contains("public.sale"),
        "the bare address is no look"
    );
    let sent = (Method::GET, "/_amanah/trail?from=&to=");
    let (status, _, html) = as_seen(&router, sent, Some(reader()), "").await;
    assert_eq!(status, StatusCode::OK);
    assert!(html.contains("sari@toko.example") && html.contains("public.sale"));
    assert!(!html.contains("<script>alert"), "what was recorded is no markup");
    let (_, _, account) =
        as_seen(&router, (Method::GET, "/_amanah/account"), Some(reader()), "").await;
    assert!(account.contains("href=\"/_amanah/trail\""));
}

#[tokio::test]
async fn nothing_to_see_is_said_with_its_reason() {
    let (_, router) = open(House::default());
    for (asked, wanted, said) in [
        ("actor=nobody", StatusCode::OK, "Nothing was recorded"),
        ("actor=much", StatusCode::BAD_REQUEST, "shorter"),
        ("actor=busy", StatusCode::TOO_MANY_REQUESTS, "seconds"),
        ("actor=none", StatusCode::NOT_FOUND, "could be recorded"),
        ("actor=refused", StatusCode::NOT_FOUND, ""),
        ("actor=away", StatusCode::SERVICE_UNAVAILABLE, ""),
        ("from=yesterday", StatusCode::BAD_REQUEST, "Write the times"),
        ("from=2999-01-01T00:00", StatusCode::BAD_REQUEST, "Write the times"),
        ("actor=%00", StatusCode::BAD_REQUEST, ""),
        ("from=%ff", StatusCode::BAD_REQUEST, "Write the times"),
    ] {
        let path = format!("/_amanah/trail?{asked}");
        let (status, _, html) = as_seen(&router, (Method::GET, &path), Some(reader()), "").await;
        assert_eq!(status, wanted, "{asked}");
        assert!(html.contains(said) && !html.contains("postgres"), "{asked}: {html}");
    }
}
