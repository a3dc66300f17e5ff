//! What administrators of a tenant do about its own directory.

use std::sync::Arc;

use axum::Form;
use axum::extract;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use directory::{By, NewToken};
use kernel::{Identity, own};
use serde::Deserialize;

use super::account::{Holder, browsing};
use super::{html, stale, unreadable, with_cookie};
use crate::csrf::{self, FormToken};
use crate::pages::directory::DirectoryPage;
use crate::words::Words;
use crate::{Error, Scim, State};

/// Where the page is.
const PAGE: &str = "/_amanah/people/directory";
const SIGN_IN: &str = "/_amanah/sign-in?next=/_amanah/people/directory";

/// The forms, whichever of their fields they have.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Fields {
    token: String,
    name: String,
    days: String,
    id: String,
    group: String,
    role: String,
}

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deed {
    /// A token is made.
    Make,
    /// A token ends.
    End,
    /// A group gives a role.
    Map,
    /// A group does not give a role any more.
    Unmap,
}

/// `GET /_amanah/people/directory`. For whoever may not, there is no such page.
pub(crate) async fn show(
    extract::State(state): extract::State<State>,
    holder: Holder,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let Some(identity) = browsing(holder) else {
        return Ok(Redirect::to(SIGN_IN).into_response());
    };
    let scim = allowed(&state, &identity)?;
    let token = FormToken::issue(&headers, &*state.rng)?;
    let page = page(&state, scim, (&headers, &identity), token.value).await?;
    Ok(with_cookie(html(&page)?, token.cookie))
}

/// `POST /_amanah/people/directory/…`.
pub(crate) async fn act(
    state: State,
    holder: Holder,
    headers: HeaderMap,
    form: Result<Form<Fields>, FormRejection>,
    deed: Deed,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let Some(identity) = browsing(holder) else {
        return Ok(Redirect::to(SIGN_IN).into_response());
    };
    let scim = allowed(&state, &identity)?;
    if let Some(way) = stale(&state, &identity, PAGE) {
        return Ok(way);
    }
    let (directory, tenant, by) = (&scim.directory, &identity.tenant, By::person(&identity));
    let done = match deed {
        Deed::Make => {
            // What is no number is as long as no token may live.
            let days = form.days.trim().parse().unwrap_or(u16::MAX);
            let new = NewToken { name: form.name, days };
            directory.make_token(tenant, &new, &by).await.map(|(_, secret)| Some(secret))
        }
        Deed::End => match directory.revoke_token(Some(tenant), &form.id, &by).await {
            Ok(true) => Ok(None),
            Ok(false) => Err(directory::Error::NotFound),
            Err(error) => Err(error),
        },
        Deed::Map => directory.map(&identity, &form.group, &form.role).await.map(|()| None),
        Deed::Unmap => directory.unmap(tenant, &form.group, &form.role, &by).await.map(|()| None),
    };
    let words = Words::asked(&headers);
    let page = page(&state, scim, (&headers, &identity), form.token).await?;
    match done {
        Ok(Some(secret)) => html(&page.made(secret)),
        Ok(None) => html(&page.done(words.say("directory-done"))),
        Err(error) => {
            let (status, problem) = told(words, error)?;
            Ok((status, html(&page.again(problem))?).into_response())
        }
    }
}

fn told(words: Words, error: directory::Error) -> Result<(StatusCode, String), Error> {
    use directory::Error as E;
    Ok(match error {
        E::NotFound => (StatusCode::NOT_FOUND, words.say("directory-gone")),
        E::Refused(_) => (StatusCode::FORBIDDEN, words.say("directory-refused")),
        E::Field { .. } => (StatusCode::BAD_REQUEST, words.say("directory-unfit")),
        other => return Err(Error::Unavailable(other.to_string())),
    })
}

fn allowed<'a>(state: &'a State, identity: &Identity) -> Result<&'a Scim, Error> {
    // Support sees a tenant's data and never its people.
    let may = identity.may(own::PEOPLE_DIRECTORY) && identity.standing.support.is_none();
    state.scim.as_ref().filter(|_| may).ok_or(Error::NotFound)
}

async fn page(
    state: &State,
    scim: &Scim,
    (headers, identity): (&HeaderMap, &Arc<Identity>),
    token: String,
) -> Result<DirectoryPage, Error> {
    let away = |error: directory::Error| Error::Unavailable(error.to_string());
    let overview = scim.directory.overview(&identity.tenant).await.map_err(away)?;
    let roles = scim.directory.mappable(identity).await.map_err(away)?;
    let (words, now) = (Words::asked(headers), state.clock.now());
    Ok(DirectoryPage::new(words, (token, scim.directory.base()), overview, roles, now))
}
