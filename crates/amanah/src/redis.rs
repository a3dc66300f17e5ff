//! The Redis of an installation: the managed one, one of the operator's, or none, and what keeps the
//! tenants' places on it in order while `amanah up` runs.

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use kernel::{Cx, Rng, TenantId};
use tenancy::{Caches, Existing, Fleet, Redis, RedisSettings, Server, ServerSettings};

use crate::config::Config;
use crate::data::Data;
use crate::environment;
use crate::exit::Usage;
use crate::ground::Ground;
use crate::installation::Installation;
use crate::out;

/// The password of Amanah's login on a Redis of the operator's.
pub(crate) const PASSWORD: &str = "AMANAH_REDIS_PASSWORD";
/// How often logins whose time is over are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long the sample tenants' logins are good for.
const SAMPLE_LIFE: Duration = Duration::from_hours(24);

/// The managed server, from when there is one.
pub(crate) struct Managed {
    /// How it is to run; `None` where the operator has a Redis of his own.
    settings: Option<ServerSettings>,
    server: OnceLock<Server>,
    /// Why there was none when it was looked for first.
    why: String,
}

impl Managed {
    /// Starts or adopts it, unless another one is configured. Everything else works without.
    pub(crate) async fn open(config: &Config, data: &Data, rng: &dyn Rng) -> anyhow::Result<Self> {
        let mut managed = Self::none();
        if config.redis.url.is_empty() {
            managed.settings = Some(ServerSettings {
                data: data.root().to_owned(),
                program: config.redis.program().map(ToOwned::to_owned),
                memory_mib: config.redis.memory_mib,
                password: data.password("redis", rng)?,
            });
            managed.why = managed.look(rng).await.err().unwrap_or_default();
        }
        Ok(managed)
    }

    /// None, and none is looked for.
    pub(crate) const fn none() -> Self {
        Self { settings: None, server: OnceLock::new(), why: String::new() }
    }

    /// Starts or adopts it. The error says why there is none.
    async fn look(&self, rng: &dyn Rng) -> Result<&Server, String> {
        let Some(settings) = &self.settings else { return Err(self.why.clone()) };
        let made = Server::open(settings, rng).await;
        let server = made.unwrap_or_else(|error| Err(error.to_string()))?;
        Ok(self.server.get_or_init(|| server))
    }

    /// Stops it.
    pub(crate) async fn stop(&self) -> anyhow::Result<()> {
        match self.server.get() {
            Some(server) => Ok(server.stop().await?),
            None => Ok(()),
        }
    }
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
        program: wanted.program().map(ToOwned::to_owned),
        installation: data.installation(rng)?.expose().to_owned(),
        naming: data.password("redis-places", rng)?,
        trusted: wanted.trusted.clone(),
        clock: cx.clock.clone(),
        rng: cx.rng.clone(),
    };
    if wanted.url.is_empty() {
        return Ok(Caches::new(match ground.redis.server.get() {
            Some(server) => Redis::on_managed(settings, server),
            None => Redis::absent(settings, ground.redis.why.clone()),
        }));
    }
    let missing = || Usage(format!("redis.url is set: its password belongs in {PASSWORD}"));
    let password = environment::secret(PASSWORD)?.ok_or_else(missing)?;
    let ca = Some(&wanted.ca).filter(|file| !file.as_os_str().is_empty());
    let existing = Existing::new(&wanted.url, password, ca).map_err(|e| Usage(e.to_string()))?;
    Ok(Caches::new(Redis::on_existing(settings, existing)))
}

/// Takes the managed server up once there is one, revives it, and keeps the logins in order, until
/// `stop` ends.
pub(crate) async fn keep(installation: &Installation, stop: impl Future<Output = ()>) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    let mut stop = std::pin::pin!(stop);
    // The same trouble is told once, not every two seconds.
    let mut told = String::new();
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = tick.tick() => {}
        }
        match once(installation).await {
            Ok((removed, made)) => {
                told.clear();
                if removed + made > 0 {
                    tracing::info!(removed, made, "logins on Redis were put in order");
                }
            }
            Err(error) => {
                let words = out::words(&error);
                if words != told {
                    tracing::error!(error = words, "logins on Redis cannot be kept in order");
                    told = words;
                }
            }
        }
    }
}

/// One look at the server and its logins. Returns how many were removed and made.
async fn once(installation: &Installation) -> anyhow::Result<(usize, usize)> {
    let Installation { ground, data, caches, cx, .. } = installation;
    let (managed, redis) = (&ground.redis, caches.redis());
    if let Some(server) = managed.server.get() {
        match server.revive().await {
            Ok(revived) => {
                if redis.absence().is_some() {
                    redis.take_up(server);
                }
                if revived {
                    tracing::warn!("Redis had died and was started again; what it held is gone");
                }
            }
            // It is dead: what it held is gone, and who asks for it is told why it stays away.
            Err(error) => {
                redis.give_up(error.to_string());
                return Err(error.into());
            }
        }
    } else if let Some(settings) = &managed.settings {
        let looked = if let Some(why) = Server::impossible(data.root(), settings.program.as_deref())
        {
            Err(why)
        } else {
            // Another process of this installation may be starting it.
            let _turn = data.turn().await?;
            managed.look(&*cx.rng).await
        };
        match looked {
            Ok(server) => redis.take_up(server),
            Err(why) => {
                redis.give_up(why.clone());
                anyhow::bail!(why);
            }
        }
        tracing::info!("Redis is there now; tenants can have places on it");
    }
    Ok(redis.keep().await?)
}

/// Gives the sample tenants a place, unless there is no server.
pub(crate) async fn samples(caches: &Caches, fleet: &Fleet) -> anyhow::Result<()> {
    let redis = caches.redis();
    if let Some(why) = redis.absence() {
        out::aside(&format!("No places on Redis for the sample tenants: {why}."));
        return Ok(());
    }
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
