//! Tenants' places on Redis: keys and channels of their own, on a server that all share.
//!
//! It promises: each tenant has a *place*, a prefix that says nothing about whose it is, and logins
//! whose rules in Redis itself let them at keys and channels with that prefix and at nothing else.
//! Logins are [leases](Lease): each has a password of its own, ends by itself within seconds of
//! its time as long as Amanah runs, and takes its connections with it. What a forgotten prefix or
//! a guessed key asks for, the server refuses.
//!
//! Redis knows no end of a login and forgets all of them when it starts anew, so the truth is in
//! the control database, and [`Redis::keep`] brings the server to it, again and again. The
//! [proof](crate::Caches) does not believe either: it attacks, and it asks the server about each
//! login that is on it.
//!
//! It does not promise a share of the memory: Redis has one limit for all, and a tenant that fills
//! it drives out the keys of others.
//!
//! The attacks that it stops: a request of one customer that reads, changes or lists another's
//! keys, or hears or writes on another's channel, by a missing prefix, a guessed key, a wildcard,
//! a script or a command that asks about everybody.

mod acl;
mod attack;
mod bite;
mod lint;
mod meeting;
mod place;
mod registry;
mod scene;
mod server;
mod sql;
#[cfg(test)]
mod tests;
mod tls;
mod url;
mod wire;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::redis::Value;
use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use kernel::{Clock, Rng, Secret, TenantId, random_hex};
use serde::Serialize;
use store::Db;
use tokio::sync::{Mutex, OnceCell};

use crate::fleet::{CANARIES, customer};
use crate::report::Report;
use crate::{Error, MAX_LEASE, Result};

pub(crate) use attack::Claim;
use attack::{Known, Target};
pub use meeting::{Hearer, SILENCE, Teller};
use place::Place;
pub use server::{Server, ServerSettings};
pub use url::{Existing, UrlError};
use wire::{Address, Door, Wire};

/// Amanah's own login on a server that it made.
const ADMIN: &str = "amanah";
/// The shortest lease: less would be over before it is used.
const MIN_LEASE: Duration = Duration::from_secs(1);
/// Bytes of randomness in a password, and in a login's own part of its name.
const PASSWORD_BYTES: usize = 24;
const LEASE_BYTES: usize = 4;
/// So long after its time a login may be on the server before that is a finding.
const LEEWAY: SignedDuration = SignedDuration::from_secs(60);
/// How long the logins of one battery live, and bytes of randomness in the names of its keys.
const BATTERY_LIFE: Duration = Duration::from_mins(10);
const MARK_BYTES: usize = 8;
/// How many keys are asked for at a time.
const KEYS_AT_A_TIME: &str = "1000";

/// What it is run with.
#[derive(Clone)]
pub struct RedisSettings {
    /// The control database, as its owner, with [`crate::CACHE_ROOM`] and [`crate::FLEET_ROOM`].
    pub registry: Db,
    /// The directory of the installation, for scratch servers.
    pub data: PathBuf,
    /// The program of scratch servers, unless Debian's is meant.
    pub program: Option<PathBuf>,
    /// What this installation is called: 8 hexadecimal digits. Two can share a server.
    pub installation: String,
    /// The secret that places are derived under. With another one, all places are others.
    pub naming: Secret,
    /// Logins of the server that may reach what is the tenants': the operator's word.
    pub trusted: Vec<String>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

/// The tenants' places on one Redis. Cheap to clone.
#[derive(Clone)]
pub struct Redis {
    settings: RedisSettings,
    /// Where the server is, or why there is none; it may come later.
    site: Arc<ArcSwap<std::result::Result<Site, String>>>,
    /// The rules on commands that its server knows.
    commands: Arc<OnceCell<Vec<String>>>,
    /// Whether the logins of earlier runs were given today's rules.
    renewed: Arc<AtomicBool>,
    /// The connection that logins are kept in order over. It stays: a tenant that takes all others
    /// must not outlive its login by that.
    standing: Arc<Mutex<Option<Wire>>>,
}

/// Where a server is.
#[derive(Clone)]
pub(crate) struct Site {
    /// How Amanah itself enters.
    door: Door,
    /// Where applications connect.
    outside: Address,
}

/// A tenant's login on Redis, for a time.
#[derive(Debug)]
pub struct CacheLease {
    /// Where to connect, with login and password: `redis://LOGIN:PASSWORD@HOST:PORT/0`.
    pub url: Secret,
    /// What every key and channel must begin with.
    pub prefix: String,
    /// When the login ends, and its connections with it.
    pub until: Timestamp,
}

/// What erasing a tenant's place came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cleared {
    /// The place that its keys had.
    pub place: String,
    /// How many keys were removed.
    pub keys: u64,
    /// How many logins were removed.
    pub logins: usize,
}

