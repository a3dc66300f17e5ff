//! `edge.csrf`: a change that another site starts is refused, on every route.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use kernel::{Card, Control, Cx, Finding, Fut, Params, Population, Proof};

use super::Target;
use super::faults::Faults;
use super::probe;
use super::stand::Stand;
use super::visitors::{Networks, Visitors};
use crate::origin::{Check, SameSite};
use crate::own::is_for_directories;
use crate::{LocalAuthority, OwnPath};

static CARD: Card = Card {
    id: "edge.csrf",
    title: "Changes that another site starts are refused",
    attack: "asks every own route that changes something, and every given path of the application, as a \
             browser does that another site has led there: with a foreign Origin, with the Origin null, with \
             Sec-Fetch-Site cross-site and same-site, with two statements that do not agree, with a \
             session's cookie and no statement, and as the opening of a socket. And as our own pages and as \
             a program does, which must not be refused for that",
    bite: "starts scratch gateways in each of which one of the checks is off",
    cadence: Duration::from_mins(15),
    deadline: Duration::from_mins(3),
    not_covered: &[
        "the routes of directories, where no cookie counts",
        "the application's paths that were not given: the same check stands before all of them",
        "requests of a script that runs on this site itself, which is what edge.csp is about",
        "changes by GET, which an application must not make",
    ],
};

/// The answer's own word for it.
const CROSS_SITE: &str = "cross_site";
/// A session that is nobody's: should a check be missing, nothing is done for it.
const NOBODY: &str = "Cookie: __Host-amanah=proof-of-edge-csrf\r\n";
const TOKEN: &str = "Authorization: Bearer proof-of-edge-csrf\r\n";
const EMPTY: &str = "Content-Length: 0\r\n";
const HERE: &str = "Sec-Fetch-Site: same-origin\r\n";
const SOCKET: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const FOREIGN: &str = "Origin: https://amanah.invalid\r\n";

/// What a browser says that another site has led here.
const STATEMENTS: [(&str, &str); 6] = [
    ("Origin of another site", FOREIGN),
    ("Origin null", "Origin: null\r\n"),
    ("Sec-Fetch-Site cross-site", "Sec-Fetch-Site: cross-site\r\n"),
    ("Sec-Fetch-Site same-site", "Sec-Fetch-Site: same-site\r\n"),
    (
        "statements that do not agree",
        "Sec-Fetch-Site: same-origin\r\nOrigin: https://amanah.invalid\r\n",
    ),
    ("a session and no statement", ""),
];

/// The control behind `edge.csrf`.
pub(super) struct Csrf {
    target: Target,
}

/// One request, and whether it is to be refused for where it comes from.
struct Attempt {
    method: String,
    path: String,
    lines: String,
    what: String,
    network: u16,
    refused: bool,
}

/// What came of all of them.
#[derive(Default)]
struct Outcome {
    total: usize,
    checked: usize,
    findings: Vec<Finding>,
    missed: Option<String>,
}

impl Csrf {
    pub(super) const fn new(target: Target) -> Self {
        Self { target }
    }

    async fn attack(&self, cx: &Cx) -> Result<Proof, String> {
        let target = &self.target;
        let observed_at = cx.clock.now();
        if !probe::answers(target.address).await {
            return Err(format!(
                "the gateway does not answer on {}; start it with `amanah up`",
                target.address
            ));
        }
        let visitors = Visitors::new(target.address, &target.trusted().await?)?;
        let outcome = ask(cx, &visitors, &attempts(&target.own, &target.upstream_paths)).await?;
        let missed = outcome.missed.clone().unwrap_or_default();
        let (right, all) = (outcome.checked - outcome.findings.len(), outcome.total);
        Ok(Proof::weigh(
            observed_at,
            Population::new(outcome.checked, all, "requests"),
            format!("{right} of {} requests decided as they should be", outcome.checked),
            "changes of other sites refused, our own and programs' not",
            outcome.findings,
        )
        .note(&missed))
    }

