//! Seeds of authenticator apps, sealed anew when the key of their tenant has a new version: then the one
//! before can be destroyed, and nobody's app with it.

use std::future::Future;
use std::time::Duration;

use anyhow::Context as _;
use identity::reseal_seeds;
use jiff::{SignedDuration, Timestamp};
use kernel::TenantId;
use keys::{KeyCard, KeyRef, Keys};
use store::Db;

use crate::exit::Usage;
use crate::installation::Installation;
use crate::vault::{KEY, KeyVault};

/// How often it is looked for seeds under an older version.
const LOOK_EVERY: Duration = Duration::from_hours(1);
/// How old the version that seals has to be before one before it is destroyed: by then every process has
/// read of it, and none seals under another.
const SETTLED: SignedDuration = SignedDuration::from_mins(5);

/// Seals anew what is due, every hour, until `stop` ends.
pub(crate) async fn keep(house: &Installation, stop: impl Future<Output = ()>) {
    let vault = KeyVault::new(house.ring.keys.clone());
    let mut tick = tokio::time::interval(LOOK_EVERY);
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = tick.tick() => {}
        }
        match reseal_seeds(&house.ground.engine, &vault, None).await {
            Ok(done) if done.renewed > 0 => {
                tracing::info!(seeds = done.renewed, "seeds were sealed under a newer key");
            }
            Ok(done) => {
                tracing::debug!(seeds = done.seeds, failed = done.failed, "seeds looked at");
            }
            Err(error) => {
                tracing::warn!(%error, "seeds were not looked at; tried again in an hour");
            }
        }
    }
}

/// Has nothing lie under older versions of `key` before they are destroyed, if it is one that seals seeds.
///
/// # Errors
/// When something does, or may: nothing is to be destroyed then.
pub(crate) async fn clear(
    db: &Db,
    keys: &Keys,
    (key, card): (&KeyRef, &KeyCard),
    now: Timestamp,
) -> anyhow::Result<()> {
    let Some(tenant) = seals(key) else { return Ok(()) };
    let young = |at: Timestamp| now.duration_since(at) < SETTLED;
    if card.newest().is_some_and(|newest| young(newest.made_at)) {
        let words = format!(
            "the newest version of {key} is less than five minutes old, and a running `amanah up` may \
             still seal with the one before; nothing was destroyed, try again in five minutes"
        );
        return Err(Usage(words).into());
    }
    let vault = KeyVault::new(keys.clone());
    let done = reseal_seeds(db, &vault, Some(tenant)).await;
    let done =
        done.context("seeds of authenticator apps lie under this key; none was destroyed")?;
    if done.failed > 0 {
        let words = format!(
            "{} of {} seeds of authenticator apps still lie under an older version of {key} and cannot \
             be sealed anew ({}); nothing was destroyed. Whoever has such an app sets it up again \
             first, or is off-boarded",
            done.failed,
            done.seeds,
            done.problem.unwrap_or_default()
        );
        return Err(Usage(words).into());
    }
    Ok(())
}

/// The tenant whose seeds this key seals.
fn seals(key: &KeyRef) -> Option<&TenantId> {
    key.tenant.as_ref().filter(|_| key.name.as_str() == KEY)
}
