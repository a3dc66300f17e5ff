//! What a key is, and what there is to say about one.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{KeyRef, Purpose, Tombstone};

/// What a key can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Encrypts, and computes HMACs.
    #[default]
    Aes256Gcm,
    /// Signs, and computes HMACs.
    Ed25519,
    /// Computes HMACs alone.
    Hmac,
}

/// What a new key is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// What it can do.
    pub kind: Kind,
    /// What it is for.
    pub purpose: Purpose,
    /// Whether each use must name a context (Vault calls such a key derived).
    pub needs_context: bool,
}

/// What can be changed about a key; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Versions below this one no longer open anything. They can be allowed again until
    /// [`Keys::trim`](crate::Keys::trim) destroys them.
    pub min_decryption: Option<u32>,
    /// Rotate this key at this age, instead of what the policy says of its purpose.
    pub rotate_after: Option<SignedDuration>,
    /// Whether it may be removed.
    pub removable: Option<bool>,
}

/// At what age keys are rotated.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Where the purpose is not named.
    pub default: SignedDuration,
    /// By purpose.
    pub purposes: BTreeMap<Purpose, SignedDuration>,
}

impl Default for Policy {
    /// Sixty days, which leaves thirty of the ninety that most pages promise.
    fn default() -> Self {
        Self { default: SignedDuration::from_hours(60 * 24), purposes: BTreeMap::new() }
    }
}

impl Policy {
    /// The age at which a key for `purpose` is rotated.
    pub fn of(&self, purpose: Purpose) -> SignedDuration {
        self.purposes.get(&purpose).copied().unwrap_or(self.default)
    }
}

/// One version of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionCard {
    /// Counted from 1.
    pub version: u32,
    /// Its id, which every ciphertext names: 16 hexadecimal digits.
    pub id: String,
    /// When it was made.
    pub made_at: Timestamp,
}

/// What there is to say about a key; nothing of it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyCard {
    /// Which one.
    pub key: KeyRef,
    /// What it is.
    pub spec: Spec,
    /// Its versions, oldest first; the last one encrypts.
    pub versions: Vec<VersionCard>,
    /// Versions below this one open nothing.
    pub min_decryption: u32,
    /// At what age it is rotated.
    pub rotate_after: SignedDuration,
    /// Whether it may be removed.
    pub removable: bool,
    /// The version of the key-encryption key that wraps it, counted from 1, and its age.
    pub wrapped_by: VersionCard,
    /// Who uses it: the clients that may, and the rooms of the house that do.
    pub users: Vec<String>,
}

impl KeyCard {
    /// The version that encrypts. A key always has one.
    pub fn newest(&self) -> Option<&VersionCard> {
        self.versions.last()
    }
}

/// What there is to say about the ring as a whole.
#[derive(Debug, Clone, Serialize)]
pub struct RingCard {
    /// Counted from 1; each change is one more.
    pub generation: u64,
    /// The installation whose it is.
    pub installation: String,
    /// When this generation was written.
    pub written_at: Timestamp,
    /// How long it is, in bytes.
    pub bytes: usize,
    /// How long it may become. New keys are made up to half of this; the rest is kept for rotation
    /// and destruction.
    pub most_bytes: usize,
    /// The kind of root and its place, as `file: data/keys/root`.
    pub root: String,
    /// Whether the root's key lies on this host.
    pub root_on_host: bool,
    /// When the ring's own key was made.
    pub ring_key_made_at: Timestamp,
    /// Root generations that are still to be destroyed: the root did not answer then.
    pub pending: Vec<String>,
    /// Root generations that refuse already and could be called back: which, and until when.
    pub scheduled: Vec<String>,
    /// What anchors hold and was not believed, because the ring's key did not sign it.
    pub passed: Vec<String>,
    /// What was destroyed.
    pub tombstones: Vec<Tombstone>,
    /// The recovery kits that were made of this ring: id, when, how many of how many shares.
    pub kits: Vec<String>,
}
