//! Asking a gateway over real connections, and reading its answers without the library that wrote
//! them: what a library hides (a header twice, say) must be seen.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http::Method;
use http::header::STRICT_TRANSPORT_SECURITY;
use kernel::{Finding, SessionToken};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::headers::{REPORTS, max_age, meets};
use crate::own::{is_for_directories, is_operational};
use crate::{HeaderPolicy, OwnPath, SESSION_COOKIE, client_config};

/// How long one answer may take.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
/// The longest head of an answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// The most headers of an answer that are read.
const MAX_ANSWER_HEADERS: usize = 128;
/// A target longer than any gateway of ours takes, in bytes.
const LONG_TARGET_BYTES: usize = 9 * 1024;
/// A head longer than any gateway of ours takes, in bytes.
const LONG_HEAD_BYTES: usize = 40 * 1024;
/// The host that every certificate of ours is for.
const HOST: &str = "localhost";

/// What every answer should carry, and what none should.
pub(super) struct Wanted {
    /// Name in lower case, and exact value.
    pub(super) set: Vec<(String, String)>,
    /// Names in lower case.
    pub(super) absent: Vec<String>,
}

impl Wanted {
    pub(super) fn of(policy: &HeaderPolicy) -> Self {
        let set = policy.set();
        Self {
            set: set.map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            absent: policy.removed().map(ToOwned::to_owned).collect(),
        }
    }

    /// Every header of `answer` that is not as it should be: name, what came, what was wanted.
    fn differences<'w>(
        &'w self,
        answer: &Answer,
        in_clear: bool,
    ) -> Vec<(&'w str, String, &'w str)> {
        let mut differences = Vec::new();
        for (name, value) in &self.set {
            let came = answer.values(name);
            // What only counts inside TLS must not be said outside of it (RFC 6797, 7.2).
            if in_clear && name == STRICT_TRANSPORT_SECURITY.as_str() {
                if !came.is_empty() {
                    differences.push((name.as_str(), came.join(" | "), ""));
                }
                continue;
            }
            if !meets(name, value, &came) {
                differences.push((name.as_str(), came.join(" | "), value.as_str()));
            }
        }
        for name in &self.absent {
            let came = answer.values(name);
            if !came.is_empty() {
                differences.push((name.as_str(), came.join(" | "), ""));
            }
        }
        differences
    }
}

/// One request, byte for byte.
pub(super) struct Probe {
    pub(super) what: String,
    wire: String,
    pub(super) expect: Expect,
    pub(super) in_clear: bool,
}

/// Names the gateway's refusals, in lower case as they are compared.
const REFUSED: &str = "amanah-refused";
/// The refusals behind which no page is seen.
const HIDES: [&str; 5] = ["limited", "busy", "under_attack", "undecided", "own_slow"];

/// What an answer must be in order to be the one that was meant.
#[derive(Clone, Copy)]
pub(super) enum Expect {
    /// Whatever it is, but for refusals that say nothing of the page: whoever asks too often, or while
    /// strangers are shed, is told the same everywhere.
    Any,
    /// This status.
    Status(u16),
    /// The application's: neither the gateway's refusal nor the way to the sign-in page.
    Application,
}

/// The head of an answer.
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
}

impl Answer {
    pub(super) fn values(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(n, _)| n == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub(super) fn is(&self, expect: Expect) -> bool {
        match expect {
            Expect::Any => !self.values(REFUSED).iter().any(|why| HIDES.contains(why)),
            Expect::Status(status) => self.status == status,
            Expect::Application => {
                let sign_in = |to: &&str| to.starts_with("/_amanah/");
                // The application cannot set that header.
                self.values(REFUSED).is_empty()
                    && !matches!(self.status, 401 | 502..=504)
                    && !self.values("location").iter().any(sign_in)
            }
        }
    }
}

/// What came of asking a list of probes.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) total: usize,
    /// Answers that came and were the ones that were meant.
    pub(super) checked: usize,
    /// Header values that were compared.
    pub(super) compared: usize,
    pub(super) findings: Vec<Finding>,
    /// The names of the headers that were found to be wrong.
    pub(super) wrong: BTreeSet<String>,
    /// Why the first probe that could not be checked could not.
    pub(super) missed: Option<String>,
}

impl Survey {
    /// Both together.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.total += other.total;
        self.checked += other.checked;
        self.compared += other.compared;
        self.findings.extend(other.findings);
        self.wrong.extend(other.wrong);
        self.missed = self.missed.or(other.missed);
        self
    }
}

/// A way to a gateway that trusts one authority only.
#[derive(Clone)]
pub(super) struct Reach {
    address: SocketAddr,
    tls: TlsConnector,
    name: ServerName<'static>,
    /// The address that is asked from, where it is not the usual one.
    from: Option<Ipv4Addr>,
}

