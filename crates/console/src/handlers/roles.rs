//! The roles of a tenant's own: seen, made, changed and retired by those who may.

use axum::Form;
use axum::extract;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use kernel::{Identity, own};
use serde::Deserialize;

use super::account::{Holder, browsing};
use super::people::allowed;
use super::{html, stale, unreadable, with_cookie};
use crate::csrf::{self, FormToken};
use crate::pages::roles::{RoleEditPage, RolesPage};
use crate::role_desk::{RoleDraft, RoleTrouble};
use crate::words::Words;
use crate::{Error, State, cookie};

/// Where the pages are.
const PAGE: &str = "/_amanah/people/roles";
const EDIT: &str = "/_amanah/people/roles/edit";
const SIGN_IN: &str = "/_amanah/sign-in?next=/_amanah/people/roles";
/// The most permissions and parents that one form names; a catalogue has no more.
const MAX_NAMED: usize = 1_024;

/// Which role is to be changed; without one, a new one is made.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    role: String,
}

/// A role to be retired.
#[derive(Deserialize)]
pub(crate) struct Retiring {
    token: String,
    role: String,
    #[serde(default)]
    anyway: String,
}

/// The form of a role, as it is sent: each permission and each parent is a field of its own.
#[derive(Debug, Default)]
struct Written {
    token: String,
    draft: RoleDraft,
    find: String,
    saves: bool,
}

impl Written {
    fn read(fields: Vec<(String, String)>) -> Result<Self, Error> {
        let mut written = Self::default();
        for (name, value) in fields {
            let draft = &mut written.draft;
            if draft.permits.len() + draft.parents.len() > MAX_NAMED {
                return Err(Error::TooLarge);
            }
            match name.as_str() {
                "token" => written.token = value,
                "name" => value.trim().clone_into(&mut draft.name),
                "title" => value.trim().clone_into(&mut draft.title),
                "factor" => draft.factor = value.parse().map_err(|_| Error::BadRequest)?,
                "p" => draft.permits.push(value.parse().map_err(|_| Error::BadRequest)?),
                "parent" => draft.parents.push(value),
                "known" => draft.known = true,
                "find" => value.trim().clone_into(&mut written.find),
                "do" => written.saves = value == "save",
                _ => {}
            }
        }
        Ok(written)
    }
}

/// `GET /_amanah/people/roles`. For whoever may not change roles, there is no such page.
pub(crate) async fn list(
    extract::State(state): extract::State<State>,
    holder: Holder,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let Some(who) = browsing(holder) else { return Ok(Redirect::to(SIGN_IN).into_response()) };
    allowed(&who, own::PEOPLE_ROLES)?;
    let token = FormToken::issue(&headers, &*state.rng)?;
    let roles = state.roles.roles(&who).await.map_err(unavailable)?;
    let page = RolesPage::new(Words::asked(&headers), token.value, roles);
    Ok(with_cookie(html(&page)?, token.cookie))
}

/// `GET /_amanah/people/roles/edit`. Whoever changes a role proves who they are first, so that nothing
/// that they wrote is lost by it.
pub(crate) async fn edit(
    extract::State(state): extract::State<State>,
    holder: Holder,
    headers: HeaderMap,
    wanted: Result<extract::Query<Wanted>, QueryRejection>,
) -> Result<Response, Error> {
    let extract::Query(wanted) = wanted.map_err(|_| Error::BadRequest)?;
    let Some(who) = browsing(holder) else { return Ok(Redirect::to(SIGN_IN).into_response()) };
    allowed(&who, own::PEOPLE_ROLES)?;
    let back = format!("{EDIT}?role={}", cookie::escaped(&wanted.role));
    if let Some(way) = stale(&state, &who, &back) {
        return Ok(way);
    }
    let draft = if wanted.role.is_empty() {
        RoleDraft { factor: 1, ..RoleDraft::default() }
    } else {
        state.roles.role(&who, &wanted.role).await.map_err(unavailable)?
    };
    let offers = state.roles.offers(&who).await.map_err(unavailable)?;
    let token = FormToken::issue(&headers, &*state.rng)?;
    let page = RoleEditPage::new(Words::asked(&headers), token.value, draft, offers);
    Ok(with_cookie(html(&page)?, token.cookie))
}

