//! The body of an answer, whoever wrote it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::gate::EndOfTurn;
use crate::http2::Stream;
use crate::upstream::Lease;

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
    Upstream(Incoming, Option<Lease>),
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
    /// body has ended, and is closed when the body is dropped before.
    pub(crate) fn upstream(answer: Response<Incoming>, lease: Lease) -> Response<Self> {
        answer.map(|body| {
            let mut lease = Some(lease);
            if body.is_end_stream() {
                lease.take().into_iter().for_each(Lease::give_back);
            }
            Self { source: Source::Upstream(body, lease), end: None }
        })
    }

    /// The same body, of whose end somebody is told.
    pub(crate) fn ending(mut self, mut end: End) -> Self {
        if let (End::Stream(stream), Source::Whole(_) | Source::Upstream(_, None)) =
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
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let reply = self.get_mut();
        let mut stream = match &mut reply.end {
            Some(End::Stream(stream)) => Some(stream),
            _ => None,
        };
        if let Some(stream) = stream.as_deref_mut() {
            stream.taken();
        }
        let (body, lease) = match &mut reply.source {
            Source::Whole(body) => return Poll::Ready(body.take().map(|b| Ok(Frame::data(b)))),
            Source::Upstream(body, lease) => (body, lease),
        };
        loop {
            let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
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
                    return Poll::Ready(frame);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Whole(body) => body.is_none(),
            Source::Upstream(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(body) => {
                SizeHint::with_exact(body.as_ref().map_or(0, |b| b.len() as u64))
            }
            Source::Upstream(body, _) => body.size_hint(),
        }
    }
}
