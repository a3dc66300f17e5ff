//! `session.cookies`: every cookie that leaves the gateway is Secure, `HttpOnly` and `SameSite`, ours
//! cannot be planted by another host, and no session is taken over from before a sign-in.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Card, Control, Cx, Finding, Fut, Params, Population, Proof, Secret};
use store::{Db, Programs};

use super::door::{Asked, COOKIE, EdgeProbe, Entry, Seen, form_of, recognises, sign_in};
use super::visitors::{self, TENANT, Visitor};
use crate::{Identities, Result, token};

mod flawed;

static CARD: Card = Card {
    id: "session.cookies",
    title: "Session cookies are kept from scripts and other hosts",
    attack: "Asks every own page and the named pages of the application of the running gateway, \
             signs in, is refused, signs out, and judges every cookie that was set; signs in with a \
             session that was planted before; looks for the token in addresses and pages.",
    bite: "Gateways in a sandbox, each with one fault: without Secure, HttpOnly, SameSite, Path or \
           prefix, with a Domain, with a planted session, with the token in an address or a page.",
    cadence: Duration::from_mins(10),
    deadline: Duration::from_mins(2),
    not_covered: &[
        "pages of the application that are not named in upstream.paths",
        "cookies that scripts of the application set in the browser",
    ],
};

const OF: &str = "answers of the gateway";

/// The control.
pub(crate) struct SessionCookies {
    pub(crate) identities: Arc<Identities>,
    pub(crate) owner: Db,
    pub(crate) programs: Programs,
    pub(crate) edge: Option<Arc<dyn EdgeProbe>>,
}

/// What came of asking a gateway.
#[derive(Default)]
struct Survey {
    total: usize,
    checked: usize,
    cookies: usize,
    findings: Vec<Finding>,
    missed: Option<String>,
}

impl Control for SessionCookies {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let observed_at = cx.clock.now();
            let Some(edge) = &self.edge else {
                let why = "no gateway runs that could be asked; start `amanah up`";
                return Proof::unknown(observed_at, why);
            };
            let surveyed = async {
                let person = visitors::make(&self.identities, TENANT).await?;
                let survey = survey(edge, &person, cx).await;
                visitors::remove(&self.owner, &[person], cx.clock.now()).await?;
                survey
            };
            match surveyed.await {
                Ok(survey) => weigh(observed_at, survey),
                Err(error) => Proof::unknown(observed_at, error.to_string()),
            }
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let observed_at = cx.clock.now();
            let scratch = match self.owner.scratch(&self.programs, &*cx.rng).await {
                Ok(scratch) => scratch,
                Err(error) => {
                    return Proof::unknown(observed_at, format!("no sandbox: {error}"));
                }
            };
            let bitten = seed_and_find(scratch.db(), cx).await;
            let left = scratch.remove().await.err();
            let proof = match bitten {
                Ok((seeded, findings, missed)) => {
                    super::bitten(observed_at, seeded, findings, &missed)
                }
                Err(error) => Proof::unknown(observed_at, error.to_string()),
            };
            match left {
                Some(error) => proof.note(&format!("the sandbox was left behind: {error}")),
                None => proof,
            }
        })
    }
}

fn weigh(observed_at: jiff::Timestamp, survey: Survey) -> Proof {
    let measured = format!("{} cookies in {} answers", survey.cookies, survey.checked);
    if survey.cookies == 0 && survey.findings.is_empty() {
        return Proof::unknown(observed_at, "no cookie was set at all, so none could be judged");
    }
    let population = Population::new(survey.checked, survey.total, OF);
    let threshold = "Secure, HttpOnly, SameSite; ours for this host alone";
    Proof::weigh(observed_at, population, measured, threshold, survey.findings)
        .note(survey.missed.as_deref().unwrap_or_default())
}

impl Survey {
    /// Judges one answer. `own` says that it is one of our pages.
    fn judge(&mut self, what: &str, answer: std::result::Result<&Seen, String>, own: bool) {
        self.total += 1;
        let answer = match answer {
            Ok(answer) if answer.status != 503 => answer,
            Ok(_) => return self.miss(what, "the gateway was not able to answer"),
            Err(why) => return self.miss(what, &why),
        };
        self.checked += 1;
        for line in answer.all("set-cookie") {
            self.cookies += 1;
            for flaw in flaws(line, own) {
                let name = line.split('=').next().unwrap_or_default().trim();
                self.findings.push(Finding::new(format!("{what}: {name}"), flaw));
            }
        }
    }

