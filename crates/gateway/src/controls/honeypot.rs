//! `edge.honeypot`: whoever takes bait is written down and not heard any more.

use std::net::Ipv4Addr;
use std::time::Duration;

use kernel::{Card, Control, Cx, Finding, Fut, Params, Population, Proof, SessionToken};
use tokio::time::{Instant, sleep};

use super::visitors::{Networks, Told, Visitors, cookie};
use super::{BaitTarget, Target, probe};
use crate::BAIT_KEY;

mod bite;

static CARD: Card = Card {
    id: "edge.honeypot",
    title: "Bait for scanners",
    attack: "takes every bait from addresses of its own at the running gateway, reads back what was \
             written down, and asks as a stranger and as a signed-in person from the same addresses",
    bite: "starts scratch gateways of which one writes nothing down, one goes on hearing the scanner, and \
           one refuses where people are after one hit, and attacks them the same way",
    cadence: Duration::from_hours(12),
    deadline: Duration::from_mins(3),
    not_covered: &[
        "scanners that ask for nothing that is laid out, or from a new address each time",
        "the refusal of whole neighbourhoods, which hundreds of hits would be needed for",
        "what is written down of a flood of hits, which is bounded",
    ],
};

/// How long a hit may take until it is written down, and how often it is looked for.
const WRITTEN_WITHIN: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// A page that strangers may read.
const PUBLIC: &str = "/trust";
/// The status of whoever is not heard, and the limit that says so.
const REFUSED: (u16, &str) = (429, "banned");

/// The control behind `edge.honeypot`.
pub(super) struct Honeypot {
    target: Target,
}

impl Honeypot {
    pub(super) const fn new(target: Target) -> Self {
        Self { target }
    }

    async fn prove_running(&self, cx: &Cx) -> Result<Proof, String> {
        let Some(bait) = &self.target.bait else {
            return Err("the gateway is not running here; start it with `amanah up`".to_owned());
        };
        if !probe::answers(self.target.address).await {
            let address = self.target.address;
            return Err(format!(
                "the gateway does not answer on {address}; is `amanah up` running?"
            ));
        }
        let trusted = tokio::fs::read(&self.target.authority).await.map_err(|e| e.to_string())?;
        let visitors = Visitors::new(self.target.address, &trusted)?;
        let token = match &self.target.session {
            Some(session) => session.token().await,
            None => None,
        };
        attack(cx, &visitors, bait, token.as_ref()).await
    }
}

impl Control for Honeypot {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let proof = self.prove_running(cx).await;
            proof.unwrap_or_else(|why| Proof::unknown(cx.clock.now(), why))
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let proof = bite::seed(cx).await;
            proof.unwrap_or_else(|why| Proof::unknown(cx.clock.now(), why))
        })
    }
}

/// Takes all of it, and looks at what comes of that.
async fn attack(
    cx: &Cx,
    visitors: &Visitors,
    bait: &BaitTarget,
    token: Option<&SessionToken>,
) -> Result<Proof, String> {
    let observed_at = cx.clock.now();
    let networks = Networks::draw(cx.rng.as_ref())?;
    let (scanner, thief, beside) =
        (networks.address(0, 0), networks.address(1, 0), networks.address(2, 0));
    let mut findings = Vec::new();
    for from in [scanner, thief] {
        if is_refused(&visitors.ask(from, "GET", PUBLIC, "").await?) {
            return Err(format!("{from} was refused before it took any bait"));
        }
    }
    for route in &bait.routes {
        visitors.ask(scanner, "GET", route, "").await?;
    }
    let shown = format!("Authorization: Bearer {}\r\n", bait.key.expose());
    let told = visitors.ask(thief, "GET", "/", &shown).await?;
    if told.status != 401 {
        findings.push(Finding::new("the bait key", format!("answered {}", told.status)));
    }
    let mut wanted: Vec<(Ipv4Addr, &str)> =
        bait.routes.iter().map(|route| (scanner, route.as_str())).collect();
    wanted.push((thief, BAIT_KEY));
    let silent = missing(bait, &wanted).await?;
    findings
        .extend(silent.into_iter().map(|what| Finding::new(what, "taken and not written down")));
    for (from, what) in [(scanner, "a scanner"), (thief, "whoever showed the bait key")] {
        if !is_refused(&visitors.ask(from, "GET", PUBLIC, "").await?) {
            findings.push(Finding::new(what, "is heard as before"));
        }
    }
    if is_refused(&visitors.ask(beside, "GET", PUBLIC, "").await?) {
        findings.push(Finding::new("a stranger elsewhere", "is refused for it"));
    }
    let people = match token {
        Some(token) => people(visitors, bait, token, networks).await?,
        None => Vec::new(),
    };
    let note =
        if token.is_none() { "no canary is signed in, so that people were not tried" } else { "" };
    findings.extend(people);
    let all = wanted.len();
    let measured = format!(
        "{} of {all} written down",
        all.saturating_sub(
            findings.iter().filter(|finding| finding.what == "taken and not written down").count(),
        )
    );
    let threshold = format!("{all} of {all}, and the scanner refused");
    let population = Population::new(all, all, "baits");
    Ok(Proof::weigh(observed_at, population, measured, threshold, findings).note(note))
}

/// Whether people are heard: at the scanner's address, and where they are and a stranger took bait once.
async fn people(
    visitors: &Visitors,
    bait: &BaitTarget,
    token: &SessionToken,
    networks: Networks,
) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    let signed_in = cookie(token);
    let (scanner, office) = (networks.address(0, 0), networks.address(3, 0));
    if visitors.ask(scanner, "GET", "/_amanah/account", &signed_in).await?.status == REFUSED.0 {
        findings.push(Finding::new("a person at a scanner's address", "is refused for it"));
    }
    visitors.ask(office, "GET", "/_amanah/account", &signed_in).await?;
    if let Some(route) = bait.routes.first() {
        visitors.ask(office, "GET", route, "").await?;
    }
    if is_refused(&visitors.ask(office, "GET", PUBLIC, "").await?) {
        findings.push(Finding::new("an address where people are", "is refused after one hit"));
    }
    Ok(findings)
}

fn is_refused(told: &Told) -> bool {
    told.status == REFUSED.0 && told.limit() == Some(REFUSED.1)
}

/// What was taken and is not in the book after a while.
async fn missing(bait: &BaitTarget, wanted: &[(Ipv4Addr, &str)]) -> Result<Vec<String>, String> {
    let until = Instant::now() + WRITTEN_WITHIN;
    loop {
        let mut missing = Vec::new();
        let mut book: Vec<(Ipv4Addr, Vec<String>)> = Vec::new();
        for (from, what) in wanted {
            if !book.iter().any(|(source, _)| source == from) {
                book.push((*from, bait.book.taken(*from).await?));
            }
            let read = book.iter().find(|(source, _)| source == from);
            if !read.is_some_and(|(_, taken)| taken.iter().any(|bait| bait == what)) {
                missing.push((*what).to_owned());
            }
        }
        if missing.is_empty() || Instant::now() > until {
            return Ok(missing);
        }
        sleep(LOOK_AGAIN).await;
    }
}
