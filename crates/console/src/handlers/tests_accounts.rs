//! A forgotten password, invitations and accounts, asked as a browser or an attacker would ask.

use std::sync::Mutex;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, COOKIE, LOCATION, RETRY_AFTER};
use axum::http::{Request, StatusCode};
use kernel::{Bits, Fut, Identity, Peer, Secret, SessionToken, Standing, own};

use super::tests::{TOKEN, ask, cookies, form, get, open};
use crate::csrf;
use crate::pages::{account_sample, sample};
use crate::{Accounts, Error, Hindrance, Invitation, Offer, OpenSession, Origin, People, Refusal};

/// Accounts with one good link, `good`, and one address that was tried too often.
#[derive(Default)]
pub(super) struct House {
    pub(super) asked: Mutex<Vec<String>>,
    pub(super) done: Mutex<Vec<String>>,
}

impl House {
    fn note(&self, what: String) {
        self.done.lock().unwrap().push(what);
    }

    fn judge(token: &SessionToken, password: &Secret, from: &Origin) -> Result<(), Hindrance> {
        if from.peer.to_string() == "192.0.2.66" {
            Err(Hindrance::Later)
        } else if token.0.expose() != "good" {
            Err(Hindrance::Link)
        } else if password.expose().len() < 8 {
            Err(Hindrance::Password)
        } else {
            Ok(())
        }
    }
}

impl Accounts for House {
    fn may_try<'a>(&'a self, email: &'a str, from: &'a Origin) -> Fut<'a, Result<(), Refusal>> {
        Box::pin(async move {
            let known = from.browser.as_ref().is_some_and(|token| token.0.expose() == "known");
            if email.starts_with("locked") && !known {
                return Err(Refusal::Later { seconds: 40 });
            }
            Ok(())
        })
    }

    fn not_wrong<'a>(&'a self, email: &'a str, from: &'a Origin) -> Fut<'a, ()> {
        Box::pin(async move { self.note(format!("not wrong: {email} from {}", from.peer)) })
    }

    fn signed_in<'a>(
        &'a self,
        _: &'a SessionToken,
        from: &'a Origin,
    ) -> Fut<'a, Option<SessionToken>> {
        Box::pin(async move {
            let fresh = || SessionToken(Secret::new("known".to_owned()));
            from.browser.is_none().then(fresh)
        })
    }

    fn ask_reset<'a>(
        &'a self,
        address: &'a str,
        language: &'a str,
        from: &'a Origin,
    ) -> Fut<'a, Result<(), Hindrance>> {
        Box::pin(async move {
            match from.peer.to_string().as_str() {
                "192.0.2.66" => return Err(Hindrance::Later),
                "192.0.2.77" => return Err(Hindrance::Busy),
                _ => {}
            }
            self.asked.lock().unwrap().push(format!("{address} {language} {}", from.peer));
            Ok(())
        })
    }

    fn reset_is_open<'a>(&'a self, token: &'a SessionToken) -> Fut<'a, Result<bool, Error>> {
        Box::pin(async move { Ok(token.0.expose() == "good") })
    }

    fn reset<'a>(
        &'a self,
        token: &'a SessionToken,
        password: &'a Secret,
        from: &'a Origin,
    ) -> Fut<'a, Result<(), Hindrance>> {
        Box::pin(async move {
            Self::judge(token, password, from)?;
            self.note(format!("reset to {}", password.expose()));
            Ok(())
        })
    }

    fn offer<'a>(&'a self, token: &'a SessionToken) -> Fut<'a, Result<Option<Offer>, Error>> {
        Box::pin(async move { Ok((token.0.expose() == "good").then(account_sample::offer)) })
    }

    fn accept<'a>(
        &'a self,
        token: &'a SessionToken,
        name: &'a str,
        password: &'a Secret,
        from: &'a Origin,
    ) -> Fut<'a, Result<(), Hindrance>> {
        Box::pin(async move {
            Self::judge(token, password, from)?;
            self.note(format!("accepted by {name}"));
            Ok(())
        })
    }

    fn change_password<'a>(
        &'a self,
        identity: &'a Identity,
        current: &'a Secret,
        _: &'a Secret,
    ) -> Fut<'a, Result<(), Hindrance>> {
        Box::pin(async move {
            if current.expose() != "right" {
                return Err(Hindrance::Wrong);
            }
            self.note(format!("changed for {}", identity.actor));
            Ok(())
        })
    }

    fn sessions<'a>(&'a self, _: &'a Identity) -> Fut<'a, Result<Vec<OpenSession>, Error>> {
        Box::pin(async { Ok(account_sample::sessions()) })
    }

    fn end_sessions<'a>(
        &'a self,
        _: &'a Identity,
        one: Option<&'a str>,
    ) -> Fut<'a, Result<bool, Error>> {
        Box::pin(async move {
            if one == Some("late") {
                return Err(Error::Over);
            }
            self.note(format!("ended {}", one.unwrap_or("others")));
            Ok(one != Some("gone"))
        })
    }

    fn people<'a>(&'a self, _: &'a Identity) -> Fut<'a, Result<People, Error>> {
        Box::pin(async { Ok(account_sample::people()) })
    }

    fn invite<'a>(
        &'a self,
        _: &'a Identity,
        new: &'a Invitation,
    ) -> Fut<'a, Result<(), Hindrance>> {
        Box::pin(async move {
            if !new.email.contains('@') {
                return Err(Hindrance::Field);
            }
            self.note(format!("invited {} as {}", new.email, new.roles.join(",")));
            Ok(())
        })
    }

    fn withdraw<'a>(&'a self, _: &'a Identity, id: &'a str) -> Fut<'a, Result<(), Error>> {
        Box::pin(async move {
            self.note(format!("withdrew {id}"));
            Ok(())
        })
    }
}

