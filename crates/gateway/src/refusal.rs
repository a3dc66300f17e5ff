//! What the gateway says when it does not let a request through: plain text, in one voice, in the
//! reader's language.

mod words;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_LANGUAGE, ALLOW, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE,
    HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use http::{Response, StatusCode};

pub(crate) use self::words::Language;
use crate::limits::{Limit, Over};

/// The methods that reach the application.
pub(crate) const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];
/// Names the refusal, so that it cannot be taken for an answer of the application.
pub(crate) const REFUSED: HeaderName = HeaderName::from_static(kernel::REFUSED_HEADER);
/// What RFC 6750 has a program told about its token.
const INVALID_TOKEN: &str = "Bearer error=\"invalid_token\"";
const ALLOWED: &str = "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE";

/// What a stranger is told who is shed.
const SHED: &str = "Many strangers ask here just now, and whoever is signed in goes first. Nothing was done. \
    Wait as long as Retry-After says, in seconds, then try again.";

/// What somebody is told who spoke in clear.
const IN_CLEAR: &str = "This address speaks HTTPS only, and nothing was done. Write https:// and try again. \
     If a password or a token was sent here, others may have read it: replace it.";

/// What somebody is told who compressed a form.
const COMPRESSED: &str = "This page reads nothing compressed, so nothing was done. Send the same without \
     Content-Encoding.";

/// Why a request got no answer from the application or from a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not HTTP as we read it; the text says what is wrong.
    Malformed(&'static str),
    /// It came in clear to the port that speaks TLS.
    InClear,
    /// Nobody is signed in.
    SignedOut,
    /// Whether somebody is signed in cannot be told.
    Undecided,
    /// The token is unknown, expired, revoked or forged.
    BadToken,
    /// It shows a token beside a cookie, or two.
    TwoCredentials,
    /// A page that changes the account was asked for with a token.
    BrowserOnly,
    /// Another site started it, or it does not say who did.
    CrossSite,
    /// There is no such page.
    NotFound,
    /// Whoever is signed in may not do this.
    Denied,
    /// Nothing says who may do this, so nobody may.
    Unmapped,
    /// Whoever is signed in has to prove it once more.
    StepUp,
    /// What support asks for could not be written down.
    Unrecorded,
    /// The method is not one of [`METHODS`].
    Method,
    /// The body did not arrive in time.
    SlowBody,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The body of a request to a page of ours is compressed.
    Compressed,
    /// The request line is larger than the limit.
    TargetTooLong,
    /// The head is larger than the limit.
    HeadTooLarge,
    /// A page of our own failed.
    Broken,
    /// A page of our own did not answer in time.
    OwnSlow,
    /// The application does not answer.
    UpstreamDown,
    /// The application's answer is not HTTP.
    UpstreamMalformed,
    /// Too many bodies are being read at this moment.
    Busy,
    /// The application did not answer in time.
    UpstreamSlow,
    /// Strangers are shed at this moment; in so many seconds they may ask again.
    UnderAttack(u32),
    /// Somebody asked too often.
    Limited(Over),
}

/// What limits are named by in answers (draft-ietf-httpapi-ratelimit-headers-10).
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

impl Refusal {
    /// One of each, for counting.
    pub(crate) const ALL: [Self; 27] = [
        Self::Malformed(""),
        Self::InClear,
        Self::SignedOut,
        Self::Undecided,
        Self::BadToken,
        Self::TwoCredentials,
        Self::BrowserOnly,
        Self::CrossSite,
        Self::NotFound,
        Self::Denied,
        Self::Unmapped,
        Self::StepUp,
        Self::Unrecorded,
        Self::Method,
        Self::SlowBody,
        Self::BodyTooLarge,
        Self::Compressed,
        Self::TargetTooLong,
        Self::HeadTooLarge,
        Self::Broken,
        Self::OwnSlow,
        Self::UpstreamDown,
        Self::UpstreamMalformed,
        Self::Busy,
        Self::UpstreamSlow,
        Self::UnderAttack(1),
        Self::Limited(Over { limit: Limit::Address, quota: 0, window: 1, wait: 1 }),
    ];

    /// The status of the answer.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::InClear | Self::TwoCredentials => StatusCode::BAD_REQUEST,
            Self::SignedOut | Self::BadToken => StatusCode::UNAUTHORIZED,
            Self::CrossSite | Self::Denied | Self::StepUp | Self::BrowserOnly => {
                StatusCode::FORBIDDEN
            }
            Self::NotFound | Self::Unmapped => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Compressed => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
            Self::UpstreamDown | Self::UpstreamMalformed => StatusCode::BAD_GATEWAY,
            Self::Busy
            | Self::OwnSlow
            | Self::Unrecorded
            | Self::Undecided
            | Self::UnderAttack(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpstreamSlow => StatusCode::GATEWAY_TIMEOUT,
            Self::Limited(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// The word that metrics and the log use.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::InClear => "in_clear",
            Self::SignedOut => "signed_out",
            Self::Undecided => "undecided",
            Self::BadToken => "bad_token",
            Self::TwoCredentials => "two_credentials",
            Self::BrowserOnly => "browser_only",
            Self::CrossSite => "cross_site",
            Self::NotFound => "not_found",
            Self::Denied => "denied",
            Self::Unmapped => "unmapped",
            Self::StepUp => "step_up",
            Self::Unrecorded => "unrecorded",
            Self::Method => "method",
            Self::SlowBody => "slow_body",
            Self::BodyTooLarge => "body_too_large",
            Self::Compressed => "compressed",
            Self::TargetTooLong => "target_too_long",
            Self::HeadTooLarge => "head_too_large",
            Self::Broken => "broken",
            Self::OwnSlow => "own_slow",
            Self::UpstreamDown => "upstream_down",
            Self::UpstreamMalformed => "upstream_malformed",
            Self::Busy => "busy",
            Self::UpstreamSlow => "upstream_slow",
            Self::UnderAttack(_) => "under_attack",
            Self::Limited(_) => "limited",
        }
    }

