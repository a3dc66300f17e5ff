//! `session.timeout`: a session ends when it was not used for the promised time, and at the latest
//! when it is as old as promised.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use kernel::{
    Card, Clock, Control, Cx, Finding, Fut, Params, Population, Proof, Sessions as _, Strength,
    Value,
};
use store::{Db, Programs};

use super::door::{Door, EdgeProbe, InSandbox, Running};
use super::visitors::{self, TENANT};
use crate::{Error, Identities, Lifetime, Opening, Result, sql};

static CARD: Card = Card {
    id: "session.timeout",
    title: "Sessions end by themselves",
    attack: "Compares the times of every living session with the promise; lets time pass for the \
             service itself, on a clock of its own, and tries a session that is not used and one \
             that is used all the time; and has the sessions of a synthetic person grow old, which \
             the running gateway must refuse.",
    bite: "Sessions in a copy of the control database that end too late or never, and a service \
           that gives too much time.",
    cadence: Duration::from_mins(10),
    deadline: Duration::from_mins(3),
    not_covered: &[
        "sessions that the application behind the gateway keeps by itself",
        "tokens that a program was given by a session: they have times of their own",
        "people who are signed in again by their browser's stored password",
        "a promise without a time for one of the two limits: the house's own is looked at then",
    ],
};

const OF: &str = "living sessions and tries";
/// How many sessions that live too long are named.
const MAX_NAMED: i64 = 20;
/// How often the session that is used all the time is used, as a part of what it may be unused.
const USES: i32 = 2;
/// How long the running gateway may go on answering for a session that grew old, beyond which its
/// memory is older than it may be.
const PATIENCE: Duration = Duration::from_secs(75);
/// How long a bite waits.
const BITE_PATIENCE: Duration = Duration::from_secs(3);
/// How long is waited between two requests.
const PAUSE: Duration = Duration::from_millis(50);
/// A promise of more than this is not one that a session's clock can be let run through.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 366);

/// The tenant of the sessions that a bite seeds: they count as a customer's do.
const SEEDED: &str = "amanah-seeded";

/// The control.
pub(crate) struct SessionTimeout {
    pub(crate) identities: Arc<Identities>,
    pub(crate) owner: Db,
    pub(crate) programs: Programs,
    pub(crate) edge: Option<Arc<dyn EdgeProbe>>,
}

/// A clock that runs ahead of another one.
struct Ahead {
    real: Arc<dyn Clock>,
    by: Mutex<SignedDuration>,
}

impl Ahead {
    fn new(real: &Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { real: Arc::clone(real), by: Mutex::new(SignedDuration::ZERO) })
    }

    fn pass(&self, time: SignedDuration) {
        let mut by = self.by.lock().unwrap_or_else(PoisonError::into_inner);
        *by = by.saturating_add(time);
    }
}

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        let by = *self.by.lock().unwrap_or_else(PoisonError::into_inner);
        crate::lifetime::later(self.real.now(), by)
    }
}

/// What was looked at and what was wrong.
#[derive(Default)]
struct Seen {
    living: usize,
    tries: usize,
    tried: usize,
    findings: Vec<Finding>,
    unclear: Option<String>,
}

