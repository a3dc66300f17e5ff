//! One request's way through the gateway.

mod home;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, Request, Response};
use hyper::body::{Body as _, Incoming};
use kernel::{Fut, Identity, Passage};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::access_log::Entry;
use crate::attack::{Attack, Met};
use crate::bait::Bait;
use crate::bodies::{Bodies, Share};
use crate::body::{self, Gathered, Pace};
use crate::clear::Way;
use crate::gate::{EndOfTurn, Turn};
use crate::gateway::Ports;
use crate::headers::{OfApplication, REPORTS};
use crate::http2::{self, Stream};
use crate::limits::{Limits, Seats};
use crate::own_words::{signed_out, socket_opened, to_wire};
use crate::refusal::{Language, Refusal};
use crate::reply::{End, Reply};
use crate::reports::Lines;
use crate::socket::{self, Socket};
use crate::upstream::Opened;
use crate::vigil::Vigil;
use crate::who::Shown;
use crate::workers::{AtHome, Worker};
use crate::{
    AccessLog, HeaderPolicy, Metrics, Network, SameSite, Upstream, forward, own, proxy, trace,
};
use home::Room;

/// The largest body of a request to a page of ours, in bytes: a form. Strangers send them too, so that
/// they are counted to nobody: what bounds them is this, twice at most while one that came in chunks is
/// put together, on each of the connections that there may be (2,048 unless the settings say otherwise),
/// for as long as a body may take. They take nothing from the memory for other bodies.
const OWN_BODY_BYTES: usize = 64 * 1024;
/// The largest body of a directory, in bytes: a group with thousands of members.
const DIRECTORY_BODY_BYTES: usize = 512 * 1024;
/// The largest body for the application that is not read in steps, in bytes.
const SMALL_BODY_BYTES: usize = 64 * 1024;
/// How much of all the application's bodies together is held in memory, in KiB: two of the largest that
/// are usual for an account, four for a tenant, see `bodies`.
pub(crate) const BODIES_KIB: usize = 128 * 1024;
/// The same of the bodies of directories, which take nothing from that of people: four of the largest for
/// a token, eight for a tenant.
pub(crate) const DIRECTORY_BODIES_KIB: usize = 16 * 1024;
/// How long the answer of whoever decides is waited for. A database that hangs, and does not refuse, would
/// otherwise keep every request until its client gives up.
const DECIDED_WITHIN: Duration = Duration::from_secs(5);

/// What every connection shares.
pub(crate) struct Shared {
    pub(crate) ports: Ports,
    /// Where whatever the ports start goes on.
    pub(crate) home: Handle,
    pub(crate) policy: HeaderPolicy,
    pub(crate) same_site: SameSite,
    pub(crate) report_lines: Lines,
    pub(crate) unaccepted: crate::accepting::Told,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) bait: Bait,
    pub(crate) attack: Attack,
    pub(crate) limits: Limits,
    pub(crate) seats: Arc<Seats>,
    pub(crate) upstream: Option<Upstream>,
    /// Where whoever speaks in clear is led to.
    pub(crate) way: Way,
    pub(crate) access_log: Option<AccessLog>,
    /// The proxies that may ask for decisions.
    pub(crate) forward_auth: Vec<Network>,
    /// The largest body, in bytes.
    pub(crate) body_limit: usize,
    pub(crate) head_deadline: Duration,
    pub(crate) body_deadline: Duration,
    pub(crate) body_window: Duration,
    pub(crate) own_deadline: Duration,
    /// [`BODIES_KIB`].
    pub(crate) bodies: Arc<Bodies>,
    /// [`DIRECTORY_BODIES_KIB`].
    pub(crate) directory_bodies: Arc<Bodies>,
}

