//! A gateway as a visitor of it sees it: the running one, or a service in a sandbox.

use std::sync::Arc;

use kernel::{Fut, Secret, SessionToken, Sessions as _, TenantId};

use super::session_rotation::{InProcess, TokenProbe};
use crate::Identities;

/// The page that shows whether somebody is signed in.
const ACCOUNT: &str = "/_amanah/account";
/// Where sessions are ended, and one that is nobody's.
const SESSIONS: &str = "/_amanah/account/sessions";
const NO_SESSION: &str = "00000000-0000-4000-8000-00000000dead";
pub(crate) const SIGN_IN: &str = "/_amanah/sign-in";
/// The cookie that carries a session.
pub(crate) const COOKIE: &str = "__Host-amanah";

/// A request, as a browser would send it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// `GET`, `POST` and so on.
    pub method: &'a str,
    /// The path with its query.
    pub path: &'a str,
    /// The line of cookies; empty for none.
    pub cookies: &'a str,
    /// The body of a form that is sent from the gateway's own pages.
    pub form: Option<&'a str>,
}

/// The answer.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case, and values, in their order.
    pub headers: Vec<(String, String)>,
    /// The body; what is not UTF-8 is replaced.
    pub body: String,
}

impl Seen {
    /// Every value of the header `name`.
    pub(crate) fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// Asks the running gateway. Implemented by the binary.
pub trait EdgeProbe: Send + Sync {
    /// One request and its answer.
    ///
    /// # Errors
    /// When there was no answer; the text says why and what to do.
    fn ask<'a>(&'a self, asked: Asked<'a>) -> Fut<'a, Result<Seen, String>>;

    /// The same for a form whose head is sent with `Expect: 100-continue`, whose first half is sent when the
    /// gateway says `100 Continue`, and the rest when `meanwhile` is over. It begins with that word: the
    /// gateway has read the head then, and decided what it decides by that alone.
    ///
    /// # Errors
    /// The same, and those of `meanwhile`; an answer that comes before its end is one.
    fn held<'a>(
        &'a self,
        asked: Asked<'a>,
        meanwhile: Fut<'a, Result<(), String>>,
    ) -> Fut<'a, Result<Seen, String>>;

    /// Every route of the gateway's own pages: method and path.
    fn own(&self) -> Vec<(String, String)>;

    /// Paths of the application that can be read when signed in as a canary.
    fn upstream(&self) -> Vec<String>;

    /// The tenant whose canaries the application answers; none where there is no application.
    fn tenant(&self) -> Option<TenantId>;
}

/// Where sessions are opened and recognised.
pub(crate) trait Door: Send + Sync {
    /// Signs somebody in.
    fn open<'a>(
        &'a self,
        email: &'a str,
        password: &'a Secret,
    ) -> Fut<'a, Result<SessionToken, String>>;

    /// Whether whoever has this token is signed in.
    fn recognises<'a>(&'a self, token: &'a SessionToken) -> Fut<'a, Result<bool, String>>;

    /// Where programs get their tokens, and come with them.
    fn tokens(&self) -> &dyn TokenProbe;

    /// Whether a form is answered as whoever has this token sends it, when its head is read
    /// before `meanwhile` and its last half comes after it.
    fn held<'a>(
        &'a self,
        token: &'a SessionToken,
        meanwhile: Fut<'a, Result<(), String>>,
    ) -> Fut<'a, Result<bool, String>>;
}

/// The running gateway.
pub(crate) struct Running {
    pub(crate) edge: Arc<dyn EdgeProbe>,
    pub(crate) tokens: Arc<dyn TokenProbe>,
}

/// When the door of a sandbox asks who sends a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// At its head alone.
    Once,
    /// At its head and again behind its body, as the gateway does.
    Again,
}

/// A service in a sandbox.
pub(crate) struct InSandbox<'s>(InProcess<'s>, Asks);

impl<'s> InSandbox<'s> {
    pub(crate) const fn new(service: &'s Identities, asks: Asks) -> Self {
        Self(InProcess(service), asks)
    }
}

/// Whether a gateway shows an account to whoever has this token.
pub(crate) async fn recognises(edge: &dyn EdgeProbe, token: &SessionToken) -> Result<bool, String> {
    let cookies = format!("{COOKIE}={}", token.0.expose());
    let asked = Asked { method: "GET", path: ACCOUNT, cookies: &cookies, form: None };
    match edge.ask(asked).await?.status {
        200 => Ok(true),
        303 => Ok(false),
        other => Err(format!("{ACCOUNT} answered {other}")),
    }
}

/// Ends a session that is not there, in two halves.
async fn in_halves(
    edge: &dyn EdgeProbe,
    token: &SessionToken,
    meanwhile: Fut<'_, Result<(), String>>,
) -> Result<bool, String> {
    let session = format!("{COOKIE}={}", token.0.expose());
    let asked = Asked { method: "GET", path: ACCOUNT, cookies: &session, form: None };
    let page = edge.ask(asked).await?;
    let (cookie, form) = form_of(&page).ok_or("the page of an account has no form")?;
    let cookies = format!("{session}; {cookie}");
    let body = format!("token={}&one={NO_SESSION}", encoded(&form));
    let asked = Asked { method: "POST", path: SESSIONS, cookies: &cookies, form: Some(&body) };
    match edge.held(asked, meanwhile).await?.status {
        200 => Ok(true),
        303 => Ok(false),
        other => Err(format!("{SESSIONS} answered {other}")),
    }
}

