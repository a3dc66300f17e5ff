//! Files of tenants: list, write, read in parts, remove.
//!
//! Whoever may not act for a tenant is answered as if the file were not there: the same words, after
//! the same look into the same rows, whose time tells nothing of what there is.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use ::keys::{Keys, Operation};
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, FromRequestParts, RawPathParams, State};
use axum::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use kernel::{
    Clock, FileName, FileReader, FileWriter, Listing, MAX_FILES_LISTED, NewFile, Rng, TenantFiles,
    TenantId,
};
use serde::Deserialize;

mod asked;
#[cfg(test)]
mod attacked;
mod fault;
#[doc(hidden)]
pub mod fuzzing;
#[cfg(test)]
pub(crate) mod tests;
mod told;

use crate::keys::body::json;
use crate::keys::budget::Share;
use crate::keys::caller::{self, Asked, Caller, plain};
use crate::keys::fault::Fault;
use crate::keys::{self as programs, Api};
use asked::{Part, condition, is_fresh, meets, part};

/// About how long a file is in an answer, in bytes, besides its name.
const CARD_BYTES: usize = 512;
/// How many files a list has that says nothing of it.
const USUAL_LIMIT: usize = 100;
/// Whose file is looked for when the caller's word for the tenant does not count. Nobody is called
/// so, and it is never asked about.
const NOBODY: &str = "amanah-nobody";

/// Everything under `/api/v1/tenants/{tenant}/files`, and nothing else: for a listener of its own.
pub fn router(
    keys: Keys,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    files: Arc<dyn TenantFiles>,
) -> Router {
    programs::dressed(routes(Api::new(keys, clock, rng), files))
}

pub(super) fn routes(api: Api, files: Arc<dyn TenantFiles>) -> Router {
    Router::new()
        .route("/api/v1/tenants/{tenant}/files", get(list))
        .route(
            "/api/v1/tenants/{tenant}/files/{*name}",
            get(read).head(head).put(write).delete(remove),
        )
        .with_state(Served { api, files })
}

#[derive(Clone)]
struct Served {
    api: Api,
    files: Arc<dyn TenantFiles>,
}

impl FromRef<Served> for Api {
    fn from_ref(served: &Served) -> Self {
        served.api.clone()
    }
}

/// What the path names: a tenant, and a file but for a list.
struct Which {
    tenant: TenantId,
    name: Option<String>,
}

impl FromRequestParts<Served> for Which {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, served: &Served) -> Result<Self, Fault> {
        let unreadable = || Fault::bad("name", "the path is not readable text");
        let params = RawPathParams::from_request_parts(parts, served).await;
        let params = params.map_err(|_| unreadable())?;
        let of = |name: &str| params.iter().find(|(known, _)| *known == name).map(|(_, text)| text);
        let tenant = caller::tenant(of("tenant").ok_or_else(unreadable)?)?;
        Ok(Self { tenant, name: of("name").map(str::to_owned) })
    }
}

impl Which {
    /// The tenant and the file, when the caller may do `op`.
    async fn file(
        self,
        served: &Served,
        who: &Caller,
        (uri, op): (&Uri, Operation),
    ) -> Result<(TenantId, FileName), Fault> {
        plain(uri)?;
        let name = FileName::new(self.name.unwrap_or_default())?;
        allowed(served, who, (&self.tenant, &name), op).await?;
        Ok((self.tenant, name))
    }
}

/// Goes on when the caller may do `op` for `tenant`. Who may do nothing with its files learns no more
/// than who asks for one that is not there.
async fn allowed(
    served: &Served,
    who: &Caller,
    (tenant, name): (&TenantId, &FileName),
    op: Operation,
) -> Result<(), Fault> {
    let Err(denied) = who.acts_for(&served.api, tenant, op) else { return Ok(()) };
    if denied.status != StatusCode::FORBIDDEN {
        return Err(denied);
    }
    let other = match op {
        Operation::ReadFiles => Operation::WriteFiles,
        _ => Operation::ReadFiles,
    };
    if who.acts_for(&served.api, tenant, other).is_ok() {
        return Err(denied);
    }
    let nobody = TenantId::new(NOBODY).map_err(|_| Fault::INTERNAL)?;
    served.files.find(&nobody, name).await?;
    Err(Fault::NO_FILE)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    prefix: String,
    limit: Option<usize>,
    cursor: Option<String>,
}

async fn list(
    State(served): State<Served>,
    who: Caller,
    which: Which,
    Asked(wanted): Asked<Wanted>,
) -> Result<Response, Fault> {
    // No name is asked for, so any serves for the look that takes the same time.
    let any = FileName::new(NOBODY)?;
    allowed(&served, &who, (&which.tenant, &any), Operation::ReadFiles).await?;
    let limit = wanted.limit.unwrap_or(USUAL_LIMIT);
    if !(1..=MAX_FILES_LISTED).contains(&limit) {
        return Err(Fault::bad("query", "a page has 1 to 1000 files"));
    }
    let cursor = wanted.cursor.as_deref();
    let listing = Listing { prefix: &wanted.prefix, cursor, limit };
    let page = served.files.list(&which.tenant, listing).await?;
    let names: usize = page.files.iter().map(|card| card.name.as_str().len()).sum();
    // A name may grow to six times its length: control characters are escaped.
    let room = page.files.len() * CARD_BYTES + names * 6 + CARD_BYTES;
    json(&who.share, StatusCode::OK, room, &page)
}

