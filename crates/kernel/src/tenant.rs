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
    use super::{IdError, TenantId};

    #[test]
    fn an_id_is_checked() {
        assert_eq!(TenantId::new(""), Err(IdError::Empty));
        assert_eq!(TenantId::new("a\nb"), Err(IdError::Control));
        assert_eq!(TenantId::new("é".repeat(65)), Err(IdError::TooLong(130)));
        assert!(TenantId::new("toko O'Brien").is_ok());
    }
}
