//! Who started a state change: this site, or another.

use http::header::{HOST, HeaderMap, ORIGIN};
use http::{HeaderName, Method};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether the method is one that must not change anything.
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether a browser says that another site started this request.
///
/// `Sec-Fetch-Site` decides when it is there, because no script can set it. Older browsers send
/// `Origin`, which must name this host. A request with neither does not come from a browser, so
/// that nobody's cookie can have been borrowed for it.
pub(crate) fn is_cross_site(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    if let Some(site) = sites.next() {
        let own = site == "same-origin" || site == "none";
        return !own || sites.next().is_some();
    }
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next(), headers.get(HOST)) {
        (None, ..) => false,
        (Some(origin), None, Some(host)) => !same_host(origin.as_bytes(), host.as_bytes()),
        _ => true,
    }
}

/// Whether `origin` is `https://` and `host`. `null` and `http:` are not.
fn same_host(origin: &[u8], host: &[u8]) -> bool {
    origin
        .strip_prefix(b"https://")
        .is_some_and(|named| without_port(named).eq_ignore_ascii_case(without_port(host)))
}

/// Browsers leave the default port out, other clients write it.
fn without_port(host: &[u8]) -> &[u8] {
    host.strip_suffix(b":443").unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::{HOST, HeaderValue, ORIGIN};

    use super::{SEC_FETCH_SITE, is_cross_site};

    fn request(site: &[&'static str], origin: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("shop.example:8443"));
        for value in site {
            headers.append(SEC_FETCH_SITE, HeaderValue::from_static(value));
        }
        for value in origin {
            headers.append(ORIGIN, HeaderValue::from_static(value));
        }
        headers
    }

    /// Each way in which a browser tells, and each way in which it could be cheated.
    #[test]
    fn strangers_are_told_apart() {
        let own = "https://shop.example:8443";
        let evil = "https://evil.example";
        for (site, origin, cross) in [
            (&["same-origin"][..], &[][..], false),
            (&["none"], &[], false),
            (&["cross-site"], &[], true),
            (&["same-site"], &[own], true),
            (&["surprise"], &[], true),
            (&["same-origin", "cross-site"], &[], true),
            (&[], &[], false),
            (&[], &[own], false),
            (&[], &["https://SHOP.example:8443"], false),
            (&[], &["http://shop.example:8443"], true),
            (&[], &["https://shop.example"], true),
            (&[], &["https://shop.example:8443.evil.example"], true),
            (&[], &["null"], true),
            (&[], &[evil], true),
            (&[], &[own, evil], true),
        ] {
            let said = is_cross_site(&request(site, origin));
            assert_eq!(said, cross, "{site:?} {origin:?}");
        }
    }

    /// The default port may be written or left out on either side.
    #[test]
    fn the_default_port_is_no_difference() {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("shop.example:443"));
        headers.insert(ORIGIN, HeaderValue::from_static("https://shop.example"));
        assert!(!is_cross_site(&headers));
    }
}
