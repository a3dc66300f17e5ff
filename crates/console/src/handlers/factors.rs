//! Second factors set up, listed and removed by their owner.

use axum::Form;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{self, Query};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use identity::Enrolled;
use kernel::SessionToken;

use super::desk::{Desk, Fault, Fields, SECURITY, SignedInAs, Who, desk, entered, fault, party};
use super::html;
use super::origin::unplaced;
use super::step::{Next, with_next};
use super::with_cookie;
use crate::csrf::FormToken;
use crate::pages::codes::CodesPage;
use crate::pages::enrol::EnrolPage;
use crate::pages::key::KeyPage;
use crate::pages::security::SecurityPage;
use crate::target::local;
use crate::words::Words;
use crate::{Error, State, cookie};

/// Where the QR code of a new app is shown.
const APP: &str = "/_amanah/factors/app";

/// A form of ours, which was sent by somebody who sets something up.
struct Asked {
    fields: Fields,
    who: Who,
}

impl Asked {
    fn read(
        headers: &HeaderMap,
        identity: SignedInAs,
        form: Result<Form<Fields>, FormRejection>,
    ) -> Result<Result<Self, Response>, Error> {
        let fields = Fields::read(headers, form)?;
        Ok(Who::of(headers, identity).map(|who| Self { fields, who }).map_err(|away| *away))
    }
}

/// `GET /_amanah/account/security`.
pub(crate) async fn security(
    extract::State(state): extract::State<State>,
    identity: SignedInAs,
    headers: HeaderMap,
) -> Result<Response, Error> {
    listed(&state, identity, &headers, None).await
}

/// `POST /_amanah/factors/app`: a new seed, and the way to its QR code.
pub(crate) async fn start_app(
    extract::State(state): extract::State<State>,
    identity: SignedInAs,
    headers: HeaderMap,
    form: Result<Form<Fields>, FormRejection>,
) -> Result<Response, Error> {
    let Asked { fields, who } = match Asked::read(&headers, identity, form)? {
        Ok(asked) => asked,
        Err(away) => return Ok(away),
    };
    let (desk, next) = (desk(&state)?, local(&fields.next));
    match desk.identities.start_app(who.holder(), &desk.issuer).await {
        Ok(_) => Ok(Redirect::to(&with_next(APP, next)).into_response()),
        Err(error) => refuse(&state, &headers, who, error).await,
    }
}

/// `GET /_amanah/factors/app`: its QR code, until a code of it was shown.
pub(crate) async fn app(
    extract::State(state): extract::State<State>,
    identity: SignedInAs,
    headers: HeaderMap,
    query: Result<Query<Next>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(Next { next }) = query.map_err(|_| Error::BadRequest)?;
    match Who::of(&headers, identity) {
        Ok(who) => qr(&state, &headers, who, local(&next), None).await,
        Err(away) => Ok(*away),
    }
}

/// `POST /_amanah/factors/app/confirm`: the first code of a new app.
pub(crate) async fn confirm_app(
    extract::State(state): extract::State<State>,
    identity: SignedInAs,
    headers: HeaderMap,
    form: Result<Form<Fields>, FormRejection>,
) -> Result<Response, Error> {
    let Asked { fields, who } = match Asked::read(&headers, identity, form)? {
        Ok(asked) => asked,
        Err(away) => return Ok(away),
    };
    let (desk, next) = (desk(&state)?, local(&fields.next));
    match desk.identities.confirm_app(who.holder(), &fields.code()).await {
        Ok(enrolled) => added(&state, &headers, &who, next, &enrolled).await,
        Err(error) => match fault(error, SECURITY, Words::asked(&headers)) {
            Fault::Say(status, said) => qr(&state, &headers, who, next, Some((status, said))).await,
            other => away(other),
        },
    }
}

/// `POST /_amanah/factors/key/ask`: the page that has the browser make a passkey.
pub(crate) async fn ask_key(
    extract::State(state): extract::State<State>,
    identity: SignedInAs,
    headers: HeaderMap,
    form: Result<Form<Fields>, FormRejection>,
) -> Result<Response, Error> {
    let Asked { fields, who } = match Asked::read(&headers, identity, form)? {
        Ok(asked) => asked,
        Err(away) => return Ok(away),
    };
    let (desk, next) = (desk(&state)?, local(&fields.next));
    match desk.identities.start_passkey(who.holder(), &party(desk, &headers)?).await {
        Ok(ceremony) => {
            let words = Words::asked(&headers);
            let action = "/_amanah/factors/key";
            let page = KeyPage::making(words, fields.token.clone(), next, action, &ceremony);
            html(&page.under(&headers))
        }
        Err(error) => refuse(&state, &headers, who, error).await,
    }
}

/// `POST /_amanah/factors/key`: a passkey that was made.
pub(crate) async fn add_key(
    extract::State(state): extract::State<State>,
    identity: SignedInAs,
    headers: HeaderMap,
    form: Result<Form<Fields>, FormRejection>,
) -> Result<Response, Error> {
    let Asked { fields, who } = match Asked::read(&headers, identity, form)? {
        Ok(asked) => asked,
        Err(away) => return Ok(away),
    };
    let (desk, next) = (desk(&state)?, local(&fields.next));
    let (party, answer) = (party(desk, &headers)?, fields.registration()?);
    let made = desk.identities.add_passkey(who.holder(), &party, &fields.name, &answer).await;
    match made {
        Ok(enrolled) => added(&state, &headers, &who, next, &enrolled).await,
        Err(error) => refuse(&state, &headers, who, error).await,
    }
}

