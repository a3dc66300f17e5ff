//! `deploy.zero-downtime`: neither a switch to another release nor another process of the gateway fails
//! anybody's request.

mod handed;
mod load;
mod release;

use std::sync::Arc;
use std::time::Duration;

use kernel::{Card, Control, Cx, Finding, Fut, Params, Population, Proof};
use tokio::sync::watch;

use super::faults::Faults;
use super::scratch::{Behind, Scratch};
use crate::{HeaderPolicy, LocalAuthority, Outcome, Step, SwitchTerms, Upstream};
use handed::handed;
use load::{Load, Way, read_until};
use release::{HEALTH, LONG, LONG_BEGIN, LONG_END, Release, SOCKET, Temper};

static CARD: Card = Card {
    id: "deploy.zero-downtime",
    title: "Another release, or another process, takes over without a failed request",
    attack: "on a scratch gateway of this program, with visitors who ask and change things over TLS \
             all the time, switches to another release while a long answer and a socket are under \
             way, then to one that is ill, then to one that dies after it was taken; and has a \
             second gateway go on with the listener of the first while that drains",
    bite: "cuts what is under way at the old release, takes a release without asking for its health, \
           and lets nobody stand in for one that dies; closes the listener before there is another, \
           cuts the connections of the first gateway, and hands over to one that accepts nobody",
    cadence: Duration::from_hours(1),
    deadline: Duration::from_mins(3),
    not_covered: &[
        "the operator's own application: two small releases on loopback stand for it",
        "a change that a release has got when it dies: whether it was done is not known, and it is \
         not repeated",
        "what the old release holds in memory, and whether both releases can work on one database",
        "another version of Amanah itself: both gateways are of the running program, in one process",
        "sockets and answers that go on for longer than the drain: they end with the old release",
    ],
};

/// How long a release is watched here.
const WATCHED: Duration = Duration::from_secs(1);
/// The same for one that dies meanwhile, at most.
const WATCHED_DYING: Duration = Duration::from_secs(20);
/// How long an ill release may take until it is healthy.
const ILL_FOR: Duration = Duration::from_secs(1);
/// How long the old one may take to be left.
const DRAINED_WITHIN: Duration = Duration::from_secs(10);
/// So many requests are answered before anything happens, and by each release at least.
const MANY: usize = 60;
/// So many by a release that dies, before it does.
const SOME: usize = 12;
/// What is attempted besides requests: two long answers, two sockets, three switches and a take-over that end
/// as they should.
const BESIDES: usize = 8;
const OPENING: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// The control behind `deploy.zero-downtime`.
pub(super) struct Deploy;

/// How careless a switch is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// As it should be.
    Whole,
    /// The old release is ended at once.
    Cuts,
    /// Nobody asks for the new one's health.
    Blind,
    /// Nobody stands in for the new one.
    Alone,
}

impl Manner {
    /// Each with how it is called, and with what it must be found by: anything else that goes wrong says
    /// nothing of it.
    const CARELESS: [(Self, &'static str, &'static str); 3] = [
        (Self::Cuts, "a switch that cuts what is under way", "a long answer"),
        (Self::Blind, "a switch to a release whose health nobody asked for", "an ill release"),
        (
            Self::Alone,
            "a switch where nobody stands in for a release that dies",
            "requests of visitors",
        ),
    ];

    fn terms(self, watched: Duration) -> Result<SwitchTerms, String> {
        let mut terms = SwitchTerms::new(HEALTH, watched).map_err(|error| error.to_string())?;
        terms.drain_within = DRAINED_WITHIN;
        terms.healthy_within = ILL_FOR;
        if self == Self::Blind {
            terms.healthy_after = 0;
        }
        terms.stand_in = self != Self::Alone;
        Ok(terms)
    }
}

/// What came of one switch, or of several.
#[derive(Default)]
struct Trial {
    requests: usize,
    /// Changes that died with a release.
    lost: usize,
    findings: Vec<Finding>,
}

impl Trial {
    fn and(mut self, other: Self) -> Self {
        self.requests += other.requests;
        self.lost += other.lost;
        self.findings.extend(other.findings);
        self
    }

