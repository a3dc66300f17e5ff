//! Our own API: the keys themselves.

use ::keys::{Change, KeyCard, KeyName, KeyRef, Keys, Kind, Operation, Purpose, Spec};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use kernel::TenantId;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use super::body::{Note, cover_ring, json};
use super::caller::{Asked, Caller, Named, Of, Stated};
use super::{Api, Fault, manage};

/// About how long a key of no version is in an answer, in bytes.
const CARD_BYTES: usize = 1024;
/// And each of its versions.
const VERSION_BYTES: usize = 256;

pub(super) fn routes() -> Router<Api> {
    let one = get(read).post(create).patch(configure).delete(remove);
    Router::new()
        .route("/api/v1/keys", get(list))
        .route("/api/v1/keys/{name}", one)
        .route("/api/v1/keys/{name}/rotate", post(rotate))
        .route("/api/v1/keys/{name}/trim", post(trim))
}

/// A key, as whoever may read it sees it.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    card: KeyCard,
    /// Of a key that signs, by version.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    public_keys: Vec<PublicKey>,
}

#[derive(Serialize)]
struct PublicKey {
    version: u32,
    /// 32 bytes in base64.
    public_key: String,
}

impl Shown {
    fn of(keys: &Keys, mut card: KeyCard) -> Result<Self, Fault> {
        // Who else has a token is no business of a client's.
        card.users.clear();
        let public = match card.spec.kind {
            Kind::Ed25519 => keys.public_keys(&card.key)?,
            _ => Vec::new(),
        };
        let shown = |(version, bytes): (u32, [u8; 32])| PublicKey {
            version,
            public_key: STANDARD.encode(bytes),
        };
        Ok(Self { card, public_keys: public.into_iter().map(shown).collect() })
    }
}

#[derive(Serialize)]
struct List {
    keys: Vec<Shown>,
}

async fn list(
    State(api): State<Api>,
    who: Caller,
    Asked(of): Asked<Of>,
) -> Result<Response, Fault> {
    let tenant = Stated { body: None, query: of.tenant.as_deref() }.tenant()?;
    if who.namespace.is_some() && who.namespace != tenant {
        return Err(Fault::TENANTS);
    }
    cover_ring(&api, &who.share).await?;
    let found = spawn_blocking(move || {
        let wanted = |of: Option<&TenantId>| tenant.is_none() || of == tenant.as_ref();
        let cards = api.keys.readable(&who.card.client, wanted)?;
        let room = cards.iter().map(room).sum();
        let keys = cards.into_iter().map(|card| Shown::of(&api.keys, card));
        let list = List { keys: keys.collect::<Result<_, _>>()? };
        json(&who.share, StatusCode::OK, room, &list)
    });
    found.await.unwrap_or(Err(Fault::INTERNAL))
}

/// About how long a key's card is in an answer, in bytes.
fn room(card: &KeyCard) -> usize {
    CARD_BYTES + VERSION_BYTES * card.versions.len()
}

/// One key's card as an answer.
fn show(api: &Api, who: &Caller, status: StatusCode, card: KeyCard) -> Result<Response, Fault> {
    let room = room(&card);
    json(&who.share, status, room, &Shown::of(&api.keys, card)?)
}

async fn read(
    State(api): State<Api>,
    who: Caller,
    named: Named,
    Asked(of): Asked<Of>,
) -> Result<Response, Fault> {
    let key = may(&api, &who, named.name, None, &of, Operation::Read)?;
    show(&api, &who, StatusCode::OK, api.keys.card(&key)?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    tenant: Option<String>,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    purpose: Purpose,
    #[serde(default)]
    needs_context: bool,
}

async fn create(
    State(api): State<Api>,
    who: Caller,
    named: Named,
    Asked(of): Asked<Of>,
    Note(held): Note,
) -> Result<Response, Fault> {
    let new: New = held.parse()?;
    let key = may(&api, &who, named.name, new.tenant.as_deref(), &of, Operation::Manage)?;
    let spec = Spec { kind: new.kind, purpose: new.purpose, needs_context: new.needs_context };
    let card = api.keys.create(&key, &spec).await?;
    show(&api, &who, StatusCode::CREATED, card)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    tenant: Option<String>,
    min_decryption: Option<u32>,
    rotate_after: Option<SignedDuration>,
    removable: Option<bool>,
}

async fn configure(
    State(api): State<Api>,
    who: Caller,
    named: Named,
    Asked(of): Asked<Of>,
    Note(held): Note,
) -> Result<Response, Fault> {
    let Changed { tenant, min_decryption, rotate_after, removable } = held.parse()?;
    let stated = Stated { body: tenant.as_deref(), query: of.tenant.as_deref() };
    let key = who.own_key(named.name, stated)?;
    let change = Change { min_decryption, rotate_after, removable };
    let card = manage::configure(&api, &who, &key, &change).await?;
    show(&api, &who, StatusCode::OK, card)
}

async fn remove(
    State(api): State<Api>,
    who: Caller,
    named: Named,
    Asked(of): Asked<Of>,
) -> Result<StatusCode, Fault> {
    let key = who.own_key(named.name, Stated { body: None, query: of.tenant.as_deref() })?;
    manage::destroying(&api, &who, &key)?;
    api.keys.remove(&key).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    tenant: Option<String>,
}

#[derive(Serialize)]
struct Rotated {
    version: u32,
}

async fn rotate(
    State(api): State<Api>,
    who: Caller,
    named: Named,
    Asked(of): Asked<Of>,
    Note(held): Note,
) -> Result<Json<Rotated>, Fault> {
    let asked: Rotation = held.parse()?;
    let key = may(&api, &who, named.name, asked.tenant.as_deref(), &of, Operation::Manage)?;
    Ok(Json(Rotated { version: api.keys.rotate(&key).await? }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trim {
    tenant: Option<String>,
    /// Versions below this one are destroyed.
    before: u32,
}

async fn trim(
    State(api): State<Api>,
    who: Caller,
    named: Named,
    Asked(of): Asked<Of>,
    Note(held): Note,
) -> Result<Response, Fault> {
    let asked: Trim = held.parse()?;
    let stated = Stated { body: asked.tenant.as_deref(), query: of.tenant.as_deref() };
    let key = who.own_key(named.name, stated)?;
    manage::destroying(&api, &who, &key)?;
    let card = api.keys.trim(&key, asked.before).await?;
    show(&api, &who, StatusCode::OK, card)
}

/// The key that is meant, if the caller may.
fn may(
    api: &Api,
    who: &Caller,
    name: KeyName,
    body: Option<&str>,
    of: &Of,
    operation: Operation,
) -> Result<KeyRef, Fault> {
    let key = who.own_key(name, Stated { body, query: of.tenant.as_deref() })?;
    who.may(api, &key, operation)?;
    Ok(key)
}
