//! Sockets for browsers (RFC 6455): the opening is a request like any other, and what comes after it is passed on both ways.
//!
//! The opening is judged, decided and bound as every request is, and must not come from another site.
//! What is said on the socket afterwards is between the client and the application: it is not read here.
//! The socket ends when the opening would not be let through any more (asked every second), when nobody
//! says anything for [`QUIET`], and when the gateway stops. The application is told who opened it, and
//! that is all: the binding that it gets is as short-lived as any.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{Method, Version};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};
use tokio::time::{Instant, sleep_until};

use crate::headers::one;
use crate::upstream::Lease;
use crate::vigil::Vigil;

/// How long neither side may say anything. Programs that keep a socket open say something every half
/// minute or so.
const QUIET: Duration = Duration::from_mins(5);
/// How much is held of each direction, in bytes.
const BUFFER_BYTES: usize = 8 * 1024;
/// A key is 16 bytes in base64.
const KEY_BYTES: usize = 24;
/// The only version there is.
const VERSION: &str = "13";
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// Whether a request opens a socket, in the one form that every program reads the same (RFC 6455). What
/// asks for another protocol, or for this one in another way, is answered as if it had not asked.
pub(crate) fn is_asked(head: &Parts) -> bool {
    let headers = &head.headers;
    head.method == Method::GET
        && head.version == Version::HTTP_11
        && !headers.contains_key(CONTENT_LENGTH)
        && !headers.contains_key(TRANSFER_ENCODING)
        && one(headers, &UPGRADE).is_some_and(|name| name.eq_ignore_ascii_case("websocket"))
        && one(headers, &CONNECTION).is_some_and(names_upgrade)
        && one(headers, &SEC_WEBSOCKET_VERSION) == Some(VERSION)
        && one(headers, &SEC_WEBSOCKET_KEY).is_some_and(is_key)
}

/// Says, to the next hop, what was taken out because it concerns one hop alone.
pub(crate) fn ask(headers: &mut HeaderMap) {
    headers.insert(UPGRADE, WEBSOCKET);
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
}

/// Whether the answer of the application opens it.
pub(crate) fn is_opened(headers: &HeaderMap) -> bool {
    one(headers, &UPGRADE).is_some_and(|name| name.eq_ignore_ascii_case("websocket"))
}

fn names_upgrade(line: &str) -> bool {
    line.split(',').any(|name| name.trim().eq_ignore_ascii_case("upgrade"))
}

fn is_key(key: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"+/".contains(&b);
    let digits = key.strip_suffix("==").unwrap_or_default();
    key.len() == KEY_BYTES && digits.len() + 2 == KEY_BYTES && digits.bytes().all(plain)
}

/// A socket that the application has opened.
pub(crate) struct Socket {
    upstream: Upgraded,
    /// Says that something is under way there.
    lease: Lease,
    vigil: Vigil,
}

impl Socket {
    pub(crate) const fn new(upstream: Upgraded, lease: Lease, vigil: Vigil) -> Self {
        Self { upstream, lease, vigil }
    }

    /// Passes on both ways until it ends. `early` is what the client has said before it was told that the
    /// socket is open.
    pub(crate) async fn run<S>(self, client: S, early: BytesMut)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Self { upstream, lease: _lease, vigil } = self;
        let heard = Arc::new(Heard { since: Instant::now(), last: AtomicU64::new(0) });
        let mut client = Ear { io: client, early, heard: Arc::clone(&heard) };
        let mut upstream = TokioIo::new(upstream);
        let passed =
            copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER_BYTES, BUFFER_BYTES);
        tokio::select! {
            passed = passed => match passed {
                Ok((up, down)) => tracing::debug!(up, down, "a socket was closed"),
                Err(error) => tracing::debug!(%error, "a socket ended early"),
            },
            refusal = vigil.over() => {
                tracing::info!(target: "gateway::access", reason = refusal.label(), "a socket was ended");
            }
            () = heard.nothing() => tracing::debug!("a socket was quiet for too long"),
        }
    }
}

/// When something was said last.
struct Heard {
    since: Instant,
    /// In milliseconds since then.
    last: AtomicU64,
}

impl Heard {
    fn something(&self) {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// Waits until nothing was said for [`QUIET`].
    async fn nothing(&self) {
        loop {
            let last = self.since + Duration::from_millis(self.last.load(Ordering::Relaxed));
            if last.elapsed() >= QUIET {
                return;
            }
            sleep_until(last + QUIET).await;
        }
    }
}

/// The client's side, heard in both directions.
struct Ear<S> {
    io: S,
    early: BytesMut,
    heard: Arc<Heard>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Ear<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let ear = self.get_mut();
        if ear.early.is_empty() {
            ready!(Pin::new(&mut ear.io).poll_read(cx, out))?;
        } else {
            let part = ear.early.len().min(out.remaining());
            out.put_slice(ear.early.get(..part).unwrap_or_default());
            ear.early.advance(part);
        }
        ear.heard.something();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Ear<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let ear = self.get_mut();
        let written = ready!(Pin::new(&mut ear.io).poll_write(cx, bytes))?;
        ear.heard.something();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http::request::Parts;

    use super::is_asked;

    const GOOD: [(&str, &str); 4] = [
        ("upgrade", "WebSocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn head(method: &str, lines: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri("/");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    /// One form, and no other.
    #[test]
    fn a_socket_is_asked_for_in_one_form() {
        assert!(is_asked(&head("GET", &GOOD)));
        assert!(!is_asked(&head("POST", &GOOD)));
        for left_out in 0..GOOD.len() {
            let lines: Vec<_> =
                GOOD.iter().enumerate().filter(|(n, _)| *n != left_out).map(|(_, l)| *l).collect();
            assert!(!is_asked(&head("GET", &lines)), "{lines:?}");
        }
        for more in [
            ("upgrade", "h2c"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("content-length", "0"),
            ("transfer-encoding", "chunked"),
        ] {
            assert!(!is_asked(&head("GET", &[&GOOD[..], &[more]].concat())), "{more:?}");
        }
    }
}
