//! Support: asking a tenant, answering, entering and leaving it, and seeing what was done.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{self, Path};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form, Json};
use kernel::Identity;
use serde::Deserialize;
use serde_json::json;

use super::account::sign_in;
use super::html;
use super::{confirm, unreadable, with_cookie};
use crate::csrf::{self, FormToken};
use crate::pages::support::{SupportPage, SupportUsesPage};
use crate::support::{SupportQuestion, Trouble};
use crate::words::Words;
use crate::{Error, State, cookie};

/// Where the pages about support begin.
const HOME: &str = "/_amanah/support";

/// A question as it is sent.
#[derive(Deserialize)]
pub(crate) struct Asked {
    token: String,
    tenant: String,
    ticket: String,
    reason: String,
    hours: String,
    #[serde(default)]
    scope: String,
}

/// What is to happen with one question.
#[derive(Deserialize)]
pub(crate) struct Chosen {
    token: String,
    id: String,
}

/// Leaving.
#[derive(Deserialize)]
pub(crate) struct Leaving {
    token: String,
}

type Who = Option<Extension<Arc<Identity>>>;
type Sent<T> = Result<Form<T>, FormRejection>;

/// `GET /_amanah/support`.
pub(crate) async fn page(
    extract::State(state): extract::State<State>,
    who: Who,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let Some(Extension(who)) = who else { return Ok(sign_in(HOME)) };
    show(&state, who, &headers, None).await
}

/// `GET /_amanah/support/{id}`: what was done.
pub(crate) async fn uses(
    extract::State(state): extract::State<State>,
    who: Who,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let Some(Extension(who)) = who else { return Ok(sign_in(HOME)) };
    match state.support.uses(&who, &id).await {
        Ok(uses) => html(&SupportUsesPage::new(Words::asked(&headers), &who, uses)),
        Err(Trouble::Unavailable(cause)) => Err(Error::Unavailable(cause)),
        Err(_) => Err(Error::NotFound),
    }
}

/// `GET /_amanah/support.json`: what an application shows on a banner. To support, where it is and
/// until when; to a tenant's own people, whether support can come in just now.
pub(crate) async fn banner(
    extract::State(state): extract::State<State>,
    who: Who,
) -> Result<Response, Error> {
    let Some(Extension(who)) = who else {
        return Err(Error::NotFound);
    };
    if let Some(support) = &who.standing.support {
        let told = json!({
            "inside": true, "tenant": support.tenant.as_str(), "scope": support.scope.as_str(),
            "until": support.until, "grant": support.grant,
        });
        return Ok(Json(told).into_response());
    }
    let (count, until) = state.support.live(&who).await.map_err(unavailable)?;
    Ok(Json(json!({"inside": false, "live": count, "until": until})).into_response())
}

/// `POST /_amanah/support/ask`.
pub(crate) async fn ask(
    extract::State(state): extract::State<State>,
    who: Who,
    headers: HeaderMap,
    form: Sent<Asked>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let Some(Extension(who)) = who else { return Ok(sign_in(HOME)) };
    let question = SupportQuestion {
        tenant: form.tenant.trim().to_owned(),
        ticket: form.ticket.trim().to_owned(),
        reason: form.reason.trim().to_owned(),
        writes: form.scope == "rw",
        // What is no number of hours is refused as one that does not fit.
        hours: form.hours.trim().parse().unwrap_or_default(),
    };
    match state.support.ask(&who, &question).await {
        Ok(()) => Ok(Redirect::to(HOME).into_response()),
        Err(trouble) => show(&state, who, &headers, Some((trouble, Some(question)))).await,
    }
}

/// `POST /_amanah/support/approve`.
pub(crate) async fn approve(
    extract::State(state): extract::State<State>,
    who: Who,
    headers: HeaderMap,
    form: Sent<Chosen>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let Some(Extension(who)) = who else { return Ok(sign_in(HOME)) };
    let done = state.support.approve(&who, &form.id).await;
    settled(&state, who, &headers, done).await
}

/// `POST /_amanah/support/end`: a no, or an end before its time.
pub(crate) async fn end(
    extract::State(state): extract::State<State>,
    who: Who,
    headers: HeaderMap,
    form: Sent<Chosen>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let Some(Extension(who)) = who else { return Ok(sign_in(HOME)) };
    let done = state.support.end(&who, &form.id).await;
    settled(&state, who, &headers, done).await
}

/// `POST /_amanah/support/enter`: a new session in the other tenant, in the place of this one.
pub(crate) async fn enter(
    extract::State(state): extract::State<State>,
    who: Who,
    headers: HeaderMap,
    form: Sent<Chosen>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let Some(Extension(who)) = who else { return Ok(sign_in(HOME)) };
    let old = cookie::session(&headers).ok_or(Error::NotFound)?;
    match state.support.enter(&who, &old, &form.id).await {
        Ok(token) => {
            let response = Redirect::to(HOME).into_response();
            let response = with_cookie(response, Some(cookie::set_session(&token)?));
            Ok(with_cookie(response, Some(cookie::remove(cookie::FORM_COOKIE)?)))
        }
        Err(trouble) => show(&state, who, &headers, Some((trouble, None))).await,
    }
}

/// `POST /_amanah/support/leave`: ends the session in the other tenant. Nobody comes back into
/// their own without proving who they are.
pub(crate) async fn leave(
    extract::State(state): extract::State<State>,
    who: Who,
    headers: HeaderMap,
    form: Sent<Leaving>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    if who.is_none() {
        return Ok(sign_in(HOME));
    }
    if let Some(token) = cookie::session(&headers) {
        state.sign_in.sign_out(&token).await?;
    }
    let response = with_cookie(sign_in(HOME), Some(cookie::remove(cookie::SESSION_COOKIE)?));
    Ok(with_cookie(response, Some(cookie::remove(cookie::FORM_COOKIE)?)))
}

async fn settled(
    state: &State,
    who: Arc<Identity>,
    headers: &HeaderMap,
    done: Result<(), Trouble>,
) -> Result<Response, Error> {
    match done {
        Ok(()) => Ok(Redirect::to(HOME).into_response()),
        Err(trouble) => show(state, who, headers, Some((trouble, None))).await,
    }
}

/// The page, after what was not done.
async fn show(
    state: &State,
    who: Arc<Identity>,
    headers: &HeaderMap,
    trouble: Option<(Trouble, Option<SupportQuestion>)>,
) -> Result<Response, Error> {
    let words = Words::asked(headers);
    let cards = state.support.seen(&who).await.map_err(unavailable)?;
    let token = FormToken::issue(headers, &*state.rng)?;
    let page = SupportPage::new(words, who, cards, token.value);
    let Some((trouble, question)) = trouble else {
        return Ok(with_cookie(html(&page)?, token.cookie));
    };
    let (status, problem) = match trouble {
        Trouble::Refused => (StatusCode::FORBIDDEN, words.say("support-refused")),
        Trouble::StepUp => return Ok(confirm(HOME)),
        Trouble::Gone => (StatusCode::NOT_FOUND, words.say("support-gone")),
        Trouble::Unfit => (StatusCode::BAD_REQUEST, words.say("support-unfit")),
        Trouble::Full => (StatusCode::CONFLICT, words.say("support-full")),
        Trouble::Unavailable(cause) => return Err(Error::Unavailable(cause)),
    };
    let page = page.again(question, problem);
    Ok(with_cookie((status, html(&page)?).into_response(), token.cookie))
}

fn unavailable(trouble: Trouble) -> Error {
    match trouble {
        Trouble::Unavailable(cause) => Error::Unavailable(cause),
        _ => Error::NotFound,
    }
}
