//! A gateway in front of a small application, both on loopback, for the trials below: everything
//! is asked over real TLS, byte for byte.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use kernel::{
    Actor, Binder, Credentials, Door, Fut, Identity, Scope, Secret, SessionToken, Sessions,
    Standing, Strength, SystemClock, SystemRng, TenantId,
};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::bodies::Bodies;
use crate::headers::meets;
use crate::{
    AttackDesk, AttackMode, AttackSettings, Certificates, Deployer, Gateway, HeaderPolicy,
    Listeners, LocalAuthority, Metrics, Own, OwnPath, Payer, Ports, Settings, client_config,
};

mod abuse;
mod announced;
mod answers;
mod attack;
mod bodies;
mod bombs;
mod certificates;
mod clear;
mod deploys;
mod descriptors;
mod forward;
mod hellos;
mod http2;
mod leaving;
mod limits;
mod proof;
mod reports;
mod requests;
mod sockets;
mod transit;

/// What a browser of somebody sends who is signed in.
const SIGNED_IN: &str = "Cookie: theme=dark; __Host-amanah=good; __Host-amanah-csrf=c\r\n\
                         Referer: https://localhost/page\r\n";
/// Nothing takes longer than this unless it hangs, on however slow a machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// Held by the trials that take all of the machine, of which one goes on at a time: together they would
/// find each other slow, and not the gateway.
static WHOLE_MACHINE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A gateway under trial.
struct Edge {
    address: SocketAddr,
    clear: Option<SocketAddr>,
    authority: Arc<LocalAuthority>,
    application: Arc<Application>,
    metrics: Arc<Metrics>,
    bodies: Arc<Bodies>,
    certificates: Arc<Certificates>,
    deployer: Deployer,
    attack: AttackDesk,
    stop: oneshot::Sender<()>,
    /// Leaves its listeners to another one, and goes on with its connections for so long.
    leave: Option<oneshot::Sender<Duration>>,
    listeners: Option<Listeners>,
    task: JoinHandle<()>,
}

impl Edge {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self { listeners: None, ..Self::with_listeners(change).await }
    }

    /// As [`Edge::with`], with its listeners once more: as long as somebody has them, connections to its
    /// address wait, even when it has ended.
    async fn with_listeners(change: impl FnOnce(&mut Settings)) -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let application = Application::start().await;
        let authority = Arc::new(LocalAuthority::in_memory(Arc::new(SystemClock)).unwrap());
        let upstream = format!("http://{}", application.address);
        let mut settings = Settings {
            upstream: Some(upstream.parse().unwrap()),
            body_limit: 2 * 1024 * 1024,
            // A busy machine is no attack.
            attack: AttackSettings { mode: AttackMode::Off, ..AttackSettings::default() },
            ..Settings::new(free)
        };
        change(&mut settings);
        let gateway = Gateway::bind(settings, ports(), Arc::clone(&authority)).await.unwrap();
        let (address, metrics) = (gateway.local_addr(), gateway.metrics());
        let bodies = Arc::clone(&gateway.shared.bodies);
        let (certificates, clear) = (gateway.certificates(), gateway.clear_addr());
        let (deployer, attack) = (gateway.deployer(), gateway.attack());
        let (stop, stopped) = oneshot::channel::<()>();
        let (leave, left) = oneshot::channel::<Duration>();
        let listeners = Some(gateway.listeners().unwrap());
        let stopping = async {
            let _ = stopped.await;
        };
        let leaving = async {
            match left.await {
                Ok(within) => within,
                Err(_) => std::future::pending().await,
            }
        };
        let task = tokio::spawn(gateway.run_or_leave(stopping, leaving));
        Self {
            address,
            clear,
            authority,
            application,
            metrics,
            bodies,
            certificates,
            deployer,
            attack,
            stop,
            leave: Some(leave),
            listeners,
            task,
        }
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        let client = client_config(self.authority.pem().as_bytes()).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let tcp = TcpStream::connect(self.address).await.unwrap();
        TlsConnector::from(client).connect(name, tcp).await.unwrap()
    }

    /// Sends `wire` on a new connection and reads everything until its end.
    async fn talk(&self, wire: impl AsRef<[u8]>) -> String {
        let mut tls = self.connect().await;
        tls.write_all(wire.as_ref()).await.unwrap();
        read_all(&mut tls).await
    }

    /// One request with `lines`, on a connection of its own.
    async fn ask(&self, method: &str, path: &str, lines: &str) -> String {
        let wire = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        self.talk(format!("{wire}{lines}\r\n")).await
    }

    fn count(&self, name: &str, label: &str) -> u64 {
        let snapshot = self.metrics.snapshot();
        let hit = |r: &&crate::Reading| r.name == name && r.label.is_none_or(|l| l.1 == label);
        snapshot.iter().find(hit).unwrap().value
    }
}

