//! The roles of one person: seen, given and taken by another of their tenant who may.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{self, Path};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use kernel::{Identity, own};
use serde::Deserialize;

use super::account::{Holder, browsing, sign_in};
use super::people::allowed;
use super::roles::{said, unavailable};
use super::{html, stale, unreadable, with_cookie};
use crate::csrf::{self, FormToken};
use crate::pages::holder::{Draft, HolderPage};
use crate::role_desk::{RoleGift, RoleTrouble};
use crate::words::Words;
use crate::{Error, State, cookie};

/// Where the pages of people begin.
const PEOPLE: &str = "/_amanah/people";

/// A role to be given.
#[derive(Deserialize)]
pub(crate) struct Giving {
    token: String,
    account: String,
    role: String,
    reason: String,
    /// The last day on which it counts; empty when it stays.
    #[serde(default)]
    last: String,
}

/// A role to be taken.
#[derive(Deserialize)]
pub(crate) struct Taking {
    token: String,
    account: String,
    role: String,
    reason: String,
}

/// `GET /_amanah/people/{account}`. For whoever may not, and of whoever is not of their tenant, there is no
/// such page.
pub(crate) async fn show(
    extract::State(state): extract::State<State>,
    holder: Holder,
    headers: HeaderMap,
    Path(account): Path<String>,
) -> Result<Response, Error> {
    let Some(who) = browsing(holder) else {
        return Ok(sign_in(&cookie::escaped(&here(&account))));
    };
    may(&who)?;
    let token = FormToken::issue(&headers, &*state.rng)?;
    let page = page(&state, Words::asked(&headers), &who, &account, token.value).await?;
    Ok(with_cookie(html(&page)?, token.cookie))
}

/// `POST /_amanah/people/roles/give`.
pub(crate) async fn give(
    extract::State(state): extract::State<State>,
    holder: Holder,
    headers: HeaderMap,
    form: Result<Form<Giving>, FormRejection>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let Some(who) = browsing(holder) else { return Ok(sign_in(PEOPLE)) };
    may(&who)?;
    if let Some(way) = stale(&state, &who, &here(&form.account)) {
        return Ok(way);
    }
    let given = match end_of(&form.last) {
        Some(until) => {
            let (role, reason) = (form.role.clone(), form.reason.trim().to_owned());
            state.roles.give(&who, &form.account, &RoleGift { role, reason, until }).await
        }
        None => Err(RoleTrouble::Unfit),
    };
    let words = Words::asked(&headers);
    let page = page(&state, words, &who, &form.account, form.token).await?;
    match given {
        Ok(()) => html(&page.done(words.say("holder-given"))),
        Err(trouble) => {
            let draft = Draft { role: form.role, reason: form.reason, last: form.last };
            refused(words, page.drafted(draft), trouble)
        }
    }
}

/// `POST /_amanah/people/roles/take`.
pub(crate) async fn take(
    extract::State(state): extract::State<State>,
    holder: Holder,
    headers: HeaderMap,
    form: Result<Form<Taking>, FormRejection>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let Some(who) = browsing(holder) else { return Ok(sign_in(PEOPLE)) };
    may(&who)?;
    if let Some(way) = stale(&state, &who, &here(&form.account)) {
        return Ok(way);
    }
    let taken = state.roles.take(&who, &form.account, &form.role, form.reason.trim()).await;
    let words = Words::asked(&headers);
    let page = page(&state, words, &who, &form.account, form.token).await?;
    match taken {
        Ok(()) => html(&page.done(words.say("holder-taken"))),
        Err(trouble) => refused(words, page, trouble),
    }
}

/// Where the page of `account` is.
fn here(account: &str) -> String {
    format!("{PEOPLE}/{}", cookie::escaped(account))
}

/// Who gives roles sees the people, too: whom else would they give them to?
fn may(who: &Identity) -> Result<(), Error> {
    allowed(who, own::PEOPLE_READ)?;
    allowed(who, own::PEOPLE_ROLES)
}

/// The moment in which the `last` day is over in UTC, or no end for an empty text. None when that is no day.
#[expect(clippy::option_option, reason = "no day at all is something else than one that is none")]
fn end_of(last: &str) -> Option<Option<Timestamp>> {
    if last.trim().is_empty() {
        return Some(None);
    }
    let next = last.trim().parse::<Date>().ok()?.tomorrow().ok()?;
    Some(Some(next.to_zoned(TimeZone::UTC).ok()?.timestamp()))
}

async fn page(
    state: &State,
    words: Words,
    who: &Identity,
    account: &str,
    token: String,
) -> Result<HolderPage, Error> {
    let holder = state.roles.holder(who, account).await.map_err(unavailable)?;
    Ok(HolderPage::new(words, (token, here(account)), holder, (who, state.clock.now())))
}

fn refused(words: Words, page: HolderPage, trouble: RoleTrouble) -> Result<Response, Error> {
    let (status, problem, more) = match trouble {
        RoleTrouble::Unfit => {
            let (status, ..) = said(words, RoleTrouble::Unfit)?;
            (status, words.say("holder-unfit"), None)
        }
        RoleTrouble::Beyond(what) => {
            let (status, _, more) = said(words, RoleTrouble::Beyond(what))?;
            (status, words.say("holder-beyond"), more)
        }
        other => said(words, other)?,
    };
    Ok((status, html(&page.again(problem, more))?).into_response())
}

#[cfg(test)]
mod tests {
    use super::end_of;

    #[test]
    fn a_role_ends_when_its_last_day_is_over() {
        assert_eq!(end_of(" "), Some(None));
        let end = "2027-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(end_of("2026-12-31"), Some(Some(end)));
        for bad in ["x", "2026-13-01", "2026-02-30", "9999-12-31", "-1", "31.12.2026"] {
            assert_eq!(end_of(bad), None, "{bad}");
        }
    }
}
