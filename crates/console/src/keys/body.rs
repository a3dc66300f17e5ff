//! Bodies that are read whole, within bounds, and wiped afterwards; and answers that are.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRef, FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use super::budget::Share;
use super::escapes::unescape;
use super::{Api, Fault, LARGE_BODY_BYTES, MAX_BODY_BYTES, MAX_NOTE_BYTES, MAX_QUESTIONS_BYTES};

/// The unit in which memory is counted, in bytes.
const UNIT_BYTES: usize = 1024;

/// A body in memory, wiped when dropped, with its share of the memory for all of them.
pub(crate) struct Held {
    bytes: Zeroizing<Vec<u8>>,
    pub(super) share: Arc<Share>,
}

impl Held {
    /// What it says; an empty body says the same as `{}`.
    pub(crate) fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Fault> {
        let bytes: &[u8] = if self.bytes.is_empty() { b"{}" } else { &self.bytes };
        serde_json::from_slice(bytes).map_err(|error| Fault::json(&error))
    }

    /// How long it is, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Reads at most so many bytes. The caller's share stands in the request, where
    /// [`Caller`](super::caller::Caller) put it: it comes before this in every handler, so that
    /// only whose token is known takes memory.
    async fn read(
        request: Request,
        (most, larger): (usize, Fault),
        patience: Duration,
    ) -> Result<Self, Fault> {
        let share = request.extensions().get::<Arc<Share>>().map(Arc::clone);
        let share = share.ok_or(Fault::INTERNAL)?;
        let stated = request.headers().get(CONTENT_LENGTH);
        let stated = stated.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let most = match stated {
            Some(stated) if stated > most => return Err(larger),
            Some(stated) => stated,
            None => most,
        };
        let mut bytes = collect(request.into_body(), (most, larger), &share, patience).await?;
        unescape(&mut bytes);
        Ok(Self { bytes, share })
    }
}

impl FromRequest<Api> for Held {
    type Rejection = Fault;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Fault> {
        Self::read(request, (MAX_BODY_BYTES, Fault::TOO_LARGE), api.body_deadline).await
    }
}

/// A body that says what is to be done with a key, or a few words more: never a long one.
pub(crate) struct Note(pub(crate) Held);

impl<S: Send + Sync> FromRequest<S> for Note
where
    Api: FromRef<S>,
{
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let api = Api::from_ref(state);
        let read = Held::read(request, (MAX_NOTE_BYTES, Fault::LONG_NOTE), api.body_deadline);
        Ok(Self(read.await?))
    }
}

/// A body with many questions.
pub(crate) struct Asked(pub(crate) Held);

impl<S: Send + Sync> FromRequest<S> for Asked
where
    Api: FromRef<S>,
{
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let (api, most) = (Api::from_ref(state), (MAX_QUESTIONS_BYTES, Fault::LONG_QUESTIONS));
        Ok(Self(Held::read(request, most, api.body_deadline).await?))
    }
}

/// Memory is taken as the bytes arrive: what a client announces and does not send takes nothing
/// from the others.
async fn collect(
    body: Body,
    (most, larger): (usize, Fault),
    share: &Share,
    patience: Duration,
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let end = Instant::now() + patience;
    let mut parts = body.into_data_stream();
    let mut bytes = Zeroizing::new(Vec::new());
    loop {
        let part = timeout_at(end, parts.next()).await.map_err(|_| Fault::SLOW)?;
        let Some(part) = part else { return Ok(bytes) };
        let part = part.map_err(|_| Fault::bad("body", "the body ended too early"))?;
        let length = bytes.len() + part.len();
        if length > most {
            return Err(larger);
        }
        if length > bytes.capacity() {
            let room = length.saturating_mul(2).min(most);
            let covered = timeout_at(end, share.cover(room.div_ceil(UNIT_BYTES))).await;
            covered.map_err(|_| Fault::BUSY)?;
            // Growing in place would leave a copy behind that nobody wipes.
            let mut grown = Vec::with_capacity(room);
            grown.extend_from_slice(&bytes);
            bytes = Zeroizing::new(grown);
        }
        bytes.extend_from_slice(&part);
    }
}

/// Works on a body: a large one apart from the threads that answer requests.
pub(crate) async fn work<T: Send + 'static>(
    length: usize,
    job: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    if length <= LARGE_BODY_BYTES {
        return job();
    }
    spawn_blocking(job).await.unwrap_or(Err(Fault::INTERNAL))
}

/// An answer's bytes, wiped once they were sent, with their share of the memory: a client that
/// does not read holds its own share and nobody else's.
struct Sent {
    bytes: Zeroizing<Vec<u8>>,
    _share: Arc<Share>,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// `value` as an answer that is wiped once it was sent; `room` is about how long it becomes, in
/// bytes.
pub(crate) fn json(
    share: &Arc<Share>,
    status: StatusCode,
    room: usize,
    value: &impl Serialize,
) -> Result<Response, Fault> {
    let covers = |bytes: usize| {
        let covered = share.try_cover(bytes.div_ceil(UNIT_BYTES));
        if covered { Ok(()) } else { Err(Fault::UNREAD) }
    };
    covers(room)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *bytes, value).map_err(|_| Fault::INTERNAL)?;
    covers(bytes.capacity())?;
    let sent = Sent { bytes, _share: Arc::clone(share) };
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((status, headers, Bytes::from_owner(sent)).into_response())
}

/// Takes the memory for work on everything in the ring, before it is begun.
pub(super) async fn cover_ring(api: &Api, share: &Share) -> Result<(), Fault> {
    let units = api.keys.size().div_ceil(UNIT_BYTES);
    let end = Instant::now() + api.body_deadline;
    timeout_at(end, share.cover(units)).await.map_err(|_| Fault::BUSY)
}
