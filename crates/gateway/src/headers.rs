//! The header policy: one table, put on every answer, whoever wrote it.
//!
//! The attack: a page without its headers can be framed, sniffed, injected into, or downgraded. So no
//! answer leaves without them. The application knows its own pages: where it says something tighter than
//! the table ([`tighter`]), that is sent; where it says something looser, ours is. A content security
//! policy of its own is sent beside ours ([`csp`]). What the policy does not stop is what the application
//! does to itself within its own origin.

mod csp;
mod tighter;

use http::header::{CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue};

pub(crate) use csp::{DIRECTIVES, REPORTS, gaps, nonce};
pub(crate) use tighter::max_age;

/// What every answer carries. No source but the own origin is ever needed, so that a page of the
/// application can be tightened but nothing of another origin can be loaded, run or framed.
///
/// `Referrer-Policy` is `same-origin` and not `no-referrer`: under the latter browsers send
/// `Origin: null` with forms, and the cross-site check could not tell older ones from a stranger's.
const SET: [(&str, &str); 11] = [
    ("strict-transport-security", "max-age=31536000; includeSubDomains"),
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
const REPORTING_ENDPOINTS: HeaderName = HeaderName::from_static("reporting-endpoints");
/// What a repeated nonce would be, to see whether somebody notices.
const SAME_NONCE: &str = "c2FtZQ";

/// The table of headers that are set and of headers that are removed on every answer, and the content
/// security policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderPolicy {
    set: Vec<(HeaderName, HeaderValue)>,
    removed: Vec<HeaderName>,
    /// The policy for the application's answers, unless there is none for any.
    application: Option<HeaderValue>,
    /// Who may frame our own pages.
    ancestors: &'static str,
    fault: Option<Fault>,
}

/// Who wrote an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum By<'a> {
    /// The application.
    Application,
    /// This program, with the nonce for its scripts.
    Us(&'a str),
}

/// Among the extensions of an answer: the application wrote it.
#[derive(Clone, Copy)]
pub(crate) struct OfApplication;

/// Among the extensions of an answer of ours: the nonce of its scripts.
#[derive(Clone)]
pub(crate) struct Nonce(pub(crate) String);

/// What a policy does wrong on purpose, to see whether a proof notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Whatever the application says stands.
    Trusting,
    /// What the application says does not count where it is tighter either.
    Deaf,
    /// All pages of ours have one nonce.
    SameNonce,
    /// Scripts may stand in the page.
    Inline,
}

impl Default for HeaderPolicy {
    fn default() -> Self {
        let pair = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let application = HeaderValue::try_from(csp::application(csp::APPLICATION)).ok();
        Self {
            set: SET.map(pair).to_vec(),
            removed: REMOVED.map(HeaderName::from_static).to_vec(),
            application,
            ancestors: "'self'",
            fault: None,
        }
    }
}

