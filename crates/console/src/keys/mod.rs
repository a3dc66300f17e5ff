//! The API for applications: keys of their own and Vault's transit engine, without its server.
//!
//! It promises that nothing is answered without a token, but for whether the service is up; that a
//! token is asked about the very key and operation before anything else is looked at, so that a
//! refusal says nothing about what exists; that a request which names two tenants is refused; and
//! that no body is written to a log. Streams pass in constant memory, and one that fails in its
//! middle breaks the connection instead of ending like a whole one.
//!
//! It opens no port: `gateway::Private` serves it, apart from the public address.
//!
//! The attacks it stops: another tenant's ciphertext, a token used beyond its grant, requests that
//! are built to exhaust memory (depth, counts, sizes and time are all bounded), and a client that
//! takes what others need: none has more than its share of memory and streams, and none destroys
//! often.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::keys::Keys;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use kernel::{Clock, Rng};

mod batch;
pub(crate) mod body;
pub(crate) mod budget;
pub(crate) mod caller;
mod cards;
mod escapes;
pub(crate) mod fault;
mod fields;
#[doc(hidden)]
pub mod fuzzing;
mod item;
mod manage;
mod perform;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod vault;

use budget::{Budget, Turns};
use fault::Fault;

/// The most items of a batch.
const MAX_ITEMS: usize = 10_000;
/// The largest body that is not a stream, in bytes.
const MAX_BODY_BYTES: usize = 64 << 20;
/// The largest body that says what is to be done with a key, in bytes.
const MAX_NOTE_BYTES: usize = 64 << 10;
/// The largest body with questions about what somebody may do, in bytes: a thousand of half a KiB each.
const MAX_QUESTIONS_BYTES: usize = 512 << 10;
/// How much of all bodies and answers together is held in memory, in KiB.
const BODIES_KIB: usize = 256 * 1024;
/// How long a body may take to arrive, and how long it may wait for memory.
const BODY_DEADLINE: Duration = Duration::from_mins(1);
/// The most streams at one time; each holds a few MiB.
const MAX_STREAMS: usize = 64;
/// One client gets at most such a part of memory and streams: one of so many.
const CLIENT_SHARES: usize = 4;
/// The longest context of an item, in bytes.
const MAX_CONTEXT_BYTES: usize = 16 * 1024;
/// A body above so many bytes is worked on apart from the threads that answer requests.
const LARGE_BODY_BYTES: usize = 16 * 1024;

/// Everything under `/api/v1/keys` and `/v1`, to be served by `gateway::Private`. `clock` tells
/// when tokens end, `rng` is for streams and for the random bytes that applications ask for.
pub fn router(keys: Keys, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Router {
    serve(Api::new(keys, clock, rng))
}

fn serve(api: Api) -> Router {
    dressed(routes().with_state(api))
}

/// The routes of keys alone.
pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .merge(cards::routes())
        .merge(fields::routes())
        .merge(stream::routes())
        .merge(vault::routes())
}

/// What every request meets, whatever it asks for.
pub(crate) fn dressed(routes: Router) -> Router {
    routes
        .fallback(|| async { Fault::NOWHERE })
        .method_not_allowed_fallback(|| async { Fault::METHOD })
        .layer(from_fn(log))
}

/// What every handler needs.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) keys: Keys,
    pub(crate) clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    /// In KiB.
    bodies: Arc<Budget>,
    body_deadline: Duration,
    streams: Arc<Budget>,
    /// What destroys a generation of the root.
    turns: Arc<Turns>,
}

impl Api {
    pub(crate) fn new(keys: Keys, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self {
            keys,
            clock,
            rng,
            bodies: Budget::new(BODIES_KIB, BODIES_KIB / CLIENT_SHARES),
            body_deadline: BODY_DEADLINE,
            streams: Budget::new(MAX_STREAMS, MAX_STREAMS / CLIENT_SHARES),
            turns: Arc::default(),
        }
    }
}

/// The log has no queries, since a stream's object stands there, no names of files, and no bodies.
async fn log(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let (method, path) = (request.method().clone(), logged(request.uri().path()));
    let answer = next.run(request).await;
    tracing::info!(
        target: "keys::access",
        %method,
        %path,
        status = answer.status().as_u16(),
        ms = started.elapsed().as_secs_f64() * 1000.0,
        "answered"
    );
    answer
}

/// A path without what its tenant calls a file.
fn logged(path: &str) -> String {
    const FILES: &str = "/files/";
    match path.split_once(FILES) {
        Some((before, _)) if before.starts_with("/api/v1/tenants/") => format!("{before}{FILES}…"),
        _ => path.to_owned(),
    }
}
