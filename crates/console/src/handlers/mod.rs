//! What answers a request: reads it, asks the ports, draws the page.

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::http::header::{CACHE_CONTROL, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use kernel::Identity;

use crate::{Error, State, cookie};

pub(crate) mod account;
pub(crate) mod again;
pub(crate) mod api_keys;
pub(crate) mod challenge;
pub(crate) mod desk;
pub(crate) mod directory;
pub(crate) mod factors;
pub(crate) mod holder;
pub(crate) mod leaving;
mod origin;
pub(crate) mod people;
pub(crate) mod reset;
pub(crate) mod review;
pub(crate) mod roles;
pub(crate) mod session;
pub(crate) mod statics;
pub(crate) mod step;
pub(crate) mod support;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod tests_accounts;
pub(crate) mod token;
pub(crate) mod trail;
pub(crate) mod trust;
pub(crate) mod vitals;

/// How long a reader is asked to wait when too many passwords are being looked at, in seconds.
pub(crate) const BUSY_SECONDS: &str = "2";

/// Draws `page`.
///
/// # Errors
/// [`Error::Internal`] when the template fails.
pub(crate) fn html(page: &impl Template) -> Result<Response, Error> {
    Ok(Html(page.render()?).into_response())
}

/// The way to prove once more who one is, and back to `back`, where the last time was too long ago for
/// what is sensitive.
fn stale(state: &State, identity: &Identity, back: &str) -> Option<Response> {
    (!identity.is_recent(state.clock.now())).then(|| confirm(back))
}

/// The way to proving once more who one is, and from there to `back`.
fn confirm(back: &str) -> Response {
    let way = format!("{}?next={}", desk::CONFIRM, cookie::escaped(back));
    Redirect::to(&way).into_response()
}

/// Lets a browser keep the answer only if it asks again each time: a verdict must not be shown
/// after it has changed.
fn fresh(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
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
