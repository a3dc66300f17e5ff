//! Who may give whom which role.

use crate::{Fut, Identity, TenantId};

/// A role that somebody may give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grantable {
    /// Its name, as grants hold it.
    pub name: String,
    /// What people call it.
    pub title: String,
}

/// Gives roles. Implemented by `access`, used by `identity` for whoever accepts an invitation.
pub trait Granting: Send + Sync {
    /// The roles that `by` may give in the tenant they act in: none that allows more than they
    /// themselves may.
    ///
    /// # Errors
    /// When it cannot be told; the text says why. Whoever asks gives none then.
    fn grantable<'a>(&'a self, by: &'a Identity) -> Fut<'a, Result<Vec<Grantable>, String>>;

    /// Gives `role` of `tenant` to `account`, which was invited, in the name of `by`: an account and what
    /// it is called. What that one may give is read anew. A role that `account` has already is well.
    ///
    /// # Errors
    /// When it was not given; the text says why.
    fn grant<'a>(
        &'a self,
        by: (&'a str, &'a str),
        account: &'a str,
        tenant: &'a TenantId,
        role: &'a str,
    ) -> Fut<'a, Result<(), String>>;
}
