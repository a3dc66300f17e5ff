//! `access.offboarding`: whoever was off-boarded can do nothing any more, and how soon.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kernel::{Card, Control, Cx, Finding, Fut, Params, Population, Proof, Value};

static CARD: Card = Card {
    id: "access.offboarding",
    title: "Who leaves is out at once",
    attack: "A synthetic person is given a session, a password, a half-way sign-in, factors, an API key, \
             roles and access of support, each of which is used once to see that it works; then they are \
             off-boarded, and each is used again and again until it is refused: sessions at the running \
             gateway, the others where they are checked. No place in the \
             control database that names accounts may be without a rule.",
    bite: "In copies of the control database the off-boarding spares one credential: each kind in its \
           turn, and a table that nobody has thought of.",
    cadence: Duration::from_hours(6),
    deadline: Duration::from_mins(4),
    not_covered: &[
        "refresh tokens, keys of services, invitations and links to a new password: they are ended too, \
         and not tried here",
        "that somebody who leaves is off-boarded: whoever learns of it has to do it, or the customer's \
         directory",
        "accounts of theirs in other systems, their devices, and what they remember",
        "accounts that the application keeps besides Amanah's",
        "a binding that the application was given a moment before, which is good for a minute",
    ],
};

const OF: &str = "credentials";
/// How long is waited for a refusal at most, however much the claim allows.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);
/// How often a credential is used meanwhile.
const EVERY: Duration = Duration::from_millis(50);

/// What the control is told about the house.
#[derive(Clone)]
pub struct LeavingHouse {
    /// The running house; without a gateway nobody could be refused by it.
    pub doorstep: Option<Arc<dyn Doorstep>>,
    /// Makes houses that spare something.
    pub workshop: Arc<dyn Sparing>,
}

/// A house that somebody can leave. Implemented by the binary.
pub trait Doorstep: Send + Sync {
    /// A synthetic person with everything that can be given.
    ///
    /// # Errors
    /// When they could not be equipped; the text says why.
    fn equip(&self) -> Fut<'_, Result<Box<dyn Leaver>, String>>;

    /// Removes what was made for it.
    fn close(&self) -> Fut<'_, ()>;
}

/// Makes houses that spare something. Implemented by the binary.
pub trait Sparing: Send + Sync {
    /// One that spares the credential of this name, nothing, or a table of its own.
    ///
    /// # Errors
    /// When it could not be made; the text says why.
    fn build<'a>(&'a self, spared: Spared<'a>) -> Fut<'a, Result<Box<dyn Doorstep>, String>>;
}

/// What an off-boarding leaves alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spared<'a> {
    /// Nothing.
    Nothing,
    /// The credential of this name.
    Credential(&'a str),
    /// What lies in a table that nobody has thought of.
    Table,
}

/// A synthetic person who leaves.
pub trait Leaver: Send + Sync {
    /// What they have, by name.
    fn holds(&self) -> Vec<&'static str>;

    /// Whether one of these still does something.
    ///
    /// # Errors
    /// When it cannot be told; the text says why.
    fn works<'a>(&'a self, what: &'a str) -> Fut<'a, Result<bool, String>>;

    /// Off-boards them, as the command and the page do. Returns what it left, in words.
    ///
    /// # Errors
    /// When it was not done; the text says why.
    fn leave(&self) -> Fut<'_, Result<Vec<String>, String>>;
}

/// What came of one departure.
#[derive(Debug, Default)]
struct Departure {
    total: usize,
    checked: usize,
    findings: Vec<Finding>,
    missed: Vec<String>,
    /// The longest that anything worked on, in milliseconds.
    slowest: i64,
}

/// The control.
pub(super) struct OffBoarding {
    pub(super) house: LeavingHouse,
}

impl Control for OffBoarding {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let now = cx.clock.now();
            let within = match params.value("within") {
                Some(Value::Period(within)) => SignedDuration::try_from(*within).ok(),
                _ => None,
            };
            let Some(within) = within else {
                return Proof::unknown(now, "the claim does not say within which time");
            };
            let Some(doorstep) = &self.house.doorstep else {
                return Proof::unknown(
                    now,
                    "the gateway does not run, so it cannot refuse anybody",
                );
            };
            match depart(&**doorstep, cx, within).await {
                Ok(departure) => weigh(now, departure, within),
                Err(why) => Proof::unknown(now, why),
            }
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let now = cx.clock.now();
            self.seed(cx).await.unwrap_or_else(|why| Proof::unknown(now, why))
        })
    }
}

