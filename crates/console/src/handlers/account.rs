//! What somebody does to their own account.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{self};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use kernel::{Door, Identity, Secret};
use serde::Deserialize;

use super::reset::refused;
use super::{html, unreadable, with_cookie};
use crate::csrf::{self, FormToken};
use crate::pages::account::AccountPage;
use crate::words::Words;
use crate::{Error, State};

/// Where these pages are.
const HERE: &str = "/_amanah/account";

/// The form that ends sessions.
#[derive(Deserialize)]
pub(crate) struct Ending {
    token: String,
    /// Which one; without it, all but this one.
    one: Option<String>,
}

/// The form with a new password. It has no `Debug`, so that no log can hold the passwords.
#[derive(Deserialize)]
pub(crate) struct Changed {
    token: String,
    current: String,
    password: String,
}

/// Whoever is signed in, by whichever door; [`browsing`] lets through those with a browser.
pub(crate) type Holder = Option<Extension<Arc<Identity>>>;

/// `GET /_amanah/account`.
pub(crate) async fn show(
    extract::State(state): extract::State<State>,
    holder: Holder,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let Some(identity) = browsing(holder) else { return Ok(sign_in(HERE)) };
    let token = FormToken::issue(&headers, &*state.rng)?;
    let page = page(&state, Words::asked(&headers), identity, token.value).await?;
    Ok(with_cookie(html(&page)?, token.cookie))
}

/// `POST /_amanah/account/sessions`: ends one, or all others.
pub(crate) async fn end_sessions(
    extract::State(state): extract::State<State>,
    holder: Holder,
    headers: HeaderMap,
    form: Result<Form<Ending>, FormRejection>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let Some(identity) = browsing(holder) else { return Ok(sign_in(HERE)) };
    let ended = state.accounts.end_sessions(&identity, form.one.as_deref()).await?;
    let words = Words::asked(&headers);
    let page = page(&state, words, identity, form.token).await?;
    let said = if ended { words.say("sessions-ended") } else { words.say("sessions-none") };
    html(&page.done(said))
}

/// `POST /_amanah/account/password`.
pub(crate) async fn change_password(
    extract::State(state): extract::State<State>,
    holder: Holder,
    headers: HeaderMap,
    form: Result<Form<Changed>, FormRejection>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let Some(identity) = browsing(holder) else { return Ok(sign_in(HERE)) };
    let (current, new) = (Secret::new(form.current), Secret::new(form.password));
    let words = Words::asked(&headers);
    let changed = state.accounts.change_password(&identity, &current, &new).await;
    let page = page(&state, words, identity, form.token).await?;
    match changed {
        Ok(()) => html(&page.done(words.say("password-changed"))),
        Err(trouble) => refused(words, trouble, |problem| page.again(problem)),
    }
}

/// Whoever came in with a browser's session: no key of a program changes an account.
pub(crate) fn browsing(holder: Holder) -> Option<Arc<Identity>> {
    holder.map(|Extension(identity)| identity).filter(|who| who.door == Door::Browser)
}

/// To the sign-in, and then to `next`, a path of ours.
pub(crate) fn sign_in(next: &str) -> Response {
    Redirect::to(&format!("/_amanah/sign-in?next={next}")).into_response()
}

async fn page(
    state: &State,
    words: Words,
    identity: Arc<Identity>,
    token: String,
) -> Result<AccountPage, Error> {
    let sessions = state.accounts.sessions(&identity).await?;
    Ok(AccountPage::new(words, identity, token, sessions))
}
