//! The listener: who may connect, for how long, and how it ends.

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use kernel::{Binder, Credentials, Gatekeeper, Rng, Sessions};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep, timeout};

use crate::accepting::Told;
use crate::attack::{self, Attack};
use crate::bait::Bait;
use crate::bodies::Bodies;
use crate::clear::{self, Way};
use crate::handshake::Terms;
use crate::limits::{Limits, Seats};
use crate::listening::{Listeners, Listening, Taken};
use crate::reports::Lines;
use crate::serve::{BODIES_KIB, DIRECTORY_BODIES_KIB, Shared};
use crate::tls::{TlsSettings, terms};
use crate::workers::{DRAIN_DEADLINE, Newcomer, Workers};
use crate::{
    AccessLog, AttackDesk, AttackSettings, BaitSettings, Certificates, Deployer, GatewayError,
    HeaderPolicy, LimitSettings, LocalAuthority, Metrics, Network, Own, SameSite, Upstream,
};

/// How long a head may take, and how long a connection may be unused, unless the settings say
/// otherwise.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// How long a body may take unless the settings say otherwise.
const BODY_DEADLINE: Duration = Duration::from_secs(30);
/// How long a body may make no progress unless the settings say otherwise.
const BODY_WINDOW: Duration = Duration::from_secs(10);
/// Longer than any page of ours waits by itself: only a database that hangs takes more.
const OWN_DEADLINE: Duration = Duration::from_mins(1);
/// How often the certificate's age is looked at.
const RENEWAL_CHECK: Duration = Duration::from_hours(1);
/// How often the operator's certificates are read.
const RELOAD_CHECK: Duration = Duration::from_secs(5);
/// The largest body of a request unless the settings say otherwise, in bytes.
const BODY_LIMIT_BYTES: usize = 8 * 1024 * 1024;
/// The most connections at one time unless the settings say otherwise; more wait to be accepted.
const MAX_CONNECTIONS: usize = 2048;

/// What the operator decides.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address to listen on. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// What is agreed with clients before anything is asked.
    pub tls: TlsSettings,
    /// Where plain HTTP is led to TLS, if anywhere. Port 0 takes a free one.
    pub clear: Option<SocketAddr>,
    /// Proxies that may say, by the PROXY protocol, whom they speak for.
    pub proxies: Vec<Network>,
    /// The port at which people reach the gateway, where it is not the one that it listens on.
    pub public_port: Option<u16>,
    /// The application. Without one, every page that is not our own is a 404.
    pub upstream: Option<Upstream>,
    /// Where each request is written down, if it is.
    pub access_log: Option<AccessLog>,
    /// The addresses of proxies that move traffic themselves and ask here whether they may, see
    /// docs/forward-auth.md. No others may.
    pub forward_auth: Vec<Network>,
    /// The headers of every answer.
    pub headers: HeaderPolicy,
    /// What changes have to say about where they were started.
    pub same_site: SameSite,
    /// The largest body of a request to the application, in bytes; 16 MiB at most, the share of one
    /// account. Our own pages take 64 KiB.
    pub body_limit: usize,
    /// How many threads serve connections; as many as the machine has cores unless it is said.
    pub workers: usize,
    /// The most connections at one time, of everybody together. Each can hold a body for one of our own
    /// pages, and its head.
    pub max_connections: usize,
    /// How long a request's head may take, and how long a connection may be unused.
    pub head_deadline: Duration,
    /// How long a request's body may take, besides one second for every 16 KiB.
    pub body_deadline: Duration,
    /// How long 32 KiB of a body may take, or the rest of it.
    pub body_window: Duration,
    /// How long a page of our own may take, once its request is here.
    pub own_deadline: Duration,
    /// How often one may ask.
    pub limits: LimitSettings,
    /// What is laid out for scanners.
    pub bait: BaitSettings,
    /// When strangers are shed, and how.
    pub attack: AttackSettings,
}

impl Settings {
    /// Everything as it should be, on `listen`, without an application.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            tls: TlsSettings::default(),
            clear: None,
            proxies: Vec::new(),
            public_port: None,
            upstream: None,
            access_log: None,
            forward_auth: Vec::new(),
            headers: HeaderPolicy::default(),
            same_site: SameSite::default(),
            body_limit: BODY_LIMIT_BYTES,
            workers: thread::available_parallelism().map_or(1, NonZero::get),
            max_connections: MAX_CONNECTIONS,
            head_deadline: HEAD_DEADLINE,
            body_deadline: BODY_DEADLINE,
            body_window: BODY_WINDOW,
            own_deadline: OWN_DEADLINE,
            limits: LimitSettings::default(),
            bait: BaitSettings::default(),
            attack: AttackSettings::default(),
        }
    }
}

