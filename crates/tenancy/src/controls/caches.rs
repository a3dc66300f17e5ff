//! What the two claims about Redis have in common.

use std::sync::Arc;

use jiff::Timestamp;
use kernel::{Control, Proof, TenantId};

use super::bitten;
use super::cache::Cache;
use super::channels::Channels;
use super::inhabited::Inhabited;
use crate::redis::Claim;
use crate::{Cleared, Redis};

/// The tenants' places on Redis, whether there is a server at the moment or not.
#[derive(Clone)]
pub struct Caches(Redis);

impl Caches {
    /// These places.
    pub const fn new(redis: Redis) -> Self {
        Self(redis)
    }

    /// The two controls over them.
    pub fn controls(&self) -> Vec<Arc<dyn Control>> {
        vec![Arc::new(Cache { caches: self.clone() }), Arc::new(Channels { caches: self.clone() })]
    }

    /// Whether a tenant has a place.
    ///
    /// # Errors
    /// When the registry does not answer.
    pub async fn has(&self, tenant: &TenantId) -> crate::Result<bool> {
        Ok(self.0.standing(tenant).await?.is_some())
    }

    /// Shuts a tenant out, when it has a place. Returns how many logins it had.
    ///
    /// # Errors
    /// As [`Redis::suspend`].
    pub async fn suspend(&self, tenant: &TenantId) -> crate::Result<Option<usize>> {
        if self.has(tenant).await? { self.0.suspend(tenant).await.map(Some) } else { Ok(None) }
    }

    /// Lets a suspended tenant have logins again, when it has a place. Says whether it has one.
    ///
    /// # Errors
    /// As [`Redis::resume`].
    pub async fn resume(&self, tenant: &TenantId) -> crate::Result<bool> {
        let there = self.has(tenant).await?;
        if there {
            self.0.resume(tenant).await?;
        }
        Ok(there)
    }

    /// Removes what a tenant has there, when it has a place.
    ///
    /// # Errors
    /// As [`Redis::erase`].
    pub async fn erase(&self, tenant: &TenantId) -> crate::Result<Option<Cleared>> {
        if self.has(tenant).await? { self.0.erase(tenant).await.map(Some) } else { Ok(None) }
    }

    /// The places.
    pub const fn redis(&self) -> &Redis {
        &self.0
    }
}

/// One of the two, over these places.
pub(super) struct Places<'a>(pub(super) &'a Caches, pub(super) Claim);

impl Inhabited for Places<'_> {
    /// How many there are.
    type Customers = i64;

    const NOBODY: &'static str = "no tenant has a place on Redis; its first login makes one: \
                                  `amanah tenant connect --redis`";

    async fn customers(&self) -> Result<Option<i64>, String> {
        let redis = self.0.redis();
        redis.site().map_err(|error| error.to_string())?;
        let somebody = redis.somebody().await.map_err(|error| error.to_string())?;
        Ok(Some(somebody).filter(|somebody| *somebody > 0))
    }

    async fn attack(&self, now: Timestamp, somebody: i64) -> Result<Proof, String> {
        let report = self.0.redis().attack(self.1).await;
        let mut report = report.map_err(|error| error.to_string())?;
        let notes = std::mem::take(&mut report.notes);
        let proof = report.weigh(now, "logins");
        let proof = notes.iter().fold(proof, |proof, note| proof.note(note));
        Ok(proof.note(&format!("{somebody} tenants have a place there")))
    }

    async fn seed(&self, now: Timestamp) -> Result<Proof, String> {
        let bites = self.0.redis().bite(self.1).await;
        let bites = bites.map_err(|error| format!("the scratch server failed: {error}"))??;
        Ok(bitten(now, bites))
    }
}
