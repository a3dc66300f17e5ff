//! The attempts of support, each against premises that are handed in.

use std::time::Duration;

use futures_util::future::join;
use jiff::{SignedDuration, Timestamp};
use kernel::{Cx, Door, Finding, Scope, Secret, random_hex, unhex};
use store::{Protected, Table};

use super::rows::{self, Seen};
use super::{Asked, Denied, Done, Inside, People, Premises, sql};
use crate::{Asking, Error};

/// How long the grant lives at least that runs out while somebody is inside.
const SHORT: SignedDuration = SignedDuration::from_secs(5);
/// How long is waited for the gateway to notice, beyond the end.
const PATIENCE: SignedDuration = SignedDuration::from_secs(20);
/// How often it is asked meanwhile.
const EVERY: Duration = Duration::from_millis(100);
/// How long before the end that begins: each request that passes is written down for good.
const BEFORE: SignedDuration = SignedDuration::from_millis(300);
/// PostgreSQL's code for a check that failed, also the triggers'.
const CHECK: &str = "23514";
/// How long ago somebody signed in who may not approve any more.
const LONG_AGO: SignedDuration = SignedDuration::from_mins(11);

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) total: usize,
    pub(super) checked: usize,
    pub(super) findings: Vec<Finding>,
    /// What could not be tried, and why.
    pub(super) missed: Vec<String>,
    /// Requests that were let in, as they should be.
    pub(super) passed: usize,
    /// How long after a grant's end it was refused, in milliseconds.
    pub(super) refused_after: Option<i64>,
}

impl Survey {
    pub(super) fn holds(&mut self) {
        self.total += 1;
        self.checked += 1;
    }

    pub(super) fn breaks(&mut self, object: &str, what: String) {
        self.holds();
        self.findings.push(Finding::new(object, what));
    }

    pub(super) fn misses(&mut self, why: String) {
        self.total += 1;
        self.missed.push(why);
    }

    /// `object` was to see nothing.
    pub(super) fn unseen(&mut self, object: &str, seen: Seen) {
        if seen.rows > 0 {
            return self.breaks(object, format!("reads {} rows of a tenant", seen.rows));
        }
        match seen.missed {
            Some(why) => self.misses(format!("{object}: {why}")),
            None => self.holds(),
        }
    }

    fn add(&mut self, other: Self) {
        self.total += other.total;
        self.checked += other.checked;
        self.findings.extend(other.findings);
        self.missed.extend(other.missed);
        self.passed += other.passed;
        self.refused_after = self.refused_after.or(other.refused_after);
    }

    /// `object` was to be refused: whether anything went wrong instead stands in the error.
    pub(super) fn refused<T>(&mut self, object: &str, outcome: Result<T, Denied>) {
        match outcome {
            Ok(_) => self.breaks(object, "was let in".to_owned()),
            Err(Denied::Refused) => self.holds(),
            Err(Denied::Failed(why)) => self.misses(format!("{object}: {why}")),
        }
    }
}

/// One run.
pub(super) struct Attack<'a> {
    premises: &'a dyn Premises,
    protected: &'a Protected,
    people: People,
    cx: &'a Cx,
    survey: Survey,
}

impl<'a> Attack<'a> {
    pub(super) fn new(
        premises: &'a dyn Premises,
        protected: &'a Protected,
        people: People,
        cx: &'a Cx,
    ) -> Self {
        Self { premises, protected, people, cx, survey: Survey::default() }
    }

    /// Everything, one after the other, while the grant that runs out does. Where it could not go on, what
    /// was found before stays found.
    pub(super) async fn run(mut self) -> Survey {
        let mut beside = Self::new(self.premises, self.protected, self.people.clone(), self.cx);
        let (tried, ended) = join(self.try_all(), beside.runs_out()).await;
        self.survey.add(beside.survey);
        for why in [tried, ended].into_iter().filter_map(Result::err) {
            self.survey.misses(why);
        }
        self.survey
    }

    async fn try_all(&mut self) -> Result<(), String> {
        let tables = rows::tables(self.protected).await?;
        self.uninvited(&tables).await?;
        let grant = self.consent().await?;
        self.invited(&grant, &tables).await?;
        self.writes(&tables).await
    }

