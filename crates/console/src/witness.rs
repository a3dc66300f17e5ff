//! A witness over HTTP (C2SP tlog-witness): logs hand in their checkpoints, and whoever wants to know
//! fetches the newest one that was seen.
//!
//! ```text
//! GET  /                  the witness's key and the logs that it knows
//! POST /add-checkpoint    hands a checkpoint in
//! GET  /checkpoint/LOG    the newest checkpoint of a log, signed and cosigned
//! ```
//!
//! It promises that a body is small, arrives in time, and is worked on by a few at once; nobody is
//! asked who they are, for a checkpoint counts by its signature alone. What is decided is
//! [`witness`]'s business. It opens no port: `gateway::Private` serves it.
//!
//! The attack it stops: a stranger who keeps the witness from answering its logs, with large bodies,
//! slow ones, or many. It does not stop one who sends more than the machine takes: that is the
//! business of the proxy before it, which knows addresses.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use ::witness::{Answer, MAX_SUBMISSION, Witness};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(10);
/// How many checkpoints are weighed at once; whoever comes when there are so many is told to come again.
const MAX_AT_ONCE: usize = 32;
/// How soon, in seconds.
const AGAIN: &str = "1";
const TEXT: [(HeaderName, &str); 1] = [(CONTENT_TYPE, "text/plain; charset=utf-8")];

/// Everything that a witness answers.
pub fn router(witness: Arc<Witness>) -> Router {
    serve(Served { witness, turns: Arc::new(Semaphore::new(MAX_AT_ONCE)), patience: BODY_DEADLINE })
}

fn serve(served: Served) -> Router {
    Router::new()
        .route("/", get(about))
        .route("/add-checkpoint", post(add))
        .route("/checkpoint/{*log}", get(newest))
        .fallback(|| async { (StatusCode::NOT_FOUND, TEXT, "there is nothing here\n") })
        .with_state(served)
}

#[derive(Clone)]
struct Served {
    witness: Arc<Witness>,
    turns: Arc<Semaphore>,
    patience: Duration,
}

async fn about(State(served): State<Served>) -> impl IntoResponse {
    let mut text = format!("witness {}\n", served.witness.key());
    for (log, size) in served.witness.seen() {
        // Writing to a `String` cannot fail.
        let _ = match size {
            Some(size) => writeln!(text, "log {log} {size}"),
            None => writeln!(text, "log {log} unseen"),
        };
    }
    (TEXT, text)
}

async fn newest(State(served): State<Served>, Path(log): Path<String>) -> Response {
    match served.witness.newest(&log) {
        Some(note) => (TEXT, note).into_response(),
        None if served.witness.knows(&log) => {
            (StatusCode::NOT_FOUND, TEXT, "nothing was seen of this log yet\n").into_response()
        }
        None => (StatusCode::NOT_FOUND, TEXT, Answer::UnknownLog.text()).into_response(),
    }
}

async fn add(State(served): State<Served>, body: Body) -> Response {
    let body = match timeout(served.patience, to_bytes(body, MAX_SUBMISSION)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let words = "a request has at most 64 KiB, and arrives whole\n";
            return (StatusCode::PAYLOAD_TOO_LARGE, TEXT, words).into_response();
        }
        Err(_) => {
            let words = "the request took too long to arrive\n";
            return (StatusCode::REQUEST_TIMEOUT, TEXT, words).into_response();
        }
    };
    let Ok(turn) = Arc::clone(&served.turns).try_acquire_owned() else {
        let words = "too many checkpoints are being weighed\n";
        return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, AGAIN)], words).into_response();
    };
    // It waits for the disk. Whoever hangs up meanwhile leaves it to end.
    let answer = spawn_blocking(move || {
        let _turn = turn;
        served.witness.add(&body)
    });
    match answer.await {
        Ok(answer) => said(&answer),
        Err(error) => {
            tracing::error!(%error, "a checkpoint could not be weighed");
            let words = "something went wrong on our side and was logged\n";
            (StatusCode::INTERNAL_SERVER_ERROR, TEXT, words).into_response()
        }
    }
}

fn said(answer: &Answer) -> Response {
    if let Answer::Failed(error) = answer {
        tracing::error!(%error, "a checkpoint could not be kept, and was not cosigned");
    }
    let status = StatusCode::from_u16(answer.status());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(CONTENT_TYPE, answer.content_type())], answer.text()).into_response()
}

#[cfg(test)]
mod tests;
