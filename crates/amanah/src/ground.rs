//! The ground that an installation stands on: its PostgreSQL and its control database.

use std::fs::File;

use kernel::Rng;
use store::{Cluster, ClusterSettings, DatabaseUrl, Db, Programs};

use crate::cli::Place;
use crate::config::Config;
use crate::data::Data;
use crate::exit::Usage;
use crate::out;
use crate::redis::Managed;

/// The control database in the managed cluster.
const CONTROL: &str = "amanah";
/// Connections of the engine: proofs, sign-ins and pages share them.
const ENGINE_CONNECTIONS: usize = 16;
/// Connections of an owner: migrations, sandboxes, and the proofs that act as owner.
const OWNER_CONNECTIONS: usize = 6;
/// What the role in the database address must be allowed to do.
const NEEDS: &str = "the role in the database address needs CREATEROLE and CREATEDB, and must own \
                     the database. As a superuser: ALTER ROLE … CREATEROLE CREATEDB";
/// What is said of a superuser there.
const SUPERUSER: &str = "the role in the database address is a superuser, and Amanah works with it as \
                         with one; a role with CREATEROLE and CREATEDB that owns the database would do";
/// Connections of the superuser of the managed cluster.
const SUPERUSER_CONNECTIONS: usize = 6;

/// What a process wants of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stay {
    /// One piece of work.
    Visit,
    /// To be the house, whose lock it holds.
    Begin,
    /// To become the house, which another process is so far.
    TakeOver,
}

/// An installation's PostgreSQL.
pub(crate) struct Ground {
    /// The managed cluster, unless an existing server is used.
    pub(crate) cluster: Option<Cluster>,
    /// The managed Redis.
    pub(crate) redis: Managed,
    /// Held while this process works on the installation.
    visit: File,
    /// The control database as its owner.
    pub(crate) owner: Db,
    /// Whether that is a superuser of a server that is not managed.
    above: bool,
    /// The control database as the running engine, which may do little.
    pub(crate) engine: Db,
    /// PostgreSQL's programs.
    pub(crate) programs: Programs,
}

impl Ground {
    /// Opens the control database and brings its rooms up to date, while it is this process's turn.
    pub(crate) async fn open(
        place: &Place,
        config: &Config,
        data: &Data,
        rng: &dyn Rng,
    ) -> anyhow::Result<Self> {
        let mut ground = match &place.database_url {
            Some(url) => Self::existing(url, config, data, rng).await?,
            None => Self::managed(config, data, rng).await?,
        };
        match Managed::open(config, data, rng).await {
            Ok(managed) => ground.redis = managed,
            Err(error) => {
                ground.stop_unless_used().await?;
                return Err(error);
            }
        }
        Ok(ground)
    }

    /// Ends the visit. The last one to leave stops the managed cluster, unless `amanah up` runs.
    pub(crate) async fn leave(&self, data: &Data) -> anyhow::Result<()> {
        let _turn = data.turn().await?;
        if data.is_locked() { Ok(()) } else { self.stop_unless_used().await }
    }

    /// What is done when a house could not be built.
    pub(crate) async fn abandon(&self, data: &Data, stay: Stay) -> anyhow::Result<()> {
        if stay == Stay::Begin { self.stop().await } else { self.leave(data).await }
    }

    /// Stops what is managed, unless another process works with it.
    async fn stop_unless_used(&self) -> anyhow::Result<()> {
        if self.visit.try_lock().is_ok() {
            self.stop().await?;
        }
        Ok(())
    }

    /// Stops what is managed: for the process that holds the installation.
    pub(crate) async fn stop(&self) -> anyhow::Result<()> {
        self.redis.stop().await?;
        match &self.cluster {
            Some(cluster) => Ok(cluster.stop().await?),
            None => Ok(()),
        }
    }

    /// The superuser in the database `name`: of the managed cluster, or the one in the address.
    pub(crate) fn superuser(&self, name: &str) -> anyhow::Result<Option<Db>> {
        let url = match &self.cluster {
            Some(cluster) => Some(cluster.superuser(name)),
            None => self.above.then(|| self.owner.url().database(name)),
        };
        let db = url.map(|url| Db::lazy(&url, SUPERUSER_CONNECTIONS)).transpose()?;
        Ok(db)
    }

