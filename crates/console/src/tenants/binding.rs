//! Tokens that bind a transaction in a shared database to a tenant.

use ::keys::Operation;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use kernel::{Actor, Scope};
use serde::{Deserialize, Serialize};

use super::{Binding, Bindings, For, Served};
use crate::keys::body::{Note, json};
use crate::keys::caller::Caller;
use crate::keys::fault::Fault;

/// About how long the answer is, in bytes.
const ROOM_BYTES: usize = 2 * 1024;

pub(super) fn routes() -> Router<Served> {
    Router::new().route("/api/v1/tenants/{tenant}/binding", post(mint))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// In which database; it may be left out where one alone is protected.
    database: Option<String>,
    /// For whom: who acts, as the trail will name them.
    actor: String,
    #[serde(default = "writing")]
    scope: Scope,
}

const fn writing() -> Scope {
    Scope::ReadWrite
}

#[derive(Serialize)]
struct Given<'a> {
    /// For `SELECT amanah.bind($1)`, within a minute.
    token: &'a str,
    database: &'a str,
}

async fn mint(
    State(served): State<Served>,
    who: Caller,
    tenant: For,
    Note(held): Note,
) -> Result<Response, Fault> {
    let Wanted { database, actor, scope } = held.parse()?;
    let tenant = tenant.allowed(&served, &who, Operation::Bind)?;
    let actor = Actor::new(actor).map_err(|_| {
        Fault::bad("actor", "an actor has 1 to 128 bytes and no control characters")
    })?;
    let may = |database: &str| who.card.client.binds_in(database);
    if database.as_deref().is_some_and(|name| !may(name)) {
        return Err(Fault::DENIED);
    }
    let all = served.tenants.bindings.load_full();
    let (database, Binding { binder, canaries }) = meant(&all, database.as_deref())?;
    if !may(database) || tenant == canaries.0 || tenant == canaries.1 {
        return Err(Fault::DENIED);
    }
    // The policies would bind the same tenant, under a name that no grant and no trail knows.
    if !binder.is_spelled(&tenant) {
        return Err(Fault::bad(
            "tenant",
            "a tenant is named as its column prints it: a number without spaces and zeros in \
             front, a UUID in small letters",
        ));
    }
    let token = binder.token(&tenant, &actor, scope);
    let given = Given { token: token.expose(), database };
    json(&who.share, StatusCode::OK, ROOM_BYTES, &given)
}

/// Who makes bindings for the database that is meant.
fn meant<'a>(all: &'a Bindings, database: Option<&str>) -> Result<(&'a str, &'a Binding), Fault> {
    let found = match database {
        Some(name) => all.get_key_value(name),
        None if all.len() == 1 => all.first_key_value(),
        None => None,
    };
    found.map(|(name, binding)| (name.as_str(), binding)).ok_or(Fault::fixed(
        StatusCode::NOT_FOUND,
        "unknown-database",
        "no protected database is meant by this: name one that `amanah protect` has protected, \
         where there are several",
    ))
}