    fn miss(&mut self, what: &str, why: &str) {
        self.missed.get_or_insert_with(|| format!("{what}: {why}"));
    }

    /// Whether `token` is where it must not be.
    fn leaks(&mut self, what: &str, answer: &Seen, token: &str) {
        if answer.body.contains(token) {
            self.findings.push(Finding::new(what, "the page holds the session's token"));
        }
        let places = answer.headers.iter().filter(|(name, _)| name != "set-cookie");
        for (name, value) in places {
            if value.contains(token) {
                self.findings.push(Finding::new(what, format!("{name} holds the session's token")));
            }
        }
    }
}

/// What is wrong with a cookie, as it is set by `line`.
fn flaws(line: &str, own: bool) -> Vec<String> {
    let mut pieces = line.split(';').map(str::trim);
    let name = pieces.next().and_then(|pair| pair.split('=').next()).unwrap_or_default();
    let attributes: Vec<(String, String)> = pieces
        .map(|piece| {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            (name.trim().to_ascii_lowercase(), value.trim().to_ascii_lowercase())
        })
        .collect();
    // A browser takes the last of several.
    let last = |wanted: &str| attributes.iter().rev().find(|(name, _)| name == wanted);
    let mut flaws = Vec::new();
    for (wanted, shown) in [("secure", "Secure"), ("httponly", "HttpOnly")] {
        if last(wanted).is_none() {
            flaws.push(format!("it is not {shown}"));
        }
    }
    if !last("samesite").is_some_and(|(_, value)| matches!(value.as_str(), "lax" | "strict")) {
        flaws.push("it is not SameSite=Lax or Strict".to_owned());
    }
    if own {
        if !name.starts_with("__Host-") {
            flaws.push("its name does not begin with __Host-".to_owned());
        }
        if last("path").is_none_or(|(_, value)| value != "/") {
            flaws.push("its path is not /".to_owned());
        }
        if last("domain").is_some() {
            flaws.push("it has a Domain, so that other hosts get it".to_owned());
        }
    }
    flaws
}

/// Everything that can be asked of a gateway without changing more than the canary's sessions.
async fn survey(edge: &Arc<dyn EdgeProbe>, person: &Visitor, cx: &Cx) -> Result<Survey> {
    let mut survey = Survey::default();
    let (planted, _) = token::fresh(&*cx.rng)?;
    let wrong = Secret::new(kernel::random_hex(&*cx.rng, 20)?);
    refused(&**edge, person, &wrong, &mut survey).await;
    let entry = match sign_in(&**edge, &person.email, &person.password, Some(&planted)).await {
        Ok(entry) => entry,
        Err(why) => {
            survey.total += 1;
            survey.miss("the sign-in", &why);
            return Ok(survey);
        }
    };
    let Entry { token, answers } = entry;
    for answer in &answers {
        survey.judge("the sign-in", Ok(answer), true);
        survey.leaks("the sign-in", answer, token.0.expose());
    }
    let adopted = token == planted || recognises(&**edge, &planted).await.unwrap_or(false);
    if adopted {
        let what = "a session that was planted before is taken over";
        survey.findings.push(Finding::new("the sign-in", what));
    }
    // Once more: each sign-in has a session of its own.
    match sign_in(&**edge, &person.email, &person.password, None).await {
        Ok(again) if again.token == token => {
            let what = "two sign-ins come to one session";
            survey.findings.push(Finding::new("the sign-in", what));
        }
        Ok(_) => {}
        Err(why) => survey.miss("a second sign-in", &why),
    }
    pages(&**edge, token.0.expose(), &mut survey).await;
    farewell(&**edge, token.0.expose(), &mut survey).await;
    Ok(survey)
}

