//! What the pages of second factors share: the service, who is asking, and what their faults say.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::http::header::{HOST, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::{Assertion, Holder, Identities, Party, Registration, StepToken};
use kernel::{Identity, Secret, SessionToken};
use serde::Deserialize;

use crate::words::Words;
use crate::{Error, State, cookie, csrf};

/// Where somebody signs in.
pub(crate) const SIGN_IN: &str = "/_amanah/sign-in";
/// Where somebody sees their second factors.
pub(crate) const SECURITY: &str = "/_amanah/account/security";
/// Where somebody proves once more who they are.
pub(crate) const CONFIRM: &str = "/_amanah/account/confirm";

/// Whoever is signed in, as the gateway says.
pub(crate) type SignedInAs = Option<Extension<Arc<Identity>>>;

/// The service of second factors, and what this site is called.
#[derive(Clone)]
pub struct Desk {
    /// The service.
    pub identities: Arc<Identities>,
    /// The names of this site's hosts.
    pub names: Arc<[String]>,
    /// What an authenticator app calls this site.
    pub issuer: String,
}

/// The forms of second factors, whichever of their fields they have. They have no `Debug`, so that no
/// log can hold a code.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Fields {
    pub(crate) token: String,
    pub(crate) next: String,
    pub(crate) code: String,
    pub(crate) password: String,
    pub(crate) name: String,
    pub(crate) id: String,
    key: String,
    client_data: String,
    attestation: String,
    data: String,
    signature: String,
}

impl Fields {
    /// The fields of a form that was sent from a page of ours.
    ///
    /// # Errors
    /// [`Error::Forged`], [`Error::TooLarge`] or [`Error::BadRequest`].
    pub(crate) fn read(
        headers: &HeaderMap,
        form: Result<Form<Self>, FormRejection>,
    ) -> Result<Self, Error> {
        let Form(fields) = form.map_err(|rejection| {
            let large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
            if large { Error::TooLarge } else { Error::BadRequest }
        })?;
        csrf::check(headers, &fields.token)?;
        Ok(fields)
    }

    /// The answer of a key that was made.
    pub(crate) fn registration(&self) -> Result<Registration, Error> {
        Ok(Registration {
            client_data: bytes(&self.client_data)?,
            attestation: bytes(&self.attestation)?,
        })
    }

    /// The answer of a key that was used.
    pub(crate) fn assertion(&self) -> Result<Assertion, Error> {
        Ok(Assertion {
            id: bytes(&self.key)?,
            client_data: bytes(&self.client_data)?,
            data: bytes(&self.data)?,
            signature: bytes(&self.signature)?,
        })
    }

    pub(crate) fn code(&self) -> Secret {
        Secret::new(self.code.clone())
    }
}

fn bytes(text: &str) -> Result<Vec<u8>, Error> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::BadRequest)
}

/// The desk, where there is one.
pub(crate) fn desk(state: &State) -> Result<&Desk, Error> {
    state.desk.as_ref().ok_or(Error::NotFound)
}

/// This site, under the name that the browser knows it by.
pub(crate) fn party(desk: &Desk, headers: &HeaderMap) -> Result<Party, Error> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    Party::new(host, &desk.names).ok_or(Error::BadRequest)
}

/// Who sets a factor up: somebody in a step of a sign-in, or somebody who is signed in.
pub(crate) enum Who {
    Step(StepToken),
    Session(Arc<Identity>),
}

impl Who {
    /// # Errors
    /// A way to the sign-in, when it is neither.
    pub(crate) fn of(headers: &HeaderMap, identity: SignedInAs) -> Result<Self, Box<Response>> {
        match (identity, cookie::step(headers)) {
            (Some(Extension(identity)), _) => Ok(Self::Session(identity)),
            (None, Some(step)) => Ok(Self::Step(StepToken(step))),
            (None, None) => Err(Box::new(Redirect::to(SIGN_IN).into_response())),
        }
    }

    pub(crate) fn holder(&self) -> Holder<'_> {
        match self {
            Self::Step(token) => Holder::Step(token),
            Self::Session(identity) => Holder::Session(identity),
        }
    }
}

/// A way to another page, with a session that was just opened: the step, and the token of forms that was
/// known before it, are forgotten.
pub(crate) fn entered(response: Response, token: &SessionToken) -> Result<Response, Error> {
    let mut response = renewed(response, token)?;
    response.headers_mut().append(SET_COOKIE, cookie::remove(cookie::FORM_COOKIE)?);
    Ok(response)
}

/// The same where the session before was the same person's: what they wrote in a form that is still open can be
/// sent.
pub(crate) fn renewed(mut response: Response, token: &SessionToken) -> Result<Response, Error> {
    for set in [cookie::set_session(token)?, cookie::remove(cookie::STEP_COOKIE)?] {
        response.headers_mut().append(SET_COOKIE, set);
    }
    Ok(response)
}

/// What a fault of the service is to a reader.
pub(crate) enum Fault {
    /// A sentence on the same page, with a status.
    Say(StatusCode, String),
    /// Another page.
    Go(String),
    /// The page of an error.
    Fail(Error),
}

/// `back` is where somebody comes back to once they have proven who they are.
pub(crate) fn fault(error: identity::Error, back: &str, words: Words) -> Fault {
    use identity::Error as E;
    let (status, text) = match error {
        E::Wrong => (StatusCode::FORBIDDEN, words.say("factor-wrong")),
        E::Passkey => (StatusCode::FORBIDDEN, words.say("factor-passkey-refused")),
        E::Wait => (StatusCode::TOO_MANY_REQUESTS, words.say("factor-wait")),
        E::LastFactor => (StatusCode::CONFLICT, words.say("factor-last")),
        E::NoSuch(_) => (StatusCode::CONFLICT, words.say("factor-none")),
        E::Over => return Fault::Go(SIGN_IN.to_owned()),
        E::StepUp => return Fault::Go(format!("{CONFIRM}?next={}", cookie::escaped(back))),
        E::Busy => (StatusCode::SERVICE_UNAVAILABLE, words.say("trouble-busy")),
        E::Refused => return Fault::Fail(Error::NotFound),
        other => return Fault::Fail(Error::Unavailable(other.to_string())),
    };
    Fault::Say(status, text)
}
