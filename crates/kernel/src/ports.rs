//! What one room needs of another, handed over by the binary.

use serde::Serialize;

use crate::{Actor, Cx, Fut, Scope, Secret, TenantId};

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

/// A secret that was stored the way real ones are, to be looked for where it must not be.
#[derive(Debug, Clone)]
pub struct Planted {
    /// What it stands for: "the password of an account".
    pub what: String,
    /// The secret: ASCII letters and digits, and enough of them that it turns up nowhere by chance.
    pub secret: Secret,
    /// ASCII letters, digits, `.`, `@` and `-` that are stored in clear in the same row: a copy of
    /// the database without them does not hold the row, so that nothing follows from its silence.
    pub beside: String,
    /// What is wrong with how it is kept, when it opens for somebody that it should not open for.
    pub problem: Option<String>,
}

/// Keeps secrets. Implemented by every room that does, used by the proof that none is in clear.
pub trait Custody: Send + Sync {
    /// Whose secrets they are, for people.
    fn name(&self) -> &'static str;

    /// Stores canaries, each through the very way that a real secret goes.
    ///
    /// # Errors
    /// When it could not; the text says why.
    fn plant<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Result<Vec<Planted>, String>>;

    /// Removes what [`Custody::plant`] stored, and what a run that was killed left behind.
    ///
    /// # Errors
    /// When it could not; the text says what is still there.
    fn clear<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Result<(), String>>;
}

/// Signs the heads of the trail's logs with a key that is kept outside of every database.
/// Implemented over the key ring by the binary, used by `audit`.
pub trait Signatory: Send + Sync {
    /// The Ed25519 keys that sign, the newest first. A head is signed by each of them, so that whoever
    /// knows an older one can go over to the next.
    ///
    /// # Errors
    /// When they cannot be had; the text says why.
    fn public_keys(&self) -> Result<Vec<[u8; 32]>, String>;

    /// The signature by one of these over `text`.
    ///
    /// # Errors
    /// When there is no such key any more, or it cannot sign now; the text says why.
    fn sign(&self, key: &[u8; 32], text: &[u8]) -> Result<[u8; 64], String>;
}