/// A login as it is being made, with everything that is known of it.
#[derive(Debug, Clone)]
struct Login {
    name: String,
    password: Secret,
    place: Place,
}

impl Redis {
    /// The places on a server that Amanah made.
    pub fn on_managed(settings: RedisSettings, server: &Server) -> Self {
        Self::new(settings, Ok(server.site()))
    }

    /// The places of which only the registry is there as yet, because of `why`: nobody gets a login,
    /// and whoever is suspended or erased stays so.
    pub fn absent(settings: RedisSettings, why: String) -> Self {
        Self::new(settings, Err(why))
    }

    /// From now on the places are on `server`.
    pub fn take_up(&self, server: &Server) {
        self.site.store(Arc::new(Ok(server.site())));
    }

    /// From now on there is no server, because of `why`.
    pub fn give_up(&self, why: String) {
        self.site.store(Arc::new(Err(why)));
    }

    /// Why there is no server, if there is none.
    pub fn absence(&self) -> Option<String> {
        self.site.load().as_ref().as_ref().err().cloned()
    }

    /// The places on a server of somebody else's.
    pub fn on_existing(settings: RedisSettings, existing: Existing) -> Self {
        let outside = existing.door.address.clone();
        Self::new(settings, Ok(Site { door: existing.door, outside }))
    }

    fn new(settings: RedisSettings, site: std::result::Result<Site, String>) -> Self {
        let site = Arc::new(ArcSwap::from_pointee(site));
        let (commands, renewed, standing) = (Arc::default(), Arc::default(), Arc::default());
        Self { settings, site, commands, renewed, standing }
    }

    /// Where the server is.
    pub(crate) fn site(&self) -> Result<Site> {
        let site = self.site.load();
        site.as_ref().clone().map_err(Error::NoRedis)
    }

    async fn enter(&self) -> Result<Wire> {
        self.site()?.door.enter().await
    }

    /// As [`Redis::enter`], for a connection that our own server does not close when those of all
    /// together take too much memory.
    async fn enter_to_stay(&self) -> Result<Wire> {
        let door = self.site()?.door;
        let mut wire = door.enter().await?;
        if let Address::Socket(_) = door.address {
            wire.ask(["CLIENT", "NO-EVICT", "ON"]).await?;
        }
        Ok(wire)
    }

    /// As [`Redis::enter`]; `None` where there is no server. What it would hold is gone then too.
    async fn enter_if_there(&self) -> Result<Option<Wire>> {
        match self.site() {
            Ok(site) => site.door.enter().await.map(Some),
            Err(_) => Ok(None),
        }
    }

    /// A login for a tenant, good for `life` and for at most [`MAX_LEASE`]. The tenant's place is
    /// made with its first one.
    ///
    /// # Errors
    /// When the tenant is suspended or erased, or Redis or the registry does not answer; there is no
    /// login then.
    pub async fn lease(&self, tenant: &TenantId, life: Duration) -> Result<CacheLease> {
        customer(tenant)?;
        let outside = self.site()?.outside;
        let (login, until) = self.admit(tenant, false, life).await?;
        Ok(CacheLease {
            url: Secret::new(url::written(&outside, &login.name, &login.password)),
            prefix: login.place.prefix(),
            until,
        })
    }

    /// Shuts a tenant out: its logins and their connections end, and there are no new ones. Its keys
    /// are kept. Returns how many logins there were.
    ///
    /// # Errors
    /// When Redis does not answer: the tenant is suspended all the same, and its logins end with
    /// the next [`Redis::keep`]. When the registry does not answer nothing was changed. Where there
    /// is no server, none of its logins is made anew on one that comes.
    pub async fn suspend(&self, tenant: &TenantId) -> Result<usize> {
        let place = self.place(tenant)?;
        self.registry().suspend(&place, tenant, true, self.now()).await?;
        match self.enter_if_there().await? {
            Some(mut wire) => dismiss(&mut wire, &place).await,
            None => Ok(0),
        }
    }

    /// Lets a suspended tenant have logins again, when the registry of tenants lets it in.
    ///
    /// # Errors
    /// When it does not, or does not answer.
    pub async fn resume(&self, tenant: &TenantId) -> Result<()> {
        self.registry().suspend(&self.place(tenant)?, tenant, false, self.now()).await
    }

