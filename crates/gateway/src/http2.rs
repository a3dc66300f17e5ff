//! HTTP/2: what is agreed with a client, what its requests must be, and what a connection may cost.
//!
//! The library reads the frames, and knows the attacks on them: endless headers, a flood of streams
//! that are given up at once, a flood of errors. It ends such a connection. What it does not know is
//! judged here: a request that two programs could read differently is refused with the same words as
//! over HTTP/1.1, and a connection that is unused, that takes nothing of its answers, or that keeps
//! asking and giving up ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::{Authority, Scheme};
use hyper::server::conn::http2::Builder;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::gate::WRITE_STALL;
use crate::head::{self, MAX_HEADERS};
use crate::refusal::{METHODS, Refusal};

/// The name of the protocol inside TLS.
pub(crate) const ALPN: &[u8] = b"h2";
/// The most requests at one time on a connection.
const MAX_STREAMS: u32 = 100;
/// The largest head, in bytes as the protocol counts them: 32 more for each line than over HTTP/1.1.
const MAX_HEAD_BYTES: u32 = 32 * 1024;
/// How much of one body may be on its way before we have read it, and of all bodies of a connection, in
/// bytes: what HTTP/1.1 holds for a body that nobody has asked for yet.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 128 * 1024;
/// How much of one answer waits for the client at most, in bytes.
const MAX_SEND_BYTES: usize = 64 * 1024;
/// How many requests may be given up before they were begun, and how many of our own refusals of frames
/// a client may provoke, until its connection ends.
const MAX_RESETS: usize = 20;
const MAX_ERRORS: usize = 64;
/// How many requests a client may give up while they are answered. Past it, its connection ends if it gave
/// up more than half of what it asked: each costs the application as much as one that is answered.
const MAX_GIVEN_UP: usize = 100;
/// How often a client is asked whether it is still there, while it has open requests; and how long it may
/// take to say so.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_DEADLINE: Duration = Duration::from_secs(20);
/// How long the last words of an unused connection may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// What every connection is served with.
pub(crate) fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(MAX_SEND_BYTES)
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(MAX_ERRORS)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_DEADLINE);
    builder
}

/// Judges a request as strictly as one of HTTP/1.1, and puts its host where it is there.
///
/// # Errors
/// Why it is refused.
pub(crate) fn judge(parts: &mut Parts) -> Result<(), Refusal> {
    if !METHODS.contains(&parts.method.as_str()) {
        return Err(Refusal::Method);
    }
    if parts.headers.len() > MAX_HEADERS {
        return Err(Refusal::HeadTooLarge);
    }
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    head::check_target(parts.method.as_str(), target)?;
    if parts.uri.scheme().is_some_and(|scheme| *scheme != Scheme::HTTPS) {
        return Err(head::TARGET);
    }
    let host = host(parts)?;
    parts.headers.insert(HOST, host);
    let mut lengths = parts.headers.get_all(CONTENT_LENGTH).iter();
    let length = match (lengths.next(), lengths.next()) {
        (None, _) => true,
        (Some(length), None) => head::number(length.as_bytes()).is_some(),
        _ => false,
    };
    if length && !parts.headers.contains_key(TRANSFER_ENCODING) {
        Ok(())
    } else {
        Err(head::LENGTH)
    }
}

/// The one host that the request names, in either of two places.
fn host(parts: &Parts) -> Result<HeaderValue, Refusal> {
    let mut named = parts.headers.get_all(HOST).iter();
    let authority = parts.uri.authority().map(Authority::as_str);
    let host = match (authority, named.next(), named.next()) {
        (Some(authority), None, None) => authority.as_bytes(),
        (None, Some(host), None) => host.as_bytes(),
        (Some(authority), Some(host), None) if host.as_bytes() == authority.as_bytes() => {
            host.as_bytes()
        }
        _ => return Err(head::HOST),
    };
    let host = Some(host).filter(|host| head::is_host(host)).ok_or(head::HOST)?;
    HeaderValue::from_bytes(host).map_err(|_| head::HOST)
}

/// What the requests of one connection cost.
#[derive(Debug)]
pub(crate) struct Streams {
    since: Instant,
    /// Requests whose answer has not ended.
    open: AtomicUsize,
    asked: AtomicUsize,
    given_up: AtomicUsize,
    /// Answers of which the client was given something and did not take it yet.
    owed: AtomicUsize,
    /// When the last request began or ended or moved on, in milliseconds since the connection began.
    moved: AtomicU64,
    abused: Notify,
}

/// What is to be done about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// Nothing, until then.
    Fine(Instant),
    /// It is unused.
    Idle,
    /// Its client takes nothing of what it asked for.
    Stalled,
}

