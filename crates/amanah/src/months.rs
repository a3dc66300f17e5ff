//! The trail's partitions are made ahead, so that each month has its own before its first write.
//!
//! What is missed harms nobody: rows whose month has none lie in the partition of the rest.

use std::future::Future;
use std::time::Duration;

use crate::installation::Installation;

/// They are made three months ahead, so a day more or less does not count.
const LOOK_EVERY: Duration = Duration::from_hours(24);

/// Makes what is due in each protected database, until `stop` ends.
pub(crate) async fn keep(installation: &Installation, stop: impl Future<Output = ()>) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = tick.tick() => {}
        }
        for guarded in &installation.known().guarded {
            let database = &guarded.protected.name;
            match audit::make_partitions(&guarded.protected.owner).await {
                Ok(0) => {}
                Ok(made) => tracing::info!(database, made, "the trail has new partitions"),
                Err(error) => tracing::warn!(
                    database,
                    %error,
                    "partitions of the trail could not be made; it is tried again tomorrow"
                ),
            }
        }
    }
}
