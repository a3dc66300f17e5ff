//! Patience with the other side, and its end: a program that sends or takes hardly anything for long
//! has gone away, or wants to hold a connection that another could use.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How long the other side may be waited for, until it has moved so many bytes.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub(super) wait: Duration,
    pub(super) bytes: usize,
}

/// A timer that runs only while something is awaited: what we ourselves are slow with is not held
/// against anybody.
struct Patience {
    pace: Pace,
    /// The waiting since so many bytes were moved last, without the present one.
    waited: Duration,
    moved: usize,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Patience {
    const fn of(pace: Pace) -> Self {
        Self { pace, waited: Duration::ZERO, moved: 0, waiting: None }
    }

    /// `moved` as it is, or ready with `None` when it was waited for too long. `bytes` says how
    /// many bytes it moved.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        moved: Poll<T>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Poll<Option<T>> {
        if let Poll::Ready(moved) = moved {
            if let Some((since, _)) = self.waiting.take() {
                self.waited += since.elapsed();
            }
            self.moved = self.moved.saturating_add(bytes(&moved));
            if self.moved >= self.pace.bytes {
                (self.moved, self.waited) = (0, Duration::ZERO);
            }
            return Poll::Ready(Some(moved));
        }
        let left = self.pace.wait.saturating_sub(self.waited);
        let begin = || (Instant::now(), Box::pin(sleep(left)));
        let (_, timer) = self.waiting.get_or_insert_with(begin);
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(None)
    }
}

/// The body of a request, of any size, which fails when it comes too slowly.
pub struct PrivateBody {
    body: Incoming,
    patience: Patience,
}

impl PrivateBody {
    pub(super) const fn new(body: Incoming, pace: Pace) -> Self {
        Self { body, patience: Patience::of(pace) }
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
        let bytes = |frame: &Option<Result<Frame<Bytes>, _>>| match frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        Poll::Ready(match ready!(this.patience.poll(cx, frame, bytes)) {
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

/// A connection whose writes fail when the other side takes hardly anything: an answer lies in
/// memory until it was taken.
pub(super) struct Stalling<S> {
    io: S,
    patience: Patience,
}

impl<S> Stalling<S> {
    pub(super) const fn new(io: S, pace: Pace) -> Self {
        Self { io, patience: Patience::of(pace) }
    }

    fn or_stall<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        let bytes = |written: &io::Result<T>| written.as_ref().map_or(0, bytes);
        let written = ready!(self.patience.poll(cx, written, bytes));
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
        this.or_stall(cx, written, |bytes| *bytes)
    }

    // Otherwise each answer would be copied before it is written, and the copy not be wiped.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, parts);
        this.or_stall(cx, written, |bytes| *bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.io).poll_flush(cx);
        this.or_stall(cx, flushed, |()| 0)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
