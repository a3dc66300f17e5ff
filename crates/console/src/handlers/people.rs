//! The people of a tenant: who there is, and who is invited.

use std::sync::Arc;

use axum::Form;
use axum::extract;
use axum::extract::rejection::FormRejection;
use axum::http::HeaderMap;
use axum::response::Response;
use kernel::{Identity, PermissionId, own};
use serde::Deserialize;

use super::account::{Holder, browsing, sign_in};
use super::reset::refused;
use super::{html, stale, unreadable, with_cookie};
use crate::csrf::{self, FormToken};
use crate::pages::people::PeoplePage;
use crate::words::Words;
use crate::{Error, Invitation, State};

/// Where these pages are.
const HERE: &str = "/_amanah/people";

/// The form that invites.
#[derive(Deserialize)]
pub(crate) struct Inviting {
    token: String,
    email: String,
    role: String,
    #[serde(default)]
    language: String,
}

/// The form that takes an invitation back.
#[derive(Deserialize)]
pub(crate) struct Withdrawing {
    token: String,
    one: String,
}

/// `GET /_amanah/people`. For whoever may not see them, there is no such page.
pub(crate) async fn list(
    extract::State(state): extract::State<State>,
    holder: Holder,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let Some(identity) = browsing(holder) else { return Ok(sign_in(HERE)) };
    allowed(&identity, own::PEOPLE_READ)?;
    let token = FormToken::issue(&headers, &*state.rng)?;
    let page = page(&state, Words::asked(&headers), &identity, token.value).await?;
    Ok(with_cookie(html(&page)?, token.cookie))
}

/// `POST /_amanah/people/invite`.
pub(crate) async fn invite(
    extract::State(state): extract::State<State>,
    holder: Holder,
    headers: HeaderMap,
    form: Result<Form<Inviting>, FormRejection>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let Some(identity) = browsing(holder) else { return Ok(sign_in(HERE)) };
    // The answer is the list.
    allowed(&identity, own::PEOPLE_READ)?;
    allowed(&identity, own::PEOPLE_INVITE)?;
    if let Some(way) = stale(&state, &identity, HERE) {
        return Ok(way);
    }
    let new = Invitation { email: form.email, roles: vec![form.role], language: form.language };
    let invited = state.accounts.invite(&identity, &new).await;
    let words = Words::asked(&headers);
    let page = page(&state, words, &identity, form.token).await?;
    match invited {
        Ok(()) => html(&page.done(words.say("people-invite-done"))),
        Err(trouble) => refused(words, trouble, |problem| page.again(problem)),
    }
}

/// `POST /_amanah/people/withdraw`.
pub(crate) async fn withdraw(
    extract::State(state): extract::State<State>,
    holder: Holder,
    headers: HeaderMap,
    form: Result<Form<Withdrawing>, FormRejection>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let Some(identity) = browsing(holder) else { return Ok(sign_in(HERE)) };
    allowed(&identity, own::PEOPLE_READ)?;
    allowed(&identity, own::PEOPLE_INVITE)?;
    state.accounts.withdraw(&identity, &form.one).await?;
    let words = Words::asked(&headers);
    let page = page(&state, words, &identity, form.token).await?;
    html(&page.done(words.say("people-withdrawn")))
}

pub(super) fn allowed(identity: &Identity, permission: PermissionId) -> Result<(), Error> {
    // Support sees a tenant's data and never its people.
    let here = identity.standing.support.is_none();
    if here && identity.may(permission) { Ok(()) } else { Err(Error::NotFound) }
}

async fn page(
    state: &State,
    words: Words,
    identity: &Arc<Identity>,
    token: String,
) -> Result<PeoplePage, Error> {
    let mut people = state.accounts.people(identity).await?;
    if !identity.may(own::PEOPLE_INVITE) {
        people.roles.clear();
        people.invited.clear();
    }
    Ok(PeoplePage::new(words, identity, token, people))
}
