//! Signing in and out.

use std::sync::Arc;

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{self, Query};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use kernel::{Identity, Secret, SessionToken};
use serde::Deserialize;

use super::{BUSY_SECONDS, html, step, unreadable, with_cookie};
use crate::csrf::{self, FormToken};
use crate::pages::sign_in::SignInPage;
use crate::target::local;
use crate::words::Words;
use crate::{Entered, Error, Origin, Refusal, State, cookie};

/// Where to go after signing in.
#[derive(Deserialize)]
pub(crate) struct Next {
    #[serde(default)]
    next: String,
}

/// The sign-in form as it is sent. It has no `Debug`, so that no log can hold the password.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    token: String,
    email: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// Tells the browser what to forget.
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");
/// What the pages of a session have left in the browser. Not all cookies: one of them tells that somebody
/// has signed in from this browser before, so that strangers do not keep them out.
const LEFT_BEHIND: &str = "\"cache\", \"storage\"";

/// The sign-out form as it is sent.
#[derive(Deserialize)]
pub(crate) struct Farewell {
    token: String,
}

/// `GET /_amanah/sign-in`: the form; whoever is signed in goes on to where they wanted to be.
pub(crate) async fn form(
    extract::State(state): extract::State<State>,
    identity: Option<Extension<Arc<Identity>>>,
    headers: HeaderMap,
    query: Result<Query<Next>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(Next { next }) = query.map_err(|_| Error::BadRequest)?;
    let next = local(&next);
    if identity.is_some() {
        return Ok(Redirect::to(next).into_response());
    }
    let token = FormToken::issue(&headers, &*state.rng)?;
    let page = SignInPage::new(Words::asked(&headers), token.value, next);
    Ok(with_cookie(html(&page)?, token.cookie))
}

/// `POST /_amanah/sign-in`.
///
/// An unknown address and a wrong password are answered alike, to the byte.
pub(crate) async fn sign_in(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    from: Origin,
    form: Result<Form<Credentials>, FormRejection>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let next = local(&form.next);
    let password = Secret::new(form.password);
    let refusal = match attempt(&state, form.email.trim(), &password, &from).await {
        Ok((Entered::Step(token), _)) => return step::begin(&token, next),
        Ok((Entered::Session(token), browser)) => {
            let opened = cookie::set_session(&token)?;
            let response = with_cookie(Redirect::to(next).into_response(), Some(opened));
            let known = browser.as_ref().map(cookie::set_known).transpose()?;
            let response = with_cookie(response, known);
            // The token of forms was known before the sign-in; what comes after gets a new one.
            return Ok(with_cookie(response, Some(cookie::remove(cookie::FORM_COOKIE)?)));
        }
        Err(refusal) => refusal,
    };
    let words = Words::asked(&headers);
    let page = SignInPage::new(words, form.token, next);
    match refusal {
        Refusal::Refused => {
            let page = page.again(form.email, words.say("sign-in-refused"));
            Ok((StatusCode::FORBIDDEN, html(&page)?).into_response())
        }
        Refusal::Busy => {
            let page = page.again(form.email, words.say("sign-in-busy"));
            let wait = [(RETRY_AFTER, HeaderValue::from_static(BUSY_SECONDS))];
            Ok((StatusCode::SERVICE_UNAVAILABLE, wait, html(&page)?).into_response())
        }
        Refusal::Later { seconds } => {
            let page = page.again(form.email, words.say("sign-in-later"));
            let wait = [(RETRY_AFTER, HeaderValue::from(seconds))];
            Ok((StatusCode::TOO_MANY_REQUESTS, wait, html(&page)?).into_response())
        }
        Refusal::Unavailable(cause) => Err(Error::Unavailable(cause)),
    }
}

/// Tries to sign in, as often as that may be tried. With a session comes what the browser is to keep.
async fn attempt(
    state: &State,
    email: &str,
    password: &Secret,
    from: &Origin,
) -> Result<(Entered, Option<SessionToken>), Refusal> {
    state.accounts.may_try(email, from).await?;
    match state.sign_in.sign_in(email, password).await {
        Ok(Entered::Session(session)) => {
            let browser = state.accounts.signed_in(&session, from).await;
            Ok((Entered::Session(session), browser))
        }
        Ok(step) => {
            state.accounts.not_wrong(email, from).await;
            Ok((step, None))
        }
        Err(refusal) => {
            if refusal != Refusal::Refused {
                state.accounts.not_wrong(email, from).await;
            }
            Err(refusal)
        }
    }
}

/// `POST /_amanah/sign-out`: ends the session here and everywhere, then forgets its cookies.
pub(crate) async fn sign_out(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    form: Result<Form<Farewell>, FormRejection>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    if let Some(token) = cookie::session(&headers) {
        state.sign_in.sign_out(&token).await?;
    }
    let clear = [(CLEAR_SITE_DATA, HeaderValue::from_static(LEFT_BEHIND))];
    let response = (clear, Redirect::to("/_amanah/sign-in")).into_response();
    let response = with_cookie(response, Some(cookie::remove(cookie::SESSION_COOKIE)?));
    Ok(with_cookie(response, Some(cookie::remove(cookie::FORM_COOKIE)?)))
}
