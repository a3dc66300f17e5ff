//! What the console needs of accounts besides signing in and out, handed over by the binary.

use std::net::IpAddr;

use jiff::Timestamp;
use kernel::{Fut, Identity, Secret, SessionToken};

use crate::{Error, Refusal};

/// Why something about an account was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hindrance {
    /// The link is over, was used, or was never given out: one answer for all of them.
    Link,
    /// The new password cannot be taken.
    Password,
    /// The current password is not right.
    Wrong,
    /// An address, a name or a role cannot be taken.
    Field,
    /// Too many passwords are being worked on at once.
    Busy,
    /// They have tried too often.
    Later,
    /// It cannot be done now. The cause goes to the log alone.
    Unavailable(String),
}

/// Where a try comes from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The address at the other end of the connection.
    pub peer: IpAddr,
    /// The token that a browser keeps once somebody has signed in with it.
    pub browser: Option<SessionToken>,
    /// What kind of browser it says it is.
    pub family: String,
    /// What the proofs of this installation show, so that they can try as often as they have to.
    pub proof: Option<Secret>,
}

/// What the link of an invitation offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// For which address.
    pub email: String,
    /// In which tenant.
    pub tenant: String,
    /// Who invited.
    pub by: String,
}

/// An open session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSession {
    /// Its name, which is no secret.
    pub id: String,
    /// When it was opened.
    pub since: Timestamp,
    /// When it was last used.
    pub seen: Timestamp,
    /// With which kind of browser.
    pub browser: String,
}

/// Somebody of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The account.
    pub id: String,
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
    /// Whether the account is closed.
    pub closed: bool,
}

/// An invitation that nobody has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invited {
    /// Its id.
    pub id: String,
    /// Where the letter went.
    pub email: String,
    /// What they will be.
    pub roles: String,
    /// Until when it can be accepted.
    pub until: Timestamp,
}

/// A tenant's people, as one of them may see and change them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct People {
    /// Who there is.
    pub people: Vec<Person>,
    /// Who was invited.
    pub invited: Vec<Invited>,
    /// The roles that they may invite into, by name and title.
    pub roles: Vec<(String, String)>,
}

/// Whom an invitation goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The address, as it was typed.
    pub email: String,
    /// The names of the roles.
    pub roles: Vec<String>,
    /// The tag of the letter's language.
    pub language: String,
}

/// Accounts and their letters.
pub trait Accounts: Send + Sync {
    /// Takes a try of the password of `email` from there, which counts as wrong until
    /// [`Accounts::not_wrong`] or [`Accounts::signed_in`]. It must not depend on whether there is such
    /// an account.
    ///
    /// # Errors
    /// [`Refusal::Later`] when it was tried too often.
    fn may_try<'a>(&'a self, email: &'a str, from: &'a Origin) -> Fut<'a, Result<(), Refusal>>;

    /// The try that was taken does not count: the password was not looked at, or it was right and
    /// something more is asked for.
    fn not_wrong<'a>(&'a self, email: &'a str, from: &'a Origin) -> Fut<'a, ()>;

    /// Somebody has signed in, with whatever that took, and this is the session: the token that the
    /// browser is to keep, if it has none that counts.
    fn signed_in<'a>(
        &'a self,
        session: &'a SessionToken,
        from: &'a Origin,
    ) -> Fut<'a, Option<SessionToken>>;

    /// Has a letter sent to whoever has an account at `address`, whatever that is, in the language
    /// with the tag `language`. It must do and take the same for all of them.
    ///
    /// # Errors
    /// [`Hindrance::Later`], [`Hindrance::Busy`] and [`Hindrance::Unavailable`], none of which may depend on
    /// whether there is such an account.
    fn ask_reset<'a>(
        &'a self,
        address: &'a str,
        language: &'a str,
        from: &'a Origin,
    ) -> Fut<'a, Result<(), Hindrance>>;

    /// Whether a link for a new password is good. Looking does not use it up.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    fn reset_is_open<'a>(&'a self, token: &'a SessionToken) -> Fut<'a, Result<bool, Error>>;

    /// Sets a new password by a link.
    ///
    /// # Errors
    /// The [`Hindrance`].
    fn reset<'a>(
        &'a self,
        token: &'a SessionToken,
        password: &'a Secret,
        from: &'a Origin,
    ) -> Fut<'a, Result<(), Hindrance>>;

    /// What the link of an invitation offers, while it is good. Looking does not use it up.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    fn offer<'a>(&'a self, token: &'a SessionToken) -> Fut<'a, Result<Option<Offer>, Error>>;

    /// Makes the account that an invitation offers.
    ///
    /// # Errors
    /// The [`Hindrance`].
    fn accept<'a>(
        &'a self,
        token: &'a SessionToken,
        name: &'a str,
        password: &'a Secret,
        from: &'a Origin,
    ) -> Fut<'a, Result<(), Hindrance>>;

    /// Changes the password of whoever gives the current one, and ends their other sessions.
    ///
    /// # Errors
    /// The [`Hindrance`].
    fn change_password<'a>(
        &'a self,
        identity: &'a Identity,
        current: &'a Secret,
        new: &'a Secret,
    ) -> Fut<'a, Result<(), Hindrance>>;

    /// Their open sessions.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    fn sessions<'a>(&'a self, identity: &'a Identity) -> Fut<'a, Result<Vec<OpenSession>, Error>>;

    /// Ends one of their sessions, or all but the one that they ask in. Whether there was one to end: a
    /// session that proves itself again goes on under another name.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; sessions may be open then. [`Error::Over`] when the one that they ask in has
    /// ended: all others are not its holder's to end any more.
    fn end_sessions<'a>(
        &'a self,
        identity: &'a Identity,
        one: Option<&'a str>,
    ) -> Fut<'a, Result<bool, Error>>;

    /// The people of their tenant.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    fn people<'a>(&'a self, identity: &'a Identity) -> Fut<'a, Result<People, Error>>;

    /// Invites somebody into their tenant. What comes back is the same whether or not that address
    /// has an account.
    ///
    /// # Errors
    /// The [`Hindrance`].
    fn invite<'a>(
        &'a self,
        identity: &'a Identity,
        new: &'a Invitation,
    ) -> Fut<'a, Result<(), Hindrance>>;

    /// Takes an invitation of their tenant back.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; the link may be good then.
    fn withdraw<'a>(&'a self, identity: &'a Identity, id: &'a str) -> Fut<'a, Result<(), Error>>;
}
