//! What a key is called, and whose it is.

use std::fmt;

use kernel::TenantId;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The longest name of a key, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 64;
/// How the names of Amanah's own keys begin. No client reaches them, whatever its patterns say.
pub(crate) const OWN_PREFIX: &str = "amanah.";

/// A key's name: letters, digits, `.`, `_` and `-`, beginning with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyName(String);

impl KeyName {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`Error::Name`] with what is wrong.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let begins = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        if !begins || text.len() > MAX_NAME_BYTES || !text.chars().all(plain) {
            return Err(Error::Name(text.chars().take(MAX_NAME_BYTES).collect()));
        }
        Ok(Self(text))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it begins with `amanah.`, as the names of Amanah's own keys do: those are used by
    /// the house itself, and never by an application.
    pub fn is_own(&self) -> bool {
        self.0.starts_with(OWN_PREFIX)
    }
}

impl TryFrom<String> for KeyName {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

impl From<KeyName> for String {
    fn from(name: KeyName) -> Self {
        name.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One key: its name, and the tenant whose it is; without one it is the house's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyRef {
    /// Whose it is.
    pub tenant: Option<TenantId>,
    /// Its name.
    pub name: KeyName,
}

impl fmt::Display for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tenant {
            Some(tenant) => write!(f, "{} of tenant {tenant}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

/// What a key is for: each purpose has key-encryption keys and a rotation policy of its own.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Fields in a database.
    #[default]
    Fields,
    /// Files and other large objects.
    Files,
    /// Backups and archived logs.
    Backups,
    /// Signatures.
    Signing,
}
