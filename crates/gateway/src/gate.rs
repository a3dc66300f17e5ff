//! The gate between a connection and the HTTP library: it lets one checked request through at a
//! time.
//!
//! The library would answer a head that it cannot read by itself, without our headers, and would
//! repair a doubtful one in silence. So it is never shown such a head: it sees the end of the
//! connection instead, and the refusal is written afterwards, by us.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Sleep, sleep, timeout};

use crate::head::{self, Framing, MAX_HEAD_BYTES, Scan};
use crate::refusal::Refusal;
use crate::socket::Socket;

/// How long a client may take nothing of an answer.
pub(crate) const WRITE_STALL: Duration = Duration::from_mins(1);
/// How long the end of a connection may take.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);
/// How much of a refused request is read and thrown away, in bytes, so that the client sees the
/// answer and not a reset.
const LINGER_BYTES: usize = 256 * 1024;
/// How many bytes are asked for at a time.
const READ_BYTES: usize = 8 * 1024;

/// What the gate and the answer of the request that it let through know of each other.
#[derive(Default)]
pub(crate) struct Turn {
    answered: AtomicBool,
    unread: AtomicBool,
    socket: Mutex<Option<Box<Socket>>>,
}

impl Turn {
    /// The answer is the last one: the connection is a socket from there on.
    pub(crate) fn open(&self, socket: Socket) {
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(socket));
    }

    /// What the connection has become.
    pub(crate) fn socket(&self) -> Option<Box<Socket>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The request's body was not read to its end, so the connection ends after this answer.
    pub(crate) fn leave_unread(&self) {
        self.unread.store(true, Ordering::Release);
    }
}

/// Tells the gate, when it is dropped, that the whole answer was handed over.
pub(crate) struct EndOfTurn(pub(crate) Arc<Turn>);

impl Drop for EndOfTurn {
    fn drop(&mut self) {
        self.0.answered.store(true, Ordering::Release);
    }
}

/// A connection that only gives out requests whose head was checked.
pub(crate) struct Gate<S> {
    io: S,
    turn: Arc<Turn>,
    /// Bytes that came in and were not given out.
    held: BytesMut,
    stage: Stage,
    refusal: Option<Refusal>,
    /// Whoever waits for the next request while an answer is under way.
    waiting: Option<Waker>,
    stall: Option<Pin<Box<Sleep>>>,
}

