//! A running `amanah up` finishes what was asked to be erased and whose command was killed, or gave up
//! waiting for the seal.
//!
//! It promises that a request which was noted comes to its end, and that one database which does not
//! answer holds up no other.

use std::future::Future;
use std::time::Duration;

use store::Db;
use tokio::time::MissedTickBehavior;

use crate::installation::Installation;
use crate::trail::Log;
use crate::{archived, out};

/// How often it is looked for something to finish.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Erases until `stop` ends.
pub(crate) async fn keep(installation: &Installation, stop: impl Future<Output = ()>) {
    let erasing = async {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = look(installation).await {
                tracing::warn!(error = out::words(&error), "requests for erasure cannot be read");
            }
        }
    };
    tokio::select! {
        () = stop => {}
        () = erasing => {}
    }
}

async fn look(installation: &Installation) -> anyhow::Result<()> {
    let Installation { ground, data, config, cx, .. } = installation;
    let open = installation.erasing().open_logs().await?;
    if open.is_empty() {
        return Ok(());
    }
    let known = installation.known();
    for kept in &known.kept {
        let Ok(log) = Log::of(kept, data, config, cx) else { continue };
        let Ok(guarded) = known.at(kept, ground) else { continue };
        let Some(superuser) = &guarded.protected.superuser else { continue };
        if !open.contains(&log.origin) {
            continue;
        }
        match take(installation, superuser, &log).await {
            Ok(Some(contents)) if contents > 0 => {
                tracing::info!(
                    database = log.database,
                    contents,
                    "contents of the trail were erased"
                );
            }
            Ok(_) => {}
            Err(error) => {
                let (database, error) = (log.database, out::words(&error));
                tracing::warn!(database, error, "contents of the trail could not be erased yet");
            }
        }
    }
    Ok(())
}

/// Takes contents out of one trail and of its archive; how many, `None` while somebody else does it.
///
/// # Errors
/// When a database or the archive does not answer; it is done the next time.
pub(crate) async fn take(
    house: &Installation,
    superuser: &Db,
    log: &Log,
) -> anyhow::Result<Option<u64>> {
    let files = archived::shelved(house, log)?;
    let erasing = house.erasing();
    Ok(erasing.take(superuser, &log.origin, files.as_ref(), &*house.cx.rng).await?)
}