    /// Without a grant, nothing is entered and nothing is seen.
    async fn uninvited(&mut self, tables: &[Table]) -> Result<(), String> {
        let staff = self.premises.session(&self.people.staff).await?;
        let random = random_hex(&*self.cx.rng, 16).map_err(|e| e.to_string())?;
        let part = |from: usize, to: usize| random.get(from..to).unwrap_or_default();
        let (a, b, c, d) = (part(0, 8), part(8, 12), part(13, 16), part(17, 20));
        let made_up = format!("{a}-{b}-4{c}-8{d}-{}", part(20, 32));
        let entered = self.premises.enter(&staff, &made_up).await;
        self.survey.refused("a grant that does not exist", entered);
        for writing in [false, true] {
            // Without a binding they read as the application does when it forgets to bind.
            let binding = self.premises.binding(&staff.identity, writing);
            let tenant = &self.people.tenants.0;
            let seen = rows::seen(self.protected, tables, binding.as_ref(), tenant).await?;
            self.survey.unseen("a member of staff without a grant", seen);
        }
        Ok(())
    }

    /// Asks, is not let in by anybody who may not, and then is. Returns the grant.
    async fn consent(&mut self) -> Result<String, String> {
        let staff = self.premises.session(&self.people.staff).await?;
        let grant = self.question(&staff, Scope::ReadOnly).await?;
        let entered = self.premises.enter(&staff, &grant).await;
        self.survey.refused("a grant that nobody approved", entered);
        let access = self.premises.access();
        let chief = self.premises.session(&self.people.chief).await?;
        let stranger = self.premises.session(&self.people.stranger).await?;
        let mut late = (*chief.identity).clone();
        late.authenticated_at = self.cx.clock.now() - LONG_AGO;
        let mut program = (*chief.identity).clone();
        program.door = Door::ApiKey;
        for (object, who) in [
            ("a grant approved by whoever asked", &*staff.identity),
            ("a grant approved by another tenant", &*stranger.identity),
            ("a grant approved long after the sign-in", &late),
            ("a grant approved by a program", &program),
        ] {
            let approved = access.approve_support(who, &grant).await;
            self.survey.refused(object, approved.map_err(denied));
        }
        self.past_the_service(&grant).await?;
        access.approve_support(&chief.identity, &grant).await.map_err(text)?;
        let colleague = self.premises.session(&self.people.colleague).await?;
        let entered = self.premises.enter(&colleague, &grant).await;
        self.survey.refused("a colleague's grant", entered);
        Ok(grant)
    }

    /// The same approvals as one statement each, by the running program's own login. The tenant's own would
    /// pass, so that what is refused is refused for who approves. All of them are taken back.
    async fn past_the_service(&mut self, grant: &str) -> Result<(), String> {
        let tx = self.premises.access().db.operator().await.map_err(|e| e.to_string())?;
        let bound: store::Bound<'_> = &[&grant, &self.people.chief, &"canary"];
        let own = tx.attempt(sql::APPROVE_AS, bound).await.map_err(|e| e.to_string())?;
        if own.map_err(|e| e.to_string())?.len() != 1 {
            return Err(
                "a question of support cannot be approved past the service at all".to_owned()
            );
        }
        for (object, by) in [
            ("a grant approved by whoever asked, past the service", &self.people.staff),
            ("a grant approved by another tenant, past the service", &self.people.stranger),
        ] {
            let bound: store::Bound<'_> = &[&grant, by, &"canary"];
            let approved = tx.attempt(sql::APPROVE_AS, bound).await.map_err(|e| e.to_string())?;
            let approved = match approved {
                Ok(rows) if rows.is_empty() => {
                    Err(Denied::Failed("there is no such grant".to_owned()))
                }
                Ok(_) => Ok(()),
                Err(error) if error.sqlstate() == Some(CHECK) => Err(Denied::Refused),
                Err(error) => Err(Denied::Failed(error.to_string())),
            };
            self.survey.refused(object, approved);
        }
        tx.rollback().await.map_err(|e| e.to_string())
    }

    /// With a grant to read: what is asked is let in and listed, what is written is refused, what is
    /// another tenant's is not seen, and its end counts at once.
    async fn invited(&mut self, grant: &str, tables: &[Table]) -> Result<(), String> {
        let staff = self.premises.session(&self.people.staff).await?;
        let inside = self.premises.enter(&staff, grant).await.map_err(|e| e.to_string())?;
        self.let_in(&inside, grant).await?;
        let (tenant, other) = self.people.tenants.clone();
        for writing in [false, true] {
            let binding = self.premises.binding(&inside.identity, writing);
            let binding = binding.ok_or("the gateway makes no binding for a living grant")?;
            if rows::seen(self.protected, tables, Some(&binding), &tenant).await?.rows == 0 {
                return Err("a living grant shows no row of the synthetic tenant".to_owned());
            }
            let seen = rows::seen(self.protected, tables, Some(&binding), &other).await?;
            self.survey.unseen("another tenant's grant", seen);
            self.bounded(&inside, &binding);
            rows::writes(&mut self.survey, self.protected, tables, &binding, &tenant).await?;
        }
        let chief = self.premises.session(&self.people.chief).await?;
        self.premises.access().end_support(&chief.identity, grant).await.map_err(text)?;
        self.shut_out(&inside, "a grant that the tenant ended").await?;
        let again = self.premises.session(&self.people.staff).await?;
        let entered = self.premises.enter(&again, grant).await;
        self.survey.refused("a grant that the tenant ended, once more", entered);
        Ok(())
    }

