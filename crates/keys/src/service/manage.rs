//! Making, rotating and configuring keys.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::change::Step;
use super::{Keys, Progress, locked};
use crate::document::{
    Document, Kek, KekRef, Key, Kit, MAX_RING_BYTES, MAX_VERSIONS, MOST_BY_HAND, Room,
};
use crate::draft::Draft;
use crate::snapshot::Snapshot;
use crate::{Change, Error, KeyCard, KeyRef, Kind, Policy, Result, Spec};

/// What a version adds to the ring, in bytes: an id, a date and a wrapped key.
const VERSION_BYTES: usize = 512;
/// The longest id of a recovery kit, in bytes.
const MAX_KIT_ID_BYTES: usize = 128;

impl Keys {
    /// Makes a key.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::Shredded`] for a tenant whose keys were destroyed, and when the
    /// ring cannot be written.
    pub async fn create(&self, key: &KeyRef, spec: &Spec) -> Result<KeyCard> {
        if spec.needs_context && spec.kind != Kind::Aes256Gcm {
            return Err(Error::Setting("only a key that encrypts can need a context"));
        }
        self.change(Step::Keep, |draft| {
            draft.room = Room::Creation;
            refuse_shredded(&draft.document, key)?;
            draft.add(key, spec)
        })
        .await?;
        self.card(key)
    }

    /// Makes a tenant's key like the house's key of the same name, unless it is there.
    ///
    /// # Errors
    /// [`Error::Unknown`] when the house has no such key, [`Error::Shredded`] for a tenant whose
    /// keys were destroyed.
    pub async fn ensure(&self, key: &KeyRef) -> Result<()> {
        if self.state().key(key).is_ok() {
            return Ok(());
        }
        let house = KeyRef { tenant: None, name: key.name.clone() };
        self.change(Step::Keep, |draft| {
            draft.room = Room::Creation;
            refuse_shredded(&draft.document, key)?;
            let model = draft.document.key(&house);
            let model = model.ok_or_else(|| Error::Unknown(Box::new(key.clone())))?;
            let (rotate_after, removable) = (model.rotate_after, model.removable);
            let spec = Spec {
                kind: model.kind,
                purpose: model.purpose,
                needs_context: model.needs_context,
            };
            if draft.document.key(key).is_some() {
                return Ok(());
            }
            draft.add(key, &spec)?;
            with_key(draft, key, |fresh| {
                (fresh.rotate_after, fresh.removable) = (rotate_after, removable);
                Ok(())
            })
        })
        .await
    }

    /// Adds a version, and a version of the key-encryption key above it. The new version's number.
    ///
    /// # Errors
    /// When there is no such key, [`Error::Versions`] when it has very many versions,
    /// [`Error::Full`] when the ring has no room for more, and when the ring cannot be written.
    pub async fn rotate(&self, key: &KeyRef) -> Result<u32> {
        self.change(Step::Keep, |draft| {
            draft.room = Room::ByHand;
            refuse_shredded(&draft.document, key)?;
            let versions = draft.document.key(key).map_or(0, |found| found.versions.len());
            if versions >= MOST_BY_HAND {
                return Err(Error::Versions(Box::new(key.clone())));
            }
            draft.rotate(&BTreeSet::from([key.clone()]), BTreeSet::new(), &|_| {})?;
            Ok(draft.document.key(key).map_or(0, Key::newest))
        })
        .await
    }

    /// Rotates every key, key-encryption key and ring key that is older than the policy allows.
    /// Which keys got a new version.
    ///
    /// # Errors
    /// When the ring cannot be written, and when its own key is due and the root does not answer;
    /// everything else has been rotated then.
    pub async fn rotate_due(&self) -> Result<Vec<KeyRef>> {
        self.rotate_due_watched(&|_| {}).await
    }

