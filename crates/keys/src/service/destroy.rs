//! Destruction that is final: the root's generation that opens any older copy of the ring goes,
//! and every anchor remembers what went.

use std::sync::atomic::Ordering;

use kernel::TenantId;
use kms::Destruction;

use super::change::Step;
use super::manage::{refuse_shredded, with_key};
use super::{Keys, Shredding};
use crate::document::{Key, Kit, Scheduled};
use crate::{Error, KeyCard, KeyRef, Result, Tombstone};

/// The stone of a tenant, kits that were made before it, and how many keys it buried.
type Buried = (Tombstone, Vec<Kit>, usize);

impl Keys {
    /// Destroys a key's versions below `version`, for good.
    ///
    /// # Errors
    /// When there is no such key or version, the root does not answer, or the ring cannot be
    /// written; nothing was destroyed then.
    pub async fn trim(&self, key: &KeyRef, version: u32) -> Result<KeyCard> {
        self.change(Step::Destroy, |draft| {
            refuse_shredded(&draft.document, key)?;
            let before = draft.changed;
            let ids = with_key(draft, key, |found| {
                if !(1..=found.newest()).contains(&version) {
                    let oldest = found.min_decryption;
                    return Err(Error::Version { key: Box::new(key.clone()), version, oldest });
                }
                let gone = found.versions.iter().filter(|have| have.number < version);
                let gone: Vec<_> = gone.map(|have| have.id.text()).collect();
                if !gone.is_empty() {
                    found.min_decryption = found.min_decryption.max(version);
                }
                Ok(gone)
            })?;
            draft.changed = before;
            if !ids.is_empty() {
                draft.bury(&[Tombstone { tenant: None, ids, at: draft.now }]);
            }
            Ok(())
        })
        .await?;
        self.finish_pending().await;
        self.card(key)
    }

    /// Destroys one key, for good.
    ///
    /// # Errors
    /// [`Error::NotRemovable`] until it was allowed, and as [`Keys::trim`].
    pub async fn remove(&self, key: &KeyRef) -> Result<()> {
        self.change(Step::Destroy, |draft| {
            refuse_shredded(&draft.document, key)?;
            let found = draft.document.key(key);
            let found = found.ok_or_else(|| Error::Unknown(Box::new(key.clone())))?;
            if !found.removable {
                return Err(Error::NotRemovable(Box::new(key.clone())));
            }
            let ids = found.versions.iter().map(|version| version.id.text()).collect();
            draft.bury(&[Tombstone { tenant: None, ids, at: draft.now }]);
            Ok(())
        })
        .await?;
        self.finish_pending().await;
        Ok(())
    }

    /// Whether every key of a tenant was destroyed, so that it never gets new ones.
    pub fn is_shredded(&self, tenant: &TenantId) -> bool {
        self.state().shredded(tenant).is_some()
    }

    /// Destroys every key of a tenant, for good: also in every older copy of the ring. The tenant
    /// never gets new ones, also when it had none. Done again for the same tenant, it finishes what was
    /// left undone.
    ///
    /// # Errors
    /// When the root does not answer or the ring cannot be written; nothing was destroyed then.
    pub async fn shred(&self, tenant: &TenantId) -> Result<Shredding> {
        // Where there are none, no older ring has to be made worthless; the anchors remember the tenant.
        let none = match self.bury_all(tenant, Step::Keep).await? {
            Some(buried) => Some(buried),
            None => self.bury_all(tenant, Step::Destroy).await?,
        };
        let (stone, kits, keys) = none.ok_or(Error::Conflict)?;
        let mut remains: Vec<_> = REMAINS.map(str::to_owned).into();
        remains.extend(kits.iter().map(of_kit));
        let missed = self.tell_anchors().await;
        remains.extend(missed.iter().map(|place| {
            format!(
                "{place} was not told, so it would not notice an older ring; it is told again \
                 with each change."
            )
        }));
        let destruction = self.finish_pending().await;
        remains.extend(of_root(destruction));
        if self.inner.settings.root.place().host == kms::Host::This {
            remains.push(ON_HOST.to_owned());
        }
        let versions = stone.ids.len();
        let (at, generation) = (stone.at, self.generation());
        let tenant = tenant.clone();
        Ok(Shredding { tenant, at, keys, versions, generation, remains, destruction })
    }