enum Stage {
    /// A head is coming in.
    Head(Scan),
    /// A checked head is given out: so many bytes are left.
    Checked(usize, Framing),
    /// A body is given out.
    Body(Framing),
    /// The whole request was given out and its answer is awaited.
    Answer,
    /// Nothing more is given out.
    Closed,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Gate<S> {
    pub(crate) fn new(io: S, turn: Arc<Turn>) -> Self {
        Self {
            io,
            turn,
            held: BytesMut::new(),
            stage: Stage::Head(Scan::default()),
            refusal: None,
            waiting: None,
            stall: None,
        }
    }

    /// Why the last request was refused, if it was.
    pub(crate) const fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// The connection itself, and what came over it and was not given out.
    pub(crate) fn into_inner(self) -> (S, BytesMut) {
        (self.io, self.held)
    }

    /// Writes `last`, says goodbye and waits a moment for the client to do the same.
    pub(crate) async fn close(mut self, last: &[u8]) {
        let linger = self.refusal.is_some() || self.turn.unread.load(Ordering::Acquire);
        let farewell = async {
            self.io.write_all(last).await?;
            self.io.shutdown().await?;
            let (mut buffer, mut left) = ([0; READ_BYTES], if linger { LINGER_BYTES } else { 0 });
            while left > 0 {
                let read = self.io.read(&mut buffer).await?;
                left = if read == 0 { 0 } else { left.saturating_sub(read) };
            }
            io::Result::Ok(())
        };
        // Whatever goes wrong here, the connection is over.
        let _ = timeout(CLOSE_DEADLINE, farewell).await;
    }

    /// Reads from the connection into `held`; how many bytes came.
    fn poll_hold(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut buffer = [0; READ_BYTES];
        let mut part = ReadBuf::new(&mut buffer);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut part))?;
        self.held.extend_from_slice(part.filled());
        Poll::Ready(Ok(part.filled().len()))
    }

    /// Gives out at most `most` bytes, held ones first; how many there were.
    fn poll_give(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let room = most.min(out.remaining());
        if !self.held.is_empty() {
            let held = self.held.split_to(room.min(self.held.len()));
            out.put_slice(&held);
            return Poll::Ready(Ok(held.len()));
        }
        let mut part = ReadBuf::new(out.initialize_unfilled_to(room));
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        out.advance(read);
        Poll::Ready(Ok(read))
    }

    /// Looks at what came of a head. Whether more is needed.
    fn check_head(&mut self) -> bool {
        let Stage::Head(scan) = &mut self.stage else {
            return false;
        };
        let checked = match scan.end(&self.held) {
            Ok(None) => return true,
            Ok(Some(length)) => {
                let head = self.held.get(..length).unwrap_or_default();
                head::inspect(head).map(|framing| (length, framing))
            }
            Err(refusal) => Err(refusal),
        };
        self.stage = match checked {
            Ok((length, framing)) => Stage::Checked(length, framing),
            Err(refusal) => {
                self.refusal = Some(refusal);
                Stage::Closed
            }
        };
        false
    }

    /// While an answer is under way, only the end of the connection is of interest; what the
    /// client sends ahead waits here.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.held.len() < MAX_HEAD_BYTES {
            match self.poll_hold(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        self.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    /// An answer that the client does not take in [`WRITE_STALL`] is given up.
    fn or_stall<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(WRITE_STALL)));
        ready!(stall.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// The stage does not wait for another read to find out that a request is complete: the answer
/// may be flushed before there is one.
const fn after_head(left: Framing) -> Stage {
    match left {
        Framing::Sized(0) => Stage::Answer,
        left => Stage::Body(left),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gate<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        loop {
            match &mut gate.stage {
                Stage::Head(_) => {
                    if gate.check_head() && ready!(gate.poll_hold(cx))? == 0 {
                        gate.stage = Stage::Closed;
                    }
                }
                Stage::Checked(left, framing) => {
                    let (left, framing) = (*left, *framing);
                    let given = left.min(out.remaining());
                    out.put_slice(gate.held.get(..given).unwrap_or_default());
                    gate.held.advance(given);
                    gate.stage = match left - given {
                        0 => after_head(framing),
                        left => Stage::Checked(left, framing),
                    };
                    return Poll::Ready(Ok(()));
                }
                Stage::Body(Framing::Sized(left)) => {
                    let left = *left;
                    let most = usize::try_from(left).unwrap_or(usize::MAX);
                    let given = ready!(gate.poll_give(cx, out, most))?;
                    let given = u64::try_from(given).unwrap_or(left);
                    gate.stage = after_head(Framing::Sized(left.saturating_sub(given)));
                    return Poll::Ready(Ok(()));
                }
                // The library finds the end of the chunks; the connection ends with the answer,
                // so that nothing behind them is ever taken for a request.
                Stage::Body(Framing::Chunked) => {
                    ready!(gate.poll_give(cx, out, usize::MAX))?;
                    return Poll::Ready(Ok(()));
                }
                Stage::Answer => return gate.poll_end(cx),
                Stage::Closed => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let gate = self.get_mut();
        let written = Pin::new(&mut gate.io).poll_write(cx, bytes);
        gate.or_stall(cx, written)
    }

    /// The library flushes once everything of an answer was written: only then may the next
    /// request through.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        let flushed = Pin::new(&mut gate.io).poll_flush(cx);
        ready!(gate.or_stall(cx, flushed))?;
        if matches!(gate.stage, Stage::Answer) && gate.turn.answered.swap(false, Ordering::AcqRel) {
            gate.stage = Stage::Head(Scan::default());
            if let Some(waiting) = gate.waiting.take() {
                waiting.wake();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