    /// A grant whose end comes while somebody is inside.
    async fn runs_out(&mut self) -> Result<(), String> {
        let staff = self.premises.session(&self.people.staff).await?;
        // On a whole second. A binding counts in these and is never rounded up, so that in the last
        // one that a grant has begun there is none, and an application refuses a moment early.
        let ends = self.cx.clock.now() + SHORT + SignedDuration::from_secs(1);
        let ends = Timestamp::from_second(ends.as_second()).unwrap_or(ends);
        let grant = self.short(&staff, ends).await?;
        let inside = self.premises.enter(&staff, &grant).await.map_err(|e| e.to_string())?;
        self.let_in(&inside, &grant).await?;
        match self.premises.binding(&inside.identity, false) {
            Some(binding) => self.bounded(&inside, &binding),
            None => self.survey.misses("a living grant has no binding to look at".to_owned()),
        }
        let wait = ends.duration_since(self.cx.clock.now()) - BEFORE;
        tokio::time::sleep(wait.try_into().unwrap_or_default()).await;
        loop {
            let before = self.cx.clock.now();
            let asked = self.premises.ask(&inside.token).await?;
            let now = self.cx.clock.now();
            let is_refused = asked.done != Done::Passed && self.is_refused(&asked).await?;
            if is_refused && now < ends {
                let early = ends.duration_since(now).as_millis();
                let why = format!("a living grant is refused {early} ms before its end");
                return Err(format!("{why}: {}", asked.answer));
            }
            if is_refused {
                self.survey.holds();
                let late = now.duration_since(ends).as_millis();
                self.survey.refused_after = i64::try_from(late.max(0)).ok();
                break;
            }
            if asked.done == Done::Passed && before >= ends {
                let late = before.duration_since(ends).as_millis();
                self.survey.breaks("a grant", format!("lets in {late} ms after its end"));
                break;
            }
            if before >= ends + PATIENCE {
                return Err(format!("after a grant's end, only {} is answered", asked.answer));
            }
            tokio::time::sleep(EVERY).await;
        }
        let again = self.premises.session(&self.people.staff).await?;
        let entered = self.premises.enter(&again, &grant).await;
        self.survey.refused("a grant after its end", entered);
        Ok(())
    }

    /// A grant to write, whose writes are the actor's in the trail.
    async fn writes(&mut self, tables: &[Table]) -> Result<(), String> {
        let staff = self.premises.session(&self.people.staff).await?;
        let grant = self.question(&staff, Scope::ReadWrite).await?;
        let chief = self.premises.session(&self.people.chief).await?;
        self.premises.access().approve_support(&chief.identity, &grant).await.map_err(text)?;
        let inside = self.premises.enter(&staff, &grant).await.map_err(|e| e.to_string())?;
        let actor = inside.identity.actor.as_str().to_owned();
        let shown: String = grant.chars().take(8).collect();
        if actor.ends_with(&format!(" support:{shown}")) {
            self.survey.holds();
        } else {
            self.survey.breaks("the actor of support", format!("is {actor}, without the grant"));
        }
        let binding = self.premises.binding(&inside.identity, true);
        let binding = binding.ok_or("the gateway makes no binding for a grant to write")?;
        let tenant = self.people.tenants.0.clone();
        let found = rows::recorded(self.protected, tables, &binding, &tenant, &actor).await;
        // Nothing that a proof was let in by stays open.
        let ended = self.premises.access().end_support(&chief.identity, &grant).await;
        self.survey.holds();
        self.survey.findings.extend(found?);
        ended.map_err(text)
    }

    async fn question(&self, staff: &Inside, scope: Scope) -> Result<String, String> {
        let (ticket, reason) = ("canary".to_owned(), "a proof".to_owned());
        let tenant = self.people.tenants.0.clone();
        let asking = Asking { tenant, ticket, reason, scope, hours: 1 };
        self.premises.access().ask_support(&staff.identity, &asking).await.map_err(text)
    }