/// What is changed on the page of one's factors.
#[derive(Clone, Copy)]
pub(crate) enum Change {
    RemoveApp,
    RemoveKey,
    NameKey,
    NewCodes,
}

/// `POST` of each [`Change`].
pub(crate) async fn change(
    state: State,
    identity: SignedInAs,
    headers: HeaderMap,
    form: Result<Form<Fields>, FormRejection>,
    what: Change,
) -> Result<Response, Error> {
    let Asked { fields, who } = match Asked::read(&headers, identity, form)? {
        Ok(asked) => asked,
        Err(away) => return Ok(away),
    };
    let Who::Session(identity) = &who else { return Err(Error::NotFound) };
    let service = &desk(&state)?.identities;
    let back = || Redirect::to(SECURITY).into_response();
    let renewed = |token: SessionToken| entered(back(), &token);
    let done = match what {
        Change::RemoveApp => service.remove_app(identity).await.map(renewed),
        Change::RemoveKey => service.remove_passkey(identity, &fields.id).await.map(renewed),
        Change::NameKey => {
            let named = service.name_passkey(identity, &fields.id, &fields.name).await;
            named.map(|()| Ok(back()))
        }
        Change::NewCodes => service
            .renew_codes(identity)
            .await
            .map(|codes| html(&CodesPage::new(Words::asked(&headers), &codes, SECURITY))),
    };
    match done {
        Ok(response) => response,
        Err(error) => refuse(&state, &headers, who, error).await,
    }
}

/// After a factor was added: its recovery codes, where there are new ones. In a step, that was the end of a
/// sign-in.
async fn added(
    state: &State,
    headers: &HeaderMap,
    who: &Who,
    next: &str,
    enrolled: &Enrolled,
) -> Result<Response, Error> {
    let to = if matches!(who, Who::Session(_)) { SECURITY } else { next };
    let response = if enrolled.codes.is_empty() {
        Redirect::to(to).into_response()
    } else {
        html(&CodesPage::new(Words::asked(headers), &enrolled.codes, to))?
    };
    let response = entered(response, &enrolled.session)?;
    if matches!(who, Who::Session(_)) {
        return Ok(response);
    }
    let browser = state.accounts.signed_in(&enrolled.session, &unplaced(headers)).await;
    let known = browser.as_ref().map(cookie::set_known).transpose()?;
    Ok(with_cookie(response, known))
}

async fn refuse(
    state: &State,
    headers: &HeaderMap,
    who: Who,
    error: identity::Error,
) -> Result<Response, Error> {
    match (fault(error, SECURITY, Words::asked(headers)), who) {
        (Fault::Say(status, said), Who::Session(identity)) => {
            let identity = Some(axum::Extension(identity));
            listed(state, identity, headers, Some((status, said))).await
        }
        // In a step there is no list to go back to.
        (Fault::Say(status, said), Who::Step(_)) => {
            super::step::show(state, headers, "/", Some((status, said))).await
        }
        (other, _) => away(other),
    }
}

fn away(fault: Fault) -> Result<Response, Error> {
    match fault {
        Fault::Go(to) => Ok(Redirect::to(&to).into_response()),
        Fault::Fail(error) => Err(error),
        Fault::Say(status, _) => Ok(status.into_response()),
    }
}

async fn listed(
    state: &State,
    identity: SignedInAs,
    headers: &HeaderMap,
    problem: Option<(StatusCode, String)>,
) -> Result<Response, Error> {
    let Some(axum::Extension(identity)) = identity else {
        return Ok(Redirect::to(&with_next(super::desk::SIGN_IN, SECURITY)).into_response());
    };
    let factors = desk(state)?.identities.factors(&identity).await;
    let factors = factors.map_err(|error| Error::Unavailable(error.to_string()))?;
    let words = Words::asked(headers);
    let token = FormToken::issue(headers, &*state.rng)?;
    let (status, said) = problem.unzip();
    let page = SecurityPage::new(words, token.value, factors, said);
    let response = (status.unwrap_or(StatusCode::OK), html(&page)?).into_response();
    Ok(with_cookie(response, token.cookie))
}

async fn qr(
    state: &State,
    headers: &HeaderMap,
    who: Who,
    next: &str,
    problem: Option<(StatusCode, String)>,
) -> Result<Response, Error> {
    let desk: &Desk = desk(state)?;
    let app = match desk.identities.waiting_app(who.holder(), &desk.issuer).await {
        Ok(app) => app,
        Err(error) => return refuse(state, headers, who, error).await,
    };
    let words = Words::asked(headers);
    let token = FormToken::issue(headers, &*state.rng)?;
    let (status, said) = problem.unzip();
    let page = EnrolPage::new(words, token.value, next, &app, said)?;
    let response = (status.unwrap_or(StatusCode::OK), html(&page)?).into_response();
    Ok(with_cookie(response, token.cookie))
}
