//! The second step of a sign-in: a code, a passkey, or the first factor of an account that needs one.

use axum::Form;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{self, Query};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use identity::{SignedIn, Stage, StepToken};
use kernel::Secret;
use serde::Deserialize;

use super::desk::{Desk, Fault, Fields, SIGN_IN, desk, entered, fault, party};
use super::html;
use super::origin::unplaced;
use super::with_cookie;
use crate::csrf::FormToken;
use crate::pages::key::KeyPage;
use crate::pages::step::StepPage;
use crate::target::local;
use crate::words::Words;
use crate::{Error, State, cookie};

/// Where the second factor is asked for.
pub(crate) const PATH: &str = "/_amanah/step";

/// Where to go afterwards.
#[derive(Deserialize)]
pub(crate) struct Next {
    #[serde(default)]
    pub(crate) next: String,
}

/// After a right password: the cookie of the step, and its page, which returns to `next`.
///
/// # Errors
/// [`Error::Internal`] when the token cannot be carried by a cookie.
pub(crate) fn begin(token: &Secret, next: &str) -> Result<Response, Error> {
    let mut response = Redirect::to(&with_next(PATH, next)).into_response();
    response.headers_mut().append(SET_COOKIE, cookie::set_step(token)?);
    Ok(response)
}

/// A path of ours that returns to `next`.
pub(crate) fn with_next(path: &str, next: &str) -> String {
    format!("{path}?next={}", cookie::escaped(next))
}

/// `GET /_amanah/step`.
pub(crate) async fn form(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    query: Result<Query<Next>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(Next { next }) = query.map_err(|_| Error::BadRequest)?;
    show(&state, &headers, local(&next), None).await
}

/// `POST /_amanah/step`: a code of an app, or a recovery code.
pub(crate) async fn code(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    form: Result<Form<Fields>, FormRejection>,
) -> Result<Response, Error> {
    let fields = Fields::read(&headers, form)?;
    let (desk, next) = (desk(&state)?, local(&fields.next));
    let Some(token) = waiting(&headers) else { return Ok(anew(next)) };
    let answer = desk.identities.prove_code(&token, &fields.code()).await;
    settle(&state, &headers, next, answer).await
}

/// `POST /_amanah/step/ask`: the page that asks the browser for a passkey.
pub(crate) async fn ask(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    form: Result<Form<Fields>, FormRejection>,
) -> Result<Response, Error> {
    let fields = Fields::read(&headers, form)?;
    let (desk, next) = (desk(&state)?, local(&fields.next));
    let Some(token) = waiting(&headers) else { return Ok(anew(next)) };
    let asked = desk.identities.ask_passkey(&token, &party(desk, &headers)?).await;
    match asked {
        Ok(ceremony) => {
            let words = Words::asked(&headers);
            let action = "/_amanah/step/passkey";
            let page = KeyPage::using(words, fields.token.clone(), next, action, &ceremony);
            html(&page.under(&headers))
        }
        Err(error) => refuse(&state, &headers, next, error).await,
    }
}

/// `POST /_amanah/step/passkey`: the answer of a passkey.
pub(crate) async fn passkey(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    form: Result<Form<Fields>, FormRejection>,
) -> Result<Response, Error> {
    let fields = Fields::read(&headers, form)?;
    let (desk, next) = (desk(&state)?, local(&fields.next));
    let Some(token) = waiting(&headers) else { return Ok(anew(next)) };
    let (party, answer) = (party(desk, &headers)?, fields.assertion()?);
    let answer = desk.identities.prove_passkey(&token, &party, &answer).await;
    settle(&state, &headers, next, answer).await
}

async fn settle(
    state: &State,
    headers: &HeaderMap,
    next: &str,
    answer: identity::Result<SignedIn>,
) -> Result<Response, Error> {
    match answer {
        Ok(SignedIn::Session(token)) => {
            let browser = state.accounts.signed_in(&token, &unplaced(headers)).await;
            let known = browser.as_ref().map(cookie::set_known).transpose()?;
            Ok(with_cookie(entered(Redirect::to(next).into_response(), &token)?, known))
        }
        Ok(SignedIn::Factor(_) | SignedIn::Enrol(_)) => {
            Ok(Redirect::to(&with_next(PATH, next)).into_response())
        }
        Err(error) => refuse(state, headers, next, error).await,
    }
}

async fn refuse(
    state: &State,
    headers: &HeaderMap,
    next: &str,
    error: identity::Error,
) -> Result<Response, Error> {
    match fault(error, next, Words::asked(headers)) {
        Fault::Say(status, said) => show(state, headers, next, Some((status, said))).await,
        Fault::Go(_) => Ok(anew(next)),
        Fault::Fail(error) => Err(error),
    }
}

/// The page of the step as it stands, with what is wrong.
pub(super) async fn show(
    state: &State,
    headers: &HeaderMap,
    next: &str,
    problem: Option<(StatusCode, String)>,
) -> Result<Response, Error> {
    let Some(token) = waiting(headers) else { return Ok(anew(next)) };
    let desk: &Desk = desk(state)?;
    let asked: Stage = match desk.identities.stage(&token).await {
        Ok(asked) => asked,
        Err(identity::Error::Over) => return Ok(anew(next)),
        Err(other) => return Err(Error::Unavailable(other.to_string())),
    };
    let words = Words::asked(headers);
    let form = FormToken::issue(headers, &*state.rng)?;
    let (status, said) = problem.unzip();
    let page = StepPage::new(words, form.value, next, &asked, said);
    let response = (status.unwrap_or(StatusCode::OK), html(&page)?).into_response();
    Ok(with_cookie(response, form.cookie))
}

fn waiting(headers: &HeaderMap) -> Option<StepToken> {
    cookie::step(headers).map(StepToken)
}

/// The step is over: the sign-in begins anew, and still leads to `next`.
fn anew(next: &str) -> Response {
    let response = Redirect::to(&with_next(SIGN_IN, next)).into_response();
    with_cookie(response, cookie::remove(cookie::STEP_COOKIE).ok())
}