fn post(path: &str, body: &str) -> Request<Body> {
    form(path).body(format!("token={TOKEN}&{body}").into()).unwrap()
}

#[tokio::test]
async fn whatever_is_asked_for_is_answered_with_the_same_page() {
    let (house, router) = open(super::tests::House::default());
    let (status, headers, html) = get(&router, "/_amanah/reset").await;
    assert!(status == StatusCode::OK && html.contains("Send the letter"));
    assert!(cookies(&headers)[0].starts_with("__Host-amanah-csrf="));
    let mut answers = Vec::new();
    for address in ["sari%40toko.example", "none%40toko.example", "", "x", "%0d%0aBcc%3a+a%40b"] {
        let mut request = post("/_amanah/reset", &format!("email={address}"));
        request.extensions_mut().insert(Peer("192.0.2.7".parse().unwrap()));
        answers.push(ask(&router, request).await);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(answers[0].2.contains("If there is an account"));
    assert_eq!(house.accounts.asked.lock().unwrap()[0], "sari@toko.example en 192.0.2.7");
    // Nobody waits for a letter that nobody wrote down.
    for (peer, refusal, words) in
        [("192.0.2.66", 429, "tried too often"), ("192.0.2.77", 503, "Nothing was sent")]
    {
        let mut answers = Vec::new();
        for address in ["sari%40toko.example", "none%40toko.example"] {
            let mut request = post("/_amanah/reset", &format!("email={address}"));
            request.extensions_mut().insert(Peer(peer.parse().unwrap()));
            answers.push(ask(&router, request).await);
        }
        assert_eq!(answers[0], answers[1]);
        let (status, headers, html) = &answers[0];
        assert!(*status == refusal && html.contains(words), "{status} {html}");
        assert!(headers.contains_key("retry-after"));
    }
    let forged = form("/_amanah/reset").body("token=x&email=a%40b.example".into()).unwrap();
    assert_eq!(ask(&router, forged).await.0, StatusCode::FORBIDDEN);
    assert_eq!(house.accounts.asked.lock().unwrap().len(), 5);
}

/// A request with the cookie of a link that was opened.
fn opened(path: &str, link: &str, body: Option<&str>) -> Request<Body> {
    let name = path.strip_prefix("/_amanah/").unwrap().split('/').next().unwrap();
    let cookies = format!("__Host-amanah-{name}={link}; __Host-amanah-csrf={TOKEN}");
    match body {
        None => Request::get(path).header(COOKIE, cookies).body(Body::empty()).unwrap(),
        Some(body) => Request::post(path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(COOKIE, cookies)
            .body(format!("token={TOKEN}&link={}&{body}", of_link(link)).into())
            .unwrap(),
    }
}

fn of_link(link: &str) -> String {
    csrf::of_link(&SessionToken(Secret::new(link.to_owned())))
}

#[tokio::test]
async fn a_form_goes_to_the_link_that_it_was_shown_for() {
    let (house, router) = open(super::tests::House::default());
    for path in ["/_amanah/reset/new", "/_amanah/invitation"] {
        let (_, _, html) = ask(&router, opened(path, "good", None)).await;
        assert!(html.contains(&format!("name=\"link\" value=\"{}\"", of_link("good"))), "{path}");
        // A stranger's link was opened meanwhile, or the form says nothing of its own.
        for link in [of_link("mine"), "good".to_owned(), String::new()] {
            let mut request = opened(path, "good", Some(""));
            let body = format!("token={TOKEN}&link={link}&password=a+long+password&name=A");
            *request.body_mut() = body.into();
            let (status, _, html) = ask(&router, request).await;
            assert!(status == StatusCode::CONFLICT && html.contains("Another link was opened"));
        }
    }
    assert!(house.accounts.done.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_token_leaves_the_address_at_first_sight() {
    let (_, router) = open(super::tests::House::default());
    for path in ["/_amanah/reset/new", "/_amanah/invitation"] {
        let (status, headers, html) = get(&router, &format!("{path}?t=good")).await;
        assert_eq!((status, headers[LOCATION].to_str().unwrap()), (StatusCode::SEE_OTHER, path));
        assert!(html.is_empty());
        let set = cookies(&headers);
        assert!(set[0].contains("=good; Path=/; Secure; HttpOnly; SameSite=Lax"), "{set:?}");
        // What cannot be ours is not put by, and is answered in the same way.
        let long = "a".repeat(5000);
        for odd in ["%3b+Domain=evil", "%22%3E", "%0d%0aX:y", &long] {
            let (status, headers, _) = get(&router, &format!("{path}?t={odd}")).await;
            assert_eq!(status, StatusCode::SEE_OTHER);
            let set = cookies(&headers);
            assert!(set.len() == 1 && set[0].ends_with("Max-Age=0"), "{set:?}");
        }
    }
}

#[tokio::test]
async fn a_link_is_looked_at_without_being_used_and_is_over_in_one_way() {
    let (house, router) = open(super::tests::House::default());
    for path in ["/_amanah/reset/new", "/_amanah/invitation"] {
        let (status, _, html) = ask(&router, opened(path, "good", None)).await;
        assert!(status == StatusCode::OK && !html.contains("value=\"good"), "{path}");
        let long = "a".repeat(5000);
        let mut over = vec![get(&router, path).await];
        for token in ["", "used", "%22%3E%3Cscript%3E", &long] {
            over.push(ask(&router, opened(path, token, None)).await);
            let body = "password=a+long+password&name=A";
            over.push(ask(&router, opened(path, token, Some(body))).await);
        }
        assert!(over.windows(2).all(|pair| pair[0] == pair[1]), "{path}");
        assert_eq!(over[0].0, StatusCode::FORBIDDEN);
        assert!(over[0].2.contains("This link is over") && !over[0].2.contains("script"));
        let short = opened(path, "good", Some("password=short&name=%3Cb%3E"));
        let (status, _, html) = ask(&router, short).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            html.contains("too easy to guess")
                && !html.contains("value=\"short")
                && !html.contains("<b>")
        );
        let mut late = opened(path, "good", Some("password=a+long+password&name=A"));
        late.extensions_mut().insert(Peer("192.0.2.66".parse().unwrap()));
        let (status, headers, _) = ask(&router, late).await;
        assert_eq!(
            (status, &headers[RETRY_AFTER]),
            (StatusCode::TOO_MANY_REQUESTS, &"60".parse().unwrap())
        );
    }
    assert!(house.accounts.done.lock().unwrap().is_empty());
    let set = opened("/_amanah/reset/new", "good", Some("password=a+long+password"));
    let (status, headers, html) = ask(&router, set).await;
    assert!(status == StatusCode::OK && html.contains("/_amanah/sign-in"));
    let gone = cookies(&headers);
    assert!(gone.len() == 1 && gone[0].starts_with("__Host-amanah-reset=;"), "it opens no session");
    let accept = "password=a+long+password&name=+Budi+";
    let accept = opened("/_amanah/invitation", "good", Some(accept));
    assert_eq!(ask(&router, accept).await.0, StatusCode::OK);
    assert_eq!(
        *house.accounts.done.lock().unwrap(),
        ["reset to a long password", "accepted by Budi"]
    );
}

#[tokio::test]
async fn a_sign_in_that_was_tried_too_often_waits_but_for_a_browser_that_is_known() {
    let (house, router) = open(super::tests::House::default());
    let tried = "email=locked%40toko.example&password=x&next=/";
    let (status, headers, html) = ask(&router, post("/_amanah/sign-in", tried)).await;
    assert_eq!(
        (status, &headers[RETRY_AFTER]),
        (StatusCode::TOO_MANY_REQUESTS, &"40".parse().unwrap())
    );
    assert!(html.contains("tried too often"));
    assert!(house.accounts.done.lock().unwrap().is_empty(), "nothing was tried");
    let known = Request::post("/_amanah/sign-in")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(COOKIE, format!("__Host-amanah-known=known; __Host-amanah-csrf={TOKEN}"))
        .extension(Peer("192.0.2.7".parse().unwrap()))
        .body(format!("token={TOKEN}&{tried}").into());
    assert_eq!(ask(&router, known.unwrap()).await.0, StatusCode::FORBIDDEN);
    assert!(house.accounts.done.lock().unwrap().is_empty(), "a wrong one counts as it was taken");
}

#[tokio::test]
async fn an_account_is_changed_by_its_holder_alone() {
    let (house, router) = open(super::tests::House::default());
    let posts = [
        ("/_amanah/account/sessions", "one=abc"),
        ("/_amanah/account/sessions", ""),
        ("/_amanah/account/password", "current=right&password=a+long+password"),
        ("/_amanah/people/invite", "email=a%40b.example&role=editor"),
        ("/_amanah/people/withdraw", "one=abc"),
    ];
    for (path, body) in posts {
        let (status, headers, _) = ask(&router, post(path, body)).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{path}");
        assert!(headers[LOCATION].to_str().unwrap().starts_with("/_amanah/sign-in"));
        let mut forged = form(path).body(format!("token=x&{body}").into()).unwrap();
        forged.extensions_mut().insert(sample::identity());
        assert_eq!(ask(&router, forged).await.0, StatusCode::FORBIDDEN, "{path}");
    }
    assert!(house.accounts.done.lock().unwrap().is_empty());
    let mut texts = Vec::new();
    for (path, body) in &posts[..3] {
        let mut request = post(path, body);
        request.extensions_mut().insert(sample::identity());
        texts.push(ask(&router, request).await.2);
    }
    assert!(texts[0].contains("Ended.") && texts[2].contains("was changed"));
    let mut gone = post("/_amanah/account/sessions", "one=gone");
    gone.extensions_mut().insert(sample::identity());
    assert!(ask(&router, gone).await.2.contains("Nothing was ended"));
    let mut late = post("/_amanah/account/sessions", "one=late");
    late.extensions_mut().insert(sample::identity());
    let (status, _, html) = ask(&router, late).await;
    assert!(status == StatusCode::FORBIDDEN && html.contains("Your session has ended"), "{html}");
    assert!(!html.contains("Firefox"), "no sessions are shown to whoever has none");
    let mut wrong = post("/_amanah/account/password", "current=wrong&password=a+long+password");
    wrong.extensions_mut().insert(sample::identity());
    let (status, _, html) = ask(&router, wrong).await;
    assert!(status == StatusCode::FORBIDDEN && html.contains("current password is not right"));
    assert_eq!(
        *house.accounts.done.lock().unwrap(),
        ["ended abc", "ended others", "changed for sari@toko.example", "ended gone"]
    );
}

#[tokio::test]
async fn people_are_for_whoever_may_see_them() {
    let (house, router) = open(super::tests::House::default());
    let with = |permits: Bits| {
        let standing = Standing { permits, ..Standing::default() };
        std::sync::Arc::new(Identity { standing, ..(*sample::identity()).clone() })
    };
    let asked = async |permits: Bits, mut request: Request<Body>| {
        request.extensions_mut().insert(with(permits));
        ask(&router, request).await
    };
    let page = || Request::get("/_amanah/people").body(Body::empty()).unwrap();
    let invite = || post("/_amanah/people/invite", "email=a%40b.example&role=editor&language=ar");
    let reads = [own::PEOPLE_READ].into_iter().collect::<Bits>();
    let invites = [own::PEOPLE_READ, own::PEOPLE_INVITE].into_iter().collect::<Bits>();
    assert_eq!(asked(Bits::EMPTY, page()).await.0, StatusCode::NOT_FOUND);
    assert_eq!(asked(reads, invite()).await.0, StatusCode::NOT_FOUND);
    let blind = [own::PEOPLE_INVITE].into_iter().collect::<Bits>();
    let withdraw = || post("/_amanah/people/withdraw", "one=abc");
    for request in [page(), invite(), withdraw()] {
        assert_eq!(asked(blind, request).await.0, StatusCode::NOT_FOUND, "the answer is the list");
    }
    let (status, _, html) = asked(reads, page()).await;
    assert!(status == StatusCode::OK && html.contains("budi@toko.example"));
    assert!(!html.contains("people/invite") && !html.contains("rudi@toko.example"));
    let (_, _, html) = asked(invites, page()).await;
    assert!(html.contains("people/invite") && html.contains("rudi@toko.example"));
    assert!(house.accounts.done.lock().unwrap().is_empty());
    assert!(asked(invites, invite()).await.2.contains("A letter is on its way"));
    let odd = post("/_amanah/people/invite", "email=a&role=editor");
    assert_eq!(asked(invites, odd).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    asked(invites, post("/_amanah/people/withdraw", "one=abc")).await;
    let done = house.accounts.done.lock().unwrap().clone();
    assert_eq!(done, ["invited a@b.example as editor", "withdrew abc"]);
}
