//! Connections to the application, kept for the next request.

use std::error::Error;
use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{HOST, USER_AGENT};
use http::request::Parts;
use http::uri::Scheme;
use http::{Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::GatewayError;
use crate::body::Whole;
use crate::deploy::{Counts, Tally};
use crate::head::MAX_HEADERS;
use crate::origin::is_safe;
use crate::refusal::Refusal;
use crate::socket;

/// How long a connection to the application may take to open.
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);
/// How long the application may take until the head of its answer is complete.
const ANSWER_DEADLINE: Duration = Duration::from_mins(1);
/// How long an unused connection is kept. Applications usually close theirs after 5 s or later.
const IDLE_DEADLINE: Duration = Duration::from_secs(4);
/// The most unused connections that are kept.
const MAX_IDLE: usize = 64;
/// The most bytes of an answer that are held in memory before they are passed on, head included.
const MAX_BUFFER_BYTES: usize = 128 * 1024;

/// Where the application listens: plain HTTP/1.1, so it belongs on loopback or on a network that
/// nobody else can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    host: String,
    port: u16,
}

impl FromStr for Upstream {
    type Err = GatewayError;

    /// Reads `http://HOST:PORT`, with or without a slash behind it.
    fn from_str(text: &str) -> Result<Self, GatewayError> {
        let wrong = || GatewayError::Upstream(text.chars().take(80).collect());
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let host = uri.host().filter(|host| !host.is_empty());
        let bare = uri.path() == "/" && uri.query().is_none() && !text.contains('@');
        match (uri.scheme(), host, uri.port_u16()) {
            (Some(scheme), Some(host), Some(port)) if *scheme == Scheme::HTTP && bare => {
                Ok(Self { host: host.trim_matches(['[', ']']).to_owned(), port })
            }
            _ => Err(wrong()),
        }
    }
}

impl Upstream {
    /// `HOST:PORT`.
    fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority())
    }
}

/// The connections of one thread to one release of the application. Whoever has something under way
/// there holds it, so that it can be told from outside when nothing is.
pub(crate) struct Pool {
    upstream: Upstream,
    idle: Mutex<Vec<(SendRequest<Whole>, Instant)>>,
    /// Nothing is kept for a next request any more.
    closed: AtomicBool,
    counts: Counts,
}

/// An answer that is still under way, and its connection, unless that is used up afterwards.
pub(crate) struct Lease {
    pool: Arc<Pool>,
    sender: Option<SendRequest<Whole>>,
}

impl Lease {
    /// Keeps the connection for the next request. Only after the answer has ended.
    pub(crate) fn give_back(self) {
        let Some(sender) = self.sender else { return };
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE && !self.pool.closed.load(Ordering::Relaxed) {
            idle.push((sender, Instant::now()));
        }
    }

    /// Counts that the answer ended too early.
    pub(crate) fn broken(&self) {
        self.pool.counts.broken();
    }
}

impl Pool {
    pub(crate) fn new(upstream: Upstream) -> Arc<Self> {
        let (idle, closed) = (Mutex::new(Vec::new()), AtomicBool::new(false));
        Arc::new(Self { upstream, idle, closed, counts: Counts::default() })
    }

    pub(crate) const fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// What became of the requests that were sent there.
    pub(crate) fn tally(&self) -> Tally {
        self.counts.tally()
    }

