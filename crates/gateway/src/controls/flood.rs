//! `edge.flood`: while strangers flood it, whoever is signed in is served, and a stranger is let in only
//! for work or patience.
//!
//! A scratch gateway of this program, with the mode that the house has, is flooded from many
//! neighbourhoods of this machine with requests for a page that is expensive. Whether the mode is on is
//! not asked: what strangers are answered says it.

mod bite;
mod crowd;
mod field;
mod passing;

use std::sync::Arc;
use std::time::Duration;

use kernel::{Card, Control, Cx, Finding, Fut, Params, Population, Proof};

use super::Target;
use super::visitors::Networks;
use crate::{AttackMode, AttackSettings, LocalAuthority, Overload};
use crowd::{Crowd, Noise, Person};
use field::{Field, QUICK};

static CARD: Card = Card {
    id: "edge.flood",
    title: "Under-attack mode",
    attack: "floods a scratch gateway of this program, in the mode of this house, from 48 \
             neighbourhoods with requests for an expensive page while somebody who is signed in goes \
             on asking, and tries to get in with forged, foreign, used, early and expired answers and \
             passes, and with good ones in greater number than there is room",
    bite: "does the same to scratch gateways of which one sheds nobody, one lets passes live on, one \
           takes an answer before its time, one takes a wrong one, and one has room for everybody",
    cadence: Duration::from_hours(6),
    deadline: Duration::from_mins(5),
    not_covered: &[
        "the running gateway, which is not flooded: its mode is that of the configuration unless \
         somebody has changed it by hand since",
        "the numbers of the configuration: how many requests are a flood, how much work is asked, and how \
         many strangers are inside at one time are as short and small here as the proof needs them",
        "floods of connections and handshakes, and lines that are full before they reach the machine",
        "programs that do the work or wait: each neighbourhood that pays is let in",
        "sessions that are made up: each of them is looked up, within the limits of its address",
        "decisions for other proxies (forward authentication)",
        "addresses of version 6",
    ],
};

/// How many strangers ask at one time, each from a neighbourhood of its own.
const STRANGERS: u16 = 48;
/// How long a flood may go on until it is noticed: it has to last a second here, and is looked at each
/// second.
const NOTICED_WITHIN: Duration = Duration::from_secs(10);
/// How much slower the slowest of a hundred answers may be for people: so many times as slow as without
/// a flood, or this, whichever is more. Shedding nobody makes each of them wait for every stranger's
/// expensive page, which is a tenth of a second here.
const SLOWER: u32 = 10;
const LEAST_BOUND: Duration = Duration::from_millis(60);
/// Out of so many rounds one has to be within that bound: a machine that has other work is slow now and
/// then, a gateway that sheds nobody is slow always.
const ROUNDS: u32 = 3;
/// How often all of it is tried on a machine that is too busy to tell.
const TRIES: u32 = 3;
/// What the scratch gateway is told, and what the attempts expect.
const PASSED: Duration = Duration::from_secs(5);
const WAIT: Duration = Duration::from_secs(1);
const BITS: u8 = 10;
const INSIDE: u32 = 8;

/// The control behind `edge.flood`.
pub(super) struct Flood {
    mode: AttackMode,
}

impl Flood {
    pub(super) const fn new(target: &Target) -> Self {
        Self { mode: target.attack }
    }
}

