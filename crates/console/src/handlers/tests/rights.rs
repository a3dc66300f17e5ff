//! The pages of reviews and of roles, asked by those who may and by others.

use std::sync::Arc;

use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{Method, StatusCode};
use kernel::{Fut, Identity, PermissionId, Standing, own};

use super::support::as_seen;
use super::{House, TOKEN, open};
use crate::pages::{review_sample, sample};
use crate::{
    ReviewDesk, ReviewSheet, ReviewTrouble, ReviewsSeen, RoleCard, RoleDesk, RoleDraft, RoleGift,
    RoleHolder, RoleOffers, RoleTrouble,
};

const ID: &str = "00000000-0000-4000-8000-000000000001";

impl ReviewDesk for House {
    fn seen<'a>(&'a self, _: &'a Identity) -> Fut<'a, Result<ReviewsSeen, ReviewTrouble>> {
        Box::pin(async { Ok(review_sample::reviews()) })
    }

    fn report<'a>(
        &'a self,
        _: &'a Identity,
        id: &'a str,
    ) -> Fut<'a, Result<ReviewSheet, ReviewTrouble>> {
        Box::pin(async move {
            if id == ID { Ok(review_sample::sheet()) } else { Err(ReviewTrouble::Gone) }
        })
    }

    fn csv<'a>(&'a self, _: &'a Identity, _: &'a str) -> Fut<'a, Result<String, ReviewTrouble>> {
        Box::pin(async { Ok("n,who\n".to_owned()) })
    }

    fn start<'a>(&'a self, _: &'a Identity) -> Fut<'a, Result<(), ReviewTrouble>> {
        Box::pin(async { Err(ReviewTrouble::Open) })
    }

    fn decide<'a>(
        &'a self,
        _: &'a Identity,
        (_, n): (&'a str, i32),
        (_, reason): (bool, &'a str),
    ) -> Fut<'a, Result<(), ReviewTrouble>> {
        Box::pin(async move {
            match (n, reason) {
                (_, "") => Err(ReviewTrouble::Unfit),
                (4, _) => Err(ReviewTrouble::Refused),
                _ => Ok(()),
            }
        })
    }

    fn close<'a>(
        &'a self,
        _: &'a Identity,
        _: &'a str,
        _: &'a str,
    ) -> Fut<'a, Result<(), ReviewTrouble>> {
        Box::pin(async { Err(ReviewTrouble::Undecided) })
    }
}

impl RoleDesk for House {
    fn roles<'a>(&'a self, _: &'a Identity) -> Fut<'a, Result<Vec<RoleCard>, RoleTrouble>> {
        Box::pin(async { Ok(review_sample::roles()) })
    }

    fn offers<'a>(&'a self, _: &'a Identity) -> Fut<'a, Result<RoleOffers, RoleTrouble>> {
        Box::pin(async { Ok(review_sample::offers()) })
    }

    fn role<'a>(
        &'a self,
        _: &'a Identity,
        name: &'a str,
    ) -> Fut<'a, Result<RoleDraft, RoleTrouble>> {
        let known = name == "Night shift";
        Box::pin(
            async move { if known { Ok(review_sample::draft()) } else { Err(RoleTrouble::Gone) } },
        )
    }

    fn define<'a>(
        &'a self,
        _: &'a Identity,
        draft: &'a RoleDraft,
    ) -> Fut<'a, Result<(), RoleTrouble>> {
        Box::pin(async move {
            match draft.permits.as_slice() {
                [301] => Err(RoleTrouble::Weak("administrator".to_owned(), false)),
                [302] => Err(RoleTrouble::Strength("Night shift".to_owned(), true)),
                [300, ..] => Err(RoleTrouble::Beyond("encryption.destroy".to_owned())),
                _ if draft.parents.contains(&draft.name) => Err(RoleTrouble::Cycle),
                _ => Ok(()),
            }
        })
    }

    fn retire<'a>(
        &'a self,
        _: &'a Identity,
        _: &'a str,
        anyway: bool,
    ) -> Fut<'a, Result<(), RoleTrouble>> {
        let used = RoleTrouble::InUse("budi@toko.example".to_owned());
        Box::pin(async move { if anyway { Ok(()) } else { Err(used) } })
    }

    fn holder<'a>(
        &'a self,
        _: &'a Identity,
        account: &'a str,
    ) -> Fut<'a, Result<RoleHolder, RoleTrouble>> {
        let found = review_sample::holder();
        let found = if account == found.person.id { Ok(found) } else { Err(RoleTrouble::Gone) };
        Box::pin(async { found })
    }

    fn give<'a>(
        &'a self,
        who: &'a Identity,
        account: &'a str,
        gift: &'a RoleGift,
    ) -> Fut<'a, Result<(), RoleTrouble>> {
        let given = match gift.role.as_str() {
            _ if gift.reason.is_empty() => Err(RoleTrouble::Unfit),
            _ if account == who.account => Err(RoleTrouble::Own),
            "owner" => Err(RoleTrouble::Beyond("encryption.destroy".to_owned())),
            "held" => Err(RoleTrouble::Held),
            "gone" => Err(RoleTrouble::Gone),
            "app" => Err(RoleTrouble::Factor { hardware: false }),
            "key" => Err(RoleTrouble::Factor { hardware: true }),
            role => {
                let until = gift.until.map(|at| at.to_string()).unwrap_or_default();
                self.ended.lock().unwrap().push(format!("gave {role} {} {until}", gift.reason));
                Ok(())
            }
        };
        Box::pin(async { given })
    }

    fn take<'a>(
        &'a self,
        _: &'a Identity,
        _: &'a str,
        role: &'a str,
        reason: &'a str,
    ) -> Fut<'a, Result<(), RoleTrouble>> {
        let taken = match role {
            _ if reason.is_empty() => Err(RoleTrouble::Unfit),
            "owner" => Err(RoleTrouble::Beyond("encryption.destroy".to_owned())),
            "editor" => {
                self.ended.lock().unwrap().push(format!("took {role} {reason}"));
                Ok(())
            }
            _ => Err(RoleTrouble::NotHeld),
        };
        Box::pin(async { taken })
    }
}

