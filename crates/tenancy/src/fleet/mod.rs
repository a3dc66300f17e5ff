//! Tenants with a database of their own.
//!
//! It promises: each tenant's database can be entered by that tenant's logins, by the owner of the
//! tables and by superusers, and by nobody else; its logins own nothing and belong to no role but
//! the tenant's. Logins are [leases](Lease): each has a password of its own and ends by itself. The
//! connection itself is what binds a session to its tenant, so there is no token to forge and no
//! predicate to forget.
//!
//! The names of databases and roles say nothing about whose they are, because PostgreSQL shows them
//! to everybody who can log in. What everybody can see all the same: how many databases there are,
//! and how busy each is.
//!
//! A tenant is made in steps that a crash can come between; its row says so, and making it again
//! begins anew. What the registry says is never believed by the [proof](crate::controls), which
//! tries every database of the server.
//!
//! The attacks that it stops: a connection of one tenant that reaches another's database, by a
//! wrong address, a stolen pool, a role, a file, a foreign server or another session.

mod attack;
mod bite;
mod lint;
mod migrate;
mod place;
mod registry;
mod scene;
mod session;
mod sql;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kernel::{Clock, Rng, Secret, TenantId, random_hex};
use store::{DatabaseUrl, Db};

pub use migrate::{Campaign, Done, Progress, Script};
pub use place::Place;
pub use registry::{State, Tenant};

pub(crate) use attack::Report;
use attack::Target;

use crate::bite::Bites;
use crate::{Error, Result};

/// Connections of each login into a tenant's database, while it is worked on.
const CONNECTIONS: usize = 2;
/// The synthetic tenants: the attacker and the attacked.
const CANARIES: [&str; 2] = ["amanah-canary-a", "amanah-canary-b"];
/// Whether this is one of the two synthetic tenants, which are the proofs' own.
pub fn is_canary(id: &TenantId) -> bool {
    CANARIES.contains(&id.as_str())
}

/// The longest that a lease is good for.
pub const MAX_LEASE: Duration = Duration::from_hours(24);
/// A tenant's name that is shorter could stand in another name by chance, in bytes.
const MIN_TELLING_BYTES: usize = 8;
/// Bytes of randomness in a lease's password, and in its name.
const PASSWORD_BYTES: usize = 24;
const LEASE_BYTES: usize = 4;

/// What a fleet is run with.
#[derive(Clone)]
pub struct Settings {
    /// The control database, as its owner.
    pub registry: Db,
    /// Whoever may make roles and databases; a member of the owner, or a superuser.
    pub maker: Db,
    /// The login that owns the tenants' databases and runs their migrations. It may do nothing
    /// else, because what it runs is the application's code.
    pub owner: DatabaseUrl,
    /// The superuser in the server's default database, where there is one.
    pub superuser: Option<Db>,
    /// What this installation is called: 8 hexadecimal digits. Two can share a server.
    pub installation: String,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

/// The tenants that have a database of their own. Cheap to clone.
#[derive(Clone)]
pub struct Fleet {
    settings: Settings,
}

/// A login of a tenant, for a time.
#[derive(Debug)]
pub struct Lease {
    /// Where to connect, with the password.
    pub url: DatabaseUrl,
    /// When the password ends. Sessions that were opened before go on.
    pub until: Timestamp,
}

/// What erasing a tenant came to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Erasure {
    /// Whose database it was.
    pub tenant: TenantId,
    /// The name that its database had.
    pub place: String,
    /// When it was dropped.
    pub erased_at: Timestamp,
    /// How much was in it, in bytes.
    pub bytes: i64,
}

impl Fleet {
    /// A fleet in an installation, whose control database has [`crate::FLEET_ROOM`]. Nothing is made
    /// before the first tenant.
    pub const fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Makes a tenant's database and its role, from the template. A tenant that was half made is
    /// made anew.
    ///
    /// # Errors
    /// When there is one already, another command is at it, or the server refuses; what was made
    /// is made again at the next try.
    pub async fn add(&self, id: &TenantId) -> Result<Tenant> {
        self.make(id, false).await
    }

