//! The ring as a document: readable JSON, and a last line with its signature.
//!
//! Whoever holds the file sees which keys there are, and none of their bytes: those are wrapped.
//! The signing key's seed is wrapped by the ring key, so that only who gets past the root can
//! write a ring that is taken.

use std::collections::{BTreeSet, HashSet};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use jiff::{SignedDuration, Timestamp};
use kernel::{TenantId, hex, unhex};
use kms::{Generation, Wrapped};
use serde::{Deserialize, Serialize};

use crate::{Client, KeyName, KeyRef, Kind, Purpose, Tombstone};

mod check;
mod encoded;

pub(crate) use check::{MAX_VERSIONS, MOST_BY_HAND, Room};
pub(crate) use encoded::{Blob, ID_BYTES, Id};

/// The version of this layout.
pub(crate) const FORMAT: u32 = 1;
/// The largest ring, in bytes. Ten thousand keys of a version each are five million.
pub(crate) const MAX_RING_BYTES: usize = 64 << 20;
/// What is signed begins with this, so that no other signature of the key can be put here.
const LABEL: &[u8] = b"amanah/ring/1\n";
/// How the last line begins.
const SIGNATURE: &str = "ed25519 ";

/// A generation of the ring.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    pub(crate) format: u32,
    pub(crate) installation: String,
    /// Counted from 1; each change is one more.
    pub(crate) generation: u64,
    pub(crate) written_at: Timestamp,
    /// What verifies the last line, in hexadecimal.
    pub(crate) public_key: String,
    pub(crate) ring_key: RingKey,
    /// Wrapped by the ring key.
    pub(crate) signing_seed: Blob,
    /// Generations of the root that open this ring or an older copy of it: what is destroyed for
    /// good must not lie under any of them.
    pub(crate) root_generations: Vec<Generation>,
    /// Generations of the root that are still to be destroyed.
    pub(crate) pending: Vec<Generation>,
    /// Generations of the root that refuse already, and could be brought back for some time.
    pub(crate) scheduled: Vec<Scheduled>,
    /// In the order of purpose and tenant.
    pub(crate) key_encryption_keys: Vec<Kek>,
    /// In the order of tenant and name.
    pub(crate) keys: Vec<Key>,
    /// In the order of their names.
    pub(crate) clients: Vec<Admitted>,
    pub(crate) tombstones: Vec<Tombstone>,
    pub(crate) kits: Vec<Kit>,
}

/// The key that wraps the key-encryption keys.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RingKey {
    pub(crate) id: Id,
    pub(crate) made_at: Timestamp,
    pub(crate) wrapped: Wrapped,
}

/// A generation of the root that will be destroyed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scheduled {
    pub(crate) generation: Generation,
    pub(crate) until: Timestamp,
}

/// A key-encryption key: the one version of it that is in use.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kek {
    pub(crate) purpose: Purpose,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) version: u32,
    pub(crate) id: Id,
    pub(crate) made_at: Timestamp,
    /// Wrapped by the ring key.
    pub(crate) sealed: Blob,
}

/// Which key-encryption key.
pub(crate) type KekRef = (Purpose, Option<TenantId>);

impl Kek {
    pub(crate) fn key(&self) -> KekRef {
        (self.purpose, self.tenant.clone())
    }
}

/// A named key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    pub(crate) tenant: Option<TenantId>,
    pub(crate) name: KeyName,
    pub(crate) kind: Kind,
    pub(crate) purpose: Purpose,
    pub(crate) needs_context: bool,
    pub(crate) removable: bool,
    pub(crate) min_decryption: u32,
    pub(crate) rotate_after: Option<SignedDuration>,
    /// Oldest first.
    pub(crate) versions: Vec<Version>,
}

impl Key {
    pub(crate) fn key(&self) -> KeyRef {
        KeyRef { tenant: self.tenant.clone(), name: self.name.clone() }
    }

    pub(crate) fn kek(&self) -> KekRef {
        (self.purpose, self.tenant.clone())
    }

    /// The newest version's number; a checked document's key has one.
    pub(crate) fn newest(&self) -> u32 {
        self.versions.last().map_or(0, |version| version.number)
    }
}

/// A version of a named key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Version {
    pub(crate) number: u32,
    pub(crate) id: Id,
    pub(crate) made_at: Timestamp,
    /// Wrapped by the key-encryption key.
    pub(crate) sealed: Blob,
}

/// A client, and what recognises its token.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Admitted {
    pub(crate) client: Client,
    pub(crate) since: Timestamp,
    /// SHA-256 of the token, in hexadecimal. The token has 256 random bits, so that nobody finds
    /// it from this.
    pub(crate) token_sha256: String,
}

/// A recovery kit that was made of this ring.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kit {
    pub(crate) id: String,
    pub(crate) made_at: Timestamp,
    pub(crate) needed: u8,
    pub(crate) of: u8,
}

