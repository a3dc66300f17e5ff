//! Off-boarding by those who may: a form that names who leaves and who takes over.
//!
//! It promises that nobody is off-boarded by a program's key, by a form of another site, or by whoever
//! may not; for those the page does not exist.

use std::sync::Arc;

use axum::extract;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Form};
use kernel::{Identity, own};
use serde::Deserialize;

use super::account::sign_in;
use super::html;
use super::{confirm, unreadable, with_cookie};
use crate::csrf::{self, FormToken};
use crate::pages::leaving::LeavingPage;
use crate::words::Words;
use crate::{Error, State, Trouble};

/// Where the page is.
const HERE: &str = "/_amanah/people/offboard";

/// Who is to leave.
#[derive(Deserialize)]
pub(crate) struct Leaving {
    token: String,
    email: String,
    #[serde(default)]
    successor: String,
}

type Who = Option<Extension<Arc<Identity>>>;

/// `GET /_amanah/people/offboard`.
pub(crate) async fn form(
    extract::State(state): extract::State<State>,
    who: Who,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let Some(Extension(who)) = who else { return Ok(sign_in(HERE)) };
    // Whoever may not is not told that there is such a page.
    if !who.may(own::PEOPLE_OFFBOARD) {
        return Err(Error::NotFound);
    }
    let token = FormToken::issue(&headers, &*state.rng)?;
    let page = LeavingPage::new(Words::asked(&headers), token.value);
    Ok(with_cookie(html(&page)?, token.cookie))
}

/// `POST /_amanah/people/offboard`.
pub(crate) async fn leave(
    extract::State(state): extract::State<State>,
    who: Who,
    headers: HeaderMap,
    form: Result<Form<Leaving>, FormRejection>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let Some(Extension(who)) = who else { return Ok(sign_in(HERE)) };
    if !who.may(own::PEOPLE_OFFBOARD) {
        return Err(Error::NotFound);
    }
    let words = Words::asked(&headers);
    let page = LeavingPage::new(words, form.token);
    let (status, problem) =
        match state.leaving.offboard(&who, form.email.trim(), form.successor.trim()).await {
            Ok(report) => return html(&page.done(report)),
            Err(Trouble::StepUp) => return Ok(confirm(HERE)),
            Err(Trouble::Gone) => (StatusCode::NOT_FOUND, words.say("leaving-nobody")),
            Err(Trouble::Unfit) => (StatusCode::BAD_REQUEST, words.say("leaving-unfit")),
            Err(Trouble::Refused | Trouble::Full) => {
                (StatusCode::FORBIDDEN, words.say("leaving-refused"))
            }
            Err(Trouble::Unavailable(cause)) => return Err(Error::Unavailable(cause)),
        };
    Ok((status, html(&page.again(form.email, problem))?).into_response())
}
