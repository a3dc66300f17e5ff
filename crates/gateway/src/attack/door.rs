//! The door while it is on: who is let in, who is challenged, and what an answer is worth.
//!
//! | who asks | while it is on |
//! |---|---|
//! | a valid session, token or API key | as ever |
//! | the machine itself; `security.txt`, the keys of our tokens, files of our pages | as ever: they cost nothing and others depend on them |
//! | a program that fetches a token or writes as a directory: what it shows, only the page behind can judge | as ever, so many at one time |
//! | a stranger with a pass | as ever, so many at one time |
//! | a stranger's browser | the challenge |
//! | any other stranger | 503 |

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
    SET_COOKIE,
};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use kernel::Identity;

use super::form::{MAX_FORM_BYTES, Sent, is_local};
use super::gauge::{Inside, Lane};
use super::settings::Challenge;
use super::stamp::{Kind, Stamp, solves};
use super::{Attack, Gauge};
use crate::limits::Source;
use crate::own_words::reads_pages;
use crate::refusal::{REFUSED, Refusal};
use crate::reply::Reply;
use crate::serve::{Asked, Shared};
use crate::{cookies, origin, own};

/// Where answers to challenges go.
pub(crate) const PATH: &str = "/_amanah/challenge";
/// Who has passed. Like all cookies of ours, the application never sees it.
pub(crate) const PASSED_COOKIE: &str = "__Host-amanah-passed";
/// What was asked: whoever waits shows that it keeps cookies.
pub(crate) const ASKED_COOKIE: &str = "__Host-amanah-asked";
/// What is asked, for whoever does not read pages.
pub(crate) const CHALLENGE: HeaderName = HeaderName::from_static("amanah-challenge");
/// How long a challenge may be answered, in milliseconds: as long as somebody takes to come back to a
/// page, and a telephone to its work.
const CHALLENGE_LASTS: u64 = 5 * 60 * 1_000;
/// The page at which people sign in. Whoever sent its form is brought back to it.
const SIGN_IN: &str = "/_amanah/sign-in";

/// What happens to a request at the door.
pub(crate) enum Met {
    /// It goes on; a stranger once they have a place of that kind ([`Shared::enter`]).
    In(Option<Lane>),
    /// This is the answer.
    Answered(Box<Response<Reply>>),
}

impl Met {
    fn answered(answer: Response<Reply>) -> Self {
        Self::Answered(Box::new(answer))
    }
}

/// What came of an answer to a challenge, for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Asked,
    Worked,
    Waited,
    Failed,
}

impl Told {
    pub(crate) const ALL: [Self; 4] = [Self::Asked, Self::Worked, Self::Waited, Self::Failed];

    /// The word that metrics use.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Worked => "worked",
            Self::Waited => "waited",
            Self::Failed => "failed",
        }
    }
}

/// What a stranger needs to be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    /// A place among programs.
    Place,
    /// A pass, and a place among those who have one.
    Pass,
}

fn need(parts: &Parts) -> Need {
    let path = parts.uri.path();
    let free = own::is_operational(path)
        || path.starts_with("/_amanah/static/")
        || matches!(path, "/.well-known/security.txt" | "/.well-known/jwks.json");
    let directory = own::is_for_directories(path) && parts.headers.contains_key(AUTHORIZATION);
    let token =
        parts.method == Method::POST && matches!(path, "/_amanah/token" | "/_amanah/token/revoke");
    match (free, directory || token) {
        (true, _) => Need::Nothing,
        (false, true) => Need::Place,
        (false, false) => Need::Pass,
    }
}

impl Shared {
    /// Meets a request once it is known who asks. Whoever is signed in always goes on.
    pub(crate) async fn meet(
        &self,
        asked: &mut Asked,
        who: Option<&Identity>,
        gauge: &Arc<Gauge>,
    ) -> Result<Met, Refusal> {
        if asked.parts.uri.path() == PATH && asked.parts.method == Method::POST {
            let counted = match who {
                Some(_) => self.count(asked, who, false),
                None => self.count_source(asked),
            };
            gauge.saw(who.is_some(), counted)?;
            asked.recognise(who)?;
            return self.hear(asked, who.is_some()).await.map(Met::answered);
        }
        if who.is_some() || !self.attack.is_on() {
            return Ok(Met::In(None));
        }
        let lane = match need(&asked.parts) {
            Need::Nothing => return Ok(Met::In(None)),
            Need::Place => Lane::Programs,
            Need::Pass if self.attack.has_pass(&asked.parts.headers, asked) => Lane::Passed,
            Need::Pass => return self.turn_back(asked, gauge).map(Met::answered),
        };
        Ok(Met::In(Some(lane)))
    }

