//! What a ring must be like, whoever signed it: bounded, in order, and whole.

use std::collections::HashSet;

use super::{Document, FORMAT, Id, Key};

/// The most keys.
const MAX_KEYS: usize = 100_000;
/// The most versions of one key.
const MAX_VERSIONS: usize = 10_000;
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

impl Document {
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

/// Whether the key's versions are there, ascend from 1 or later, and allow decryption.
fn in_order(key: &Key) -> bool {
    key.versions.first().is_some_and(|version| version.number > 0)
        && key.versions.is_sorted_by(|a, b| a.number < b.number)
        && (1..=key.newest()).contains(&key.min_decryption)
}
