//! Visitors of a scratch gateway: they ask over TLS again and again, read each answer to its end, and
//! count what does not come.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kernel::SessionToken;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::client::TlsStream;

use super::super::probe::Reach;
use crate::SESSION_COOKIE;
use crate::refusal::{REFUSED, Refusal};

/// How many visitors there are, each with a connection of its own.
const VISITORS: usize = 6;
/// How long each thinks between two requests: the proof shares the machine with those who work on it.
const THINKS: Duration = Duration::from_millis(4);
/// What a visitor sends when it sends something.
const BODY: &str = "what a visitor has written into a form";
/// How long one answer, or anything that is waited for, may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked whether something has come about.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// The longest head of an answer, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// The most header lines of an answer.
const MAX_HEADERS: usize = 64;
/// How many failures are told word for word.
const MAX_TOLD: usize = 20;

/// What the visitors have seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// How often each release answered.
    pub(super) by: BTreeMap<String, usize>,
    /// Requests that failed.
    pub(super) failed: usize,
    /// The first of them, in words.
    pub(super) told: Vec<String>,
    /// Requests that change something and were with a release when it died. Nobody may repeat them.
    pub(super) lost: usize,
}

impl Seen {
    /// All that were asked and came to an end.
    pub(super) fn asked(&self) -> usize {
        self.by.values().sum::<usize>() + self.failed + self.lost
    }
}

/// The visitors. They leave when this is dropped.
pub(super) struct Load {
    seen: Arc<Mutex<Seen>>,
    visitors: Vec<JoinHandle<()>>,
}

impl Load {
    pub(super) fn start(reach: &Reach, token: &SessionToken) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let visitors = (0..VISITORS).map(|number| {
            let visitor =
                Visitor { way: Way::new(reach, token), seen: Arc::clone(&seen), turn: number };
            tokio::spawn(visitor.ask_on())
        });
        let visitors = visitors.collect();
        Self { seen, visitors }
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until a release has answered so many more requests.
    pub(super) async fn answered_by(&self, name: &str, more: usize) -> Result<(), String> {
        let count = |seen: Seen| seen.by.get(name).copied().unwrap_or_default();
        let (before, end) = (count(self.seen()), Instant::now() + PATIENCE);
        while count(self.seen()) < before + more {
            if Instant::now() >= end {
                return Err(format!("the visitors got no {more} answers of the {name} release"));
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.visitors.iter().for_each(JoinHandle::abort);
    }
}

/// A way to the gateway for somebody who is signed in.
#[derive(Clone)]
pub(super) struct Way {
    reach: Reach,
    cookie: String,
}

impl Way {
    pub(super) fn new(reach: &Reach, token: &SessionToken) -> Self {
        let cookie = format!("{SESSION_COOKIE}={}", token.0.expose());
        Self { reach: reach.clone(), cookie }
    }

    /// Asks on a new connection, which is handed back for what follows.
    pub(super) async fn ask(&self, path: &str, lines: &str) -> io::Result<TlsStream<TcpStream>> {
        let mut tls = self.reach.connect().await?;
        tls.write_all(self.wire("GET", path, lines, "").as_bytes()).await?;
        tls.flush().await?;
        Ok(tls)
    }

    fn wire(&self, method: &str, path: &str, lines: &str, body: &str) -> String {
        let length = match body.len() {
            0 => String::new(),
            length => format!("Content-Length: {length}\r\n"),
        };
        format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n\
             Cookie: {}\r\n{length}{lines}\r\n{body}",
            self.cookie
        )
    }
}

/// Reads until `end` has come, and says what came.
pub(super) async fn read_until(tls: &mut TlsStream<TcpStream>, end: &str) -> io::Result<String> {
    let mut all = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&all).contains(end) {
            if tls.read_buf(&mut all).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(String::from_utf8_lossy(&all).into_owned())
    };
    timeout(PATIENCE, read).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

struct Visitor {
    way: Way,
    seen: Arc<Mutex<Seen>>,
    turn: usize,
}

impl Visitor {
    async fn ask_on(mut self) {
        let mut line = None;
        loop {
            self.turn += 1;
            let (method, body) =
                if self.turn.is_multiple_of(2) { ("GET", "") } else { ("POST", BODY) };
            let asked = timeout(PATIENCE, self.ask(&mut line, method, body)).await;
            let asked = asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            if asked.is_err() {
                line = None;
            }
            self.count(method, body, asked);
            sleep(THINKS).await;
        }
    }

    async fn ask(
        &self,
        line: &mut Option<TlsStream<TcpStream>>,
        method: &str,
        body: &str,
    ) -> io::Result<Answer> {
        let tls = match line {
            Some(tls) => tls,
            None => line.insert(self.way.reach.connect().await?),
        };
        tls.write_all(self.way.wire(method, "/", "", body).as_bytes()).await?;
        tls.flush().await?;
        let answer = answer(tls).await?;
        if answer.is_last {
            *line = None;
        }
        Ok(answer)
    }

    fn count(&self, method: &str, body: &str, asked: io::Result<Answer>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let why = match asked {
            Ok(answer) => {
                let by = answer.body.strip_suffix(&format!(" {}", body.len()));
                if let (200, Some(name)) = (answer.status, by) {
                    return *seen.by.entry(name.to_owned()).or_default() += 1;
                }
                let lost = answer.refused.as_deref() == Some(Refusal::UpstreamMalformed.label());
                if lost && method != "GET" {
                    return seen.lost += 1;
                }
                format!("{method} /: answered {} {:?}", answer.status, answer.refused)
            }
            Err(error) => format!("{method} /: {error}"),
        };
        seen.failed += 1;
        if seen.told.len() < MAX_TOLD {
            seen.told.push(why);
        }
    }
}

struct Answer {
    status: u16,
    /// Why the gateway itself refused, if it did.
    refused: Option<String>,
    /// Whether nothing more may be asked on its connection.
    is_last: bool,
    body: String,
}

async fn answer(tls: &mut TlsStream<TcpStream>) -> io::Result<Answer> {
    let mut bytes = Vec::new();
    loop {
        if let Some((head, length, mut answer)) = parse(&bytes)? {
            while bytes.len() < head + length {
                if tls.read_buf(&mut bytes).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            let body = bytes.get(head..).unwrap_or_default();
            answer.body = String::from_utf8_lossy(body).into_owned();
            return Ok(answer);
        }
        if bytes.len() > MAX_HEAD_BYTES || tls.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The length of the head and of the body, and what the head says, once it is complete.
fn parse(bytes: &[u8]) -> io::Result<Option<(usize, usize, Answer)>> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut answer = httparse::Response::new(&mut lines);
    let parsed = answer.parse(bytes).map_err(io::Error::other)?;
    let httparse::Status::Complete(head) = parsed else { return Ok(None) };
    let value = |name: &str| {
        let line = answer.headers.iter().find(|line| line.name.eq_ignore_ascii_case(name));
        line.map(|line| String::from_utf8_lossy(line.value).into_owned())
    };
    let length = value("content-length").and_then(|length| length.parse().ok());
    let length = length.ok_or_else(|| io::Error::other("an answer without a length"))?;
    let refused = value(REFUSED.as_str());
    let status = answer.code.unwrap_or_default();
    let is_last = value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok(Some((head, length, Answer { status, refused, is_last, body: String::new() })))
}
