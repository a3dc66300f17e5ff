//! What one room needs of another, handed over by the binary.

use std::sync::Arc;

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::{Actor, Cx, Fut, Identity, PermissionId, Scope, Secret, Standing, TenantId};

/// A session's opaque token, as the cookie carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionToken(pub Secret);

/// The header by which the gateway names its own refusals, so that none can be taken for an answer of
/// the application.
pub const REFUSED_HEADER: &str = "amanah-refused";

/// The header of a request to a page of ours by which the gateway tells it the nonce that its scripts
/// carry. Nobody else can send it.
pub const NONCE_HEADER: &str = "amanah-nonce";

/// Decides who a session token belongs to. Implemented by `identity`, used by the gateway and the
/// console.
pub trait Sessions: Send + Sync {
    /// The holder of `token`, or `None` when it is unknown, expired or revoked.
    ///
    /// # Errors
    /// When it cannot be told, as without a database; the text says why. Nobody is let in then, and
    /// nobody is told that they are signed out.
    fn decide<'a>(
        &'a self,
        token: &'a SessionToken,
    ) -> Fut<'a, Result<Option<Arc<Identity>>, String>>;
}

/// Says what an account may do. Implemented by `access`, used by `identity` when it reads a session
/// from the database.
pub trait Standings: Send + Sync {
    /// What `account` may do in `tenant`. With `grant`, what that grant of support allows, in the
    /// tenant that made it; `None` when it is another's or over, and never without a grant.
    ///
    /// # Errors
    /// When it cannot be told; the text says why. Whoever asks refuses then, and says so: that nothing is
    /// known is no refusal by whoever gave the grant.
    fn standing<'a>(
        &'a self,
        account: &'a str,
        tenant: &'a TenantId,
        grant: Option<&'a str>,
    ) -> Fut<'a, Result<Option<Standing>, String>>;
}

/// Nobody may do anything: for a sandbox in which it does not matter.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoStandings;

impl Standings for NoStandings {
    fn standing<'a>(
        &'a self,
        _account: &'a str,
        _tenant: &'a TenantId,
        _grant: Option<&'a str>,
    ) -> Fut<'a, Result<Option<Standing>, String>> {
        Box::pin(async { Ok(Some(Standing::default())) })
    }
}

/// Whether a request may pass to the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It may.
    Open,
    /// The route needs a permission that they do not have.
    Denied,
    /// No permission is known for the route.
    Unmapped,
    /// They have to prove who they are once more, since it was too long ago for this.
    StepUp,
}

/// Decides about the application's routes. Implemented by `access`, used by the gateway.
pub trait Gatekeeper: Send + Sync {
    /// Whether `identity` may ask for this. `path` is as the application will see it, without its
    /// query.
    fn pass(&self, identity: &Identity, method: &str, path: &str) -> Passage;

    /// The permission that this needs, of whoever asks. `None` where it needs none, or where none is
    /// known.
    fn permission(&self, method: &str, path: &str) -> Option<PermissionId>;

    /// Writes down, before it is passed on, a request that is made under a grant of support.
    ///
    /// # Errors
    /// When it could not be written down; the text says why. The request is refused then.
    fn note<'a>(
        &'a self,
        identity: &'a Identity,
        request: &'a str,
        method: &'a str,
        path: &'a str,
    ) -> Fut<'a, Result<(), String>>;
}

/// Seals small secrets that Amanah must read again, each for one tenant and one use. Implemented
/// over the keys by the binary.
pub trait Vault: Send + Sync {
    /// `bytes` sealed. `context` says what they are and whose: they open with the same alone.
    ///
    /// # Errors
    /// When the keys cannot be had; the text says why.
    fn seal<'a>(
        &'a self,
        tenant: &'a TenantId,
        context: &'a str,
        bytes: &'a [u8],
    ) -> Fut<'a, Result<String, String>>;

    /// What was sealed.
    ///
    /// # Errors
    /// When it was sealed for another tenant or context, was damaged, or the keys cannot be had.
    fn open<'a>(
        &'a self,
        tenant: &'a TenantId,
        context: &'a str,
        sealed: &'a str,
    ) -> Fut<'a, Result<Zeroizing<Vec<u8>>, String>>;

    /// What was sealed, sealed anew under the newest version of its key, so that an older one can be
    /// destroyed. `None` when it lies under that already.
    ///
    /// # Errors
    /// As [`Vault::open`].
    fn renew<'a>(
        &'a self,
        tenant: &'a TenantId,
        context: &'a str,
        sealed: &'a str,
    ) -> Fut<'a, Result<Option<String>, String>>;
}

/// Mints the binding that ties one database transaction to one tenant. Implemented by `tenancy`,
/// used by the gateway.
pub trait Binder: Send + Sync {
    /// A token for `tenant` and `actor`, good for at most a minute, and never beyond `until`.
    ///
    /// `None` when no database is protected, so that there is nothing to bind to, and when `until`
    /// has passed.
    fn mint(
        &self,
        tenant: &TenantId,
        actor: &Actor,
        scope: Scope,
        until: Option<Timestamp>,
    ) -> Option<Secret>;
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
