//! Where a form comes from.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use kernel::Peer;

use crate::{Origin, browser, cookie};

impl<S: Sync> FromRequestParts<S> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let from = unplaced(&parts.headers);
        // Without the gateway, everybody is one.
        let peer = parts.extensions.get::<Peer>().map_or(from.peer, |peer| peer.0);
        Ok(Self { peer, ..from })
    }
}

/// The same of a request whose address does not matter.
pub(crate) fn unplaced(headers: &HeaderMap) -> Origin {
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    Origin {
        peer: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        browser: cookie::known(headers),
        proof: cookie::proof(headers),
        family: browser::family(agent.unwrap_or_default()),
    }
}