    /// Removes a tenant's logins and keys and forgets its place, for good.
    ///
    /// # Errors
    /// When Redis or the registry does not answer: the tenant gets no more logins, and the same call
    /// goes on.
    pub async fn erase(&self, tenant: &TenantId) -> Result<Cleared> {
        let place = self.place(tenant)?;
        self.registry().suspend(&place, tenant, true, self.now()).await?;
        let (mut logins, mut keys) = (0, 0);
        if let Some(mut wire) = self.enter_if_there().await? {
            logins = dismiss(&mut wire, &place).await?;
            keys = clear(&mut wire, &place).await?;
        }
        self.registry().forget(&place).await?;
        Ok(Cleared { place: place.name().to_owned(), keys, logins })
    }

    /// Whether a tenant has a place, whether it is suspended there, and how many logins it has.
    ///
    /// # Errors
    /// When the registry does not answer.
    pub async fn standing(&self, tenant: &TenantId) -> Result<Option<(bool, i64)>> {
        self.registry().find(&self.place(tenant)?, self.now()).await
    }

    /// Brings the server to what the registry says: logins whose time is over go, and their
    /// connections with them; logins that the server has forgotten are made again. Returns how many
    /// were removed and made. Its connection stays open until the next call has one, so that whoever
    /// takes all others is cut off at its time.
    ///
    /// # Errors
    /// When Redis or the registry does not answer; the next call goes on.
    pub async fn keep(&self) -> Result<(usize, usize)> {
        let mut standing = self.standing.lock().await;
        let (wire, why) = match self.enter_to_stay().await {
            Ok(wire) => (standing.insert(wire), None),
            Err(why) => match standing.as_mut().filter(|wire| wire.is_sound()) {
                Some(wire) => (wire, Some(why)),
                None => return Err(why),
            },
        };
        let kept = self.tidy(wire).await;
        // When the registry does not answer it stays: there may be no second one to be had.
        if wire.is_sound() {
            return kept;
        }
        *standing = None;
        kept.map_err(|error| why.unwrap_or(error))
    }

    async fn tidy(&self, wire: &mut Wire) -> Result<(usize, usize)> {
        let now = self.now();
        let still = self.registry().still(now).await?;
        let there = users(wire).await?;
        let family = place::family(&self.settings.installation);
        // Those of an older Amanah may have other rules.
        let anew = !self.renewed.swap(true, Ordering::Relaxed);
        let (mut removed, mut made) = (0, 0);
        for user in there.iter().filter(|user| user.starts_with(&family)) {
            if !still.leases.contains_key(user) {
                wire.ask(["ACL", "DELUSER", user]).await?;
                removed += 1;
            }
        }
        for (login, (place, digest)) in &still.leases {
            if anew || !there.contains(login) {
                self.set(wire, login, place, digest).await?;
                made += usize::from(!there.contains(login));
            }
        }
        still.end().await?;
        Ok((removed, made))
    }

    /// The logins that there should be, with those that are to be removed any moment.
    async fn noted(&self) -> Result<HashSet<String>> {
        self.registry().logins(self.now() - LEEWAY).await
    }

    /// Attacks: one canary the other, and a look at every login of the server.
    pub(crate) async fn attack(&self, claim: Claim) -> Result<Report> {
        let [a, b] = CANARIES.map(TenantId::new);
        let (a, b) = (a?, b?);
        let (me, _) = self.admit(&a, true, BATTERY_LIFE).await?;
        let mut made = vec![me];
        let attacked = self.attack_as(&mut made, (&a, &b), claim).await;
        for login in &made {
            self.dismiss(login).await?;
        }
        attacked
    }

    async fn attack_as(
        &self,
        made: &mut Vec<Login>,
        (a, b): (&TenantId, &TenantId),
        claim: Claim,
    ) -> Result<Report> {
        for tenant in [b, a] {
            made.push(self.admit(tenant, true, BATTERY_LIFE).await?.0);
        }
        let [me, them, passing] = made.as_slice() else { return Ok(Report::default()) };
        let mark =
            || random_hex(self.settings.rng.as_ref(), MARK_BYTES).map_err(store::Error::from);
        let site = self.site()?;
        let target = Target {
            door: &site.door,
            outside: &site.outside,
            pair: (me, them),
            passing,
            family: &place::family(&self.settings.installation),
            known: Known::Noted(self),
            trusted: &self.settings.trusted,
            marks: (mark()?, mark()?),
        };
        attack::run(&target, claim, None).await
    }

    /// Seeds violations on a scratch server and attacks it. The inner error says why there is none.
    pub(crate) async fn bite(
        &self,
        claim: Claim,
    ) -> Result<std::result::Result<crate::bite::Bites, String>> {
        bite::run(self, claim).await
    }