    /// A grant that was given most of an hour ago, for an hour.
    async fn short(&self, staff: &Inside, ends: Timestamp) -> Result<String, String> {
        let text = |error: store::Error| error.to_string();
        let tx = self.premises.access().db.operator().await.map_err(text)?;
        let given = ends - SignedDuration::from_hours(1);
        let actor = staff.identity.actor.as_str();
        let tenant = self.people.tenants.0.as_str();
        let bound: store::Bound<'_> = &[&tenant, &self.people.staff, &actor, &given];
        let grant: String = tx.query_one(sql::ASK_BEFORE, bound).await.map_err(text)?.get(0);
        let bound: store::Bound<'_> = &[&grant, &self.people.chief, &given, &ends];
        tx.execute(sql::APPROVE_BEFORE, bound).await.map_err(text)?;
        tx.commit().await.map_err(text)?;
        Ok(grant)
    }

    /// Somebody inside is let in, and the tenant's list has the request.
    async fn let_in(&mut self, inside: &Inside, grant: &str) -> Result<(), String> {
        let asked = self.premises.ask(&inside.token).await?;
        if asked.done != Done::Passed {
            return Err(format!("a living grant is not let in: {}", asked.answer));
        }
        self.survey.passed += 1;
        let access = self.premises.access();
        let uses = access.support_uses_in(&self.people.tenants.0, grant).await.map_err(text)?;
        if uses.iter().any(|one| one.request == asked.request) {
            self.survey.holds();
        } else {
            let what = format!("{} passed and is not in the tenant's list", asked.request);
            self.survey.breaks("a request of support", what);
        }
        Ok(())
    }

    /// Somebody who was inside is refused at once. An answer that says nothing is asked for again.
    async fn shut_out(&mut self, inside: &Inside, object: &str) -> Result<(), String> {
        let until = self.cx.clock.now() + PATIENCE;
        loop {
            let asked = self.premises.ask(&inside.token).await?;
            if asked.done == Done::Passed {
                self.survey.breaks(object, "still lets in".to_owned());
                return Ok(());
            }
            if self.is_refused(&asked).await? {
                self.survey.holds();
                return Ok(());
            }
            if self.cx.clock.now() >= until {
                self.survey.misses(format!("{object}: only {} is answered", asked.answer));
                return Ok(());
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Whether somebody was refused for who they are. Where that could not be told, it can be told of
    /// somebody else at the same moment: it is their grant that is over, and not the gateway that is ill.
    async fn is_refused(&self, asked: &Asked) -> Result<bool, String> {
        match asked.done {
            Done::Refused => Ok(true),
            Done::Passed | Done::Failed => Ok(false),
            Done::Undecided => {
                let other = self.premises.session(&self.people.chief).await?;
                let other = self.premises.ask(&other.token).await?;
                Ok(matches!(other.done, Done::Passed | Done::Refused))
            }
        }
    }

    /// A binding is never good beyond the grant, for the actor and the scope that it was made for.
    fn bounded(&mut self, inside: &Inside, binding: &Secret) {
        let object = "a binding of support";
        let Some(support) = &inside.identity.standing.support else {
            self.survey.breaks(object, "is made for a session without a grant".to_owned());
            return;
        };
        let parts: Vec<&str> = binding.expose().split('.').collect();
        let [_, _, tenant, actor, expiry, scope, _] = parts.as_slice() else {
            self.survey.misses("a binding cannot be read".to_owned());
            return;
        };
        let Ok(expiry) = expiry.parse::<i64>() else {
            self.survey.misses("the end of a binding cannot be read".to_owned());
            return;
        };
        let is =
            |part: &str, wanted: &str| unhex(part).is_some_and(|read| read == wanted.as_bytes());
        if expiry > support.until.as_second() {
            self.survey.breaks(object, format!("is good beyond {}", support.until));
        } else if *scope != support.scope.as_str() && *scope != "ro" {
            self.survey.breaks(object, format!("is for {scope} under a grant to read"));
        } else if !is(tenant, support.tenant.as_str()) || !is(actor, inside.identity.actor.as_str())
        {
            self.survey.breaks(object, "is for somebody else".to_owned());
        } else {
            self.survey.holds();
        }
    }
}

/// A refusal for what somebody may do, or when, and nothing else.
fn denied(error: Error) -> Denied {
    match error {
        Error::Refused | Error::NoSupport | Error::StepUp => Denied::Refused,
        other => Denied::Failed(other.to_string()),
    }
}

fn text(error: impl Into<Error>) -> String {
    error.into().to_string()
}
