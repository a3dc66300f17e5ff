//! What somebody is told about their own account.

use crate::Fut;

/// Something that has happened to an account, and that its holder should hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Notice {
    /// They gave the old password and set a new one.
    PasswordChanged,
    /// A new password was set by a link.
    PasswordReset,
    /// A sign-in with a browser that was not seen before; the detail says which kind.
    NewBrowser,
    /// A second factor, a passkey or a key was added; the detail names it.
    FactorAdded,
    /// One was removed; the detail names it.
    FactorRemoved,
    /// The account has another address; the detail is the new one, and the letter goes to the old.
    AddressChanged,
    /// Roles were given; the detail names them.
    RolesGranted,
    /// Sessions were ended; the detail says by whom or which.
    SessionsEnded,
    /// The account was closed.
    Closed,
}

impl Notice {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::PasswordChanged,
        Self::PasswordReset,
        Self::NewBrowser,
        Self::FactorAdded,
        Self::FactorRemoved,
        Self::AddressChanged,
        Self::RolesGranted,
        Self::SessionsEnded,
        Self::Closed,
    ];

    /// Its name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PasswordChanged => "password-changed",
            Self::PasswordReset => "password-reset",
            Self::NewBrowser => "new-browser",
            Self::FactorAdded => "factor-added",
            Self::FactorRemoved => "factor-removed",
            Self::AddressChanged => "address-changed",
            Self::RolesGranted => "roles-granted",
            Self::SessionsEnded => "sessions-ended",
            Self::Closed => "closed",
        }
    }
}

/// Tells people what happened to their accounts. Implemented by `identity`, used by rooms that change
/// what belongs to an account.
pub trait Notices: Send + Sync {
    /// Has `account` told, in their language. `detail` is for people, without a secret.
    ///
    /// # Errors
    /// When the letter could not be written down; the text says why.
    fn tell<'a>(
        &'a self,
        account: &'a str,
        notice: Notice,
        detail: &'a str,
    ) -> Fut<'a, Result<(), String>>;
}