/// `POST /_amanah/people/roles/edit`: saves it, or shows other permissions with what was chosen kept.
pub(crate) async fn save(
    extract::State(state): extract::State<State>,
    holder: Holder,
    headers: HeaderMap,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Response, Error> {
    let Form(fields) = form.map_err(|rejection| unreadable(&rejection))?;
    let written = Written::read(fields)?;
    csrf::check(&headers, &written.token)?;
    let Some(who) = browsing(holder) else { return Ok(Redirect::to(SIGN_IN).into_response()) };
    allowed(&who, own::PEOPLE_ROLES)?;
    let words = Words::asked(&headers);
    let trouble = if !written.saves {
        None
    } else if who.is_recent(state.clock.now()) {
        match state.roles.define(&who, &written.draft).await {
            Ok(()) => return Ok(Redirect::to(PAGE).into_response()),
            Err(trouble) => Some(trouble),
        }
    } else {
        Some(RoleTrouble::StepUp)
    };
    let offers = state.roles.offers(&who).await.map_err(unavailable)?;
    let page = RoleEditPage::new(words, written.token, written.draft, offers).found(&written.find);
    let Some(trouble) = trouble else { return html(&page) };
    let (status, problem, more) = said(words, trouble)?;
    Ok((status, html(&page.again(problem, more))?).into_response())
}

/// `POST /_amanah/people/roles/retire`.
pub(crate) async fn retire(
    extract::State(state): extract::State<State>,
    holder: Holder,
    headers: HeaderMap,
    form: Result<Form<Retiring>, FormRejection>,
) -> Result<Response, Error> {
    let Form(form) = form.map_err(|rejection| unreadable(&rejection))?;
    csrf::check(&headers, &form.token)?;
    let Some(who) = browsing(holder) else { return Ok(Redirect::to(SIGN_IN).into_response()) };
    allowed(&who, own::PEOPLE_ROLES)?;
    if let Some(way) = stale(&state, &who, PAGE) {
        return Ok(way);
    }
    let trouble = match state.roles.retire(&who, &form.role, form.anyway == "yes").await {
        Ok(()) => return Ok(Redirect::to(PAGE).into_response()),
        Err(trouble) => trouble,
    };
    refused(&state, &who, Words::asked(&headers), form, trouble).await
}

/// The list, after a role was not retired.
async fn refused(
    state: &State,
    who: &Identity,
    words: Words,
    form: Retiring,
    trouble: RoleTrouble,
) -> Result<Response, Error> {
    let roles = state.roles.roles(who).await.map_err(unavailable)?;
    let page = RolesPage::new(words, form.token, roles);
    let (status, page) = match trouble {
        RoleTrouble::InUse(by) => (StatusCode::CONFLICT, page.in_use(form.role, by)),
        other => {
            let (status, problem, _) = said(words, other)?;
            (status, page.again(problem))
        }
    };
    Ok((status, html(&page)?).into_response())
}

/// What a trouble says: its status, the sentence, and what it is about.
pub(super) fn said(
    words: Words,
    trouble: RoleTrouble,
) -> Result<(StatusCode, String, Option<String>), Error> {
    let (status, problem) = match trouble {
        RoleTrouble::Beyond(what) => {
            return Ok((StatusCode::FORBIDDEN, words.say("roles-beyond"), Some(what)));
        }
        RoleTrouble::Weak(role, key) => {
            let says = if key { words.say("roles-weak-key") } else { words.say("roles-weak") };
            return Ok((StatusCode::CONFLICT, says, Some(role)));
        }
        RoleTrouble::Strength(role, key) => {
            let says =
                if key { words.say("roles-strength-key") } else { words.say("roles-strength") };
            return Ok((StatusCode::FORBIDDEN, says, Some(role)));
        }
        RoleTrouble::InUse(by) => {
            return Ok((StatusCode::CONFLICT, words.say("roles-in-use"), Some(by)));
        }
        RoleTrouble::Refused => (StatusCode::FORBIDDEN, words.say("review-refused")),
        RoleTrouble::StepUp => (StatusCode::FORBIDDEN, words.say("roles-step-up")),
        RoleTrouble::Gone => (StatusCode::NOT_FOUND, words.say("roles-gone")),
        RoleTrouble::Own => (StatusCode::FORBIDDEN, words.say("holder-own")),
        RoleTrouble::Held => (StatusCode::CONFLICT, words.say("holder-held")),
        RoleTrouble::NotHeld => (StatusCode::CONFLICT, words.say("holder-not-held")),
        RoleTrouble::Factor { hardware: true } => {
            (StatusCode::CONFLICT, words.say("holder-hardware"))
        }
        RoleTrouble::Factor { hardware: false } => {
            (StatusCode::CONFLICT, words.say("holder-factor"))
        }
        RoleTrouble::Unfit => (StatusCode::BAD_REQUEST, words.say("roles-unfit")),
        RoleTrouble::Taken => (StatusCode::CONFLICT, words.say("roles-taken")),
        RoleTrouble::Cycle => (StatusCode::CONFLICT, words.say("roles-cycle")),
        RoleTrouble::Full => (StatusCode::CONFLICT, words.say("roles-full")),
        RoleTrouble::Unavailable(cause) => return Err(Error::Unavailable(cause)),
    };
    Ok((status, problem, None))
}

pub(super) fn unavailable(trouble: RoleTrouble) -> Error {
    match trouble {
        RoleTrouble::Unavailable(cause) => Error::Unavailable(cause),
        _ => Error::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::Written;

    #[test]
    fn every_field_is_read_and_what_is_no_number_is_refused() {
        let fields = |all: &[(&str, &str)]| {
            all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let all = [
            ("token", "t"),
            ("name", " Night shift "),
            ("factor", "2"),
            ("p", "3"),
            ("p", "7"),
            ("parent", "viewer"),
            ("do", "save"),
            ("other", "x"),
        ];
        let read = Written::read(fields(&all)).unwrap();
        assert_eq!((read.draft.name.as_str(), &*read.draft.permits), ("Night shift", &[3, 7][..]));
        assert!(read.saves && !read.draft.known && read.draft.parents == ["viewer"]);
        for bad in [("p", "x"), ("p", "70000"), ("factor", "-1")] {
            assert!(Written::read(fields(&[bad])).is_err(), "{bad:?}");
        }
        let many = vec![("p".to_owned(), "1".to_owned()); 2_000];
        assert!(Written::read(many).is_err());
    }
}
