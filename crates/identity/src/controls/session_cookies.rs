//! `session.cookies`: every cookie that leaves the gateway is Secure, `HttpOnly` and `SameSite`, ours
//! cannot be planted by another host, and no session is taken over from before a sign-in.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Card, Control, Cx, Finding, Fut, Params, Population, Proof, REFUSED_HEADER, Secret};
use store::{Db, Programs};

use super::door::{Asked, COOKIE, EdgeProbe, Entry, Seen, enter, form_of, recognises};
use super::factors::CanaryRoles;
use super::visitors::{self, TENANT, Visitor};
use crate::{Error, Identities, Result, token};

mod flawed;

static CARD: Card = Card {
    id: "session.cookies",
    title: "Session cookies are kept from scripts and other hosts",
    attack: "Signs in through the running gateway as somebody made for it, who has the role of a \
             canary; asks every own page and the named pages of the application, is refused, signs \
             out, and judges every cookie that was set; signs in with a session that was planted \
             before; looks for the token in addresses and pages. A page that the application did \
             not answer itself was not looked at.",
    bite: "Gateways in a sandbox, each with one fault: without Secure, HttpOnly, SameSite, Path or \
           prefix, with a Domain, with a planted session, with the token in an address or a page, \
           with a cookie of a refusal or of the application that scripts can read. Gateways that \
           keep the application's pages back, or do not answer, must prove nothing.",
    cadence: Duration::from_mins(10),
    deadline: Duration::from_mins(2),
    not_covered: &[
        "pages of the application that are not named in upstream.paths",
        "cookies that scripts of the application set in the browser",
    ],
};

const OF: &str = "answers of the gateway";
/// The role that the application's pages can be read in.
const ROLE: &str = "canary";
/// Where the gateway's own pages are.
const OWN_PAGES: &str = "/_amanah/";
/// The gateway has enough of us.
const TOO_MANY: u16 = 429;
/// From here on, whoever was asked was not able to answer.
const UNABLE: u16 = 500;

/// The control.
pub(crate) struct SessionCookies {
    pub(crate) identities: Arc<Identities>,
    pub(crate) owner: Db,
    pub(crate) programs: Programs,
    pub(crate) edge: Option<Arc<dyn EdgeProbe>>,
    pub(crate) roles: Arc<dyn CanaryRoles>,
}

/// Whose answer is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// A page of ours.
    Own,
    /// The gateway's, to somebody without a session who asks for the application.
    Gateway,
    /// The application's.
    Application,
}

/// What came of asking a gateway.
#[derive(Default)]
struct Survey {
    total: usize,
    checked: usize,
    /// How many of them the application gave.
    of_application: usize,
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
                let tenant = edge.tenant().map_or_else(|| visitors::tenant_id(TENANT), Ok)?;
                let person = visitors::make(&self.identities, tenant.as_str()).await?;
                // A page that somebody may not read is the gateway's refusal, and no page.
                let survey = match self.roles.give(&person.account, &tenant, ROLE).await {
                    Ok(()) => survey(edge, &person, cx).await,
                    Err(why) => Err(Error::Standing(why)),
                };
                // It is nobody's from now on; a row that stays is listed as one of nobody.
                drop(self.roles.take(&person.account, &tenant, ROLE).await);
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
    let measured = format!(
        "{} cookies in {} answers, {} of which the application gave",
        survey.cookies, survey.checked, survey.of_application
    );
    if survey.cookies == 0 && survey.findings.is_empty() {
        return Proof::unknown(observed_at, "no cookie was set at all, so none could be judged");
    }
    let population = Population::new(survey.checked, survey.total, OF);
    let threshold = "Secure, HttpOnly, SameSite; ours for this host alone";
    Proof::weigh(observed_at, population, measured, threshold, survey.findings)
        .note(survey.missed.as_deref().unwrap_or_default())
}

impl Survey {
    /// Judges one answer, which counts as looked at when it is `whose` it should be.
    fn judge(&mut self, what: &str, answer: std::result::Result<&Seen, String>, whose: Whose) {
        let answer = match answer {
            Ok(answer) => answer,
            Err(why) => return self.miss(what, &why),
        };
        if let Some(why) = kept_back(answer, whose) {
            self.miss(what, &why);
        } else {
            self.count();
            self.of_application += usize::from(whose == Whose::Application);
        }
        for line in answer.all("set-cookie") {
            self.cookies += 1;
            for flaw in flaws(line, whose == Whose::Own) {
                let name = line.split('=').next().unwrap_or_default().trim();
                self.findings.push(Finding::new(format!("{what}: {name}"), flaw));
            }
        }
    }

    /// Judges every answer of a sign-in.
    fn judge_all(&mut self, what: &str, entry: &Entry) {
        for answer in &entry.answers {
            self.judge(what, Ok(answer), Whose::Own);
            if let Ok(token) = &entry.opened {
                self.leaks(what, answer, token.0.expose());
            }
        }
    }

    /// One more was looked at.
    const fn count(&mut self) {
        self.total += 1;
        self.checked += 1;
    }

