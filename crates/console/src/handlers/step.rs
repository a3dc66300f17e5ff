//! The second step of a sign-in.

use axum::http::HeaderValue;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};
use kernel::Secret;

use crate::{Error, cookie};

/// Where the second factor is asked for.
pub(crate) const PATH: &str = "/_amanah/step";

/// After a right password: the cookie of the step, and its page, which returns to `next`.
///
/// # Errors
/// [`Error::Internal`] when the token cannot be carried by a cookie.
pub(crate) fn begin(token: &Secret, next: &str) -> Result<Response, Error> {
    let to = format!("{PATH}?next={}", cookie::escaped(next));
    let mut response = Redirect::to(&to).into_response();
    let set: HeaderValue = cookie::set_step(token)?;
    response.headers_mut().append(SET_COOKIE, set);
    Ok(response)
}
