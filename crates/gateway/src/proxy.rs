//! What is changed on the way to the application and back.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{
    CONNECTION, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Uri, Version};
use kernel::{Binder, Credentials, Door, Identity, Scope, Secret};

use crate::{bearer, cookies, origin};

/// The binding of the request's transaction to its tenant: only we may write it.
pub(crate) const BINDING: HeaderName = HeaderName::from_static("amanah-binding");
/// Who asks, signed: only we may write it.
pub(crate) const ASSERTION: HeaderName = HeaderName::from_static("amanah-assertion");
/// Ours alone, both ways.
const RESERVED_PREFIX: &str = "amanah-";
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Headers that concern one connection and not the message. `Expect` is one for us: whoever waits
/// for a go-ahead gets it from the gateway, which passes the whole body on at once.
static HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    EXPECT,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Headers in which a client could claim another address, host, path or method than its own.
const CLAIMS: [&str; 10] = [
    "client-ip",
    "forwarded",
    "true-client-ip",
    "via",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// Takes everything out of a request that the client has no business saying, and says who it is
/// from. What is left is safe to show to a page of ours.
pub(crate) fn cleanse(parts: &mut Parts, peer: IpAddr, request_id: &HeaderValue) {
    let host = parts.headers.get(HOST).cloned();
    strip_hop_by_hop(&mut parts.headers);
    let unwanted: Vec<HeaderName> = parts.headers.keys().filter(|n| is_claim(n)).cloned().collect();
    for name in unwanted {
        parts.headers.remove(name);
    }
    if let Some(host) = host {
        parts.headers.insert(HOST, host);
    }
    let path = parts.uri.path_and_query().cloned();
    parts.uri = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    parts.version = Version::HTTP_11;
    let headers = &mut parts.headers;
    headers.insert(REQUEST_ID, request_id.clone());
    let text = |text: String| HeaderValue::try_from(text).ok();
    let address = peer.to_string();
    // One of version 6 is written with brackets and quotes in `Forwarded`.
    let (open, close) = if peer.is_ipv6() { ("\"[", "]\"") } else { ("", "") };
    let host = headers.get(HOST).cloned();
    let named = host.as_ref().and_then(|host| host.to_str().ok());
    let forwarded = match named {
        Some(host) => ["for=", open, &address, close, ";host=\"", host, "\";proto=https"].concat(),
        None => ["for=", open, &address, close, ";proto=https"].concat(),
    };
    for (name, value) in [
        (FORWARDED, text(forwarded)),
        (FORWARDED_FOR, text(address)),
        (FORWARDED_HOST, host),
        (FORWARDED_PROTO, Some(HeaderValue::from_static("https"))),
    ] {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
}

/// Makes a cleansed request the application's: without our cookies and tokens, with the binding of
/// whoever is signed in, and a signed word about them. Methods that must not change anything get a binding that cannot, and so does support
/// that may only look.
pub(crate) fn bind(
    parts: &mut Parts,
    identity: &Arc<Identity>,
    binder: &dyn Binder,
    credentials: Option<&dyn Credentials>,
) {
    cookies::hide(&mut parts.headers);
    if identity.door != Door::Browser {
        bearer::hide(&mut parts.headers);
    }
    let minted = binding(&parts.method, identity, binder);
    let assertion = credentials.and_then(|credentials| credentials.assertion(identity));
    for (name, token) in [(BINDING, minted), (ASSERTION, assertion)] {
        if let Some(token) = token
            && let Ok(mut value) = HeaderValue::try_from(token.expose())
        {
            value.set_sensitive(true);
            parts.headers.insert(name, value);
        }
    }
}

/// The binding that goes with a request of `identity`, and the only way in which the gateway makes
/// one: with support it never writes where it may only look, and never outlives the grant.
pub fn binding(method: &Method, identity: &Identity, binder: &dyn Binder) -> Option<Secret> {
    let support = identity.standing.support.as_ref();
    let writes = support.is_none_or(|support| support.scope == Scope::ReadWrite);
    let scope = if origin::is_safe(method) || !writes { Scope::ReadOnly } else { Scope::ReadWrite };
    let until = support.map(|support| support.until);
    binder.mint(&identity.tenant, &identity.actor, scope, until)
}

/// Takes out of the application's answer what only we may say.
pub(crate) fn cleanse_answer(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    let reserved = |name: &&HeaderName| name.as_str().starts_with(RESERVED_PREFIX);
    let unwanted: Vec<HeaderName> = headers.keys().filter(reserved).cloned().collect();
    for name in unwanted {
        headers.remove(name);
    }
    cookies::guard(headers);
}

/// Besides what is always a claim: names with an underscore, because many applications read
/// `Amanah_Binding` and `Amanah-Binding` as the same.
fn is_claim(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with(RESERVED_PREFIX)
        || name.starts_with("x-forwarded-")
        || name.contains('_')
        || CLAIMS.contains(&name)
}

/// Takes out the fixed ones and those that `Connection` names.
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}