    /// As [`Keys::rotate_due`]; `watch` is told how far it came. A key that has no room for another
    /// version is left out and stops none of the others: [`Keys::full`] tells which.
    ///
    /// # Errors
    /// As [`Keys::rotate_due`].
    pub async fn rotate_due_watched(
        &self,
        watch: &(dyn Fn(Progress) + Sync),
    ) -> Result<Vec<KeyRef>> {
        let policy = &self.inner.settings.policy;
        let rotated = self
            .change(Step::Keep, |draft| {
                let (mut keys, above) = due(&draft.document, policy, draft.now);
                keys.retain(|key| !is_full(&draft.document, key));
                let free = Room::Upkeep.of(MAX_RING_BYTES);
                let free = free.saturating_sub(self.inner.state.load().bytes()) / VERSION_BYTES;
                let keys = oldest(&draft.document, keys, free);
                draft.rotate(&keys, above, watch)?;
                Ok(keys.into_iter().collect())
            })
            .await?;
        let full = self.full();
        if !full.is_empty() {
            tracing::warn!(keys = full.len(), "keys have too many versions to be rotated: trim");
        }
        let state = self.inner.state.load_full();
        let due = |document: &Document, now| old(document.ring_key.made_at, policy.default, now);
        if due(&state.document, self.inner.settings.now()) {
            self.change(Step::Rekey, |draft| {
                draft.changed = due(&draft.document, draft.now);
                Ok(())
            })
            .await?;
        }
        Ok(rotated)
    }

    /// The emergency: new versions of everything but the key that signs the ring, up to the root's
    /// generation, whose old one is destroyed. All or nothing, but for keys that have no room for
    /// another version: those are left out, and [`Keys::full`] tells which. Which keys got a new
    /// version; `watch` is told how far it came.
    ///
    /// # Errors
    /// When the root does not answer or the ring cannot be written; nothing was rotated then. When
    /// the root fails later, the old generation is destroyed as soon as it answers again.
    pub async fn rotate_all(&self, watch: &(dyn Fn(Progress) + Sync)) -> Result<Vec<KeyRef>> {
        let rotated = self
            .change(Step::Destroy, |draft| {
                let mut keys: BTreeSet<_> = draft.document.keys.iter().map(Key::key).collect();
                keys.retain(|key| !is_full(&draft.document, key));
                let above = draft.document.key_encryption_keys.iter().map(Kek::key).collect();
                draft.rotate(&keys, above, watch)?;
                draft.changed = true;
                Ok(keys.into_iter().collect())
            })
            .await?;
        self.finish_pending().await;
        Ok(rotated)
    }

    /// The keys that have as many versions as a ring takes of one key, and are not rotated before
    /// some are trimmed.
    pub fn full(&self) -> Vec<KeyRef> {
        let state = self.state();
        let full = state.document.keys.iter().filter(|key| key.versions.len() >= MAX_VERSIONS);
        full.map(Key::key).collect()
    }

    /// Whether a client may destroy something just now: the last part of what a ring can remember
    /// is kept for what the operator destroys.
    ///
    /// # Errors
    /// [`Error::Full`] when it may not.
    pub fn room_to_destroy(&self) -> Result<()> {
        let state = self.state();
        let document = &state.document;
        let free = document.leaves_room(state.bytes(), Room::Upkeep);
        if free && document.takes_tombstones() {
            Ok(())
        } else {
            Err(Error::Full("what clients destroy"))
        }
    }

    /// At what age keys are rotated that have no setting of their own.
    pub fn policy(&self) -> &Policy {
        &self.inner.settings.policy
    }

    /// Changes a key's settings.
    ///
    /// # Errors
    /// When there is no such key or version, when a setting makes no sense, and when the ring
    /// cannot be written.
    pub async fn configure(&self, key: &KeyRef, change: &Change) -> Result<KeyCard> {
        if change.rotate_after.is_some_and(|after| after < SignedDuration::from_hours(1)) {
            return Err(Error::Setting("a key cannot be rotated more often than each hour"));
        }
        self.change(Step::Keep, |draft| {
            refuse_shredded(&draft.document, key)?;
            with_key(draft, key, |found| {
                if let Some(version) = change.min_decryption {
                    let newest = found.newest();
                    if !(1..=newest).contains(&version) {
                        let key = Box::new(key.clone());
                        return Err(Error::Version { key, version, oldest: found.min_decryption });
                    }
                    found.min_decryption = version;
                }
                found.rotate_after = change.rotate_after.or(found.rotate_after);
                found.removable = change.removable.unwrap_or(found.removable);
                Ok(())
            })
        })
        .await?;
        self.card(key)
    }

