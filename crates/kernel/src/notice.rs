//! What somebody is told about their own account.

/// Something that has happened to an account, and that its holder should hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Notice {
    /// They gave the old password and set a new one.
    PasswordChanged,
    /// A new password was set by a link.
    PasswordReset,
    /// A sign-in with a browser that was not seen before; the detail says which kind.
    NewBrowser,
    /// An authenticator app was added, or took the place of another one.
    AppAdded,
    /// It was removed.
    AppRemoved,
    /// A passkey or security key was added; the detail is its name.
    PasskeyAdded,
    /// One was removed; likewise.
    PasskeyRemoved,
    /// All of them, and the recovery codes, were removed by whoever runs the installation.
    FactorsRemoved,
    /// New recovery codes took the place of the old ones.
    CodesRenewed,
    /// A recovery code was used; the detail is how many are left.
    CodeUsed,
    /// A key for programs was made in their name; the detail is what it is called.
    KeyMade,
    /// A token of a program came back after its use, and everything of that sign-in was ended.
    TokensReused,
    /// The account has another address; the detail is the new one, and the letter goes to the old.
    AddressChanged,
    /// A role was given; the detail names it and its tenant.
    RolesGranted,
    /// A role was taken away; likewise.
    RolesTaken,
    /// A role that they have asks for less than before, or lets sessions last longer; the detail names it
    /// and its tenant.
    RoleLoosened,
    /// Support was let in; the detail is the tenant and the ticket. Told to whoever let it in, and to
    /// whoever asked.
    SupportApproved,
    /// Sessions were ended; the detail says by whom or which.
    SessionsEnded,
    /// The account was closed.
    Closed,
}

impl Notice {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::PasswordChanged,
        Self::PasswordReset,
        Self::NewBrowser,
        Self::AppAdded,
        Self::AppRemoved,
        Self::PasskeyAdded,
        Self::PasskeyRemoved,
        Self::FactorsRemoved,
        Self::CodesRenewed,
        Self::CodeUsed,
        Self::KeyMade,
        Self::TokensReused,
        Self::AddressChanged,
        Self::RolesGranted,
        Self::RolesTaken,
        Self::RoleLoosened,
        Self::SupportApproved,
        Self::SessionsEnded,
        Self::Closed,
    ];

    /// Its name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PasswordChanged => "password-changed",
            Self::PasswordReset => "password-reset",
            Self::NewBrowser => "new-browser",
            Self::AppAdded => "app-added",
            Self::AppRemoved => "app-removed",
            Self::PasskeyAdded => "passkey-added",
            Self::PasskeyRemoved => "passkey-removed",
            Self::FactorsRemoved => "factors-removed",
            Self::CodesRenewed => "codes-renewed",
            Self::CodeUsed => "code-used",
            Self::KeyMade => "key-made",
            Self::TokensReused => "tokens-reused",
            Self::AddressChanged => "address-changed",
            Self::RolesGranted => "roles-granted",
            Self::RolesTaken => "roles-taken",
            Self::RoleLoosened => "role-loosened",
            Self::SupportApproved => "support-approved",
            Self::SessionsEnded => "sessions-ended",
            Self::Closed => "closed",
        }
    }
}
