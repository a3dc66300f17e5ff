//! Signing in and out, and who is signed in.

use std::sync::Arc;

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{self, Query};
use axum::http::header::{RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use kernel::{Identity, Secret};
use serde::Deserialize;

use super::{html, step};
use crate::csrf::{self, FormToken};
use crate::pages::account::AccountPage;
use crate::pages::sign_in::SignInPage;
use crate::target::local;
use crate::words::Words;
use crate::{Entered, Error, Refusal, State, cookie};

/// How long a reader is asked to wait when too many sign in, in seconds.
const BUSY_SECONDS: &str = "2";

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
    form: Result<Form<Credentials>, FormRejection>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let next = local(&form.next);
    let password = Secret::new(form.password);
    let refusal = match state.sign_in.sign_in(form.email.trim(), &password).await {
        Ok(Entered::Step(token)) => return step::begin(&token, next),
        Ok(Entered::Session(token)) => {
            let opened = cookie::set_session(&token)?;
            let response = with_cookie(Redirect::to(next).into_response(), Some(opened));
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
        Refusal::Unavailable(cause) => Err(Error::Unavailable(cause)),
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
    let response = Redirect::to("/_amanah/sign-in").into_response();
    let response = with_cookie(response, Some(cookie::remove(cookie::SESSION_COOKIE)?));
    Ok(with_cookie(response, Some(cookie::remove(cookie::FORM_COOKIE)?)))
}

/// `GET /_amanah/account`.
pub(crate) async fn account(
    extract::State(state): extract::State<State>,
    identity: Option<Extension<Arc<Identity>>>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let Some(Extension(identity)) = identity else {
        return Ok(Redirect::to("/_amanah/sign-in?next=/_amanah/account").into_response());
    };
    let token = FormToken::issue(&headers, &*state.rng)?;
    let page = AccountPage::new(Words::asked(&headers), identity, token.value);
    Ok(with_cookie(html(&page)?, token.cookie))
}

pub(crate) fn unreadable(rejection: &FormRejection) -> Error {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Error::TooLarge
    } else {
        Error::BadRequest
    }
}

pub(crate) fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