/// A sign-in that is refused.
async fn refused(edge: &dyn EdgeProbe, person: &Visitor, wrong: &Secret, survey: &mut Survey) {
    let what = "a refused sign-in";
    match sign_in(edge, &person.email, wrong, None).await {
        Ok(_) => survey.findings.push(Finding::new(what, "a wrong password opens a session")),
        Err(why) if why.ends_with("without a session") => {}
        Err(why) => survey.miss(what, &why),
    }
}

/// Every own route and every named page of the application, as nobody and as somebody.
async fn pages(edge: &dyn EdgeProbe, token: &str, survey: &mut Survey) {
    let session = format!("{COOKIE}={token}");
    let own = edge.own().into_iter().map(|(method, path)| (method, path, true));
    let named = edge.upstream().into_iter().map(|path| ("GET".to_owned(), path, false));
    for (method, path, own) in own.chain(named) {
        // The session is still needed, and the machine's own pages belong to no visitor.
        if path.contains("sign-out") || matches!(path.as_str(), "/metrics" | "/healthz") {
            continue;
        }
        for (who, cookies) in [("anonymous", ""), ("signed in", session.as_str())] {
            let what = format!("{method} {path}, {who}");
            let form = (method != "GET").then_some("");
            let asked = Asked { method: &method, path: &path, cookies, form };
            let answer = edge.ask(asked).await;
            if let Ok(answer) = &answer {
                survey.leaks(&what, answer, token);
            }
            survey.judge(&what, answer.as_ref().map_err(Clone::clone), own);
        }
    }
}

/// Signs out, by the form of the account's page.
async fn farewell(edge: &dyn EdgeProbe, token: &str, survey: &mut Survey) {
    let session = format!("{COOKIE}={token}");
    let asked = Asked { method: "GET", path: "/_amanah/account", cookies: &session, form: None };
    let page = match edge.ask(asked).await {
        Ok(page) => page,
        Err(why) => return survey.judge("the account", Err(why), true),
    };
    let Some((cookie, form)) = form_of(&page) else {
        survey.total += 1;
        return survey.miss("signing out", "the account's page has no form");
    };
    let cookies = format!("{session}; {cookie}");
    let body = format!("token={}", super::door::encoded(&form));
    let asked =
        Asked { method: "POST", path: "/_amanah/sign-out", cookies: &cookies, form: Some(&body) };
    let answer = edge.ask(asked).await;
    survey.judge("signing out", answer.as_ref().map_err(Clone::clone), true);
}

/// Each fault of a gateway, and one without.
async fn seed_and_find(db: &Db, cx: &Cx) -> Result<(usize, Vec<Finding>, Vec<String>)> {
    let service = Arc::new(visitors::service(db, &cx.clock, &cx.rng)?);
    let person = visitors::make(&service, TENANT).await?;
    let (mut findings, mut missed) = (Vec::new(), Vec::new());
    for fault in flawed::FAULTS {
        let edge: Arc<dyn EdgeProbe> =
            Arc::new(flawed::Flawed { service: Arc::clone(&service), fault });
        let found = survey(&edge, &person, cx).await?;
        match (fault, found.findings.is_empty()) {
            (None, true) if found.checked == found.total => {}
            (None, _) => missed.push("a gateway without fault".to_owned()),
            (Some(fault), true) => missed.push(format!("{fault:?}")),
            (Some(_), false) => findings.extend(found.findings),
        }
    }
    Ok((flawed::FAULTS.len() - 1, findings, missed))
}

#[cfg(test)]
mod tests {
    use super::flaws;

    #[test]
    fn each_attribute_is_missed() {
        let good = "__Host-amanah=x; Path=/; Secure; HttpOnly; SameSite=Lax";
        assert!(flaws(good, true).is_empty());
        for (without, with) in [
            ("; Secure", ""),
            ("; HttpOnly", ""),
            ("SameSite=Lax", "SameSite=None"),
            ("__Host-", ""),
            ("Path=/", "Path=/x"),
            ("Path=/", "Path=/; Domain=example.org"),
        ] {
            assert_eq!(flaws(&good.replace(without, with), true).len(), 1, "{without}");
        }
        assert!(flaws("shop=1; secure; httponly; samesite=strict; path=/a", false).is_empty());
        assert_eq!(flaws("shop=1", false).len(), 3);
    }
}