async fn head(
    State(served): State<Served>,
    who: Caller,
    which: Which,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let (tenant, name) = which.file(&served, &who, (&uri, Operation::ReadFiles)).await?;
    let card = served.files.find(&tenant, &name).await?;
    meets(&headers, &card.etag)?;
    if is_fresh(&headers, &card.etag)? {
        return told::unchanged(&card);
    }
    told::whole(&card, Body::empty())
}

async fn read(
    State(served): State<Served>,
    who: Caller,
    which: Which,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let (tenant, name) = which.file(&served, &who, (&uri, Operation::ReadFiles)).await?;
    let place = who.place(&served.api)?;
    let reader = served.files.read(&tenant, &name).await?;
    let card = reader.card().clone();
    meets(&headers, &card.etag)?;
    if is_fresh(&headers, &card.etag)? {
        return told::unchanged(&card);
    }
    match part(&headers, &card.etag, card.bytes) {
        Part::Whole => told::whole(&card, body(reader, 0..card.bytes, place).await?),
        Part::Some(range) => {
            let body = body(reader, range.clone(), place).await?;
            told::some(&card, &range, body)
        }
        Part::Nothing => told::nothing(&card),
    }
}

/// A reader on its way, with its place among those that read and write.
struct Passing {
    reader: Box<dyn FileReader>,
    rest: Range<u64>,
    _place: Arc<Share>,
}

impl Passing {
    async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let piece = self.reader.next(self.rest.clone()).await?;
        self.rest.start += piece.len() as u64;
        Ok(Some(Bytes::from_owner(piece)))
    }
}

/// The bytes in `range`. The first of them are there before the answer begins, so that what is wrong
/// with them still gets a status; an error later on breaks the connection.
async fn body(
    reader: Box<dyn FileReader>,
    range: Range<u64>,
    place: Arc<Share>,
) -> Result<Body, Fault> {
    let mut passing = Passing { reader, rest: range, _place: place };
    let Some(first) = passing.next().await? else { return Ok(Body::empty()) };
    let rest = stream::unfold(Some(passing), async |passing| {
        let mut passing = passing?;
        match passing.next().await {
            Ok(Some(piece)) => Some((Ok(piece), Some(passing))),
            Ok(None) => None,
            Err(fault) => {
                tracing::info!(target: "keys::access", slug = fault.slug, "a file broke off");
                Some((Err(io::Error::other(fault.slug)), None))
            }
        }
    });
    Ok(Body::from_stream(stream::once(async { Ok(first) }).chain(rest)))
}

async fn write(
    State(served): State<Served>,
    who: Caller,
    which: Which,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let (tenant, name) = which.file(&served, &who, (&uri, Operation::WriteFiles)).await?;
    for (header, slug) in [(CONTENT_RANGE, "range"), (CONTENT_ENCODING, "encoding")] {
        if headers.contains_key(header) {
            return Err(Fault::bad(
                slug,
                "a file is written whole and as it is; nothing was changed",
            ));
        }
    }
    let content_type =
        headers.get(CONTENT_TYPE).map_or(Ok("application/octet-stream"), |text| {
            text.to_str().map_err(|_| Fault::from(kernel::FileFault::ContentType))
        })?;
    let stated = headers.get(CONTENT_LENGTH).and_then(|text| text.to_str().ok()?.parse().ok());
    let file = NewFile {
        content_type: content_type.to_owned(),
        bytes: stated,
        condition: condition(&headers)?,
    };
    let place = who.place(&served.api)?;
    let writer = served.files.write(&tenant, &name, file).await;
    let mut writer = writer.map_err(Fault::unwritten)?;
    pour(body, &mut *writer).await?;
    let written = writer.finish().await.map_err(Fault::unsure)?;
    drop(place);
    let status = if written.replaced { StatusCode::OK } else { StatusCode::CREATED };
    let room = CARD_BYTES + written.card.name.as_str().len() * 6;
    let mut answer = json(&who.share, status, room, &written.card)?;
    answer.headers_mut().insert(ETAG, told::etag(&written.card)?);
    Ok(answer)
}

async fn pour(body: Body, writer: &mut dyn FileWriter) -> Result<(), Fault> {
    let mut parts = body.into_data_stream();
    while let Some(part) = parts.next().await {
        let part =
            part.map_err(|_| Fault::bad("body", "the body ended too early; nothing was changed"))?;
        writer.push(&part).await.map_err(Fault::unwritten)?;
    }
    Ok(())
}

async fn remove(
    State(served): State<Served>,
    who: Caller,
    which: Which,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let (tenant, name) = which.file(&served, &who, (&uri, Operation::WriteFiles)).await?;
    let removed = served.files.remove(&tenant, &name, &condition(&headers)?).await;
    removed.map_err(Fault::unsure)?;
    Ok((StatusCode::NO_CONTENT, [(CONTENT_LENGTH, HeaderValue::from(0))]).into_response())
}