impl Reach {
    /// The error says what is wrong with the authority's PEM text.
    pub(super) fn new(address: SocketAddr, trusted: &[u8]) -> Result<Self, String> {
        let tls = TlsConnector::from(client_config(trusted).map_err(|e| e.to_string())?);
        let name = ServerName::try_from(HOST).map_err(|e| e.to_string())?;
        Ok(Self { address: reachable(address), tls, name, from: None })
    }

    /// The same way from another address of this machine, whose limits are its own.
    pub(super) fn coming_from(self, from: Ipv4Addr) -> Self {
        Self { from: Some(from).filter(|_| self.address.is_ipv4()), ..self }
    }

    async fn open(&self) -> std::io::Result<TcpStream> {
        let Some(from) = self.from else { return TcpStream::connect(self.address).await };
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((from, 0)))?;
        socket.connect(self.address).await
    }

    /// Where it leads to.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How long the gateway's first word tells browsers to stay on TLS, in seconds.
    pub(super) async fn hsts(&self) -> Result<u64, String> {
        let answer = self.ask(&get("/healthz", "", "", None)).await?;
        let said = answer.values(STRICT_TRANSPORT_SECURITY.as_str());
        Ok(said.first().and_then(|value| max_age(value)).unwrap_or_default())
    }

    /// A connection to ask on.
    pub(super) async fn connect(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let tcp = self.open().await?;
        self.tls.connect(self.name.clone(), tcp).await
    }

    /// Asks every probe, one after the other, and compares every answer with `wanted`.
    pub(super) async fn survey(&self, probes: &[Probe], wanted: &Wanted) -> Survey {
        let mut survey = Survey { total: probes.len(), ..Survey::default() };
        for probe in probes {
            let answer = match self.ask(probe).await {
                Ok(answer) => answer,
                Err(why) => {
                    let missed = format!("{}: {why}", probe.what);
                    survey.missed.get_or_insert(missed);
                    continue;
                }
            };
            survey.compared += wanted.set.len() + wanted.absent.len();
            for (name, came, value) in wanted.differences(&answer, probe.in_clear) {
                let what = match (came.is_empty(), value.is_empty()) {
                    (true, _) => format!("{name} is missing, wanted `{value}`"),
                    (false, true) => format!("{name} is `{came}`, wanted none"),
                    (false, false) => format!("{name} is `{came}`, wanted `{value}`"),
                };
                let object = format!("{} ({})", probe.what, answer.status);
                survey.findings.push(Finding::new(object, what));
                survey.wrong.insert(name.to_owned());
            }
            if answer.is(probe.expect) {
                survey.checked += 1;
            } else {
                let missed = format!("{}: answered {}", probe.what, answer.status);
                survey.missed.get_or_insert(missed);
            }
        }
        survey
    }

    pub(super) async fn ask(&self, probe: &Probe) -> Result<Answer, String> {
        let asked = async {
            if probe.in_clear {
                let tcp = self.open().await?;
                return exchange(tcp, probe.wire.as_bytes()).await;
            }
            exchange(self.connect().await?, probe.wire.as_bytes()).await
        };
        let head = match timeout(ANSWER_DEADLINE, asked).await {
            Ok(Ok(head)) => head,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err("no answer in time".to_owned()),
        };
        parse(&head).ok_or_else(|| "the answer is not HTTP".to_owned())
    }
}

/// Everything that can be asked of a gateway without changing anything: each own route with its
/// method and with a wrong one, each of the application's paths, and each kind of refusal.
pub(super) fn battery(
    own: &[OwnPath],
    upstream_paths: &[String],
    token: Option<&SessionToken>,
) -> Vec<Probe> {
    let mut probes = Vec::new();
    for route in own {
        let (method, path) = (&route.method, route.path.as_str());
        if *method == Method::GET {
            probes.push(get(path, "", ", anonymous", None));
            // What a machine asks of itself has nothing to do with who is signed in.
            if token.is_some() && !is_operational(path) {
                probes.push(get(path, "", ", signed in", token));
            }
        } else {
            let foreign = "Sec-Fetch-Site: cross-site\r\n";
            let what = format!("{method} {path} from another site");
            // Where cookies count for nothing, nobody's browser can be made to do anything: whoever
            // has no token is nobody.
            let refused = if is_for_directories(path) { 401 } else { 403 };
            let expect = Expect::Status(refused);
            probes.push(request(method.as_str(), path, foreign, what, expect));
        }
    }
    let paths: BTreeSet<&str> = own.iter().map(|route| route.path.as_str()).collect();
    for path in paths {
        let routed = |method: &&Method| own.iter().any(|r| r.path == path && r.method == **method);
        let free = [Method::DELETE, Method::PATCH, Method::PUT];
        if let Some(method) = free.iter().find(|method| !routed(method)) {
            let what = format!("{method} {path}");
            probes.push(request(method.as_str(), path, "", what, Expect::Any));
        }
    }
    for path in upstream_paths {
        let html = "Accept: text/html\r\n";
        probes.push(get(path, html, ", anonymous", None));
        let mut page = get(path, html, ", signed in", token);
        page.expect = Expect::Application;
        probes.push(page);
    }
    probes.extend(refusals());
    probes
}

