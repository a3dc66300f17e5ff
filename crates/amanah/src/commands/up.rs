//! `amanah up`: everything, until it is told to stop.

use std::fs::File;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use axum::Router;
use claims::{Engine, Filter, Page, Progress, Report};
use console::{Desk, Scim};
use gateway::{Gateway, LocalAuthority, Ports, Private, Settings};
use identity::Limits;
use kernel::Verdict;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::accounts::Front;
use crate::application::{self, Application, Outside};
use crate::bridge::{OwnPages, SignIn, Trust, UpstreamBinder, Vitals};
use crate::cli::{Place, Up};
use crate::commands::{bar, show};
use crate::control::{self, Control};
use crate::data::{Data, Running};
use crate::edge::{self, Faces};
use crate::exit::{Exit, Usage};
use crate::following::{self, Live};
use crate::installation::{EdgeAt, Installation};
use crate::known::DatabaseAt;
use crate::leaving::Offboarding;
use crate::people_reviews::ReviewsAtDesk;
use crate::probe::NAME;
use crate::reviews::Words;
use crate::rights::RoutesAt;
use crate::role_desk::RolesAtDesk;
use crate::sealing::Sealers;
use crate::support::SupportAtDesk;
use crate::tokens::{Programs, TokenPen};
use crate::trail_desk::{self, Lookout, TrailAtDesk};
use crate::witnesses::Witnesses;
use crate::{
    attack, bait, columns, comparing, erasing, files, fleet, keyserver, mail, months, offsite, out,
    people_reviews, protection, provisioning, redis, releases, reviews, rights, rotation, sealing,
    seeds, table,
};

/// How often it is looked whether PostgreSQL and the application still run.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// What an authenticator app calls this site.
const ISSUER: &str = "Amanah";

/// What stands once everything is up.
struct House {
    installation: Installation,
    parts: Parts,
    // Held as long as we run.
    _lock: File,
}

struct Parts {
    live: Live,
    seals: Arc<Sealers>,
    witnesses: Arc<Witnesses>,
    gateway: Gateway,
    application: Option<Application>,
    /// Where tenants' people ask for their trail.
    lookout: Lookout,
    /// Where applications ask for keys, when they are served.
    private: Option<Private<Router>>,
    /// Where commands ask.
    control: Control,
}

pub(crate) async fn run(place: &Place, up: Up) -> anyhow::Result<Exit> {
    let (stop, stopped) = watch::channel(false);
    let signals = tokio::spawn(wait_for_signal(stop.clone())?);
    let house = Box::pin(build(place, &up)).await?;
    let House { installation, parts, _lock } = house;
    let Parts { live, seals, witnesses, gateway, application, lookout, private, control } = parts;
    let Live { engine, pages, running, .. } = &live;
    let sharing = gateway.sharing();
    let serving = tokio::spawn(gateway.run(wait(stopped.clone())));
    let watching = watch_over(&installation, application, stopped.clone());
    let keeping = keyserver::keep(&installation, private, || wait(stopped.clone()));
    let tidying = files::keep(&installation.files, wait(stopped.clone()));
    let proving = async {
        tokio::select! {
            told = tell(place, engine, pages, running, &installation, up.demo) => {
                if let Err(error) = told {
                    // The scheduler tries again; the page says unknown meanwhile.
                    let words = out::words(&error);
                    out::aside(&format!("amanah: the first proofs did not end well: {words}"));
                }
            }
            () = wait(stopped.clone()) => {}
        }
        engine.keep_proving(pages, wait(stopped.clone())).await;
    };
    let rhythm = installation.config.binding.rhythm();
    let rotating = rotation::keep(&installation, rhythm, wait(stopped.clone()));
    let caching = redis::keep(&installation, wait(stopped.clone()));
    let comparing = comparing::keep(&installation, wait(stopped.clone()));
    let following = following::keep(&installation, &live, wait(stopped.clone()));
    let sealing = sealing::keep(&installation, &seals, wait(stopped.clone()));
    let witnessing = witnesses.keep(wait(stopped.clone()));
    let dividing = months::keep(&installation, wait(stopped.clone()));
    let turning = columns::keep(&installation, wait(stopped.clone()));
    let copying = offsite::keep(&installation, wait(stopped.clone()));
    let erasing = erasing::keep(&installation, wait(stopped.clone()));
    let reviewing = reviews::keep(&installation, wait(stopped.clone()));
    let showing = lookout.keep(&installation, wait(stopped.clone()));
    let trail = async {
        let sealed = async { tokio::join!(sealing, witnessing, dividing, turning) };
        tokio::join!(comparing, sealed, copying, erasing, reviewing, showing)
    };
    let noting = rights::keep(&installation, wait(stopped.clone()));
    let attending = people_reviews::keep(&installation, wait(stopped.clone()));
    let recognising = recognise(&installation, wait(stopped.clone()));
    let mailing = mail::keep(&installation, &installation.mailroom, wait(stopped.clone()));
    let providing = installation.directory.keep(wait(stopped.clone()));
    let resealing = seeds::keep(&installation, wait(stopped.clone()));
    let (pen, clock) = (&installation.pen, &*installation.cx.clock);
    let trapping = pen.keep(&installation.access, clock, wait(stopped.clone()));
    let (carried, caches) = (&installation.carried, &installation.caches);
    let carrying = carried.keep(sharing, caches, wait(stopped.clone()));
    let recording = pen.attacks.keep(&installation.access, clock, wait(stopped.clone()));
    let edge = async { tokio::join!(trapping, carrying, recording) };
    let people =
        async { tokio::join!(noting, attending, recognising, mailing, providing, resealing, edge) };
    let heeding = control.keep(wait(stopped.clone()));
    let upkeep = async { tokio::join!(tidying, rotating, caching, following, people, heeding) };
    tokio::join!(watching, keeping, upkeep, trail, proving);
    // Whatever made us end, everybody else ends too.
    stop.send_replace(true);
    serving.await.context("the gateway ended in disorder")?;
    signals.abort();
    installation.ground.stop().await?;
    Ok(Exit::Holds)
}

