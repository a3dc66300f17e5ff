//! What a running installation does with its keys by itself.

use std::future::Future;
use std::time::Duration;

use crate::Keys;

/// Until `stop` ends, and every `every`: takes in what another process wrote, rotates what is due
/// by the policy, and finishes destructions that the root did not answer to.
///
/// What fails is logged and tried again the next time; keys in memory go on working meanwhile.
pub async fn keep(keys: &Keys, every: Duration, stop: impl Future<Output = ()>) {
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = tick.tick() => {}
        }
        if let Err(error) = keys.refresh().await {
            tracing::warn!(%error, "the key ring could not be read; what is in memory goes on");
            continue;
        }
        match keys.rotate_due().await {
            Ok(rotated) if !rotated.is_empty() => {
                tracing::info!(keys = rotated.len(), "keys were rotated by their age");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "keys that are due were not rotated"),
        }
    }
}
