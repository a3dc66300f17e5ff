//! The API through which applications act for tenants: tokens that bind a transaction in a shared
//! database, logins of a tenant's own database and of its place on Redis, and the life of such a
//! database, but for its end.
//!
//! It promises that nothing is given without a client's token (`amanah keys client add`) that allows
//! this operation for this tenant, and that a token which does not is answered in the same words
//! whether there is such a tenant or not. What is given ends by itself: a binding within a minute, a
//! login within a day.
//!
//! It is served beside [`crate::keys`], by the same listener, from the same shares of memory.
//!
//! The attacks it stops: an application that is admitted for some tenants and asks for another, by
//! the path, the header or the body; and one that is admitted to keys alone and asks for logins.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::keys::{Keys, Operation};
use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{FromRef, FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use identity::Identities;
use kernel::{Clock, Rng, TenantFiles, TenantId};
use tenancy::{Life, TenantBinder};

mod binding;
mod fault;
pub mod files;
mod lease;
mod life;
#[cfg(test)]
mod tests;
mod turning;

use crate::keys::caller::{self, Caller};
use crate::keys::fault::Fault;
use crate::keys::{self as programs, Api};
pub use turning::{Stopped, Turned, Turning};

/// What applications can get for tenants.
pub struct Tenants {
    /// Tenants with a database of their own, and all that is kept for tenants.
    pub life: Life,
    /// Their people.
    pub identities: Arc<Identities>,
    /// Who makes bindings; others when databases are protected or let go.
    pub bindings: Arc<ArcSwap<Bindings>>,
    /// Files of the tenants that are let in.
    pub files: Arc<dyn TenantFiles>,
}

/// Who makes bindings, by the name of the protected database. Of two databases with one name
/// neither is here: which of them is meant could not be told.
pub type Bindings = BTreeMap<String, Binding>;

/// Who makes bindings for a protected database.
#[derive(Clone)]
pub struct Binding {
    /// Makes them.
    pub binder: TenantBinder,
    /// The synthetic tenants there, whose rows are the proofs' alone.
    pub canaries: (TenantId, TenantId),
}

/// Everything of [`crate::keys::router`], and what is under `/api/v1/tenants`.
pub fn router(keys: Keys, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>, tenants: Tenants) -> Router {
    let api = Api::new(keys, clock, rng);
    let files = files::routes(api.clone(), Arc::clone(&tenants.files));
    let served = Served { api: api.clone(), tenants: Arc::new(tenants) };
    let own = Router::new().merge(binding::routes()).merge(lease::routes()).merge(life::routes());
    let own = own.with_state(served);
    programs::dressed(programs::routes().with_state(api).merge(own).merge(files))
}

impl Tenants {
    /// Shuts tenants out and lets them in, with all that they have.
    pub fn turning(&self) -> Turning {
        Turning { life: self.life.clone(), identities: Arc::clone(&self.identities) }
    }
}

/// What every handler here needs.
#[derive(Clone)]
struct Served {
    api: Api,
    tenants: Arc<Tenants>,
}

impl FromRef<Served> for Api {
    fn from_ref(served: &Served) -> Self {
        served.api.clone()
    }
}

/// The `{tenant}` of the path.
struct For(TenantId);

impl For {
    /// The tenant, when the caller may do `operation` for it.
    fn allowed(self, served: &Served, who: &Caller, op: Operation) -> Result<TenantId, Fault> {
        who.acts_for(&served.api, &self.0, op)?;
        Ok(self.0)
    }

    /// The same, and never one of the synthetic tenants, whose databases are the proofs' alone.
    fn customer(self, served: &Served, who: &Caller, op: Operation) -> Result<TenantId, Fault> {
        if tenancy::is_canary(&self.0) {
            return Err(Fault::DENIED);
        }
        self.allowed(served, who, op)
    }
}

impl FromRequestParts<Served> for For {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, served: &Served) -> Result<Self, Fault> {
        let unreadable = || Fault::bad("tenant", "the path is not readable text");
        let params = RawPathParams::from_request_parts(parts, served).await;
        let params = params.map_err(|_| unreadable())?;
        let found = params.iter().find(|(name, _)| *name == "tenant").ok_or_else(unreadable)?;
        Ok(Self(caller::tenant(found.1)?))
    }
}