    /// Whether it is the application's failing and not the visitor's.
    pub(crate) const fn is_upstream(self) -> bool {
        matches!(self, Self::UpstreamDown | Self::UpstreamMalformed | Self::UpstreamSlow)
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Malformed(why) => why,
            Self::InClear => IN_CLEAR,
            Self::SignedOut => "Sign in first, then try again.",
            Self::Undecided => {
                "Who is signed in cannot be looked up at this moment, so nothing was done. You were \
                 not signed out. Try again in a moment."
            }
            Self::BadToken => {
                "The token is unknown, expired or revoked, so nothing was done. Get another one and \
                 try again."
            }
            Self::TwoCredentials => {
                "The request shows a token and a cookie, or two tokens, so nothing was done. Send \
                 one of them."
            }
            Self::BrowserOnly => {
                "This page is for whoever signed in with a browser, so nothing was done."
            }
            Self::CrossSite => {
                "This change was started from another site, or does not say from where, so nothing \
                 was done. Open the page itself and try again from there."
            }
            Self::NotFound | Self::Unmapped => "There is no such page here.",
            Self::Denied => {
                "Your roles do not include this, so nothing was done. An administrator of your \
                 organisation can grant one that does."
            }
            Self::StepUp => {
                "This needs a fresh proof of who you are, so nothing was done. Give it at \
                 /_amanah/account/confirm, then try again."
            }
            Self::Unrecorded => {
                "This access could not be written down, so it was not let through. Nothing was \
                 done. Try again."
            }
            Self::Method => "This method is not used here.",
            Self::SlowBody => "The request did not arrive in time, so nothing was done. Try again.",
            Self::BodyTooLarge => "The request is larger than allowed, so nothing was done.",
            Self::Compressed => COMPRESSED,
            Self::TargetTooLong => "The address is longer than allowed.",
            Self::HeadTooLarge => "The request's headers are larger than allowed.",
            Self::Broken => {
                "Something went wrong on our side. Try again; if it happens twice, tell the \
                 operator the number below."
            }
            Self::OwnSlow => {
                "This page waited too long for its database. Whether something was done is not \
                 known: look before trying again."
            }
            Self::UpstreamDown => {
                "The application does not answer, so nothing was done. Try again in a moment."
            }
            Self::UpstreamMalformed => {
                "The application's answer could not be read. Whether something was done is not \
                 known: look before trying again."
            }
            Self::Busy => "Too many requests are being read. Nothing was done. Try again.",
            Self::UpstreamSlow => {
                "The application did not answer in time. Whether something was done is not known: \
                 look before trying again."
            }
            Self::UnderAttack(_) => SHED,
            Self::Limited(_) => {
                "This was asked for too often, so nothing was done. Wait as long as Retry-After \
                 says, in seconds, then try again."
            }
        }
    }

    /// The page that says so. `request_id` is what the operator can find in the log.
    pub(crate) fn page(self, language: Language, request_id: &str) -> Response<Bytes> {
        let mut page = Response::new(Bytes::from(words::page(self, language, request_id)));
        *page.status_mut() = self.status();
        let headers = page.headers_mut();
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
        headers.insert(VARY, HeaderValue::from(ACCEPT_LANGUAGE));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // An application cannot set this one: whoever reads it knows that it was not asked.
        headers.insert(REFUSED, HeaderValue::from_static(self.label()));
        if self == Self::BadToken {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(INVALID_TOKEN));
        }
        if let Self::Limited(over) = self {
            over.tell(headers);
        }
        if let Self::UnderAttack(wait) = self {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait));
        }
        if self == Self::Compressed {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        if self == Self::Method {
            headers.insert(ALLOW, HeaderValue::from_static(ALLOWED));
        }
        page
    }
}

impl Over {
    /// Says how long to wait, and what the limit is.
    fn tell(self, headers: &mut HeaderMap) {
        let name = self.limit.label();
        headers.insert(RETRY_AFTER, HeaderValue::from(self.wait));
        let policy = format!("\"{name}\";q={};w={}", self.quota, self.window);
        let state = format!("\"{name}\";r=0;t={}", self.wait);
        for (name, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, state)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{ALLOWED, Language, METHODS, Refusal};

    /// The list for counting is complete enough to have one label each, and the page is text.
    #[test]
    fn each_refusal_has_its_label_and_its_page() {
        let labels: BTreeSet<_> = Refusal::ALL.iter().map(|r| r.label()).collect();
        assert_eq!(labels.len(), Refusal::ALL.len());
        let page = Refusal::CrossSite.page(Language::English, "a1");
        assert_eq!(page.status(), 403);
        let text = std::str::from_utf8(page.body()).unwrap();
        assert!(text.starts_with("403 Forbidden\n\nThis change"), "{text}");
        assert!(text.ends_with("Request a1\n"), "{text}");
        assert_eq!(METHODS.join(", "), ALLOWED);
    }
}
