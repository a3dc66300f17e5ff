//! Applications that may use keys, and for what.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kernel::TenantId;
use serde::{Deserialize, Serialize};

/// What a client may do with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
}

/// Whose keys a client may use.
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
    /// The names of keys it may use; a `*` at the end stands for any rest.
    pub keys: Vec<String>,
    /// What it may do with them.
    pub operations: BTreeSet<Operation>,
    /// Whose keys.
    pub reach: Reach,
    /// When its token ends.
    pub expires_at: Option<Timestamp>,
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
