//! Somebody who is signed in, how they proved it, and what they may do.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Actor, Bits, PermissionId, Scope, TenantId};

/// How somebody proved who they are, from the weakest on.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// By one factor: a password.
    #[default]
    One,
    /// By two: a password and a code.
    Two,
    /// By a passkey or a security key, which verified its user and cannot be asked for by a
    /// forged page.
    Hardware,
}

impl Strength {
    /// As the database writes it: 1, 2 or 3.
    pub const fn level(self) -> i16 {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Hardware => 3,
        }
    }

    /// What `level` stands for. One that is not known here is the strongest: a demand that cannot
    /// be read is not waived.
    pub const fn demanded(level: i16) -> Self {
        match level {
            1 => Self::One,
            2 => Self::Two,
            _ => Self::Hardware,
        }
    }

    /// What `level` stands for. One that is not known here is the weakest: nobody is credited with
    /// a proof that cannot be read.
    pub const fn shown(level: i16) -> Self {
        match level {
            3 => Self::Hardware,
            2 => Self::Two,
            _ => Self::One,
        }
    }
}

/// How long ago somebody may have proven who they are, for what changes an account, lets others in, or
/// asks for a fresh proof otherwise.
pub const RECENT: SignedDuration = SignedDuration::from_mins(10);

/// Which way somebody came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    /// A browser's session. Only this one may change the account itself.
    Browser,
    /// A short-lived access token.
    AccessToken,
    /// A key for programs.
    ApiKey,
}

/// Access that a tenant has granted to the vendor's support, for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Support {
    /// The grant's id.
    pub grant: String,
    /// The tenant that granted it.
    pub tenant: TenantId,
    /// What it lets do; the database refuses the rest.
    pub scope: Scope,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// What an account may do in a tenant, as it was a moment ago.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// The names of its roles, for people.
    pub roles: Vec<String>,
    /// The same with the names of all roles that those have everything of.
    pub lineage: Vec<String>,
    /// What all of them together allow.
    pub permits: Bits,
    /// When the first of its roles ends by itself: it has to be read again then.
    pub until: Option<Timestamp>,
    /// How its holder has to prove who they are.
    pub needs: Strength,
    /// How long a session lives unused, when the tenant or a role wants less than usual.
    pub idle: Option<SignedDuration>,
    /// How long a session lives at most, likewise.
    pub absolute: Option<SignedDuration>,
    /// The grant that it rests on, for support.
    pub support: Option<Support>,
}

/// Somebody who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account, by its id.
    pub account: String,
    /// Whoever acts, as the trail calls them.
    pub actor: Actor,
    /// The name to greet them by.
    pub name: String,
    /// The tenant they act in: with support, the one that let them in.
    pub tenant: TenantId,
    /// What they may do in it.
    pub standing: Standing,
    /// How they proved who they are.
    pub strength: Strength,
    /// When they last did.
    pub authenticated_at: Timestamp,
    /// The session, by a name that is no secret.
    pub session: String,
    /// Which way they came in.
    pub door: Door,
}

impl Identity {
    /// Whether they may do this.
    pub fn may(&self, permission: PermissionId) -> bool {
        self.standing.permits.has(permission)
    }

    /// Whether they proved who they are so short a time before `now` that it does for what is
    /// sensitive. A clock that went back says no, and so does a key: it proves nothing about who holds
    /// it now.
    pub fn is_recent(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.authenticated_at);
        self.door != Door::ApiKey && !age.is_negative() && age < RECENT
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{Door, Identity, RECENT, Standing, Strength};
    use crate::{Actor, TenantId};

    #[test]
    fn what_was_proven_long_ago_or_in_the_future_or_by_a_key_is_not_recent() {
        let (then, second) = (Timestamp::UNIX_EPOCH, SignedDuration::from_secs(1));
        let who = |door| Identity {
            account: "1".to_owned(),
            actor: Actor::new("sari@sinar.example").unwrap(),
            name: "Sari".to_owned(),
            tenant: TenantId::new("sinar").unwrap(),
            standing: Standing::default(),
            strength: Strength::Two,
            authenticated_at: then,
            session: "2".to_owned(),
            door,
        };
        let browser = who(Door::Browser);
        assert!(browser.is_recent(then) && browser.is_recent(then + RECENT - second));
        assert!(!browser.is_recent(then + RECENT) && !browser.is_recent(then - second));
        assert!(who(Door::AccessToken).is_recent(then) && !who(Door::ApiKey).is_recent(then));
    }
}
