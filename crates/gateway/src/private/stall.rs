//! Patience with the other side, and its end: a program that neither sends nor takes anything for
//! long has gone away, and holds a connection that another could use.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A timer that runs only while something is awaited.
struct Patience {
    most: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    const fn of(most: Duration) -> Self {
        Self { most, timer: None }
    }

    /// `moved` as it is, or ready with `None` when it was pending for too long.
    fn poll<T>(&mut self, cx: &mut Context<'_>, moved: Poll<T>) -> Poll<Option<T>> {
        if let Poll::Ready(moved) = moved {
            self.timer = None;
            return Poll::Ready(Some(moved));
        }
        let most = self.most;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(most)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(None)
    }
}

/// The body of a request, of any size, which fails when it stalls.
pub struct PrivateBody {
    body: Incoming,
    patience: Patience,
}

impl PrivateBody {
    pub(super) const fn new(body: Incoming, stall: Duration) -> Self {
        Self { body, patience: Patience::of(stall) }
    }
}

impl Body for PrivateBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        Poll::Ready(match ready!(this.patience.poll(cx, frame)) {
            Some(frame) => frame.map(|frame| frame.map_err(io::Error::other)),
            None => Some(Err(io::ErrorKind::TimedOut.into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection whose writes fail when the other side takes nothing.
pub(super) struct Stalling<S> {
    io: S,
    patience: Patience,
}

impl<S> Stalling<S> {
    pub(super) const fn new(io: S, stall: Duration) -> Self {
        Self { io, patience: Patience::of(stall) }
    }

    fn or_stall<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let written = ready!(self.patience.poll(cx, written));
        Poll::Ready(written.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into())))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalling<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, out)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalling<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.or_stall(cx, written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.io).poll_flush(cx);
        this.or_stall(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
