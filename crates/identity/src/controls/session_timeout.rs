//! `session.timeout`: a session ends when it was not used for the promised time, and at the latest
//! when it is as old as promised.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use kernel::{
    Card, Clock, Control, Cx, Finding, Fut, Params, Population, Proof, Secret, Sessions as _,
    Strength, Value,
};
use store::{Db, Programs};

use super::door::{Asks, Door, EdgeProbe, InSandbox, Running};
use super::session_rotation::TokenProbe;
use super::visitors::{self, TENANT};
use crate::{Error, Identities, Lifetime, Opening, Result, sql};

static CARD: Card = Card {
    id: "session.timeout",
    title: "Sessions end by themselves",
    attack: "Compares the times of every living session and of every family of refresh tokens with the \
             promise; lets time pass for the service itself, on a clock of its own, and tries a \
             session and a family that are not used and ones that are used all the time; and has \
             the sessions and tokens of a synthetic person grow old, which the running gateway must \
             refuse.",
    bite: "Sessions and families in a copy of the control database that end too late or never, a service \
           that gives too much time, one that gives it to what is used often alone, and one that ends \
           everything before its age could.",
    cadence: Duration::from_mins(10),
    deadline: Duration::from_mins(3),
    not_covered: &[
        "sessions that the application behind the gateway keeps by itself",
        "API keys, which have an end of their own and are listed with it",
        "people who are signed in again by their browser's stored password",
        "a promise without a time for one of the two limits: the house's own is looked at then",
    ],
};

const OF: &str = "living sessions, families of tokens and tries";
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
    pub(crate) tokens: Option<Arc<dyn TokenProbe>>,
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
            let (Some(edge), Some(tokens)) = (&self.edge, &self.tokens) else {
                let why = "no gateway runs that could be asked; start `amanah up`";
                return Proof::unknown(observed_at, why);
            };
            let door = Running { edge: Arc::clone(edge), tokens: Arc::clone(tokens) };
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
        pass_time(&service, &clock, owner, (limits, house), &mut seen).await?;
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
        format!("{} living sessions and families end in time", seen.living)
    } else {
        format!("{} that last too long", seen.findings.len())
    };
    let threshold =
        format!("unused for {}, at most {}", minutes(limits.idle), minutes(limits.absolute));
    Proof::weigh(observed_at, population, measured, threshold, seen.findings)
        .note(seen.unclear.as_deref().unwrap_or_default())
}

/// Every session and family that would be answered for, by its times.
async fn count(db: &Db, limits: Lifetime, now: Timestamp, seen: &mut Seen) -> Result<()> {
    let (idle, absolute) = limits.seconds();
    let tx = db.operator().await?;
    for (what, counted, late) in [
        ("session", sql::COUNT_LIVING, sql::LATE_SESSIONS),
        ("family of tokens", sql::tokens::COUNT_FAMILIES, sql::tokens::LATE_FAMILIES),
    ] {
        let living: i64 = tx.query_one(counted, &[&now]).await?.get(0);
        seen.living += usize::try_from(living).unwrap_or_default();
        for row in tx.query(late, &[&now, &idle, &absolute, &MAX_NAMED]).await? {
            let (id, idle_end, end): (String, Timestamp, Timestamp) =
                (row.get("id"), row.get("idle_end"), row.get("end"));
            let words = format!("it lives until {idle_end:.0} unused, and until {end:.0} at most");
            let fix = "Make the limits in amanah.toml no longer than the promise, and start anew";
            seen.findings.push(Finding::new(format!("{what} {id}"), words).fix(fix));
        }
    }
    Ok(tx.commit().await?)
}

