//! `session.revocation`: a session that was ended, in whatever way and wherever, is refused by the
//! gateway within the promised time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use kernel::{
    Card, Control, Cx, Finding, Fut, Params, Population, Proof, SessionToken, Sessions as _, Value,
};
use store::{Db, Programs};

use super::door::{Door, EdgeProbe, InSandbox, Running};
use super::visitors::{self, SHUT, TENANT, Visitor};
use crate::{Error, Identities, Opening, Result, sql};

static CARD: Card = Card {
    id: "session.revocation",
    title: "An ended session is refused",
    attack: "Signs synthetic people in through the running gateway, uses each session until it is \
             answered from memory, ends it from another connection in seven ways, and asks \
             the gateway without pause until it refuses.",
    bite: "Gateways in a sandbox whose memory forgets nothing, that listen to nobody and do not \
           mind the silence, and whose database tells nobody.",
    cadence: Duration::from_mins(10),
    deadline: Duration::from_mins(3),
    not_covered: &[
        "ends by another password, another factor, an off-boarding or the end of a grant of support",
        "gateways on other machines than the one that was asked",
        "answers that were on their way when the session was ended",
        "sessions that the application behind the gateway keeps by itself",
    ],
};

const OF: &str = "ways to end a session";
/// How long is waited between two requests.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a bite waits for what should have been refused in an instant.
const BITE_PATIENCE: Duration = Duration::from_secs(3);
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
}

/// A way in which a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    SignOut,
    One,
    Others,
    All,
    Disabled,
    Suspended,
    Written,
}

