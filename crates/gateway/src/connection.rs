//! One connection, from its first byte to its farewell.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use kernel::Fut;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;

use crate::gate::{Gate, Turn};
use crate::handshake::{self, Opened, Terms};
use crate::head::{MAX_HEAD_BYTES, MAX_HEADERS};
use crate::http2::{self, Outlook, Streams};
use crate::limits::Seat;
use crate::reply::Reply;
use crate::serve::{Shared, Wire};
use crate::workers::{Stage, Worker};
use crate::{announce, clear};

/// How long a client may take to agree on TLS, from its first byte on the wire.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
/// The most bytes of a connection that the HTTP library holds in memory.
const MAX_BUFFER_BYTES: usize = 2 * MAX_HEAD_BYTES;

/// One connection.
pub(crate) struct Client {
    pub(crate) worker: Arc<Worker>,
    pub(crate) terms: Terms,
    pub(crate) peer: SocketAddr,
    pub(crate) stage: watch::Receiver<Stage>,
}

impl Client {
    pub(crate) async fn serve(mut self, tcp: TcpStream) {
        let shared = &self.worker.shared;
        shared.metrics.connection();
        // Who is behind a proxy of the operator's is known once it has said so.
        let proxied = shared.way.proxies.iter().any(|proxy| proxy.holds(self.peer.ip()));
        let seat = match (proxied, shared.seats.sit(self.peer.ip())) {
            (true, _) => None,
            (false, Ok(seat)) => Some(seat),
            (false, Err(why)) => return shared.metrics.unseated(why),
        };
        // Answers are written whole; waiting to fill a packet only delays their end.
        let _ = tcp.set_nodelay(true);
        let turn = Arc::new(Turn::default());
        let opened = tokio::select! {
            opened = timeout(HANDSHAKE_DEADLINE, open(tcp, self.peer, shared, &self.terms)) => opened,
            _ = self.stage.wait_for(|stage| *stage == Stage::Draining) => return,
        };
        let (peer, opened) = opened.unwrap_or((self.peer, Opened::Nothing));
        let tls = match opened {
            Opened::Tls(tls) => tls,
            Opened::Clear(tcp) => return clear::answer(tcp, shared, peer).await,
            Opened::Nothing => {
                shared.limits.charge(peer.ip());
                return shared.metrics.handshake_failed();
            }
        };
        self.peer = peer;
        let seat = match seat.map_or_else(|| shared.seats.sit(peer.ip()), Ok) {
            Ok(seat) => Arc::new(seat),
            Err(why) => return shared.metrics.unseated(why),
        };
        if tls.get_ref().1.alpn_protocol() == Some(http2::ALPN) {
            self.serve_two(*tls, seat).await;
        } else {
            self.serve_one(*tls, turn, seat).await;
        }
    }