fn ports() -> Ports {
    Ports {
        own: Arc::new(Pages),
        sessions: Arc::new(OneSession::default()),
        credentials: Some(Arc::new(OneToken)),
        gatekeeper: None,
        binder: Arc::new(TextBinder),
        rng: Arc::new(SystemRng),
    }
}

/// Everything until the end, or the test fails.
async fn read_all(tls: &mut TlsStream<TcpStream>) -> String {
    let mut all = Vec::new();
    let read = timeout(PATIENCE, tls.read_to_end(&mut all)).await;
    // An answer may end with the connection, which is an error to TLS without its farewell.
    let _ = read.expect("the connection did not end");
    String::from_utf8(all).unwrap()
}

/// Reads until `end` has come.
async fn read_until(tls: &mut TlsStream<TcpStream>, end: &str) -> String {
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains(end) {
        let read = timeout(PATIENCE, tls.read_buf(&mut all)).await;
        assert_ne!(read.expect("nothing came").unwrap(), 0, "ended before {end:?}");
    }
    String::from_utf8(all).unwrap()
}

fn status(answer: &str) -> u16 {
    let code = answer.strip_prefix("HTTP/1.1 ").and_then(|a| a.get(..3));
    code.unwrap_or_else(|| panic!("no answer: {answer:?}")).parse().unwrap()
}

/// The values of a header in an answer.
fn values<'a>(answer: &'a str, name: &str) -> Vec<&'a str> {
    let head = answer.split("\r\n\r\n").next().unwrap();
    head.lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .filter(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect()
}

/// Every header of the policy is there, once, with its value, and nothing else is.
fn assert_policy(answer: &str) {
    let policy = HeaderPolicy::default();
    for (name, value) in policy.set() {
        assert!(meets(name, value, &values(answer, name)), "{name} in {answer}");
    }
    for name in policy.removed() {
        assert!(values(answer, name).is_empty(), "{name} in {answer}");
    }
    assert_eq!(values(answer, "x-request-id").len(), 1, "{answer}");
}

/// An application that answers with the request it got, or in one of several bad ways.
struct Application {
    address: SocketAddr,
    connections: AtomicUsize,
    requests: Mutex<Vec<String>>,
    /// Let through what waits at `/wait`.
    go: Notify,
}