/// Lets time pass for the service, which is said to have the limits of `house`: one session and one family
/// are never used, others all the time. What ended before its age was its end was not tried for its age.
async fn pass_time(
    service: &Identities,
    clock: &Ahead,
    owner: &Db,
    (limits, house): (Lifetime, Lifetime),
    seen: &mut Seen,
) -> Result<()> {
    let person = visitors::make(service, TENANT).await?;
    let open = || service.open_session(&person.account, Strength::One, Opening::default());
    let lives = async |token| service.decide(token).await.map_err(Error::Undecided);
    let (unused, used, beside) = (open().await?, open().await?, open().await?);
    let left = service.exchange(&beside).await?.refresh;
    let mut refreshed = Some(service.exchange(&beside).await?.refresh);
    seen.tries += 4;
    if lives(&unused).await?.is_none() || lives(&used).await?.is_none() {
        seen.unclear.get_or_insert("a new session is not recognised".to_owned());
        return visitors::remove(owner, &[person], clock.real.now()).await;
    }
    let mut age = SignedDuration::ZERO;
    let step = limits.idle.min(house.idle) / USES;
    let reach = limits.absolute.min(house.absolute);
    let (mut at_idle, mut early) = (None, (None, None));
    while age < limits.absolute {
        let next = step.min(limits.absolute - age);
        clock.pass(next);
        age = age.saturating_add(next);
        if age >= limits.idle && at_idle.is_none() {
            let family = renewed(service, &left).await?.is_some();
            at_idle = Some((lives(&unused).await?.is_some(), family));
        }
        if age < limits.absolute {
            let there = lives(&used).await?.is_some();
            if let Some(token) = &refreshed {
                refreshed = renewed(service, token).await?;
            }
            if age < reach {
                early.0 = early.0.or((!there).then_some(age));
                early.1 = early.1.or(refreshed.is_none().then_some(age));
            }
        }
    }
    let at_end = match &refreshed {
        Some(token) => renewed(service, token).await?.is_some(),
        None => false,
    };
    let (session, family) = at_idle.unwrap_or((true, true));
    let idle = "it does not end";
    let absolute = "it does not end at its absolute limit";
    for (lives_on, what, words, early) in [
        (session, "a session that is not used", idle, None),
        (family, "a family of tokens that is not used", idle, None),
        (lives(&used).await?.is_some(), "a session that is used all the time", absolute, early.0),
        (at_end, "a family of tokens that is used all the time", absolute, early.1),
    ] {
        seen.judge(what, (lives_on, words), early);
    }
    // By the real time: hours later, everybody whom other proofs have just made would be left behind.
    visitors::remove(owner, &[person], clock.real.now()).await
}

impl Seen {
    /// What was tried, unless it ended `early`.
    fn judge(&mut self, what: &str, (lives, words): (bool, &str), early: Option<SignedDuration>) {
        if let Some(age) = early {
            let age = age.as_mins();
            let why =
                format!("{what} ended after {age} min, before its absolute limit was reached");
            self.unclear.get_or_insert(why);
            return;
        }
        self.tried += 1;
        if lives {
            self.findings.push(Finding::new(what, words));
        }
    }
}

/// The token that follows a refresh token, if it is good.
async fn renewed(service: &Identities, token: &Secret) -> Result<Option<Secret>> {
    match service.refresh(token).await {
        Ok(pair) => Ok(Some(pair.refresh)),
        Err(Error::Grant) => Ok(None),
        Err(other) => Err(other),
    }
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
    for (what, sql, seconds) in [
        ("a family of tokens that was not used, at the gateway", sql::tokens::AGE_FAMILIES, idle),
        (
            "a family of tokens that is old, at the gateway",
            sql::tokens::AGE_USED_FAMILIES,
            absolute,
        ),
    ] {
        seen.tries += 1;
        match old_family(at, &person, sql, seconds).await {
            Ok(refused) => seen.judge(what, (!refused, "its refresh token is good"), None),
            Err(why) => drop(seen.unclear.get_or_insert(why)),
        }
    }
    visitors::remove(at.owner, &[person], cx.clock.now()).await
}

/// Whether the refresh token of a family that `sql` made so many seconds older is refused.
async fn old_family(
    at: &Aged<'_>,
    person: &visitors::Visitor,
    sql: &str,
    seconds: i32,
) -> std::result::Result<bool, String> {
    let session = at.door.open(&person.email, &person.password).await?;
    let pair = at.door.tokens().exchange(&session).await?;
    let pair = pair.ok_or("a new session was given no tokens")?;
    age(at.owner, sql, person, seconds).await?;
    Ok(at.door.tokens().refresh(&pair.refresh).await?.is_none())
}

