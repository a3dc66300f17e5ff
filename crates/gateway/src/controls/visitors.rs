//! Asking a gateway from many addresses of this machine, and what it answered.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use kernel::{Rng, SessionToken};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::probe::reachable;
use crate::{SESSION_COOKIE, client_config};

/// How long one answer may take.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// The longest head of an answer that is read, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// The host that every certificate of ours is for.
const HOST: &str = "localhost";
/// The second byte of the proofs' own addresses: 127.64.0.0/10, where nobody else is.
const FIRST: u8 = 64;

/// Neighbourhoods of this machine that belong to one proof.
#[derive(Debug, Clone, Copy)]
pub(super) struct Networks {
    first: u16,
}

impl Networks {
    /// Some that no other proof has, unless by chance.
    pub(super) fn draw(rng: &dyn Rng) -> Result<Self, String> {
        let mut bytes = [0; 2];
        rng.fill(&mut bytes).map_err(|error| error.to_string())?;
        Ok(Self { first: u16::from_be_bytes(bytes) })
    }

    /// The address of `host`, 0 to 249, in the neighbourhood `network`.
    pub(super) fn address(self, network: u16, host: u8) -> Ipv4Addr {
        // Fourteen bits tell the neighbourhoods of 127.64.0.0/10 apart.
        let [high, low] = (self.first.wrapping_add(network) % (1 << 14)).to_be_bytes();
        Ipv4Addr::new(127, FIRST | high, low, host.saturating_add(1))
    }
}

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) status: u16,
    head: String,
}

impl Told {
    /// The answer that begins so, if it is one.
    fn read(head: String) -> Option<Self> {
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        Some(Self { status, head })
    }

    /// The limit that refused it, by its label.
    pub(super) fn limit(&self) -> Option<&str> {
        let line = self.header("ratelimit")?;
        line.strip_prefix('"')?.split('"').next()
    }

    /// The value of a header, named in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(n, _)| n.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim())
    }
}

/// A way to a gateway from any address of this machine.
pub(super) struct Visitors {
    address: SocketAddr,
    tls: TlsConnector,
    name: ServerName<'static>,
}

impl Visitors {
    /// The error says what is wrong with the authority's PEM text, or with the address.
    pub(super) fn new(address: SocketAddr, trusted: &[u8]) -> Result<Self, String> {
        let address = reachable(address);
        if !address.is_ipv4() {
            return Err(format!("{address} cannot be asked from addresses of version 4"));
        }
        let tls = TlsConnector::from(client_config(trusted).map_err(|e| e.to_string())?);
        let name = ServerName::try_from(HOST).map_err(|e| e.to_string())?;
        Ok(Self { address, tls, name })
    }

    /// One request without a body on a connection of its own. `lines` end with a line's end each.
    pub(super) async fn ask(
        &self,
        from: Ipv4Addr,
        method: &str,
        path: &str,
        lines: &str,
    ) -> Result<Told, String> {
        self.send(from, (method, path), lines, "").await
    }

    /// The same with a body, whose length is among `lines`.
    pub(super) async fn send(
        &self,
        from: Ipv4Addr,
        (method, path): (&str, &str),
        lines: &str,
        body: &str,
    ) -> Result<Told, String> {
        let asked = async {
            let mut tls = self.connect(from).await?;
            let wire = format!(
                "{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{lines}\r\n{body}"
            );
            tls.write_all(wire.as_bytes()).await?;
            let mut head = Vec::new();
            while head.len() < MAX_HEAD_BYTES && !head.windows(4).any(|end| end == b"\r\n\r\n") {
                if tls.read_buf(&mut head).await? == 0 {
                    break;
                }
            }
            std::io::Result::Ok(head)
        };
        let head = match timeout(ANSWER_DEADLINE, asked).await {
            Ok(Ok(head)) => String::from_utf8_lossy(&head).into_owned(),
            Ok(Err(error)) => return Err(format!("{method} {path} from {from}: {error}")),
            Err(_) => return Err(format!("{method} {path} from {from}: no answer in time")),
        };
        Told::read(head)
            .ok_or_else(|| format!("{method} {path} from {from}: the answer is not HTTP"))
    }

    /// A connection that is kept, for many requests.
    pub(super) async fn line(&self, from: Ipv4Addr) -> Result<Line, String> {
        let tls = match timeout(ANSWER_DEADLINE, self.connect(from)).await {
            Ok(Ok(tls)) => tls,
            Ok(Err(error)) => return Err(format!("a connection from {from}: {error}")),
            Err(_) => return Err(format!("a connection from {from}: none in time")),
        };
        Ok(Line { tls, held: Vec::new() })
    }

    async fn connect(&self, from: Ipv4Addr) -> std::io::Result<TlsStream<TcpStream>> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((from, 0)))?;
        let tcp = socket.connect(self.address).await?;
        self.tls.connect(self.name.clone(), tcp).await
    }
}

/// A connection over which one request after the other is sent.
pub(super) struct Line {
    tls: TlsStream<TcpStream>,
    /// What came and was not read.
    held: Vec<u8>,
}

impl Line {
    /// Asks for a page, and reads the answer to its end.
    pub(super) async fn ask(&mut self, path: &str, lines: &str) -> Result<Told, String> {
        let wire = format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n");
        let asked = timeout(ANSWER_DEADLINE, self.exchange(&wire)).await;
        let head = asked.map_err(|_| format!("GET {path}: no answer in time"))?;
        let head = head.map_err(|error| format!("GET {path}: {error}"))?;
        Told::read(head).ok_or_else(|| format!("GET {path}: the answer is not HTTP"))
    }

    async fn exchange(&mut self, wire: &str) -> std::io::Result<String> {
        self.tls.write_all(wire.as_bytes()).await?;
        let end = loop {
            let end = self.held.windows(4).position(|end| end == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(self.held.get(..end).unwrap_or_default()).into_owned();
        let length = Told::read(head.clone())
            .and_then(|told| told.header("content-length")?.parse::<usize>().ok())
            .unwrap_or_default();
        let whole = end.saturating_add(length.min(MAX_HEAD_BYTES));
        while self.held.len() < whole {
            self.more().await?;
        }
        self.held.drain(..whole);
        Ok(head)
    }

    async fn more(&mut self) -> std::io::Result<()> {
        if self.held.len() > 2 * MAX_HEAD_BYTES || self.tls.read_buf(&mut self.held).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

/// The line that shows a session.
pub(super) fn cookie(token: &SessionToken) -> String {
    format!("Cookie: {SESSION_COOKIE}={}\r\n", token.0.expose())
}

#[cfg(test)]
mod tests {
    use super::Networks;

    #[test]
    fn the_proofs_addresses_are_their_own() {
        for first in [0, 1, 16_383, 16_384, u16::MAX] {
            let networks = Networks { first };
            for network in [0, 1, 200] {
                let [a, b, _, d] = networks.address(network, 249).octets();
                assert!(a == 127 && (64..128).contains(&b) && d == 250, "{first} {network}");
            }
            assert_ne!(networks.address(0, 1), networks.address(1, 1));
        }
    }
}
