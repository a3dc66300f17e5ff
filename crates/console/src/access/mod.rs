//! What the application asks about its own actions: the `AuthZEN` Authorization API 1.0.
//!
//! It promises that a decision is made from what the database says at this moment, that whoever and
//! whatever is not known is denied, and that an application's token is answered about its own
//! tenants alone, in the same words and after the same statements whether another one exists or not.
//! A denial is an answer (`200 {"decision":false}`) and no error: only an application without a token
//! is refused. Asking is no use of a right: only a question that says so of itself counts as one.
//!
//! It is served beside [`crate::keys`], by the same private listener, to tokens that allow `decide`.
//!
//! The attacks it stops: an application of one tenant that asks about another's people, a subject
//! that is granted something elsewhere, bodies that are built to take memory, and requests about
//! thousands of people that take the database from everybody else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ::keys::{Keys, Operation};
use axum::Router;
use axum::extract::{FromRef, Request};
use axum::http::{HeaderName, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use kernel::{Bits, Clock, Fut, PermissionId, Rng, TenantId};

mod evaluate;
#[doc(hidden)]
pub mod fuzzing;
mod metadata;
mod search;
#[cfg(test)]
mod tests;
mod wire;

use crate::keys::Api;
use crate::keys::budget::{Budget, Share};
use crate::keys::caller::Caller;
use crate::keys::fault::Fault;

/// The most evaluations of one request.
const MAX_EVALUATIONS: usize = 1000;
/// The most results of one page of a search, and how many there are when nothing is said.
const MAX_RESULTS: usize = 1000;
const USUAL_RESULTS: usize = 100;
/// How many requests about many people are answered at once, and how many of one client. Each takes one
/// connection to the database, of which everybody's sessions and sign-ins have the rest.
const MANY_AT_ONCE: usize = 6;
const MANY_OF_ONE: usize = 2;
/// How long one waits for its place.
const PLACE_WITHIN: Duration = Duration::from_secs(10);
/// The name of a request, which is given back as it came.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Somebody who could be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The account.
    pub account: String,
    /// The tenant that it belongs to.
    pub home: TenantId,
}

/// A page of accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders {
    /// In one order, each by its id.
    pub accounts: Vec<String>,
    /// Behind which id to go on, when there are more.
    pub next: Option<String>,
}

/// Decides, from the database. Implemented by the binary over `access` and `identity`.
pub trait Decisions: Send + Sync {
    /// The accounts with these ids or addresses, each by the name that it was asked by, without those
    /// that are none or are shut out: read by one statement.
    ///
    /// # Errors
    /// When it cannot be told; the text says why. Nobody is permitted anything then.
    fn subjects<'a>(
        &'a self,
        names: &'a [&'a str],
    ) -> Fut<'a, Result<HashMap<String, Subject>, String>>;

    /// What each of these may do in its tenant, by account: read by one statement, also for nobody. Who
    /// may do nothing can be left out.
    ///
    /// # Errors
    /// The same.
    fn permits<'a>(
        &'a self,
        subjects: &'a [Subject],
    ) -> Fut<'a, Result<HashMap<String, Bits>, String>>;

    /// The permission of this name.
    fn permission(&self, name: &str) -> Option<PermissionId>;

    /// The names of what is in `bits`, in one order.
    fn names(&self, bits: &Bits) -> Vec<String>;

    /// Who has `permission` in `tenant`: at most `limit` accounts behind `after`.
    ///
    /// # Errors
    /// When it cannot be told; the text says why.
    fn holders<'a>(
        &'a self,
        tenant: &'a TenantId,
        permission: PermissionId,
        after: Option<&'a str>,
        limit: usize,
    ) -> Fut<'a, Result<Holders, String>>;

    /// Remembers that a permission was used.
    fn used(&self, subject: &Subject, permission: PermissionId);
}

/// What is under `/access/v1`, and the document that says so, to be merged into the router of
/// [`crate::tenants`].
pub fn router(
    keys: Keys,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    decisions: Arc<dyn Decisions>,
) -> Router {
    let asking = Budget::new(MANY_AT_ONCE, MANY_OF_ONE);
    let served = Served { api: Api::new(keys, clock, rng), decisions, asking };
    Router::new()
        .merge(evaluate::routes())
        .merge(search::routes())
        .merge(metadata::routes())
        .with_state(served)
        .layer(from_fn(echo))
}

/// What every handler here needs.
#[derive(Clone)]
struct Served {
    api: Api,
    decisions: Arc<dyn Decisions>,
    /// The places of requests about many people.
    asking: Arc<Budget>,
}

impl FromRef<Served> for Api {
    fn from_ref(served: &Served) -> Self {
        served.api.clone()
    }
}

impl Served {
    /// Goes on only when the token allows to ask at all.
    fn admit(who: &Caller) -> Result<(), Fault> {
        let allowed = who.card.client.operations.contains(&Operation::Decide);
        if allowed { Ok(()) } else { Err(Fault::DENIED) }
    }

    /// A place for a request about many people, once one is free. Memory for its body is taken already,
    /// and bounded by that.
    async fn place(&self, who: &Caller) -> Result<Arc<Share>, Fault> {
        let place = self.asking.share(&who.card.client.name);
        let waited = tokio::time::timeout(PLACE_WITHIN, place.cover(1)).await;
        waited.map(|()| place).map_err(|_| Fault::BUSY)
    }

    /// Whether the token reaches this tenant.
    fn reaches(&self, who: &Caller, tenant: &TenantId) -> bool {
        who.acts_for(&self.api, tenant, Operation::Decide).is_ok()
    }
}

/// What could not be told, because the database does not answer.
fn unavailable(why: &str) -> Fault {
    tracing::warn!(why, "a decision could not be made, so it is no permission");
    Fault::fixed(
        StatusCode::SERVICE_UNAVAILABLE,
        "unavailable",
        "this cannot be decided now, so nothing is permitted; try again",
    )
}

/// Gives the name of the request back, whatever the answer is.
async fn echo(request: Request, next: Next) -> Response {
    let id = request.headers().get(&REQUEST_ID).cloned();
    let mut answer = next.run(request).await.into_response();
    if let Some(id) = id {
        answer.headers_mut().insert(REQUEST_ID, id);
    }
    answer
}