impl HeaderPolicy {
    /// The same policy which neither sets nor removes the header `name` (in lower case), to see
    /// whether somebody notices.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.set.retain(|(set, _)| set != name);
        self.removed.retain(|removed| removed != name);
        self.application = self.application.filter(|_| name != CONTENT_SECURITY_POLICY.as_str());
        self
    }

    /// The same policy with a fault.
    #[must_use]
    pub(crate) fn with_fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// The same policy with another value of a header of the table (in lower case).
    ///
    /// # Errors
    /// When there is no such header, or it has no such value; the text says what it can be.
    pub fn with(mut self, name: &str, value: &str) -> Result<Self, String> {
        let line = value.trim();
        check(name, line)?;
        let place = self.set.iter_mut().find(|(set, _)| set == name);
        let (_, old) = place.ok_or_else(|| format!("there is no header `{name}` to set"))?;
        *old = HeaderValue::try_from(line).map_err(|error| error.to_string())?;
        Ok(self)
    }

    /// The same policy with another content security policy for the application's answers.
    ///
    /// # Errors
    /// When browsers would not read it as it is meant; the text says why.
    pub fn with_application_csp(mut self, policy: &str) -> Result<Self, String> {
        let policy = policy.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let policy = policy.trim_end_matches([';', ' ']);
        csp::check(policy)?;
        let line = HeaderValue::try_from(csp::application(policy));
        self.application = Some(line.map_err(|error| error.to_string())?);
        Ok(self)
    }

    /// The same policy, under which other pages of this site may frame our own, or nobody may.
    #[must_use]
    pub const fn framed_by_this_site(mut self, may: bool) -> Self {
        self.ancestors = if may { "'self'" } else { "'none'" };
        self
    }

    /// Every header that is set, with its value: name in lower case. Of the content security policy, what
    /// it says on every answer.
    pub fn set(&self) -> impl Iterator<Item = (&str, &str)> {
        let csp = self.application.iter().map(|_| (CONTENT_SECURITY_POLICY.as_str(), csp::FLOOR));
        // The values were text before they were in the table.
        let table =
            self.set.iter().map(|(name, v)| (name.as_str(), v.to_str().unwrap_or_default()));
        table.chain(csp)
    }

    /// The name of every header that is removed, in lower case.
    pub fn removed(&self) -> impl Iterator<Item = &str> {
        self.removed.iter().map(HeaderName::as_str)
    }

    /// Puts the policy on an answer's headers.
    pub(crate) fn apply(&self, headers: &mut HeaderMap, by: By<'_>) {
        for name in &self.removed {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            if !self.is_kept(headers, name, value) {
                headers.insert(name.clone(), value.clone());
            }
        }
        self.secure_content(headers, by);
    }

    /// Whether what is there is as tight as ours, or tighter.
    fn is_kept(&self, headers: &HeaderMap, name: &HeaderName, ours: &HeaderValue) -> bool {
        match self.fault {
            Some(Fault::Trusting) => headers.contains_key(name),
            Some(Fault::Deaf) => false,
            _ => match (ours.to_str(), one(headers, name)) {
                (Ok(ours), Some(theirs)) => tighter::is_tighter(name.as_str(), ours, theirs),
                _ => false,
            },
        }
    }

    /// The content security policy: on pages of ours one, on the application's ours and then its own.
    fn secure_content(&self, headers: &mut HeaderMap, by: By<'_>) {
        let Some(application) = &self.application else { return };
        let ours = match by {
            By::Application => Some(application.clone()),
            By::Us(nonce) => {
                let nonce = if self.fault == Some(Fault::SameNonce) { SAME_NONCE } else { nonce };
                HeaderValue::try_from(csp::own(nonce, self.ancestors)).ok()
            }
        };
        let Some(mut ours) = ours else { return };
        if self.fault == Some(Fault::Inline)
            && let Ok(text) = ours.to_str()
            && let Ok(weak) =
                HeaderValue::try_from(text.replace("script-src", "script-src 'unsafe-inline'"))
        {
            ours = weak;
        }
        let theirs: Vec<HeaderValue> = match by {
            By::Application => headers.get_all(CONTENT_SECURITY_POLICY).iter().cloned().collect(),
            By::Us(_) => Vec::new(),
        };
        if self.fault == Some(Fault::Trusting) && !theirs.is_empty() {
            return;
        }
        headers.insert(CONTENT_SECURITY_POLICY, ours);
        if self.fault != Some(Fault::Deaf) {
            for line in theirs {
                headers.append(CONTENT_SECURITY_POLICY, line);
            }
        }
        // Behind the application's, since browsers take the last of each name.
        headers.append(REPORTING_ENDPOINTS, HeaderValue::from_static(csp::ENDPOINTS));
    }
}

/// Whether the header may have this value; the text says what it may have.
fn check(name: &str, value: &str) -> Result<(), String> {
    let right = match name {
        "strict-transport-security" => {
            let part = |part: &str| {
                let part = part.trim().to_ascii_lowercase();
                part.starts_with("max-age=") || matches!(&*part, "includesubdomains" | "preload")
            };
            value.split(';').all(part) && max_age(value).is_some()
        }
        "permissions-policy" => tighter::features(value).is_some(),
        "x-xss-protection" => matches!(value, "0" | "1" | "1; mode=block"),
        _ => match tighter::known(name) {
            Some(known) => known.iter().any(|known| known.eq_ignore_ascii_case(value)),
            None => return Err(format!("`{name}` is always as it is")),
        },
    };
    if right { Ok(()) } else { Err(format!("`{value}` is no value of it; it is {}", forms(name))) }
}

fn forms(name: &str) -> String {
    match name {
        "strict-transport-security" => "`max-age=SECONDS; includeSubDomains`".to_owned(),
        "permissions-policy" => "a list like `camera=(), usb=(self)`".to_owned(),
        "x-xss-protection" => "`0`, `1` or `1; mode=block`".to_owned(),
        _ => tighter::known(name).unwrap_or_default().join(", "),
    }
}

