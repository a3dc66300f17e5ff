//! Tokens for programs: the first pair for a browser's session, the next for a refresh token, the
//! end of them, and who a program is.
//!
//! Requests and answers are those of OAuth 2.0: RFC 6749 (sections 5 and 6), RFC 7009, RFC 7517.

use std::sync::Arc;

use axum::extract::{self, FromRequest as _, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Form, Json};
use kernel::{Identity, Secret};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::desk::CONFIRM;
use crate::{Error, Granted, State, TokenRefusal, cookie};

/// The grant that turns a browser's session into tokens: our own, so an absolute URI (RFC 6749,
/// section 4.5).
const SESSION_GRANT: &str = "urn:amanah:grant:session";
/// How long others may keep our keys, in seconds; a new key signs at once, and whoever does not know
/// it asks again.
const KEY_SET_KEPT: &str = "public, max-age=60";
const KEY_SET_TYPE: &str = "application/jwk-set+json";

/// What is asked for. It has no `Debug`, so that no log can hold the token.
#[derive(Deserialize)]
struct Asked {
    grant_type: String,
    refresh_token: Option<String>,
}

/// What is to end, likewise.
#[derive(Deserialize)]
struct Ended {
    token: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i64,
    refresh_token: &'a str,
}

/// How RFC 6749 says no.
#[derive(Serialize)]
struct Problem {
    error: &'static str,
    error_description: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_uri: Option<&'static str>,
}

#[derive(Serialize)]
struct Who<'a> {
    account: &'a str,
    actor: &'a str,
    name: &'a str,
    tenant: &'a str,
    roles: &'a [String],
    strength: kernel::Strength,
    door: kernel::Door,
    session: &'a str,
}

/// `POST /_amanah/token`.
///
/// A session is only taken from a request in JSON: a form of another site cannot send that, besides
/// what the gateway asks about where a request was started.
pub(crate) async fn token(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let json = is_json(&headers);
    let Some(asked) = read::<Asked>(json, request).await else {
        return no("invalid_request", "the request is neither JSON nor a form with a grant_type");
    };
    let granted = match (asked.grant_type.as_str(), asked.refresh_token) {
        ("refresh_token", Some(token)) => state.tokens.refresh(&Secret::new(token)).await,
        ("refresh_token", None) => return no("invalid_request", "refresh_token is missing"),
        (SESSION_GRANT, _) if !json => {
            return no("invalid_request", "a session is exchanged by a request in JSON alone");
        }
        (SESSION_GRANT, _) => match cookie::session(&headers) {
            Some(session) => state.tokens.exchange(&session).await,
            None => Err(TokenRefusal::Refused),
        },
        _ => return no("unsupported_grant_type", "grant_type is not one that is known here"),
    };
    match granted {
        Ok(Granted { access, refresh, expires_in }) => {
            let (access_token, refresh_token) = (access.expose(), refresh.expose());
            let answer = Answer { access_token, token_type: "Bearer", expires_in, refresh_token };
            kept_by_nobody(Json(answer).into_response())
        }
        Err(TokenRefusal::Refused) => {
            no("invalid_grant", "the token or session is unknown, used, expired or ended")
        }
        Err(TokenRefusal::Stale) => stale(),
        Err(TokenRefusal::Unavailable(cause)) => unavailable(&cause),
    }
}

/// `POST /_amanah/token/revoke`: the same answer whether or not there was such a token.
pub(crate) async fn revoke(
    extract::State(state): extract::State<State>,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let Some(Ended { token }) = read(is_json(&headers), request).await else {
        return no("invalid_request", "token is missing");
    };
    match state.tokens.revoke(&Secret::new(token)).await {
        Ok(()) => kept_by_nobody(StatusCode::OK.into_response()),
        Err(cause) => unavailable(&cause),
    }
}

/// `GET /_amanah/identity`: who a program, or a browser, is.
pub(crate) async fn identity(identity: Option<Extension<Arc<Identity>>>) -> Response {
    let Some(Extension(identity)) = identity else {
        let error_description = "nobody is signed in";
        let problem = Problem { error: "signed_out", error_description, error_uri: None };
        return kept_by_nobody((StatusCode::UNAUTHORIZED, Json(problem)).into_response());
    };
    let who = Who {
        account: &identity.account,
        actor: identity.actor.as_str(),
        name: &identity.name,
        tenant: identity.tenant.as_str(),
        roles: &identity.standing.roles,
        strength: identity.strength,
        door: identity.door,
        session: &identity.session,
    };
    kept_by_nobody(Json(who).into_response())
}

/// `GET /.well-known/jwks.json`: the keys that verify our tokens and assertions.
pub(crate) async fn key_set(
    extract::State(state): extract::State<State>,
) -> Result<Response, Error> {
    let keys = state.tokens.key_set().map_err(Error::Unavailable)?;
    let headers = [(CONTENT_TYPE, KEY_SET_TYPE), (CACHE_CONTROL, KEY_SET_KEPT)];
    Ok((headers, keys).into_response())
}

fn is_json(headers: &HeaderMap) -> bool {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = media.and_then(|value| value.split(';').next()).unwrap_or_default();
    media.trim().eq_ignore_ascii_case("application/json")
}

/// The body as JSON, or else as a form.
async fn read<T: DeserializeOwned>(json: bool, request: Request) -> Option<T> {
    if json {
        Json::from_request(request, &()).await.ok().map(|Json(read)| read)
    } else {
        Form::from_request(request, &()).await.ok().map(|Form(read)| read)
    }
}

fn no(error: &'static str, error_description: &'static str) -> Response {
    let problem = Problem { error, error_description, error_uri: None };
    kept_by_nobody((StatusCode::BAD_REQUEST, Json(problem)).into_response())
}

/// The session is good, and its holder proved who they are too long ago (the error of RFC 9470).
fn stale() -> Response {
    let problem = Problem {
        error: "insufficient_user_authentication",
        error_description: "nothing was given out: prove once more who you are at the address of \
                            error_uri, within ten minutes before this request",
        error_uri: Some(CONFIRM),
    };
    kept_by_nobody((StatusCode::BAD_REQUEST, Json(problem)).into_response())
}

/// The cause goes to the log alone.
fn unavailable(cause: &str) -> Response {
    tracing::error!(cause, "a token could not be given out or ended");
    let error_description = "nothing was given out or ended; try again";
    let error = "temporarily_unavailable";
    let problem = Problem { error, error_description, error_uri: None };
    kept_by_nobody((StatusCode::SERVICE_UNAVAILABLE, Json(problem)).into_response())
}

fn kept_by_nobody(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