    /// Buries every key of a tenant: with which stone, under which kits, and how many there were.
    /// `None` when there are some, which takes more than to keep the ring's key.
    async fn bury_all(&self, tenant: &TenantId, step: Step) -> Result<Option<Buried>> {
        self.change(step, |draft| {
            let theirs = |key: &&Key| key.tenant.as_ref() == Some(tenant);
            let mut kits = draft.document.kits.clone();
            let mut stones = draft.document.tombstones.iter();
            if let Some(stone) = stones.find(|stone| stone.tenant.as_ref() == Some(tenant)) {
                kits.retain(|kit| kit.made_at <= stone.at);
                return Ok(Some((stone.clone(), kits, 0)));
            }
            let found: Vec<_> = draft.document.keys.iter().filter(theirs).collect();
            if step == Step::Keep && !found.is_empty() {
                return Ok(None);
            }
            let versions = found.iter().flat_map(|key| &key.versions);
            let ids = versions.map(|version| version.id.text()).collect();
            let keys = found.len();
            let stone = Tombstone { tenant: Some(tenant.clone()), ids, at: draft.now };
            draft.bury(std::slice::from_ref(&stone));
            // Each kit that is noted was made before, whatever its clock said.
            Ok(Some((stone, kits, keys)))
        })
        .await
    }

    /// What would still hold a tenant's keys or texts when they were destroyed now: one sentence
    /// each, as far as it can be known beforehand.
    pub fn would_remain(&self) -> Vec<String> {
        let kits = self.state().document.kits.iter().map(of_kit).collect::<Vec<_>>();
        let on_host = self.inner.settings.root.place().host == kms::Host::This;
        let root = if on_host { ON_HOST } else { ROOT_WINDOW };
        REMAINS.map(str::to_owned).into_iter().chain(kits).chain([root.to_owned()]).collect()
    }

    /// Forgets a recovery kit, because every copy of it, or enough of its shares, were destroyed.
    /// Whether there was one.
    ///
    /// # Errors
    /// When the ring cannot be written.
    pub async fn forget_kit(&self, id: &str) -> Result<bool> {
        self.change(Step::Keep, |draft| {
            let before = draft.document.kits.len();
            draft.document.kits.retain(|kit| kit.id != id);
            draft.changed = draft.document.kits.len() < before;
            Ok(draft.changed)
        })
        .await
    }

    /// Destroys what generations of the root are left to destroy. `None` when the root did not
    /// answer: it is asked again with each refresh.
    pub(super) async fn finish_pending(&self) -> Option<Destruction> {
        self.finish_owed().await;
        let (state, now) = (self.inner.state.load_full(), self.inner.settings.now());
        let late = |scheduled: &&Scheduled| scheduled.until <= now;
        // What a day has come for is asked again: it may have been called back before it.
        let passed = state.document.scheduled.iter().filter(late).map(|s| &s.generation);
        let pending: Vec<_> = state.document.pending.iter().chain(passed).cloned().collect();
        if !pending.is_empty()
            && let Err(error) = self.finish(&pending).await
        {
            tracing::warn!(%error, "an old generation of the root is still to be destroyed");
            return None;
        }
        let state = self.inner.state.load();
        let owed = self.inner.owed.load(Ordering::Acquire);
        if owed || state.document.scheduled.iter().any(|scheduled| late(&scheduled)) {
            return None;
        }
        let until = state.document.scheduled.iter().map(|s| s.until).max();
        Some(until.map_or(Destruction::Done, Destruction::Scheduled))
    }
}

/// What remains whatever the root and the kits are.
const REMAINS: [&str; 4] = [
    "Physical backups of the database, and files that were sealed before, keep the tenant's \
     ciphertexts until their own retention ends; nothing opens them any more.",
    "A logical dump (pg_dump) holds ciphertexts where a column was encrypted, which do not open \
     any more, and in clear whatever was stored in clear.",
    "Text that an application stored in clear, in a column, a log or a search index, is not \
     reached: delete it there, and it goes from backups with their retention.",
    "Copies that others made of an opened text, such as exports, mails and screenshots, are not \
     reached either.",
];
/// The same for a root elsewhere, before it was asked.
const ROOT_WINDOW: &str = "Where the root destroys with a delay, as AWS KMS does after 7 days, whoever administers it \
     could bring its old generation back until then.";
/// The same for a root on this machine.
const ON_HOST: &str = "The root is on this machine: a copy of its file or token that was made before, together with \
     its secret and an older ring, still opens these keys.";

fn of_kit(kit: &Kit) -> String {
    format!(
        "Recovery kit {} of {:.0} still holds these keys: destroy every copy of it, or all but {} \
         of its {} shares, note it with `amanah keys recovery-kit --destroyed {}`, and make a new \
         kit.",
        kit.id,
        kit.made_at,
        kit.needed.saturating_sub(1),
        kit.of,
        kit.id
    )
}

fn of_root(destruction: Option<Destruction>) -> Option<String> {
    match destruction {
        Some(Destruction::Done) => None,
        Some(Destruction::Scheduled(at)) => Some(format!(
            "The root refuses its old generation from now on; whoever administers the root could \
             bring it back until {at:.0}, and open an older copy of the ring with it."
        )),
        None => Some(
            "The root did not destroy its old generation yet, so an older copy of the ring could \
             still be opened; it is asked again until it does, and `amanah keys list` shows when \
             nothing is pending any more."
                .to_owned(),
        ),
    }
}
