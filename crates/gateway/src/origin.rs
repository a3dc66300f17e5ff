//! Who started a state change: this site, or another (cross-site request forgery, CSRF).
//!
//! The attack: another site makes somebody's browser send a form, a script's request or the opening of a
//! socket here, and the browser adds the cookie of their session by itself. Browsers say who started a
//! request, in `Sec-Fetch-Site` and in `Origin`; no script can set either. What they say must be this
//! site, both must agree, and a request that carries a session's cookie must say something: one with
//! neither needs a `Referer` of this site.
//!
//! What it does not stop: a script that runs on this site. And it asks nothing of requests without our
//! cookie and without a statement: programs send those, and nobody's cookie was borrowed for them. A
//! request with a token (`Authorization: Bearer`) is not asked at all: no browser adds one by itself.

use http::header::{
    HOST, HeaderMap, ORIGIN, REFERER, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderName, Method};

use crate::cookies;
use crate::headers::one;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Whether the method is one that must not change anything.
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// What changes have to say about where they were started. All of it is always asked: from outside of
/// this crate nothing can be taken away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SameSite {
    off: Option<Check>,
}

/// One thing that is asked of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// `Sec-Fetch-Site` names this site.
    Site,
    /// `Origin` names this host.
    Origin,
    /// The two agree.
    Agreement,
    /// With the session's cookie, something is said at all.
    Silence,
    /// The opening of a socket is a change.
    Sockets,
}

impl Check {
    pub(crate) const ALL: [Self; 5] =
        [Self::Site, Self::Origin, Self::Agreement, Self::Silence, Self::Sockets];
}

/// What one header says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Here,
    /// `Origin: null`: a page that tells nobody where it is. Frames without an origin say so too.
    Null,
    Elsewhere,
}

impl SameSite {
    /// The same without one of the checks, to see whether somebody notices.
    pub(crate) const fn without(check: Check) -> Self {
        Self { off: Some(check) }
    }

    /// Whether the request is a change that this site has not shown to have started.
    pub(crate) fn refuses(self, parts: &Parts) -> bool {
        let headers = &parts.headers;
        // A socket is a change: browsers open it with a GET, and ask nothing again on it.
        let socket = self.asks(Check::Sockets) && opens_socket(headers);
        if is_safe(&parts.method) && !socket {
            return false;
        }
        match (site(headers), origin(headers)) {
            (Said::Elsewhere | Said::Null, _) => self.asks(Check::Site),
            (Said::Nothing, Said::Elsewhere | Said::Null) => self.asks(Check::Origin),
            (Said::Here, Said::Elsewhere) => self.asks(Check::Agreement),
            (Said::Nothing, Said::Nothing) => {
                self.asks(Check::Silence)
                    && cookies::carries_session(headers)
                    && !is_referred_from_here(headers)
            }
            // `null` beside `same-origin`: a page of ours that sends no referrers. A frame without an
            // origin would be `cross-site`.
            (Said::Here, Said::Here | Said::Null | Said::Nothing) | (Said::Nothing, Said::Here) => {
                false
            }
        }
    }

    fn asks(self, check: Check) -> bool {
        self.off != Some(check)
    }
}

/// Whether it opens a socket, also where a proxy that asks about it has taken the hop's own header
/// (`Upgrade`) away.
fn opens_socket(headers: &HeaderMap) -> bool {
    [&UPGRADE, &SEC_WEBSOCKET_KEY, &SEC_WEBSOCKET_VERSION].iter().any(|n| headers.contains_key(*n))
        || one(headers, &SEC_FETCH_MODE) == Some("websocket")
}

/// A value that browsers do not send, or one that is there twice, is none of ours.
fn site(headers: &HeaderMap) -> Said {
    if !headers.contains_key(SEC_FETCH_SITE) {
        return Said::Nothing;
    }
    // `none`: whoever sits in front of the browser has started it, and no page.
    let own = matches!(one(headers, &SEC_FETCH_SITE), Some("same-origin" | "none"));
    if own { Said::Here } else { Said::Elsewhere }
}

fn origin(headers: &HeaderMap) -> Said {
    if !headers.contains_key(ORIGIN) {
        return Said::Nothing;
    }
    match (one(headers, &ORIGIN), headers.get(HOST)) {
        (Some("null"), _) => Said::Null,
        (Some(origin), Some(host)) if same_host(origin, host.as_bytes()) => Said::Here,
        _ => Said::Elsewhere,
    }
}

/// Whether the page that is referred to is one of this host.
fn is_referred_from_here(headers: &HeaderMap) -> bool {
    let (Some(page), Some(host)) = (one(headers, &REFERER), headers.get(HOST)) else {
        return false;
    };
    let after = page.strip_prefix("https://").unwrap_or_default();
    let named = after.split(['/', '?', '#']).next().unwrap_or_default();
    same_host(&format!("https://{named}"), host.as_bytes())
}

