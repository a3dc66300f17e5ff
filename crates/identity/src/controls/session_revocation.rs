//! `session.revocation`: a session that was ended, in whatever way and wherever, is refused by the
//! gateway within the promised time; so are the tokens and keys of programs.

mod cast;
mod ways;

use std::sync::Arc;
use std::time::{Duration, Instant};

use kernel::{Card, Control, Cx, Finding, Fut, Params, Population, Proof, Standings, Value};
use store::{Db, Programs};

use self::cast::{Cast, Demanding, SandboxRoles};
use self::ways::{PAUSE, Way};
use super::door::{Asks, EdgeProbe, InSandbox, Running};
use super::factors::CanaryRoles;
use super::session_rotation::TokenProbe;
use super::visitors;
use crate::{Error, Identities, Result, sql};

static CARD: Card = Card {
    id: "session.revocation",
    title: "An ended session is refused",
    attack: "Signs synthetic people in through the running gateway, gives some of them tokens and keys, \
             uses each until it is answered from memory, ends it from another connection in each \
             way that there is, and asks the gateway without pause until it refuses. One form's head is \
             sent, and the session ended once the gateway has read it and asks for the body; the \
             body follows the end.",
    bite: "Gateways in a sandbox whose memory forgets nothing, that listen to nobody and do not \
           mind the silence, and whose database tells nobody; and one that asks who somebody is at \
           the head alone.",
    cadence: Duration::from_mins(10),
    deadline: Duration::from_mins(3),
    not_covered: &[
        "the end of a grant of support: access.support-consent measures it",
        "gateways on other machines than the one that was asked",
        "answers that were on their way when it was ended",
        "sessions that the application behind the gateway keeps by itself",
    ],
};

const OF: &str = "ways to end a session";
/// How long a bite waits for what should have been refused in an instant; a memory that is at fault
/// lasts a minute.
const BITE_PATIENCE: Duration = Duration::from_millis(1_500);
/// How long a sandbox's gateway may take to hear itself.
const READY: Duration = Duration::from_secs(10);
/// How much longer than promised is waited, to tell how late it was.
const OVERTIME: u32 = 2;

/// The control.
pub(crate) struct SessionRevocation {
    pub(crate) identities: Arc<Identities>,
    pub(crate) owner: Db,
    pub(crate) programs: Programs,
    pub(crate) edge: Option<Arc<dyn EdgeProbe>>,
    pub(crate) tokens: Option<Arc<dyn TokenProbe>>,
    pub(crate) roles: Arc<dyn CanaryRoles>,
}

/// What came of one way: how long until it was refused, if it was.
type Took = (Way, std::result::Result<Option<Duration>, String>);

