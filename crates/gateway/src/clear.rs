//! Whoever speaks HTTP without TLS is led to TLS, and nothing else.
//!
//! Only what a browser's address bar asks, GET and HEAD, is led on: a program whose form or token
//! came in clear has to hear of it, or it would go on like this for ever (ASVS 4.1.2). Where to is
//! never taken from the request alone: the host must be one of our names, so that nobody can use the
//! address to lead people elsewhere.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderValue, LOCATION, STRICT_TRANSPORT_SECURITY};
use http::{Response, StatusCode};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Certificates;
use crate::announce::{self, Network};
use crate::gate::{Gate, Turn};
use crate::head::{self, MAX_HEADERS, Scan};
use crate::own_words::to_wire;
use crate::refusal::Refusal;
use crate::serve::Shared;

/// How long a head may take.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// The longest head that is led on, in bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// The most connections of the listener for plain HTTP; more wait to be accepted.
const MAX_CONNECTIONS: usize = 256;
/// The port that an `https` address need not name.
const HTTPS: u16 = 443;

/// Where whoever speaks in clear is led to.
pub(crate) struct Way {
    /// Whose names count as ours.
    pub(crate) certificates: Arc<Certificates>,
    /// The port at which people reach the gateway.
    pub(crate) port: u16,
    /// Whose word about who is behind them is taken.
    pub(crate) proxies: Vec<Network>,
}

impl Way {
    /// The address to ask instead, or `None` when there is none to lead to.
    fn instead_of(&self, head: &[u8]) -> Option<String> {
        head::inspect(head).ok()?;
        let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut lines);
        request.parse(head).ok()?;
        if !matches!(request.method, Some("GET" | "HEAD")) {
            return None;
        }
        let target = request.path.filter(|target| target.starts_with('/'))?;
        let mut headers = request.headers.iter();
        let host = headers.find(|header| header.name.eq_ignore_ascii_case("host"))?.value;
        let name = without_port(std::str::from_utf8(host).ok()?)?;
        if !self.certificates.is_ours(name.trim_matches(['[', ']'])) {
            return None;
        }
        Some(match self.port {
            HTTPS => format!("https://{name}{target}"),
            port => format!("https://{name}:{port}{target}"),
        })
    }
}

/// The name or address in a `Host`, brackets kept.
fn without_port(host: &str) -> Option<&str> {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port),
        _ => (host, ""),
    };
    let is_name = !name.contains([':', '[', ']']);
    let inner = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_address = inner.is_some_and(|inner| matches!(inner.parse(), Ok(IpAddr::V6(_))));
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    Some(name).filter(|_| digits && (is_name || is_address))
}

/// Answers the one request of a connection that is not TLS, and ends it.
pub(crate) async fn answer(mut tcp: TcpStream, shared: &Shared, peer: SocketAddr) {
    let led = timeout(HEAD_DEADLINE, read(&mut tcp, &shared.way)).await.ok().flatten();
    let page = match led.and_then(|to| HeaderValue::try_from(to).ok()) {
        Some(to) => shared.lead(to, peer),
        None => shared.refuse_in_clear(peer),
    };
    let turn = Arc::new(Turn::default());
    // There may be more than the head that was read.
    turn.leave_unread();
    Gate::new(tcp, turn).close(&page).await;
}

/// Reads a head, and says where it is to go.
async fn read(tcp: &mut TcpStream, way: &Way) -> Option<String> {
    let (mut head, mut scan) = (Vec::new(), Scan::default());
    while head.len() < MAX_HEAD_BYTES {
        if tcp.read_buf(&mut head).await.ok()? == 0 || !head.first()?.is_ascii_uppercase() {
            return None;
        }
        if let Some(end) = scan.end(&head).ok()? {
            return way.instead_of(head.get(..end)?);
        }
    }
    None
}

impl Shared {
    /// The bytes of the answer that leads to the same over TLS.
    fn lead(&self, to: HeaderValue, peer: SocketAddr) -> Vec<u8> {
        let mut page = Response::new(Bytes::new());
        *page.status_mut() = StatusCode::PERMANENT_REDIRECT;
        page.headers_mut().insert(LOCATION, to);
        page.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let id = self.request_id();
        self.metrics.answered(page.status());
        tracing::info!(
            target: "gateway::access",
            status = page.status().as_u16(),
            request = %id,
            peer = %peer.ip(),
            "led to TLS"
        );
        self.in_clear(page, &id)
    }

    fn refuse_in_clear(&self, peer: SocketAddr) -> Vec<u8> {
        let (id, page) = self.refuse_before(Refusal::InClear, peer);
        self.in_clear(page, &id)
    }

    /// The policy without the word to browsers that only counts inside TLS (RFC 6797, 7.2).
    fn in_clear(&self, mut page: Response<Bytes>, id: &str) -> Vec<u8> {
        self.finish(&mut page, id);
        page.headers_mut().remove(STRICT_TRANSPORT_SECURITY);
        to_wire(&page)
    }
}

/// Serves plain HTTP for as long as it is polled; once `leave` is sent or dropped, only those who are there.
pub(crate) async fn listen(
    listener: TcpListener,
    shared: Arc<Shared>,
    mut leave: oneshot::Receiver<()>,
) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // The semaphore is never closed, so that there is always a permit in the end.
        let slot = Arc::clone(&slots).acquire_owned().await.ok();
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            _ = &mut leave => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((mut tcp, peer)) => {
                let shared = Arc::clone(&shared);
                shared.metrics.connection();
                connections.spawn(async move {
                    let announced = announce::who(&mut tcp, peer, &shared.way.proxies);
                    if let Ok(Ok(peer)) = timeout(HEAD_DEADLINE, announced).await {
                        answer(tcp, &shared, peer).await;
                    }
                    drop(slot);
                });
            }
            Err(error) => shared.unaccepted.pause(&shared.metrics, &error).await,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use super::without_port;

    #[test]
    fn a_host_is_read_with_and_without_its_port() {
        for (host, name) in [
            ("a.example", Some("a.example")),
            ("a.example:80", Some("a.example")),
            ("127.0.0.1:80", Some("127.0.0.1")),
            ("[::1]", Some("[::1]")),
            ("[::1]:80", Some("[::1]")),
            ("a.example:x", None),
            ("::1", None),
            ("[a.example]", None),
            ("a.example:80:80", None),
        ] {
            assert_eq!(without_port(host), name, "{host}");
        }
    }
}