impl Document {
    /// Reads a ring and checks its signature, its bounds and its order. Whose it is and how old is
    /// for the caller to judge. The error says what is wrong, for people.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MAX_RING_BYTES {
            return Err(format!("it is larger than {MAX_RING_BYTES} bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
        let (body, signature) = split(text).ok_or_else(|| CUT.to_owned())?;
        let document: Self = serde_json::from_str(body)
            .map_err(|error| format!("it is not the JSON that was written: {error}"))?;
        let public = unhex(&document.public_key).unwrap_or_default();
        let message = [LABEL, body.as_bytes()].concat();
        // The length first: the library takes other encodings of a key too.
        if public.len() != 32
            || UnparsedPublicKey::new(&ED25519, &public).verify(&message, &signature).is_err()
        {
            return Err("its signature does not match: it was changed or is damaged".to_owned());
        }
        document.check()?;
        Ok(document)
    }

    /// Writes it, signed.
    pub(crate) fn write(&self, signer: &Ed25519KeyPair) -> Result<Vec<u8>, String> {
        self.check()?;
        let mut message = LABEL.to_vec();
        serde_json::to_writer_pretty(&mut message, self).map_err(|error| error.to_string())?;
        let signature = signer.try_sign(&message).map_err(|_| "it cannot be signed".to_owned())?;
        let mut bytes = message.split_off(LABEL.len());
        bytes.extend_from_slice(format!("\n{SIGNATURE}{}\n", hex(signature.as_ref())).as_bytes());
        if bytes.len() > MAX_RING_BYTES {
            return Err(format!("it would be larger than {MAX_RING_BYTES} bytes"));
        }
        Ok(bytes)
    }

    /// Where the key lies in `keys`.
    pub(crate) fn position(&self, key: &KeyRef) -> Result<usize, usize> {
        self.keys.binary_search_by(|have| {
            (&have.tenant, have.name.as_str()).cmp(&(&key.tenant, key.name.as_str()))
        })
    }

    /// The key.
    pub(crate) fn key(&self, key: &KeyRef) -> Option<&Key> {
        self.position(key).ok().and_then(|at| self.keys.get(at))
    }

    /// Where the key-encryption key lies in `key_encryption_keys`.
    pub(crate) fn kek_position(&self, kek: &KekRef) -> Result<usize, usize> {
        self.key_encryption_keys
            .binary_search_by(|have| (have.purpose, &have.tenant).cmp(&(kek.0, &kek.1)))
    }

    /// The key-encryption key.
    pub(crate) fn kek(&self, kek: &KekRef) -> Option<&Kek> {
        self.kek_position(kek).ok().and_then(|at| self.key_encryption_keys.get(at))
    }

    /// Those of `tombstones` that say more than is known here: a tenant, or an id. Anchors may
    /// keep them in another order, or times less exactly.
    pub(crate) fn news(&self, tombstones: &[Tombstone]) -> Vec<Tombstone> {
        let tenants: BTreeSet<_> =
            self.tombstones.iter().filter_map(|stone| stone.tenant.as_ref()).collect();
        let ids: HashSet<&String> = self.tombstones.iter().flat_map(|stone| &stone.ids).collect();
        let known = |stone: &&Tombstone| {
            stone.tenant.as_ref().is_none_or(|tenant| tenants.contains(tenant))
                && stone.ids.iter().all(|id| ids.contains(id))
        };
        tombstones.iter().filter(|stone| !known(stone)).cloned().collect()
    }

    /// Takes in tombstones and removes what they name. Whether anything changed.
    pub(crate) fn bury(&mut self, tombstones: &[Tombstone]) -> bool {
        let fresh = self.news(tombstones);
        if fresh.is_empty() {
            return false;
        }
        let tenants: BTreeSet<_> = fresh.iter().filter_map(|stone| stone.tenant.as_ref()).collect();
        let ids: HashSet<_> =
            fresh.iter().flat_map(|stone| &stone.ids).filter_map(|id| Id::parse(id)).collect();
        let buried =
            |tenant: &Option<TenantId>| tenant.as_ref().is_some_and(|t| tenants.contains(t));
        self.key_encryption_keys.retain(|kek| !buried(&kek.tenant));
        self.keys.retain_mut(|key| {
            key.versions.retain(|version| !ids.contains(&version.id));
            key.min_decryption = key.min_decryption.min(key.newest()).max(1);
            !buried(&key.tenant) && !key.versions.is_empty()
        });
        self.tombstones.extend(fresh);
        self.drop_idle_keks();
        true
    }

    /// Removes key-encryption keys that wrap nothing any more.
    pub(crate) fn drop_idle_keks(&mut self) {
        let used: HashSet<KekRef> = self.keys.iter().map(Key::kek).collect();
        self.key_encryption_keys.retain(|kek| used.contains(&kek.key()));
    }
}

/// SHA-256 of a generation's bytes, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

const CUT: &str = "it was cut off: its last line, the signature, is missing or not whole";

/// The body and the signature.
fn split(text: &str) -> Option<(&str, Vec<u8>)> {
    let (body, last) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let signature = unhex(last.strip_prefix(SIGNATURE)?)?;
    (signature.len() == 64).then_some((body, signature))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Document;

    proptest! {
        /// Whatever lies there is read or refused, without a panic.
        #[test]
        fn hostile_bytes_are_refused(bytes: Vec<u8>) {
            prop_assert!(Document::read(&bytes).is_err());
        }

        #[test]
        fn hostile_text_is_refused(
            body in "(\\{\"format\": 1, \"[a-z_]{0,12}\": [\\[\\{\"0-9é]{0,40}|[\\[]{0,300})",
            digits in "[0-9a-f]{120,130}",
        ) {
            let text = format!("{body}\ned25519 {digits}\n");
            prop_assert!(Document::read(text.as_bytes()).is_err());
        }
    }
}
