//! What one room needs of another, handed over by the binary.

use serde::Serialize;

use crate::{Actor, Fut, Scope, Secret, TenantId};

/// Somebody who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// Whoever acts.
    pub actor: Actor,
    /// The name to greet them by.
    pub name: String,
    /// The tenant they act in.
    pub tenant: TenantId,
    /// Their role in it.
    pub role: String,
}

/// A session's opaque token, as the cookie carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionToken(pub Secret);

/// Decides who a session token belongs to. Implemented by `identity`, used by the gateway and the
/// console.
pub trait Sessions: Send + Sync {
    /// The holder of `token`, or `None` when it is unknown, expired or revoked.
    ///
    /// An error of the store is `None` too: whoever cannot be recognised is not signed in.
    fn decide<'a>(&'a self, token: &'a SessionToken) -> Fut<'a, Option<Identity>>;
}

/// Mints the binding that ties one database transaction to one tenant. Implemented by `tenancy`,
/// used by the gateway.
pub trait Binder: Send + Sync {
    /// A token for `tenant` and `actor`, good for at most a minute.
    ///
    /// `None` when no database is protected, so that there is nothing to bind to.
    fn mint(&self, tenant: &TenantId, actor: &Actor, scope: Scope) -> Option<Secret>;
}