    /// How many tenants have a place, without the synthetic ones.
    pub(crate) async fn somebody(&self) -> Result<i64> {
        self.registry().somebody().await
    }

    /// Makes a login: noted and made under one lock, so that nobody who looks in between takes one
    /// for the other's leftover.
    async fn admit(
        &self,
        tenant: &TenantId,
        canary: bool,
        life: Duration,
    ) -> Result<(Login, Timestamp)> {
        let place = self.place(tenant)?;
        let login = self.fresh(&place)?;
        let life = life.clamp(MIN_LEASE, MAX_LEASE);
        let now = self.now();
        let until = now + SignedDuration::try_from(life).unwrap_or_default();
        let digest = server::digest(&login.password);
        let noted = self.registry().lease((&login, tenant, canary), &digest, (now, until)).await?;
        let mut wire = self.enter().await?;
        self.set(&mut wire, &login.name, &place, &digest).await?;
        noted.commit().await?;
        Ok((login, until))
    }

    /// Ends one login.
    async fn dismiss(&self, login: &Login) -> Result<()> {
        self.registry().end(&login.name).await?;
        self.enter().await?.ask(["ACL", "DELUSER", &login.name]).await.map(drop)
    }

    async fn set(&self, wire: &mut Wire, login: &str, place: &Place, digest: &str) -> Result<()> {
        let commands = self.commands.get_or_try_init(|| acl::commands(wire)).await?.clone();
        let rules = acl::rules(place, digest, &commands);
        let told = ["ACL", "SETUSER", login].into_iter().chain(rules.iter().map(String::as_str));
        wire.ask(told).await.map(drop)
    }

    fn fresh(&self, place: &Place) -> Result<Login> {
        let random =
            |bytes| random_hex(self.settings.rng.as_ref(), bytes).map_err(store::Error::from);
        let name = format!("{}_{}", place.name(), random(LEASE_BYTES)?);
        let password = Secret::new(random(PASSWORD_BYTES)?);
        Ok(Login { name, password, place: place.clone() })
    }

    fn place(&self, tenant: &TenantId) -> Result<Place> {
        let RedisSettings { installation, naming, .. } = &self.settings;
        let unusable = || Error::Redis {
            place: "the installation".to_owned(),
            why: "the secret that places are derived under is not usable".to_owned(),
        };
        Place::of(tenant, installation, naming).ok_or_else(unusable)
    }

    fn now(&self) -> Timestamp {
        self.settings.clock.now()
    }

    const fn registry(&self) -> registry::Registry<'_> {
        registry::Registry(&self.settings.registry)
    }
}

/// Every login of the server.
async fn users(wire: &mut Wire) -> Result<Vec<String>> {
    Ok(wire::texts(&wire.ask(["ACL", "USERS"]).await?))
}

/// Removes every login of a place; Redis closes their connections.
async fn dismiss(wire: &mut Wire, place: &Place) -> Result<usize> {
    let all = users(wire).await?;
    let own = all.iter().filter(|user| Place::of_login(user).as_ref() == Some(place));
    let mut count = 0;
    for user in own {
        wire.ask(["ACL", "DELUSER", user]).await?;
        count += 1;
    }
    Ok(count)
}

/// Removes every key of a place. Nobody can make new ones, since its logins are gone.
async fn clear(wire: &mut Wire, place: &Place) -> Result<u64> {
    // Its characters are letters, digits and `_`, so that it stands for itself in a pattern.
    let pattern = format!("{}*", place.prefix());
    let (mut cursor, mut count) = ("0".to_owned(), 0);
    loop {
        let asked = ["SCAN", &cursor, "MATCH", &pattern, "COUNT", KEYS_AT_A_TIME];
        let Value::Array(answer) = wire.ask(asked).await? else { return Ok(count) };
        let keys: Vec<&[u8]> = match answer.get(1) {
            Some(Value::Array(keys)) => keys.iter().filter_map(bytes).collect(),
            _ => Vec::new(),
        };
        if !keys.is_empty() {
            let named = std::iter::once(b"UNLINK".as_slice()).chain(keys);
            if let Value::Int(removed) = wire.ask(named).await? {
                count += u64::try_from(removed).unwrap_or_default();
            }
        }
        // A whole round sees every key that was there from its beginning to its end.
        cursor = answer.first().and_then(wire::text).unwrap_or_default();
        if cursor == "0" || cursor.is_empty() {
            return Ok(count);
        }
    }
}

fn bytes(value: &Value) -> Option<&[u8]> {
    if let Value::BulkString(bytes) = value { Some(bytes) } else { None }
}
