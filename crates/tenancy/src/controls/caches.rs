//! What the two claims about Redis have in common.

use std::sync::Arc;

use jiff::Timestamp;
use kernel::{Control, Cx, Population, Proof, TenantId};

use super::bitten;
use super::cache::Cache;
use super::channels::Channels;
use crate::redis::{Claim, Report};
use crate::{Cleared, Redis};

/// How much of what could not be attacked is spelled out.
const LISTED: usize = 5;
const NOBODY: &str = "no tenant has a place on Redis; its first login makes one: \
                      `amanah tenant connect --redis`";

/// The tenants' places on Redis, or why there are none.
#[derive(Clone)]
pub enum Caches {
    /// On this server.
    There(Box<Redis>),
    /// There is no server; the text says why and what to do.
    Absent(String),
}

impl Caches {
    /// The two controls over them.
    pub fn controls(&self) -> Vec<Arc<dyn Control>> {
        vec![Arc::new(Cache { caches: self.clone() }), Arc::new(Channels { caches: self.clone() })]
    }

    /// Whether a tenant has a place.
    ///
    /// # Errors
    /// When the registry does not answer.
    pub async fn has(&self, tenant: &TenantId) -> crate::Result<bool> {
        match self {
            Self::There(redis) => Ok(redis.standing(tenant).await?.is_some()),
            Self::Absent(_) => Ok(false),
        }
    }

    /// Shuts a tenant out, when it has a place. Returns how many logins it had.
    ///
    /// # Errors
    /// As [`Redis::suspend`].
    pub async fn suspend(&self, tenant: &TenantId) -> crate::Result<Option<usize>> {
        match self {
            Self::There(redis) if self.has(tenant).await? => redis.suspend(tenant).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Lets a suspended tenant have logins again, when it has a place. Says whether it has one.
    ///
    /// # Errors
    /// As [`Redis::resume`].
    pub async fn resume(&self, tenant: &TenantId) -> crate::Result<bool> {
        match self {
            Self::There(redis) if self.has(tenant).await? => {
                redis.resume(tenant).await.map(|()| true)
            }
            _ => Ok(false),
        }
    }

    /// Removes what a tenant has there, when it has a place.
    ///
    /// # Errors
    /// As [`Redis::erase`].
    pub async fn erase(&self, tenant: &TenantId) -> crate::Result<Option<Cleared>> {
        match self {
            Self::There(redis) if self.has(tenant).await? => redis.erase(tenant).await.map(Some),
            _ => Ok(None),
        }
    }

    /// The places.
    ///
    /// # Errors
    /// When there is no server, with the reason.
    pub fn redis(&self) -> crate::Result<&Redis> {
        match self {
            Self::There(redis) => Ok(redis),
            Self::Absent(why) => Err(crate::Error::NoRedis(why.clone())),
        }
    }
}

pub(super) async fn prove(caches: &Caches, claim: Claim, cx: &Cx) -> Proof {
    let now = cx.clock.now();
    match examine(caches, claim).await {
        Ok((report, somebody)) => weigh(now, report, somebody),
        Err(why) => Proof::unknown(now, why),
    }
}

pub(super) async fn bite(caches: &Caches, claim: Claim, cx: &Cx) -> Proof {
    let now = cx.clock.now();
    let bites = async {
        let redis = inhabited(caches).await?.0;
        redis.bite(claim).await.map_err(|error| format!("the scratch server failed: {error}"))?
    };
    match bites.await {
        Ok(bites) => bitten(now, bites),
        Err(why) => Proof::unknown(now, why),
    }
}

async fn examine(caches: &Caches, claim: Claim) -> Result<(Report, i64), String> {
    let (redis, somebody) = inhabited(caches).await?;
    let report = redis.attack(claim).await.map_err(|error| error.to_string())?;
    Ok((report, somebody))
}

/// The server, when a customer is on it: the synthetic tenants alone would prove nothing of anybody.
async fn inhabited(caches: &Caches) -> Result<(&Redis, i64), String> {
    let redis = caches.redis().map_err(|error| error.to_string())?;
    match redis.somebody().await {
        Ok(0) => Err(NOBODY.to_owned()),
        Ok(somebody) => Ok((redis, somebody)),
        Err(error) => Err(error.to_string()),
    }
}

fn weigh(now: Timestamp, report: Report, somebody: i64) -> Proof {
    let measured = format!(
        "{} findings; {} of {} attacks got through",
        report.findings.len(),
        report.through,
        report.strikes
    );
    let population = Population::new(report.attacked, report.total, "logins");
    let mut proof = Proof::weigh(now, population, measured, "0", report.findings);
    for (what, why) in report.missed.iter().take(LISTED) {
        proof = proof.note(&format!("{what}: {why}"));
    }
    for note in &report.notes {
        proof = proof.note(note);
    }
    proof.note(&format!("{somebody} tenants have a place there"))
}
