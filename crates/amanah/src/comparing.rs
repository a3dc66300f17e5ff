//! A running `amanah up` compares the servers' logs of writes with the trails all the time, so that no
//! log grows and a write without a record is told within seconds.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use audit::wal::Look;
use tenancy::Guarded;

use crate::installation::Installation;
use crate::out;

/// How often the logs are read.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A slot that keeps more of its log than this, in bytes, is told of: its reader does not keep up.
const MUCH: i64 = 1 << 30;

/// What was told of a database last, so that the same is told once.
type Told = BTreeMap<String, String>;

/// Reads until `stop` ends.
pub(crate) async fn keep(installation: &Installation, stop: impl Future<Output = ()>) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    let mut stop = std::pin::pin!(stop);
    let mut told = Told::new();
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = tick.tick() => {}
        }
        for guarded in &installation.known().guarded {
            let now = match one(installation, guarded).await {
                Ok(now) => now,
                Err(error) => format!("the log of writes cannot be read: {}", out::words(&error)),
            };
            let database = &guarded.protected.name;
            if now.is_empty() {
                told.remove(database);
            } else if told.get(database) != Some(&now) {
                tracing::error!(database, "{now}");
                told.insert(database.clone(), now);
            }
        }
    }
}

/// What there is to tell about one database; nothing when all is well.
async fn one(installation: &Installation, guarded: &Guarded) -> anyhow::Result<String> {
    let Some(superuser) = &guarded.protected.superuser else { return Ok(String::new()) };
    let comparison = installation.comparison();
    let kept = match comparison.read(superuser).await? {
        Look::Done { kept } => kept,
        Look::More => MUCH,
        // The claim says so; nobody is to be woken for it.
        Look::Impossible(_) => return Ok(String::new()),
    };
    let open =
        comparison.standing(superuser).await?.map(|standing| standing.open).unwrap_or_default();
    Ok(if !open.is_empty() {
        let count = open.len();
        format!(
            "{count} differences between the log of writes and the trail: amanah audit unrecorded"
        )
    } else if kept >= MUCH {
        format!("{} MiB of the log of writes wait to be read", kept >> 20)
    } else {
        String::new()
    })
}