impl Application {
    async fn start() -> Arc<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let application = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            connections: AtomicUsize::new(0),
            requests: Mutex::new(Vec::new()),
            go: Notify::new(),
        });
        let accepting = Arc::clone(&application);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                accepting.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(Arc::clone(&accepting).serve(tcp));
            }
        });
        application
    }

    fn seen(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    async fn serve(self: Arc<Self>, mut tcp: TcpStream) {
        let mut ahead = Vec::new();
        while let Some(request) = read_request(&mut tcp, &mut ahead).await {
            self.requests.lock().unwrap().push(request.clone());
            let path = request.split(' ').nth(1).unwrap_or_default();
            let ok =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{request}", request.len());
            let empty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            let answer = match path {
                "/hostile" => format!(
                    "HTTP/1.1 200 OK\r\nServer: x\r\nX-Powered-By: y\r\nX-Frame-Options: DENY\r\n\
                     Content-Security-Policy: default-src *\r\nKeep-Alive: timeout=9\r\n\
                     Connection: X-Private\r\nX-Private: 1\r\nAmanah-Binding: leak\r\n\
                     Set-Cookie: a=1\r\nSet-Cookie: __Host-amanah=evil; Path=/; Secure\r\n\
                     Content-Length: {}\r\n\r\n{request}",
                    request.len()
                ),
                "/malformed" => "HTTX nonsense\r\n\r\n".to_owned(),
                "/early" => "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n".to_owned(),
                "/cut" => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_owned(),
                "/head" => "HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n".to_owned(),
                "/chunks" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                              3\r\nabc\r\n3\r\ndef\r\n0\r\nX-Late: 1\r\n\r\n"
                    .to_owned(),
                "/socket" => "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\
                              Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"
                    .to_owned(),
                "/events" => "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                              Transfer-Encoding: chunked\r\n\r\n7\r\ndata: 1\r\n"
                    .to_owned(),
                "/silent" => String::new(),
                "/leave" => empty.to_owned(),
                "/wait" => {
                    self.go.notified().await;
                    ok
                }
                _ => ok,
            };
            if tcp.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
            if path == "/socket" {
                return echo(tcp, &ahead).await;
            }
            if path == "/events" {
                // One that comes after whoever looks away has been noticed.
                sleep(Duration::from_secs(3)).await;
                let _ = tcp.write_all(b"7\r\ndata: 2\r\n").await;
                return std::future::pending().await;
            }
            if matches!(path, "/malformed" | "/cut" | "/silent" | "/leave") {
                return;
            }
        }
    }
}

/// Says whatever it hears, `ahead` first.
async fn echo(mut tcp: TcpStream, ahead: &[u8]) {
    let (mut read, mut write) = tcp.split();
    if write.write_all(ahead).await.is_ok() {
        let _ = tokio::io::copy(&mut read, &mut write).await;
    }
}

/// The next request, head and body, as text.
async fn read_request(tcp: &mut TcpStream, ahead: &mut Vec<u8>) -> Option<String> {
    loop {
        let end = ahead.windows(4).position(|w| w == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8(ahead[..end].to_vec()).unwrap();
            let length = values(&head, "content-length");
            let length: usize = length.first().map_or(0, |n| n.parse().unwrap());
            while ahead.len() < end + 4 + length {
                if tcp.read_buf(ahead).await.ok()? == 0 {
                    return None;
                }
            }
            let rest = ahead.split_off(end + 4 + length);
            let whole = std::mem::replace(ahead, rest);
            return Some(String::from_utf8(whole).unwrap());
        }
        if tcp.read_buf(ahead).await.ok()? == 0 {
            return None;
        }
    }
}

/// Our own pages, very small.
struct Pages;

