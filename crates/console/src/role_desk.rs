//! What the pages about roles, a tenant's own and those that its people have, need of the rest of the
//! house: the port, and what goes through it.

use jiff::Timestamp;
use kernel::{Fut, Identity};

use crate::Person;

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

    /// The roles of somebody of `who`'s tenant.
    ///
    /// # Errors
    /// The [`RoleTrouble`]; [`RoleTrouble::Gone`] when nobody of the tenant has the account.
    fn holder<'a>(
        &'a self,
        who: &'a Identity,
        account: &'a str,
    ) -> Fut<'a, Result<RoleHolder, RoleTrouble>>;

    /// Gives a role to somebody else of the tenant.
    ///
    /// # Errors
    /// The [`RoleTrouble`].
    fn give<'a>(
        &'a self,
        who: &'a Identity,
        account: &'a str,
        gift: &'a RoleGift,
    ) -> Fut<'a, Result<(), RoleTrouble>>;

    /// Takes a role from somebody else of the tenant, for `reason`.
    ///
    /// # Errors
    /// The [`RoleTrouble`].
    fn take<'a>(
        &'a self,
        who: &'a Identity,
        account: &'a str,
        role: &'a str,
        reason: &'a str,
    ) -> Fut<'a, Result<(), RoleTrouble>>;
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleTrouble {
    /// It is not theirs to do.
    Refused,
    /// They proved who they are too long ago.
    StepUp,
    /// There is no such role, or nobody of the tenant has the account.
    Gone,
    /// It would have been their own: somebody else gives to them, and takes.
    Own,
    /// Whoever it was for has the role already.
    Held,
    /// Whoever it was to be taken from does not have it.
    NotHeld,
    /// The role asks for a factor that whoever it was for has not set up.
    Factor {
        /// Whether that is a passkey or security key, and no app does.
        hardware: bool,
    },
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

/// Somebody and their roles, for whoever may give and take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleHolder {
    /// Who it is.
    pub person: Person,
    /// Whether it is the reader: somebody else gives to them, and takes.
    pub own: bool,
    /// What they have.
    pub held: Vec<HeldRole>,
    /// What they had, the last that ended first.
    pub over: Vec<PastRole>,
    /// The roles that the reader may give, by name and title.
    pub givable: Vec<(String, String)>,
}

/// A role that somebody has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRole {
    /// Its name.
    pub role: String,
    /// Who gave it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// Whether the reader may take it.
    pub takable: bool,
}

/// A role that somebody had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRole {
    /// Its name.
    pub role: String,
    /// Who gave it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Who took it; none when it ended by itself.
    pub ended_by: Option<String>,
    /// Why, where that was asked for.
    pub reason: Option<String>,
}

/// A role to be given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleGift {
    /// Its name.
    pub role: String,
    /// Why.
    pub reason: String,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
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
