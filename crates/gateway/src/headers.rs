//! The header policy: one table, put on every answer, whoever wrote it.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// What every answer carries. No source but the own origin is ever needed, so that a page of the
/// application can be tightened but nothing of another origin can be loaded, run or framed.
///
/// `Referrer-Policy` is `same-origin` and not `no-referrer`: under the latter browsers send
/// `Origin: null` with forms, and the cross-site check could not tell them from a stranger's.
const SET: [(&str, &str); 12] = [
    ("strict-transport-security", "max-age=31536000; includeSubDomains"),
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
         object-src 'none'; frame-ancestors 'self'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "SAMEORIGIN"),
    // Browsers no longer have the filter this switched on; security pages still promise it.
    ("x-xss-protection", "1; mode=block"),
    ("referrer-policy", "same-origin"),
    (
        "permissions-policy",
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
         microphone=(), midi=(), payment=(), usb=()",
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("origin-agent-cluster", "?1"),
    ("x-permitted-cross-domain-policies", "none"),
];

/// What no answer carries: what would tell an attacker which programs to look up.
const REMOVED: [&str; 4] = ["server", "x-powered-by", "x-aspnet-version", "x-aspnetmvc-version"];

/// The table of headers that are set and of headers that are removed on every answer.
///
/// An upstream's own value is replaced: in this form the application cannot loosen the policy, and
/// cannot tighten it either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderPolicy {
    set: Vec<(HeaderName, HeaderValue)>,
    removed: Vec<HeaderName>,
}

impl Default for HeaderPolicy {
    fn default() -> Self {
        let pair = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        Self { set: SET.map(pair).to_vec(), removed: REMOVED.map(HeaderName::from_static).to_vec() }
    }
}

impl HeaderPolicy {
    /// The same policy which neither sets nor removes the header `name` (in lower case), to see
    /// whether somebody notices.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.set.retain(|(set, _)| set != name);
        self.removed.retain(|removed| removed != name);
        self
    }

    /// Every header that is set, with its value: name in lower case.
    pub fn set(&self) -> impl Iterator<Item = (&str, &str)> {
        // The table is made of static text, so every value is text.
        self.set.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()))
    }

    /// The name of every header that is removed, in lower case.
    pub fn removed(&self) -> impl Iterator<Item = &str> {
        self.removed.iter().map(HeaderName::as_str)
    }

    /// Puts the policy on an answer's headers, replacing what is there.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.removed {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name.clone(), value.clone());
        }
    }
}

/// The value of a header that is there once.
pub(crate) fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderMap, HeaderValue};

    use super::HeaderPolicy;

    /// What the upstream says twice is said once, in our words.
    #[test]
    fn the_policy_replaces_what_is_there() {
        let mut headers = HeaderMap::new();
        headers.append("x-frame-options", HeaderValue::from_static("ALLOWALL"));
        headers.append("x-frame-options", HeaderValue::from_static("DENY"));
        headers.insert("server", HeaderValue::from_static("old/1.0"));
        HeaderPolicy::default().apply(&mut headers);
        let values: Vec<_> = headers.get_all("x-frame-options").iter().collect();
        assert_eq!(values, ["SAMEORIGIN"]);
        assert!(!headers.contains_key("server"));
    }

    /// A dropped header is neither set nor removed, and all others stay.
    #[test]
    fn without_drops_exactly_one() {
        let whole = HeaderPolicy::default();
        let less = whole.clone().without("x-frame-options");
        assert_eq!(less.set().count() + 1, whole.set().count());
        assert_eq!(less.removed().count(), whole.removed().count());
        assert!(less.set().all(|(name, _)| name != "x-frame-options"));
    }
}
