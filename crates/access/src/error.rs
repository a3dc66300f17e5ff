//! What can go wrong when rights are read or changed.

use kernel::Strength;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. Whatever it is, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The catalogue cannot be used.
    #[error("the catalogue of permissions: {0}; nothing was changed")]
    Catalogue(String),
    /// The map of routes cannot be used.
    #[error("the map of routes: {0}; nothing was changed")]
    Routes(String),
    /// A role's name cannot be used.
    #[error("the role {name:?} cannot be named so: {why}; nothing was changed")]
    Name {
        /// As it was given.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Another field cannot be used.
    #[error("the {field} cannot be used: {why}; nothing was changed")]
    Field {
        /// Which one.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// This tenant has no such role.
    #[error(
        "there is no role {0:?} here; nothing was changed. `amanah access roles --tenant ID` lists those \
         of a tenant"
    )]
    NoRole(String),
    /// There is no such permission.
    #[error("there is no permission {0:?}; nothing was changed. `amanah access matrix` names all")]
    NoPermission(String),
    /// The account has the role already.
    #[error(
        "the account has the role {0:?} already; nothing was changed. For another end or reason, take it \
         away first (`amanah access revoke`)"
    )]
    Held(String),
    /// The role asks for a factor that the account does not have.
    #[error(
        "the role {role:?} asks for {factor}, which the account does not have; nothing was changed. Its \
         holder sets one up at /_amanah/account/security, and then it can be granted"
    )]
    Factor {
        /// The role.
        role: String,
        /// What it asks for, in words.
        factor: &'static str,
        /// What it asks for.
        asked: Strength,
    },
    /// A role would have asked for less than a shipped one that it has everything of.
    #[error(
        "the role would allow all that the role {role:?} does, which asks for {}; nothing was changed. \
         Have it ask for the same, or leave some of that out",
        in_words(*factor)
    )]
    Weak {
        /// The shipped role.
        role: String,
        /// What that asks for.
        factor: Strength,
    },
    /// Whoever wanted a role to ask for less did not show what it asks for themselves.
    #[error(
        "the role {role:?} asks for {}, and only who signed in with one makes it ask for less or lets \
         sessions last longer; nothing was changed. Sign in with one, and try again",
        in_words(*factor)
    )]
    Strength {
        /// The role.
        role: String,
        /// What it asks for.
        factor: Strength,
    },
    /// What the account could prove itself with cannot be told.
    #[error("it cannot be told which factors the account has: {0}; nothing was changed, try again")]
    Unknown(String),
    /// The account does not have the role.
    #[error(
        "the account does not have the role {0:?}; nothing was changed. `amanah access roles --of EMAIL` \
         lists those that it has"
    )]
    NotHeld(String),
    /// Another role of the tenant, or a shipped one, has this name or one that looks like it.
    #[error("there is a role that is named like {0:?}; nothing was changed, choose another name")]
    Taken(String),
    /// Whoever wanted this may not change roles in this tenant.
    #[error(
        "this takes a right here that whoever asked does not have, or a sign-in in a browser; nothing \
         was changed. Whoever may grant roles here can give it"
    )]
    Refused,
    /// It would have given more than its giver has.
    #[error(
        "nobody can give what they do not have themselves: {0}; nothing was changed. Ask somebody \
         who has it"
    )]
    Escalation(String),
    /// Somebody has the role, or another role has everything of it.
    #[error(
        "the role {role:?} is in use: {by}; nothing was changed. Take it from them first, or retire \
         it anyway: they lose it then"
    )]
    InUse {
        /// The role.
        role: String,
        /// Who has it, and which roles inherit from it.
        by: String,
    },
    /// The parents would have closed a ring.
    #[error(
        "the role {0:?} would inherit from itself; nothing was changed. Leave out the parent that has \
         everything of it"
    )]
    Cycle(String),
    /// The tenant has as many roles as it may.
    #[error("a tenant has at most {0} roles of its own; nothing was changed, retire one first")]
    TooMany(i64),
    /// Nothing of this id waits or lives here.
    #[error(
        "there is no such access of support here, or it is over; nothing was changed. `amanah access \
         support list` shows what there is"
    )]
    NoSupport,
    /// Nobody of this tenant has the account.
    #[error("there is no such account here; nothing was changed")]
    NoAccount,
    /// There is no such review, or no such row that is open.
    #[error(
        "there is no such review or row here that is open; nothing was changed. `amanah access review \
         list` shows the reviews, and `amanah access review report ID` the rows of one"
    )]
    NoReview,
    /// A review cannot go on so.
    #[error("the review cannot go on: {0}")]
    Review(String),
    /// Nobody gives themselves a role, or takes one of their own.
    #[error("nobody gives or takes a role of their own; nothing was changed. Ask somebody else")]
    Own,
    /// Nobody decides about what they have themselves.
    #[error("somebody else of the tenant decides about this row; nothing was changed")]
    OwnRow,
    /// A tenant has one open review at a time.
    #[error("a review is open here already; nothing was changed. Close it first, or give it up")]
    ReviewOpen,
    /// Somebody may still do what was revoked.
    #[error("{0} was revoked and still counts; the decision is kept. Revoke the row once more")]
    StillCounts(String),
    /// A review is not at its end.
    #[error(
        "not every row is decided and every revocation verified; nothing was changed. Decide what is \
         open, and revoke once more what is not verified"
    )]
    Undecided,
    /// They proved who they are too long ago for this.
    #[error("prove who you are once more, and try again; nothing was changed")]
    StepUp,
    /// Too many questions wait for an answer.
    #[error("{0} questions of support wait there already; nothing was changed, end one first")]
    Waiting(i64),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// A factor, for people.
pub(crate) const fn in_words(factor: Strength) -> &'static str {
    match factor {
        Strength::One => "a password",
        Strength::Two => "an authenticator app or a passkey",
        Strength::Hardware => "a passkey or security key",
    }
}