    /// Ends the connections that nothing is under way on, and keeps no others.
    pub(crate) fn close(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        self.closed.store(true, Ordering::Relaxed);
        idle.clear();
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// A kept connection may have been closed by the application in the meantime. Then the request
    /// is sent once more on a fresh one, but only if it never left or changes nothing.
    pub(crate) async fn send(
        self: &Arc<Self>,
        head: &Parts,
        body: Whole,
    ) -> Result<(Response<Incoming>, Lease), Unanswered> {
        let exchange = async {
            if let Some(sender) = self.take() {
                match self.exchange(sender, head, &body).await {
                    Err(failure) if failure.is_repeatable(head) => {}
                    Err(_) => return Err(Unanswered::finally(Refusal::UpstreamMalformed)),
                    Ok(answer) => return Ok(answer),
                }
            }
            let sender = self.connect().await.ok_or(Unanswered::NOT_SENT)?;
            self.exchange(sender, head, &body).await.map_err(|failure| Unanswered {
                refusal: if failure.unsent {
                    Refusal::UpstreamDown
                } else {
                    Refusal::UpstreamMalformed
                },
                repeatable: failure.is_repeatable(head),
            })
        };
        let done = timeout(ANSWER_DEADLINE, exchange).await;
        let done = done.unwrap_or(Err(Unanswered::finally(Refusal::UpstreamSlow)));
        self.count(done.as_ref().map(|(answer, _)| answer.status()));
        done
    }

    fn count(&self, answered: Result<StatusCode, &Unanswered>) {
        self.counts.answered(answered.map_err(|unanswered| unanswered.refusal));
    }

    async fn exchange(
        self: &Arc<Self>,
        mut sender: SendRequest<Whole>,
        head: &Parts,
        body: &Whole,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        let request = Request::from_parts(head.clone(), body.clone());
        let answer = sender.try_send_request(request).await;
        let answer = answer.map_err(|mut failed| {
            let unsent = failed.take_message().is_some();
            let error = failed.into_error();
            tracing::debug!(%error, "the application did not answer");
            // A reset is told as what the system said.
            let reset = error.source().is_some_and(<dyn Error>::is::<io::Error>);
            let closed =
                reset || error.is_incomplete_message() || error.is_canceled() || error.is_closed();
            Failure { unsent, closed }
        })?;
        // Some frameworks answer 101 to anything; there is no second protocol to pass on.
        if answer.status().is_informational() {
            return Err(Failure { unsent: false, closed: false });
        }
        let pool = Arc::clone(self);
        Ok((answer, Lease { pool, sender: Some(sender) }))
    }

    /// The connection that was used last: the likeliest to be still open.
    fn take(&self) -> Option<SendRequest<Whole>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < IDLE_DEADLINE);
        let ready = idle.iter().rposition(|(sender, _)| sender.is_ready())?;
        Some(idle.remove(ready).0)
    }

    /// Asks for a socket, over a connection of its own. What the application answers instead is an
    /// ordinary answer, whose connection is used up.
    pub(crate) async fn open(self: &Arc<Self>, head: &Parts) -> Result<Opened, Unanswered> {
        let opened = timeout(ANSWER_DEADLINE, self.try_open(head)).await;
        let opened = opened.unwrap_or(Err(Unanswered::finally(Refusal::UpstreamSlow)));
        self.count(opened.as_ref().map(|opened| match opened {
            Opened::Socket(answer, ..) => answer.status(),
            Opened::Not(answer, _) => answer.status(),
        }));
        opened
    }

    async fn try_open(self: &Arc<Self>, head: &Parts) -> Result<Opened, Unanswered> {
        let malformed = || Unanswered::finally(Refusal::UpstreamMalformed);
        let mut sender = self.connect().await.ok_or(Unanswered::NOT_SENT)?;
        let request = Request::from_parts(head.clone(), Whole::default());
        let mut answer = sender.send_request(request).await.map_err(|_| malformed())?;
        let lease = Lease { pool: Arc::clone(self), sender: None };
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Opened::Not(answer, lease));
        }
        if !socket::is_opened(answer.headers()) {
            return Err(malformed());
        }
        let upgraded = hyper::upgrade::on(&mut answer).await.map_err(|_| malformed())?;
        Ok(Opened::Socket(answer.map(|_| ()), upgraded, lease))
    }

    /// Asks for a page of its own accord, on a connection of its own, and says how it was answered; or
    /// in words why it was not.
    pub(crate) async fn ask(self: &Arc<Self>, path: &str) -> Result<StatusCode, String> {
        let request = Request::get(path).header(HOST, self.upstream.authority());
        let request = request.header(USER_AGENT, "amanah-health").body(());
        let (head, ()) = request.map_err(|error| error.to_string())?.into_parts();
        let sender = self.connect().await.ok_or("refused the connection")?;
        let answered = self.exchange(sender, &head, &Whole::default()).await;
        let (answer, _) = answered.map_err(|_| "did not answer in HTTP")?;
        Ok(answer.status())
    }

    async fn connect(&self) -> Option<SendRequest<Whole>> {
        let address = (self.upstream.host.as_str(), self.upstream.port);
        let tcp = timeout(CONNECT_DEADLINE, TcpStream::connect(address)).await.ok()?.ok()?;
        // Small requests must not wait for one another's acknowledgement.
        let _ = tcp.set_nodelay(true);
        let (sender, connection) = http1::Builder::new()
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_BUFFER_BYTES)
            .handshake(TokioIo::new(tcp))
            .await
            .ok()?;
        // It ends with the sender; what went wrong is told to the request.
        tokio::spawn(async move {
            let _ = connection.with_upgrades().await;
        });
        Some(sender)
    }
}

/// What became of the wish for a socket.
pub(crate) enum Opened {
    /// The application's agreement, and the line to it.
    Socket(Response<()>, Upgraded, Lease),
    /// It answered something else.
    Not(Response<Incoming>, Lease),
}

/// Why a request got no answer, once everything was tried.
pub(crate) struct Unanswered {
    pub(crate) refusal: Refusal,
    /// Whether another release may be asked the same.
    pub(crate) repeatable: bool,
}

impl Unanswered {
    const NOT_SENT: Self = Self { refusal: Refusal::UpstreamDown, repeatable: true };

    const fn finally(refusal: Refusal) -> Self {
        Self { refusal, repeatable: false }
    }
}

/// Why a request got no answer.
struct Failure {
    /// The request never left.
    unsent: bool,
    /// The connection ended before an answer began.
    closed: bool,
}

impl Failure {
    /// Whether it may be sent once more: it never left, or changes nothing.
    fn is_repeatable(&self, head: &Parts) -> bool {
        self.unsent || (self.closed && is_safe(&head.method))
    }
}

#[cfg(test)]
mod tests {
    use super::Upstream;

    /// Only an origin on plain HTTP with its port is an upstream.
    #[test]
    fn an_upstream_is_an_origin() {
        for good in ["http://127.0.0.1:8000", "http://[::1]:80", "http://app:3000"] {
            let parsed: Upstream = good.parse().unwrap();
            assert_eq!(parsed.to_string(), good);
        }
        for bad in [
            "",
            "127.0.0.1:8000",
            "https://127.0.0.1:8000",
            "http://127.0.0.1",
            "http://127.0.0.1:8000/app",
            "http://user@127.0.0.1:8000",
            "http://127.0.0.1:8000?x",
        ] {
            let error = bad.parse::<Upstream>().unwrap_err().to_string();
            assert!(error.contains("http://HOST:PORT"), "{error}");
        }
    }
}