impl Control for Flood {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let proof = steady(cx, &settings(self.mode)).await;
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

/// As the program is shipped, but in seconds where that is minutes.
fn settings(mode: AttackMode) -> AttackSettings {
    AttackSettings {
        mode,
        strangers: INSIDE,
        passed: PASSED,
        wait: WAIT,
        bits: BITS,
        overload: Overload {
            strangers: 100,
            lag: Duration::from_millis(20),
            hold: Duration::from_secs(1),
            // Not while the attempts are made.
            quiet: Duration::from_hours(1),
        },
        log: None,
    }
}

/// What was tried, and what gave way.
#[derive(Default)]
struct Trial {
    tried: usize,
    findings: Vec<Finding>,
}

impl Trial {
    /// Notes one attempt, and what is wrong if something is.
    fn note(&mut self, object: &str, wrong: Option<impl Into<String>>) {
        self.tried += 1;
        self.findings.extend(wrong.map(|what| Finding::new(object, what)));
    }
}

/// Does it again where the machine was too busy to tell.
async fn steady(cx: &Cx, settings: &AttackSettings) -> Result<Proof, String> {
    let mut told = run(cx, settings, true).await;
    for _ in 1..TRIES {
        if told.is_ok() {
            break;
        }
        told = run(cx, settings, true).await;
    }
    told
}

/// Floods a gateway with these settings, and tries to get in. `timed` says whether people's answers are
/// timed too.
async fn run(cx: &Cx, settings: &AttackSettings, timed: bool) -> Result<Proof, String> {
    let observed_at = cx.clock.now();
    let clock = Arc::clone(&cx.clock);
    let authority = Arc::new(LocalAuthority::in_memory(clock).map_err(|e| e.to_string())?);
    let field = Field::open(cx, &authority, settings.clone()).await?;
    let networks = Networks::draw(cx.rng.as_ref())?;
    let mut trial = Trial::default();
    let words = flood(&field, networks, &mut trial, timed).await?;
    if trial.findings.is_empty() {
        passing::attempts(&field.visitors, networks, &mut trial).await?;
    }
    let Trial { tried, findings } = trial;
    let held = tried.saturating_sub(findings.len());
    let measured = format!("{words}{held} of {tried} attempts held");
    let population = Population::new(tried, tried, "attempts in a flood");
    let threshold = format!(
        "at most {SLOWER} times as slow, or {} ms, in one of {ROUNDS} rounds; every attempt",
        LEAST_BOUND.as_millis()
    );
    Ok(Proof::weigh(observed_at, population, measured, threshold, findings))
}

/// The flood itself. What was timed, in words.
async fn flood(
    field: &Field,
    networks: Networks,
    trial: &mut Trial,
    timed: bool,
) -> Result<String, String> {
    const FLOOD: &str = "a flood of strangers";
    const PEOPLE: &str = "somebody who is signed in";
    let from = networks.address(STRANGERS + 1, 0);
    let mut person = Person::come(&field.visitors, from, &field.token, QUICK).await?;
    let idle = if timed { Some(person.ask_often().await?) } else { None };
    let crowd = Crowd::come(&field.visitors, networks, STRANGERS);
    if !crowd.is_shed_within(NOTICED_WITHIN).await {
        let asked = crowd.seen();
        let what = format!("is answered as ever after {asked} requests");
        trial.note(FLOOD, Some(what));
        return Ok(String::new());
    }
    crowd.forget();
    let bound = idle.as_ref().map(|idle| (idle.slowest * SLOWER).max(LEAST_BOUND));
    let noise = Noise::listen();
    let mut busy = person.ask_often().await?;
    for _ in 1..ROUNDS {
        if bound.is_none_or(|bound| busy.slowest <= bound) {
            break;
        }
        let again = person.ask_often().await?;
        busy.refused += again.refused;
        busy.slowest = busy.slowest.min(again.slowest);
    }
    let noise = noise.worst();
    let (let_in, shed) = (crowd.let_in(), crowd.shed());
    drop(crowd);
    let beyond = (let_in > 0).then(|| format!("{let_in} of {} were let in", let_in + shed));
    trial.note(FLOOD, beyond);
    let refused = (busy.refused > 0).then(|| format!("was refused {} times", busy.refused));
    trial.note(PEOPLE, refused);
    let (Some(idle), Some(bound)) = (idle, bound) else { return Ok(String::new()) };
    if busy.slowest > bound && noise > bound / 3 {
        return Err(format!(
            "the machine is too busy: what only waits for time was {} ms late itself",
            noise.as_millis()
        ));
    }
    let words = format!(
        "p99 of people {:.1} ms without and {:.1} ms in a flood of which {shed} were shed, ",
        idle.slowest.as_secs_f64() * 1_000.0,
        busy.slowest.as_secs_f64() * 1_000.0,
    );
    let slow = (busy.slowest > bound).then(|| format!("waits for {} ms", busy.slowest.as_millis()));
    trial.note("the time that people wait", slow);
    Ok(words)
}
