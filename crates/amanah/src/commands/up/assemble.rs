//! A house put together, up to the listeners that are there and do not serve yet.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use axum::Router;
use gateway::{
    AttackMode, Gateway, Listeners, Listening, LocalAuthority, Ports, Private, Settings,
};

use crate::application::{self, Application, Outside};
use crate::bridge::{OwnPages, UpstreamBinder};
use crate::cli::Up;
use crate::data::Running;
use crate::edge::{self, Faces};
use crate::exit::Usage;
use crate::following::Live;
use crate::installation::{EdgeAt, Installation};
use crate::known::DatabaseAt;
use crate::rights::RoutesAt;
use crate::sealing::Sealers;
use crate::tokens::TokenPen;
use crate::trail_desk::{self, Lookout};
use crate::upgrade::Inheritance;
use crate::witnesses::Witnesses;
use crate::{
    attack, bait, files, fleet, keyserver, mail, out, protection, provisioning, redis, releases,
    rights,
};

use super::desks::state;

/// What stands once everything is put together.
pub(super) struct Parts {
    pub(super) live: Live,
    pub(super) seals: Arc<Sealers>,
    pub(super) witnesses: Arc<Witnesses>,
    pub(super) gateway: Gateway,
    pub(super) sample: Sample,
    /// Where tenants' people ask for their trail.
    pub(super) lookout: Lookout,
    /// Where applications ask for keys, when they are served.
    pub(super) private: Option<Private<Router>>,
}

/// The sample application.
pub(super) enum Sample {
    /// There is none.
    None,
    /// It was started.
    Ours(Application),
    /// It runs here, and is another process's so far.
    Theirs(SocketAddr, Outside),
}

impl Sample {
    fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::None => None,
            Self::Ours(application) => Some(application.address),
            Self::Theirs(address, _) => Some(*address),
        }
    }
}

/// On listeners of its own, or on those that a running house hands over.
pub(super) async fn assemble(
    up: &Up,
    installation: &mut Installation,
    inherited: Option<Inheritance>,
) -> anyhow::Result<Parts> {
    let mut had = Had::of(inherited);
    let pages = installation.pages()?;
    TokenPen::make(&installation.ring.keys).await?;
    let mut paths = installation.config.upstream_paths();
    let mut sample = Sample::None;
    let bindings: Arc<ArcSwap<_>> = Arc::default();
    let private =
        keyserver::bind(installation, up.keys_listen, Arc::clone(&bindings), had.keys.take())
            .await?;
    let keys = private.as_ref().map(Private::local_addr);
    if up.demo {
        sample = if let Some(address) = had.application {
            Sample::Theirs(address, running_demo(installation, keys).await?)
        } else {
            let _turn = installation.data.turn().await?;
            Sample::Ours(demo(installation, keys).await?)
        };
        paths = application::paths();
    }
    let routes = if up.demo { Some(RoutesAt::Demo) } else { installation.routes()? };
    rights::guard(&installation.access, routes.as_ref())?;
    let (known, clock) = (installation.known(), Arc::clone(&installation.cx.clock));
    bindings.store(Arc::new(protection::bindings(&known.guarded, &clock)));
    let behind = installation.behind(&known)?;
    if let Some(behind) = behind {
        installation.behind.settle(DatabaseAt::of(behind));
    }
    let upstream = Arc::new(UpstreamBinder::default());
    upstream.change(behind.map(|guarded| protection::binder(guarded, clock)));
    let current = sample
        .address()
        .map(|address| had.upstream.take().unwrap_or_else(|| format!("http://{address}")));
    let settings = settings(installation, up, current)?;
    let own = Arc::new(OwnPages::default());
    let ports = ports(installation, Arc::clone(&own), Arc::clone(&upstream));
    let gateway = bind(installation, settings, ports, had.listeners.take()).await?;
    if let Some(mode) = had.attack {
        gateway.attack().set(mode);
    }
    let address = gateway.local_addr();
    installation.mailroom = mail::open(installation, address)?;
    let site = mail::site(&installation.config, address);
    let engine = &installation.ground.engine;
    installation.directory = provisioning::open(installation.people(), engine, &site);
    let faces = Faces::of(&installation.config.gateway, gateway.clear_addr())?;
    let edge = EdgeAt { address, upstream_paths: paths.clone(), faces: faces.clone(), runs: true };
    let engine = installation.engine(&own, edge.clone()).await?;
    let seals = Arc::<Sealers>::default();
    let at = &installation.config.trail.witnesses.0;
    let signed = (Arc::clone(&seals), installation.ring.keys.clone());
    let witnesses = Witnesses::new(at, signed, Arc::clone(&installation.cx.clock))?;
    let witnesses = Arc::new(witnesses);
    let (trail, lookout) = trail_desk::open();
    own.open(state(installation, &engine, &pages, &gateway, (&seals, &witnesses), trail)?);
    let (config, scan) = (installation.config_file()?, installation.scan_roots()?);
    let pid = std::process::id();
    let behind = installation.behind.settled();
    let argon2 = Some(installation.config.identity.argon2().to_string());
    let (listen, upstream_paths) = (address, paths);
    let running =
        Running { pid, listen, keys, upstream_paths, config, scan, behind, routes, argon2, faces };
    let live = Live { engine, pages, own, edge, bindings, upstream, running };
    Ok(Parts { live, seals, witnesses, gateway, sample, lookout, private })
}

