//! Our own API: streams of any length, in constant memory.
//!
//! `seal` gives the stream's own key, encrypted, in a header of its answer; `open` is given it in
//! a header of the request. The format is that of [`cipher::stream`], which others can read too.

use std::io;
use std::sync::Arc;

use ::keys::object::{MAX_OBJECT_BYTES, Object, Sidecar, opener, sealer};
use ::keys::{Ciphertext, Error, KeyRef, Operation, Sealed};
use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::extract::State;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::{Buf as _, Bytes};
use cipher::stream::{Opener, Sealer, ciphertext_len, plaintext_len};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::budget::Share;
use super::caller::{Asked, Caller, Named, Stated};
use super::fields::first_use;
use super::{Api, Fault};

/// Holds the stream's own key, encrypted: a ciphertext of the named key.
pub(super) const STREAM_KEY: HeaderName = HeaderName::from_static("amanah-stream-key");

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/v1/keys/{name}/seal", post(seal))
        .route("/api/v1/keys/{name}/open", post(open))
        .route("/api/v1/keys/{name}/rewrap-stream", post(rewrap))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    tenant: Option<String>,
    /// What the stream is, as text: it opens only as this.
    #[serde(default)]
    object: String,
}

async fn seal(
    State(api): State<Api>,
    who: Caller,
    named: Named,
    Asked(which): Asked<Which>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let key = begin(&api, &who, named, &which, Operation::Encrypt)?;
    let place = who.place(&api)?;
    let object = Object { key: &key, name: &which.object };
    let (sealer, sidecar) =
        first_use(&api, &key, || sealer(&api.keys, api.rng.as_ref(), object)).await?;
    let mut answer = answer(Work::Seal(sealer), body, place).await?;
    tell(&mut answer, &sidecar.ciphertext()?)?;
    foretell(&headers, &mut answer, ciphertext_len)?;
    Ok(answer)
}

async fn open(
    State(api): State<Api>,
    who: Caller,
    named: Named,
    Asked(which): Asked<Which>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let key = begin(&api, &who, named, &which, Operation::Decrypt)?;
    let place = who.place(&api)?;
    let object = Object { key: &key, name: &which.object };
    let opener = opener(&api.keys, object, &Sidecar::new(object, &told(&headers)?)?)?;
    let mut answer = answer(Work::Open(Box::new(opener)), body, place).await?;
    foretell(&headers, &mut answer, plaintext_len)?;
    Ok(answer)
}

/// A stream's key under the newest version of the named key. The stream itself stays as it is.
async fn rewrap(
    State(api): State<Api>,
    who: Caller,
    named: Named,
    Asked(which): Asked<Which>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let key = begin(&api, &who, named, &which, Operation::Rewrap)?;
    let ciphertext = told(&headers)?;
    let sealed = Sealed { ciphertext: &ciphertext, context: which.object.as_bytes() };
    let fresh = api.keys.rewrap_stream_key(&key, sealed)?;
    let mut answer = StatusCode::NO_CONTENT.into_response();
    tell(&mut answer, &fresh)?;
    Ok(answer)
}

/// The key that is meant, if the caller may.
fn begin(
    api: &Api,
    who: &Caller,
    named: Named,
    which: &Which,
    operation: Operation,
) -> Result<KeyRef, Fault> {
    let key = who.own_key(named.name, Stated { body: None, query: which.tenant.as_deref() })?;
    who.may(api, &key, operation)?;
    if !(1..=MAX_OBJECT_BYTES).contains(&which.object.len()) {
        return Err(Fault::bad("object", "`object` is missing, or longer than 1024 bytes"));
    }
    Ok(key)
}

/// The stream's key that the request brings.
fn told(headers: &HeaderMap) -> Result<Ciphertext, Fault> {
    let told = headers.get(STREAM_KEY).ok_or(Fault::bad(
        "missing",
        "the header Amanah-Stream-Key is missing: the key that sealing the stream gave",
    ))?;
    let told = told.to_str().map_err(|_| Error::Malformed("it holds other than ASCII"))?;
    Ok(Ciphertext::parse(told)?)
}

/// The stream's key that the answer brings.
fn tell(answer: &mut Response, sealed: &Ciphertext) -> Result<(), Fault> {
    let sealed = HeaderValue::try_from(sealed.text()).map_err(|_| Fault::INTERNAL)?;
    answer.headers_mut().insert(STREAM_KEY, sealed);
    Ok(())
}

/// An answer of known length when the request's length is known, so that a client notices an
/// early end also by counting.
fn foretell(
    asked: &HeaderMap,
    answer: &mut Response,
    length: fn(u64) -> cipher::Result<u64>,
) -> Result<(), Fault> {
    let stated = asked.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if let Some(stated) = stated {
        answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length(stated)?));
    }
    Ok(())
}

/// What is done to the stream.
enum Work {
    Seal(Sealer),
    Open(Box<Opener>),
    /// All of it was.
    Done,
}

impl Work {
    /// Takes bytes from the beginning of `bytes`, and gives a piece when one is finished.
    fn push(&mut self, bytes: &mut Bytes) -> cipher::Result<Option<Bytes>> {
        let mut rest: &[u8] = bytes;
        let piece = match self {
            Self::Seal(sealer) => sealer.push(&mut rest)?.map(Bytes::copy_from_slice),
            Self::Open(opener) => {
                let text = opener.push(&mut rest)?;
                text.map(|text| Bytes::from_owner(Zeroizing::new(text.to_vec())))
            }
            Self::Done => None,
        };
        let taken = bytes.len() - rest.len();
        bytes.advance(taken);
        Ok(piece)
    }

    /// The last piece.
    fn finish(&mut self) -> cipher::Result<Bytes> {
        match std::mem::replace(self, Self::Done) {
            Self::Seal(sealer) => Ok(sealer.finish()?.into()),
            Self::Open(opener) => Ok(Bytes::from_owner(opener.finish()?)),
            Self::Done => Ok(Bytes::new()),
        }
    }
}

/// A stream on its way.
struct Passing {
    work: Work,
    body: BodyDataStream,
    /// Bytes that came in and were not taken yet.
    held: Bytes,
    _place: Arc<Share>,
}

impl Passing {
    /// The next piece, or `None` behind the last one.
    async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            if matches!(self.work, Work::Done) {
                return Ok(None);
            }
            while !self.held.is_empty() {
                if let Some(piece) = self.work.push(&mut self.held)? {
                    return Ok(Some(piece));
                }
            }
            match self.body.next().await {
                Some(Ok(part)) => self.held = part,
                Some(Err(_)) => return Err(Fault::bad("body", "the body ended too early")),
                None => return Ok(Some(self.work.finish()?)),
            }
        }
    }
}

/// The answer, which begins once its first piece is there: what is wrong until then still gets a
/// status of its own. An error later on breaks the connection.
async fn answer(work: Work, body: Body, place: Arc<Share>) -> Result<Response, Fault> {
    let body = body.into_data_stream();
    let mut passing = Passing { work, body, held: Bytes::new(), _place: place };
    let first = passing.next().await?.unwrap_or_default();
    let rest = stream::unfold(Some(passing), async |passing| {
        let mut passing = passing?;
        match passing.next().await {
            Ok(Some(piece)) => Some((Ok(piece), Some(passing))),
            Ok(None) => None,
            Err(fault) => {
                tracing::info!(target: "keys::access", slug = fault.slug, "a stream broke off");
                Some((Err(io::Error::other(fault.slug)), None))
            }
        }
    });
    let pieces = stream::once(async { Ok(first) }).chain(rest);
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))];
    Ok((headers, Body::from_stream(pieces)).into_response())
}