impl OffBoarding {
    async fn seed(&self, cx: &Cx) -> Result<Proof, String> {
        let (whole, kinds) = self.spare(Spared::Nothing, cx).await?;
        if let Some(finding) = whole.findings.first() {
            return Err(format!("a departure that spares nothing does not pass: {finding}"));
        }
        if let Some(why) = whole.missed.first() {
            return Err(format!("a departure that spares nothing could not be tried: {why}"));
        }
        let (mut findings, mut missed) = (Vec::new(), Vec::new());
        for kind in &kinds {
            let (departure, _) = self.spare(Spared::Credential(kind), cx).await?;
            match departure.findings.into_iter().find(|finding| finding.object == *kind) {
                Some(finding) => findings.push(finding),
                None => missed.push((*kind).to_owned()),
            }
        }
        let (departure, _) = self.spare(Spared::Table, cx).await?;
        match departure.findings.into_iter().find(|f| f.object == "what was left") {
            Some(finding) => findings.push(finding),
            None => missed.push("a table that nobody has thought of".to_owned()),
        }
        let (now, seeded) = (cx.clock.now(), kinds.len() + 1);
        let population = Population::new(findings.len(), seeded, "spared credentials");
        if !missed.is_empty() {
            return Ok(Proof::missed(now, population, format!("not found: {}", missed.join(", "))));
        }
        let measured = format!("{} of {seeded} found", findings.len());
        Ok(Proof::weigh(now, population, measured, "all of them", findings))
    }

    async fn spare(
        &self,
        spared: Spared<'_>,
        cx: &Cx,
    ) -> Result<(Departure, Vec<&'static str>), String> {
        let doorstep = self.house.workshop.build(spared).await?;
        let departed = async {
            let leaver = doorstep.equip().await?;
            let departure = leave(&*leaver, cx, SignedDuration::from_secs(2)).await?;
            Ok((departure, leaver.holds()))
        };
        let departed = departed.await;
        doorstep.close().await;
        departed
    }
}

async fn depart(
    doorstep: &dyn Doorstep,
    cx: &Cx,
    within: SignedDuration,
) -> Result<Departure, String> {
    let leaver = doorstep.equip().await?;
    leave(&*leaver, cx, within).await
}

/// Uses everything once, off-boards, and uses everything until it is refused.
async fn leave(leaver: &dyn Leaver, cx: &Cx, within: SignedDuration) -> Result<Departure, String> {
    let mut departure = Departure::default();
    let mut alive = Vec::new();
    for what in leaver.holds() {
        departure.total += 1;
        match leaver.works(what).await {
            Ok(true) => alive.push(what),
            Ok(false) => departure.missed.push(format!("{what} did not work before either")),
            Err(why) => departure.missed.push(format!("{what}: {why}")),
        }
    }
    let left = leaver.leave().await?;
    let began = cx.clock.now();
    if !left.is_empty() {
        let what = format!("is still there: {}", left.join(", "));
        departure.findings.push(Finding::new("what was left", what));
    }
    let patience = within.min(PATIENCE);
    while !alive.is_empty() {
        let mut still = Vec::new();
        for what in alive {
            // What is asked before the time is over is not held against it.
            let asked = cx.clock.now().duration_since(began);
            match leaver.works(what).await {
                Ok(false) => {
                    departure.checked += 1;
                    let took = cx.clock.now().duration_since(began).as_millis();
                    departure.slowest =
                        departure.slowest.max(i64::try_from(took).unwrap_or(i64::MAX));
                }
                Ok(true) if asked >= patience => {
                    departure.checked += 1;
                    let late = asked.as_secs();
                    let words = format!("still works {late} s after its holder was off-boarded");
                    departure.findings.push(Finding::new(what, words));
                }
                Ok(true) => still.push(what),
                Err(why) => departure.missed.push(format!("{what}: {why}")),
            }
        }
        alive = still;
        if !alive.is_empty() {
            tokio::time::sleep(EVERY).await;
        }
    }
    Ok(departure)
}

fn weigh(now: Timestamp, departure: Departure, within: SignedDuration) -> Proof {
    let Departure { total, checked, findings, missed, slowest } = departure;
    let measured = format!("all refused after {slowest} ms");
    let threshold = format!("within {within:#}");
    let population = Population::new(checked, total, OF);
    let proof = Proof::weigh(now, population, measured, threshold, findings);
    proof.note(missed.first().map_or("", String::as_str))
}
