//! The paths of Vault's transit engine, so that its clients work unchanged.
//!
//! A namespace is a tenant. What Vault has and we do not is answered with 400 and a sentence,
//! never done halfway.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{any, get, post};
use kernel::random_hex;
use serde::Serialize;

use super::body::json;
use super::budget::Share;
use super::caller::Caller;
use super::{Api, Fault};

mod keys;
mod system;
pub(super) mod transit;

pub(super) fn routes() -> Router<Api> {
    transit::routes()
        .route("/v1/transit/keys", any(keys::list))
        .route("/v1/transit/keys/", any(keys::list))
        .route(
            "/v1/transit/keys/{name}",
            get(keys::read).post(keys::create).put(keys::create).delete(keys::remove),
        )
        .route("/v1/transit/keys/{name}/config", post(keys::configure).put(keys::configure))
        .route("/v1/transit/keys/{name}/rotate", post(keys::rotate).put(keys::rotate))
        .route("/v1/transit/keys/{name}/trim", post(keys::trim).put(keys::trim))
        .route("/v1/transit/keys/{name}/{what}", any(unsupported))
        .route("/v1/transit/export/{*rest}", any(unsupported))
        .route("/v1/transit/byok-export/{*rest}", any(unsupported))
        .route("/v1/transit/backup/{*rest}", any(unsupported))
        .route("/v1/transit/restore", any(unsupported))
        .route("/v1/transit/restore/{*rest}", any(unsupported))
        .route("/v1/transit/cmac/{*rest}", any(unsupported))
        .route("/v1/transit/wrapping_key", any(unsupported))
        .route("/v1/transit/cache-config", any(unsupported))
        .route("/v1/transit/config/keys", any(unsupported))
        .merge(system::routes())
        .layer(from_fn(as_vault))
}

/// What Vault's clients expect in the place of our statuses: it answers 404 only where a key is
/// read, and has no 409.
async fn as_vault(request: Request, next: Next) -> Response {
    let about_keys = request.uri().path().starts_with("/v1/transit/keys");
    let reads = request.method() == Method::GET || request.method().as_str() == "LIST";
    let mut answer = next.run(request).await;
    let status = answer.status();
    let missing = status == StatusCode::NOT_FOUND && !(about_keys && reads);
    if missing || status == StatusCode::CONFLICT {
        *answer.status_mut() = StatusCode::BAD_REQUEST;
    }
    answer
}

/// Whoever asks for it without a token learns nothing, as everywhere.
async fn unsupported(_: Caller) -> Fault {
    Fault::unsupported(
        "this part of Vault's transit engine is not offered here: keys never leave the ring, so \
         there is no export, import, backup or restore of single keys; nothing was changed",
    )
}

/// Vault's envelope.
#[derive(Serialize)]
struct Envelope<'a, T> {
    request_id: String,
    lease_id: &'a str,
    renewable: bool,
    lease_duration: u32,
    data: &'a T,
    wrap_info: Option<()>,
    warnings: Option<()>,
    auth: Option<()>,
}

/// `data` as Vault answers it; `room` is about how long it becomes, in bytes.
fn answer(
    api: &Api,
    share: &Arc<Share>,
    status: StatusCode,
    room: usize,
    data: &impl Serialize,
) -> Answer {
    let envelope = Envelope {
        // Without randomness the answer is still right, only not told from others.
        request_id: random_hex(api.rng.as_ref(), 16).unwrap_or_default(),
        lease_id: "",
        renewable: false,
        lease_duration: 0,
        data,
        wrap_info: None,
        warnings: None,
        auth: None,
    };
    json(share, status, room + 256, &envelope)
}

type Answer = Result<Response, Fault>;