    /// A place inside for whoever needs one, for as long as what is returned lives.
    pub(crate) fn enter(
        &self,
        lane: Option<Lane>,
        gauge: &Arc<Gauge>,
    ) -> Result<Option<Inside>, Refusal> {
        let full = || self.attack.refusal();
        lane.map(|lane| gauge.enter(lane).ok_or_else(full)).transpose()
    }

    /// A stranger without a pass: whoever took bait is told so, a browser is challenged, and a program
    /// is refused.
    fn turn_back(&self, asked: &mut Asked, gauge: &Gauge) -> Result<Response<Reply>, Refusal> {
        let counted = self.count_source(asked);
        gauge.saw(false, counted)?;
        asked.recognise(None)?;
        let parts = &asked.parts;
        if !reads_pages(&parts.headers) {
            return Err(self.attack.refusal());
        }
        let challenge = self.attack.challenge(asked, next(parts));
        Ok(self.page(asked, &challenge))
    }

    /// Hears an answer to a challenge. Whoever need not answer goes on at once.
    async fn hear(&self, asked: &mut Asked, known: bool) -> Result<Response<Reply>, Refusal> {
        let body = self.body(asked, MAX_FORM_BYTES, None).await?;
        let (body, _share) = body.joined().await?;
        let sent = Sent::read(&body).unwrap_or_default();
        let next = if is_local(&sent.next) { sent.next.as_str() } else { "/" };
        if known || !self.attack.is_on() || self.attack.has_pass(&asked.parts.headers, asked) {
            return onward(next, None);
        }
        let judged = self.attack.judge_answer(asked, &sent);
        let told = match judged {
            Answer::Worked => Told::Worked,
            Answer::Waited => Told::Waited,
            Answer::Early { .. } | Answer::Wrong => Told::Failed,
        };
        self.metrics.challenge(told);
        match judged {
            Answer::Worked | Answer::Waited => onward(next, Some(&self.attack.pass(asked))),
            // The same once more, so that the time that was waited counts.
            Answer::Early { wait, bits } => {
                let (action, token) = (PATH, sent.token.clone());
                let (next, again) = (next.to_owned(), true);
                Ok(self.page(asked, &Challenge { action, token, bits, wait, next, again }))
            }
            Answer::Wrong => {
                let mut challenge = self.attack.challenge(asked, next.to_owned());
                challenge.again = true;
                Ok(self.page(asked, &challenge))
            }
        }
    }

    /// The page that asks, with what it asks in its headers too.
    fn page(&self, asked: &mut Asked, challenge: &Challenge) -> Response<Reply> {
        self.metrics.challenge(Told::Asked);
        let nonce = self.give_nonce(&mut asked.parts.headers);
        let mut answer = self.ports.own.challenge(&asked.parts, challenge);
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        answer.extensions_mut().insert(nonce);
        let Challenge { token, bits, wait, .. } = challenge;
        let headers = answer.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(REFUSED, HeaderValue::from_static(self.attack.refusal().label()));
        headers.insert(RETRY_AFTER, HeaderValue::from(*wait));
        let asks = format!("token=\"{token}\", bits={bits}, wait={wait}");
        let seconds = CHALLENGE_LASTS / 1_000;
        let cookie = cookie(ASKED_COOKIE, token, "Strict", seconds);
        for (name, value) in [(CHALLENGE, asks), (SET_COOKIE, cookie)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.append(name, value);
            }
        }
        Reply::whole(answer)
    }
}

/// What an answer is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Worked,
    Waited,
    /// It may come in so many seconds.
    Early {
        wait: u64,
        bits: u8,
    },
    /// Forged, for somebody else, too late, used before, or not the work.
    Wrong,
}

impl Attack {
    /// Why a stranger is refused.
    pub(crate) fn refusal(&self) -> Refusal {
        let wait = self.wait().as_millis().div_ceil(1_000).max(1);
        Refusal::UnderAttack(u32::try_from(wait).unwrap_or(u32::MAX))
    }

    /// Whether the request shows a pass for where it comes from.
    fn has_pass(&self, headers: &HeaderMap, asked: &Asked) -> bool {
        let Some(text) = cookies::one(headers, PASSED_COOKIE) else { return false };
        let stamp = self.key.open(text, Kind::Pass, &prefix(asked));
        stamp.is_some_and(|stamp| stamp.until > self.now())
    }

    fn challenge(&self, asked: &Asked, next: String) -> Challenge {
        let (now, wait, bits) = (self.now(), self.wait(), self.bits());
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let (ready, until) =
            (now.saturating_add(wait), now.saturating_add(wait).saturating_add(CHALLENGE_LASTS));
        let stamp = Stamp { kind: Kind::Challenge, bits, nonce: self.key.number(), ready, until };
        let token = self.key.seal(&stamp, &prefix(asked));
        Challenge { action: PATH, token, bits, wait: wait.div_ceil(1_000), next, again: false }
    }

