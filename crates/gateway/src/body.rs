//! The body of a request, read whole: how much, how fast, and into whose memory.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, timeout_at};

use crate::bodies::Share;
use crate::refusal::Refusal;

/// The rate that the deadline of a whole body counts on, in bytes per second.
const MIN_BODY_RATE: usize = 16 * 1024;
/// How much of a body has to come in each window, unless its end does, in bytes.
pub(crate) const PROGRESS_BYTES: usize = 32 * 1024;
/// The most memory that is taken at once, in bytes. A body that states no more is a small one.
const STEP_BYTES: usize = 64 * 1024;
/// The memory that is taken first for a body that states no length, in bytes.
const FIRST_BYTES: usize = 8 * 1024;

/// What a body may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// The most bytes that are read.
    pub(crate) limit: usize,
    /// The most that counts as small, in bytes.
    pub(crate) small: usize,
    /// How long [`PROGRESS_BYTES`] may take.
    pub(crate) window: Duration,
    /// How long the whole may take, besides one second for every 16 KiB; and how long, in all, it
    /// may wait for memory.
    pub(crate) deadline: Duration,
}

/// The length that the request states for its body, in bytes.
pub(crate) fn stated(parts: &Parts) -> Option<usize> {
    let length = parts.headers.get(CONTENT_LENGTH)?;
    Some(length.to_str().map_or(usize::MAX, |length| length.parse().unwrap_or(usize::MAX)))
}

/// Reads all of `body`, which states this length, into memory that is counted to `share`; without
/// one, whoever calls knows what else bounds it.
///
/// # Errors
/// Why it is refused. What it held is given back.
pub(crate) async fn read(
    mut body: Incoming,
    stated: Option<usize>,
    share: Option<Share>,
    pace: Pace,
) -> Result<Gathered, Refusal> {
    let mut room = Room { stated, share, pace, taken: 0, patience: pace.deadline };
    room.open().await?;
    let seconds = u64::try_from(room.most() / MIN_BODY_RATE).unwrap_or_default();
    let mut end = Instant::now() + pace.deadline + Duration::from_secs(seconds);
    let (mut due, mut progress, mut length) = (Instant::now() + pace.window, 0, 0_usize);
    let (mut parts, mut part) = (VecDeque::new(), Vec::new());
    loop {
        let frame = timeout_at(due.min(end), body.frame()).await.map_err(|_| Refusal::SlowBody)?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| {
            Refusal::Malformed("The request's body ended too early or is not made of valid chunks.")
        })?;
        // Trailers are of no use to anybody.
        let Ok(mut data) = frame.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length > pace.limit {
            return Err(Refusal::BodyTooLarge);
        }
        progress += data.len();
        let arrived = Instant::now();
        if room.is_small() && stated == Some(data.len()) {
            parts.push_back(data);
            continue;
        }
        while !data.is_empty() {
            let free = part.capacity().saturating_sub(part.len());
            if free == 0 {
                parts.extend(Some(part).filter(|part| !part.is_empty()).map(Bytes::from));
                part = Vec::with_capacity(room.step().await?);
                continue;
            }
            part.extend_from_slice(&data.split_to(free.min(data.len())));
        }
        // Whoever waits for memory of ours is not slow.
        (due, end) = (due + arrived.elapsed(), end + arrived.elapsed());
        if progress >= PROGRESS_BYTES {
            (due, progress) = (Instant::now() + pace.window, 0);
        }
    }
    parts.extend(Some(part).filter(|part| !part.is_empty()).map(Bytes::from));
    let Room { mut share, patience, .. } = room;
    share.iter_mut().for_each(Share::complete);
    Ok(Gathered { parts, length, share, patience })
}

/// The memory that a body is read into.
struct Room {
    stated: Option<usize>,
    share: Option<Share>,
    pace: Pace,
    /// So many bytes of it are there.
    taken: usize,
    /// How long more may be waited for.
    patience: Duration,
}

impl Room {
    /// The most bytes that the body can become.
    fn most(&self) -> usize {
        self.stated.map_or(self.pace.limit, |stated| stated.min(self.pace.limit))
    }

    /// Whether all of it is taken at once.
    fn is_small(&self) -> bool {
        self.stated.is_some_and(|stated| stated <= self.pace.small)
    }

    /// What is taken before a byte has come.
    async fn open(&mut self) -> Result<(), Refusal> {
        let (most, patience) = (self.most(), self.patience);
        let Some(share) = &mut self.share else { return Ok(()) };
        let began = Instant::now();
        match self.stated {
            Some(stated) if stated <= self.pace.small => share.take(most, patience).await?,
            Some(_) => share.reserve(most, patience).await?,
            None => {}
        }
        self.patience = patience.saturating_sub(began.elapsed());
        Ok(())
    }

    /// Takes more, and says how many bytes.
    async fn step(&mut self) -> Result<usize, Refusal> {
        let (most, patience) = (self.most(), self.patience);
        let left = most.saturating_sub(self.taken);
        let step = match self.stated {
            Some(_) if self.is_small() => left,
            Some(_) => left.min(STEP_BYTES),
            // It grows with what came, so that a short one takes little.
            None => self.taken.clamp(FIRST_BYTES, STEP_BYTES).min(left),
        }
        .max(1);
        self.taken += step;
        let taken = self.taken;
        let small = self.is_small() || self.stated.is_none() && taken <= self.pace.small;
        let Some(share) = &mut self.share else { return Ok(step) };
        let began = Instant::now();
        if small && self.stated.is_none() {
            share.take(taken, patience).await?;
        } else if !small {
            share.reserve(most, patience).await?;
            let patience = patience.saturating_sub(began.elapsed());
            share.grow(taken, most, patience).await?;
        }
        self.patience = patience.saturating_sub(began.elapsed());
        Ok(step)
    }
}

/// A body that has come, in parts, and the memory that they are in.
#[derive(Default)]
pub(crate) struct Gathered {
    parts: VecDeque<Bytes>,
    length: usize,
    share: Option<Share>,
    patience: Duration,
}

impl Gathered {
    /// All of it in one piece, and the share that is to be kept for as long as it.
    ///
    /// # Errors
    /// [`Refusal::Busy`]: while it is put together, it is there twice.
    pub(crate) async fn joined(mut self) -> Result<(Bytes, Option<Share>), Refusal> {
        if self.parts.len() <= 1 {
            return Ok((self.parts.pop_front().unwrap_or_default(), self.share));
        }
        if let Some(share) = &mut self.share {
            share.take(self.length.saturating_mul(2), self.patience).await?;
        }
        let mut whole = Vec::with_capacity(self.length);
        self.parts.drain(..).for_each(|part| whole.extend_from_slice(&part));
        Ok((whole.into(), self.share))
    }

    /// As it goes to the application. The memory is given back with the last copy.
    pub(crate) fn whole(self) -> Whole {
        let (parts, left) = (self.parts, self.length as u64);
        Whole { parts, left, _share: self.share.map(Arc::new) }
    }
}

/// A body that is sent. Copies of it share its memory.
#[derive(Clone, Default)]
pub(crate) struct Whole {
    parts: VecDeque<Bytes>,
    /// How many bytes are still to be sent.
    left: u64,
    _share: Option<Arc<Share>>,
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let whole = self.get_mut();
        let part = whole.parts.pop_front();
        whole.left = whole.left.saturating_sub(part.as_ref().map_or(0, |part| part.len() as u64));
        Poll::Ready(part.map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
