//! What remembers the ring's newest generation apart from the ring, so that an older copy of it
//! is noticed.

use jiff::Timestamp;
use kernel::{Fut, TenantId};
use serde::{Deserialize, Serialize};

use crate::Result;

mod database;
mod file;

pub use database::DatabaseAnchor;
pub use file::FileAnchor;

/// The newest generation that somebody has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The installation.
    pub installation: String,
    /// The ring's public key, in hexadecimal.
    pub public_key: String,
    /// The generation's number.
    pub generation: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub digest: String,
}

/// Remembers the newest generation and what was destroyed, apart from the ring, so that an older
/// copy of the ring is noticed.
pub trait Anchor: Send + Sync {
    /// Where it is, for people.
    fn place(&self) -> String;
    /// The newest generation it has seen.
    fn head(&self) -> Fut<'_, Result<Option<Head>>>;
    /// Remembers `head` unless it has seen a newer one, and `buried` in either case.
    fn advance<'a>(&'a self, head: &'a Head, buried: &'a [Tombstone]) -> Fut<'a, Result<()>>;
    /// What it knows to be destroyed.
    fn tombstones(&self) -> Fut<'_, Result<Vec<Tombstone>>>;
}

/// What was destroyed, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tombstone {
    /// The tenant all of whose keys were destroyed, or `None` for single keys and versions.
    pub tenant: Option<TenantId>,
    /// The ids of the destroyed versions.
    pub ids: Vec<String>,
    /// When.
    pub at: Timestamp,
}
