//! The next generation, while it is being made.

use std::collections::BTreeSet;
use std::sync::Arc;

use cipher::Material;
use jiff::Timestamp;
use kernel::{Rng, TenantId};
use kms::Wrapped;

use crate::document::{Blob, Document, Id, Kek, KekRef, Key, RingKey, Room, Version, sha256};
use crate::state::{ReadyKeys, State};
use crate::wrapping::{Opened, Ready, Wrapping, kek_context, seed_context, version_context};
use crate::{Error, KeyRef, Progress, Result, Spec, Tombstone};

/// A copy of a generation that can be changed. Nothing of it lasts before it is put on the shelf.
pub(crate) struct Draft<'a> {
    pub(crate) document: Document,
    pub(crate) opened: Opened,
    pub(crate) ready: ReadyKeys,
    /// Whether there is anything to write.
    pub(crate) changed: bool,
    pub(crate) now: Timestamp,
    /// How far this change may fill the ring.
    pub(crate) room: Room,
    rng: &'a dyn Rng,
}

impl<'a> Draft<'a> {
    /// Begins with what `state` says; `None` while its ring key is not open.
    pub(crate) fn of(state: &State, now: Timestamp, rng: &'a dyn Rng) -> Option<Self> {
        let opened = state.opened.clone()?;
        Some(Self::new(state.document.clone(), opened, state.ready.clone(), (now, rng)))
    }