/// Whether `came`, every value of a header on an answer, is what was wanted of it, or tighter.
pub(crate) fn meets(name: &str, wanted: &str, came: &[&str]) -> bool {
    if name == CONTENT_SECURITY_POLICY.as_str() {
        return came.iter().any(|policy| csp::holds(wanted, policy));
    }
    match came {
        [came] => *came == wanted || tighter::is_tighter(name, wanted, came),
        _ => false,
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

    use super::{By, HeaderPolicy, meets};

    fn all<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
        headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// What the upstream says twice, or says looser, is said once, in our words.
    #[test]
    fn the_policy_replaces_what_is_looser() {
        let mut headers = HeaderMap::new();
        headers.append("x-frame-options", HeaderValue::from_static("ALLOWALL"));
        headers.append("x-frame-options", HeaderValue::from_static("DENY"));
        headers.insert("referrer-policy", HeaderValue::from_static("unsafe-url"));
        headers.insert("server", HeaderValue::from_static("old/1.0"));
        HeaderPolicy::default().apply(&mut headers, By::Application);
        assert_eq!(all(&headers, "x-frame-options"), ["SAMEORIGIN"]);
        assert_eq!(all(&headers, "referrer-policy"), ["same-origin"]);
        assert!(!headers.contains_key("server"));
    }

    /// What the application says tighter stays, and its content security policy comes beside ours.
    #[test]
    fn the_application_may_tighten() {
        let mut headers = HeaderMap::new();
        headers.insert("x-frame-options", HeaderValue::from_static("DENY"));
        headers.insert("content-security-policy", HeaderValue::from_static("default-src *"));
        HeaderPolicy::default().apply(&mut headers, By::Application);
        assert_eq!(all(&headers, "x-frame-options"), ["DENY"]);
        let policies = all(&headers, "content-security-policy");
        assert_eq!((policies.len(), policies[1]), (2, "default-src *"));
        assert!(policies[0].contains("script-src 'self'"), "{policies:?}");
        for (name, value) in HeaderPolicy::default().set() {
            assert!(meets(name, value, &all(&headers, name)), "{name}");
        }
    }

    /// A page of ours has one policy, with the nonce of its answer.
    #[test]
    fn a_page_of_ours_has_one_policy() {
        let mut headers = HeaderMap::new();
        headers.insert("content-security-policy", HeaderValue::from_static("default-src *"));
        let policy = HeaderPolicy::default().framed_by_this_site(false);
        policy.apply(&mut headers, By::Us("n1"));
        let policies = all(&headers, "content-security-policy");
        assert_eq!(policies.len(), 1);
        assert!(policies[0].contains("script-src 'nonce-n1';"), "{policies:?}");
        assert!(policies[0].contains("frame-ancestors 'none';"), "{policies:?}");
        assert!(policies[0].contains("require-trusted-types-for 'script'"), "{policies:?}");
    }

    /// The configuration can say what a header can be, and nothing that would end it.
    #[test]
    fn values_of_the_configuration_are_checked() {
        let with = |name, value| HeaderPolicy::default().with(name, value);
        assert!(with("x-frame-options", "DENY").is_ok());
        assert!(with("strict-transport-security", "max-age=63072000; preload").is_ok());
        assert!(with("permissions-policy", "camera=(self), usb=()").is_ok());
        for (name, value, why) in [
            ("x-frame-options", "ALLOWALL", "deny, sameorigin"),
            ("x-frame-options", "DENY\r\nset-cookie: a=b", "deny, sameorigin"),
            ("referrer-policy", "", "no-referrer"),
            ("strict-transport-security", "max-age=1; x\r\ny: z", "max-age=SECONDS"),
            ("permissions-policy", "camera=*", "a list like"),
            ("x-content-type-options", "off", "always as it is"),
            ("set-cookie", "a=b", "always as it is"),
        ] {
            let told = with(name, value).unwrap_err();
            assert!(told.contains(why), "{name}: {told}");
        }
    }

    /// A dropped header is neither set nor removed, and all others stay.
    #[test]
    fn without_drops_exactly_one() {
        let whole = HeaderPolicy::default();
        for name in ["x-frame-options", "content-security-policy"] {
            let less = whole.clone().without(name);
            assert_eq!(less.set().count() + 1, whole.set().count());
            assert_eq!(less.removed().count(), whole.removed().count());
            assert!(less.set().all(|(set, _)| set != name));
        }
    }
}
