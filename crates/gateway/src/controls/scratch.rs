//! A gateway for one proof: the same code on a free port of loopback, with an application that
//! tries to undo every header.

use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use kernel::{
    Actor, Binder, Credentials, Cx, Door, Fut, Gatekeeper, Identity, Scope, Secret, SessionToken,
    Sessions, Standing, Strength, TenantId, random_hex,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::probe::Reach;
use crate::{
    Deployer, Gateway, HeaderPolicy, LimitSettings, Listeners, LocalAuthority, Own, OwnPath, Ports,
    Settings, Upstream,
};

/// The longest request that the scratch application reads, in bytes.
const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// Says the opposite of the policy, where it has something to say.
const HOSTILE_ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Content-Type: text/html\r\n\
    Server: scratch/1.0\r\n\
    X-Powered-By: scratch\r\n\
    X-AspNet-Version: 4.0\r\n\
    X-AspNetMvc-Version: 5.0\r\n\
    Strict-Transport-Security: max-age=0\r\n\
    Content-Security-Policy: default-src *\r\n\
    X-Frame-Options: ALLOWALL\r\n\
    X-Frame-Options: SAMEORIGIN\r\n\
    X-XSS-Protection: 0\r\n\
    Amanah-Refused: denied\r\n\
    Referrer-Policy: unsafe-url\r\n\
    Content-Length: 2\r\n\
    Connection: close\r\n\r\nok";

/// Says more than the policy does, where there is more to say.
const STRICT_ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Content-Type: text/html\r\n\
    Strict-Transport-Security: max-age=63072000; includeSubDomains\r\n\
    Content-Security-Policy: default-src 'none'; sandbox\r\n\
    X-Frame-Options: DENY\r\n\
    Referrer-Policy: no-referrer\r\n\
    Content-Length: 2\r\n\
    Connection: close\r\n\r\nok";
/// What of that has to arrive.
pub(super) const STRICT: [(&str, &str); 4] = [
    ("strict-transport-security", "max-age=63072000; includeSubDomains"),
    ("content-security-policy", "default-src 'none'; sandbox"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
];

/// What the scratch gateway has behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// An application that tries to undo every header.
    Hostile,
    /// An application that is stricter than the policy.
    Strict,
    /// Nobody.
    Nothing,
    /// The application at this address.
    At(SocketAddr),
}

/// A running gateway that ends when it is dropped.
pub(super) struct Scratch {
    pub(super) reach: Reach,
    pub(super) token: SessionToken,
    pub(super) own: Vec<OwnPath>,
    /// Moves it to another application.
    pub(super) deployer: Deployer,
    /// Where its connections are left to another one, which says for how long they may go on.
    leave: Option<oneshot::Sender<Duration>>,
    listeners: Option<Listeners>,
    address: SocketAddr,
    serving: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
}

/// One that takes over and does not serve yet.
pub(super) struct Heir(Gateway, Vec<JoinHandle<()>>);

/// One that has taken over. It ends when this is dropped.
pub(super) struct Serving(Vec<JoinHandle<()>>);

impl Heir {
    pub(super) fn serve(self) -> Serving {
        let Self(gateway, mut tasks) = self;
        tasks.push(tokio::spawn(gateway.run(pending())));
        Serving(tasks)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl Scratch {
    /// Starts one. The error is a sentence's second half.
    pub(super) async fn start(
        cx: &Cx,
        authority: &Arc<LocalAuthority>,
        policy: HeaderPolicy,
        behind: Behind,
    ) -> Result<Self, String> {
        let (token, identity) = somebody(cx)?;
        let ports = one(token.clone(), identity);
        let (gateway, tasks) = launch(cx, authority, policy, behind, ports, On::Free).await?;
        let address = gateway.local_addr();
        let reach = Reach::new(address, authority.pem().as_bytes())?;
        let (deployer, listeners) = (gateway.deployer(), gateway.listeners().map_err(text)?);
        let (leave, left) = oneshot::channel();
        let leaving = async {
            match left.await {
                Ok(within) => within,
                Err(_) => pending().await,
            }
        };
        let serving = tokio::spawn(gateway.run_or_leave(pending(), leaving));
        let (leave, listeners, own) = (Some(leave), Some(listeners), ScratchOwn.paths());
        Ok(Self { reach, token, own, deployer, leave, listeners, address, serving, tasks })
    }

    /// Another one on the same listener, for the same session.
    pub(super) async fn heir(
        &mut self,
        cx: &Cx,
        authority: &Arc<LocalAuthority>,
        policy: HeaderPolicy,
        behind: Behind,
    ) -> Result<Heir, String> {
        let listeners = self.listeners.take().ok_or("the listener was handed over before")?;
        self.next(cx, authority, (policy, behind), On::Listeners(listeners)).await
    }

    /// Another one on the same address, where nobody listens any more.
    pub(super) async fn again(
        &self,
        cx: &Cx,
        authority: &Arc<LocalAuthority>,
        policy: HeaderPolicy,
        behind: Behind,
    ) -> Result<Heir, String> {
        self.next(cx, authority, (policy, behind), On::Address(self.address)).await
    }

    async fn next(
        &self,
        cx: &Cx,
        authority: &Arc<LocalAuthority>,
        (policy, behind): (HeaderPolicy, Behind),
        on: On,
    ) -> Result<Heir, String> {
        let (_, identity) = somebody(cx)?;
        let ports = one(self.token.clone(), identity);
        let (gateway, tasks) = launch(cx, authority, policy, behind, ports, on).await?;
        Ok(Heir(gateway, tasks))
    }

    /// Takes no more connections; those that are there may go on for so long.
    pub(super) fn leave(&mut self, within: Duration) {
        self.listeners = None;
        let _ = self.leave.take().map(|leave| leave.send(within));
    }

    /// Ends at once, whatever is under way.
    pub(super) fn cut(&mut self) {
        self.listeners = None;
        self.serving.abort();
    }

    /// Until it has ended.
    pub(super) async fn ended(&mut self) {
        // It was cut, or has come to its end.
        let _ = (&mut self.serving).await;
    }
}

/// One session of somebody.
fn one(token: SessionToken, identity: Arc<Identity>) -> ScratchPorts {
    ScratchPorts::of(Arc::new(ScratchSessions { holders: vec![(token, identity)] }), None)
}

/// Where a gateway listens.
enum On {
    /// At any free port.
    Free,
    Address(SocketAddr),
    /// At these, which another one has.
    Listeners(Listeners),
}

/// Somebody of nowhere, and a session of theirs.
pub(super) fn somebody(cx: &Cx) -> Result<(SessionToken, Arc<Identity>), String> {
    let token = random_hex(cx.rng.as_ref(), 16).map_err(text)?;
    let token = SessionToken(Secret::new(token));
    let identity = Arc::new(Identity {
        account: "00000000-0000-4000-8000-000000000001".to_owned(),
        actor: Actor::new("scratch").map_err(text)?,
        name: "Scratch".to_owned(),
        tenant: TenantId::new("scratch").map_err(text)?,
        standing: Standing { roles: vec!["scratch".to_owned()], ..Standing::default() },
        strength: Strength::One,
        authenticated_at: Timestamp::UNIX_EPOCH,
        session: "00000000-0000-4000-8000-000000000002".to_owned(),
        door: Door::Browser,
    });
    Ok((token, identity))
}

/// Whom a scratch gateway asks.
pub struct ScratchPorts {
    /// Who is signed in.
    pub sessions: Arc<dyn Sessions>,
    /// Who comes with a token or a key; without it, nobody does.
    pub credentials: Option<Arc<dyn Credentials>>,
    /// What they may ask the application for; without it, everything.
    pub gatekeeper: Option<Arc<dyn Gatekeeper>>,
    /// The gateway's own pages; without them there are some that say nothing.
    pub own: Option<Arc<dyn Own>>,
}

impl ScratchPorts {
    fn of(sessions: Arc<dyn Sessions>, gatekeeper: Option<Arc<dyn Gatekeeper>>) -> Self {
        Self { sessions, credentials: None, gatekeeper, own: None }
    }
}

/// A gateway that lets a gatekeeper decide, in front of an application that answers everything. It
/// ends when it is dropped.
pub struct ScratchGateway {
    /// Where it listens.
    pub address: SocketAddr,
    /// The certificate authority to trust, as PEM.
    pub authority: String,
    tasks: Vec<JoinHandle<()>>,
}

impl ScratchGateway {
    /// Starts one, at which each token is a session of the identity beside it.
    ///
    /// # Errors
    /// When it could not be started; the text says why.
    pub async fn start(
        cx: &Cx,
        gatekeeper: Arc<dyn Gatekeeper>,
        holders: Vec<(SessionToken, Arc<Identity>)>,
    ) -> Result<Self, String> {
        let sessions = ScratchSessions { holders };
        Self::over(cx, ScratchPorts::of(Arc::new(sessions), Some(gatekeeper))).await
    }

    /// Starts one that asks these.
    ///
    /// # Errors
    /// When it could not be started; the text says why.
    pub async fn over(cx: &Cx, ports: ScratchPorts) -> Result<Self, String> {
        let authority = LocalAuthority::in_memory(Arc::clone(&cx.clock)).map_err(text)?;
        let authority = Arc::new(authority);
        let policy = HeaderPolicy::default();
        let launched = launch(cx, &authority, policy, Behind::Hostile, ports, On::Free).await?;
        let (gateway, mut tasks) = launched;
        let address = gateway.local_addr();
        tasks.push(tokio::spawn(gateway.run(pending())));
        Ok(Self { address, authority: authority.pem().to_owned(), tasks })
    }
}

impl Drop for ScratchGateway {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Makes a gateway on a free port that is yet to run, and what runs for it.
async fn launch(
    cx: &Cx,
    authority: &Arc<LocalAuthority>,
    policy: HeaderPolicy,
    behind: Behind,
    ports: ScratchPorts,
    on: On,
) -> Result<(Gateway, Vec<JoinHandle<()>>), String> {
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = TcpListener::bind(free).await.map_err(text)?;
    let mut address = listener.local_addr().map_err(text)?;
    let mut tasks = Vec::new();
    match behind {
        Behind::Hostile => tasks.push(tokio::spawn(say(listener, HOSTILE_ANSWER))),
        Behind::Strict => tasks.push(tokio::spawn(say(listener, STRICT_ANSWER))),
        Behind::Nothing => drop(listener),
        Behind::At(other) => address = other,
    }
    let upstream: Upstream = format!("http://{address}").parse().map_err(text)?;
    let ports = Ports {
        own: ports.own.unwrap_or_else(|| Arc::new(ScratchOwn)),
        sessions: ports.sessions,
        credentials: ports.credentials,
        gatekeeper: ports.gatekeeper,
        binder: Arc::new(ScratchBinder),
        rng: Arc::clone(&cx.rng),
    };
    let mut settings =
        Settings { upstream: Some(upstream), headers: policy, ..Settings::new(free) };
    if let On::Address(address) = on {
        settings.listen = address;
    }
    if let Behind::At(_) = behind {
        // Whoever brings an application of their own asks it as often as they like.
        settings.limits = LimitSettings::ample();
    }
    let authority = Arc::clone(authority);
    let gateway = match on {
        On::Free | On::Address(_) => Gateway::bind(settings, ports, authority).await,
        On::Listeners(listeners) => Gateway::adopt(listeners, settings, ports, authority).await,
    };
    Ok((gateway.map_err(text)?, tasks))
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.serving.abort();
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Answers every connection with the same words.
async fn say(listener: TcpListener, words: &'static [u8]) {
    while let Ok((tcp, _)) = listener.accept().await {
        // A proof asks one thing at a time, and a connection that is not read ends by itself.
        let _ = answer(tcp, words).await;
    }
}

async fn answer(mut tcp: TcpStream, words: &[u8]) -> std::io::Result<()> {
    let mut head = Vec::new();
    while head.len() < MAX_REQUEST_BYTES && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if tcp.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    tcp.write_all(words).await?;
    tcp.shutdown().await
}

struct ScratchOwn;

impl Own for ScratchOwn {
    fn handle(
        &self,
        request: Request<Bytes>,
        _identity: Option<Arc<Identity>>,
    ) -> Fut<'_, Response<Bytes>> {
        let routes = self.paths();
        let path = request.uri().path();
        let mut here = routes.iter().filter(|route| route.path == path).peekable();
        let status = if here.peek().is_none() {
            StatusCode::NOT_FOUND
        } else if here.any(|route| route.method == *request.method()) {
            StatusCode::OK
        } else {
            StatusCode::METHOD_NOT_ALLOWED
        };
        let mut answer = Response::new(Bytes::from_static(b"scratch"));
        *answer.status_mut() = status;
        Box::pin(async { answer })
    }

    fn paths(&self) -> Vec<OwnPath> {
        let route = |method, path: &str| OwnPath { method, path: path.to_owned() };
        vec![
            route(Method::GET, "/trust"),
            route(Method::GET, "/healthz"),
            route(Method::GET, "/_amanah/sign-in"),
            route(Method::POST, "/_amanah/sign-in"),
        ]
    }
}

pub(super) struct ScratchSessions {
    pub(super) holders: Vec<(SessionToken, Arc<Identity>)>,
}

impl Sessions for ScratchSessions {
    fn decide<'a>(
        &'a self,
        token: &'a SessionToken,
    ) -> Fut<'a, Result<Option<Arc<Identity>>, String>> {
        let found = self.holders.iter().find(|(held, _)| held == token);
        let identity = found.map(|(_, identity)| Arc::clone(identity));
        Box::pin(async { Ok(identity) })
    }
}

pub(super) struct ScratchBinder;

impl Binder for ScratchBinder {
    fn mint(
        &self,
        _tenant: &TenantId,
        _actor: &Actor,
        _scope: Scope,
        _until: Option<Timestamp>,
    ) -> Option<Secret> {
        None
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