/// What the gateway needs of other rooms.
#[derive(Clone)]
pub struct Ports {
    /// Our own pages.
    pub own: Arc<dyn Own>,
    /// Who a session belongs to.
    pub sessions: Arc<dyn Sessions>,
    /// Who a token belongs to, and what is signed about them. Without it, tokens are the
    /// application's business.
    pub credentials: Option<Arc<dyn Credentials>>,
    /// Who may ask the application for what. Without one, whoever is signed in may ask for all of
    /// it.
    pub gatekeeper: Option<Arc<dyn Gatekeeper>>,
    /// The binding for the application's transactions.
    pub binder: Arc<dyn Binder>,
    /// For request ids.
    pub rng: Arc<dyn Rng>,
}

/// A listener that is bound and not yet serving.
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    clear: Option<Taken>,
    authority: Arc<LocalAuthority>,
    terms: Terms,
    workers: Workers,
    slots: Arc<Semaphore>,
    pub(crate) shared: Arc<Shared>,
}

impl Gateway {
    /// Takes the address. Connections wait until [`Gateway::run`].
    ///
    /// # Errors
    /// When the address is in use or not ours to take.
    pub async fn bind(
        settings: Settings,
        ports: Ports,
        authority: Arc<LocalAuthority>,
    ) -> Result<Self, GatewayError> {
        let listener = take(settings.listen).await?;
        let clear = match settings.clear {
            Some(address) => Some(take(address).await?),
            None => None,
        };
        Self::on((listener, clear), settings, ports, authority).await
    }

    /// As [`Gateway::bind`], on listeners of another process which goes on with them until this one runs.
    ///
    /// # Errors
    /// When they do not listen where the settings say: who wants another address has to start anew.
    pub async fn adopt(
        listeners: Listeners,
        settings: Settings,
        ports: Ports,
        authority: Arc<LocalAuthority>,
    ) -> Result<Self, GatewayError> {
        let listener = listeners.main.on(Some(settings.listen))?;
        let clear = match listeners.clear {
            Some(clear) => Some(clear.on(settings.clear)?),
            None => match settings.clear {
                Some(wanted) => return Err(GatewayError::ListensElsewhere { wanted, on: None }),
                None => None,
            },
        };
        Self::on((listener, clear), settings, ports, authority).await
    }

    async fn on(
        ((listener, address), clear): (Taken, Option<Taken>),
        settings: Settings,
        ports: Ports,
        authority: Arc<LocalAuthority>,
    ) -> Result<Self, GatewayError> {
        let terms = terms(settings.tls, &authority)?;
        let bodies = Bodies::new(BODIES_KIB);
        let way = Way {
            certificates: Arc::clone(&terms.certificates),
            port: settings.public_port.unwrap_or(address.port()),
            proxies: settings.proxies,
        };
        let slots = settings.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        let shared = Arc::new(Shared {
            seats: Seats::new(settings.limits.seats, slots),
            bait: Bait::new(settings.bait, ports.rng.as_ref())?,
            attack: Attack::new(settings.attack, ports.rng.as_ref())?,
            limits: Limits::new(settings.limits, ports.rng.as_ref())?,
            ports,
            home: Handle::current(),
            policy: settings.headers,
            same_site: settings.same_site,
            report_lines: Lines::default(),
            unaccepted: Told::default(),
            metrics: Arc::new(Metrics::default()),
            upstream: settings.upstream,
            way,
            access_log: settings.access_log,
            forward_auth: settings.forward_auth,
            // One that is larger than anybody's share would wait in vain.
            body_limit: settings.body_limit.min(bodies.largest()),
            head_deadline: settings.head_deadline,
            body_deadline: settings.body_deadline,
            body_window: settings.body_window,
            own_deadline: settings.own_deadline,
            bodies,
            directory_bodies: Bodies::new(DIRECTORY_BODIES_KIB),
        });
        let workers = Workers::start(settings.workers, &shared, &terms).await;
        let workers = workers.map_err(GatewayError::Threads)?;
        Ok(Self {
            listener,
            address,
            clear,
            authority,
            terms,
            workers,
            slots: Arc::new(Semaphore::new(slots)),
            shared,
        })
    }

    /// The address that was taken, with its port.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The address for plain HTTP that was taken, if one was.
    pub fn clear_addr(&self) -> Option<SocketAddr> {
        self.clear.as_ref().map(|(_, address)| *address)
    }

