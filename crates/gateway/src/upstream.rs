//! Connections to the application, kept for the next request.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "http://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "http://{}:{}", self.host, self.port)
        }
    }
}

/// The connections to one application.
pub(crate) struct Pool {
    upstream: Upstream,
    idle: Mutex<Vec<(SendRequest<Whole>, Instant)>>,
}

/// A connection whose answer is still under way.
pub(crate) struct Lease {
    pool: Arc<Pool>,
    sender: SendRequest<Whole>,
}

impl Lease {
    /// Keeps the connection for the next request. Only after the answer has ended.
    pub(crate) fn give_back(self) {
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push((self.sender, Instant::now()));
        }
    }
}

impl Pool {
    pub(crate) fn new(upstream: Upstream) -> Arc<Self> {
        Arc::new(Self { upstream, idle: Mutex::new(Vec::new()) })
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// A kept connection may have been closed by the application in the meantime. Then the request
    /// is sent once more on a fresh one, but only if it never left or changes nothing.
    pub(crate) async fn send(
        self: &Arc<Self>,
        head: &Parts,
        body: Whole,
    ) -> Result<(Response<Incoming>, Lease), Refusal> {
        let exchange = async {
            if let Some(sender) = self.take() {
                match self.exchange(sender, head, &body).await {
                    Err(failure) if failure.unsent || (failure.closed && is_safe(&head.method)) => {
                    }
                    Err(_) => return Err(Refusal::UpstreamMalformed),
                    Ok(answer) => return Ok(answer),
                }
            }
            let sender = self.connect().await.ok_or(Refusal::UpstreamDown)?;
            self.exchange(sender, head, &body).await.map_err(|failure| {
                if failure.unsent { Refusal::UpstreamDown } else { Refusal::UpstreamMalformed }
            })
        };
        match timeout(ANSWER_DEADLINE, exchange).await {
            Ok(done) => done,
            Err(_) => Err(Refusal::UpstreamSlow),
        }
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
            let closed = error.is_incomplete_message() || error.is_canceled() || error.is_closed();
            Failure { unsent, closed }
        })?;
        // Some frameworks answer 101 to anything; there is no second protocol to pass on.
        if answer.status().is_informational() {
            return Err(Failure { unsent: false, closed: false });
        }
        let pool = Arc::clone(self);
        Ok((answer, Lease { pool, sender }))
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
    pub(crate) async fn open(&self, head: &Parts) -> Result<Opened, Refusal> {
        let exchange = async {
            let mut sender = self.connect().await.ok_or(Refusal::UpstreamDown)?;
            let request = Request::from_parts(head.clone(), Whole::default());
            let answer = sender.send_request(request).await;
            answer.map_err(|_| Refusal::UpstreamMalformed)
        };
        let answer = timeout(ANSWER_DEADLINE, exchange).await;
        let mut answer = answer.map_err(|_| Refusal::UpstreamSlow)??;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Opened::Not(answer));
        }
        if !socket::is_opened(answer.headers()) {
            return Err(Refusal::UpstreamMalformed);
        }
        let upgraded = hyper::upgrade::on(&mut answer).await;
        let upgraded = upgraded.map_err(|_| Refusal::UpstreamMalformed)?;
        Ok(Opened::Socket(answer.map(|_| ()), upgraded))
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
    Socket(Response<()>, Upgraded),
    /// It answered something else.
    Not(Response<Incoming>),
}

/// Why a request got no answer.
struct Failure {
    /// The request never left.
    unsent: bool,
    /// The connection ended before an answer began.
    closed: bool,
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
