//! A synthetic person who is off-boarded: in the running house, and in copies that spare something.

mod bench;
mod sql;

use std::sync::Arc;

use access::controls::{Doorstep, Inside, Leaver, Premises};
use access::{Asking, SupportState};
use identity::{Email, NewAccount, NewKey, SignedIn, StepToken};
use kernel::{Credentials as _, Fut, Scope, Secret, random_hex};
use store::Db;

pub(crate) use self::bench::Sparer;
use super::Here;
use crate::leaving::Offboarding;
use crate::rights;

/// What they have.
const SESSION: &str = "browser session";
const PASSWORD: &str = "password";
const HALF_WAY: &str = "half-way sign-in";
const KEY: &str = "API key";
const APP: &str = "authenticator app";
const CODE: &str = "recovery code";
const PASSKEY: &str = "passkey";
const ROLE: &str = "role";
const SUPPORT: &str = "access of support";
const QUESTION: &str = "question of support";
const KINDS: [&str; 10] =
    [SESSION, PASSWORD, HALF_WAY, KEY, APP, CODE, PASSKEY, ROLE, SUPPORT, QUESTION];

/// The running house.
pub(super) struct Porch {
    pub(super) here: Arc<Here>,
    /// The control database's owner, who alone may remove accounts.
    pub(super) owner: Db,
}

impl Doorstep for Porch {
    fn equip(&self) -> Fut<'_, Result<Box<dyn Leaver>, String>> {
        Box::pin(async {
            let forgotten = identity::forget_leavers(&self.owner).await;
            forgotten.map_err(|error| error.to_string())?;
            let person = Person::equipped(&self.here).await;
            Ok(Box::new(person.map_err(|error| format!("{error:#}"))?) as Box<dyn Leaver>)
        })
    }

    fn close(&self) -> Fut<'_, ()> {
        Box::pin(async {})
    }
}

/// Somebody with everything.
struct Person {
    here: Arc<Here>,
    account: String,
    email: String,
    password: Secret,
    inside: Inside,
    half_way: StepToken,
    key: Secret,
    grant: String,
    question: String,
}

impl Person {
    async fn equipped(here: &Arc<Here>) -> anyhow::Result<Self> {
        let said = anyhow::Error::msg::<String>;
        let email = format!("leaver-{}@amanah.invalid", random_hex(&*here.cx.rng, 8)?);
        let password = Secret::new(random_hex(&*here.cx.rng, 24)?);
        let new = NewAccount {
            email: Email::new(&email)?,
            name: "Canary".to_owned(),
            tenant: here.staff.clone(),
            role: "canary".to_owned(),
            password: password.clone(),
        };
        let account = here.identities.create_account(&new).await?;
        rights::ensure(&here.access, &account, &here.staff, "support").await?;
        // The role asks for two factors, so that a password alone leads half the way.
        let half_way = match here.identities.sign_in(&email, &password).await? {
            SignedIn::Factor(step) | SignedIn::Enrol(step) => step,
            SignedIn::Session(_) => anyhow::bail!("the role of support asks for no second factor"),
        };
        let inside = here.session(&account).await.map_err(said)?;
        let new = NewKey { name: "canary".to_owned(), service: None, scopes: None, days: 1 };
        let (_, key) = here.identities.make_key(&inside.identity, &new).await?;
        here.identities.plant_factors(&inside.identity).await?;
        let asking = Asking {
            tenant: here.tenants.0.clone(),
            ticket: "canary".to_owned(),
            reason: "a proof".to_owned(),
            scope: Scope::ReadOnly,
            hours: 1,
        };
        let grant = here.access.ask_support(&inside.identity, &asking).await?;
        let chief = here.people().await.map_err(said)?.chief;
        let chief = here.session(&chief).await.map_err(said)?;
        here.access.approve_support(&chief.identity, &grant).await?;
        let question = here.access.ask_support(&inside.identity, &asking).await?;
        let here = Arc::clone(here);
        Ok(Self { here, account, email, password, inside, half_way, key, grant, question })
    }

    async fn does(&self, what: &str) -> anyhow::Result<bool> {
        let Here { access, identities, door, staff, tenants, .. } = &*self.here;
        Ok(match what {
            SESSION => door.ask(&self.inside.token).await?.passed,
            PASSWORD => match identities.sign_in(&self.email, &self.password).await {
                Ok(_) => true,
                Err(identity::Error::Refused) => false,
                Err(error) => return Err(error.into()),
            },
            HALF_WAY => match identities.stage(&self.half_way).await {
                Ok(_) => true,
                Err(identity::Error::Over | identity::Error::Refused) => false,
                Err(error) => return Err(error.into()),
            },
            KEY => identities.bearer(&self.key).await.map_err(anyhow::Error::msg)?.is_some(),
            APP => identities.stored_factors(&self.account).await?.apps > 0,
            CODE => identities.stored_factors(&self.account).await?.codes > 0,
            PASSKEY => identities.stored_factors(&self.account).await?.passkeys > 0,
            ROLE => !access.standing_now(&self.account, staff).await?.permits.is_empty(),
            SUPPORT => {
                let live = access.support_list(Some(&tenants.0)).await?;
                let entered = access.support_standing(&self.account, staff, &self.grant).await;
                let listed = |one: &access::SupportGrant| {
                    one.id == self.grant && one.state == SupportState::Live
                };
                entered.is_ok() || live.iter().any(listed)
            }
            QUESTION => {
                let waiting = access.support_list(Some(&tenants.0)).await?;
                waiting
                    .iter()
                    .any(|one| one.id == self.question && one.state == SupportState::Asked)
            }
            other => anyhow::bail!("there is no credential called {other}"),
        })
    }
}

impl Leaver for Person {
    fn holds(&self) -> Vec<&'static str> {
        KINDS.to_vec()
    }

    fn works<'a>(&'a self, what: &'a str) -> Fut<'a, Result<bool, String>> {
        Box::pin(async move { self.does(what).await.map_err(|error| format!("{error:#}")) })
    }

    fn leave(&self) -> Fut<'_, Result<Vec<String>, String>> {
        Box::pin(async {
            let desk = Offboarding {
                access: Arc::clone(&self.here.access),
                identities: Arc::clone(&self.here.identities),
                directory: None,
            };
            let left = desk.end(&self.account, "a proof", None).await;
            left.map(|left| left.remains).map_err(|error| format!("{error:#}"))
        })
    }
}