const WAYS: [Way; 7] =
    [Way::SignOut, Way::One, Way::Others, Way::All, Way::Disabled, Way::Suspended, Way::Written];

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::SignOut => "signing out",
            Self::One => "ending one of several sessions",
            Self::Others => "ending all other sessions",
            Self::All => "ending whatever an account was given",
            Self::Disabled => "disabling the account",
            Self::Suspended => "suspending the tenant",
            Self::Written => "a statement in the database",
        }
    }
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
            let Some(edge) = &self.edge else {
                let why = "no gateway runs that could be asked; start `amanah up`";
                return Proof::unknown(observed_at, why);
            };
            let door = Running(Arc::clone(edge));
            let other = visitors::service(self.identities.db(), &cx.clock, &cx.rng);
            let took = match other {
                Ok(other) => attack(&door, &other, &self.owner, *within * OVERTIME, cx).await,
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

fn weigh(observed_at: jiff::Timestamp, took: &[Took], within: Duration) -> Proof {
    let mut findings = Vec::new();
    let mut unclear = None;
    let mut worst: Option<(Duration, Way)> = None;
    for (way, outcome) in took {
        match outcome {
            Ok(Some(time)) => {
                worst = worst.max_by_time((*time, *way));
                if *time > within {
                    let what = format!("the session was answered for {} ms more", time.as_millis());
                    findings.push(Finding::new(way.name(), what));
                }
            }
            Ok(None) => findings.push(late(*way, within * OVERTIME)),
            Err(why) => unclear = unclear.or_else(|| Some(format!("{}: {why}", way.name()))),
        }
    }
    let checked = took.iter().filter(|(_, outcome)| outcome.is_ok()).count();
    let measured = worst.map_or_else(
        || "never refused".to_owned(),
        |(time, way)| format!("refused after {} ms at worst ({})", time.as_millis(), way.name()),
    );
    let population = Population::new(checked, took.len(), OF);
    let threshold = format!("{} ms", within.as_millis());
    Proof::weigh(observed_at, population, measured, threshold, findings)
        .note(unclear.as_deref().unwrap_or_default())
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
    let what = format!("the session is still answered for after {} ms", patience.as_millis());
    Finding::new(way.name(), what).fix("Restart the gateway, and look at its log for the listener")
}

/// Every way at once, each with a person of its own.
async fn attack(
    door: &dyn Door,
    other: &Identities,
    owner: &Db,
    patience: Duration,
    cx: &Cx,
) -> Result<Vec<Took>> {
    let shut = visitors::tenant_id(SHUT)?;
    other.resume_tenant(&shut).await?;
    let mut people = Vec::new();
    for way in WAYS {
        let tenant = if way == Way::Suspended { SHUT } else { TENANT };
        people.push(visitors::make(other, tenant).await?);
    }
    let tries = WAYS.into_iter().zip(&people).map(async |(way, person)| {
        let took = follow(door, other, owner, way, person, patience).await;
        (way, took)
    });
    let took = join_all(tries).await;
    other.resume_tenant(&shut).await?;
    visitors::remove(owner, &people, cx.clock.now()).await?;
    Ok(took)
}

/// Signs in, warms the memory, ends the session, and asks until it is refused.
async fn follow(
    door: &dyn Door,
    other: &Identities,
    owner: &Db,
    way: Way,
    person: &Visitor,
    patience: Duration,
) -> std::result::Result<Option<Duration>, String> {
    let token = door.open(&person.email, &person.password).await?;
    for _ in 0..3 {
        if !door.recognises(&token).await? {
            return Err("the session was not recognised to begin with".to_owned());
        }
    }
    let begun = Instant::now();
    end(other, owner, way, person, &token).await.map_err(|error| error.to_string())?;
    while door.recognises(&token).await? {
        if begun.elapsed() > patience {
            return Ok(None);
        }
        tokio::time::sleep(PAUSE).await;
    }
    let took = begun.elapsed();
    // It stays so: another memory must not bring it back.
    if door.recognises(&token).await? { Ok(None) } else { Ok(Some(took)) }
}

async fn end(
    other: &Identities,
    owner: &Db,
    way: Way,
    person: &Visitor,
    token: &SessionToken,
) -> Result<()> {
    let account = person.account.as_str();
    match way {
        Way::SignOut => other.sign_out(token).await,
        Way::One => {
            let identity = other.decide(token).await.map_err(Error::Undecided)?;
            let id = identity.map(|identity| identity.session.clone()).unwrap_or_default();
            other.end_session(account, &id).await.map(drop)
        }
        Way::Others => {
            let keep =
                other.open_session(account, kernel::Strength::One, Opening::default()).await?;
            let keep = other.decide(&keep).await.map_err(Error::Undecided)?;
            let keep = keep.map(|identity| identity.session.clone()).unwrap_or_default();
            other.end_others(account, &keep).await.map(drop)
        }
        Way::All => other.end_all(account).await,
        Way::Suspended => other.suspend_tenant(&visitors::tenant_id(SHUT)?).await,
        Way::Disabled => by_hand(owner, sql::DISABLE_ACCOUNT, account).await,
        Way::Written => by_hand(owner, sql::REVOKE_ALL, account).await,
    }
}

async fn by_hand(owner: &Db, sql: &str, account: &str) -> Result<()> {
    let tx = owner.operator().await?;
    tx.execute(sql, &[&account]).await?;
    Ok(tx.commit().await?)
}

/// Every fault with every way, and a gateway without one.
async fn seed_and_find(db: &Db, cx: &Cx) -> Result<(usize, Vec<Finding>, Vec<String>)> {
    let other = visitors::service(db, &cx.clock, &cx.rng)?;
    let gateway = || visitors::service(db, &cx.clock, &cx.rng);
    let mut missed = Vec::new();
    for (way, took) in heard(&gateway()?, &other, db, cx).await? {
        if !matches!(took, Ok(Some(_))) {
            missed.push(format!("{} on a gateway without fault", way.name()));
        }
    }
    let mut all = Vec::new();
    all.push((
        "a memory that forgets nothing",
        heard(&gateway()?.forgetless(), &other, db, cx).await?,
    ));
    let deaf = gateway()?.deaf();
    let took = attack(&InSandbox(&deaf), &other, db, BITE_PATIENCE, cx).await?;
    all.push(("a gateway that hears nothing", took));
    let tx = db.operator().await?;
    tx.batch(sql::SILENCE_TRIGGERS).await?;
    tx.commit().await?;
    all.push(("a database that tells nobody", heard(&gateway()?, &other, db, cx).await?));
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

/// The attack on a gateway in the sandbox that listens.
async fn heard(gateway: &Identities, other: &Identities, db: &Db, cx: &Cx) -> Result<Vec<Took>> {
    let attacked = async {
        let begun = Instant::now();
        while gateway.session_vitals().silent.is_none() {
            if begun.elapsed() > READY {
                return Err(Error::Canary("the sandbox's gateway does not hear itself"));
            }
            tokio::time::sleep(PAUSE).await;
        }
        attack(&InSandbox(gateway), other, db, BITE_PATIENCE, cx).await
    };
    tokio::select! {
        () = gateway.keep(db.url(), std::future::pending()) => {
            Err(Error::Canary("the sandbox's gateway stopped listening"))
        }
        took = attacked => took,
    }
}