    /// How a fault was found that must be seen in what is called `own`, if it was.
    fn found(&self, own: &str) -> Option<String> {
        let found = self.findings.iter().find(|finding| finding.object.ends_with(own))?;
        Some(format!("{}: {}", found.object, found.what))
    }
}

/// A scratch gateway before an old release, with visitors.
struct Field {
    scratch: Scratch,
    old: Release,
    load: Load,
}

impl Field {
    async fn open(cx: &Cx) -> Result<Self, String> {
        let clock = Arc::clone(&cx.clock);
        let authority = Arc::new(LocalAuthority::in_memory(clock).map_err(|e| e.to_string())?);
        let old = Release::start("old", Temper::Well).await?;
        let (policy, behind) = (HeaderPolicy::default(), Behind::At(old.address));
        let scratch = Scratch::start(cx, &authority, policy, behind).await?;
        let load = Load::start(&scratch.reach, &scratch.token);
        load.answered_by("old", MANY).await?;
        Ok(Self { scratch, old, load })
    }

    fn way(&self) -> Way {
        Way::new(&self.scratch.reach, &self.scratch.token)
    }

    async fn switch(
        &self,
        to: &Release,
        terms: &SwitchTerms,
        tell: &(dyn Fn(Step) + Send + Sync),
    ) -> Result<Outcome, String> {
        let to = upstream(to)?;
        let switched = self.scratch.deployer.switch(to, terms, tell).await;
        switched.map_err(|error| error.to_string())
    }

    /// Whether requests go to `release` in the end, and what became of those of the visitors.
    fn end(&self, release: &Release, mut findings: Vec<Finding>) -> Result<Trial, String> {
        if self.scratch.deployer.current() != Some(upstream(release)?) {
            findings
                .push(Finding::new("the switch", "requests go to the wrong release in the end"));
        }
        let seen = self.load.seen();
        if seen.failed > 0 {
            let what = format!("{} failed; {}", seen.failed, seen.told.join("; "));
            let object = format!("{} requests of visitors", seen.asked());
            findings.push(Finding::new(object, what));
        }
        Ok(Trial { requests: seen.asked(), lost: seen.lost, findings })
    }
}

/// A release that is as good as the old one, while something is under way.
async fn good(cx: &Cx, manner: Manner) -> Result<Trial, String> {
    let (field, terms) = (Field::open(cx).await?, manner.terms(WATCHED)?);
    let new = Release::start("new", Temper::Well).await?;
    let broken = |error: std::io::Error| error.to_string();
    let mut long = field.way().ask(LONG, "").await.map_err(broken)?;
    read_until(&mut long, LONG_BEGIN).await.map_err(broken)?;
    let mut socket = field.way().ask(SOCKET, OPENING).await.map_err(broken)?;
    read_until(&mut socket, "\r\n\r\n").await.map_err(broken)?;
    let (kept, mut is_kept) = watch::channel(false);
    let tell = |step: Step| match step {
        Step::Switched if manner == Manner::Cuts => field.old.kill(),
        Step::Kept(_) => {
            kept.send_replace(true);
        }
        _ => {}
    };
    // What is under way goes on when the old release has been left already.
    let under_way = async {
        // The sender outlives this.
        let _ = is_kept.wait_for(|kept| *kept).await;
        let mut findings = Vec::new();
        let echoed = async {
            use tokio::io::AsyncWriteExt as _;
            socket.write_all(b"still here").await?;
            socket.flush().await?;
            read_until(&mut socket, "still here").await
        };
        if let Err(error) = echoed.await {
            findings.push(Finding::new("an open socket", format!("it was cut: {error}")));
        }
        field.old.finish();
        if let Err(error) = read_until(&mut long, LONG_END).await {
            findings.push(Finding::new("a long answer", format!("it was cut: {error}")));
        }
        drop((socket, long));
        findings
    };
    let switched = async {
        let outcome = field.switch(&new, &terms, &tell).await;
        // However it ended, nobody waits for it any more.
        kept.send_replace(true);
        outcome
    };
    let (outcome, mut findings) = tokio::join!(switched, under_way);
    match outcome? {
        Outcome::Switched { left: 0, .. } => field.load.answered_by("new", MANY).await?,
        Outcome::Switched { left, .. } => {
            let what = format!("{left} under way at the old release were never over");
            findings.push(Finding::new("the drain", what));
        }
        other => findings.push(Finding::new("a good release", format!("not taken: {other:?}"))),
    }
    field.end(&new, findings)
}