    async fn seed(cx: &Cx) -> Result<Proof, String> {
        let observed_at = cx.clock.now();
        let clock = Arc::clone(&cx.clock);
        let authority = Arc::new(LocalAuthority::in_memory(clock).map_err(|e| e.to_string())?);
        let whole = scratch(cx, &authority, SameSite::default()).await?;
        if whole.checked < whole.total || !whole.findings.is_empty() {
            let why = whole.missed.unwrap_or_default();
            return Err(format!(
                "the scratch gateway with every check does not pass, so that nothing can be said of one \
                 with less: {} wrong, {why}",
                whole.findings.len()
            ));
        }
        let mut faults = Faults::default();
        for check in Check::ALL {
            let wrong = scratch(cx, &authority, SameSite::without(check)).await?.findings.len();
            let found = (wrong > 0).then(|| format!("off, and found by {wrong} requests"));
            faults.note(&format!("{check:?}"), found);
        }
        Ok(faults.weigh(observed_at, "checks that were off"))
    }
}

impl Control for Csrf {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let proof = self.attack(cx).await;
            proof.unwrap_or_else(|why| Proof::unknown(cx.clock.now(), why))
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let proof = Self::seed(cx).await;
            proof.unwrap_or_else(|why| Proof::unknown(cx.clock.now(), why))
        })
    }
}

/// Every change, started in every way: those of one route come from one address.
fn attempts(own: &[OwnPath], upstream_paths: &[String]) -> Vec<Attempt> {
    let changes = own.iter().filter(|route| !matches!(route.method, Method::GET | Method::HEAD));
    let changes = changes.map(|route| (route.method.as_str(), route.path.as_str()));
    let changes = changes.filter(|(_, path)| !is_for_directories(path));
    let theirs = ["POST", "PUT", "PATCH", "DELETE"];
    let theirs =
        upstream_paths.iter().flat_map(|path| theirs.map(|method| (method, path.as_str())));
    let none = ("POST", "/_amanah/no-such-page");
    let mut attempts = Vec::new();
    let mut network = 0;
    for (method, path) in changes.chain(theirs).chain([none]) {
        network += 1;
        let mut add = |name: &str, lines: String, refused| {
            let (what, lines) = (format!("{method} {path}, {name}"), format!("{lines}{EMPTY}"));
            let (method, path) = (method.to_owned(), path.to_owned());
            attempts.push(Attempt { method, path, lines, what, network, refused });
        };
        for (name, lines) in STATEMENTS {
            // Only with a cookie there is something to borrow; the others are refused without, too.
            let cookie = if lines.is_empty() { NOBODY } else { "" };
            add(name, format!("{cookie}{lines}"), true);
        }
        add("from our own pages", format!("{NOBODY}{HERE}"), false);
        add("by a program with a token", TOKEN.to_owned(), false);
    }
    for path in upstream_paths {
        network += 1;
        let what = format!("a socket at {path}, from another site");
        let (method, path, lines) = ("GET".to_owned(), path.clone(), format!("{SOCKET}{FOREIGN}"));
        attempts.push(Attempt { method, path, lines, what, network, refused: true });
    }
    attempts
}

async fn ask(cx: &Cx, visitors: &Visitors, attempts: &[Attempt]) -> Result<Outcome, String> {
    let networks = Networks::draw(cx.rng.as_ref())?;
    let mut outcome = Outcome { total: attempts.len(), ..Outcome::default() };
    for Attempt { method, path, lines, what, network, refused } in attempts {
        let from = networks.address(*network, 0);
        let told = match visitors.ask(from, method, path, lines).await {
            Ok(told) => told,
            Err(why) => {
                outcome.missed.get_or_insert(why);
                continue;
            }
        };
        let said = told.header(kernel::REFUSED_HEADER);
        // Whoever was not heard at all was not judged.
        if let Some(why @ ("limited" | "busy" | "undecided")) = said {
            outcome.missed.get_or_insert(format!("{what}: {why}"));
            continue;
        }
        outcome.checked += 1;
        let was = said == Some(CROSS_SITE) && told.status == 403;
        if was != *refused {
            let found =
                if *refused { "not refused for where it comes from" } else { "refused as foreign" };
            outcome.findings.push(Finding::new(format!("{what} ({})", told.status), found));
        }
    }
    Ok(outcome)
}

/// Everything that is asked of the running gateway, asked of a scratch one.
async fn scratch(
    cx: &Cx,
    authority: &Arc<LocalAuthority>,
    same_site: SameSite,
) -> Result<Outcome, String> {
    let stand = Stand::start(cx, authority, 0, |settings| settings.same_site = same_site).await?;
    let own = [OwnPath { method: Method::POST, path: "/_amanah/sign-in".to_owned() }];
    ask(cx, &stand.visitors, &attempts(&own, &["/".to_owned()])).await
}
