//! Who owns the data, and who acts.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest id of a tenant or an actor, in bytes.
pub const MAX_ID_BYTES: usize = 128;

/// An id that cannot name a tenant or an actor.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum IdError {
    /// It has no characters.
    #[error("an id must not be empty")]
    Empty,
    /// It is longer than [`MAX_ID_BYTES`].
    #[error("an id has at most {MAX_ID_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// It holds a control character.
    #[error("an id must not hold control characters")]
    Control,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks `text` and keeps it as it is.
            ///
            /// # Errors
            /// When it is empty, longer than 128 bytes or holds a control character.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                check(text.into()).map(Self)
            }

            /// The id as it is written in the tenant's tables.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// A tenant, by the text of its key in the application's own tables (a number, a UUID, a slug).
    TenantId
}

id! {
    /// Whoever acts: a user, a member of staff, a service.
    Actor
}

/// How much of a grant's id stands behind a name.
const SHOWN_GRANT_CHARS: usize = 8;

impl Actor {
    /// The same, acting under a grant of support: the trail tells by it who let them in. A name that
    /// leaves no room for that is cut.
    #[must_use]
    pub fn in_support(&self, grant: &str) -> Self {
        let shown: String =
            grant.chars().filter(char::is_ascii_graphic).take(SHOWN_GRANT_CHARS).collect();
        let behind = format!(" support:{shown}");
        let room = MAX_ID_BYTES.saturating_sub(behind.len());
        let mut name = String::new();
        for c in self.0.chars() {
            if name.len() + c.len_utf8() > room {
                break;
            }
            name.push(c);
        }
        Self(name + &behind)
    }
}

fn check(text: String) -> Result<String, IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > MAX_ID_BYTES {
        return Err(IdError::TooLong(text.len()));
    }
    if text.chars().any(char::is_control) {
        return Err(IdError::Control);
    }
    Ok(text)
}

/// What a binding allows inside its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// Reading alone: the database refuses every write.
    #[serde(rename = "ro")]
    ReadOnly,
    /// Reading and writing.
    #[serde(rename = "rw")]
    ReadWrite,
}

impl Scope {
    /// The scope as the binding token writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "ro",
            Self::ReadWrite => "rw",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Actor, IdError, MAX_ID_BYTES, TenantId};

    #[test]
    fn whoever_supports_is_told_from_themselves() {
        let nina = Actor::new("nina@vendor.example").unwrap();
        let grant = "0190aaaa-bbbb-4ccc-8ddd-eeeeffff0000";
        assert_eq!(nina.in_support(grant).as_str(), "nina@vendor.example support:0190aaaa");
        let long = Actor::new("é".repeat(64)).unwrap().in_support(grant);
        assert!(
            long.as_str().len() <= MAX_ID_BYTES && long.as_str().ends_with(" support:0190aaaa")
        );
        assert!(Actor::new(long.as_str()).is_ok());
    }

    #[test]
    fn an_id_is_checked() {
        assert_eq!(TenantId::new(""), Err(IdError::Empty));
        assert_eq!(TenantId::new("a\nb"), Err(IdError::Control));
        assert_eq!(TenantId::new("é".repeat(65)), Err(IdError::TooLong(130)));
        assert!(TenantId::new("toko O'Brien").is_ok());
    }
}