    /// Begins with a document of its own.
    pub(crate) fn new(
        document: Document,
        opened: Opened,
        ready: ReadyKeys,
        (now, rng): (Timestamp, &'a dyn Rng),
    ) -> Self {
        Self { document, opened, ready, changed: false, now, room: Room::All, rng }
    }

    /// Writes it down as generation `number`. The error says what is wrong, for people.
    pub(crate) fn finish(mut self, number: u64, place: String) -> Result<(State, Vec<u8>)> {
        self.document.generation = number;
        self.document.written_at = self.now;
        let written = self.document.write(&self.opened.signer);
        let bytes = written.map_err(|why| Error::Ring { place, why })?;
        if self.room != Room::All && !self.document.leaves_room(bytes.len(), self.room) {
            return Err(Error::Full(self.room.what()));
        }
        let state = State::new(self.document, sha256(&bytes), Some(self.opened), self.ready)?;
        Ok((state, bytes))
    }

    /// Adds a key with its first version, under the key-encryption key that is there.
    pub(crate) fn add(&mut self, key: &KeyRef, spec: &Spec) -> Result<()> {
        let Err(at) = self.document.position(key) else {
            return Err(Error::Exists(Box::new(key.clone())));
        };
        let mut fresh = Key {
            tenant: key.tenant.clone(),
            name: key.name.clone(),
            kind: spec.kind,
            purpose: spec.purpose,
            needs_context: spec.needs_context,
            removable: false,
            min_decryption: 1,
            rotate_after: None,
            versions: Vec::new(),
        };
        self.version(&mut fresh)?;
        self.adopt(at, fresh)
    }

    /// Puts a key whose versions are ready at its place, and wraps them.
    pub(crate) fn adopt(&mut self, at: usize, key: Key) -> Result<()> {
        let kek = key.kek();
        self.document.keys.insert(at, key);
        self.changed = true;
        match self.opened.keks.get(&kek).cloned() {
            Some(wrapping) => self.wrap_key(at, &wrapping),
            None => self.renew_kek(&kek),
        }
    }

    /// Adds a version to each of `keys`, and replaces the key-encryption keys above them and
    /// those in `above`. What the old ones wrapped is wrapped again.
    pub(crate) fn rotate(
        &mut self,
        keys: &BTreeSet<KeyRef>,
        mut above: BTreeSet<KekRef>,
        watch: &(dyn Fn(Progress) + Sync),
    ) -> Result<()> {
        let total = keys.len();
        for (done, key) in keys.iter().enumerate() {
            watch(Progress { done, total });
            let at = self.document.position(key);
            let found = at.ok().and_then(|at| self.document.keys.get(at).map(|k| (at, k.clone())));
            let (at, mut fresh) = found.ok_or_else(|| Error::Unknown(Box::new(key.clone())))?;
            self.version(&mut fresh)?;
            above.insert(fresh.kek());
            if let Some(place) = self.document.keys.get_mut(at) {
                *place = fresh;
            }
        }
        for kek in &above {
            self.renew_kek(kek)?;
        }
        self.changed |= !above.is_empty();
        watch(Progress { done: total, total });
        Ok(())
    }

    /// Puts a new ring key above everything.
    pub(crate) fn rekey(&mut self, id: Id, material: Material, wrapped: Wrapped) -> Result<()> {
        let ring = Arc::new(Wrapping::new(material)?);
        let installation = &self.document.installation;
        for kek in &mut self.document.key_encryption_keys {
            let wrapping = self.opened.keks.get(&kek.key()).ok_or(LOST)?;
            let context = kek_context(installation, kek);
            kek.sealed = Blob(ring.wrap(&context, &wrapping.material, self.rng)?);
        }
        let seed = ring.wrap(&seed_context(installation), &self.opened.seed, self.rng)?;
        self.document.signing_seed = Blob(seed);
        self.document.ring_key = RingKey { id, made_at: self.now, wrapped };
        (self.opened.id, self.opened.ring) = (id, ring);
        self.changed = true;
        Ok(())
    }

    /// Takes tombstones in and drops what they name.
    pub(crate) fn bury(&mut self, tombstones: &[Tombstone]) {
        if self.document.bury(tombstones) {
            self.forget();
            self.changed = true;
        }
    }

    /// Drops keys that the document no longer names.
    pub(crate) fn forget(&mut self) {
        self.document.drop_idle_keks();
        let document = &self.document;
        self.opened.keks.retain(|kek, _| document.kek(kek).is_some());
    }

    /// Makes a version and appends it, not yet wrapped.
    pub(crate) fn version(&mut self, key: &mut Key) -> Result<()> {
        let number = key.newest().saturating_add(1);
        let id = Id::generate(self.rng)?;
        let material = Material::generate(self.rng)?;
        let ready = Ready::new(&key.key(), (key.kind, key.purpose), (number, id), material)?;
        self.ready.insert(id, Arc::new(ready));
        key.versions.push(Version { number, id, made_at: self.now, sealed: Blob(Vec::new()) });
        Ok(())
    }

    /// A new version of a key-encryption key; the old one is dropped.
    fn renew_kek(&mut self, kek: &KekRef) -> Result<()> {
        let place = self.document.kek_position(kek);
        let old = place.ok().and_then(|at| self.document.key_encryption_keys.get(at));
        let mut fresh = Kek {
            purpose: kek.0,
            tenant: kek.1.clone(),
            version: old.map_or(0, |old| old.version).saturating_add(1),
            id: Id::generate(self.rng)?,
            made_at: self.now,
            sealed: Blob(Vec::new()),
        };
        let material = Material::generate(self.rng)?;
        let context = kek_context(&self.document.installation, &fresh);
        fresh.sealed = Blob(self.opened.ring.wrap(&context, &material, self.rng)?);
        match place {
            Ok(at) => {
                if let Some(old) = self.document.key_encryption_keys.get_mut(at) {
                    *old = fresh;
                }
            }
            Err(at) => self.document.key_encryption_keys.insert(at, fresh),
        }
        let wrapping = Arc::new(Wrapping::new(material)?);
        self.opened.keks.insert(kek.clone(), Arc::clone(&wrapping));
        self.rewrap_under(kek, &wrapping)
    }

    /// Wraps again every key under `kek`.
    fn rewrap_under(&mut self, kek: &KekRef, wrapping: &Wrapping) -> Result<()> {
        // Keys lie in the order of their tenants, so one tenant's are side by side.
        let tenant: &Option<TenantId> = &kek.1;
        let from = self.document.keys.partition_point(|key| key.tenant < *tenant);
        let to = self.document.keys.partition_point(|key| key.tenant <= *tenant);
        for at in from..to {
            if self.document.keys.get(at).is_some_and(|key| key.purpose == kek.0) {
                self.wrap_key(at, wrapping)?;
            }
        }
        Ok(())
    }

    /// Wraps every version of the key at this place.
    fn wrap_key(&mut self, at: usize, wrapping: &Wrapping) -> Result<()> {
        let installation = &self.document.installation;
        let Some(key) = self.document.keys.get_mut(at) else { return Ok(()) };
        let mut wrapped = Vec::with_capacity(key.versions.len());
        for version in &key.versions {
            let ready = self.ready.get(&version.id).ok_or(LOST)?;
            let context = version_context(installation, key, version);
            wrapped.push(wrapping.wrap(&context, &ready.material, self.rng)?);
        }
        for (version, wrapped) in key.versions.iter_mut().zip(wrapped) {
            version.sealed = Blob(wrapped);
        }
        Ok(())
    }
}

/// Cannot happen: an opened ring has every key that its document names.
const LOST: Error = Error::Malformed("a key of the ring is not in memory");