    /// Remembers, until this process ends, that a room of the house uses `key`.
    pub fn registers(&self, room: &str, key: &KeyRef) {
        let mut registered = locked(&self.inner.registered);
        registered.entry(key.clone()).or_default().insert(room.to_owned());
    }

    /// Remembers that a recovery kit was made: it holds every key of this moment, whatever is
    /// destroyed later.
    ///
    /// # Errors
    /// When the ring cannot be written.
    pub async fn note_kit(&self, id: &str, made_at: Timestamp, needed: u8, of: u8) -> Result<()> {
        if id.is_empty() || id.len() > MAX_KIT_ID_BYTES || id.chars().any(char::is_control) {
            return Err(Error::Setting("this is no id of a recovery kit"));
        }
        self.change(Step::Keep, |draft| {
            let known = |kit: &Kit| kit.id == id;
            if !draft.document.kits.iter().any(known) {
                draft.document.kits.push(Kit { id: id.to_owned(), made_at, needed, of });
                draft.changed = true;
            }
            Ok(())
        })
        .await
    }

    /// Every key in clear, for a recovery kit.
    ///
    /// # Errors
    /// [`Error::Conflict`] while a ring key that another process made is not open yet.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::of(&self.state()).ok_or(Error::Conflict)
    }
}

#[cfg(test)]
impl Keys {
    /// Makes whatever change a test needs.
    pub(crate) async fn tamper<T: Send>(
        &self,
        change: impl FnMut(&mut Draft<'_>) -> Result<T> + Send,
    ) -> Result<T> {
        self.change(Step::Keep, change).await
    }
}

/// Changes a key's entry.
pub(super) fn with_key<T>(
    draft: &mut Draft<'_>,
    key: &KeyRef,
    change: impl FnOnce(&mut Key) -> Result<T>,
) -> Result<T> {
    let at = draft.document.position(key).ok();
    let found = at.and_then(|at| draft.document.keys.get_mut(at));
    let value = change(found.ok_or_else(|| Error::Unknown(Box::new(key.clone())))?)?;
    draft.changed = true;
    Ok(value)
}

/// A tenant whose keys were destroyed gets no new ones.
pub(super) fn refuse_shredded(document: &Document, key: &KeyRef) -> Result<()> {
    let Some(tenant) = &key.tenant else { return Ok(()) };
    let stone = document.tombstones.iter().find(|stone| stone.tenant.as_ref() == Some(tenant));
    stone.map_or(Ok(()), |stone| Err(Error::Shredded { at: stone.at }))
}

/// Whether no version can be added to the key.
fn is_full(document: &Document, key: &KeyRef) -> bool {
    document.key(key).is_some_and(|found| found.versions.len() >= MAX_VERSIONS)
}

/// Those of `keys` that wait for longest, at most so many.
fn oldest(document: &Document, keys: BTreeSet<KeyRef>, most: usize) -> BTreeSet<KeyRef> {
    if keys.len() <= most {
        return keys;
    }
    let made_at = |key: &KeyRef| document.key(key)?.versions.last().map(|newest| newest.made_at);
    let mut keys: Vec<_> = keys.into_iter().map(|key| (made_at(&key), key)).collect();
    keys.sort();
    keys.into_iter().take(most).map(|(_, key)| key).collect()
}

/// What is older than the policy allows.
fn due(
    document: &Document,
    policy: &Policy,
    now: Timestamp,
) -> (BTreeSet<KeyRef>, BTreeSet<KekRef>) {
    let keys = document.keys.iter().filter(|key| {
        let after = key.rotate_after.unwrap_or_else(|| policy.of(key.purpose));
        key.versions.last().is_some_and(|newest| old(newest.made_at, after, now))
    });
    let above = document.key_encryption_keys.iter();
    let above = above.filter(|kek| old(kek.made_at, policy.of(kek.purpose), now));
    (keys.map(Key::key).collect(), above.map(Kek::key).collect())
}

fn old(made_at: Timestamp, after: SignedDuration, now: Timestamp) -> bool {
    now.duration_since(made_at) >= after
}
