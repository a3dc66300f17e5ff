//! What lets somebody act by something else than a role, as reviews of access look at it.

use jiff::Timestamp;

use crate::{Fut, TenantId};

/// The account of what nobody answers for: the operator of the machine gave it.
pub const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// One thing that lets somebody, or a program, act in a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// What it is known by to whoever keeps it; no secret.
    pub id: String,
    /// The account that acts by it or answers for it, a UUID; [`NOBODY`] where there is none.
    pub account: String,
    /// What people call whoever has it.
    pub holder: String,
    /// What it is, for people.
    pub what: String,
    /// Who gave it.
    pub given_by: String,
    /// When.
    pub given_at: Timestamp,
    /// When it was last used; `None` when it never was.
    pub last_used_at: Option<Timestamp>,
    /// Whether whoever answers for it is gone.
    pub orphan: bool,
}

/// Keeps things of one kind that let somebody act in a tenant. Implemented by the rooms that give them
/// out, used by `access` for its reviews.
pub trait Holdings: Send + Sync {
    /// The kind, as reviews write it down: a word in small letters.
    fn kind(&self) -> &'static str;

    /// Everything that counts in `tenant` at this moment.
    ///
    /// # Errors
    /// When it cannot be told; the text says why. Nothing is reviewed then.
    fn living<'a>(&'a self, tenant: &'a TenantId) -> Fut<'a, Result<Vec<Holding>, String>>;

    /// Ends the one of this id in `tenant`. One that is not there is as good as ended.
    ///
    /// # Errors
    /// When it was not ended; the text says why.
    fn end<'a>(&'a self, tenant: &'a TenantId, id: &'a str) -> Fut<'a, Result<(), String>>;

    /// Whether the one of this id still counts in `tenant`, asked anew.
    ///
    /// # Errors
    /// When it cannot be told; the text says why.
    fn counts<'a>(&'a self, tenant: &'a TenantId, id: &'a str) -> Fut<'a, Result<bool, String>> {
        Box::pin(async move { Ok(self.living(tenant).await?.iter().any(|one| one.id == id)) })
    }
}
