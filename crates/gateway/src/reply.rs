//! The body of an answer, whoever wrote it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use kernel::Fut;

use crate::gate::EndOfTurn;
use crate::http2::Stream;
use crate::refusal::Refusal;
use crate::upstream::Lease;
use crate::vigil::Vigil;

/// The body of an answer. Dropping it ends the request's turn.
pub(crate) struct Reply {
    source: Source,
    /// Told of the end when the library drops the body, and not before.
    end: Option<End>,
}

/// Who is told that an answer has ended.
pub(crate) enum End {
    /// The gate of its connection, which lets the next request through.
    Turn(#[expect(dead_code, reason = "that it is dropped says everything")] EndOfTurn),
    /// The account of its connection.
    Stream(Stream),
}

enum Source {
    /// All of it.
    Whole(Option<Bytes>),
    /// As it comes from the application.
    Upstream(Incoming, Option<Lease>, Watch),
}

/// Whether somebody asks again for whom the answer is.
enum Watch {
    /// Not yet: it may be over at once.
    Ready(Option<Box<Vigil>>),
    /// It is waited for, and so may its end be.
    Awake(Fut<'static, Refusal>),
}

impl Watch {
    /// Why the answer has to end, if it has to.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Refusal> {
        loop {
            match self {
                Self::Awake(over) => return over.as_mut().poll(cx),
                Self::Ready(vigil) => match vigil.take() {
                    Some(vigil) => *self = Self::Awake(Box::pin(vigil.over())),
                    None => return Poll::Pending,
                },
            }
        }
    }
}

impl Reply {
    /// An answer that is already complete.
    pub(crate) fn whole(answer: Response<Bytes>) -> Response<Self> {
        answer.map(|body| Self {
            source: Source::Whole(Some(body).filter(|body| !body.is_empty())),
            end: None,
        })
    }

    /// An answer that is passed on as it arrives. Its connection goes back to the pool when the
    /// body has ended, and is closed when the body is dropped before, or when `vigil` says so.
    pub(crate) fn upstream(
        answer: Response<Incoming>,
        lease: Lease,
        vigil: Vigil,
    ) -> Response<Self> {
        let mut lease = Some(lease);
        answer.map(|body| {
            if body.is_end_stream() {
                lease.take().into_iter().for_each(Lease::give_back);
            }
            let watch = Watch::Ready(Some(Box::new(vigil)));
            Self { source: Source::Upstream(body, lease, watch), end: None }
        })
    }

    /// The same body, of whose end somebody is told.
    pub(crate) fn ending(mut self, mut end: End) -> Self {
        if let (End::Stream(stream), Source::Whole(_) | Source::Upstream(_, None, _)) =
            (&mut end, &self.source)
        {
            stream.complete();
        }
        self.end = Some(end);
        self
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let reply = self.get_mut();
        let mut stream = match &mut reply.end {
            Some(End::Stream(stream)) => Some(stream),
            _ => None,
        };
        if let Some(stream) = stream.as_deref_mut() {
            stream.taken();
        }
        let (body, lease, watch) = match &mut reply.source {
            Source::Whole(body) => return Poll::Ready(body.take().map(|b| Ok(Frame::data(b)))),
            Source::Upstream(body, lease, watch) => (body, lease, watch),
        };
        loop {
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else {
                let refusal = ready!(watch.poll_over(cx));
                tracing::info!(
                    target: "gateway::access",
                    reason = refusal.label(),
                    "an answer was ended"
                );
                return Poll::Ready(Some(Err(io::Error::other(refusal.label()))));
            };
            if let (Some(Err(_)), Some(lease)) = (&frame, &*lease) {
                lease.broken();
            }
            if frame.is_none() || body.is_end_stream() {
                lease.take().into_iter().for_each(Lease::give_back);
                if let Some(stream) = stream.as_deref_mut() {
                    stream.complete();
                }
            }
            match frame {
                // Trailers are headers that came too late for the policy.
                Some(Ok(frame)) if !frame.is_data() => {}
                frame => {
                    if let Some(stream) = stream.as_deref_mut() {
                        stream.given();
                    }
                    return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Whole(body) => body.is_none(),
            Source::Upstream(body, ..) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(body) => {
                SizeHint::with_exact(body.as_ref().map_or(0, |b| b.len() as u64))
            }
            Source::Upstream(body, ..) => body.size_hint(),
        }
    }
}