impl Shared {
    /// Answers one request: always, and always with the header policy. `worker` is the thread that
    /// answers.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        wire: Wire,
        worker: &Arc<Worker>,
    ) -> Response<Reply> {
        let started = Instant::now();
        let id = self.request_id();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let protocol = wire.protocol();
        let (mut parts, body) = request.into_parts();
        let trace = trace::place(&mut parts.headers, self.ports.rng.as_ref()).ok();
        // Behind chunks the gate lets nothing through, see there.
        let mut last = parts.headers.contains_key(TRANSFER_ENCODING);
        let body = Some(body).filter(|body| !body.is_end_stream());
        let unread = body.is_some();
        let (who, socket_for) = (None, None);
        let mut asked = Asked { parts, body, unread, peer, who, socket_for, counted: false };
        let judged = match &wire {
            // The gate judged it.
            Wire::One(turn) => {
                asked.socket_for =
                    Some(Arc::clone(turn)).filter(|_| socket::is_asked(&asked.parts));
                Ok(())
            }
            Wire::Two(_) => http2::judge(&mut asked.parts),
        };
        let routed = match judged {
            Ok(()) => self.route(&mut asked, &id, worker).await,
            Err(refusal) => Err(refusal),
        };
        let refused = routed.as_ref().err().map(|refusal| refusal.label());
        let mut answer = match routed {
            Ok(answer) => answer,
            Err(refusal) => self.refuse(refusal, Language::asked(&asked.parts.headers), &id),
        };
        // What the client may have said already was meant for a socket.
        last |= asked.socket_for.is_some();
        // A stranger on probation has had their chance, whatever came of it.
        if let Some(seat) = asked.seat().filter(|seat| seat.is_on_probation()) {
            seat.turn_away();
            last = true;
        }
        if !asked.counted && answer.status().is_client_error() {
            self.limits.charge(peer.ip());
        }
        if asked.unread {
            wire.leave_unread();
            last = true;
        }
        self.finish(&mut answer, &id);
        // Over HTTP/2 a connection does not end with one of its requests.
        if last && matches!(wire, Wire::One(_)) {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(CONNECTION, close);
        }
        let status = answer.status();
        self.metrics.answered(status);
        self.log(Entry {
            request: &id,
            trace: trace.as_deref(),
            client: peer.ip().to_canonical(),
            protocol,
            method: method.as_str(),
            path: &path,
            status: status.as_u16(),
            ms: started.elapsed().as_secs_f64() * 1000.0,
            tenant: asked.who.as_ref().map(|who| who.tenant.as_str()),
            actor: asked.who.as_ref().map(|who| who.actor.as_str()),
            refused,
        });
        answer.map(|body| body.ending(wire.end()))
    }

    /// The bytes of a refusal for a request that never became one.
    pub(crate) fn refuse_raw(&self, refusal: Refusal, peer: SocketAddr) -> Vec<u8> {
        let (id, mut page) = self.refuse_before(refusal, peer);
        self.finish(&mut page, &id);
        to_wire(&page)
    }

    /// The id and the page of a refusal for a request that never became one, without the policy.
    pub(crate) fn refuse_before(
        &self,
        refusal: Refusal,
        peer: SocketAddr,
    ) -> (String, Response<Bytes>) {
        let id = self.request_id();
        self.limits.charge(peer.ip());
        self.metrics.refused(refusal);
        self.metrics.answered(refusal.status());
        self.log(Entry {
            request: &id,
            trace: None,
            client: peer.ip().to_canonical(),
            protocol: "-",
            method: "-",
            path: "-",
            status: refusal.status().as_u16(),
            ms: 0.0,
            tenant: None,
            actor: None,
            refused: Some(refusal.label()),
        });
        // What they read was not said yet, or not in a form that could be believed.
        let page = refusal.page(Language::English, &id);
        (id, page)
    }

    async fn route(
        &self,
        asked: &mut Asked,
        id: &str,
        worker: &Arc<Worker>,
    ) -> Result<Response<Reply>, Refusal> {
        if asked.parts.uri.path() == forward::PATH {
            return self.forward(asked, id).await;
        }
        if asked.parts.uri.path() == REPORTS {
            return self.take_report(asked, &worker.gauge).await;
        }
        if own::is_hidden(asked.parts.uri.path(), asked.peer.ip()) {
            return Err(Refusal::NotFound);
        }
        let own = own::is_own(asked.parts.uri.path());
        let directory = own::is_for_directories(asked.parts.uri.path());
        let limit = match (own, directory) {
            (true, true) => self.body_limit.min(DIRECTORY_BODY_BYTES),
            (true, false) => self.body_limit.min(OWN_BODY_BYTES),
            (false, _) => self.body_limit,
        };
        if body::stated(&asked.parts).is_some_and(|stated| stated > limit) {
            return Err(Refusal::BodyTooLarge);
        }
        self.may_show(&asked.parts, asked.peer)?;
        let shown = self.shown(&asked.parts, own)?;
        let identity = self.identity(shown.as_ref(), asked.parts.uri.path()).await?;
        asked.who.clone_from(&identity);
        let lane = match self.meet(asked, identity.as_deref(), &worker.gauge).await? {
            Met::Answered(answer) => return Ok(*answer),
            Met::In(lane) => lane,
        };
        let counted = self.count(asked, identity.as_deref(), directory);
        worker.gauge.saw(identity.is_some(), counted)?;
        asked.recognise(identity.as_deref())?;
        let request_id = HeaderValue::try_from(id).map_err(|_| Refusal::Broken)?;
        proxy::cleanse(&mut asked.parts, asked.peer.ip().to_canonical(), &request_id);
        if own {
            let room = Room { lane, gauge: &worker.gauge, limit, directory };
            return self.own(asked, shown.as_ref(), identity, room).await;
        }
        if worker.route.load().is_none() {
            return Err(Refusal::NotFound);
        }
        let (Some(identity), Some(shown)) = (identity, shown) else {
            return signed_out(&asked.parts);
        };
        let waited = asked.body.is_some();
        if waited {
            // Before memory is taken for its body; without one, `permit` below decides.
            self.may(&identity, &asked.parts.method, asked.parts.uri.path())?;
        }
        let share = waited.then(|| self.bodies.share(&identity.account, identity.tenant.as_str()));
        let body = self.body(asked, limit, share).await?;
        // A body can be held back for minutes: what held when the head came need not hold any more.
        let identity = if waited { self.who(&shown).await? } else { Some(identity) };
        let Some(identity) = identity else {
            return signed_out(&asked.parts);
        };
        self.permit(&identity, &asked.parts, id).await?;
        self.application(asked, (&identity, shown), body, worker).await
    }

    /// What the application answers to somebody who may ask it.
    async fn application(
        &self,
        asked: &mut Asked,
        (identity, shown): (&Arc<Identity>, Shown),
        body: Gathered,
        worker: &Arc<Worker>,
    ) -> Result<Response<Reply>, Refusal> {
        let credentials = self.ports.credentials.as_deref();
        proxy::bind(&mut asked.parts, identity, self.ports.binder.as_ref(), credentials);
        let head = &mut asked.parts;
        let vigil = Vigil::new(worker, shown, identity, head.method.clone(), head.uri.clone());
        // Not before: a body may have taken so long that there is another release by now.
        let route = worker.route.load().as_deref().cloned().ok_or(Refusal::NotFound)?;
        let mut answer = if let Some(turn) = &asked.socket_for {
            socket::ask(&mut head.headers);
            match route.open(head).await? {
                Opened::Socket(answer, line, lease) => {
                    turn.open(Socket::new(line, lease, vigil));
                    asked.socket_for = None;
                    return Ok(socket_opened(answer));
                }
                Opened::Not(answer, lease) => Reply::upstream(answer, lease, vigil),
            }
        } else {
            let (answer, lease) = route.send(head, body.whole()).await?;
            Reply::upstream(answer, lease, vigil)
        };
        proxy::cleanse_answer(answer.headers_mut());
        answer.extensions_mut().insert(OfApplication);
        Ok(answer)
    }

    /// Whether whoever is signed in may ask the application for this.
    pub(crate) fn may(
        &self,
        identity: &Identity,
        method: &Method,
        path: &str,
    ) -> Result<(), Refusal> {
        let Some(gatekeeper) = &self.ports.gatekeeper else {
            return if identity.standing.support.is_some() { Err(Refusal::Denied) } else { Ok(()) };
        };
        match gatekeeper.pass(identity, method.as_str(), path) {
            Passage::Open => Ok(()),
            Passage::Denied => Err(Refusal::Denied),
            Passage::Unmapped => Err(Refusal::Unmapped),
            Passage::StepUp => Err(Refusal::StepUp),
        }
    }

    /// Whether whoever is signed in may ask the application for this. What is asked under a grant of
    /// support is written down first.
    pub(crate) async fn permit(
        &self,
        identity: &Identity,
        parts: &Parts,
        id: &str,
    ) -> Result<(), Refusal> {
        self.may(identity, &parts.method, parts.uri.path())?;
        if identity.standing.support.is_none() {
            return Ok(());
        }
        let Some(gatekeeper) = &self.ports.gatekeeper else {
            return Err(Refusal::Denied);
        };
        let noted = gatekeeper.note(identity, id, parts.method.as_str(), parts.uri.path());
        let noted = self.at_home(noted);
        in_time(noted).await.map_err(|error| {
            tracing::error!(%error, "a request of support could not be written down");
            Refusal::Unrecorded
        })
    }

    /// The whole body, in memory that is counted to `share`.
    pub(crate) async fn body(
        &self,
        asked: &mut Asked,
        limit: usize,
        share: Option<Share>,
    ) -> Result<Gathered, Refusal> {
        let Some(incoming) = asked.body.take() else {
            return Ok(Gathered::default());
        };
        let own = own::is_own(asked.parts.uri.path());
        let pace = Pace {
            limit,
            small: if own { limit } else { SMALL_BODY_BYTES },
            window: self.body_window,
            deadline: self.body_deadline,
        };
        let gathered = body::read(incoming, body::stated(&asked.parts), share, pace).await?;
        asked.unread = false;
        Ok(gathered)
    }

    /// See [`AtHome`].
    pub(crate) const fn at_home<'a, T>(&'a self, future: Fut<'a, T>) -> AtHome<'a, T> {
        AtHome::new(&self.home, future)
    }

    /// Writes down that a request was answered.
    fn log(&self, entry: Entry<'_>) {
        tracing::info!(
            target: "gateway::access",
            request = %entry.request,
            method = %entry.method,
            path = %entry.path,
            status = entry.status,
            refused = entry.refused.unwrap_or("-"),
            "answered"
        );
        if let Some(log) = &self.access_log
            && !log.write(entry)
        {
            self.metrics.unlogged();
        }
    }

    fn refuse(&self, refusal: Refusal, language: Language, id: &str) -> Response<Reply> {
        self.metrics.refused(refusal);
        Reply::whole(refusal.page(language, id))
    }
}

