//! A gateway in a sandbox that sets its cookies with one fault, over the real service.

use std::sync::Arc;

use kernel::{Fut, Secret, SessionToken, Sessions as _, TenantId};

use crate::Identities;
use crate::controls::door::{Asked, COOKIE, EdgeProbe, SIGN_IN, Seen};

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    NotSecure,
    NotHttpOnly,
    NoSameSite,
    NoPath,
    NoPrefix,
    WithDomain,
    Adopted,
    InAddress,
    InPage,
    ApplicationPlain,
    /// The page of a refused sign-in sets a cookie that scripts can read.
    RefusalPlain,
    /// The application's pages are refused, for want of a role.
    Denied,
    /// Its pages lead back to the sign-in.
    LedAway,
    /// It does not answer.
    Down,
    /// The gateway has enough of us.
    Busy,
    /// Whether a session is one cannot be told.
    Undecided,
    /// A sign-in is refused before it is looked at.
    Foreign,
}

/// None, and each that is found.
pub(super) const FAULTS: [Option<Fault>; 12] = [
    None,
    Some(Fault::NotSecure),
    Some(Fault::NotHttpOnly),
    Some(Fault::NoSameSite),
    Some(Fault::NoPath),
    Some(Fault::NoPrefix),
    Some(Fault::WithDomain),
    Some(Fault::Adopted),
    Some(Fault::InAddress),
    Some(Fault::InPage),
    Some(Fault::ApplicationPlain),
    Some(Fault::RefusalPlain),
];

/// Those with which there is less to look at.
pub(super) const SILENT: [Fault; 6] =
    [Fault::Denied, Fault::LedAway, Fault::Down, Fault::Busy, Fault::Undecided, Fault::Foreign];

pub(super) struct Flawed {
    pub(super) service: Arc<Identities>,
    pub(super) fault: Option<Fault>,
}

impl Flawed {
    fn is(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn cookie(&self, token: &str) -> (String, String) {
        let mut line = format!("{COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Lax");
        let (without, with) = match self.fault {
            Some(Fault::NotSecure) => ("; Secure", ""),
            Some(Fault::NotHttpOnly) => ("; HttpOnly", ""),
            Some(Fault::NoSameSite) => ("; SameSite=Lax", ""),
            Some(Fault::NoPath) => ("Path=/", "Path=/app"),
            Some(Fault::NoPrefix) => ("__Host-", ""),
            Some(Fault::WithDomain) => ("Path=/", "Path=/; Domain=example.org"),
            _ => ("", ""),
        };
        if !without.is_empty() {
            line = line.replace(without, with);
        }
        ("set-cookie".to_owned(), line)
    }

    async fn answer(&self, asked: Asked<'_>) -> Result<Seen, String> {
        let session = asked.cookies.split(';').find_map(|pair| {
            pair.trim().strip_prefix(COOKIE)?.strip_prefix('=').map(ToOwned::to_owned)
        });
        match (asked.method, asked.path) {
            ("GET", SIGN_IN) => Ok(form(200, "")),
            ("POST", SIGN_IN) => self.enter(asked.form.unwrap_or_default(), session).await,
            ("POST", _) => Ok(Seen { status: 303, ..Seen::default() }),
            (_, "/") if session.is_none() => Ok(leading_to(SIGN_IN)),
            (_, "/") => Ok(self.application()),
            _ => {
                let token = session.unwrap_or_default();
                let known = SessionToken(Secret::new(token.clone()));
                if self.service.decide(&known).await?.is_none() {
                    let undecided = self.is(Fault::Undecided) && !token.is_empty();
                    return Ok(if undecided { refusal(503) } else { leading_to(SIGN_IN) });
                }
                Ok(form(200, if self.is(Fault::InPage) { &token } else { "" }))
            }
        }
    }

    /// The application's page, or what comes in its place.
    fn application(&self) -> Seen {
        let line = match self.fault {
            Some(Fault::Denied) => return refusal(403),
            Some(Fault::LedAway) => return leading_to(SIGN_IN),
            Some(Fault::Down) => return refusal(502),
            Some(Fault::Busy) => return Seen { status: 429, ..Seen::default() },
            Some(Fault::ApplicationPlain) => "shop=1",
            _ => "shop=1; Secure; HttpOnly; SameSite=Lax",
        };
        let headers = vec![("set-cookie".to_owned(), line.to_owned())];
        Seen { status: 200, headers, body: String::new() }
    }

    async fn enter(&self, body: &str, before: Option<String>) -> Result<Seen, String> {
        let field = |name: &str| {
            let mut pairs = body.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(found, _)| *found == name).map(|(_, value)| decoded(value))
        };
        let email = field("email").unwrap_or_default();
        let password = Secret::new(field("password").unwrap_or_default());
        let Ok(signed_in) = self.service.sign_in(&email, &password).await else {
            let mut page = form(403, "");
            if self.is(Fault::Foreign) {
                page = refusal(403);
            }
            if self.is(Fault::RefusalPlain) {
                let line = "__Host-amanah-tries=1; Path=/; Secure; SameSite=Lax".to_owned();
                page.headers.push(("set-cookie".to_owned(), line));
            }
            return Ok(page);
        };
        let token = signed_in.session().ok_or("a second factor was asked for")?;
        let token = match before {
            Some(before) if self.is(Fault::Adopted) => before,
            _ => token.0.expose().to_owned(),
        };
        let place = if self.is(Fault::InAddress) { format!("/?s={token}") } else { "/".to_owned() };
        let headers = vec![self.cookie(&token), ("location".to_owned(), place)];
        Ok(Seen { status: 303, headers, body: String::new() })
    }
}

impl EdgeProbe for Flawed {
    fn ask<'a>(&'a self, asked: Asked<'a>) -> Fut<'a, Result<Seen, String>> {
        Box::pin(self.answer(asked))
    }

    fn held<'a>(
        &'a self,
        asked: Asked<'a>,
        meanwhile: Fut<'a, Result<(), String>>,
    ) -> Fut<'a, Result<Seen, String>> {
        Box::pin(async move {
            meanwhile.await?;
            self.answer(asked).await
        })
    }

    fn own(&self) -> Vec<(String, String)> {
        vec![("GET".to_owned(), "/_amanah/account".to_owned())]
    }

    fn upstream(&self) -> Vec<String> {
        vec!["/".to_owned()]
    }

    fn tenant(&self) -> Option<TenantId> {
        None
    }
}

/// An answer that is the gateway's own refusal.
fn refusal(status: u16) -> Seen {
    let headers = vec![(kernel::REFUSED_HEADER.to_owned(), "seeded".to_owned())];
    Seen { status, headers, body: String::new() }
}

fn leading_to(path: &str) -> Seen {
    let headers = vec![("location".to_owned(), path.to_owned())];
    Seen { status: 303, headers, body: String::new() }
}

fn form(status: u16, inside: &str) -> Seen {
    let line = "__Host-amanah-csrf=f; Path=/; Secure; HttpOnly; SameSite=Lax";
    Seen {
        status,
        headers: vec![("set-cookie".to_owned(), line.to_owned())],
        body: format!("<input name=\"token\" value=\"f\">{inside}"),
    }
}

/// The only escape in what a canary sends is its address's.
fn decoded(text: &str) -> String {
    text.replace("%40", "@").replace("%2E", ".").replace("%2D", "-")
}
