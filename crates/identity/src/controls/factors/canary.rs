//! Accounts that nobody has, to sign in with.

use jiff::{SignedDuration, Timestamp};
use kernel::{
    SYNTHETIC_DOMAIN, SYNTHETIC_TENANTS, Secret, SessionToken, Sessions as _, TenantId, random_hex,
};
use store::Db;

use super::{FactorProbe, Reached};
use crate::passkey::{Party, SoftKey};
use crate::totp::Seed;
use crate::{
    Email, Enrolled, Error, Holder, Identities, NewAccount, Result, SignedIn, StepToken, sql,
};

/// Their addresses as a pattern of SQL.
const PATTERN: &str = "factor-%@amanah.invalid";
/// A canary that is older than this was left behind by a run that was killed.
const LEFT_BEHIND: SignedDuration = SignedDuration::from_hours(1);
/// A step of the codes.
const STEP: SignedDuration = SignedDuration::from_secs(30);
/// How often it is tried to set an app up before its code is too old.
const SET_UPS: usize = 3;

/// An account with a password that this run alone knows.
pub(super) struct Canary {
    pub(super) account: String,
    pub(super) email: String,
    pub(super) password: Secret,
}

/// What a canary was given with its app.
pub(super) struct App {
    pub(super) seed: Seed,
    pub(super) codes: Vec<Secret>,
    /// When it was set up, with the code of the step before: those of this step and the next were left.
    pub(super) at: Timestamp,
}

impl App {
    /// The code of so many steps after `at`.
    pub(super) fn code(&self, at: Timestamp, steps: i32) -> Secret {
        self.seed.code_at(at.saturating_add(STEP * steps).unwrap_or(at))
    }

    /// Confirms the app that `holder` began to set up, and says the session that came of it. A step that ends
    /// meanwhile makes its code too old, so that a slow machine tries again with the next.
    pub(super) async fn confirmed(
        identities: &Identities,
        holder: Holder<'_>,
        seed: Seed,
    ) -> Result<(Self, SessionToken)> {
        let mut turn = 1;
        loop {
            let at = identities.now();
            let before = seed.code_at(at.saturating_sub(STEP).unwrap_or(at));
            match identities.confirm_app(holder, &before).await {
                Ok(Enrolled { session, codes, .. }) => {
                    return Ok((Self { seed, codes, at }, session));
                }
                Err(Error::Wrong) if turn < SET_UPS && !in_time(at, -1, identities.now()) => {
                    turn += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether the code of so many steps after `at` is good at `now` for its time: later it is refused for its age,
/// whatever else is wrong with it.
pub(super) fn in_time(at: Timestamp, steps: i64, now: Timestamp) -> bool {
    let step = |at: Timestamp| at.as_second().div_euclid(STEP.as_secs());
    step(now) <= step(at) + steps + 1
}

/// The tenant of the canaries.
pub(super) fn tenant() -> Result<TenantId> {
    TenantId::new(SYNTHETIC_TENANTS)
        .map_err(|e| Error::Field { field: "tenant", why: e.to_string() })
}

impl Canary {
    /// A new account without a factor.
    pub(super) async fn make(identities: &Identities) -> Result<Self> {
        let new = Self::described(identities, SYNTHETIC_DOMAIN, tenant()?)?;
        let account = identities.create_synthetic(&new).await?;
        Ok(Self { account, email: new.email.as_str().to_owned(), password: new.password })
    }

    /// The same in a sandbox, where it counts as somebody's.
    pub(super) async fn member(identities: &Identities) -> Result<Self> {
        let bitten = TenantId::new("bite")
            .map_err(|e| Error::Field { field: "tenant", why: e.to_string() })?;
        let new = Self::described(identities, "@bite.invalid", bitten)?;
        let account = identities.create_account(&new).await?;
        Ok(Self { account, email: new.email.as_str().to_owned(), password: new.password })
    }

    fn described(identities: &Identities, domain: &str, tenant: TenantId) -> Result<NewAccount> {
        Ok(NewAccount {
            email: Email::new(&format!("factor-{}{domain}", random_hex(identities.rng(), 8)?))?,
            name: "Canary".to_owned(),
            tenant,
            password: Secret::new(random_hex(identities.rng(), 20)?),
        })
    }

    /// Sets an app up, inside the program.
    pub(super) async fn add_app(&self, identities: &Identities) -> Result<App> {
        let signed_in = identities.sign_in(&self.email, &self.password).await?;
        let (session, step);
        let holder = match signed_in {
            SignedIn::Session(token) => {
                session = identities.decide(&token).await.map_err(Error::Undecided)?;
                let identity = session.as_deref();
                Holder::Session(identity.ok_or(Error::Canary("its session is not recognised"))?)
            }
            SignedIn::Factor(token) | SignedIn::Enrol(token) => {
                step = token;
                Holder::Step(&step)
            }
        };
        let app = identities.start_app(holder, "Amanah").await?;
        let seed = Seed::from_text(&app.text)?;
        Ok(App::confirmed(identities, holder, seed).await?.0)
    }

    /// Sets a passkey up, inside the program, in the step of a sign-in that needs one.
    pub(super) async fn add_key(
        &self,
        identities: &Identities,
        step: &StepToken,
        party: &Party,
    ) -> Result<SoftKey> {
        let holder = Holder::Step(step);
        let asked = identities.start_passkey(holder, party).await?;
        let key = SoftKey::fresh(identities.rng())?;
        let answer = key.register(party, &asked.challenge, None)?;
        identities.add_passkey(holder, party, "Canary", &answer).await?;
        Ok(key)
    }

    /// Sends the password, which must lead to a step.
    pub(super) async fn step(
        &self,
        probe: &dyn FactorProbe,
    ) -> std::result::Result<Secret, String> {
        match probe.password(&self.email, &self.password).await? {
            Reached::Step(step) => Ok(step),
            Reached::Session(_) => Err("the password alone opened a session".to_owned()),
            Reached::Refused => Err("the canary's right password was refused".to_owned()),
        }
    }
}

/// Removes these canaries and those that a run left behind.
pub(super) async fn remove(owner: &Db, canaries: &[String], now: Timestamp) -> Result<()> {
    let old = now.saturating_sub(LEFT_BEHIND).unwrap_or(Timestamp::MIN);
    let tx = owner.operator().await?;
    tx.execute(sql::REMOVE_CANARIES, &[&canaries, &PATTERN, &old]).await?;
    Ok(tx.commit().await?)
}
