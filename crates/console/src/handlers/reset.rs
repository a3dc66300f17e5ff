//! A forgotten password, and the two links that letters bring.
//!
//! No page is shown at an address that holds a token: at first sight it goes into a cookie, and the browser
//! to the same address without it. So it lies in no history, no bookmark and no referrer, and in no log of a
//! proxy but at the first request. (`Referrer-Policy: no-referrer` would not do: with it browsers send
//! `Origin: null` with the form, which is how a stranger's looks.)
//!
//! A form goes to the link that it was shown for, and to no other: whoever opens another one in the same
//! browser, or is made to, would hand their name and password to whoever sent that one. So the form holds a
//! digest of its link, and is refused when the cookie holds another.

use axum::Form;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{self, Query};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use kernel::{Secret, SessionToken};
use serde::Deserialize;

use super::{BUSY_SECONDS, html, unreadable, with_cookie};
use crate::csrf::{self, FormToken};
use crate::pages::letter::{AskPage, MessagePage, PasswordPage};
use crate::words::Words;
use crate::{Error, Hindrance, Origin, State, cookie};

/// How long a reader is asked to wait when they have tried too often, in seconds.
const LATER_SECONDS: &str = "60";
/// The longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 100;
/// Where the link for a new password leads, and the cookie that it is kept in.
const RESET: (&str, &str) = ("/_amanah/reset/new", cookie::RESET_COOKIE);
/// The same of an invitation.
const INVITATION: (&str, &str) = ("/_amanah/invitation", cookie::INVITATION_COOKIE);

/// A link's token.
#[derive(Deserialize)]
pub(crate) struct Link {
    #[serde(default)]
    t: String,
}

/// The form that asks for a letter.
#[derive(Deserialize)]
pub(crate) struct Asked {
    token: String,
    email: String,
}

/// The form with a new password. It has no `Debug`, so that no log can hold the password.
#[derive(Deserialize)]
pub(crate) struct Chosen {
    token: String,
    password: String,
    #[serde(default)]
    link: String,
    #[serde(default)]
    name: String,
}

/// `GET /_amanah/reset`: the form that asks for a letter.
pub(crate) async fn form(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let token = FormToken::issue(&headers, &*state.rng)?;
    let page = AskPage::new(Words::asked(&headers), token.value);
    Ok(with_cookie(html(&page)?, token.cookie))
}

/// `POST /_amanah/reset`: the same page for whatever was sent; another where nothing was written down, for
/// whatever was sent as well.
pub(crate) async fn ask(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    from: Origin,
    form: Result<Form<Asked>, FormRejection>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let words = Words::asked(&headers);
    let title = words.say("reset-title");
    match state.accounts.ask_reset(&form.email, words.tag(), &from).await {
        Ok(()) => html(&MessagePage::new(words, title, words.say("reset-asked"))),
        Err(Hindrance::Busy) => {
            let wait = [(RETRY_AFTER, HeaderValue::from_static(BUSY_SECONDS))];
            let page = MessagePage::new(words, title, words.say("reset-busy")).with_reset();
            Ok((StatusCode::SERVICE_UNAVAILABLE, wait, html(&page)?).into_response())
        }
        Err(trouble) => {
            refused(words, trouble, |problem| MessagePage::new(words, title, problem).with_reset())
        }
    }
}

/// `GET /_amanah/reset/new`: the form for a new password. Looking does not use the link up.
pub(crate) async fn choose(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    query: Result<Query<Link>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(link) = query.map_err(|_| Error::BadRequest)?;
    if !link.t.is_empty() {
        return put_by(RESET, &link.t);
    }
    let words = Words::asked(&headers);
    let Some(link) = kept(&headers, RESET) else { return over(words) };
    if !state.accounts.reset_is_open(&link).await? {
        return over(words);
    }
    let token = FormToken::issue(&headers, &*state.rng)?;
    let page = PasswordPage::reset(words, (token.value, csrf::of_link(&link)));
    Ok(with_cookie(html(&page)?, token.cookie))
}

/// `POST /_amanah/reset/new`: sets it.
pub(crate) async fn set(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    from: Origin,
    form: Result<Form<Chosen>, FormRejection>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let words = Words::asked(&headers);
    let Some(link) = kept(&headers, RESET) else { return over(words) };
    if !csrf::is_of_link(&link, &form.link) {
        return another(words);
    }
    let password = Secret::new(form.password);
    match state.accounts.reset(&link, &password, &from).await {
        Ok(()) => {
            let done = words.say("reset-done");
            let page = MessagePage::new(words, words.say("reset-title"), done).with_sign_in();
            Ok(with_cookie(html(&page)?, Some(cookie::remove(RESET.1)?)))
        }
        Err(trouble) => refused(words, trouble, |problem| {
            PasswordPage::reset(words, (form.token, form.link)).again(String::new(), problem)
        }),
    }
}