/// The protocol that a request came over, and whoever has to know of its end.
pub(crate) enum Wire {
    /// HTTP/1.1: the gate of the connection.
    One(Arc<Turn>),
    /// HTTP/2: the account of the connection.
    Two(Stream),
}

impl Wire {
    const fn protocol(&self) -> &'static str {
        match self {
            Self::One(_) => "HTTP/1.1",
            Self::Two(_) => "HTTP/2",
        }
    }

    fn leave_unread(&self) {
        if let Self::One(turn) = self {
            turn.leave_unread();
        }
    }

    fn end(self) -> End {
        match self {
            Self::One(turn) => End::Turn(EndOfTurn(turn)),
            Self::Two(stream) => End::Stream(stream),
        }
    }
}

/// A request on its way.
pub(crate) struct Asked {
    pub(crate) parts: Parts,
    /// `None` when there is none, or when it was taken to be read.
    pub(crate) body: Option<Incoming>,
    /// Whether a part of the body is still to come.
    pub(crate) unread: bool,
    pub(crate) peer: SocketAddr,
    /// Whoever is signed in, for the log.
    pub(crate) who: Option<Arc<Identity>>,
    /// Where to a socket goes, if it asks for one and has none yet.
    pub(crate) socket_for: Option<Arc<Turn>>,
    /// Whether a limit has counted it.
    pub(crate) counted: bool,
}

/// What was decided, or why it was not in time.
pub(crate) async fn in_time<T>(
    decision: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    let answered = timeout(DECIDED_WITHIN, decision).await;
    answered.unwrap_or_else(|_| Err(format!("there was no answer in {DECIDED_WITHIN:?}")))
}
