//! The keys of whoever is signed in: made, shown once, listed, ended. All of it is for browsers; the
//! gateway lets no token come here.

use std::sync::Arc;

use axum::extract;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use kernel::{Door, Identity, Secret};
use serde::Deserialize;

use super::{html, stale, unreadable, with_cookie};
use crate::csrf::{self, FormToken};
use crate::pages::api_keys::KeysPage;
use crate::words::Words;
use crate::{AskedKey, Error, KeyRefusal, State};

/// Where the page is.
const PAGE: &str = "/_amanah/account/keys";
const SIGN_IN: &str = "/_amanah/sign-in?next=/_amanah/account/keys";
/// The longest list of permissions that is read, in names; the catalogue has no more.
const MAX_SCOPES: usize = 1_024;

/// What is asked for, as the form sends it.
#[derive(Deserialize)]
pub(crate) struct Make {
    token: String,
    name: String,
    #[serde(default)]
    service: String,
    #[serde(default)]
    scopes: String,
    days: String,
}

/// A service to be made.
#[derive(Deserialize)]
pub(crate) struct MakeService {
    token: String,
    name: String,
}

/// A key to be ended.
#[derive(Deserialize)]
pub(crate) struct End {
    token: String,
    id: String,
}

type Held = extract::State<State>;
type Who = Option<Extension<Arc<Identity>>>;

/// `GET /_amanah/account/keys`.
pub(crate) async fn list(
    extract::State(state): Held,
    identity: Who,
    headers: HeaderMap,
) -> Result<Response, Error> {
    match person(identity) {
        Some(identity) => draw(&state, &identity, &headers, None, None).await,
        None => Ok(Redirect::to(SIGN_IN).into_response()),
    }
}

/// `POST /_amanah/account/keys`: makes one and shows it, this once.
pub(crate) async fn make(
    extract::State(state): Held,
    identity: Who,
    headers: HeaderMap,
    form: Result<Form<Make>, FormRejection>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let Some(identity) = person(identity) else {
        return Ok(Redirect::to(SIGN_IN).into_response());
    };
    if let Some(way) = stale(&state, &identity, PAGE) {
        return Ok(way);
    }
    let scopes: Vec<String> = form
        .scopes
        .split(|c: char| c.is_whitespace() || c == ',')
        .filter(|name| !name.is_empty())
        .take(MAX_SCOPES)
        .map(str::to_owned)
        .collect();
    let asked = AskedKey {
        name: form.name,
        service: Some(form.service).filter(|service| !service.is_empty()),
        scopes,
        // What is no number is as long as no key may live.
        days: form.days.trim().parse().unwrap_or(u16::MAX),
    };
    match state.api_keys.make(&identity, &asked).await {
        Ok(key) => draw(&state, &identity, &headers, Some(key), None).await,
        Err(refusal) => refused(&state, &identity, &headers, refusal).await,
    }
}

/// `POST /_amanah/account/services`.
pub(crate) async fn make_service(
    extract::State(state): Held,
    identity: Who,
    headers: HeaderMap,
    form: Result<Form<MakeService>, FormRejection>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let Some(identity) = person(identity) else {
        return Ok(Redirect::to(SIGN_IN).into_response());
    };
    if let Some(way) = stale(&state, &identity, PAGE) {
        return Ok(way);
    }
    match state.api_keys.make_service(&identity, &form.name).await {
        Ok(()) => Ok(Redirect::to(PAGE).into_response()),
        Err(refusal) => refused(&state, &identity, &headers, refusal).await,
    }
}

/// `POST /_amanah/account/keys/end`.
pub(crate) async fn end(
    extract::State(state): Held,
    identity: Who,
    headers: HeaderMap,
    form: Result<Form<End>, FormRejection>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let Some(identity) = person(identity) else {
        return Ok(Redirect::to(SIGN_IN).into_response());
    };
    state.api_keys.revoke(&identity, &form.id).await?;
    Ok(Redirect::to(PAGE).into_response())
}

/// Whoever came with a browser; the gateway sees to it too.
fn person(identity: Who) -> Option<Arc<Identity>> {
    identity.map(|Extension(identity)| identity).filter(|who| who.door == Door::Browser)
}

async fn refused(
    state: &State,
    identity: &Identity,
    headers: &HeaderMap,
    refusal: KeyRefusal,
) -> Result<Response, Error> {
    let words = Words::asked(headers);
    let problem = match refusal {
        KeyRefusal::Form => words.say("keys-form"),
        KeyRefusal::Scope => words.say("keys-scope"),
        KeyRefusal::Refused => words.say("keys-refused"),
        KeyRefusal::Unavailable(cause) => return Err(Error::Unavailable(cause)),
    };
    let page = draw(state, identity, headers, None, Some(problem)).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

async fn draw(
    state: &State,
    identity: &Identity,
    headers: &HeaderMap,
    made: Option<Secret>,
    problem: Option<String>,
) -> Result<Response, Error> {
    let rack = state.api_keys.rack(identity).await?;
    let token = FormToken::issue(headers, &*state.rng)?;
    let words = Words::asked(headers);
    let page = KeysPage::new(words, rack, token.value, made, problem, state.clock.now());
    Ok(with_cookie(html(&page)?, token.cookie))
}
