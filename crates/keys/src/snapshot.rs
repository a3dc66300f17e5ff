//! The whole ring in clear, for a recovery kit: never written anywhere but into one.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use cipher::{MATERIAL_BYTES, Material};
use jiff::{SignedDuration, Timestamp};
use kernel::TenantId;
use kms::Generation;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::document::{Blob, Document, FORMAT, Id, Key, Kit, RingKey, Scheduled, Version};
use crate::draft::Draft;
use crate::state::State;
use crate::wrapping::Ready;
use crate::{Error, KeyName, KeyRef, Kind, Purpose, Result, Tombstone};

/// The largest snapshot that is read, in bytes.
const MAX_SNAPSHOT_BYTES: usize = 128 << 20;

/// Every key in clear, and what else a ring needs. Wiped when dropped, never shown.
///
/// It holds no clients: nobody would know which of them were dismissed since, and a token that
/// works again is worse than one that has to be given out anew.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    format: u32,
    pub(crate) installation: String,
    pub(crate) generation: u64,
    pub(crate) seed: Clear,
    /// Still wrapped: it tells whether a root is the one that this ring had.
    pub(crate) ring_key: RingKey,
    pub(crate) root_generations: Vec<Generation>,
    /// What the root had not destroyed yet, and what it could have called back.
    pub(crate) pending: Vec<Generation>,
    pub(crate) scheduled: Vec<Scheduled>,
    keys: Vec<ClearKey>,
    tombstones: Vec<Tombstone>,
    kits: Vec<Kit>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClearKey {
    tenant: Option<TenantId>,
    name: KeyName,
    kind: Kind,
    purpose: Purpose,
    needs_context: bool,
    removable: bool,
    min_decryption: u32,
    rotate_after: Option<SignedDuration>,
    versions: Vec<ClearVersion>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClearVersion {
    version: u32,
    id: Id,
    made_at: Timestamp,
    material: Clear,
}

impl Snapshot {
    /// What `state` holds; `None` while it is not wholly open.
    pub(crate) fn of(state: &State) -> Option<Self> {
        let Document { installation, generation, ring_key, .. } = state.document.clone();
        let Document { root_generations, pending, scheduled, .. } = state.document.clone();
        let version = |version: &Version| {
            Some(ClearVersion {
                version: version.number,
                id: version.id,
                made_at: version.made_at,
                material: Clear(state.ready.get(&version.id)?.material.clone()),
            })
        };
        let key = |key: &Key| {
            Some(ClearKey {
                tenant: key.tenant.clone(),
                name: key.name.clone(),
                kind: key.kind,
                purpose: key.purpose,
                needs_context: key.needs_context,
                removable: key.removable,
                min_decryption: key.min_decryption,
                rotate_after: key.rotate_after,
                versions: key.versions.iter().map(version).collect::<Option<_>>()?,
            })
        };
        Some(Self {
            format: FORMAT,
            installation,
            generation,
            seed: Clear(state.opened.as_ref()?.seed.clone()),
            ring_key,
            root_generations,
            pending,
            scheduled,
            keys: state.document.keys.iter().map(key).collect::<Option<_>>()?,
            tombstones: state.document.tombstones.clone(),
            kits: state.document.kits.clone(),
        })
    }

    /// Reads what [`Snapshot::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_SNAPSHOT_BYTES {
            return Err(Error::Malformed("a snapshot of a ring is not so large"));
        }
        // The library's own message could hold a piece of the text.
        let snapshot: Self = serde_json::from_slice(bytes)
            .map_err(|_| Error::Malformed("it is no snapshot of a ring"))?;
        if snapshot.format != FORMAT {
            return Err(Error::Malformed("the snapshot is of another format than is known here"));
        }
        Ok(snapshot)
    }

    /// The snapshot as bytes, which are wiped when they are dropped.
    ///
    /// # Errors
    /// Never for a snapshot of a ring.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>> {
        const FAILED: Error = Error::Malformed("the ring cannot be written down");
        // Measured first: a buffer that grows leaves copies of itself behind.
        let mut length = Length(0);
        serde_json::to_writer(&mut length, self).map_err(|_| FAILED)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(length.0));
        serde_json::to_writer(&mut *bytes, self).map_err(|_| FAILED)?;
        Ok(bytes)
    }

    /// The installation whose ring it is of.
    pub fn installation(&self) -> &str {
        &self.installation
    }

    /// The ring's generation.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Puts everything into an empty draft.
    pub(crate) fn fill(&self, draft: &mut Draft<'_>) -> Result<()> {
        draft.document.tombstones.clone_from(&self.tombstones);
        draft.document.kits.clone_from(&self.kits);
        for clear in &self.keys {
            let key = KeyRef { tenant: clear.tenant.clone(), name: clear.name.clone() };
            let Err(at) = draft.document.position(&key) else {
                return Err(Error::Malformed("the snapshot names a key twice"));
            };
            let mut versions = Vec::with_capacity(clear.versions.len());
            for ClearVersion { version, id, made_at, material } in &clear.versions {
                let (is, at) = ((clear.kind, clear.purpose), (*version, *id));
                let ready = Ready::new(&key, is, at, material.0.clone())?;
                draft.ready.insert(*id, Arc::new(ready));
                let sealed = Blob(Vec::new());
                versions.push(Version { number: *version, id: *id, made_at: *made_at, sealed });
            }
            let key = Key {
                tenant: key.tenant,
                name: key.name,
                kind: clear.kind,
                purpose: clear.purpose,
                needs_context: clear.needs_context,
                removable: clear.removable,
                min_decryption: clear.min_decryption,
                rotate_after: clear.rotate_after,
                versions,
            };
            draft.adopt(at, key)?;
        }
        Ok(())
    }
}

/// A key that is written down in clear.
pub(crate) struct Clear(pub(crate) Material);

impl Serialize for Clear {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        // Digit by digit on the stack: no copy is left on the heap.
        let mut text = Zeroizing::new([0_u8; MATERIAL_BYTES * 2]);
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0.expose()) {
            for (digit, half) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
                *digit = if half < 10 { b'0' + half } else { b'a' - 10 + half };
            }
        }
        let text = std::str::from_utf8(text.as_slice()).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(text)
    }
}

impl<'de> Deserialize<'de> for Clear {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Digits;
        impl Visitor<'_> for Digits {
            type Value = Clear;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key in hexadecimal")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<Clear, E> {
                let bytes = kernel::unhex(text).map(Zeroizing::new);
                let material = bytes.and_then(|bytes| Material::try_from(bytes.as_slice()).ok());
                material.map(Clear).ok_or_else(|| E::custom("a key has 64 hexadecimal digits"))
            }
        }
        deserializer.deserialize_str(Digits)
    }
}

/// Counts what would be written.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