    /// Every tenant, canaries too, by their ids.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub async fn list(&self) -> Result<Vec<Tenant>> {
        registry::all(&self.settings.registry).await
    }

    /// One tenant.
    ///
    /// # Errors
    /// When there is none of this id, or the registry cannot be read.
    pub async fn find(&self, id: &TenantId) -> Result<Tenant> {
        registry::find(&self.settings.registry, id).await
    }

    /// The database of every tenant that has one, by its name on the server, as the owner of its
    /// tables: for proofs of other promises, which change nothing there.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub async fn databases(&self) -> Result<Vec<(String, Db)>> {
        let tenants = self.list().await?;
        let each = tenants.iter().filter(|tenant| tenant.is_living()).map(|tenant| {
            let db = tenant.place.owner(&self.settings)?;
            Ok((tenant.place.name().to_owned(), db))
        });
        each.collect()
    }

    /// Shuts a tenant out: no new sessions, and those that are open end.
    ///
    /// # Errors
    /// When it is unknown, or the server refuses.
    pub async fn suspend(&self, id: &TenantId) -> Result<Tenant> {
        let turn = registry::turn(&self.settings.registry, id).await?;
        let shut = async {
            let tenant = turn.tenant(&[State::Active, State::Suspended]).await?;
            tenant.place.shut(&self.settings).await?;
            turn.set_state(State::Suspended).await?;
            Ok(Tenant { state: State::Suspended, ..tenant })
        };
        let shut = shut.await;
        turn.end(shut).await
    }

    /// Lets a suspended tenant in again.
    ///
    /// # Errors
    /// When it is unknown, or the server refuses.
    pub async fn resume(&self, id: &TenantId) -> Result<Tenant> {
        let turn = registry::turn(&self.settings.registry, id).await?;
        let admitted = async {
            let tenant = turn.tenant(&[State::Active, State::Suspended]).await?;
            tenant.place.admit(&self.settings).await?;
            turn.set_state(State::Active).await?;
            Ok(Tenant { state: State::Active, ..tenant })
        };
        let admitted = admitted.await;
        turn.end(admitted).await
    }

    /// Begins to erase a tenant: from here on it gets no login, and only the end is left. What else
    /// belongs to it, its keys for example, is destroyed between this and
    /// [`Erasing::finish`]. Begun and not finished, it is begun again by the same call.
    ///
    /// # Errors
    /// When it is unknown or a canary, another command works on it, or the server refuses; nothing
    /// was changed then.
    pub async fn erase(&self, id: &TenantId) -> Result<Erasing> {
        let turn = registry::turn(&self.settings.registry, id).await?;
        let begun = async {
            let tenant = turn.tenant(&State::ALL).await?;
            if tenant.canary {
                return Err(Error::Canary);
            }
            turn.mark(State::Erasing).await?;
            Ok(tenant)
        };
        match begun.await {
            Ok(tenant) => Ok(Erasing { settings: self.settings.clone(), turn, tenant }),
            Err(error) => turn.end(Err(error)).await,
        }
    }

    /// A login for a tenant, good for `life` and for at most [`MAX_LEASE`].
    ///
    /// # Errors
    /// When the tenant is unknown or suspended, or the server refuses.
    pub async fn lease(&self, id: &TenantId, life: Duration) -> Result<Lease> {
        let visit = registry::visit(&self.settings.registry, id).await?;
        let lease = async {
            let tenant = visit.tenant(&[State::Active]).await?;
            tenant.place.lease(&self.settings, life).await
        };
        let lease = lease.await;
        visit.end(lease).await
    }

    /// Removes logins whose time is over. Their sessions go on.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub async fn sweep(&self) -> Result<usize> {
        place::sweep(&self.settings).await
    }

    /// Removes the roles of sandboxes that are gone. Only for the process that holds the
    /// installation: another one's role looks like that in the moment before its database is there.
    ///
    /// # Errors
    /// As [`Fleet::sweep`].
    pub async fn sweep_sandboxes(&self) -> Result<usize> {
        place::sweep_sandboxes(&self.settings).await
    }

    /// The synthetic tenants, made if they are not there and let in if they are shut out.
    ///
    /// # Errors
    /// As [`Fleet::add`].
    pub async fn ensure_canaries(&self) -> Result<[Tenant; 2]> {
        let [a, b] = CANARIES.map(TenantId::new);
        Ok([self.ensure_canary(&a?).await?, self.ensure_canary(&b?).await?])
    }

    /// Attacks: one canary the other, and every other database of the server.
    pub(crate) async fn attack(&self, tenants: &[Tenant]) -> Result<Report> {
        let [a, b] = self.ensure_canaries().await?;
        let target = Target {
            pair: (&a.place, &b.place),
            names: names(tenants, &b.id),
            prefixes: vec![format!("amt_{}_", self.settings.installation)],
            places: tenants.iter().filter(|t| t.is_living()).map(|t| t.place.clone()).collect(),
        };
        attack::run(&self.settings, &target).await
    }

    /// Seeds violations on a scratch pair and attacks it.
    pub(crate) async fn bite(&self) -> Result<Bites> {
        self.ensure_template().await?;
        bite::run(&self.settings, &Place::template(&self.settings)).await
    }

    async fn ensure_canary(&self, id: &TenantId) -> Result<Tenant> {
        match registry::find(&self.settings.registry, id).await {
            Ok(tenant) if tenant.state == State::Active => Ok(tenant),
            Ok(tenant) if tenant.state == State::Suspended => self.resume(id).await,
            Ok(_) | Err(Error::NoTenant(_)) => self.make(id, true).await,
            Err(error) => Err(error),
        }
    }

    async fn make(&self, id: &TenantId, canary: bool) -> Result<Tenant> {
        let settings = &self.settings;
        if !canary && is_canary(id) {
            return Err(Error::Canary);
        }
        let turn = registry::turn(&settings.registry, id).await?;
        let made = self.make_in(&turn, canary).await;
        turn.end(made).await
    }

    async fn make_in(&self, turn: &registry::Turn, canary: bool) -> Result<Tenant> {
        let settings = &self.settings;
        let place = Place::tenant(settings)?;
        let tenant = turn.begin(place, canary, settings.clock.now()).await?;
        self.ensure_template().await?;
        // Until it is whole and listed, so that a migration of the template is missed by nobody.
        turn.copy_template().await?;
        tenant.place.provision(settings, &Place::template(settings)).await?;
        let version = migrate::version(&tenant.place, settings).await?;
        turn.made(version.as_deref()).await?;
        Ok(Tenant { state: State::Active, schema_version: version, ..tenant })
    }

    /// The database that new tenants are made from, made if it is not there or half made. Nobody is
    /// let in.
    async fn ensure_template(&self) -> Result<()> {
        let template = Place::template(&self.settings);
        if template.is_whole(&self.settings).await? {
            return Ok(());
        }
        let lock = self.settings.registry.operator().await?;
        lock.query(sql::CHANGE_TEMPLATE, &[]).await?;
        if !template.is_whole(&self.settings).await? {
            template.demolish(&self.settings).await?;
            template.provision_empty(&self.settings).await?;
        }
        Ok(lock.commit().await?)
    }
}

