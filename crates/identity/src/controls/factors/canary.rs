//! Accounts that nobody has, to sign in with.

use jiff::{SignedDuration, Timestamp};
use kernel::{SYNTHETIC_DOMAIN, SYNTHETIC_TENANTS, Secret, Sessions as _, TenantId, random_hex};
use store::Db;

use super::{FactorProbe, Reached};
use crate::passkey::{Party, SoftKey};
use crate::totp::Seed;
use crate::{Email, Error, Holder, Identities, NewAccount, Result, SignedIn, StepToken, sql};

/// Their addresses as a pattern of SQL.
const PATTERN: &str = "factor-%@amanah.invalid";
/// A canary that is older than this was left behind by a run that was killed.
const LEFT_BEHIND: SignedDuration = SignedDuration::from_hours(1);
/// A step of the codes.
pub(super) const STEP: SignedDuration = SignedDuration::from_secs(30);

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
}

impl App {
    /// The code of so many steps after `at`.
    pub(super) fn code(&self, at: Timestamp, steps: i32) -> Secret {
        self.seed.code_at(at.saturating_add(STEP * steps).unwrap_or(at))
    }
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

    /// Sets an app up, inside the program, with the code of the step before `now`: the codes of this
    /// step and the next are left to be tried.
    pub(super) async fn add_app(&self, identities: &Identities, now: Timestamp) -> Result<App> {
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
        let before = seed.code_at(now.saturating_sub(STEP).unwrap_or(now));
        let codes = identities.confirm_app(holder, &before).await?.codes;
        Ok(App { seed, codes })
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
