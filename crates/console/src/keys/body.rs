//! Bodies that are read whole, within bounds, and wiped afterwards; and answers that are.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{Api, BODIES_KIB, Fault, LARGE_BODY_BYTES, MAX_BODY_BYTES};

/// A body in memory, wiped when dropped, with its share of the memory for all of them.
pub(super) struct Held {
    bytes: Zeroizing<Vec<u8>>,
    _share: OwnedSemaphorePermit,
}

impl Held {
    /// What it says; an empty body says the same as `{}`.
    pub(super) fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Fault> {
        let bytes: &[u8] = if self.bytes.is_empty() { b"{}" } else { &self.bytes };
        serde_json::from_slice(bytes).map_err(|error| Fault::json(&error))
    }

    /// How long it is, in bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// Comes behind [`Caller`](super::caller::Caller) in every handler, so that only whose token is
/// known takes memory.
impl FromRequest<Api> for Held {
    type Rejection = Fault;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Fault> {
        let stated = request.headers().get(CONTENT_LENGTH);
        let stated = stated.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        // A body of unknown length may become the largest.
        let most = stated.unwrap_or(MAX_BODY_BYTES);
        if most > MAX_BODY_BYTES {
            return Err(Fault::TOO_LARGE);
        }
        let share = u32::try_from(most.div_ceil(1024)).unwrap_or(BODIES_KIB);
        let share = Arc::clone(&api.bodies).acquire_many_owned(share);
        let share = timeout(api.body_deadline, share).await;
        let Ok(Ok(share)) = share else { return Err(Fault::BUSY) };
        let room = stated.unwrap_or_default();
        let read = timeout(api.body_deadline, collect(request.into_body(), room));
        let bytes = read.await.map_err(|_| Fault::SLOW)??;
        Ok(Self { bytes, _share: share })
    }
}

async fn collect(body: Body, room: usize) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let mut parts = body.into_data_stream();
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| Fault::bad("body", "the body ended too early"))?;
        if bytes.len() + part.len() > MAX_BODY_BYTES {
            return Err(Fault::TOO_LARGE);
        }
        if bytes.capacity() < bytes.len() + part.len() {
            // Growing in place would leave a copy behind that nobody wipes.
            let mut grown = Vec::with_capacity(2 * (bytes.len() + part.len()));
            grown.extend_from_slice(&bytes);
            bytes = Zeroizing::new(grown);
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

/// Works on a body: a large one apart from the threads that answer requests.
pub(super) async fn work<T: Send + 'static>(
    held: &Held,
    job: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    if held.len() <= LARGE_BODY_BYTES {
        return job();
    }
    spawn_blocking(job).await.unwrap_or(Err(Fault::INTERNAL))
}

/// `value` as an answer that is wiped once it was sent; `room` is about how long it becomes, in
/// bytes.
pub(super) fn json(
    status: StatusCode,
    room: usize,
    value: &impl Serialize,
) -> Result<Response, Fault> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *bytes, value).map_err(|_| Fault::INTERNAL)?;
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((status, headers, Bytes::from_owner(bytes)).into_response())
}