/// `GET /_amanah/invitation`: who invites, and the form for a name and a password.
pub(crate) async fn offer(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    query: Result<Query<Link>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(link) = query.map_err(|_| Error::BadRequest)?;
    if !link.t.is_empty() {
        return put_by(INVITATION, &link.t);
    }
    let words = Words::asked(&headers);
    let Some(link) = kept(&headers, INVITATION) else { return over(words) };
    let Some(offer) = state.accounts.offer(&link).await? else { return over(words) };
    let token = FormToken::issue(&headers, &*state.rng)?;
    let form = (token.value, csrf::of_link(&link));
    let page = PasswordPage::invitation(words, form, Some(offer));
    Ok(with_cookie(html(&page)?, token.cookie))
}

/// `POST /_amanah/invitation`: makes the account.
pub(crate) async fn accept(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    from: Origin,
    form: Result<Form<Chosen>, FormRejection>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let words = Words::asked(&headers);
    let Some(link) = kept(&headers, INVITATION) else { return over(words) };
    if !csrf::is_of_link(&link, &form.link) {
        return another(words);
    }
    let (name, password) = (form.name.trim().to_owned(), Secret::new(form.password));
    match state.accounts.accept(&link, &name, &password, &from).await {
        Ok(()) => {
            let done = words.say("invitation-done");
            let page = MessagePage::new(words, words.say("invitation-title"), done).with_sign_in();
            Ok(with_cookie(html(&page)?, Some(cookie::remove(INVITATION.1)?)))
        }
        Err(trouble) => {
            let offer = match trouble {
                Hindrance::Link => None,
                _ => state.accounts.offer(&link).await?,
            };
            refused(words, trouble, |problem| {
                let form = (form.token, form.link);
                PasswordPage::invitation(words, form, offer).again(name, problem)
            })
        }
    }
}

/// A link is opened: its token goes into the cookie, whatever it is, and the browser to the same address
/// without it. What cannot be one of ours leaves no cookie.
fn put_by((path, name): (&'static str, &'static str), token: &str) -> Result<Response, Error> {
    // What a link's token is made of; anything else would be a stranger's words in a header of ours.
    let is_token = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let fits = token.len() <= MAX_TOKEN_BYTES && token.bytes().all(is_token);
    let set = fits.then(|| cookie::set_link(name, token).ok()).flatten();
    let set = set.map_or_else(|| cookie::remove(name), Ok)?;
    Ok(with_cookie(Redirect::to(path).into_response(), Some(set)))
}

/// The token of the link that was opened.
fn kept(headers: &HeaderMap, (_, name): (&str, &str)) -> Option<SessionToken> {
    let token = cookie::read(headers, name).filter(|token| !token.is_empty());
    let token = token.filter(|token| token.len() <= MAX_TOKEN_BYTES)?;
    Some(SessionToken(Secret::new(token.to_owned())))
}

/// What a link is answered with when it is over, was used, or was never one.
fn over(words: Words) -> Result<Response, Error> {
    let page = MessagePage::new(words, words.say("link-over-title"), words.say("link-over"));
    Ok((StatusCode::FORBIDDEN, html(&page.with_reset())?).into_response())
}

/// What a form is answered with when another link was opened since it was shown.
fn another(words: Words) -> Result<Response, Error> {
    let text = words.say("link-another");
    let page = MessagePage::new(words, words.say("link-another-title"), text);
    Ok((StatusCode::CONFLICT, html(&page)?).into_response())
}

/// What is answered when a form was not taken: the form again, with the reason.
pub(crate) fn refused<P: askama::Template>(
    words: Words,
    trouble: Hindrance,
    again: impl FnOnce(String) -> P,
) -> Result<Response, Error> {
    let (status, problem) = match trouble {
        Hindrance::Link => return over(words),
        Hindrance::Unavailable(cause) => return Err(Error::Unavailable(cause)),
        Hindrance::Password => (StatusCode::UNPROCESSABLE_ENTITY, words.say("trouble-password")),
        Hindrance::Wrong => (StatusCode::FORBIDDEN, words.say("trouble-wrong")),
        Hindrance::Field => (StatusCode::UNPROCESSABLE_ENTITY, words.say("trouble-field")),
        Hindrance::Busy => (StatusCode::SERVICE_UNAVAILABLE, words.say("trouble-busy")),
        Hindrance::Later => (StatusCode::TOO_MANY_REQUESTS, words.say("trouble-later")),
    };
    let mut response = (status, html(&again(problem))?).into_response();
    let wait = match status {
        StatusCode::TOO_MANY_REQUESTS => Some(LATER_SECONDS),
        StatusCode::SERVICE_UNAVAILABLE => Some(BUSY_SECONDS),
        _ => None,
    };
    if let Some(wait) = wait {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(wait));
    }
    Ok(response)
}