    /// HTTP/1.1, and HTTP/1.0 of old programs: one request after the other.
    async fn serve_one(mut self, tls: TlsStream<TcpStream>, turn: Arc<Turn>, seat: Arc<Seat>) {
        let shared = &self.worker.shared;
        let gate = TokioIo::new(Gate::new(tls, Arc::clone(&turn)));
        let line = Line {
            worker: Arc::clone(&self.worker),
            peer: self.peer,
            turn: Arc::clone(&turn),
            seat: Arc::clone(&seat),
            stage: self.stage.clone(),
        };
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(shared.head_deadline)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_BUFFER_BYTES)
            .serve_connection(gate, line);
        let mut stopping = false;
        let ended = loop {
            tokio::select! {
                // The end first: an answer that is ready at the same time has to say that it is the last.
                biased;
                _ = self.stage.wait_for(|stage| *stage == Stage::Draining), if !stopping => {
                    stopping = true;
                    pin::Pin::new(&mut connection).graceful_shutdown();
                }
                ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, peer = %self.peer, "a connection ended early");
        }
        let gate = connection.into_parts().io.into_inner();
        if let Some(socket) = turn.socket() {
            let (tls, early) = gate.into_inner();
            return socket.run(tls, early).await;
        }
        let last = match gate.refusal() {
            Some(refusal) => shared.refuse_raw(refusal, self.peer),
            None => Vec::new(),
        };
        gate.close(&last).await;
    }

    /// HTTP/2: many requests at a time, for as long as the connection is used.
    async fn serve_two(mut self, tls: TlsStream<TcpStream>, seat: Arc<Seat>) {
        let idle = self.worker.shared.head_deadline;
        let streams = Streams::new();
        let line = Lines {
            worker: Arc::clone(&self.worker),
            peer: self.peer,
            streams: Arc::clone(&streams),
            seat: Arc::clone(&seat),
        };
        let connection = http2::builder().serve_connection(TokioIo::new(tls), line);
        let mut connection = pin::pin!(connection);
        let mut look = pin::pin!(sleep(idle));
        let mut stopping = false;
        let why = loop {
            tokio::select! {
                biased;
                _ = self.stage.wait_for(|stage| *stage != Stage::Serving), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                ended = &mut connection => break ended.err().map(|error| error.to_string()),
                () = seat.turned_away(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                    look.as_mut().reset(Outlook::goodbye());
                }
                () = streams.abused() => break Some("it asked and gave up too often".to_owned()),
                () = &mut look => match streams.outlook(idle) {
                    Outlook::Fine(until) => look.as_mut().reset(until),
                    Outlook::Stalled => break Some("it takes no answer".to_owned()),
                    Outlook::Idle if stopping => break None,
                    Outlook::Idle => {
                        stopping = true;
                        connection.as_mut().graceful_shutdown();
                        look.as_mut().reset(Outlook::goodbye());
                    }
                },
            }
        };
        if let Some(why) = why {
            tracing::debug!(why, peer = %self.peer, "a connection ended early");
        }
    }
}

/// Finds out who is there, and agrees on TLS.
async fn open(
    mut tcp: TcpStream,
    peer: SocketAddr,
    shared: &Shared,
    terms: &Terms,
) -> (SocketAddr, Opened) {
    match announce::who(&mut tcp, peer, &shared.way.proxies).await {
        Ok(peer) => (peer, handshake::open(tcp, terms, &shared.metrics).await),
        Err(error) => {
            tracing::debug!(%error, %peer, "nobody was announced");
            (peer, Opened::Nothing)
        }
    }
}

/// What the HTTP library calls for each request of one connection.
struct Line {
    worker: Arc<Worker>,
    peer: SocketAddr,
    turn: Arc<Turn>,
    seat: Arc<Seat>,
    stage: watch::Receiver<Stage>,
}

impl Service<Request<Incoming>> for Line {
    type Response = Response<Reply>;
    type Error = Infallible;
    type Future = Fut<'static, Result<Response<Reply>, Infallible>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(Arc::clone(&self.seat));
        let (worker, turn, peer) = (Arc::clone(&self.worker), Arc::clone(&self.turn), self.peer);
        let stage = self.stage.clone();
        Box::pin(async move {
            let wire = Wire::One(turn);
            let mut answer = worker.shared.answer(request, peer, wire, &worker).await;
            let is_last = *stage.borrow() == Stage::Leaving;
            if is_last && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(answer)
        })
    }
}

/// What the HTTP library calls for each request of one connection that speaks HTTP/2.
struct Lines {
    worker: Arc<Worker>,
    peer: SocketAddr,
    streams: Arc<Streams>,
    seat: Arc<Seat>,
}

impl Service<Request<Incoming>> for Lines {
    type Response = Response<Reply>;
    type Error = Infallible;
    type Future = Fut<'static, Result<Response<Reply>, Infallible>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(Arc::clone(&self.seat));
        let (worker, peer) = (Arc::clone(&self.worker), self.peer);
        let wire = Wire::Two(self.streams.begin());
        Box::pin(async move { Ok(worker.shared.answer(request, peer, wire, &worker).await) })
    }
}