    /// The address of a login in the database `name`.
    pub(crate) fn login(&self, user: &str, password: kernel::Secret, name: &str) -> DatabaseUrl {
        match &self.cluster {
            Some(cluster) => cluster.login(user, password, name),
            None => self.owner.url().login(user, Some(password)).database(name),
        }
    }

    /// Whoever may make roles and databases.
    pub(crate) fn maker(&self) -> anyhow::Result<Db> {
        if self.cluster.is_none() {
            return Ok(self.owner.clone());
        }
        Ok(self.superuser("postgres")?.unwrap_or_else(|| self.owner.clone()))
    }

    async fn managed(config: &Config, data: &Data, rng: &dyn Rng) -> anyhow::Result<Self> {
        let programs = config.programs().map(ToOwned::to_owned);
        let settings = ClusterSettings { data: data.root().to_owned(), programs, durable: true };
        let visit = data.visit()?;
        let cluster = Cluster::open(&settings, rng).await?;
        match Self::logins(&cluster, data, rng).await {
            Ok((owner, engine)) => {
                let programs = cluster.programs().clone();
                let (cluster, redis) = (Some(cluster), Managed::none());
                Ok(Self { cluster, redis, visit, owner, above: false, engine, programs })
            }
            Err(error) => {
                if visit.try_lock().is_ok() {
                    cluster.stop().await?;
                }
                Err(error)
            }
        }
    }

    /// The two logins of the control database in the managed cluster.
    async fn logins(cluster: &Cluster, data: &Data, rng: &dyn Rng) -> anyhow::Result<(Db, Db)> {
        let root = Db::connect(&cluster.superuser("postgres"), SUPERUSER_CONNECTIONS).await?;
        let password = data.password("owner", rng)?;
        root.ensure_login(CONTROL, &password).await?;
        root.allow_databases(CONTROL).await?;
        root.allow_roles(CONTROL).await?;
        root.ensure_database(CONTROL, CONTROL).await?;
        let address = cluster.login(CONTROL, password, CONTROL);
        let owner = Db::connect(&address, OWNER_CONNECTIONS).await?;
        let engine = engine(&owner, &root, data, rng).await?;
        // Nobody but superusers has anything to do there.
        for name in ["postgres", "template1"] {
            root.close_database(name, &[]).await?;
        }
        Ok((owner, engine))
    }

    async fn existing(
        url: &str,
        config: &Config,
        data: &Data,
        rng: &dyn Rng,
    ) -> anyhow::Result<Self> {
        let url = DatabaseUrl::parse(url).map_err(|e| Usage(e.to_string()))?;
        let owner = Db::connect(&url, OWNER_CONNECTIONS).await?;
        owner.version().await?.check()?;
        let above = owner.is_superuser().await?;
        if above {
            out::aside(SUPERUSER);
        }
        let programs = Programs::find(config.programs()).await?;
        let engine = engine(&owner, &owner, data, rng).await.map_err(|error| {
            let denied = error.downcast_ref::<store::Error>().is_some_and(store::Error::is_denied);
            if denied { error.context(NEEDS) } else { error }
        })?;
        let redis = Managed::none();
        Ok(Self { cluster: None, redis, visit: data.visit()?, owner, above, engine, programs })
    }
}

/// Brings the rooms up to date and logs in as the engine of this installation.
async fn engine(owner: &Db, maker: &Db, data: &Data, rng: &dyn Rng) -> anyhow::Result<Db> {
    let rooms = [
        &claims::ROOM,
        &identity::ROOM,
        &access::ROOM,
        &directory::ROOM,
        &keys::ROOM,
        &tenancy::FLEET_ROOM,
        &tenancy::FILES_ROOM,
        &tenancy::CACHE_ROOM,
        &audit::COMPARED_ROOM,
        &audit::ERASING_ROOM,
    ];
    store::migrate(owner, &rooms).await?;
    // Roles are cluster-wide and passwords are an installation's own, so the login is too.
    let id = data.installation(rng)?;
    let login = format!("amanah_engine_{}", id.expose());
    let password = data.password("engine", rng)?;
    maker.ensure_login(&login, &password).await?;
    maker.grant_role("amanah_engine", &login).await?;
    owner.close_database(&owner.url().database, &["amanah_engine"]).await?;
    let url = owner.url().login(&login, Some(password));
    Ok(Db::connect(&url, ENGINE_CONNECTIONS).await?)
}