impl Control for SessionTimeout {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let observed_at = cx.clock.now();
            let limits = promised(params, self.identities.lifetime());
            let Some(edge) = &self.edge else {
                let why = "no gateway runs that could be asked; start `amanah up`";
                return Proof::unknown(observed_at, why);
            };
            let door = Running(Arc::clone(edge));
            match self.attack(&door, limits, cx).await {
                Ok(seen) => weigh(observed_at, seen, limits),
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

impl SessionTimeout {
    async fn attack(&self, door: &dyn Door, limits: Lifetime, cx: &Cx) -> Result<Seen> {
        let mut seen = Seen::default();
        count(self.identities.db(), limits, cx.clock.now(), &mut seen).await?;
        let house = self.identities.lifetime();
        let (db, owner) = (self.identities.db(), &self.owner);
        let clock = Ahead::new(&cx.clock);
        let shifted: Arc<dyn Clock> = Arc::<Ahead>::clone(&clock);
        let service = visitors::service(db, &shifted, &cx.rng)?.with_lifetime(house);
        pass_time(&service, &clock, owner, limits, &mut seen).await?;
        grow_old(
            &Aged { door, service: &service, owner, patience: PATIENCE },
            limits,
            cx,
            &mut seen,
        )
        .await?;
        Ok(seen)
    }
}

fn promised(params: &Params, house: Lifetime) -> Lifetime {
    let limit = |name, own: SignedDuration| match params.value(name) {
        Some(Value::Period(time)) => SignedDuration::try_from(*time).unwrap_or(LONGEST),
        _ => own,
    };
    Lifetime {
        idle: limit("idle", house.idle).min(LONGEST),
        absolute: limit("absolute", house.absolute).min(LONGEST),
    }
}

fn weigh(observed_at: Timestamp, seen: Seen, limits: Lifetime) -> Proof {
    let minutes = |time: SignedDuration| format!("{} min", time.as_mins());
    let population = Population::new(seen.living + seen.tried, seen.living + seen.tries, OF);
    let measured = if seen.findings.is_empty() {
        format!("{} living sessions end in time", seen.living)
    } else {
        format!("{} that last too long", seen.findings.len())
    };
    let threshold =
        format!("unused for {}, at most {}", minutes(limits.idle), minutes(limits.absolute));
    Proof::weigh(observed_at, population, measured, threshold, seen.findings)
        .note(seen.unclear.as_deref().unwrap_or_default())
}

/// Every session that would be answered for, by its times.
async fn count(db: &Db, limits: Lifetime, now: Timestamp, seen: &mut Seen) -> Result<()> {
    let (idle, absolute) = limits.seconds();
    let tx = db.operator().await?;
    let living: i64 = tx.query_one(sql::COUNT_LIVING, &[&now]).await?.get(0);
    let late = tx.query(sql::LATE_SESSIONS, &[&now, &idle, &absolute, &MAX_NAMED]).await?;
    tx.commit().await?;
    seen.living += usize::try_from(living).unwrap_or_default();
    for row in late {
        let (id, idle_end, end): (String, Timestamp, Timestamp) =
            (row.get("id"), row.get("idle_end"), row.get("end"));
        let what = format!("it lives until {idle_end:.0} unused, and until {end:.0} at most");
        let fix = "Make the limits in amanah.toml no longer than the promise, and start anew";
        seen.findings.push(Finding::new(format!("session {id}"), what).fix(fix));
    }
    Ok(())
}

/// Lets time pass for the service: one session is never used, another one all the time.
async fn pass_time(
    service: &Identities,
    clock: &Ahead,
    owner: &Db,
    limits: Lifetime,
    seen: &mut Seen,
) -> Result<()> {
    let person = visitors::make(service, TENANT).await?;
    let open = || service.open_session(&person.account, Strength::One, Opening::default());
    let lives = async |token| service.decide(token).await.map_err(Error::Undecided);
    let (unused, used) = (open().await?, open().await?);
    seen.tries += 2;
    if lives(&unused).await?.is_none() || lives(&used).await?.is_none() {
        seen.unclear.get_or_insert("a new session is not recognised".to_owned());
    } else {
        let mut age = SignedDuration::ZERO;
        let step = limits.idle / USES;
        let mut at_idle = None;
        while age < limits.absolute {
            let next = step.min(limits.absolute - age);
            clock.pass(next);
            age = age.saturating_add(next);
            if age >= limits.idle && at_idle.is_none() {
                at_idle = Some(lives(&unused).await?.is_some());
            }
            if age < limits.absolute {
                drop(lives(&used).await?);
            }
        }
        if at_idle != Some(false) {
            seen.findings.push(Finding::new("a session that is not used", "it does not end"));
        }
        if lives(&used).await?.is_some() {
            let what = "it does not end at its absolute limit";
            seen.findings.push(Finding::new("a session that is used all the time", what));
        }
        seen.tried += 2;
    }
    visitors::remove(owner, &[person], service.now()).await
}

/// What lets sessions grow old.
struct Aged<'a> {
    door: &'a dyn Door,
    service: &'a Identities,
    owner: &'a Db,
    patience: Duration,
}

/// Sessions whose times the owner of the database moves back, as if time had passed.
async fn grow_old(at: &Aged<'_>, limits: Lifetime, cx: &Cx, seen: &mut Seen) -> Result<()> {
    let person = visitors::make(at.service, TENANT).await?;
    let (idle, absolute) = limits.seconds();
    for (what, sql, seconds) in [
        ("a session that was not used, at the gateway", sql::AGE_UNUSED, idle),
        ("a session that is old, at the gateway", sql::AGE_USED, absolute),
    ] {
        seen.tries += 1;
        match refused_after(at, &person, sql, seconds).await {
            Ok(true) => seen.tried += 1,
            Ok(false) => {
                seen.tried += 1;
                let late = format!("it is answered for after {} s more", at.patience.as_secs());
                seen.findings.push(Finding::new(what, late));
            }
            Err(why) => drop(seen.unclear.get_or_insert(why)),
        }
    }
    visitors::remove(at.owner, &[person], cx.clock.now()).await
}

async fn refused_after(
    at: &Aged<'_>,
    person: &visitors::Visitor,
    sql: &str,
    seconds: i32,
) -> std::result::Result<bool, String> {
    let token = at.door.open(&person.email, &person.password).await?;
    if !at.door.recognises(&token).await? {
        return Err("a new session is not recognised by the gateway".to_owned());
    }
    let aged = async {
        let tx = at.owner.operator().await?;
        tx.execute(sql, &[&person.account, &seconds]).await?;
        tx.commit().await
    };
    aged.await.map_err(|error| error.to_string())?;
    let begun = Instant::now();
    while at.door.recognises(&token).await? {
        if begun.elapsed() > at.patience {
            return Ok(false);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(true)
}

/// Every violation in a sandbox, and what the same attack says.
async fn seed_and_find(db: &Db, cx: &Cx) -> Result<(usize, Vec<Finding>, Vec<String>)> {
    let promise = Lifetime::default();
    let mut missed = Vec::new();
    let sound = in_sandbox(db, promise, promise, cx).await?;
    if !sound.findings.is_empty() || sound.tried < sound.tries {
        missed.push("the difference between what ends and what does not".to_owned());
    }
    // A service that gives more time: at the clock, twice, and at the gateway, twice.
    let lax = Lifetime { idle: promise.idle * 4, absolute: promise.absolute * 4 };
    let found = in_sandbox(db, promise, lax, cx).await?.findings;
    for name in ["not used", "used all the time", "at the gateway"] {
        if !found.iter().any(|finding| finding.object.contains(name)) {
            missed.push(format!("a service that gives too much time: a session {name}"));
        }
    }
    // Sessions that last too long by their times.
    let service = visitors::service(db, &cx.clock, &cx.rng)?;
    let person = visitors::make(&service, SEEDED).await?;
    let tx = db.operator().await?;
    let late = tx.execute(sql::SEED_LATE, &[&person.account, &cx.clock.now()]).await?;
    tx.commit().await?;
    let mut seen = Seen::default();
    count(db, promise, cx.clock.now(), &mut seen).await?;
    let (late, counted) = (usize::try_from(late).unwrap_or_default(), seen.findings.len());
    if counted != late {
        missed.push(format!("{counted} of {late} sessions that last too long"));
    }
    let mut findings = found;
    findings.extend(seen.findings);
    Ok((3 + late, findings, missed))
}

/// The attacks by the clock and at the gateway, on a service with limits of its own.
async fn in_sandbox(db: &Db, promise: Lifetime, own: Lifetime, cx: &Cx) -> Result<Seen> {
    let mut seen = Seen::default();
    let clock = Ahead::new(&cx.clock);
    let shifted: Arc<dyn Clock> = Arc::<Ahead>::clone(&clock);
    let service = visitors::service(db, &shifted, &cx.rng)?.with_lifetime(own);
    pass_time(&service, &clock, db, promise, &mut seen).await?;
    let gateway = visitors::service(db, &cx.clock, &cx.rng)?.with_lifetime(own);
    let door = InSandbox(&gateway);
    let aged = Aged { door: &door, service: &gateway, owner: db, patience: BITE_PATIENCE };
    grow_old(&aged, promise, cx, &mut seen).await?;
    Ok(seen)
}
