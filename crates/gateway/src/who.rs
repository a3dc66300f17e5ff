//! Whom a request speaks for.

use std::sync::Arc;

use http::request::Parts;
use kernel::{Identity, Secret, SessionToken};

use crate::refusal::Refusal;
use crate::serve::{Shared, in_time};
use crate::{bearer, cookies, own};

/// What a request showed for itself.
pub(crate) enum Shown {
    /// The cookie of a session.
    Session(SessionToken),
    /// A token.
    Bearer(Secret),
}

impl Shared {
    /// What the request shows for itself: a token or a cookie. No other site can make a browser send a
    /// token, so that who started the request is only asked without one.
    pub(crate) fn shown(&self, parts: &Parts, own: bool) -> Result<Option<Shown>, Refusal> {
        if own && own::is_for_directories(parts.uri.path()) {
            return Ok(None);
        }
        if self.ports.credentials.is_some()
            && let Some(token) = bearer::read(&parts.headers)?
        {
            if own && own::is_for_browsers(parts.uri.path()) {
                return Err(Refusal::BrowserOnly);
            }
            return Ok(Some(Shown::Bearer(token)));
        }
        if self.same_site.refuses(parts) {
            return Err(Refusal::CrossSite);
        }
        Ok(cookies::session(&parts.headers).map(Shown::Session))
    }

    /// Whoever asks for `path`. Where it cannot be told who it is, what anybody may read is answered as
    /// to anybody, and everything else is refused: nobody is shown a sign-in page for our failing.
    pub(crate) async fn identity(
        &self,
        shown: Option<&Shown>,
        path: &str,
    ) -> Result<Option<Arc<Identity>>, Refusal> {
        let Some(shown) = shown else {
            return Ok(None);
        };
        match (self.who(shown).await, shown) {
            (Err(Refusal::Undecided), Shown::Session(_)) if own::is_public(path) => Ok(None),
            (found, _) => found,
        }
    }

    /// Whom `shown` belongs to.
    pub(crate) async fn who(&self, shown: &Shown) -> Result<Option<Arc<Identity>>, Refusal> {
        match (shown, &self.ports.credentials) {
            (Shown::Session(token), _) => {
                let found = in_time(self.at_home(self.ports.sessions.decide(token))).await;
                found.map_err(|_| Refusal::Undecided)
            }
            (Shown::Bearer(token), Some(credentials)) => {
                let found = in_time(self.at_home(credentials.bearer(token))).await;
                let found = found.map_err(|_| Refusal::Undecided)?;
                found.ok_or(Refusal::BadToken).map(Some)
            }
            (Shown::Bearer(_), None) => Err(Refusal::BadToken),
        }
    }
}