/// One request for each refusal that the gateway gives by itself.
fn refusals() -> Vec<Probe> {
    let target = format!("/{}", "a".repeat(LONG_TARGET_BYTES));
    let filler = format!("X-Filler: {}\r\n", "a".repeat(LONG_HEAD_BYTES));
    let huge = "Content-Length: 999999999999999\r\n";
    let both = "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n";
    let foreign = "Sec-Fetch-Site: cross-site\r\n";
    let missing = "/_amanah/no-such-page";
    let of = |method, path, lines, what: &str, status| {
        request(method, path, lines, what.to_owned(), Expect::Status(status))
    };
    let raw = |what: &str, wire: &str, in_clear| Probe {
        what: what.to_owned(),
        wire: wire.to_owned(),
        expect: Expect::Status(400),
        in_clear,
    };
    vec![
        of("GET", missing, "", "GET a page that does not exist", 404),
        of("TRACE", "/", "", "a method that is not used", 405),
        of("POST", "/", foreign, "POST / from another site", 403),
        of("POST", missing, huge, "a body that is too large", 413),
        of("GET", &target, "", "a target that is too long", 414),
        of("GET", "/", &filler, "a head that is too large", 431),
        of("POST", "/", both, "two statements of a length", 400),
        raw("a line that is not HTTP", "BROKEN\r\n\r\n", false),
        raw("a request in clear", "GET / HTTP/1.1\r\n\r\n", true),
    ]
}

/// A page of the application that nobody is signed in for, asked by a program: the refusal that
/// only a gateway with an application gives.
pub(super) fn signed_out() -> Probe {
    let what = "GET / by a program, anonymous".to_owned();
    request("GET", "/", "", what, Expect::Status(401))
}

/// A report of a browser, with nothing in it.
pub(super) fn report() -> Probe {
    let lines = "Content-Type: application/reports+json\r\nContent-Length: 2\r\n";
    let what = "POST of an empty report of a browser".to_owned();
    let mut probe = request("POST", REPORTS, lines, what, Expect::Status(204));
    probe.wire.push_str("[]");
    probe
}

/// The application's page, to somebody who is signed in.
pub(super) fn page(token: &SessionToken) -> Probe {
    let mut probe = get("/", "Accept: text/html\r\n", ", signed in", Some(token));
    probe.expect = Expect::Application;
    probe
}

/// A page of an application that does not answer.
pub(super) fn dead_upstream(token: &SessionToken) -> Probe {
    let mut probe = get("/", "", " of an application that is down", Some(token));
    probe.expect = Expect::Status(502);
    probe
}

fn get(path: &str, lines: &str, who: &str, token: Option<&SessionToken>) -> Probe {
    let cookie = token.map(|token| format!("Cookie: {SESSION_COOKIE}={}\r\n", token.0.expose()));
    let lines = format!("{lines}{}", cookie.unwrap_or_default());
    request("GET", path, &lines, format!("GET {path}{who}"), Expect::Any)
}

fn request(method: &str, path: &str, lines: &str, what: String, expect: Expect) -> Probe {
    Probe {
        what,
        wire: format!(
            "{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{lines}\r\n"
        ),
        expect,
        in_clear: false,
    }
}

/// Asks something in clear of whoever listens at `address`.
pub(super) async fn ask_in_clear(address: SocketAddr, wire: &str) -> Result<Answer, String> {
    let asked = async { exchange(TcpStream::connect(address).await?, wire.as_bytes()).await };
    match timeout(ANSWER_DEADLINE, asked).await {
        Ok(Ok(head)) => parse(&head).ok_or_else(|| "the answer is not HTTP".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

/// The address itself, or loopback for one that stands for all of them.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => {
            (Ipv4Addr::LOCALHOST, address.port()).into()
        }
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            (Ipv6Addr::LOCALHOST, address.port()).into()
        }
        address => address,
    }
}

/// Sends `wire` and reads the answer's head, with its empty line.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    mut io: S,
    wire: &[u8],
) -> std::io::Result<Vec<u8>> {
    io.write_all(wire).await?;
    io.flush().await?;
    let mut head = Vec::new();
    while head.len() < MAX_ANSWER_BYTES && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if io.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    Ok(head)
}

fn parse(head: &[u8]) -> Option<Answer> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_ANSWER_HEADERS];
    let mut answer = httparse::Response::new(&mut lines);
    if !answer.parse(head).is_ok_and(|parsed| parsed.is_complete()) {
        return None;
    }
    let headers = answer.headers.iter().map(|line| {
        let value = String::from_utf8_lossy(line.value).into_owned();
        (line.name.to_ascii_lowercase(), value)
    });
    Some(Answer { status: answer.code?, headers: headers.collect() })
}

/// Whether anybody listens at `address` at all.
pub(super) async fn answers(address: SocketAddr) -> bool {
    let connected = TcpStream::connect(reachable(address));
    matches!(timeout(ANSWER_DEADLINE, connected).await, Ok(Ok(_)))
}