/// A release that answers everything with 500.
async fn ill(cx: &Cx, manner: Manner) -> Result<Trial, String> {
    let (field, terms) = (Field::open(cx).await?, manner.terms(WATCHED)?);
    let new = Release::start("ill", Temper::Ill).await?;
    let outcome = field.switch(&new, &terms, &|_| {}).await?;
    let mut findings = Vec::new();
    if !matches!(outcome, Outcome::Unhealthy { .. }) {
        findings.push(Finding::new("an ill release", format!("it was taken: {outcome:?}")));
    }
    field.load.answered_by("old", MANY).await?;
    field.end(&field.old, findings)
}

/// A release that is healthy, is taken, and dies.
async fn dying(cx: &Cx, manner: Manner) -> Result<Trial, String> {
    let (field, terms) = (Field::open(cx).await?, manner.terms(WATCHED_DYING)?);
    let new = Release::start("new", Temper::Well).await?;
    let (taken, mut is_taken) = watch::channel(false);
    let tell = |step: Step| {
        if step == Step::Switched {
            taken.send_replace(true);
        }
    };
    let death = async {
        // The sender outlives this.
        let _ = is_taken.wait_for(|taken| *taken).await;
        let answered = field.load.answered_by("new", SOME).await;
        new.kill();
        answered
    };
    let switched = async {
        let outcome = field.switch(&new, &terms, &tell).await;
        taken.send_replace(true);
        outcome
    };
    let (outcome, answered) = tokio::join!(switched, death);
    let (outcome, mut findings) = (outcome?, Vec::new());
    answered?;
    if !matches!(outcome, Outcome::RolledBack { .. }) {
        findings.push(Finding::new("a dying release", format!("it was kept: {outcome:?}")));
    }
    field.load.answered_by("old", MANY).await?;
    field.end(&field.old, findings)
}

fn upstream(release: &Release) -> Result<Upstream, String> {
    format!("http://{}", release.address)
        .parse()
        .map_err(|error: crate::GatewayError| error.to_string())
}

async fn attack(cx: &Cx) -> Result<Proof, String> {
    let observed_at = cx.clock.now();
    let trial = good(cx, Manner::Whole).await?;
    let trial = trial.and(ill(cx, Manner::Whole).await?).and(dying(cx, Manner::Whole).await?);
    let trial = trial.and(handed(cx, handed::Manner::Whole).await?);
    let all = trial.requests + BESIDES;
    let (lost, findings) = (trial.lost, trial.findings.len());
    let proof = Proof::weigh(
        observed_at,
        Population::new(all, all, "requests, answers under way, switches and take-overs"),
        format!(
            "{} requests during three switches and a take-over, {findings} findings",
            trial.requests
        ),
        "0 findings",
        trial.findings,
    );
    let note = match lost {
        0 => String::new(),
        lost => format!("{lost} changes were with the release that died and were not repeated"),
    };
    Ok(proof.note(&note))
}

async fn seed(cx: &Cx) -> Result<Proof, String> {
    let observed_at = cx.clock.now();
    let mut faults = Faults::default();
    for (manner, what, own) in Manner::CARELESS {
        let trial = match manner {
            Manner::Blind => ill(cx, manner).await?,
            Manner::Alone => dying(cx, manner).await?,
            Manner::Whole | Manner::Cuts => good(cx, manner).await?,
        };
        faults.note(what, trial.found(own));
    }
    for (manner, what, own) in handed::Manner::CARELESS {
        faults.note(what, handed(cx, manner).await?.found(own));
    }
    Ok(faults.weigh(observed_at, "careless switches and take-overs"))
}

impl Control for Deploy {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let proof = attack(cx).await;
            proof.unwrap_or_else(|why| Proof::unknown(cx.clock.now(), why))
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let proof = seed(cx).await;
            proof.unwrap_or_else(|why| Proof::unknown(cx.clock.now(), why))
        })
    }
}
