//! What was used, and when: kept in memory for a minute, then written down together.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use kernel::{PermissionId, TenantId};

/// How many uses wait to be written down, in each part.
const MAX_WAITING: usize = 4096;
/// Parts with a lock of their own, so that threads seldom wait for each other.
const PARTS: usize = 16;

/// Uses that were not written down yet. Its size is bounded; what does not fit is counted, and a
/// proof that needs every use is unknown then.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    parts: [Mutex<HashMap<Key, Use>>; PARTS],
    dropped: AtomicU64,
}

#[derive(Debug, PartialEq, Eq, Hash, Clone, Copy)]
struct Key {
    account: u128,
    // A hash, so that nothing is copied for a use that is known: two tenants of one hash are one
    // in ten to the eighteen, and belong to one account.
    tenant: u64,
    permission: u16,
}

/// One use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) account: String,
    pub(crate) tenant: TenantId,
    pub(crate) permission: PermissionId,
    pub(crate) at: Timestamp,
}

impl Uses {
    /// Remembers that `account` used `permission` in `tenant` at `now`.
    pub(crate) fn note(
        &self,
        (account, tenant): (&str, &TenantId),
        permission: PermissionId,
        now: Timestamp,
    ) {
        let name = account;
        let Some(account) = number(name) else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let mut hasher = DefaultHasher::new();
        tenant.as_str().hash(&mut hasher);
        let key = Key { account, tenant: hasher.finish(), permission: permission.number() };
        let part = (account ^ u128::from(key.permission)) % PARTS as u128;
        let Some(part) = usize::try_from(part).ok().and_then(|part| self.parts.get(part)) else {
            return;
        };
        let mut waiting = part.lock().unwrap_or_else(PoisonError::into_inner);
        let full = waiting.len() >= MAX_WAITING;
        match waiting.entry(key) {
            Entry::Occupied(mut known) => known.get_mut().at = now,
            Entry::Vacant(_) if full => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            Entry::Vacant(free) => {
                let (account, tenant) = (name.to_owned(), tenant.clone());
                free.insert(Use { account, tenant, permission, at: now });
            }
        }
    }

    /// Everything that waits, to be written down.
    pub(crate) fn take(&self) -> Vec<Use> {
        let take = |part: &Mutex<HashMap<Key, Use>>| {
            std::mem::take(&mut *part.lock().unwrap_or_else(PoisonError::into_inner))
        };
        self.parts.iter().flat_map(take).map(|(_, used)| used).collect()
    }

    /// Puts back what could not be written down, unless it was used again meanwhile.
    pub(crate) fn put_back(&self, uses: Vec<Use>) {
        let mut lost = 0;
        for used in uses {
            let Some(account) = number(&used.account) else { continue };
            let mut hasher = DefaultHasher::new();
            used.tenant.as_str().hash(&mut hasher);
            let key =
                Key { account, tenant: hasher.finish(), permission: used.permission.number() };
            let part = (account ^ u128::from(key.permission)) % PARTS as u128;
            let part = usize::try_from(part).ok().and_then(|part| self.parts.get(part));
            let Some(part) = part else { continue };
            let mut waiting = part.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() < MAX_WAITING {
                waiting.entry(key).or_insert(used);
            } else {
                lost += 1;
            }
        }
        self.dropped.fetch_add(lost, Ordering::Relaxed);
    }

    /// How many uses were not kept since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// A UUID as a number.
fn number(account: &str) -> Option<u128> {
    let digits = account.bytes().filter(|b| *b != b'-');
    digits.take(32).try_fold(0u128, |number, digit| {
        let digit = char::from(digit).to_digit(16)?;
        Some(number << 4 | u128::from(digit))
    })
}