    fn judge_answer(&self, asked: &Asked, sent: &Sent) -> Answer {
        let now = self.now();
        let stamp = self.key.open(&sent.token, Kind::Challenge, &prefix(asked));
        let Some(stamp) = stamp.filter(|stamp| stamp.until > now) else { return Answer::Wrong };
        let answer = if !sent.answer.is_empty() {
            if solves(&sent.token, &sent.answer, stamp.bits) {
                Answer::Worked
            } else {
                Answer::Wrong
            }
        } else if cookies::one(&asked.parts.headers, ASKED_COOKIE) != Some(sent.token.as_str()) {
            Answer::Wrong
        } else if stamp.ready > now {
            let wait = stamp.ready.saturating_sub(now).div_ceil(1_000);
            Answer::Early { wait, bits: stamp.bits }
        } else {
            Answer::Waited
        };
        let passes = matches!(answer, Answer::Worked | Answer::Waited);
        if passes && !self.spent.first(&stamp.nonce, stamp.until, now) {
            return Answer::Wrong;
        }
        answer
    }

    /// The cookie of whoever has passed just now.
    fn pass(&self, asked: &Asked) -> String {
        let lasts = self.settings.passed;
        let millis = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
        let until = self.now().saturating_add(millis);
        let nonce = self.key.number();
        let stamp = Stamp { kind: Kind::Pass, bits: 0, nonce, ready: 0, until };
        let text = self.key.seal(&stamp, &prefix(asked));
        // People who come from another site have passed too.
        cookie(PASSED_COOKIE, &text, "Lax", millis.div_ceil(1_000))
    }
}

fn prefix(asked: &Asked) -> [u8; 9] {
    Source::of(asked.peer.ip()).prefix
}

fn cookie(name: &str, value: &str, site: &str, seconds: u64) -> String {
    format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite={site}; Max-Age={seconds}")
}

/// Where a browser was going. What a form said is gone: its sender is brought to where they can write it
/// once more.
fn next(parts: &Parts) -> String {
    let path = parts.uri.path();
    let wanted = match parts.uri.path_and_query() {
        Some(wanted) if origin::is_safe(&parts.method) && path != PATH => wanted.as_str(),
        _ if path == SIGN_IN => SIGN_IN,
        _ => "/",
    };
    if is_local(wanted) { wanted.to_owned() } else { "/".to_owned() }
}

/// The way on, with a pass or without.
fn onward(next: &str, pass: Option<&str>) -> Result<Response<Reply>, Refusal> {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::SEE_OTHER;
    let headers = answer.headers_mut();
    headers.insert(LOCATION, HeaderValue::try_from(next).map_err(|_| Refusal::Broken)?);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(pass) = pass {
        let gone = cookie(ASKED_COOKIE, "", "Strict", 0);
        for line in [pass, gone.as_str()] {
            let line = HeaderValue::try_from(line).map_err(|_| Refusal::Broken)?;
            headers.append(SET_COOKIE, line);
        }
    }
    Ok(Reply::whole(answer))
}

#[cfg(test)]
mod tests {
    use http::header::{AUTHORIZATION, HeaderValue};
    use http::request::Parts;
    use http::{Method, Request};

    use super::{Need, need, next};

    fn parts(method: &Method, uri: &str) -> Parts {
        Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0
    }

    #[test]
    fn what_others_depend_on_needs_nothing() {
        for (method, path, needs) in [
            (Method::GET, "/healthz", Need::Nothing),
            (Method::GET, "/metrics", Need::Nothing),
            (Method::GET, "/.well-known/security.txt", Need::Nothing),
            (Method::GET, "/.well-known/jwks.json", Need::Nothing),
            (Method::GET, "/_amanah/static/console.css", Need::Nothing),
            (Method::POST, "/_amanah/token", Need::Place),
            (Method::GET, "/_amanah/token", Need::Pass),
            (Method::POST, "/_amanah/sign-in", Need::Pass),
            (Method::GET, "/trust", Need::Pass),
            (Method::GET, "/.well-known/trust.json", Need::Pass),
            (Method::GET, "/", Need::Pass),
            (Method::GET, "/_amanah/scim/v2/Users", Need::Pass),
        ] {
            assert_eq!(need(&parts(&method, path)), needs, "{method} {path}");
        }
        let mut directory = parts(&Method::GET, "/_amanah/scim/v2/Users");
        directory.headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        assert_eq!(need(&directory), Need::Place);
    }

    #[test]
    fn people_are_brought_back_to_where_they_were_going() {
        for (method, uri, back) in [
            (Method::GET, "/prices?a=1", "/prices?a=1"),
            (Method::POST, "/prices?a=1", "/"),
            (Method::POST, "/_amanah/sign-in", "/_amanah/sign-in"),
            (Method::GET, "/_amanah/challenge", "/"),
            (Method::GET, "//evil.example/", "/"),
        ] {
            assert_eq!(next(&parts(&method, uri)), back, "{method} {uri}");
        }
    }
}
