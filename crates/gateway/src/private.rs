//! The door for programs: plain HTTP on this machine, or on a network that is the operator's alone.
//!
//! Applications ask for keys here, with a token in a header. It is apart from the gateway, which
//! faces browsers: nothing that is served here can be reached through the public address, and no
//! browser is answered here, so that a page of another site cannot ask in its reader's name, also
//! not by pointing a name of its own at this machine (DNS rebinding).
//!
//! It does not encrypt: whoever can read the network between the application and this address can
//! read tokens and texts. That is why an address other than loopback must be allowed expressly.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST, HeaderName, ORIGIN, X_CONTENT_TYPE_OPTIONS,
};
use http::uri::Authority;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::{Service, ServiceExt as _};

use crate::GatewayError;
use crate::listening::{Listening, Taken};
use crate::workers::Stage;

mod stall;
#[cfg(test)]
mod tests;

pub use stall::PrivateBody;
use stall::{Pace, Stalling};

/// The longest head of a request, and all that is held of a connection, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// The most header lines.
const MAX_HEADERS: usize = 64;
/// How long a head may take, and how long a connection may be unused.
const HEAD_DEADLINE: Duration = Duration::from_secs(30);
/// How long a body or an answer may be waited for, until so many bytes of it have moved. A body is
/// as slow as the program that makes it; an answer lies whole in memory, and who takes the largest
/// of them at this pace has it within eight minutes.
const BODY_PACE: Pace = Pace { wait: Duration::from_mins(1), bytes: 64 << 10 };
const ANSWER_PACE: Pace = Pace { wait: Duration::from_mins(1), bytes: 8 << 20 };
/// The most connections at one time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 512;
/// How long open requests may take to finish at the end.
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);
/// How long to wait when the system has no file descriptor left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Browsers alone send it, with every request.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What the operator decides.
#[derive(Debug, Clone)]
pub struct PrivateSettings {
    /// The address to listen on. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether it may be another than a loopback address, although nothing is encrypted.
    pub allow_remote: bool,
    /// The names under which applications ask, besides `localhost`, loopback addresses and the
    /// address that they connected to. Without port.
    pub hosts: Vec<String>,
}

impl PrivateSettings {
    /// On `listen`, which must be a loopback address.
    pub const fn new(listen: SocketAddr) -> Self {
        Self { listen, allow_remote: false, hosts: Vec::new() }
    }

    fn check(&self) -> Result<(), GatewayError> {
        if self.allow_remote || self.listen.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        let why = "tokens would cross the network in clear; listen on 127.0.0.1, or set `allow_remote` if \
                   nobody else can read that network";
        Err(GatewayError::Private { address: self.listen, why: why.to_owned() })
    }
}

/// A listener for programs that is bound and not yet serving `S`: a tower service that takes
/// `Request<PrivateBody>`, such as an axum router.
pub struct Private<S> {
    listener: TcpListener,
    address: SocketAddr,
    door: Arc<Door>,
    slots: Arc<Semaphore>,
    service: S,
}