/// Whether `origin` is `https://` and `host`. `http:` is not.
fn same_host(origin: &str, host: &[u8]) -> bool {
    origin.strip_prefix("https://").is_some_and(|named| {
        !named.is_empty() && without_port(named.as_bytes()).eq_ignore_ascii_case(without_port(host))
    })
}

/// Browsers leave the default port out, other clients write it.
fn without_port(host: &[u8]) -> &[u8] {
    host.strip_suffix(b":443").unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http::request::Parts;

    use super::{Check, SameSite};

    const OWN: &str = "https://shop.example:8443";
    const EVIL: &str = "https://evil.example";
    const COOKIE: (&str, &str) = ("cookie", "__Host-amanah=abc");

    fn change(method: &str, lines: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).header("host", "shop.example:8443");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn said(site: &[&str], origin: &[&str]) -> Parts {
        let sites = site.iter().map(|value| ("sec-fetch-site", *value));
        let origins = origin.iter().map(|value| ("origin", *value));
        change("POST", &sites.chain(origins).chain([COOKIE]).collect::<Vec<_>>())
    }

    /// Each way in which a browser tells, and each way in which it could be cheated.
    #[test]
    fn strangers_are_told_apart() {
        for (site, origin, refused) in [
            (&["same-origin"][..], &[][..], false),
            (&["none"], &[], false),
            (&["same-origin"], &[OWN], false),
            (&["same-origin"], &["null"], false),
            (&["same-origin"], &[EVIL], true),
            (&["none"], &[EVIL], true),
            (&["cross-site"], &[], true),
            (&["cross-site"], &["null"], true),
            (&["cross-site"], &[OWN], true),
            (&["same-site"], &[OWN], true),
            (&["surprise"], &[], true),
            (&["same-origin", "cross-site"], &[], true),
            (&[], &[], true),
            (&[], &[OWN], false),
            (&[], &["https://SHOP.example:8443"], false),
            (&[], &["http://shop.example:8443"], true),
            (&[], &["https://shop.example"], true),
            (&[], &["https://shop.example:8443.evil.example"], true),
            (&[], &["null"], true),
            (&[], &[EVIL], true),
            (&[], &[OWN, EVIL], true),
        ] {
            let parts = said(site, origin);
            assert_eq!(SameSite::default().refuses(&parts), refused, "{site:?} {origin:?}");
        }
    }

    /// Whoever says nothing and carries a session has come from a page of ours; programs have no session.
    #[test]
    fn silence_with_a_session_needs_a_referrer_of_ours() {
        let rule = SameSite::default();
        assert!(!rule.refuses(&change("POST", &[])), "a program");
        assert!(!rule.refuses(&change("POST", &[("cookie", "theme=dark")])));
        assert!(!rule.refuses(&change("GET", &[COOKIE])), "nothing is changed");
        // In two parts: whole, it looks like an address with a password.
        let by_name = [OWN, "@evil.example/"].concat();
        for (referrer, refused) in [
            ("https://shop.example:8443/a?b", false),
            ("https://shop.example:8443", false),
            ("https://shop.example:8443.evil.example/", true),
            (by_name.as_str(), true),
            ("http://shop.example:8443/", true),
            ("https://evil.example/https://shop.example:8443/", true),
            ("/a", true),
            ("", true),
        ] {
            let parts = change("POST", &[COOKIE, ("referer", referrer)]);
            assert_eq!(rule.refuses(&parts), refused, "{referrer}");
        }
    }

    /// A socket is a change, whatever its method.
    #[test]
    fn sockets_are_changes() {
        let from = |origin| change("GET", &[("upgrade", "websocket"), ("origin", origin), COOKIE]);
        assert!(SameSite::default().refuses(&from(EVIL)));
        assert!(!SameSite::default().refuses(&from(OWN)));
        assert!(!SameSite::without(Check::Sockets).refuses(&from(EVIL)));
        // As a proxy asks that has taken the hop's own header away.
        for (name, value) in [
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-version", "13"),
            ("sec-fetch-mode", "websocket"),
        ] {
            let from = |origin| change("GET", &[(name, value), ("origin", origin), COOKIE]);
            assert!(SameSite::default().refuses(&from(EVIL)), "{name}");
            assert!(!SameSite::default().refuses(&from(OWN)), "{name}");
        }
    }

    /// The default port may be written or left out on either side.
    #[test]
    fn the_default_port_is_no_difference() {
        let request = Request::post("/").header("host", "shop.example:443");
        let request = request.header("origin", "https://shop.example").body(()).unwrap();
        assert!(!SameSite::default().refuses(&request.into_parts().0));
    }
}
