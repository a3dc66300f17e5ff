//! The pages that the gateway does not pass on, because somebody in this program answers them.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use kernel::{Fut, Identity};

use crate::Challenge;
use crate::refusal::Refusal;

/// Answers the paths under `/trust`, `/.well-known/` and `/_amanah/`, and `/healthz` and
/// `/metrics`. Implemented by the binary around the console.
pub trait Own: Send + Sync {
    /// The answer to `request`, whose body is complete and at most 64 KiB, or 512 KiB for directories.
    /// `identity` is whoever is signed in.
    ///
    /// The header policy is put on the answer afterwards. A panic in here is a page with status
    /// 500.
    fn handle(
        &self,
        request: Request<Bytes>,
        identity: Option<Arc<Identity>>,
    ) -> Fut<'_, Response<Bytes>>;

    /// Whether a directory's request below `/_amanah/scim/` from `peer` may send its body, by its head
    /// alone, and who answers for the memory; or else the answer to it. Nothing may be done or
    /// promised by that: [`Own::handle`] is asked with the whole request, and judges it anew.
    ///
    /// Where nobody knows a directory, none may.
    fn admit<'a>(
        &'a self,
        head: &'a Parts,
        peer: IpAddr,
    ) -> Fut<'a, Result<Payer, Response<Bytes>>> {
        tracing::debug!(%peer, path = head.uri.path(), "no directory is known here");
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = StatusCode::UNAUTHORIZED;
        Box::pin(async { Err(answer) })
    }

    /// The page that asks a stranger's browser for work or patience, while strangers are shed. It is
    /// made a thousand times in a second and must not wait; status and headers of the challenge are put
    /// on it afterwards.
    fn challenge(&self, head: &Parts, challenge: &Challenge) -> Response<Bytes> {
        tracing::debug!(path = head.uri.path(), "there is no page for a challenge");
        let Challenge { action, wait, .. } = challenge;
        let text = format!(
            "Many strangers ask here at this moment. Send the token of Amanah-Challenge to {action} in \
             {wait} seconds, with its cookie.\n"
        );
        let mut page = Response::new(Bytes::from(text));
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        page.headers_mut().insert(CONTENT_TYPE, plain);
        page
    }

    /// Every route, with an example in place of each parameter: the population of the proofs.
    fn paths(&self) -> Vec<OwnPath>;
}

/// One route that [`Own`] answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPath {
    /// Its method.
    pub method: Method,
    /// Its path, beginning with `/`.
    pub path: String,
}

/// Whose share of the memory a directory's body is counted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payer {
    /// The name of its token, which is no secret.
    pub token: String,
    /// Its tenant.
    pub tenant: String,
}

/// Whether a page of ours can read what comes: nothing of ours decompresses what strangers send, so that a
/// few bytes never become many.
pub(crate) fn readable(parts: &Parts) -> Result<(), Refusal> {
    let mut encodings = parts.headers.get_all(CONTENT_ENCODING).iter();
    let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if encodings.all(plain) { Ok(()) } else { Err(Refusal::Compressed) }
}

/// The page that tells a program who it is.
const WHO: &str = "/_amanah/identity";

/// Whether `path` is answered by [`Own`] and never by the application.
pub(crate) fn is_own(path: &str) -> bool {
    let below = |root: &str| {
        path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    below("/trust") || below("/.well-known") || below("/_amanah") || is_operational(path)
}

/// Whether `path` is the same for everybody, signed in or not.
pub(crate) fn is_public(path: &str) -> bool {
    is_own(path) && !(path == "/_amanah" || path.starts_with("/_amanah/"))
        || path.starts_with("/_amanah/static/")
}

/// Whether `path` is for the directories of tenants: they show a token of their own, which is no token of
/// a person, and whoever is signed in is nobody there.
pub(crate) fn is_for_directories(path: &str) -> bool {
    path.starts_with("/_amanah/scim/")
}

/// Whether `path` of ours is for whoever signed in with a browser. A token that leaks must not
/// become a password, a key or another token.
pub(crate) fn is_for_browsers(path: &str) -> bool {
    path.starts_with("/_amanah/") && path != WHO
}

/// Whether `path` does not exist for `peer`, because it is for the machine itself.
pub(crate) fn is_hidden(path: &str, peer: IpAddr) -> bool {
    is_operational(path) && !peer.to_canonical().is_loopback()
}

/// Whether `path` is for the machine itself and not for its visitors.
pub(crate) fn is_operational(path: &str) -> bool {
    matches!(path, "/healthz" | "/metrics")
}

#[cfg(test)]
mod tests {
    use super::{is_for_directories, is_hidden, is_own};

    /// A name that only begins like ours belongs to the application.
    #[test]
    fn own_paths_end_at_a_slash() {
        for own in [
            "/trust",
            "/trust/page",
            "/.well-known/trust.json",
            "/_amanah",
            "/_amanah/static/a.css",
            "/metrics",
        ] {
            assert!(is_own(own), "{own}");
        }
        for theirs in ["/", "/trusted", "/metrics/", "/_amanahs", "//trust", "/a/trust"] {
            assert!(!is_own(theirs), "{theirs}");
        }
    }

    /// What only begins like the place of directories is for browsers.
    #[test]
    fn directories_have_a_place_of_their_own() {
        for (path, theirs) in [
            ("/_amanah/scim/v2/Users", true),
            ("/_amanah/scim/", true),
            ("/_amanah/scim", false),
            ("/_amanah/scim2/v2/Users", false),
            ("/_amanah/account", false),
            ("/scim/v2/Users", false),
        ] {
            assert_eq!(is_for_directories(path), theirs, "{path}");
        }
    }

    /// Counters and health are for loopback, in whichever way the system writes it.
    #[test]
    fn operational_pages_are_for_the_machine_itself() {
        for (peer, hidden) in [
            ("127.0.0.1", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("192.0.2.1", true),
            ("::ffff:192.0.2.1", true),
        ] {
            assert_eq!(is_hidden("/metrics", peer.parse().unwrap()), hidden, "{peer}");
            assert!(!is_hidden("/trust", peer.parse().unwrap()));
        }
    }
}
