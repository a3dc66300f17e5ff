//! The directories of tenants, over HTTP: SCIM 2.0 (RFC 7644) under `/_amanah/scim/v2`.
//!
//! It promises that nothing is read or changed without a directory's token, whatever cookie comes
//! along; that a token is answered about its own tenant alone; and that every answer, also a refusal,
//! is one that a directory can read. What users and groups are, and what a change means, is
//! [`directory`]'s.
//!
//! The attacks it stops: guessing tokens at speed, bodies that are built to take memory, and asking
//! whether somebody is a customer elsewhere.

mod about;
pub(crate) mod fault;
mod resources;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, LOCATION};
use axum::response::{IntoResponse as _, Response};
use directory::{Caller, Directory, Resource};
use identity::{Attempted, Limits, Shows};
use jiff::Timestamp;
use kernel::{Clock, Secret};
use serde_json::{Map, Value};

use crate::voice::guard;
use crate::{Origin, State};
use fault::Fault;

pub(crate) use about::{resource_type, resource_types, schema, schemas, settings};
pub(crate) use resources::{
    all, create_group, create_user, group, groups, patch_group, patch_user, remove_group,
    remove_user, replace_group, replace_user, search, search_groups, search_users, user, users,
};

/// The largest body, in bytes, as the gateway lets it through.
pub(crate) const MAX_BODY_BYTES: usize = 512 * 1024;
/// What answers are.
const SCIM: &str = "application/scim+json";
/// What requests may be besides.
const JSON: &str = "application/json";
/// The scheme of the token.
const BEARER: &str = "bearer";

/// The directories of tenants, and how often they may ask. Without it nobody is answered.
#[derive(Clone)]
pub struct Scim {
    /// The service.
    pub directory: Arc<Directory>,
    /// Counts requests by their token, or without a good one by the address that they come from.
    pub limits: Arc<Limits>,
}

/// Somebody who showed a good token.
struct Admitted<'a> {
    directory: &'a Directory,
    who: Caller,
}

/// Lets a request in by its token.
///
/// # Errors
/// The [`Fault`] that says no.
async fn admit<'a>(
    state: &'a State,
    from: &Origin,
    headers: &HeaderMap,
) -> Result<Admitted<'a>, Fault> {
    let scim = state.scim.as_ref().ok_or_else(Fault::absent)?;
    let who = scim.known(headers, from.peer, Clock::now(&*state.clock), str::to_owned).await?;
    Ok(Admitted { directory: &scim.directory, who })
}

/// Judges a request of a directory from `peer` by its head alone, while its body is still to come:
/// whoever shows no good token has nothing read into memory. The request itself is judged anew once
/// all of it is there.
///
/// # Errors
/// The answer that says no.
pub async fn judge(
    (scim, clock): (Option<&Scim>, &dyn Clock),
    headers: &HeaderMap,
    peer: IpAddr,
) -> Result<Caller, Response> {
    let refused = |fault: Fault| {
        let mut answer = fault.into_response();
        guard(answer.headers_mut());
        answer
    };
    let scim = scim.ok_or_else(|| refused(Fault::absent()))?;
    // Heads are counted apart, at the same rate, so that a request is not counted twice.
    let head = |token: &str| format!("{token} head");
    scim.known(headers, peer, clock.now(), head).await.map_err(refused)
}

impl Scim {
    /// Whoever shows a token, counted under the name that `counted` makes of the token's.
    async fn known(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
        now: Timestamp,
        counted: impl Fn(&str) -> String + Send,
    ) -> Result<Caller, Fault> {
        // Whoever shows a good token is counted by it: nobody else can use up what is theirs.
        let known = match bearer(headers) {
            Some(token) => self.directory.admit(&token).await,
            None => Err(directory::Error::Token),
        };
        let free = match &known {
            Ok(who) => self.limits.allow_known(Shows::Directory(&counted(who.token())), now),
            Err(directory::Error::Token) => self.limits.allow(Attempted::Directory, peer, now),
            Err(_) => true,
        };
        if !free {
            return Err(Fault::later());
        }
        Ok(known?)
    }
}

/// The one token of `Authorization: Bearer`.
fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (one, None) = (all.next()?, all.next()) else { return None };
    let (scheme, token) = one.to_str().ok()?.trim().split_once(' ')?;
    let token = token.trim();
    scheme.eq_ignore_ascii_case(BEARER).then(|| Secret::new(token.to_owned()))
}

/// The body as JSON.
///
/// # Errors
/// The [`Fault`]: another media type, too large, or no JSON.
fn read(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Value, Fault> {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = media.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    if ![SCIM, JSON].iter().any(|known| media.eq_ignore_ascii_case(known)) {
        return Err(Fault::media());
    }
    let body = body.map_err(|_| Fault::large())?;
    // Its own bound of depth is 128.
    serde_json::from_slice(&body).map_err(|_| Fault::syntax())
}

/// An answer that nobody keeps.
fn answer(status: StatusCode, fields: &Map<String, Value>) -> Response {
    let body = serde_json::to_vec(fields).unwrap_or_default();
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(SCIM));
    response
}

/// A resource, with its version and where it is.
fn told(status: StatusCode, resource: &Resource, location: &str) -> Response {
    let mut response = answer(status, &resource.fields);
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::try_from(resource.tag()) {
        headers.insert(ETAG, tag);
    }
    if let Ok(location) = HeaderValue::try_from(location) {
        headers.insert(LOCATION, location);
    }
    response
}
