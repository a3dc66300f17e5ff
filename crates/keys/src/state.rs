//! The ring in memory: what one generation says, with the keys that were opened.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use kernel::{TenantId, unhex};

use crate::document::{Document, Id, Kek, Key, Version};
use crate::wrapping::{Opened, Ready, version_context};
use crate::{Error, KeyRef, Result};

/// Keys that were made ready, by id.
pub(crate) type ReadyKeys = HashMap<Id, Arc<Ready>>;

/// One generation. It never changes: a newer one takes its place.
pub(crate) struct State {
    pub(crate) document: Document,
    /// SHA-256 of its bytes, in hexadecimal.
    pub(crate) digest: String,
    /// `None` when another process made a new ring key and the root was not asked for it yet.
    /// What is known from before goes on working then.
    pub(crate) opened: Option<Opened>,
    pub(crate) ready: ReadyKeys,
    keys: HashMap<KeyRef, KeyState>,
    /// Of single keys and versions. Those of a shredded tenant are said to be destroyed by the
    /// tenant's own keys alone, so that nobody else learns what happened to them.
    destroyed: HashMap<Id, Timestamp>,
    shredded: HashMap<TenantId, Timestamp>,
    clients: HashMap<Vec<u8>, usize>,
    bytes: OnceLock<usize>,
}

/// A key, for use.
pub(crate) struct KeyState {
    position: usize,
    /// Oldest first.
    versions: Vec<Slot>,
}

/// A version of a key, for use.
pub(crate) struct Slot {
    pub(crate) version: u32,
    id: Id,
    /// `None` until it is opened.
    pub(crate) ready: Option<Arc<Ready>>,
}

impl State {
    /// Puts a generation together. `ready` may hold more than the document names; what of it the
    /// document does not name is dropped, and with the last user of it wiped.
    pub(crate) fn new(
        document: Document,
        digest: String,
        opened: Option<Opened>,
        mut ready: ReadyKeys,
    ) -> Result<Self> {
        let mut keys = HashMap::with_capacity(document.keys.len());
        let mut kept = ReadyKeys::with_capacity(ready.len());
        for (position, key) in document.keys.iter().enumerate() {
            let kek = document.kek(&key.kek());
            let mut versions = Vec::with_capacity(key.versions.len());
            for version in &key.versions {
                let known = ready.remove(&version.id);
                let made = match (known, &opened) {
                    (Some(known), _) => Some(known),
                    (None, Some(opened)) => Some(open(&document, opened, (key, kek), version)?),
                    (None, None) => None,
                };
                if let Some(made) = &made {
                    kept.insert(version.id, Arc::clone(made));
                }
                versions.push(Slot { version: version.number, id: version.id, ready: made });
            }
            keys.insert(key.key(), KeyState { position, versions });
        }
        let buried = |stone: &crate::Tombstone| {
            let at = stone.at;
            let ids: Vec<_> = stone.ids.iter().filter_map(|id| Id::parse(id)).collect();
            ids.into_iter().map(move |id| (id, at))
        };
        let single = document.tombstones.iter().filter(|stone| stone.tenant.is_none());
        let destroyed = single.flat_map(buried).collect();
        let stones = document.tombstones.iter();
        let shredded = stones.filter_map(|s| s.tenant.clone().map(|t| (t, s.at))).collect();
        let clients = document.clients.iter().enumerate();
        let clients = clients.filter_map(|(at, c)| Some((unhex(&c.token_sha256)?, at))).collect();
        let bytes = OnceLock::new();
        Ok(Self {
            document,
            digest,
            opened,
            ready: kept,
            keys,
            destroyed,
            shredded,
            clients,
            bytes,
        })
    }

    /// How long the ring is, in bytes. It is measured when somebody asks.
    pub(crate) fn bytes(&self) -> usize {
        *self.bytes.get_or_init(|| self.document.size())
    }

    /// A key with its settings.
    ///
    /// # Errors
    /// [`Error::Shredded`] when the tenant's keys were destroyed, else [`Error::Unknown`].
    pub(crate) fn key(&self, key: &KeyRef) -> Result<(&KeyState, &Key)> {
        let found = self.keys.get(key);
        found
            .and_then(|state| Some((state, self.document.keys.get(state.position)?)))
            .ok_or_else(|| self.missing(key))
    }

    /// Why a key is not there.
    pub(crate) fn missing(&self, key: &KeyRef) -> Error {
        match key.tenant.as_ref().and_then(|tenant| self.shredded(tenant)) {
            Some(at) => Error::Shredded { at },
            None => Error::Unknown(Box::new(key.clone())),
        }
    }

    /// When the tenant's keys were destroyed.
    pub(crate) fn shredded(&self, tenant: &TenantId) -> Option<Timestamp> {
        self.shredded.get(tenant).copied()
    }

    /// When the version was destroyed, by itself or with its key.
    pub(crate) fn destroyed(&self, id: Id) -> Option<Timestamp> {
        self.destroyed.get(&id).copied()
    }

    /// The client whose token has this SHA-256. Time tells nothing here: who can choose the
    /// digest that is looked up has a token already.
    pub(crate) fn client(&self, digest: &[u8]) -> Option<&crate::document::Admitted> {
        self.document.clients.get(*self.clients.get(digest)?)
    }
}

impl KeyState {
    /// The newest version that is open here. Newer ones that another process made are taken as
    /// soon as the root opened them; until then this one goes on, so that an outage of the root
    /// stops nobody.
    pub(crate) fn newest(&self) -> Option<&Arc<Ready>> {
        self.versions.iter().rev().find_map(|slot| slot.ready.as_ref())
    }

    /// The version of this number.
    pub(crate) fn version(&self, version: u32) -> Option<&Slot> {
        let at = self.versions.binary_search_by_key(&version, |slot| slot.version).ok()?;
        self.versions.get(at)
    }

    /// The version of this id.
    pub(crate) fn id(&self, id: Id) -> Option<&Slot> {
        // From the newest: most of what is opened was encrypted lately.
        self.versions.iter().rev().find(|slot| slot.id == id)
    }

    /// Every version that is open, oldest first.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Arc<Ready>> {
        self.versions.iter().filter_map(|slot| slot.ready.as_ref())
    }
}

/// Opens a version.
fn open(
    document: &Document,
    opened: &Opened,
    (key, kek): (&Key, Option<&Kek>),
    version: &Version,
) -> Result<Arc<Ready>> {
    let wrapping = kek.and_then(|kek| opened.keks.get(&kek.key()));
    let wrapping = wrapping.ok_or_else(|| Error::Unknown(Box::new(key.key())))?;
    let context = version_context(&document.installation, key, version);
    let material = wrapping.unwrap(&context, &version.sealed.0)?;
    let at = (version.number, version.id);
    Ok(Arc::new(Ready::new(&key.key(), (key.kind, key.purpose), at, material)?))
}
