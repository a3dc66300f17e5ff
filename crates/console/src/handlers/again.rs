//! Proving once more who one is, before what is sensitive.

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{self, Query};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use identity::Again;
use kernel::Secret;

use super::desk::{CONFIRM, Fault, Fields, SIGN_IN, SignedInAs, desk, fault, party, renewed};
use super::html;
use super::step::{Next, with_next};
use super::with_cookie;
use crate::csrf::FormToken;
use crate::pages::again::AgainPage;
use crate::pages::key::KeyPage;
use crate::target::local;
use crate::words::Words;
use crate::{Error, State, cookie};

/// `GET /_amanah/account/confirm`.
pub(crate) async fn form(
    extract::State(state): extract::State<State>,
    identity: SignedInAs,
    headers: HeaderMap,
    query: Result<Query<Next>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(Next { next }) = query.map_err(|_| Error::BadRequest)?;
    show(&state, identity, &headers, local(&next), None).await
}

/// `POST /_amanah/account/confirm`: a password or a code.
pub(crate) async fn prove(
    extract::State(state): extract::State<State>,
    identity: SignedInAs,
    headers: HeaderMap,
    form: Result<Form<Fields>, FormRejection>,
) -> Result<Response, Error> {
    let fields = Fields::read(&headers, form)?;
    let (password, code) = (Secret::new(fields.password.clone()), fields.code());
    let proof =
        if fields.code.is_empty() { Again::Password(&password) } else { Again::Code(&code) };
    settle(&state, identity, &headers, local(&fields.next), proof).await
}

/// `POST /_amanah/account/confirm/ask`: the page that asks the browser for a passkey.
pub(crate) async fn ask(
    extract::State(state): extract::State<State>,
    identity: SignedInAs,
    headers: HeaderMap,
    form: Result<Form<Fields>, FormRejection>,
) -> Result<Response, Error> {
    let fields = Fields::read(&headers, form)?;
    let (desk, next) = (desk(&state)?, local(&fields.next));
    let Some(Extension(who)) = &identity else { return Ok(sign_in(next)) };
    match desk.identities.ask_again(who, &party(desk, &headers)?).await {
        Ok(ceremony) => {
            let words = Words::asked(&headers);
            let action = "/_amanah/account/confirm/passkey";
            let page = KeyPage::using(words, fields.token.clone(), next, action, &ceremony);
            html(&page.under(&headers))
        }
        Err(error) => refuse(&state, identity, &headers, next, error).await,
    }
}

/// `POST /_amanah/account/confirm/passkey`: the answer of a passkey.
pub(crate) async fn passkey(
    extract::State(state): extract::State<State>,
    identity: SignedInAs,
    headers: HeaderMap,
    form: Result<Form<Fields>, FormRejection>,
) -> Result<Response, Error> {
    let fields = Fields::read(&headers, form)?;
    let (party, answer) = (party(desk(&state)?, &headers)?, fields.assertion()?);
    let proof = Again::Passkey(&party, &answer);
    settle(&state, identity, &headers, local(&fields.next), proof).await
}

async fn settle(
    state: &State,
    identity: SignedInAs,
    headers: &HeaderMap,
    next: &str,
    proof: Again<'_>,
) -> Result<Response, Error> {
    let (Some(Extension(who)), Some(token)) = (&identity, cookie::session(headers)) else {
        return Ok(sign_in(next));
    };
    match desk(state)?.identities.step_up(who, &token, proof).await {
        Ok(token) => renewed(Redirect::to(next).into_response(), &token),
        Err(error) => refuse(state, identity, headers, next, error).await,
    }
}

async fn refuse(
    state: &State,
    identity: SignedInAs,
    headers: &HeaderMap,
    next: &str,
    error: identity::Error,
) -> Result<Response, Error> {
    match fault(error, next, Words::asked(headers)) {
        Fault::Say(status, said) => {
            show(state, identity, headers, next, Some((status, said))).await
        }
        Fault::Go(_) => Ok(sign_in(next)),
        Fault::Fail(error) => Err(error),
    }
}

async fn show(
    state: &State,
    identity: SignedInAs,
    headers: &HeaderMap,
    next: &str,
    problem: Option<(StatusCode, String)>,
) -> Result<Response, Error> {
    let Some(Extension(identity)) = identity else { return Ok(sign_in(next)) };
    let factors = desk(state)?.identities.factors(&identity).await;
    let has = factors.map_err(|error| Error::Unavailable(error.to_string()))?.has;
    let words = Words::asked(headers);
    let token = FormToken::issue(headers, &*state.rng)?;
    let (status, said) = problem.unzip();
    let page = AgainPage::new(words, token.value, next, has, said);
    let response = (status.unwrap_or(StatusCode::OK), html(&page)?).into_response();
    Ok(with_cookie(response, token.cookie))
}

fn sign_in(next: &str) -> Response {
    Redirect::to(&with_next(SIGN_IN, &with_next(CONFIRM, next))).into_response()
}