    /// The same listeners once more, for another process that is to go on with them.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn listeners(&self) -> io::Result<Listeners> {
        let clear = self.clear.as_ref().map(|(clear, _)| Listening::again(clear)).transpose()?;
        Ok(Listeners { main: Listening::again(&self.listener)?, clear })
    }

    /// The counters, which stay readable while the gateway runs.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.shared.metrics)
    }

    /// What is told to other gateways and heard from them, which goes on while the gateway runs. `None`
    /// unless the settings say that limits are shared.
    pub fn sharing(&self) -> Option<Sharing> {
        self.shared.limits.message().map(|_| Sharing(Arc::clone(&self.shared)))
    }

    /// What it presents, which stays readable while the gateway runs.
    pub fn certificates(&self) -> Arc<Certificates> {
        Arc::clone(&self.terms.certificates)
    }

    /// Moves its requests to another release of the application, while the gateway runs.
    pub fn deployer(&self) -> Deployer {
        self.workers.deployer.clone()
    }

    /// Switches under-attack mode by hand, while the gateway runs.
    pub fn attack(&self) -> AttackDesk {
        AttackDesk(Arc::clone(&self.shared))
    }

    /// Serves until `shutdown` is done, then lets open requests finish for at most ten seconds.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        self.run_or_leave(shutdown, pending()).await;
    }

    /// As [`Gateway::run`]; when `leave` is done first, another process accepts connections from the same
    /// listeners. Those that are here are served until each has ended, for as long as `leave` says: an answer
    /// over HTTP/1.1 is the last of its connection, and whoever speaks HTTP/2 is told to ask elsewhere.
    pub async fn run_or_leave(
        mut self,
        shutdown: impl Future<Output = ()> + Send,
        leave: impl Future<Output = Duration> + Send,
    ) {
        let mut renewal = interval(RENEWAL_CHECK);
        let looking = tokio::spawn(look_again(self.certificates()));
        let watching = tokio::spawn(attack::watch(Arc::clone(&self.shared)));
        let clear = self.clear.take();
        let (left, leaves) = oneshot::channel();
        let mut leading = clear.map(|(listener, _)| {
            tokio::spawn(clear::listen(listener, Arc::clone(&self.shared), leaves))
        });
        let (mut shutdown, mut leave) = (pin::pin!(shutdown), pin::pin!(leave));
        let goes_on = loop {
            tokio::select! {
                () = &mut shutdown => break None,
                within = &mut leave => break Some(within),
                _ = renewal.tick() => self.renew(),
                newcomer = self.next() => self.workers.give(newcomer),
            }
        };
        drop(self.listener);
        if let Some(within) = goes_on {
            drop(left);
            let over = async {
                tokio::select! {
                    () = sleep(within) => {}
                    () = shutdown => {}
                }
            };
            self.workers.leave(over).await;
            if let Some(leading) = &mut leading {
                // Whoever is being led to TLS hears where to.
                let _ = timeout(DRAIN_DEADLINE, leading).await;
            }
        }
        looking.abort();
        watching.abort();
        leading.inspect(JoinHandle::abort);
        self.workers.drain().await;
    }

    /// The next connection, once there is room for it.
    async fn next(&self) -> Newcomer {
        // The semaphore is never closed, so that there is always a permit in the end.
        let slot: Option<OwnedSemaphorePermit> = Arc::clone(&self.slots).acquire_owned().await.ok();
        loop {
            let accepted = self.listener.accept().await;
            match accepted.and_then(|(tcp, peer)| Ok((tcp.into_std()?, peer))) {
                Ok((tcp, peer)) => return Newcomer { tcp, peer, slot },
                Err(error) => self.shared.unaccepted.pause(&self.shared.metrics, &error).await,
            }
        }
    }

    fn renew(&self) {
        match self.authority.renew_if_due() {
            Ok(true) => tracing::info!("the certificate was renewed"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the certificate could not be renewed"),
        }
        self.terms.certificates.warn();
    }
}

/// Listens on an address, and says with which port.
async fn take(address: SocketAddr) -> Result<Taken, GatewayError> {
    let wrong = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => GatewayError::AddressInUse(address),
        _ => GatewayError::Listen { address, error },
    };
    let listener = TcpListener::bind(address).await.map_err(wrong)?;
    let address = listener.local_addr().map_err(wrong)?;
    Ok((listener, address))
}

/// Reads the operator's certificates again and again, beside the threads that serve.
async fn look_again(certificates: Arc<Certificates>) {
    let mut tick = interval(RELOAD_CHECK);
    while certificates.has_files() {
        tick.tick().await;
        let looked = Arc::clone(&certificates);
        // Whatever goes wrong in there, the next look is another one.
        let _ = tokio::task::spawn_blocking(move || looked.look()).await;
    }
}

/// The limits of a gateway, for whoever carries messages between gateways.
#[derive(Clone)]
pub struct Sharing(Arc<Shared>);

impl Sharing {
    /// What was taken here since the last time, as a message for all others.
    pub fn message(&self) -> Vec<u8> {
        self.0.limits.message().unwrap_or_default()
    }

    /// Charges what another one tells; how many keys that was. `None` when it is no message. What this
    /// one has told itself charges nothing.
    pub fn hear(&self, message: &[u8]) -> Option<usize> {
        self.0.limits.hear(message)
    }

    /// How much was taken here and not told, since too many keys waited.
    pub fn untold(&self) -> u64 {
        self.0.limits.untold()
    }
}