impl Own for Pages {
    fn handle(
        &self,
        request: Request<Bytes>,
        identity: Option<Arc<Identity>>,
    ) -> Fut<'_, Response<Bytes>> {
        Box::pin(async move {
            let who = identity.map_or("nobody".to_owned(), |who| who.actor.to_string());
            let (status, text) = match (request.uri().path(), request.method()) {
                ("/_amanah/panic", _) => panic!("as asked"),
                ("/_amanah/hung", _) => std::future::pending().await,
                ("/_amanah/echo", _) => (
                    StatusCode::OK,
                    format!("{who} {:?} {}", request.headers(), request.body().len()),
                ),
                ("/_amanah/scim/v2/Users", _) => {
                    (StatusCode::OK, format!("{who} {}", request.body().len()))
                }
                ("/trust" | "/healthz" | "/metrics", &Method::GET) => (StatusCode::OK, who),
                ("/trust", _) => (StatusCode::METHOD_NOT_ALLOWED, who),
                _ => (StatusCode::NOT_FOUND, who),
            };
            let mut answer = Response::new(Bytes::from(text));
            *answer.status_mut() = status;
            answer
        })
    }

    /// Knows each token that is made of a name and a tenant.
    fn admit<'a>(
        &'a self,
        head: &'a Parts,
        _peer: IpAddr,
    ) -> Fut<'a, Result<Payer, Response<Bytes>>> {
        let token = head.headers.get(AUTHORIZATION).and_then(|line| line.to_str().ok());
        let token = token.and_then(|line| line.strip_prefix("Bearer ")).map(str::to_owned);
        Box::pin(async move {
            let token = token.unwrap_or_default();
            match token.split_once('.') {
                Some(("hung", _)) => std::future::pending().await,
                Some(("panic", _)) => panic!("as asked"),
                Some((_, tenant)) => Ok(Payer { tenant: tenant.to_owned(), token }),
                None => {
                    let mut answer = Response::new(Bytes::new());
                    *answer.status_mut() = StatusCode::UNAUTHORIZED;
                    Err(answer)
                }
            }
        })
    }

    fn paths(&self) -> Vec<OwnPath> {
        ["/trust", "/healthz", "/metrics"]
            .map(|path| OwnPath { method: Method::GET, path: path.to_owned() })
            .to_vec()
    }
}

/// Knows one session, and one of each account and tenant that a token names; another one ends once it
/// was looked at.
#[derive(Default)]
struct OneSession(AtomicUsize);

impl Sessions for OneSession {
    fn decide<'a>(
        &'a self,
        token: &'a SessionToken,
    ) -> Fut<'a, Result<Option<Arc<Identity>>, String>> {
        match token.0.expose() {
            "untold" => return Box::pin(async { Err("the database is away".to_owned()) }),
            "hung" => return Box::pin(std::future::pending()),
            _ => {}
        }
        let name = token.0.expose();
        let named = name.strip_prefix("as.").and_then(|name| name.split_once('.'));
        let (account, tenant) = named.unwrap_or(("00000000-0000-4000-8000-000000000001", "sinar"));
        let lives = named.is_some()
            || name == "good"
            || name == "once" && self.0.fetch_add(1, Ordering::Relaxed) == 0;
        let identity = lives.then(|| {
            Arc::new(Identity {
                account: account.to_owned(),
                actor: Actor::new("sari@sinar.example").unwrap(),
                name: "Sari".to_owned(),
                tenant: TenantId::new(tenant).unwrap(),
                standing: Standing { roles: vec!["admin".to_owned()], ..Standing::default() },
                strength: Strength::One,
                authenticated_at: Timestamp::UNIX_EPOCH,
                session: "00000000-0000-4000-8000-000000000002".to_owned(),
                door: Door::Browser,
            })
        });
        Box::pin(async { Ok(identity) })
    }
}

struct OneToken;

impl Credentials for OneToken {
    fn bearer<'a>(&'a self, bearer: &'a Secret) -> Fut<'a, Result<Option<Arc<Identity>>, String>> {
        Box::pin(async move {
            if bearer.expose() == "untold" {
                return Err("the database is away".to_owned());
            }
            let good = SessionToken(Secret::new("good".to_owned()));
            let sari = OneSession::default().decide(&good).await?.unwrap();
            let door = Door::AccessToken;
            let known = bearer.expose() == "good-token";
            Ok(known.then(|| Arc::new(Identity { door, ..Arc::unwrap_or_clone(sari) })))
        })
    }

    fn assertion(&self, identity: &Arc<Identity>) -> Option<Secret> {
        Some(Secret::new(format!("said.{}.{:?}", identity.actor, identity.door)))
    }
}

struct TextBinder;

impl Binder for TextBinder {
    fn mint(
        &self,
        tenant: &TenantId,
        actor: &Actor,
        scope: Scope,
        _until: Option<Timestamp>,
    ) -> Option<Secret> {
        let scope = scope.as_str();
        Some(Secret::new(format!("bound.{tenant}.{actor}.{scope}")))
    }
}
