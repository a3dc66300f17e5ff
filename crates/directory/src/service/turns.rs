//! Turns: what is changed in one tenant's directory goes one after the other, in this process.
//!
//! It promises that no tenant waits for another one: each has a turn of its own, and there are as many as
//! tenants with somebody in turn or waiting.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, Weak};

use kernel::TenantId;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How many tenants are remembered before those that nobody waits for are forgotten.
const REMEMBERED: usize = 64;

/// Whoever has it is the only one in the tenant's directory.
pub(crate) type Turn = OwnedMutexGuard<()>;

/// The turns that somebody has or waits for.
#[derive(Default)]
pub(super) struct Turns {
    of: std::sync::Mutex<BTreeMap<String, Weak<Mutex<()>>>>,
}

impl Turns {
    /// The turn of `tenant`, when it comes.
    pub(super) async fn wait(&self, tenant: &TenantId) -> Turn {
        self.of(tenant).lock_owned().await
    }

    /// The turn of `tenant`, if nobody has it.
    pub(super) fn at_once(&self, tenant: &TenantId) -> Option<Turn> {
        self.of(tenant).try_lock_owned().ok()
    }

    fn of(&self, tenant: &TenantId) -> Arc<Mutex<()>> {
        // What is under the lock is whole, whoever was interrupted there.
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = of.get(tenant.as_str()).and_then(Weak::upgrade) {
            return turn;
        }
        if of.len() >= REMEMBERED {
            of.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::new(Mutex::new(()));
        of.insert(tenant.as_str().to_owned(), Arc::downgrade(&turn));
        turn
    }
}