/// Hears what ends sessions elsewhere, and writes down when they were used.
async fn recognise(installation: &Installation, stop: impl Future<Output = ()>) {
    let identities = &installation.identities;
    if let Err(error) = identities.shorten_sessions().await {
        tracing::warn!(%error, "the ends of open sessions were not brought forward to the limits");
    }
    identities.keep(installation.ground.engine.url(), stop).await;
}

/// Puts everything together, up to the listener that is bound and does not serve yet. What was
/// started is stopped again when something else cannot be had.
async fn build(place: &Place, up: &Up) -> anyhow::Result<House> {
    let lock = Data::open(&place.data)?.lock()?;
    let mut installation = Installation::open(place, true).await?;
    installation.sweep().await;
    match assemble(up, &mut installation).await {
        Ok(parts) => Ok(House { parts, installation, _lock: lock }),
        Err(error) => {
            installation.ground.stop().await?;
            Err(error)
        }
    }
}

async fn assemble(up: &Up, installation: &mut Installation) -> anyhow::Result<Parts> {
    let pages = installation.pages()?;
    TokenPen::make(&installation.ring.keys).await?;
    let mut paths = installation.config.upstream_paths();
    let mut application = None;
    let bindings: Arc<ArcSwap<_>> = Arc::default();
    let private = keyserver::bind(installation, up.keys_listen, Arc::clone(&bindings)).await?;
    let keys = private.as_ref().map(Private::local_addr);
    if up.demo {
        let turn = installation.data.turn().await?;
        application = Some(demo(installation, keys).await?);
        drop(turn);
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
    let listen = up.listen.unwrap_or(installation.config.gateway.listen);
    let mut settings =
        edge::settings(&installation.config.gateway, listen, &installation.cx.clock)?;
    settings.upstream = match &application {
        Some(application) => Some(format!("http://{}", application.address).parse()?),
        None => releases::upstream(&installation.data, &installation.config.upstream.url)?,
    };
    let judged = [console::KNOWN_COOKIE, console::PROOF_COOKIE];
    settings.bait = bait::settings(installation)?;
    settings.attack = attack::settings(installation);
    settings.headers = installation.config.headers.policy().map_err(Usage)?;
    settings.limits = installation.config.limits.at_the_edge(&judged);
    let own = Arc::new(OwnPages::default());
    let gateway = bind(installation, settings, Arc::clone(&own), Arc::clone(&upstream)).await?;
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
    installation.data.announce(&running)?;
    let control = control::open(installation, &gateway, up.demo)?;
    let live = Live { engine, pages, own, edge, bindings, upstream, running };
    Ok(Parts { live, seals, witnesses, gateway, application, lookout, private, control })
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
    let password = data.password(application::APP_ROLE, rng)?;
    let url = ground.login(application::APP_ROLE, password, application::DATABASE);
    let keys_access = match address {
        Some(address) => Some(application::admit(keys, strongbox, address).await?),
        None => None,
    };
    installation.behind.settle(DatabaseAt::of(&done.guarded));
    installation.learn(installation.known().with(done.kept, done.guarded));
    Application::start(Outside { url, access: keys_access }).await
}

async fn bind(
    installation: &Installation,
    settings: Settings,
    own: Arc<OwnPages>,
    binder: Arc<UpstreamBinder>,
) -> anyhow::Result<Gateway> {
    let clock = Arc::clone(&installation.cx.clock);
    let folder = installation.data.folder("tls")?;
    let names = &installation.config.gateway.names;
    let authority = Arc::new(LocalAuthority::open_or_create(&folder, names, clock)?);
    let access = &installation.access;
    let gatekeeper = access.routes().map(|_| Arc::<access::Access>::clone(access) as _);
    let ports = Ports {
        own,
        sessions: Arc::<identity::Identities>::clone(&installation.identities),
        credentials: Some(Arc::<identity::Identities>::clone(&installation.identities)),
        gatekeeper,
        binder,
        rng: Arc::clone(&installation.cx.rng),
    };
    Ok(Gateway::bind(settings, ports, authority).await?)
}

fn state(
    installation: &Installation,
    engine: &Engine,
    pages: &[Arc<Page>],
    gateway: &Gateway,
    (seals, witnesses): (&Arc<Sealers>, &Arc<Witnesses>),
    trail: TrailAtDesk,
) -> anyhow::Result<console::State> {
    let primary = installation.config.pages.primary.clone();
    if !primary.is_empty() && !pages.iter().any(|page| page.name == primary) {
        let folder = installation.config.pages.directory.display();
        return Err(Usage(format!("pages.primary: there is no {primary}.md in {folder}")).into());
    }
    Ok(console::State {
        trust: Arc::new(Trust {
            engine: engine.clone(),
            pages: pages.to_vec(),
            primary: Some(primary).filter(|name| !name.is_empty()),
            witnesses: Arc::clone(witnesses),
        }),
        tokens: Arc::new(Programs(Arc::clone(&installation.identities))),
        api_keys: Arc::new(Programs(Arc::clone(&installation.identities))),
        sign_in: Arc::new(SignIn(Arc::clone(&installation.identities))),
        desk: Some(Desk {
            identities: Arc::clone(&installation.identities),
            names: names(installation),
            issuer: ISSUER.to_owned(),
        }),
        accounts: Arc::new(front(installation)?),
        scim: Some(Scim {
            directory: Arc::clone(&installation.directory),
            limits: Arc::new(Limits::new(&*installation.cx.rng)?),
        }),
        vitals: Arc::new(Vitals {
            db: installation.ground.engine.clone(),
            engine: engine.clone(),
            pages: pages.to_vec(),
            gateway: gateway.metrics(),
            certificates: gateway.certificates(),
            identities: Arc::clone(&installation.identities),
            keys: installation.ring.keys.clone(),
            seals: Arc::clone(seals),
            witnesses: Arc::clone(witnesses),
            mailroom: Arc::clone(&installation.mailroom),
            pen: Arc::clone(&installation.pen),
            attack: gateway.attack(),
            carried: Arc::clone(&installation.carried),
        }),
        leaving: Arc::new(Offboarding {
            access: Arc::clone(&installation.access),
            identities: Arc::clone(&installation.identities),
            directory: Arc::clone(&installation.directory),
        }),
        support: Arc::new(SupportAtDesk {
            access: Arc::clone(&installation.access),
            identities: Arc::clone(&installation.identities),
        }),
        trail: Arc::new(trail),
        reviews: Arc::new(ReviewsAtDesk {
            access: Arc::clone(&installation.access),
            words: Words::of(installation)?,
            clock: Arc::clone(&installation.cx.clock),
        }),
        roles: Arc::new(RolesAtDesk {
            access: Arc::clone(&installation.access),
            room: Arc::clone(&installation.mailroom),
        }),
        clock: Arc::clone(&installation.cx.clock),
        rng: Arc::clone(&installation.cx.rng),
    })
}

/// Accounts and their letters, for the console.
fn front(installation: &Installation) -> anyhow::Result<Front> {
    Ok(Front {
        room: Arc::clone(&installation.mailroom),
        identities: Arc::clone(&installation.identities),
        access: Arc::clone(&installation.access),
        directory: Arc::clone(&installation.directory),
        limits: Limits::new(&*installation.cx.rng)?
            .with_tries(installation.config.limits.at_the_pages())
            .with_proofs(&installation.proof),
        clock: Arc::clone(&installation.cx.clock),
    })
}

/// The names that this site is reached under: every certificate of ours has the last of them.
fn names(installation: &Installation) -> Arc<[String]> {
    let mut names = installation.config.gateway.names.clone();
    names.push(NAME.to_owned());
    names.into()
}

/// Ends the start with a table of claims and the address. What is not proven, be it never run,
/// stale or failing, is run first; otherwise the stored evidence is shown, and the scheduler
/// renews it.
async fn tell(
    place: &Place,
    engine: &Engine,
    pages: &[Arc<Page>],
    running: &Running,
    installation: &Installation,
    demo: bool,
) -> anyhow::Result<()> {
    let address = running.listen;
    let mut reports = Vec::new();
    for page in pages {
        reports.push(engine.report(page, None).await?);
    }
    let built = |id: &str| engine.ids().any(|known| known == id);
    let due = |report: &Report| {
        report.claims.iter().any(|claim| built(&claim.id) && claim.verdict < Verdict::Attested)
    };
    if reports.iter().any(due) {
        let bar = bar("proving");
        let watch = |progress: &Progress<'_>| show(&bar, progress);
        reports = engine.verify(pages, &Filter::default(), false, &watch).await?;
        bar.finish_and_clear();
    }
    if place.json {
        let keys = running.keys.map(|address| format!("http://{address}"));
        let told = serde_json::json!({"address": format!("https://{address}"), "keys": keys});
        out::line(&told.to_string());
        return Ok(());
    }
    let primary = &installation.config.pages.primary;
    for report in &reports {
        if report.page == *primary {
            out::painted(&table::proofs(report, &built));
        }
    }
    let others: Vec<String> =
        reports.iter().filter(|r| r.page != *primary).map(table::summary).collect();
    if !others.is_empty() {
        out::line(&others.join("\n"));
    }
    out::line(&format!("\n  Security page   https://{address}/trust"));
    if demo {
        let file = installation.data.root().join("secrets/demo-people.password");
        out::line(&format!("  Application     https://{address}/"));
        out::line(&format!("  Sign in as      sari@sinar.example, password in {}", file.display()));
    }
    if let Some(keys) = running.keys {
        out::line(&format!("  Keys            http://{keys}, token: amanah keys client add"));
    }
    let authority = installation.data.root().join("tls").join(gateway::AUTHORITY_FILE);
    out::line(&format!("  Certificate     trust {} in your browser", authority.display()));
    out::line("  Stop            Ctrl-C");
    Ok(())
}

/// Revives what dies: PostgreSQL and the application.
async fn watch_over(
    installation: &Installation,
    mut application: Option<Application>,
    stopped: watch::Receiver<bool>,
) {
    let mut tick = tokio::time::interval(WATCH_EVERY);
    let mut end = std::pin::pin!(wait(stopped));
    loop {
        tokio::select! {
            () = &mut end => break,
            _ = tick.tick() => {}
        }
        if let Some(cluster) = &installation.ground.cluster {
            match cluster.revive().await {
                Ok(false) => {}
                Ok(true) => tracing::warn!("PostgreSQL had died and was started again"),
                Err(error) => tracing::error!(%error, "PostgreSQL does not start again"),
            }
        }
        if let Some(application) = &mut application
            && !application.is_alive()
        {
            match application.restart().await {
                Ok(()) => tracing::warn!("the application had ended and was started again"),
                Err(error) => {
                    let why = out::words(&error);
                    tracing::error!(why, "the application does not start again");
                }
            }
        }
    }
    if let Some(application) = application {
        application.stop().await;
    }
}

fn wait_for_signal(
    stop: watch::Sender<bool>,
) -> anyhow::Result<impl Future<Output = ()> + Send + use<>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stop.send_replace(true);
    })
}

/// Until everything is to stop.
async fn wait(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, and then so are we.
    let _ = stopped.wait_for(|stop| *stop).await;
}