impl<S, B> Private<S>
where
    S: Service<Request<PrivateBody>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Takes the address. Connections wait until [`Private::run`].
    ///
    /// # Errors
    /// [`GatewayError::Private`] when the address is in use or not ours to take, and when it is
    /// not a loopback address and that was not allowed.
    pub async fn bind(settings: PrivateSettings, service: S) -> Result<Self, GatewayError> {
        Self::bind_for(settings, service, Deadlines::USUAL).await
    }

    async fn bind_for(
        settings: PrivateSettings,
        service: S,
        deadlines: Deadlines,
    ) -> Result<Self, GatewayError> {
        let address = settings.listen;
        let refused = |why: String| GatewayError::Private { address, why };
        settings.check()?;
        let listen = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => refused(
                "another program listens there; stop it, or choose another address".to_owned(),
            ),
            _ => refused(error.to_string()),
        };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        Ok(Self::on((listener, address), &settings, service, deadlines))
    }

    /// As [`Private::bind`], on the listener of another process which goes on with it until this one runs.
    ///
    /// # Errors
    /// When it does not listen where the settings say, and as [`Private::bind`].
    pub fn adopt(
        listening: Listening,
        settings: &PrivateSettings,
        service: S,
    ) -> Result<Self, GatewayError> {
        settings.check()?;
        let taken = listening.on(Some(settings.listen))?;
        Ok(Self::on(taken, settings, service, Deadlines::USUAL))
    }

    fn on(
        (listener, address): Taken,
        settings: &PrivateSettings,
        service: S,
        deadlines: Deadlines,
    ) -> Self {
        let hosts = settings.hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Self {
            listener,
            address,
            door: Arc::new(Door { hosts, deadlines }),
            slots: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            service,
        }
    }

    /// The same listener once more, for another process that is to go on with it.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn listening(&self) -> io::Result<Listening> {
        Listening::again(&self.listener)
    }

    /// The address that was taken, with its port.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is done, then lets open requests finish for at most ten seconds.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        self.run_or_leave(stop, pending()).await;
    }

    /// As [`Private::run`]; when `leave` is done first, another process accepts connections from the same
    /// listener. Those that are here are served until each has ended, for as long as `leave` says; an answer
    /// is the last of its connection.
    pub async fn run_or_leave(
        self,
        stop: impl Future<Output = ()> + Send,
        leave: impl Future<Output = Duration> + Send,
    ) {
        let (tell, stopped) = watch::channel(Stage::Serving);
        let mut connections = JoinSet::new();
        let (mut stop, mut leave) = (pin::pin!(stop), pin::pin!(leave));
        let leaving = loop {
            tokio::select! {
                () = &mut stop => break None,
                within = &mut leave => break Some(within),
                Some(_) = connections.join_next() => {}
                (tcp, slot) = self.next() => {
                    let (door, service) = (Arc::clone(&self.door), self.service.clone());
                    let stopped = stopped.clone();
                    connections.spawn(async move {
                        serve(tcp, door, service, stopped).await;
                        drop(slot);
                    });
                }
            }
        };
        drop(self.listener);
        if let Some(within) = leaving {
            let _ = tell.send(Stage::Leaving);
            tokio::select! {
                () = async { while connections.join_next().await.is_some() {} } => {}
                () = sleep(within) => {}
                () = stop => {}
            }
        }
        let _ = tell.send(Stage::Draining);
        let drained = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(DRAIN_DEADLINE, drained).await;
        connections.shutdown().await;
    }

    /// The next connection, once there is room for it.
    async fn next(&self) -> (TcpStream, Option<OwnedSemaphorePermit>) {
        // The semaphore is never closed, so that there is always a permit in the end.
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok();
        loop {
            match self.listener.accept().await {
                Ok((tcp, _)) => return (tcp, slot),
                Err(error) => {
                    tracing::warn!(%error, "a program's connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// One connection, to its end.
async fn serve<S, B>(
    tcp: TcpStream,
    door: Arc<Door>,
    service: S,
    mut stopped: watch::Receiver<Stage>,
) where
    S: Service<Request<PrivateBody>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Answers are written whole; waiting to fill a packet only delays their end.
    let _ = tcp.set_nodelay(true);
    let Ok(here) = tcp.local_addr() else { return };
    let Deadlines { head, answer: pace, .. } = door.deadlines;
    let stage = stopped.clone();
    let answering = service_fn(move |request: Request<Incoming>| {
        let (door, service) = (Arc::clone(&door), service.clone());
        let stage = stage.clone();
        async move {
            let mut answer = answer(&door, here.ip(), service, request).await;
            if *stage.borrow() == Stage::Leaving {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(Stalling::new(tcp, pace)), answering);
    let mut connection = pin::pin!(connection);
    let mut stopping = false;
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            _ = stopped.wait_for(|stage| *stage == Stage::Draining), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a program's connection ended early");
    }
}

/// One request. A panic of the service is ours to answer for, not the connection's end.
async fn answer<S, B>(
    door: &Door,
    here: IpAddr,
    service: S,
    request: Request<Incoming>,
) -> Response<Either<Full<Bytes>, B>>
where
    S: Service<Request<PrivateBody>, Response = Response<B>, Error = Infallible>,
{
    let mut answer = if let Some(refusal) = door.refuses(&request, here) {
        refusal.answer().map(Either::Left)
    } else {
        let asked = request.map(|body| PrivateBody::new(body, door.deadlines.body));
        match AssertUnwindSafe(service.oneshot(asked)).catch_unwind().await {
            Ok(Ok(answer)) => answer.map(Either::Right),
            Ok(Err(never)) => match never {},
            Err(_) => BROKEN.answer().map(Either::Left),
        }
    };
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// Who is let in.
struct Door {
    /// In lower case.
    hosts: Vec<String>,
    deadlines: Deadlines,
}

/// How long the other side may be waited for.
#[derive(Clone, Copy)]
struct Deadlines {
    /// In the middle of a head, and between requests.
    head: Duration,
    body: Pace,
    answer: Pace,
}

impl Deadlines {
    const USUAL: Self = Self { head: HEAD_DEADLINE, body: BODY_PACE, answer: ANSWER_PACE };
}

impl Door {
    fn refuses(&self, request: &Request<Incoming>, here: IpAddr) -> Option<Refusal> {
        let headers = request.headers();
        if headers.contains_key(ORIGIN) || headers.contains_key(SEC_FETCH_SITE) {
            return Some(BROWSER);
        }
        let mut stated = headers.get_all(HOST).iter();
        let (Some(host), None) = (stated.next(), stated.next()) else {
            return Some(STRANGE_HOST);
        };
        let Ok(host) = Authority::try_from(host.as_bytes()) else {
            return Some(STRANGE_HOST);
        };
        // A target may name a host too; it must be as good as the header's.
        let target = request.uri().authority();
        let known = std::iter::once(&host).chain(target).all(|host| self.knows(host, here));
        if known { None } else { Some(STRANGE_HOST) }
    }

    /// A name that an attacker chose is never a numeric address: the browser puts into `Host` what
    /// stands in its address bar.
    fn knows(&self, host: &Authority, here: IpAddr) -> bool {
        if host.as_str().contains('@') {
            return false;
        }
        let name = host.host().to_ascii_lowercase();
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(ip) => {
                let ip = ip.to_canonical();
                ip.is_loopback() || ip == here.to_canonical()
            }
            Err(_) => name == "localhost" || self.hosts.contains(&name),
        }
    }
}

/// An answer of our own. Its JSON suits both kinds of clients that ask here: those that look for
/// `error.slug` and those that look for `errors`.
struct Refusal {
    status: StatusCode,
    slug: &'static str,
    message: &'static str,
}

const BROWSER: Refusal = Refusal {
    status: StatusCode::FORBIDDEN,
    slug: "browser",
    message: "browsers are not answered here; ask from a program, without an Origin header",
};
const STRANGE_HOST: Refusal = Refusal {
    status: StatusCode::MISDIRECTED_REQUEST,
    slug: "host",
    message: "the request names no host that is served here; ask localhost, or add the name to \
              the hosts of the private listener",
};
const BROKEN: Refusal = Refusal {
    status: StatusCode::INTERNAL_SERVER_ERROR,
    slug: "internal",
    message: "something went wrong on our side and was logged; try again",
};

impl Refusal {
    fn answer(&self) -> Response<Full<Bytes>> {
        let Self { status, slug, message } = self;
        // The texts above hold nothing that JSON would have to escape.
        let body = format!(
            "{{\"error\":{{\"slug\":\"{slug}\",\"message\":\"{message}\"}},\
             \"errors\":[\"{message}\"]}}"
        );
        let mut answer = Response::new(Full::new(Bytes::from(body)));
        *answer.status_mut() = *status;
        let json = HeaderValue::from_static("application/json");
        answer.headers_mut().insert(CONTENT_TYPE, json);
        answer
    }
}
