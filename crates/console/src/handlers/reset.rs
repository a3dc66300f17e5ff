//! A forgotten password, and the two links that letters bring.
//!
//! The header policy keeps the address of these pages, which holds the token, from other sites.

use axum::Form;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{self, Query};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::{Secret, SessionToken};
use serde::Deserialize;

use super::{html, unreadable, with_cookie};
use crate::csrf::{self, FormToken};
use crate::pages::letter::{AskPage, MessagePage, PasswordPage};
use crate::words::Words;
use crate::{Error, Hindrance, Origin, State};

/// How long a reader is asked to wait when they have tried too often, in seconds.
const LATER_SECONDS: &str = "60";
/// The longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 100;

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
    t: String,
    password: String,
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

/// `POST /_amanah/reset`: the same page for whatever was sent.
pub(crate) async fn ask(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    from: Origin,
    form: Result<Form<Asked>, FormRejection>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let words = Words::asked(&headers);
    state.accounts.ask_reset(&form.email, words.tag(), &from).await?;
    html(&MessagePage::new(words, words.say("reset-title"), words.say("reset-asked")))
}

/// `GET /_amanah/reset/new?t=…`: the form for a new password. Looking does not use the link up.
pub(crate) async fn choose(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    query: Result<Query<Link>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(link) = query.map_err(|_| Error::BadRequest)?;
    let words = Words::asked(&headers);
    let open = match of(&link.t) {
        Some(token) => state.accounts.reset_is_open(&token).await?,
        None => false,
    };
    if !open {
        return over(words);
    }
    let token = FormToken::issue(&headers, &*state.rng)?;
    let page = PasswordPage::reset(words, token.value, link.t);
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
    let Some(link) = of(&form.t) else { return over(words) };
    let password = Secret::new(form.password);
    match state.accounts.reset(&link, &password, &from).await {
        Ok(()) => {
            let done = words.say("reset-done");
            html(&MessagePage::new(words, words.say("reset-title"), done).with_sign_in())
        }
        Err(trouble) => refused(words, trouble, |problem| {
            PasswordPage::reset(words, form.token, form.t).again(String::new(), problem)
        }),
    }
}

/// `GET /_amanah/invitation?t=…`: who invites, and the form for a name and a password.
pub(crate) async fn offer(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    query: Result<Query<Link>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(link) = query.map_err(|_| Error::BadRequest)?;
    let words = Words::asked(&headers);
    let offer = match of(&link.t) {
        Some(token) => state.accounts.offer(&token).await?,
        None => None,
    };
    let Some(offer) = offer else { return over(words) };
    let token = FormToken::issue(&headers, &*state.rng)?;
    let page = PasswordPage::invitation(words, token.value, link.t, Some(offer));
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
    let Some(link) = of(&form.t) else { return over(words) };
    let (name, password) = (form.name.trim().to_owned(), Secret::new(form.password));
    match state.accounts.accept(&link, &name, &password, &from).await {
        Ok(()) => {
            let done = words.say("invitation-done");
            html(&MessagePage::new(words, words.say("invitation-title"), done).with_sign_in())
        }
        Err(trouble) => {
            let offer = match trouble {
                Hindrance::Link => None,
                _ => state.accounts.offer(&link).await?,
            };
            refused(words, trouble, |problem| {
                PasswordPage::invitation(words, form.token, form.t, offer).again(name, problem)
            })
        }
    }
}

/// The token of a link; anything else is none of ours.
fn of(text: &str) -> Option<SessionToken> {
    let fits = !text.is_empty() && text.len() <= MAX_TOKEN_BYTES;
    fits.then(|| SessionToken(Secret::new(text.to_owned())))
}

/// What a link is answered with when it is over, was used, or was never one.
fn over(words: Words) -> Result<Response, Error> {
    let page = MessagePage::new(words, words.say("link-over-title"), words.say("link-over"));
    Ok((StatusCode::FORBIDDEN, html(&page.with_reset())?).into_response())
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
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(LATER_SECONDS));
    }
    Ok(response)
}
