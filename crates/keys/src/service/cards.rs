//! What there is to say about keys and the ring.

use std::sync::atomic::Ordering;

use kernel::{TenantId, hex};

use super::{Keys, locked};
use crate::document::{Key, MAX_RING_BYTES};
use crate::metrics::{Metrics, Reading, Reads};
use crate::state::State;
use crate::{
    Client, Error, KeyCard, KeyRef, Operation, Result, RingCard, Spec, VersionCard, access,
};

impl Keys {
    /// Every key, ordered by tenant and name.
    pub fn list(&self) -> Vec<KeyCard> {
        let state = self.state();
        let card = |key| self.card_of(&state, key, self.users(&state, key));
        state.document.keys.iter().filter_map(card).collect()
    }

    /// Every key that `client` may read, without who else uses it. `wanted` looks at a key before
    /// its card is made.
    ///
    /// # Errors
    /// [`Error::Denied`] when the client reads nothing at all.
    pub fn readable(
        &self,
        client: &Client,
        wanted: impl Fn(Option<&TenantId>) -> bool,
    ) -> Result<Vec<KeyCard>> {
        let (state, now) = (self.state(), self.inner.settings.now());
        if !client.operations.contains(&Operation::Read) {
            self.metrics().denied();
            return Err(Error::Denied);
        }
        let keys = state.document.keys.iter().filter(|key| wanted(key.tenant.as_ref()));
        let theirs = keys.filter(|key| access::allows(client, &key.key(), Operation::Read, now));
        Ok(theirs.filter_map(|key| self.card_of(&state, key, Vec::new())).collect())
    }

    /// One key.
    ///
    /// # Errors
    /// [`Error::Unknown`], or [`Error::Shredded`] when its tenant's keys were destroyed.
    pub fn card(&self, key: &KeyRef) -> Result<KeyCard> {
        let state = self.state();
        let (_, found) = state.key(key)?;
        let users = self.users(&state, found);
        self.card_of(&state, found, users).ok_or_else(|| Error::Unknown(Box::new(key.clone())))
    }

    /// How long the ring is, in bytes.
    pub fn size(&self) -> usize {
        self.state().bytes()
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
            bytes: state.bytes(),
            most_bytes: MAX_RING_BYTES,
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
            bytes: state.bytes() as u64,
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

    fn card_of(&self, state: &State, key: &Key, users: Vec<String>) -> Option<KeyCard> {
        let kek = state.document.kek(&key.kek())?;
        let versions = key.versions.iter().map(|version| VersionCard {
            version: version.number,
            id: version.id.text(),
            made_at: version.made_at,
        });
        let wrapped_by =
            VersionCard { version: kek.version, id: hex(&kek.id.0), made_at: kek.made_at };
        let policy = &self.inner.settings.policy;
        Some(KeyCard {
            spec: Spec { kind: key.kind, purpose: key.purpose, needs_context: key.needs_context },
            versions: versions.collect(),
            min_decryption: key.min_decryption,
            rotate_after: key.rotate_after.unwrap_or_else(|| policy.of(key.purpose)),
            removable: key.removable,
            wrapped_by,
            users,
            key: key.key(),
        })
    }

    /// The rooms that said so, and the clients that may.
    fn users(&self, state: &State, key: &Key) -> Vec<String> {
        let key = &key.key();
        let rooms = locked(&self.inner.registered).get(key).cloned().unwrap_or_default();
        let clients = state.document.clients.iter().map(|admitted| &admitted.client);
        let clients = clients.filter(|client| access::reaches(client, key));
        rooms.into_iter().chain(clients.map(|client| client.name.clone())).collect()
    }
}
