//! What the pages about a tenant's own roles need of the rest of the house: the port, and what goes
//! through it.

use kernel::{Fut, Identity};

/// The roles of a tenant. Implemented by the binary over `access`.
pub trait RoleDesk: Send + Sync {
    /// The roles that there are in `who`'s tenant: those that every tenant has, and its own.
    ///
    /// # Errors
    /// The [`RoleTrouble`].
    fn roles<'a>(&'a self, who: &'a Identity) -> Fut<'a, Result<Vec<RoleCard>, RoleTrouble>>;

    /// What `who` can put into a role: nothing that they may not do themselves.
    ///
    /// # Errors
    /// The [`RoleTrouble`].
    fn offers<'a>(&'a self, who: &'a Identity) -> Fut<'a, Result<RoleOffers, RoleTrouble>>;

    /// A role of the tenant's own, as it is now.
    ///
    /// # Errors
    /// The [`RoleTrouble`].
    fn role<'a>(
        &'a self,
        who: &'a Identity,
        name: &'a str,
    ) -> Fut<'a, Result<RoleDraft, RoleTrouble>>;

    /// Makes a role, or changes the one of this name.
    ///
    /// # Errors
    /// The [`RoleTrouble`].
    fn define<'a>(
        &'a self,
        who: &'a Identity,
        draft: &'a RoleDraft,
    ) -> Fut<'a, Result<(), RoleTrouble>>;

    /// Retires a role; one that is in use only `anyway`.
    ///
    /// # Errors
    /// The [`RoleTrouble`].
    fn retire<'a>(
        &'a self,
        who: &'a Identity,
        name: &'a str,
        anyway: bool,
    ) -> Fut<'a, Result<(), RoleTrouble>>;
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleTrouble {
    /// It is not theirs to do.
    Refused,
    /// They proved who they are too long ago.
    StepUp,
    /// There is no such role of the tenant's own.
    Gone,
    /// The name cannot be used, or another field.
    Unfit,
    /// Another role has this name or one that looks like it.
    Taken,
    /// It would have given what they do not have: the names of some of it.
    Beyond(String),
    /// It would ask for less than a shipped role that it has everything of: that one, and whether it asks for a
    /// security key rather than any second factor.
    Weak(String, bool),
    /// It asks for more than they showed when they signed in, so that they cannot have it ask for less: which
    /// role, and whether for a security key.
    Strength(String, bool),
    /// It would inherit from itself.
    Cycle,
    /// Who has it, and which roles inherit from it.
    InUse(String),
    /// The tenant has as many roles as it may.
    Full,
    /// It cannot be told or done just now. The cause goes to the log alone.
    Unavailable(String),
}

/// One role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleCard {
    /// Its name.
    pub name: String,
    /// Who should have it.
    pub title: String,
    /// Whether every tenant has it: then it cannot be changed.
    pub shipped: bool,
    /// How many permissions it has, with its parents'.
    pub permissions: u32,
    /// How many accounts have it.
    pub holders: u64,
    /// The roles that it has everything of.
    pub parents: Vec<String>,
}

/// A role as somebody writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleDraft {
    /// Its name.
    pub name: String,
    /// Who should have it.
    pub title: String,
    /// How its holders have to prove who they are: 1 a password, 2 a second factor, 3 a security key.
    pub factor: u8,
    /// The numbers of its own permissions.
    pub permits: Vec<u16>,
    /// The roles that it has everything of.
    pub parents: Vec<String>,
    /// Whether there is such a role, which is changed; otherwise a new one is made.
    pub known: bool,
}

/// What somebody can put into a role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleOffers {
    /// Permissions by the area that they belong to.
    pub areas: Vec<(String, Vec<OfferedPermission>)>,
    /// Roles to have everything of: name and title.
    pub parents: Vec<(String, String)>,
}

/// A permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedPermission {
    /// Its number.
    pub number: u16,
    /// Its name.
    pub name: String,
    /// What it lets do.
    pub title: String,
}
