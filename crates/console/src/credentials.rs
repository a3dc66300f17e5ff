//! What the console needs for tokens and keys of programs, handed over by the binary.

use jiff::Timestamp;
use kernel::{Fut, Identity, Secret, SessionToken};

use crate::Error;

/// What a program works with until it refreshes.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The access token.
    pub access: Secret,
    /// Good once, for the next two.
    pub refresh: Secret,
    /// How long the access token is good, in seconds.
    pub expires_in: i64,
}

/// Why no tokens were given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenRefusal {
    /// The session or the token is not good: one answer for every reason.
    Refused,
    /// Whoever holds the session has to prove once more who they are.
    Stale,
    /// It cannot be told just now. The cause goes to the log alone.
    Unavailable(String),
}

/// Gives out tokens and ends them.
pub trait Tokens: Send + Sync {
    /// The first tokens for whoever holds this session.
    ///
    /// # Errors
    /// The [`TokenRefusal`].
    fn exchange<'a>(&'a self, session: &'a SessionToken) -> Fut<'a, Result<Granted, TokenRefusal>>;

    /// The next tokens.
    ///
    /// # Errors
    /// The [`TokenRefusal`].
    fn refresh<'a>(&'a self, token: &'a Secret) -> Fut<'a, Result<Granted, TokenRefusal>>;

    /// Ends whatever the token belongs to; one that is unknown has ended.
    ///
    /// # Errors
    /// When it could not be ended; the text is for the log.
    fn revoke<'a>(&'a self, token: &'a Secret) -> Fut<'a, Result<(), String>>;

    /// The public keys, as a JWK set.
    ///
    /// # Errors
    /// When they cannot be had; the text is for the log.
    fn key_set(&self) -> Result<String, String>;
}

/// A key, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The name by which logs and the key itself call it.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// The service that it is for, when it is none of one's own.
    pub service: Option<String>,
    /// The permissions that it has at most, by name.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// Whether it was ended.
    pub revoked: bool,
}

/// Whoever has keys and does not sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its account.
    pub account: String,
    /// Its name.
    pub name: String,
    /// The address of who answers for it.
    pub owner: String,
}

/// What somebody sees of their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRack {
    /// The newest first.
    pub keys: Vec<ApiKey>,
    /// The services that they may give keys; none when they may not.
    pub services: Vec<Service>,
    /// Whether they may make services.
    pub makes_services: bool,
    /// The permissions that a key of theirs could have, by name.
    pub permits: Vec<String>,
}

/// A key that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedKey {
    /// What it is for.
    pub name: String,
    /// The service's account, for a key that is none of one's own.
    pub service: Option<String>,
    /// The permissions by name; none means all that whoever asks has.
    pub scopes: Vec<String>,
    /// How long it lives, in days.
    pub days: u16,
}

/// Why a key or a service was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRefusal {
    /// The name is empty or too long, or the days are too many.
    Form,
    /// It would do what whoever asks may not do.
    Scope,
    /// There are as many as there can be, or there is no such service, or they have just been signed
    /// out.
    Refused,
    /// It cannot be done just now. The cause goes to the log alone.
    Unavailable(String),
}

/// Makes and ends keys for programs.
pub trait ApiKeys: Send + Sync {
    /// The keys of `identity`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when they cannot be read.
    fn rack<'a>(&'a self, identity: &'a Identity) -> Fut<'a, Result<KeyRack, Error>>;

    /// Makes a key. What comes back is shown once and never again.
    ///
    /// # Errors
    /// The [`KeyRefusal`].
    fn make<'a>(
        &'a self,
        identity: &'a Identity,
        asked: &'a AskedKey,
    ) -> Fut<'a, Result<Secret, KeyRefusal>>;

    /// Makes a service.
    ///
    /// # Errors
    /// The [`KeyRefusal`].
    fn make_service<'a>(
        &'a self,
        identity: &'a Identity,
        name: &'a str,
    ) -> Fut<'a, Result<(), KeyRefusal>>;

    /// Ends a key; one that is not there, or not theirs, changes nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it could not be ended, so that nobody trusts in an end that did
    /// not come.
    fn revoke<'a>(&'a self, identity: &'a Identity, id: &'a str) -> Fut<'a, Result<(), Error>>;
}
