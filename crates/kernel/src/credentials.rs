//! What is signed about people, and what programs show instead of a cookie.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{Fut, Identity, Secret};

/// One of the keys that sign tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenKey {
    /// Its public half: 32 bytes of Ed25519.
    pub public: [u8; 32],
    /// When it began to sign, and the one before ended.
    pub since: Timestamp,
}

/// Signs tokens with keys that are kept outside of every database. Implemented over the key ring by
/// the binary, used by `identity`.
pub trait TokenKeys: Send + Sync {
    /// Every key that is still there, the newest first. The newest signs.
    ///
    /// # Errors
    /// When they cannot be had; the text says why.
    fn keys(&self) -> Result<Vec<TokenKey>, String>;

    /// The signature by one of these over `text`.
    ///
    /// # Errors
    /// When there is no such key any more, or it cannot sign now; the text says why.
    fn sign(&self, key: &[u8; 32], text: &[u8]) -> Result<[u8; 64], String>;
}

/// What a program shows instead of a cookie, and what the application is told about who asks.
/// Implemented by `identity`, used by the gateway.
pub trait Credentials: Send + Sync {
    /// Whoever holds `bearer`, the token of `Authorization: Bearer`: an access token or an API key,
    /// never the token of a session. `None` when it is unknown, forged, expired or revoked.
    ///
    /// # Errors
    /// When it cannot be told, since the store does not answer. Nobody is let in then.
    fn bearer<'a>(&'a self, bearer: &'a Secret) -> Fut<'a, Result<Option<Arc<Identity>>, String>>;

    /// A signed statement for the application of who asks, good for a minute; made once in 20
    /// seconds for each session. `None` when there is no key to sign with.
    fn assertion(&self, identity: &Arc<Identity>) -> Option<Secret>;
}
