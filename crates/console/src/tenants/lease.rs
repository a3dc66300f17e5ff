//! Logins of a tenant, for a time: of its own database, and of its place on Redis.

use std::time::Duration;

use ::keys::Operation;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tenancy::MAX_LEASE;

use super::{For, Served};
use crate::keys::body::{Note, json};
use crate::keys::caller::Caller;
use crate::keys::fault::Fault;

/// How long a login is good for that says nothing of it.
const LIFE: SignedDuration = SignedDuration::from_hours(1);
/// About how long the answer is, in bytes.
const ROOM_BYTES: usize = 2 * 1024;

pub(super) fn routes() -> Router<Served> {
    Router::new()
        .route("/api/v1/tenants/{tenant}/lease", post(lease))
        .route("/api/v1/tenants/{tenant}/redis", post(redis))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// For how long new sessions are let in.
    #[serde(default = "usual", rename = "for")]
    life: SignedDuration,
}

impl Wanted {
    fn life(&self) -> Result<Duration, Fault> {
        let life = Duration::try_from(self.life).ok();
        life.filter(|life| !life.is_zero() && *life <= MAX_LEASE).ok_or(Fault::bad(
            "for",
            "a login is good for more than nothing and for at most PT24H; nothing was made",
        ))
    }
}

const fn usual() -> SignedDuration {
    LIFE
}

#[derive(Serialize)]
struct Given<'a> {
    url: &'a str,
    until: Timestamp,
}

async fn lease(
    State(served): State<Served>,
    who: Caller,
    tenant: For,
    Note(held): Note,
) -> Result<Response, Fault> {
    let wanted: Wanted = held.parse()?;
    let tenant = tenant.customer(&served, &who, Operation::Connect)?;
    let life = wanted.life()?;
    let lease = served.tenants.life.fleet.lease(&tenant, life).await?;
    tracing::info!(client = who.card.client.name, %tenant, until = %lease.until, "login given");
    let url = lease.url.expose();
    let given = Given { url: url.expose(), until: lease.until };
    json(&who.share, StatusCode::CREATED, ROOM_BYTES, &given)
}

#[derive(Serialize)]
struct Opened<'a> {
    url: &'a str,
    /// What every key and channel must begin with.
    prefix: &'a str,
    until: Timestamp,
}

/// For a tenant of a shared database too.
async fn redis(
    State(served): State<Served>,
    who: Caller,
    tenant: For,
    Note(held): Note,
) -> Result<Response, Fault> {
    let wanted: Wanted = held.parse()?;
    let tenant = tenant.customer(&served, &who, Operation::Connect)?;
    let life = wanted.life()?;
    let lease = served.tenants.life.caches.redis().lease(&tenant, life).await?;
    tracing::info!(client = who.card.client.name, %tenant, until = %lease.until, "place opened");
    let given = Opened { url: lease.url.expose(), prefix: &lease.prefix, until: lease.until };
    json(&who.share, StatusCode::CREATED, ROOM_BYTES, &given)
}