/// Lets what is a person's be older, by the owner of the database.
async fn age(
    owner: &Db,
    sql: &str,
    person: &visitors::Visitor,
    seconds: i32,
) -> std::result::Result<(), String> {
    let aged = async {
        let tx = owner.operator().await?;
        tx.execute(sql, &[&person.account, &seconds]).await?;
        tx.commit().await
    };
    aged.await.map_err(|error| error.to_string())
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
    age(at.owner, sql, person, seconds).await?;
    let begun = Instant::now();
    while at.door.recognises(&token).await? {
        if begun.elapsed() > at.patience {
            return Ok(false);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(true)
}

/// What a service that gives too much time is found by: each of these outlives the promise there.
const TOO_MUCH: [&str; 8] = [
    "a session that is not used",
    "a family of tokens that is not used",
    "a session that is used all the time",
    "a family of tokens that is used all the time",
    "a session that was not used, at the gateway",
    "a session that is old, at the gateway",
    "a family of tokens that was not used, at the gateway",
    "a family of tokens that is old, at the gateway",
];
/// And these by a service that gives too much time to what is used often alone.
const TOO_OLD: [&str; 2] =
    ["a session that is used all the time", "a family of tokens that is used all the time"];

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
    let mut found = in_sandbox(db, promise, lax, cx).await?.findings;
    for name in TOO_MUCH {
        if !found.iter().any(|finding| finding.object == name) {
            missed.push(format!("a service that gives too much time: {name}"));
        }
    }
    // One that ends what is not used very early: it has to be used more often to grow old.
    let brisk = Lifetime { idle: promise.idle / 4, absolute: promise.absolute * 4 };
    let old = by_the_clock(db, (promise, brisk), brisk, cx).await?.findings;
    let old = old.into_iter().filter(|finding| TOO_OLD.contains(&finding.object.as_str()));
    let before = found.len();
    found.extend(old);
    if found.len() != before + TOO_OLD.len() {
        missed.push("a service that ends what is used often too late".to_owned());
    }
    // One that is not what it is said to be: what ended early is not taken for tried.
    let early = by_the_clock(db, (promise, promise), brisk, cx).await?;
    if early.tried + TOO_OLD.len() != early.tries || early.unclear.is_none() {
        missed.push("what ended before it could be tried".to_owned());
    }
    // Sessions that last too long by their times.
    let service = visitors::service(db, &cx.clock, &cx.rng)?;
    let person = visitors::make(&service, SEEDED).await?;
    let tx = db.operator().await?;
    let late = tx.execute(sql::SEED_LATE, &[&person.account, &cx.clock.now()]).await?
        + tx.execute(sql::tokens::SEED_LATE_FAMILIES, &[&person.account, &cx.clock.now()]).await?;
    tx.commit().await?;
    let mut seen = Seen::default();
    count(db, promise, cx.clock.now(), &mut seen).await?;
    let (late, counted) = (usize::try_from(late).unwrap_or_default(), seen.findings.len());
    if counted != late {
        missed.push(format!("{counted} of {late} sessions and families that last too long"));
    }
    let mut findings = found;
    findings.extend(seen.findings);
    Ok((TOO_MUCH.len() + TOO_OLD.len() + late, findings, missed))
}

/// The attacks by the clock and at the gateway, on a service with limits of its own.
async fn in_sandbox(db: &Db, promise: Lifetime, own: Lifetime, cx: &Cx) -> Result<Seen> {
    let mut seen = by_the_clock(db, (promise, own), own, cx).await?;
    let gateway = visitors::service(db, &cx.clock, &cx.rng)?.with_lifetime(own);
    let door = InSandbox::new(&gateway, Asks::Again);
    let aged = Aged { door: &door, service: &gateway, owner: db, patience: BITE_PATIENCE };
    grow_old(&aged, promise, cx, &mut seen).await?;
    Ok(seen)
}

/// The attack by the clock, on a service with limits of its `own` that is said to have those of `house`.
async fn by_the_clock(
    db: &Db,
    (promise, house): (Lifetime, Lifetime),
    own: Lifetime,
    cx: &Cx,
) -> Result<Seen> {
    let mut seen = Seen::default();
    let clock = Ahead::new(&cx.clock);
    let shifted: Arc<dyn Clock> = Arc::<Ahead>::clone(&clock);
    let service = visitors::service(db, &shifted, &cx.rng)?.with_lifetime(own);
    pass_time(&service, &clock, db, (promise, house), &mut seen).await?;
    Ok(seen)
}
