//! The Redis of an installation: the managed one, one of the operator's, or none, and what keeps the
//! tenants' places on it in order while `amanah up` runs.

use std::future::Future;
use std::time::Duration;

use kernel::{Cx, Rng, TenantId};
use tenancy::{Caches, Existing, Fleet, Redis, RedisSettings, Server, ServerSettings};

use crate::config::Config;
use crate::data::Data;
use crate::environment;
use crate::exit::Usage;
use crate::ground::Ground;
use crate::out;

/// The password of Amanah's login on a Redis of the operator's.
pub(crate) const PASSWORD: &str = "AMANAH_REDIS_PASSWORD";
/// How often logins whose time is over are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long the sample tenants' logins are good for.
const SAMPLE_LIFE: Duration = Duration::from_hours(24);

/// Starts or adopts the managed server, unless another one is configured. The text says why there is
/// none.
pub(crate) async fn server(
    config: &Config,
    data: &Data,
    rng: &dyn Rng,
) -> anyhow::Result<Result<Server, String>> {
    if !config.redis.url.is_empty() {
        return Ok(Err("another one is configured".to_owned()));
    }
    let settings = ServerSettings {
        data: data.root().to_owned(),
        memory_mib: config.redis.memory_mib,
        password: data.password("redis", rng)?,
    };
    // Everything else works without.
    Ok(Server::open(&settings, rng).await.unwrap_or_else(|error| Err(error.to_string())))
}

/// The tenants' places.
pub(crate) fn open(
    ground: &Ground,
    config: &Config,
    data: &Data,
    cx: &Cx,
) -> anyhow::Result<Caches> {
    let rng = &*cx.rng;
    let wanted = &config.redis;
    let settings = RedisSettings {
        registry: ground.owner.clone(),
        data: data.root().to_owned(),
        installation: data.installation(rng)?.expose().to_owned(),
        naming: data.password("redis-places", rng)?,
        trusted: wanted.trusted.clone(),
        clock: cx.clock.clone(),
        rng: cx.rng.clone(),
    };
    if wanted.url.is_empty() {
        return Ok(match &ground.redis {
            Ok(server) => Caches::There(Box::new(Redis::on_managed(settings, server))),
            Err(why) => Caches::Absent(why.clone()),
        });
    }
    let missing = || Usage(format!("redis.url is set: its password belongs in {PASSWORD}"));
    let password = environment::secret(PASSWORD)?.ok_or_else(missing)?;
    let ca = Some(&wanted.ca).filter(|file| !file.as_os_str().is_empty());
    let existing = Existing::new(&wanted.url, password, ca).map_err(|e| Usage(e.to_string()))?;
    Ok(Caches::There(Box::new(Redis::on_existing(settings, existing))))
}

/// Revives the managed server and keeps the logins in order, until `stop` ends.
pub(crate) async fn keep(ground: &Ground, caches: &Caches, stop: impl Future<Output = ()>) {
    let Caches::There(redis) = caches else { return stop.await };
    let mut tick = tokio::time::interval(LOOK_EVERY);
    let mut stop = std::pin::pin!(stop);
    // The same trouble is told once, not every two seconds.
    let mut told = String::new();
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = tick.tick() => {}
        }
        let kept = async {
            if let Ok(server) = &ground.redis
                && server.revive().await?
            {
                tracing::warn!("Redis had died and was started again; what it held is gone");
            }
            redis.keep().await
        };
        match kept.await {
            Ok((removed, made)) => {
                told.clear();
                if removed + made > 0 {
                    tracing::info!(removed, made, "logins on Redis were put in order");
                }
            }
            Err(error) => {
                let words = error.to_string();
                if words != told {
                    tracing::error!(error = words, "logins on Redis cannot be kept in order");
                    told = words;
                }
            }
        }
    }
}

/// Gives the sample tenants a place, unless there is no server.
pub(crate) async fn samples(caches: &Caches, fleet: &Fleet) -> anyhow::Result<()> {
    let redis = match caches {
        Caches::There(redis) => redis,
        Caches::Absent(why) => {
            out::aside(&format!("No places on Redis for the sample tenants: {why}."));
            return Ok(());
        }
    };
    for tenant in fleet.list().await?.iter().filter(|tenant| !tenant.canary) {
        let id: &TenantId = &tenant.id;
        let wanted = tenant.state == tenancy::State::Active && redis.standing(id).await?.is_none();
        if wanted && let Err(error) = redis.lease(id, SAMPLE_LIFE).await {
            // Everything else works without.
            out::aside(&format!("No places on Redis for the sample tenants: {error}."));
            return Ok(());
        }
    }
    Ok(())
}
