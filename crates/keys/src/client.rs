//! Applications that may use keys or act for tenants, and for what.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kernel::TenantId;
use serde::{Deserialize, Serialize};

/// What a client may do: with a key, or for a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Encrypt, and make data keys whose text is shown.
    Encrypt,
    /// Decrypt.
    Decrypt,
    /// Move a ciphertext to the newest version without seeing its text.
    Rewrap,
    /// Compute and check HMACs.
    Hmac,
    /// Sign, and check signatures.
    Sign,
    /// Read what a key is: versions, ages, public keys.
    Read,
    /// Create, rotate and configure keys.
    Manage,
    /// Destroy keys and old versions of them for good, and allow that a key is removed.
    Destroy,
    /// Get tokens that bind a transaction in a shared database to a tenant.
    Bind,
    /// Get logins of a tenant's own database, cache and channels.
    Connect,
    /// Make, suspend and resume tenants with a database of their own. Never erase them.
    Provision,
    /// Read and list a tenant's files.
    ReadFiles,
    /// Write and remove a tenant's files.
    WriteFiles,
    /// Ask what a tenant's people may do.
    Decide,
}

impl Operation {
    /// Whether it is done with a key. The others are done for a tenant.
    pub const fn is_with_key(self) -> bool {
        !matches!(
            self,
            Self::Bind
                | Self::Connect
                | Self::Provision
                | Self::ReadFiles
                | Self::WriteFiles
                | Self::Decide
        )
    }
}

/// Whose keys a client may use, and for whom it may act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// The house's alone.
    House,
    /// Every tenant's, and the house's.
    All,
    /// These tenants' alone.
    Tenants(BTreeSet<TenantId>),
}

/// An application with a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// What people call it.
    pub name: String,
    /// The names of keys it may use; a `*` at the end stands for any rest. None for a client that
    /// does nothing with keys.
    pub keys: Vec<String>,
    /// What it may do.
    pub operations: BTreeSet<Operation>,
    /// Whose keys.
    pub reach: Reach,
    /// In which protected databases it may bind tenants, by their names; `*` stands for all. Ids of
    /// tenants in two databases have nothing to do with each other.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub databases: BTreeSet<String>,
    /// When its token ends.
    pub expires_at: Option<Timestamp>,
}

impl Client {
    /// Whether it may bind tenants in the protected database of this name.
    pub fn binds_in(&self, database: &str) -> bool {
        self.databases.contains(database) || self.databases.contains("*")
    }
}

/// A client to admit. The same as what is remembered of it, but for its token.
pub type NewClient = Client;

/// What there is to say about a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientCard {
    /// What it may do.
    #[serde(flatten)]
    pub client: Client,
    /// When it was admitted.
    pub admitted_at: Timestamp,
}
