//! The service that signs people in and recognises them.

mod accounts;
mod api_keys;
mod bearer;
mod close;
mod ends;
mod enrol;
mod leaver;
mod lost;
mod passkeys;
mod reseal;
pub(crate) mod sessions;
mod sign_in;
mod step;
mod step_up;
mod support;
mod tokens;
mod uses;
mod vitals;

use std::sync::Arc;

use kernel::{Clock, Rng, Standings, TokenKeys, Vault};
use store::Db;

pub use api_keys::{KeyCard, MAX_KEY_DAYS, NewKey, ServiceCard};
pub use close::{Closed, Known};
pub use ends::SessionCard;
pub(crate) use ends::{others, others_asked_in};
pub use enrol::{Enrolled, Factors, Holder, NewApp, PasskeyCard};
pub use leaver::{age_proof, forget_leavers};
pub use passkeys::Ceremony;
#[cfg(test)]
pub(crate) use passkeys::MAX_CHALLENGES;
pub use reseal::{Resealed, reseal_seeds};
pub use sessions::Opening;
pub use step::Stage;
pub(crate) use step::has as has_of;
pub use step_up::Again;
pub use tokens::Pair;
use uses::Uses;
pub use vitals::SessionVitals;

use crate::assertion::Assertions;
use crate::cache::Cache;
use crate::passkey::{Flaw, Rules};
use crate::password::Hasher;
use crate::signing::Signing;
use crate::stored::{OUTPUT_BYTES, SALT_BYTES, Stored};
use crate::vault::NoVault;
use crate::{Lifetime, Pool, Result};

/// Accounts and sessions in the control database. Share it in an [`Arc`].
pub struct Identities {
    db: Db,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    standings: Arc<dyn Standings>,
    vault: Arc<dyn Vault>,
    hasher: Hasher,
    // Hashed against when there is no account, so that the answer takes as long. Absent only in
    // the bite's sandbox, which must show that the absence is noticed.
    decoy: Option<Stored>,
    // All of them, but in the sandbox of a bite.
    rules: Rules,
    pub(crate) cache: Cache,
    uses: Uses,
    lifetime: Lifetime,
    // Absent where no tokens are given out: every one is refused then.
    signing: Option<Signing>,
    assertions: Assertions,
}

impl Identities {
    /// The service over `db`, a login of the control database that is a member of
    /// `amanah_engine`. `standings` says what an account may do.
    ///
    /// # Errors
    /// When there is no randomness, or the pool's settings make no sense.
    pub fn new(
        db: Db,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        pool: Pool,
        standings: Arc<dyn Standings>,
    ) -> Result<Self> {
        let (mut salt, mut output) = (vec![0; SALT_BYTES], vec![0; OUTPUT_BYTES]);
        rng.fill(&mut salt)?;
        // Random instead of computed: nobody knows a password that leads to it.
        rng.fill(&mut output)?;
        let decoy = Some(Stored { cost: pool.cost, salt, output });
        let (hasher, cache) = (Hasher::new(pool)?, Cache::default());
        let (vault, rules) = (Arc::new(NoVault), Rules::default());
        let (lifetime, uses, signing) = (Lifetime::default(), Uses::default(), None);
        Ok(Self {
            db,
            clock,
            rng,
            standings,
            vault,
            hasher,
            decoy,
            rules,
            cache,
            uses,
            lifetime,
            signing,
            assertions: Assertions::default(),
        })
    }

    /// The same service, whose sessions live no longer than this.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Lifetime) -> Self {
        self.lifetime = lifetime.within(None, None);
        self
    }

    /// The same service, which keeps the seeds of authenticator apps in `vault`. Without one there
    /// are no apps.
    #[must_use]
    pub fn with_vault(mut self, vault: Arc<dyn Vault>) -> Self {
        self.vault = vault;
        self
    }

    /// The same service, which gives out tokens in the name of `issuer`, signed by `keys`.
    #[must_use]
    pub fn with_tokens(mut self, keys: Arc<dyn TokenKeys>, issuer: String) -> Self {
        self.signing = Some(Signing::new(keys, issuer));
        self
    }

    /// The same service with the fault that lets a flaw of passkeys pass.
    pub(crate) fn without_rule(mut self, flaw: Flaw) -> Self {
        self.rules = Rules::without(flaw);
        self
    }

    /// The same service with the fault that its memory forgets nothing.
    pub(crate) fn forgetless(mut self) -> Self {
        self.cache.forgetless = true;
        self
    }

    /// The same service with the fault that it hears nothing of others, and does not mind.
    pub(crate) fn deaf(self) -> Self {
        self.cache.ear.attach();
        self.cache.ear.careless.store(true, std::sync::atomic::Ordering::Relaxed);
        self
    }

    /// The same service with the fault that gives accounts away by time.
    pub(crate) fn without_decoy(mut self) -> Self {
        self.decoy = None;
        self
    }

    /// Reads anew whose the sessions of `account` are: its epoch was raised, or sessions ended.
    pub(crate) fn forget_account(&self, account: &str) {
        self.cache.forget(crate::cache::Ended::account(account));
    }

    pub(crate) const fn db(&self) -> &Db {
        &self.db
    }

    pub(crate) const fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    pub(crate) fn vault(&self) -> Arc<dyn Vault> {
        Arc::clone(&self.vault)
    }

    pub(crate) fn standings(&self) -> &dyn Standings {
        &*self.standings
    }

    pub(crate) fn rng(&self) -> &dyn Rng {
        &*self.rng
    }

    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }
}