/// A tenant that is being erased. Nobody else works on it meanwhile.
pub struct Erasing {
    settings: Settings,
    turn: registry::Turn,
    tenant: Tenant,
}

impl Erasing {
    /// Drops its database and its logins, for good. `keys` says how many of its keys were destroyed.
    ///
    /// # Errors
    /// When the server refuses; it is left begun.
    pub async fn finish(self, keys: usize) -> Result<Erasure> {
        let Self { settings, turn, tenant } = self;
        let gone = async {
            let bytes = tenant.place.bytes(&settings).await?;
            tenant.place.demolish(&settings).await?;
            let (erased_at, place) = (settings.clock.now(), tenant.place.name().to_owned());
            let erasure = Erasure { tenant: tenant.id, place, erased_at, bytes };
            turn.erased(&erasure, keys).await?;
            Ok(erasure)
        };
        let gone = gone.await;
        turn.end(gone).await
    }
}

/// The names that must stand nowhere on the server. Short ones are left out: they would be found by
/// chance in others.
fn names(tenants: &[Tenant], victim: &TenantId) -> Vec<String> {
    let ids = tenants.iter().map(|tenant| &tenant.id).chain([victim]);
    let long = ids.map(ToString::to_string).filter(|id| id.len() >= MIN_TELLING_BYTES);
    long.collect()
}

/// A password that nobody has chosen.
fn password(rng: &dyn Rng) -> Result<Secret> {
    let text = random_hex(rng, PASSWORD_BYTES).map_err(store::Error::from)?;
    Ok(Secret::new(text))
}
