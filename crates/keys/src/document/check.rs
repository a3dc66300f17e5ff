//! What a ring must be like, whoever signed it: bounded, in order, and whole.

use std::collections::HashSet;
use std::io::{self, Write};

use super::{Document, FORMAT, Id, Key, MAX_RING_BYTES, SIGNATURE};

/// The most keys.
const MAX_KEYS: usize = 100_000;
/// The most versions of one key.
pub(crate) const MAX_VERSIONS: usize = 10_000;
/// The most versions that rotation by hand gives a key. Rotation by age and in an emergency may
/// give it more, so that nobody stops them by rotating a key again and again.
pub(crate) const MOST_BY_HAND: usize = 1_000;
/// The most clients.
const MAX_CLIENTS: usize = 10_000;
/// The most patterns of a client.
const MAX_PATTERNS: usize = 1_000;
/// The most tombstones.
const MAX_TOMBSTONES: usize = 100_000;
/// The most recovery kits that are remembered.
const MAX_KITS: usize = 10_000;
/// The most generations of the root that are remembered.
const MAX_ROOT_GENERATIONS: usize = 1_000;
/// The longest id of an installation, in bytes.
const MAX_INSTALLATION_BYTES: usize = 256;

/// How far a change may fill the ring. The rest is kept for what must never be stopped by a ring
/// that somebody filled: first rotation, then destruction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// New keys.
    Creation,
    /// Versions that were asked for.
    ByHand,
    /// Versions that are due, and what clients destroy.
    Upkeep,
    /// The operator's destructions and the emergency.
    All,
}

impl Room {
    /// How many eighths of the ring it may fill.
    const fn eighths(self) -> usize {
        match self {
            Self::Creation => 4,
            Self::ByHand => 6,
            Self::Upkeep => 7,
            Self::All => 8,
        }
    }

    /// What has no room when the ring is so full.
    pub(crate) const fn what(self) -> &'static str {
        match self {
            Self::Creation => "new keys",
            Self::ByHand => "more versions",
            Self::Upkeep => "versions that are due",
            Self::All => "anything more",
        }
    }

    /// The most of something that there may be at most `all` of.
    pub(crate) const fn of(self, all: usize) -> usize {
        all / 8 * self.eighths()
    }
}

impl Document {
    /// Whether a ring of so many bytes leaves the room that is kept from such a change.
    pub(crate) fn leaves_room(&self, bytes: usize, room: Room) -> bool {
        bytes <= room.of(MAX_RING_BYTES)
            && self.keys.len() <= room.of(MAX_KEYS)
            && self.key_encryption_keys.len() <= room.of(MAX_KEYS)
    }

    /// Whether so many destructions can still be remembered that the operator's are sure to be.
    pub(crate) fn takes_tombstones(&self) -> bool {
        let root = self.root_generations.len() + self.pending.len() + self.scheduled.len();
        self.tombstones.len() < Room::Upkeep.of(MAX_TOMBSTONES)
            && root < Room::Upkeep.of(MAX_ROOT_GENERATIONS)
    }

    /// How long it is when it is written, in bytes.
    pub(crate) fn size(&self) -> usize {
        let mut length = Length(0);
        // Writing to a counter cannot fail.
        let _ = serde_json::to_writer_pretty(&mut length, self);
        length.0 + SIGNATURE.len() + SIGNATURE_DIGITS + 2
    }

    /// The error says what is wrong, for people.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!(
                "it is of format {}, and this program reads {FORMAT}",
                self.format
            ));
        }
        let sized = self.generation > 0
            && self.installation.len() <= MAX_INSTALLATION_BYTES
            && self.keys.len() <= MAX_KEYS
            && self.key_encryption_keys.len() <= MAX_KEYS
            && self.keys.iter().all(|key| key.versions.len() <= MAX_VERSIONS)
            && self.clients.len() <= MAX_CLIENTS
            && self.clients.iter().all(|client| client.client.keys.len() <= MAX_PATTERNS)
            && self.tombstones.len() <= MAX_TOMBSTONES
            && self.kits.len() <= MAX_KITS
            && self.root_generations.len() + self.pending.len() + self.scheduled.len()
                <= MAX_ROOT_GENERATIONS;
        if !sized {
            return Err("it holds more than a ring may hold".to_owned());
        }
        if self.pending.contains(&self.ring_key.wrapped.generation) {
            return Err("it is to be destroyed itself".to_owned());
        }
        self.check_order()
    }

    fn check_order(&self) -> Result<(), String> {
        let keks = &self.key_encryption_keys;
        let ordered = keks.is_sorted_by(|a, b| (a.purpose, &a.tenant) < (b.purpose, &b.tenant))
            && self
                .keys
                .is_sorted_by(|a, b| (&a.tenant, a.name.as_str()) < (&b.tenant, b.name.as_str()))
            && self.clients.is_sorted_by(|a, b| a.client.name < b.client.name)
            && self.keys.iter().all(in_order);
        if !ordered {
            return Err("its keys are not in order, or twice there".to_owned());
        }
        if let Some(key) = self.keys.iter().find(|key| self.kek(&key.kek()).is_none()) {
            return Err(format!("nothing in it opens key {}", key.key()));
        }
        let mut ids = HashSet::<Id>::with_capacity(self.keys.len());
        let mut versions = self.keys.iter().flat_map(|key| &key.versions);
        if versions.any(|version| !ids.insert(version.id)) {
            return Err("two of its keys have one id".to_owned());
        }
        Ok(())
    }
}

/// The digits of a signature in the last line.
const SIGNATURE_DIGITS: usize = 128;

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

/// Whether the key's versions are there, ascend from 1 or later, and allow decryption.
fn in_order(key: &Key) -> bool {
    key.versions.first().is_some_and(|version| version.number > 0)
        && key.versions.is_sorted_by(|a, b| a.number < b.number)
        && (1..=key.newest()).contains(&key.min_decryption)
}