/// How the gateway is to be, before the sample application or a release of it at `current`, if there is one.
fn settings(
    installation: &Installation,
    up: &Up,
    current: Option<String>,
) -> anyhow::Result<Settings> {
    let listen = up.listen.unwrap_or(installation.config.gateway.listen);
    let mut settings =
        edge::settings(&installation.config.gateway, listen, &installation.cx.clock)?;
    settings.upstream = match current {
        Some(current) => Some(current.parse()?),
        None => releases::upstream(&installation.data, &installation.config.upstream.url)?,
    };
    let judged = [console::KNOWN_COOKIE, console::PROOF_COOKIE];
    settings.bait = bait::settings(installation)?;
    settings.attack = attack::settings(installation);
    settings.headers = installation.config.headers.policy().map_err(Usage)?;
    settings.limits = installation.config.limits.at_the_edge(&judged);
    Ok(settings)
}

/// What a running house hands over, or nothing.
#[derive(Default)]
struct Had {
    listeners: Option<Listeners>,
    keys: Option<Listening>,
    application: Option<SocketAddr>,
    upstream: Option<String>,
    attack: Option<AttackMode>,
}

impl Had {
    fn of(inherited: Option<Inheritance>) -> Self {
        inherited.map_or_else(Self::default, |had| Self {
            listeners: Some(had.listeners),
            keys: had.keys,
            application: had.application,
            upstream: had.upstream,
            attack: Some(had.attack),
        })
    }
}

/// The sample application: database, protection, people, keys at `keys`, process.
async fn demo(
    installation: &mut Installation,
    address: Option<SocketAddr>,
) -> anyhow::Result<Application> {
    let Installation { config, ground, data, ring, strongbox, cx, identities, access, .. } =
        &*installation;
    let keys = &ring.keys;
    let rng = &*cx.rng;
    let candidate = protection::Candidate {
        owner: application::database(ground, data, keys, rng).await?,
        superuser: ground.superuser(application::DATABASE)?,
        own_server: true,
        tenant_column: application::TENANT_COLUMN.to_owned(),
        app_role: application::APP_ROLE.to_owned(),
        stays: config.trail.stays(),
    };
    let done = candidate.protect(ground, data, strongbox, cx).await?;
    for (table, why) in done.canaries.missing {
        out::aside(&format!("no canary in {table}: {why}"));
    }
    application::people(identities, access, data, rng).await?;
    fleet::samples(&installation.fleet).await?;
    files::samples(&installation.files).await?;
    redis::samples(&installation.caches, &installation.fleet).await?;
    installation.behind.settle(DatabaseAt::of(&done.guarded));
    installation.learn(installation.known().with(done.kept, done.guarded));
    Application::start(outside(installation, address).await?).await
}

/// What the sample application that runs already was given, should it have to be started again. Its database
/// was made and protected by the house that runs.
async fn running_demo(
    installation: &Installation,
    address: Option<SocketAddr>,
) -> anyhow::Result<Outside> {
    let known = installation.known();
    let behind = known.guarded.iter().find(|one| one.protected.name == application::DATABASE);
    let behind = behind.context("the sample application's database cannot be opened")?;
    installation.behind.settle(DatabaseAt::of(behind));
    outside(installation, address).await
}

/// What the sample application is given: its database, and keys at `address`.
async fn outside(
    installation: &Installation,
    address: Option<SocketAddr>,
) -> anyhow::Result<Outside> {
    let Installation { ground, data, ring, strongbox, cx, .. } = installation;
    let password = data.password(application::APP_ROLE, &*cx.rng)?;
    let url = ground.login(application::APP_ROLE, password, application::DATABASE);
    let access = match address {
        Some(address) => Some(application::admit(&ring.keys, strongbox, address).await?),
        None => None,
    };
    Ok(Outside { url, access })
}

async fn bind(
    installation: &Installation,
    settings: Settings,
    ports: Ports,
    inherited: Option<Listeners>,
) -> anyhow::Result<Gateway> {
    let clock = Arc::clone(&installation.cx.clock);
    let folder = installation.data.folder("tls")?;
    let names = &installation.config.gateway.names;
    let authority = Arc::new(LocalAuthority::open_or_create(&folder, names, clock)?);
    Ok(match inherited {
        Some(listeners) => Gateway::adopt(listeners, settings, ports, authority).await?,
        None => Gateway::bind(settings, ports, authority).await?,
    })
}

/// What the gateway asks of the house.
fn ports(installation: &Installation, own: Arc<OwnPages>, binder: Arc<UpstreamBinder>) -> Ports {
    let access = &installation.access;
    Ports {
        own,
        sessions: Arc::<identity::Identities>::clone(&installation.identities),
        credentials: Some(Arc::<identity::Identities>::clone(&installation.identities)),
        gatekeeper: access.routes().map(|_| Arc::<access::Access>::clone(access) as _),
        binder,
        rng: Arc::clone(&installation.cx.rng),
    }
}
