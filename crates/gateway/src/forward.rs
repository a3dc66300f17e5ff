//! Sign-in and permissions for a proxy that moves the traffic itself (forward authentication).
//!
//! An nginx, Caddy or Traefik that is there already asks here about each request before it passes it on:
//! its head, with the method, the target and the host in `X-Forwarded-*`. It is decided as if the request
//! had come to the gateway, and the answer holds what the application is to be told: the binding, the
//! assertion, and the cookies without ours. Whoever can ask here could get a binding for a session that
//! they hold, so that only addresses which the operator named may; for all others the page does not exist.
//!
//! What it does not do: what the proxy passes on is the proxy's. Its header policy, its bounds, its reading
//! of a request that could be read in two ways are not ours, and it must drop what clients say in
//! `Amanah-*`.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, COOKIE, HOST, HeaderName, HeaderValue,
    TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};

use crate::head;
use crate::headers::one;
use crate::own_words::signed_out;
use crate::refusal::{Language, METHODS, Refusal};
use crate::reply::Reply;
use crate::serve::{Asked, Shared};
use crate::{own, proxy};

/// Where proxies ask.
pub(crate) const PATH: &str = "/_amanah/forward-auth";
/// In the query, for a proxy that passes our answer on to the client: whoever is not signed in is led to
/// the page for it.
const REDIRECT: &str = "sign-in=redirect";

const METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const TARGET: HeaderName = HeaderName::from_static("x-forwarded-uri");
const FOR_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// What the application is to be told, beside the session's.
const KEPT: [HeaderName; 2] = [COOKIE, AUTHORIZATION];

impl Shared {
    /// What a proxy is told about a request: 204 with headers for the application, or why not. Refusals
    /// that a proxy would take for a failure of ours are a 403.
    pub(crate) async fn forward(
        &self,
        asked: &mut Asked,
        id: &str,
    ) -> Result<Response<Reply>, Refusal> {
        let peer = asked.peer.ip();
        if !self.forward_auth.iter().any(|named| named.holds(peer)) {
            return Err(Refusal::NotFound);
        }
        // Refusals are the client's doing, and the address is the proxy's.
        asked.counted = true;
        let redirect = asked.parts.uri.query() == Some(REDIRECT);
        match self.judge_forwarded(asked, id, redirect).await {
            Err(refusal) if is_understood(refusal.status()) => Err(refusal),
            Err(refusal) => {
                self.metrics.refused(refusal);
                let mut page = refusal.page(Language::asked(&asked.parts.headers), id);
                *page.status_mut() = StatusCode::FORBIDDEN;
                Ok(Reply::whole(page))
            }
            Ok(answer) => Ok(answer),
        }
    }

    async fn judge_forwarded(
        &self,
        asked: &mut Asked,
        id: &str,
        redirect: bool,
    ) -> Result<Response<Reply>, Refusal> {
        let mut about = about(&asked.parts)?;
        // Our own pages are to be asked for here, and not to be spoken for.
        if own::is_own(about.uri.path()) {
            return Err(Refusal::NotFound);
        }
        let shown = self.shown(&about, false)?;
        let identity = self.identity(shown.as_ref(), about.uri.path()).await?;
        let Some(identity) = identity else {
            return if redirect { signed_out(&about) } else { Err(Refusal::SignedOut) };
        };
        asked.who = Some(Arc::clone(&identity));
        let permission =
            self.ports.gatekeeper.as_ref().and_then(|gatekeeper| {
                gatekeeper.permission(about.method.as_str(), about.uri.path())
            });
        self.limits.signed_in(&identity, permission).map_err(Refusal::Limited)?;
        asked.recognise(Some(&identity))?;
        self.permit(&identity, &about, id).await?;
        let credentials = self.ports.credentials.as_deref();
        for told in [proxy::BINDING, proxy::ASSERTION] {
            about.headers.remove(told);
        }
        proxy::bind(&mut about, &identity, self.ports.binder.as_ref(), credentials);
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        for name in [proxy::BINDING, proxy::ASSERTION].into_iter().chain(KEPT) {
            if let Some(value) = about.headers.remove(&name) {
                answer.headers_mut().insert(name, value);
            }
        }
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(Reply::whole(answer))
    }
}

/// What every proxy takes for an answer, and none for a failure of ours that it could pass over.
const fn is_understood(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        || status.as_u16() >= StatusCode::INTERNAL_SERVER_ERROR.as_u16()
}

/// The head of the request that is asked about, as it would have come here.
fn about(head: &Parts) -> Result<Parts, Refusal> {
    let method = one(&head.headers, &METHOD).and_then(|name| name.parse().ok());
    let method = method.filter(|method: &Method| METHODS.contains(&method.as_str()));
    let method = method.ok_or(Refusal::Method)?;
    let target = one(&head.headers, &TARGET).ok_or(head::TARGET)?;
    head::check_target(method.as_str(), target)?;
    let host = one(&head.headers, &FOR_HOST).filter(|host| head::is_host(host.as_bytes()));
    let host = HeaderValue::try_from(host.ok_or(head::HOST)?).map_err(|_| head::HOST)?;
    let (mut about, ()) = Request::new(()).into_parts();
    about.method = method;
    about.uri = target.parse().map_err(|_| head::TARGET)?;
    about.headers = head.headers.clone();
    for name in [METHOD, TARGET, FOR_HOST, CONTENT_LENGTH, TRANSFER_ENCODING] {
        about.headers.remove(name);
    }
    about.headers.insert(HOST, host);
    Ok(about)
}
