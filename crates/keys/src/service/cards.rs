//! What there is to say about keys and the ring.

use std::sync::atomic::Ordering;

use kernel::hex;

use super::{Keys, locked};
use crate::document::Key;
use crate::metrics::{Metrics, Reading, Reads};
use crate::state::State;
use crate::{Error, KeyCard, KeyRef, Result, RingCard, Spec, VersionCard, access};

impl Keys {
    /// Every key, ordered by tenant and name.
    pub fn list(&self) -> Vec<KeyCard> {
        let state = self.state();
        state.document.keys.iter().filter_map(|key| self.card_of(&state, key)).collect()
    }

    /// One key.
    ///
    /// # Errors
    /// [`Error::Unknown`], or [`Error::Shredded`] when its tenant's keys were destroyed.
    pub fn card(&self, key: &KeyRef) -> Result<KeyCard> {
        let state = self.state();
        let (_, found) = state.key(key)?;
        self.card_of(&state, found).ok_or_else(|| Error::Unknown(Box::new(key.clone())))
    }

    /// The ring as a whole.
    ///
    /// # Errors
    /// Never for a ring that was opened.
    pub fn ring(&self) -> Result<RingCard> {
        let state = self.state();
        let document = &state.document;
        let place = self.inner.settings.root.place();
        let name = |generation: &kms::Generation| generation.0.clone();
        let mut pending: Vec<_> = document.pending.iter().map(name).collect();
        if self.inner.owed.load(Ordering::Acquire) {
            pending.extend(document.root_generations.iter().map(name));
        }
        let scheduled = document.scheduled.iter();
        let kit = |kit: &crate::document::Kit| {
            format!("{}, made {:.0}, {} of {} shares", kit.id, kit.made_at, kit.needed, kit.of)
        };
        Ok(RingCard {
            generation: document.generation,
            installation: document.installation.clone(),
            written_at: document.written_at,
            root: format!("{}: {}", place.kind, place.place),
            root_on_host: place.host == kms::Host::This,
            ring_key_made_at: document.ring_key.made_at,
            pending,
            scheduled: scheduled
                .map(|s| format!("{} until {:.0}", s.generation.0, s.until))
                .collect(),
            passed: self.inner.passed.clone(),
            tombstones: document.tombstones.clone(),
            kits: document.kits.iter().map(kit).collect(),
        })
    }

    /// Every counter and reading, each name's siblings side by side.
    pub fn readings(&self) -> Vec<Reading> {
        let state = self.state();
        let now = self.inner.settings.now();
        let newest = state.document.keys.iter().filter_map(|key| key.versions.last());
        let age = |at| u64::try_from(now.duration_since(at).as_secs()).unwrap_or(0);
        let ages = newest.map(|version| age(version.made_at));
        self.inner.metrics.snapshot(&Reads {
            generation: state.document.generation,
            keys: state.document.keys.len() as u64,
            oldest: ages.clone().max().unwrap_or(0),
            newest: ages.min().unwrap_or(0),
            ring_key: age(state.document.ring_key.made_at),
            pending: state.document.pending.len() as u64
                + u64::from(self.inner.owed.load(Ordering::Acquire)),
            passed: self.inner.passed.len() as u64,
            tombstones: state.document.tombstones.len() as u64,
        })
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    fn card_of(&self, state: &State, key: &Key) -> Option<KeyCard> {
        let kek = state.document.kek(&key.kek())?;
        let versions = key.versions.iter().map(|version| VersionCard {
            version: version.number,
            id: version.id.text(),
            made_at: version.made_at,
        });
        let wrapped_by =
            VersionCard { version: kek.version, id: hex(&kek.id.0), made_at: kek.made_at };
        let policy = &self.inner.settings.policy;
        let reference = key.key();
        Some(KeyCard {
            spec: Spec { kind: key.kind, purpose: key.purpose, needs_context: key.needs_context },
            versions: versions.collect(),
            min_decryption: key.min_decryption,
            rotate_after: key.rotate_after.unwrap_or_else(|| policy.of(key.purpose)),
            removable: key.removable,
            wrapped_by,
            users: self.users(state, &reference),
            key: reference,
        })
    }

    /// The rooms that said so, and the clients that may.
    fn users(&self, state: &State, key: &KeyRef) -> Vec<String> {
        let rooms = locked(&self.inner.registered).get(key).cloned().unwrap_or_default();
        let clients = state.document.clients.iter().map(|admitted| &admitted.client);
        let clients = clients.filter(|client| access::reaches(client, key));
        rooms.into_iter().chain(clients.map(|client| client.name.clone())).collect()
    }
}
