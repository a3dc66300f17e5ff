//! What applications ask for while `amanah up` runs: the private listener with keys and tenants, and
//! the work that both need from time to time.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use console::tenants::{Bindings, Tenants};
use gateway::{Listening, Private, PrivateSettings};
use keys::Strongbox;
use tenancy::{Fleet, StandingFiles};

use crate::decisions::Register;
use crate::exit::Usage;
use crate::installation::Installation;

/// How often it is looked for keys that are due, for logins that have ended, and for work that a crash
/// left behind.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// How often the house's own secrets are brought to the newest version of their key.
const RESEAL_EVERY: Duration = Duration::from_hours(1);

/// Takes the listener's address, unless keys are not served, or goes on with a listener of another process.
/// `wanted` overrules the configuration; `bindings` is looked at whenever somebody asks.
pub(crate) async fn bind(
    installation: &Installation,
    wanted: Option<SocketAddr>,
    bindings: Arc<ArcSwap<Bindings>>,
    inherited: Option<Listening>,
) -> anyhow::Result<Option<Private<Router>>> {
    let config = &installation.config.keys;
    let listen = match wanted {
        Some(address) => Some(address),
        None => config.listen().map_err(Usage)?,
    };
    let Some(listen) = listen else { return Ok(None) };
    let settings =
        PrivateSettings { listen, allow_remote: config.allow_remote, hosts: config.names.clone() };
    let (clock, rng) = (installation.cx.clock.clone(), installation.cx.rng.clone());
    let registry = installation.ground.engine.clone();
    let files = Arc::new(StandingFiles::new(installation.files.clone(), registry));
    let (identities, access) = (installation.identities.clone(), installation.access.clone());
    let life = installation.life();
    let tenants = Tenants { life, identities: Arc::clone(&identities), bindings, files };
    let keys = installation.ring.keys.clone();
    let decisions = Arc::new(Register { identities, access });
    let decide = console::access::router(keys.clone(), clock.clone(), rng.clone(), decisions);
    let router = console::tenants::router(keys, clock, rng, tenants).merge(decide);
    let bound = match inherited {
        Some(listening) => Private::adopt(listening, &settings, router),
        None => Private::bind(settings, router).await,
    };
    bound.map(Some).map_err(|error| {
        anyhow::Error::from(error).context("keys cannot be served; see --keys-listen")
    })
}

/// Keeps keys young and clears logins away, until `stop` ends.
pub(crate) async fn keep<S: Future<Output = ()> + Send>(
    installation: &Installation,
    stop: impl Fn() -> S,
) {
    let rotate = keys::jobs::keep(&installation.ring.keys, LOOK_EVERY, stop());
    let reseal = renew(&installation.strongbox, stop());
    let clear = clear(&installation.fleet, stop());
    tokio::join!(rotate, reseal, clear);
}

/// Removes logins of tenants whose time is over.
async fn clear(fleet: &Fleet, stop: impl Future<Output = ()>) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = tick.tick() => {}
        }
        match fleet.sweep().await {
            Ok(0) => {}
            Ok(swept) => tracing::info!(swept, "logins that had ended were removed"),
            Err(error) => tracing::warn!(%error, "logins that have ended are still there"),
        }
    }
}

/// Brings the house's own secrets to the newest version of their key.
async fn renew(strongbox: &Strongbox, stop: impl Future<Output = ()>) {
    let mut tick = tokio::time::interval(RESEAL_EVERY);
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = tick.tick() => {}
        }
        match strongbox.refresh_all(&|_| {}).await {
            Ok(found) if found.renewed > 0 => {
                tracing::info!(renewed = found.renewed, "own secrets have the newest key");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "own secrets keep an older key for now"),
        }
    }
}