impl Door for Running {
    fn open<'a>(
        &'a self,
        email: &'a str,
        password: &'a Secret,
    ) -> Fut<'a, Result<SessionToken, String>> {
        Box::pin(async move { enter(&*self.edge, email, password, None).await.opened })
    }

    fn recognises<'a>(&'a self, token: &'a SessionToken) -> Fut<'a, Result<bool, String>> {
        Box::pin(recognises(&*self.edge, token))
    }

    fn tokens(&self) -> &dyn TokenProbe {
        &*self.tokens
    }

    fn held<'a>(
        &'a self,
        token: &'a SessionToken,
        meanwhile: Fut<'a, Result<(), String>>,
    ) -> Fut<'a, Result<bool, String>> {
        Box::pin(in_halves(&*self.edge, token, meanwhile))
    }
}

impl Door for InSandbox<'_> {
    fn open<'a>(
        &'a self,
        email: &'a str,
        password: &'a Secret,
    ) -> Fut<'a, Result<SessionToken, String>> {
        Box::pin(async move {
            let signed_in = self.0.0.sign_in(email, password).await.map_err(|e| e.to_string())?;
            signed_in.session().ok_or_else(|| "a second factor was asked for".to_owned())
        })
    }

    fn recognises<'a>(&'a self, token: &'a SessionToken) -> Fut<'a, Result<bool, String>> {
        Box::pin(async move { Ok(self.0.0.decide(token).await?.is_some()) })
    }

    fn tokens(&self) -> &dyn TokenProbe {
        &self.0
    }

    fn held<'a>(
        &'a self,
        token: &'a SessionToken,
        meanwhile: Fut<'a, Result<(), String>>,
    ) -> Fut<'a, Result<bool, String>> {
        Box::pin(async move {
            let before = self.0.0.decide(token).await?.is_some();
            meanwhile.await?;
            let after = self.1 == Asks::Once || self.0.0.decide(token).await?.is_some();
            Ok(before && after)
        })
    }
}

/// What came of trying to sign in through a gateway.
pub(crate) struct Entry {
    /// The session, or why there is none.
    pub(crate) opened: Result<SessionToken, String>,
    /// Every answer on the way, whatever came of it.
    pub(crate) answers: Vec<Seen>,
}

impl Entry {
    fn without(answers: Vec<Seen>, why: impl Into<String>) -> Self {
        Self { opened: Err(why.into()), answers }
    }

    /// Whether what was sent was looked at and refused: the form comes back then.
    pub(crate) fn is_refused(&self) -> bool {
        let looked_at = |last: &Seen| last.status == REFUSED && form_of(last).is_some();
        self.opened.is_err() && self.answers.len() > 1 && self.answers.last().is_some_and(looked_at)
    }
}

/// The status of a sign-in that was refused.
const REFUSED: u16 = 403;

/// Signs in as a browser does. `planted` is a session's token that the browser had before.
pub(crate) async fn enter(
    edge: &dyn EdgeProbe,
    email: &str,
    password: &Secret,
    planted: Option<&SessionToken>,
) -> Entry {
    let planted = planted.map(|token| format!("{COOKIE}={}", token.0.expose()));
    let before = planted.as_deref().unwrap_or_default();
    let asked = Asked { method: "GET", path: SIGN_IN, cookies: before, form: None };
    let page = match edge.ask(asked).await {
        Ok(page) => page,
        Err(why) => return Entry::without(Vec::new(), why),
    };
    let Some((cookie, token)) = form_of(&page) else {
        return Entry::without(vec![page], "the sign-in page has no form");
    };
    let cookies = if before.is_empty() { cookie } else { format!("{before}; {cookie}") };
    let fields = [
        ("token", token.as_str()),
        ("next", "/"),
        ("email", email),
        ("password", password.expose()),
    ];
    let body = fields.map(|(name, value)| format!("{name}={}", encoded(value))).join("&");
    let asked = Asked { method: "POST", path: SIGN_IN, cookies: &cookies, form: Some(&body) };
    let answer = match edge.ask(asked).await {
        Ok(answer) => answer,
        Err(why) => return Entry::without(vec![page], why),
    };
    let opened = session_of(&answer)
        .ok_or_else(|| format!("the sign-in answered {} without a session", answer.status));
    Entry { opened, answers: vec![page, answer] }
}

/// The cookie and the token of the form on a page.
pub(crate) fn form_of(page: &Seen) -> Option<(String, String)> {
    let (_, after) = page.body.split_once("name=\"token\" value=\"")?;
    let token = after.split('"').next()?.to_owned();
    let set = page.all("set-cookie").find(|line| line.to_ascii_lowercase().contains("csrf"));
    let cookie = set.and_then(|line| line.split(';').next()).unwrap_or_default().to_owned();
    Some((cookie, token))
}

/// The session that an answer opens, whatever its cookie's name is prefixed with.
fn session_of(answer: &Seen) -> Option<SessionToken> {
    let mut pairs = answer.all("set-cookie").filter_map(|line| {
        let (name, value) = line.split(';').next()?.split_once('=')?;
        let name = name.trim().trim_start_matches("__Host-");
        (name == "amanah" && !value.is_empty()).then_some(value)
    });
    pairs.next().map(|value| SessionToken(Secret::new(value.to_owned())))
}

/// Percent-encodes everything but letters and digits.
pub(crate) fn encoded(text: &str) -> String {
    kernel::percent(text, b"")
}