    /// One more was not.
    fn miss(&mut self, what: &str, why: &str) {
        self.total += 1;
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

/// Why an answer is not the one that was to be looked at, if it is not.
fn kept_back(answer: &Seen, whose: Whose) -> Option<String> {
    if let Some(label) = answer.all(REFUSED_HEADER).next() {
        return Some(format!("the gateway refused it ({label})"));
    }
    if answer.status == TOO_MANY || answer.status >= UNABLE {
        return Some(format!("it was answered with {}", answer.status));
    }
    let mut elsewhere = answer.all("location").filter(|to| to.starts_with(OWN_PAGES));
    match (whose, elsewhere.next()) {
        (Whose::Application, Some(to)) => Some(format!("the gateway led to {to}")),
        _ => None,
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
    let what = "the sign-in";
    let entry = enter(&**edge, &person.email, &person.password, Some(&planted)).await;
    survey.judge_all(what, &entry);
    let token = match entry.opened {
        Ok(token) => token,
        Err(why) => {
            survey.miss(what, &why);
            return Ok(survey);
        }
    };
    let adopted = match recognises(&**edge, &planted).await {
        Ok(known) => {
            survey.count();
            known
        }
        Err(why) => {
            survey.miss("the session that was planted before", &why);
            false
        }
    };
    if adopted || token == planted {
        let why = "a session that was planted before is taken over";
        survey.findings.push(Finding::new(what, why));
    }
    // Once more: each sign-in has a session of its own.
    let again = enter(&**edge, &person.email, &person.password, None).await;
    survey.judge_all("a second sign-in", &again);
    match again.opened {
        Ok(other) if other == token => {
            survey.findings.push(Finding::new(what, "two sign-ins come to one session"));
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
    let entry = enter(edge, &person.email, wrong, None).await;
    survey.judge_all(what, &entry);
    let looked_at = entry.is_refused();
    match entry.opened {
        Ok(_) => survey.findings.push(Finding::new(what, "a wrong password opens a session")),
        Err(_) if looked_at => {}
        Err(why) => survey.miss(what, &why),
    }
}

/// Every own route and every named page of the application, as nobody and as somebody.
async fn pages(edge: &dyn EdgeProbe, token: &str, survey: &mut Survey) {
    let session = format!("{COOKIE}={token}");
    let own = edge.own().into_iter().map(|(method, path)| (method, path, [Whose::Own; 2]));
    let of_application = [Whose::Gateway, Whose::Application];
    let named = edge.upstream().into_iter();
    let named = named.map(|path| ("GET".to_owned(), path, of_application));
    for (method, path, whose) in own.chain(named) {
        // The session is still needed, and the machine's own pages belong to no visitor.
        if path.contains("sign-out") || matches!(path.as_str(), "/metrics" | "/healthz") {
            continue;
        }
        let visits = [("anonymous", ""), ("signed in", session.as_str())];
        for ((who, cookies), whose) in visits.into_iter().zip(whose) {
            let what = format!("{method} {path}, {who}");
            let form = (method != "GET").then_some("");
            let asked = Asked { method: &method, path: &path, cookies, form };
            let answer = edge.ask(asked).await;
            if let Ok(answer) = &answer {
                survey.leaks(&what, answer, token);
            }
            survey.judge(&what, answer.as_ref().map_err(Clone::clone), whose);
        }
    }
}

/// Signs out, by the form of the account's page.
async fn farewell(edge: &dyn EdgeProbe, token: &str, survey: &mut Survey) {
    let session = format!("{COOKIE}={token}");
    let asked = Asked { method: "GET", path: "/_amanah/account", cookies: &session, form: None };
    let page = match edge.ask(asked).await {
        Ok(page) => page,
        Err(why) => return survey.miss("the account", &why),
    };
    let Some((cookie, form)) = form_of(&page) else {
        return survey.miss("signing out", "the account's page has no form");
    };
    let cookies = format!("{session}; {cookie}");
    let body = format!("token={}", super::door::encoded(&form));
    let asked =
        Asked { method: "POST", path: "/_amanah/sign-out", cookies: &cookies, form: Some(&body) };
    let answer = edge.ask(asked).await;
    survey.judge("signing out", answer.as_ref().map_err(Clone::clone), Whose::Own);
}

/// Each fault of a gateway, and one without.
async fn seed_and_find(db: &Db, cx: &Cx) -> Result<(usize, Vec<Finding>, Vec<String>)> {
    let service = Arc::new(visitors::service(db, &cx.clock, &cx.rng)?);
    let person = visitors::make(&service, TENANT).await?;
    let (mut findings, mut missed) = (Vec::new(), Vec::new());
    for fault in flawed::FAULTS {
        let found = looked_at(&service, fault, &person, cx).await?;
        match (fault, found.findings.is_empty()) {
            (None, true) if found.checked == found.total => {}
            (None, _) => missed.push("a gateway without fault".to_owned()),
            (Some(fault), true) => missed.push(format!("{fault:?}")),
            (Some(_), false) => findings.extend(found.findings),
        }
    }
    // What was not answered was not judged: these prove nothing, and condemn nobody.
    for fault in flawed::SILENT {
        let found = looked_at(&service, Some(fault), &person, cx).await?;
        if found.checked >= found.total || !found.findings.is_empty() {
            missed.push(format!("{fault:?}, which says nothing"));
        }
    }
    Ok((flawed::FAULTS.len() - 1, findings, missed))
}

/// The attack on a gateway in the sandbox.
async fn looked_at(
    service: &Arc<Identities>,
    fault: Option<flawed::Fault>,
    person: &Visitor,
    cx: &Cx,
) -> Result<Survey> {
    let service = Arc::clone(service);
    let edge: Arc<dyn EdgeProbe> = Arc::new(flawed::Flawed { service, fault });
    survey(&edge, person, cx).await
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