impl Control for SessionRevocation {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let observed_at = cx.clock.now();
            let Some(Value::Period(within)) = params.value("within") else {
                return Proof::unknown(observed_at, "the promise names no time");
            };
            let (Some(edge), Some(tokens)) = (&self.edge, &self.tokens) else {
                let why = "no gateway runs that could be asked; start `amanah up`";
                return Proof::unknown(observed_at, why);
            };
            let door = Running { edge: Arc::clone(edge), tokens: Arc::clone(tokens) };
            let other = visitors::service(self.identities.db(), &cx.clock, &cx.rng);
            let took = match other {
                Ok(other) => {
                    let (door, roles) = ((&door as _, *within * OVERTIME), &*self.roles);
                    attack(Cast::new(door, Arc::new(other), roles, &self.owner, cx)).await
                }
                Err(error) => Err(error),
            };
            match took {
                Ok(took) => weigh(observed_at, &took, *within),
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
            let bitten = Box::pin(seed_and_find(scratch.db(), cx)).await;
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

async fn attack(cast: Result<Cast<'_>>) -> Result<Vec<Took>> {
    cast?.attack().await
}

fn weigh(observed_at: jiff::Timestamp, took: &[Took], within: Duration) -> Proof {
    let mut findings = Vec::new();
    let mut unclear = None;
    let mut worst: Option<(Duration, Way)> = None;
    for (way, outcome) in took {
        match outcome {
            Ok(Some(time)) => {
                worst = worst.max_by_time((*time, *way));
                if *time > within {
                    let what = format!("it was answered for {} ms more", time.as_millis());
                    findings.push(Finding::new(way.name(), what));
                }
            }
            Ok(None) => findings.push(late(*way, within * OVERTIME)),
            Err(why) => unclear = unclear.or_else(|| Some(format!("{}: {why}", way.name()))),
        }
    }
    let each: Vec<String> = took
        .iter()
        .filter_map(|(way, outcome)| {
            let time = outcome.as_ref().ok().copied().flatten()?;
            Some(format!("{} {} ms", way.name(), time.as_millis()))
        })
        .collect();
    let each = format!("refused after: {}", each.join(", "));
    let checked = took.iter().filter(|(_, outcome)| outcome.is_ok()).count();
    let measured = worst.map_or_else(
        || "never refused".to_owned(),
        |(time, way)| format!("refused after {} ms at worst ({})", time.as_millis(), way.name()),
    );
    let population = Population::new(checked, took.len(), OF);
    let threshold = format!("{} ms", within.as_millis());
    Proof::weigh(observed_at, population, measured, threshold, findings)
        .note(unclear.as_deref().unwrap_or_default())
        .note(&each)
}

trait Later {
    fn max_by_time(self, other: (Duration, Way)) -> Self;
}

impl Later for Option<(Duration, Way)> {
    fn max_by_time(self, other: (Duration, Way)) -> Self {
        match self {
            Some(one) if one.0 >= other.0 => Some(one),
            _ => Some(other),
        }
    }
}

fn late(way: Way, patience: Duration) -> Finding {
    let what = format!("it is still answered for after {} ms", patience.as_millis());
    Finding::new(way.name(), what).fix("Restart the gateway, and look at its log for the listener")
}

/// Every fault with every way, and a gateway without one.
async fn seed_and_find(db: &Db, cx: &Cx) -> Result<(usize, Vec<Finding>, Vec<String>)> {
    let mut sandbox = Sandbox::new(db, cx)?;
    let mut missed = Vec::new();
    for (way, took) in sandbox.heard(&sandbox.gateway()?).await? {
        if !matches!(took, Ok(Some(_))) {
            missed.push(format!("{} on a gateway without fault", way.name()));
        }
    }
    let mut all = Vec::new();
    let forgetless = sandbox.gateway()?.forgetless();
    all.push(("a memory that forgets nothing", sandbox.heard(&forgetless).await?));
    let deaf = sandbox.gateway()?.deaf();
    all.push(("a gateway that hears nothing", sandbox.attack(&deaf, Asks::Again).await?));
    let tx = db.operator().await?;
    tx.batch(sql::SILENCE_TRIGGERS).await?;
    tx.commit().await?;
    sandbox.roles.silent = true;
    all.push(("a database that tells nobody", sandbox.heard(&sandbox.gateway()?).await?));
    sandbox.roles.silent = false;
    let took = sandbox.heard_by(&sandbox.gateway()?, Asks::Once).await?;
    let held = took.into_iter().filter(|(way, _)| *way == Way::Held).collect();
    all.push(("a gateway that asks at the head alone", held));
    let (mut seeded, mut findings) = (0, Vec::new());
    for (fault, took) in all {
        for (way, outcome) in took {
            seeded += 1;
            match outcome {
                Ok(None) => findings.push(late(way, BITE_PATIENCE)),
                _ => missed.push(format!("{fault}, {}", way.name())),
            }
        }
    }
    Ok((seeded, findings, missed))
}

/// A copy of the control database, with another process over it.
struct Sandbox<'a> {
    db: &'a Db,
    cx: &'a Cx,
    other: Arc<Identities>,
    roles: SandboxRoles,
}

impl<'a> Sandbox<'a> {
    fn new(db: &'a Db, cx: &'a Cx) -> Result<Self> {
        let demanding = Arc::<Demanding>::default();
        let roles = SandboxRoles { demanding, owner: db.clone(), silent: false };
        let other = Arc::new(service(db, cx, &roles)?);
        Ok(Self { db, cx, other, roles })
    }

    fn gateway(&self) -> Result<Identities> {
        service(self.db, self.cx, &self.roles)
    }

    async fn attack(&self, gateway: &Identities, asks: Asks) -> Result<Vec<Took>> {
        let (door, other) = (InSandbox::new(gateway, asks), Arc::clone(&self.other));
        attack(Cast::new((&door, BITE_PATIENCE), other, &self.roles, self.db, self.cx)).await
    }

    /// The attack on a gateway that listens.
    async fn heard(&self, gateway: &Identities) -> Result<Vec<Took>> {
        self.heard_by(gateway, Asks::Again).await
    }

    async fn heard_by(&self, gateway: &Identities, asks: Asks) -> Result<Vec<Took>> {
        let attacked = async {
            let begun = Instant::now();
            while gateway.session_vitals().silent.is_none() {
                if begun.elapsed() > READY {
                    return Err(Error::Canary("the sandbox's gateway does not hear itself"));
                }
                tokio::time::sleep(PAUSE).await;
            }
            self.attack(gateway, asks).await
        };
        tokio::select! {
            () = gateway.keep(self.db.url(), std::future::pending()) => {
                Err(Error::Canary("the sandbox's gateway stopped listening"))
            }
            took = attacked => took,
        }
    }
}

/// A service whose roles ask what `roles` say.
fn service(db: &Db, cx: &Cx, roles: &SandboxRoles) -> Result<Identities> {
    let standings = Arc::<Demanding>::clone(&roles.demanding) as Arc<dyn Standings>;
    visitors::service_with(db, (&cx.clock, &cx.rng), standings)
}
