//! `access.offboarding`: whoever was off-boarded can do nothing any more, and how soon.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use kernel::{Card, Control, Cx, Finding, Fut, Params, Population, Proof, Value};

static CARD: Card = Card {
    id: "access.offboarding",
    title: "Who leaves is out at once",
    attack: "A synthetic person is given everything that the house gives: a session, one of support, a \
             password, a half-way sign-in, an app, recovery codes, a passkey, an access and a refresh \
             token, keys of their own and of a service, a link for a new password, an invitation, a \
             token of a directory, roles and access of support. Each is used once to see that it works; then they are \
             off-boarded, with a successor, and each is used again and again until it is refused, at \
             the running gateway. What opens something new must be refused at once. No place in the \
             control database that names accounts may be without a rule.",
    bite: "In a copy of the control database, behind a gateway of the same code, off-boardings spare one \
           credential: each kind in its turn, and a table that nobody has thought of.",
    cadence: Duration::from_hours(6),
    deadline: Duration::from_mins(4),
    not_covered: &[
        "that somebody who leaves is off-boarded: whoever learns of it has to do it, or the customer's \
         directory",
        "accounts of theirs in other systems, their devices, and what they remember",
        "accounts that the application keeps besides Amanah's",
        "a binding that the application was given a moment before, which is good for a minute",
    ],
};

const OF: &str = "credentials";
/// The object of what the off-boarding itself left.
const LEFT: &str = "what was left";
/// How long is waited for a refusal at most, however much the claim allows.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);
/// How often a credential is used meanwhile.
const EVERY: Duration = Duration::from_millis(50);
/// The same in a sandbox, where what is spared never ends.
const BITE_PATIENCE: SignedDuration = SignedDuration::from_millis(500);
/// How many leave a sandbox at once.
const AT_ONCE: usize = 4;

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
    /// A synthetic person with everything that can be given. A sandbox spares something of them.
    ///
    /// # Errors
    /// When they could not be equipped; the text says why.
    fn equip<'a>(&'a self, spared: Spared<'a>) -> Fut<'a, Result<Box<dyn Leaver>, String>>;

    /// Removes what was made for it.
    fn close(&self) -> Fut<'_, ()>;
}

/// Makes a house that spares something. Implemented by the binary.
pub trait Sparing: Send + Sync {
    /// One that spares what each of its people is equipped to be spared.
    ///
    /// # Errors
    /// When it could not be made; the text says why.
    fn build(&self) -> Fut<'_, Result<Box<dyn Doorstep>, String>>;
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

    /// Whether one of these opens something new, and is used up by it: then it must be refused at
    /// once.
    fn once(&self, what: &str) -> bool;

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
    /// How long the off-boarding itself took.
    took: SignedDuration,
    /// The longest that anything worked on after it began.
    slowest: SignedDuration,
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
        let doorstep = self.house.workshop.build().await?;
        let bitten = spare_each(&*doorstep, cx).await;
        doorstep.close().await;
        bitten
    }
}

/// Somebody leaves of whom nothing is spared, and then one for each thing that can be.
async fn spare_each(doorstep: &dyn Doorstep, cx: &Cx) -> Result<Proof, String> {
    let (whole, kinds) = spare(doorstep, Spared::Nothing, cx).await?;
    if let Some(finding) = whole.findings.first() {
        return Err(format!("a departure that spares nothing does not pass: {finding}"));
    }
    if let Some(why) = whole.missed.first() {
        return Err(format!("a departure that spares nothing could not be tried: {why}"));
    }
    let (mut findings, mut missed) = (Vec::new(), Vec::new());
    let mut judge = |departure: Departure, object: &str, what: &str| match departure
        .findings
        .into_iter()
        .find(|finding| finding.object == object)
    {
        Some(finding) => findings.push(finding),
        None => missed.push(what.to_owned()),
    };
    for some in kinds.chunks(AT_ONCE) {
        let tries = some.iter().map(|kind| spare(doorstep, Spared::Credential(kind), cx));
        for (kind, tried) in some.iter().zip(join_all(tries).await) {
            judge(tried?.0, kind, kind);
        }
    }
    let (departure, _) = spare(doorstep, Spared::Table, cx).await?;
    judge(departure, LEFT, "a table that nobody has thought of");
    let (now, seeded) = (cx.clock.now(), kinds.len() + 1);
    let population = Population::new(findings.len(), seeded, "spared credentials");
    if !missed.is_empty() {
        return Ok(Proof::missed(now, population, format!("not found: {}", missed.join(", "))));
    }
    let measured = format!("{} of {seeded} found", findings.len());
    Ok(Proof::weigh(now, population, measured, "all of them", findings))
}

async fn spare(
    doorstep: &dyn Doorstep,
    spared: Spared<'_>,
    cx: &Cx,
) -> Result<(Departure, Vec<&'static str>), String> {
    let leaver = doorstep.equip(spared).await?;
    let departure = leave(&*leaver, cx, BITE_PATIENCE).await?;
    Ok((departure, leaver.holds()))
}

async fn depart(
    doorstep: &dyn Doorstep,
    cx: &Cx,
    within: SignedDuration,
) -> Result<Departure, String> {
    let leaver = doorstep.equip(Spared::Nothing).await?;
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
    let began = cx.clock.now();
    let left = leaver.leave().await?;
    departure.took = cx.clock.now().duration_since(began);
    if !left.is_empty() {
        let what = format!("is still there: {}", left.join(", "));
        departure.findings.push(Finding::new(LEFT, what));
    }
    let until = began + departure.took.max(within.min(PATIENCE));
    while !alive.is_empty() {
        let mut still = Vec::new();
        for what in alive {
            if departure.tries(leaver, what, (began, until), cx).await {
                still.push(what);
            }
        }
        alive = still;
        if !alive.is_empty() {
            tokio::time::sleep(EVERY).await;
        }
    }
    Ok(departure)
}

impl Departure {
    /// Uses `what` once more. Whether it still works and may until then.
    async fn tries(
        &mut self,
        leaver: &dyn Leaver,
        what: &'static str,
        (began, until): (Timestamp, Timestamp),
        cx: &Cx,
    ) -> bool {
        // What is asked before the time is over is not held against it.
        let asked = cx.clock.now();
        match leaver.works(what).await {
            Ok(false) => {
                self.checked += 1;
                self.slowest = self.slowest.max(cx.clock.now().duration_since(began));
            }
            Ok(true) if asked >= until || leaver.once(what) => {
                self.checked += 1;
                let late = seconds(asked.duration_since(began));
                let words = format!("still works {late} s after its holder was off-boarded");
                self.findings.push(Finding::new(what, words));
            }
            Ok(true) => return true,
            Err(why) => self.missed.push(format!("{what}: {why}")),
        }
        false
    }
}

/// For people: "0.4".
fn seconds(time: SignedDuration) -> String {
    format!("{:.1}", time.as_secs_f64())
}

fn weigh(now: Timestamp, departure: Departure, within: SignedDuration) -> Proof {
    let Departure { total, checked, mut findings, missed, took, slowest } = departure;
    if slowest > within {
        let what = format!("was refused after {} s only", seconds(slowest));
        findings.push(Finding::new("the last credential", what));
    }
    let (took, slowest) = (seconds(took), seconds(slowest));
    let measured = format!("off-boarded in {took} s, all refused after {slowest} s");
    let threshold = format!("within {within:#}");
    let population = Population::new(checked, total, OF);
    let proof = Proof::weigh(now, population, measured, threshold, findings);
    proof.note(missed.first().map_or("", String::as_str))
}
