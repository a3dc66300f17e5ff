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

/// Somebody who accepted an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invited<'a> {
    /// The invitation, by its id.
    pub invitation: &'a str,
    /// Who invited: an account, by its id, and what it is called.
    pub by: (&'a str, &'a str),
    /// The account that was made, by its id.
    pub account: &'a str,
    /// Its tenant, in which the role counts.
    pub tenant: &'a TenantId,
}

/// Gives roles. Implemented by `access`, used by `identity` for whoever accepts an invitation.
pub trait Granting: Send + Sync {
    /// The roles that `by` may give in the tenant they act in: none that allows more than they
    /// themselves may.
    ///
    /// # Errors
    /// When it cannot be told; the text says why. Whoever asks gives none then.
    fn grantable<'a>(&'a self, by: &'a Identity) -> Fut<'a, Result<Vec<Grantable>, String>>;

    /// Gives `role` to whoever was `invited`, in the name of the inviter. What that one may give is read anew. A
    /// role that they have already is well, and so is one that this invitation has given before: it is not
    /// given again, whoever has taken it since.
    ///
    /// # Errors
    /// When it was not given; the text says why.
    fn grant<'a>(&'a self, invited: &'a Invited<'a>, role: &'a str) -> Fut<'a, Result<(), String>>;
}
