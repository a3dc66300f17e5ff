//! The life of a tenant's own database: made at a sign-up, shut out and let in again, with its people. Its
//! end is left to the command line, because it cannot be undone.

use ::keys::Operation;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use jiff::Timestamp;
use kernel::TenantId;
use serde::{Deserialize, Serialize};
use tenancy::{Error, Tenant};

use super::{For, Served, Turned};
use crate::keys::body::{Note, json};
use crate::keys::caller::{Asked, Caller};
use crate::keys::fault::Fault;

/// About how long a tenant is in an answer, in bytes.
const CARD_BYTES: usize = 1024;
/// The most tenants of one answer.
const MAX_PAGE: usize = 1_000;

pub(super) fn routes() -> Router<Served> {
    Router::new()
        .route("/api/v1/tenants", get(list))
        .route("/api/v1/tenants/{tenant}", get(show).put(make))
        .route("/api/v1/tenants/{tenant}/suspend", post(suspend))
        .route("/api/v1/tenants/{tenant}/resume", post(resume))
}

/// A tenant as an application sees it. Where its database lies is no business of its own.
#[derive(Serialize)]
struct Shown {
    tenant: TenantId,
    state: tenancy::State,
    schema_version: Option<String>,
    made_at: Timestamp,
}

impl From<Tenant> for Shown {
    fn from(tenant: Tenant) -> Self {
        let Tenant { id, state, schema_version, made_at, .. } = tenant;
        Self { tenant: id, state, schema_version, made_at }
    }
}

#[derive(Serialize)]
struct List {
    tenants: Vec<Shown>,
    /// What to ask for next with `after`, when there are more.
    next: Option<TenantId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    /// The last tenant of the page before.
    after: Option<String>,
    limit: Option<usize>,
}

/// Those that the client may provision, ordered by their ids, without the synthetic ones.
async fn list(
    State(served): State<Served>,
    who: Caller,
    Asked(page): Asked<Page>,
) -> Result<Response, Fault> {
    let limit = page.limit.unwrap_or(MAX_PAGE);
    if limit == 0 || limit > MAX_PAGE {
        return Err(Fault::bad("query", "a page has 1 to 1000 tenants"));
    }
    if !who.card.client.operations.contains(&Operation::Provision) {
        return Err(Fault::DENIED);
    }
    let may = |tenant: &Tenant| who.acts_for(&served.api, &tenant.id, Operation::Provision).is_ok();
    let mut all = served.tenants.life.fleet.list().await?;
    all.sort_by(|a, b| a.id.cmp(&b.id));
    let after = page.after.as_deref();
    let theirs = all.into_iter().filter(|tenant| !tenant.canary && may(tenant));
    let mut rest = theirs.filter(|tenant| after.is_none_or(|after| tenant.id.as_str() > after));
    let tenants: Vec<Shown> = rest.by_ref().take(limit).map(Shown::from).collect();
    let last = tenants.last().map(|shown| shown.tenant.clone());
    let next = last.filter(|_| rest.next().is_some());
    let room = CARD_BYTES * (tenants.len() + 1);
    json(&who.share, StatusCode::OK, room, &List { tenants, next })
}

async fn show(State(served): State<Served>, who: Caller, tenant: For) -> Result<Response, Fault> {
    let tenant = tenant.customer(&served, &who, Operation::Provision)?;
    answer(&who, StatusCode::OK, served.tenants.life.fleet.find(&tenant).await?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// The same request twice makes one tenant, so that a program that got no answer asks again.
async fn make(
    State(served): State<Served>,
    who: Caller,
    tenant: For,
    Note(held): Note,
) -> Result<Response, Fault> {
    let Nothing {} = held.parse()?;
    let tenant = tenant.customer(&served, &who, Operation::Provision)?;
    let life = &served.tenants.life;
    match life.add(&tenant, None).await {
        Ok(made) => {
            tracing::info!(client = who.card.client.name, %tenant, "tenant made");
            answer(&who, StatusCode::CREATED, made)
        }
        Err(Error::Exists(_)) => answer(&who, StatusCode::OK, life.fleet.find(&tenant).await?),
        Err(error) => Err(error.into()),
    }
}

async fn suspend(
    State(served): State<Served>,
    who: Caller,
    tenant: For,
    Note(held): Note,
) -> Result<Response, Fault> {
    let Nothing {} = held.parse()?;
    let tenant = tenant.customer(&served, &who, Operation::Provision)?;
    let suspended = served.tenants.turning().suspend(&tenant).await?;
    turned(&who, &tenant, suspended)
}

async fn resume(
    State(served): State<Served>,
    who: Caller,
    tenant: For,
    Note(held): Note,
) -> Result<Response, Fault> {
    let Nothing {} = held.parse()?;
    let tenant = tenant.customer(&served, &who, Operation::Provision)?;
    let resumed = served.tenants.turning().resume(&tenant).await?;
    turned(&who, &tenant, resumed)
}

/// A tenant of a shared database may have people, or a place on Redis, and nothing else to be shut out of.
fn turned(who: &Caller, tenant: &TenantId, came_to: Turned) -> Result<Response, Fault> {
    #[derive(Serialize)]
    struct Place<'a> {
        tenant: &'a TenantId,
        state: tenancy::State,
    }
    let done = |state: tenancy::State| {
        let client = &who.card.client.name;
        tracing::info!(%client, %tenant, state = state.as_str(), "tenant turned");
    };
    match came_to {
        Turned::Whole(turned) => {
            done(turned.state);
            answer(who, StatusCode::OK, *turned)
        }
        Turned::OnRedis(state) | Turned::People(state) => {
            done(state);
            json(&who.share, StatusCode::OK, CARD_BYTES, &Place { tenant, state })
        }
    }
}

fn answer(who: &Caller, status: StatusCode, tenant: Tenant) -> Result<Response, Fault> {
    json(&who.share, status, CARD_BYTES, &Shown::from(tenant))
}