impl Streams {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            since: Instant::now(),
            open: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            given_up: AtomicUsize::new(0),
            owed: AtomicUsize::new(0),
            moved: AtomicU64::new(0),
            abused: Notify::new(),
        })
    }

    /// A request has come.
    pub(crate) fn begin(self: &Arc<Self>) -> Stream {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.moved();
        Stream { streams: Arc::clone(self), owed: false, answered: false }
    }

    /// Waits until the client has given up more than it may.
    pub(crate) async fn abused(&self) {
        self.abused.notified().await;
    }

    /// How it looks now, where a connection may be unused for `idle`.
    pub(crate) fn outlook(&self, idle: Duration) -> Outlook {
        let moved = self.since + Duration::from_millis(self.moved.load(Ordering::Relaxed));
        let open = self.open.load(Ordering::Relaxed) > 0;
        let (patience, then) = match (open, self.owed.load(Ordering::Relaxed) > 0) {
            (false, _) => (idle, Outlook::Idle),
            (true, true) => (WRITE_STALL, Outlook::Stalled),
            // The application is waited for, and has deadlines of its own.
            (true, false) => return Outlook::Fine(Instant::now() + idle),
        };
        let end = moved + patience;
        if Instant::now() < end { Outlook::Fine(end) } else { then }
    }

    fn moved(&self) {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(now, Ordering::Relaxed);
    }
}

impl Outlook {
    /// How long is waited after the last words were sent.
    pub(crate) fn goodbye() -> Instant {
        Instant::now() + GOODBYE
    }
}

/// One request, from its head to the end of its answer.
#[derive(Debug)]
pub(crate) struct Stream {
    streams: Arc<Streams>,
    owed: bool,
    answered: bool,
}

impl Stream {
    /// The library asks for more of the answer: the client took what it was given.
    pub(crate) fn taken(&mut self) {
        if self.owed {
            self.owed = false;
            self.streams.owed.fetch_sub(1, Ordering::Relaxed);
        }
        self.streams.moved();
    }

    /// The client was given a part of the answer.
    pub(crate) fn given(&mut self) {
        if !self.owed {
            self.owed = true;
            self.streams.owed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The answer is complete: what becomes of it now does not count as given up.
    pub(crate) const fn complete(&mut self) {
        self.answered = true;
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.taken();
        self.streams.open.fetch_sub(1, Ordering::Relaxed);
        if self.answered {
            return;
        }
        let given_up = self.streams.given_up.fetch_add(1, Ordering::Relaxed) + 1;
        let asked = self.streams.asked.load(Ordering::Relaxed);
        if given_up > MAX_GIVEN_UP && given_up > asked / 2 {
            self.streams.abused.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http::request::Parts;

    use super::{HOST, Refusal, judge};

    fn parts(uri: &str, lines: &[(&str, &str)]) -> Parts {
        let mut request = Request::get(uri);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    /// One host, in one place or twice the same.
    #[test]
    fn a_request_names_one_host() {
        for (uri, lines) in [
            ("https://a.example/x?y", &[][..]),
            ("https://a.example:8443/", &[("host", "a.example:8443")]),
            ("/x", &[("host", "a.example")]),
        ] {
            let mut asked = parts(uri, lines);
            assert_eq!(judge(&mut asked), Ok(()), "{uri}");
            assert!(asked.headers[HOST].to_str().unwrap().starts_with("a.example"));
        }
        for (uri, lines) in [
            ("/x", &[][..]),
            ("https://a.example/", &[("host", "b.example")]),
            ("https://a.example/", &[("host", "a.example"), ("host", "a.example")]),
            ("https://me@a.example/", &[]),
            ("http://a.example/", &[]),
        ] {
            let refused = judge(&mut parts(uri, lines));
            assert!(matches!(refused, Err(Refusal::Malformed(_))), "{uri} {lines:?}");
        }
    }

    /// One length, and no other way to state it.
    #[test]
    fn a_request_states_one_length() {
        let lengths = |lines: &[(&str, &str)]| judge(&mut parts("https://a/", lines));
        assert_eq!(lengths(&[("content-length", "3")]), Ok(()));
        for wrong in [
            &[("content-length", "3"), ("content-length", "3")][..],
            &[("content-length", "+3")],
            &[("transfer-encoding", "chunked")],
        ] {
            assert!(lengths(wrong).is_err(), "{wrong:?}");
        }
        let many: Vec<_> = (0..101).map(|_| ("x-a", "b")).collect();
        assert_eq!(lengths(&many), Err(Refusal::HeadTooLarge));
    }

    /// Only what reaches the application over HTTP/1.1 does here.
    #[test]
    fn other_methods_are_refused() {
        let mut asked = parts("https://a/", &[]);
        asked.method = http::Method::CONNECT;
        assert_eq!(judge(&mut asked), Err(Refusal::Method));
        asked.method = http::Method::TRACE;
        assert_eq!(judge(&mut asked), Err(Refusal::Method));
    }
}
