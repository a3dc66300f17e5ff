//! What each request is counted to before anything is done for it: limits, bait, and the place of its
//! connection.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Method;
use http::header::AUTHORIZATION;
use http::request::Parts;
use kernel::Identity;

use crate::bait::BAIT_KEY;
use crate::limits::Seat;
use crate::refusal::Refusal;
use crate::serve::{Asked, Shared};
use crate::{bearer, cookies, own};

impl Shared {
    /// Whether it can be read at all, and whether it may be looked up whose session or token it is.
    pub(crate) fn may_show(&self, parts: &Parts, peer: SocketAddr) -> Result<(), Refusal> {
        if own::is_own(parts.uri.path()) {
            own::readable(parts)?;
        }
        let token = parts.headers.contains_key(AUTHORIZATION);
        if token && bearer::read(&parts.headers)?.is_some_and(|token| self.bait.is_key(&token)) {
            self.metrics.bait(true);
            self.bait.take(peer.ip(), &parts.method, BAIT_KEY, None);
            return Err(Refusal::BadToken);
        }
        let shows = token || cookies::carries_session(&parts.headers);
        if shows { self.limits.may_show(peer.ip()).map_err(Refusal::Limited) } else { Ok(()) }
    }

    /// Counts a request, to whoever is signed in or else to where it came from. One of a directory is
    /// counted once it was refused: whether its token is good is known later.
    pub(crate) fn count(
        &self,
        asked: &mut Asked,
        identity: Option<&Identity>,
        directory: bool,
    ) -> Result<(), Refusal> {
        let (method, path) = (&asked.parts.method, asked.parts.uri.path());
        if directory && asked.parts.headers.contains_key(AUTHORIZATION) {
            return Ok(());
        }
        asked.counted = true;
        self.trap(asked.peer, method, path, identity)?;
        let counted = match (identity, &self.ports.gatekeeper) {
            (None, _) => {
                let (peer, headers) = (asked.peer.ip(), &asked.parts.headers);
                self.limits.stranger(peer, method, path, headers)
            }
            (Some(who), Some(gatekeeper)) if !own::is_own(path) => {
                let permission = gatekeeper.permission(method.as_str(), path);
                self.limits.signed_in(who, permission)
            }
            (Some(who), _) => self.limits.signed_in(who, None),
        };
        counted.map_err(Refusal::Limited)
    }

    /// Counts a request to where it came from alone: one that is answered at the door.
    pub(crate) fn count_source(&self, asked: &mut Asked) -> Result<(), Refusal> {
        asked.counted = true;
        self.trap(asked.peer, &asked.parts.method, asked.parts.uri.path(), None)?;
        self.limits.source(asked.peer.ip()).map_err(Refusal::Limited)
    }

    /// Tells who took bait, and hears no strangers from where some did.
    pub(crate) fn trap(
        &self,
        peer: SocketAddr,
        method: &Method,
        path: &str,
        identity: Option<&Identity>,
    ) -> Result<(), Refusal> {
        if let Some(bait) = self.bait.laid_at(path) {
            self.metrics.bait(false);
            let account = identity.map(|who| who.account.as_str());
            self.bait.take(peer.ip(), method, bait, account);
        }
        match identity {
            Some(_) => self.bait.person(peer.ip()),
            None if own::is_operational(path) => {}
            None => self.bait.may_ask(peer.ip()).map_err(Refusal::Limited)?,
        }
        Ok(())
    }
}

impl Asked {
    /// The place of the connection that it came over.
    pub(crate) fn seat(&self) -> Option<&Seat> {
        self.parts.extensions.get::<Arc<Seat>>().map(Arc::as_ref)
    }

    /// Knows the connection of whoever is signed in from now on. On one that is on probation nobody else
    /// is answered, but for the machine itself.
    pub(crate) fn recognise(&self, identity: Option<&Identity>) -> Result<(), Refusal> {
        let Some(seat) = self.seat() else { return Ok(()) };
        match identity {
            Some(who) => seat.recognise(&who.account),
            None if own::is_operational(self.parts.uri.path()) => {}
            None if seat.is_on_probation() => {
                seat.turn_away();
                return Err(Refusal::Busy);
            }
            None => {}
        }
        Ok(())
    }
}