/// Somebody who may, and proved who they are long ago.
pub(super) fn tired() -> Arc<Identity> {
    let long_ago = jiff::Timestamp::UNIX_EPOCH;
    Arc::new(Identity { authenticated_at: long_ago, ..(*review_sample::chief()).clone() })
}

#[tokio::test]
async fn a_review_is_there_for_those_who_may_alone() {
    let (_, router) = open(House::default());
    let report = format!("/_amanah/people/review/{ID}");
    for path in ["/_amanah/people/review", "/_amanah/people/roles", &report] {
        let page = (Method::GET, path);
        let (status, headers, _) = as_seen(&router, page.clone(), None, "").await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{path}");
        assert!(headers[LOCATION].to_str().unwrap().starts_with("/_amanah/sign-in"));
        let (status, ..) = as_seen(&router, page.clone(), Some(sample::identity()), "").await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        let (status, ..) = as_seen(&router, page, Some(review_sample::chief()), "").await;
        assert_eq!(status, StatusCode::OK, "{path}");
    }
    let csv = (Method::GET, &*format!("{report}/csv"));
    let (_, headers, text) = as_seen(&router, csv, Some(review_sample::chief()), "").await;
    assert_eq!(
        (&*text, headers[CONTENT_TYPE].to_str().unwrap()),
        ("n,who\n", "text/csv; charset=utf-8")
    );
    let other = (Method::GET, "/_amanah/people/review/x");
    let (status, ..) = as_seen(&router, other, Some(review_sample::chief()), "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_row_is_decided_and_what_is_taken_away_asks_who_it_is() {
    let (_, router) = open(House::default());
    let decide = |n: &str, word: &str, reason: &str| {
        format!("token={TOKEN}&id={ID}&n={n}&decision={word}&reason={reason}")
    };
    let ask = async |path: &str, who, body: &str| {
        let path = format!("/_amanah/people/review/{path}");
        as_seen(&router, (Method::POST, &path), Some(who), body).await
    };
    for (body, wanted) in [
        (decide("1", "keep", "seen"), StatusCode::SEE_OTHER),
        (decide("1", "revoke", "seen"), StatusCode::SEE_OTHER),
        (decide("1", "keep", "+"), StatusCode::BAD_REQUEST),
        (decide("4", "keep", "seen"), StatusCode::FORBIDDEN),
        (decide("x", "keep", "seen"), StatusCode::BAD_REQUEST),
        (decide("1", "drop", "seen"), StatusCode::BAD_REQUEST),
        (decide("1", "keep", "seen").replace(TOKEN, "no"), StatusCode::FORBIDDEN),
    ] {
        let (status, ..) = ask("decide", review_sample::chief(), &body).await;
        assert_eq!(status, wanted, "{body}");
    }
    let (_, headers, _) = ask("decide", tired(), &decide("1", "revoke", "seen")).await;
    let to = headers[LOCATION].to_str().unwrap();
    assert!(to.starts_with("/_amanah/account/confirm?next="), "{to}");
    let (_, headers, _) = ask("decide", tired(), &decide("1", "keep", "seen")).await;
    assert_eq!(headers[LOCATION], "/_amanah/people/review");
    let token = format!("token={TOKEN}&id={ID}");
    assert_eq!(ask("start", review_sample::chief(), &token).await.0, StatusCode::CONFLICT);
    assert_eq!(ask("close", review_sample::chief(), &token).await.0, StatusCode::CONFLICT);
    assert_eq!(ask("start", sample::identity(), &token).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_role_is_saved_found_in_and_retired() {
    let (_, router) = open(House::default());
    let chief = review_sample::chief;
    let ask = async |method, path: &str, who, body: &str| {
        let path = format!("/_amanah/people/roles{path}");
        as_seen(&router, (method, &path), Some(who), body).await
    };
    let (status, _, html) = ask(Method::GET, "/edit?role=Night+shift", chief(), "").await;
    assert!(status == StatusCode::OK && html.contains("readonly") && html.contains("checked"));
    assert_eq!(ask(Method::GET, "/edit?role=x", chief(), "").await.0, StatusCode::NOT_FOUND);
    // What was chosen stays chosen, whatever is shown.
    let find = format!("token={TOKEN}&name=N&title=T&factor=1&p=0&p=40&find=price&do=find");
    let (status, _, html) = ask(Method::POST, "/edit", chief(), &find).await;
    assert_eq!(status, StatusCode::OK);
    assert!(html.contains("type=\"hidden\" name=\"p\" value=\"0\"") && !html.contains("p-0\""));
    assert!(html.contains("id=\"p-40\" name=\"p\" type=\"checkbox\" value=\"40\" checked"));
    let save = |rest: &str| format!("token={TOKEN}&name=N&title=T&factor=1{rest}&do=save");
    for (body, wanted) in [
        (save("&p=40"), StatusCode::SEE_OTHER),
        (save("&p=300"), StatusCode::FORBIDDEN),
        (save("&parent=N"), StatusCode::CONFLICT),
        (save("&p=301"), StatusCode::CONFLICT),
        (save("&p=302"), StatusCode::FORBIDDEN),
        (save("&p=x"), StatusCode::BAD_REQUEST),
        (save("&p=40").replace(TOKEN, "no"), StatusCode::FORBIDDEN),
    ] {
        let (status, ..) = ask(Method::POST, "/edit", chief(), &body).await;
        assert_eq!(status, wanted, "{body}");
    }
    let (_, _, html) = ask(Method::POST, "/edit", chief(), &save("&p=301")).await;
    assert!(html.contains("ask for a second factor") && html.contains("administrator"));
    let (_, _, html) = ask(Method::POST, "/edit", chief(), &save("&p=302")).await;
    assert!(html.contains("passkey or security key") && html.contains("Night shift"));
    let (status, _, html) = ask(Method::POST, "/edit", tired(), &save("&p=40")).await;
    assert!(status == StatusCode::FORBIDDEN && html.contains("value=\"40\" checked"));
    let retire = format!("token={TOKEN}&role=Night+shift");
    let (status, _, html) = ask(Method::POST, "/retire", chief(), &retire).await;
    assert!(status == StatusCode::CONFLICT && html.contains("budi@toko.example"));
    let anyway = format!("{retire}&anyway=yes");
    assert_eq!(ask(Method::POST, "/retire", chief(), &anyway).await.0, StatusCode::SEE_OTHER);
    assert_eq!(
        ask(Method::POST, "/retire", sample::identity(), &anyway).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn what_is_about_people_is_linked_from_the_account_for_whoever_may_not_see_them() {
    let (_, router) = open(House::default());
    let account = (Method::GET, "/_amanah/account");
    let with = |permits: &[PermissionId]| {
        let permits = permits.iter().copied().collect();
        let standing = Standing { permits, ..Standing::default() };
        Arc::new(Identity { standing, ..(*sample::identity()).clone() })
    };
    let directs = with(&[own::PEOPLE_DIRECTORY]);
    let (_, _, html) = as_seen(&router, account.clone(), Some(directs), "").await;
    assert!(html.contains("href=\"/_amanah/people/directory\""), "{html}");
    assert!(!html.contains("href=\"/_amanah/people\""));
    let sees = with(&[own::PEOPLE_DIRECTORY, own::PEOPLE_READ]);
    let (_, _, html) = as_seen(&router, account, Some(Arc::clone(&sees)), "").await;
    assert!(html.contains("href=\"/_amanah/people\"") && !html.contains("people/directory"));
    let people = (Method::GET, "/_amanah/people");
    let (_, _, html) = as_seen(&router, people, Some(sees), "").await;
    assert!(html.contains("href=\"/_amanah/people/directory\""));
}
