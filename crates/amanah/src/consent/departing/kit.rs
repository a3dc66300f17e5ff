//! Somebody with everything that can be given, for the proof of off-boarding: each thing is seen to work
//! before they leave, so that a refusal afterwards says something.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use access::Asking;
use anyhow::{Context as _, anyhow, bail};
use directory::{By, NewToken};
use identity::{
    Email, FactorProbe as _, LeaverFactors, NewAccount, NewKey, Opening, Showing, SignedIn,
    TokenProbe as _,
};
use kernel::{Identity, Scope, Secret, SessionToken, Sessions as _, Strength, random_hex};
use tokio::sync::Mutex;

use super::Here;
use crate::rights;

/// What they are: staff, and somebody who makes services and invites people.
const ROLES: [&str; 2] = ["support", "administrator"];
/// How long their keys, and a directory's token, live, in days.
const KEY_DAYS: u16 = 1;

/// A synthetic person who is going to leave.
pub(super) struct Person {
    pub(super) here: Arc<Here>,
    pub(super) account: String,
    pub(super) email: String,
    pub(super) password: Secret,
    /// Who takes their services over.
    pub(super) successor: String,
    pub(super) session: SessionToken,
    pub(super) inside: SessionToken,
    pub(super) half_way: Secret,
    /// A step for each factor, to be shown in before they leave, and after it.
    pub(super) steps_before: [Secret; 3],
    pub(super) steps_after: [Secret; 3],
    pub(super) factors: LeaverFactors,
    pub(super) access: Secret,
    pub(super) refresh: Mutex<Secret>,
    pub(super) key: Secret,
    pub(super) service_key: Secret,
    pub(super) reset: SessionToken,
    pub(super) invitation: SessionToken,
    pub(super) directory_token: Secret,
    pub(super) grant: String,
    pub(super) question: String,
    left: AtomicBool,
}

impl Person {
    /// Makes one. Their sessions, tokens and keys are of after their last factor, which ended what
    /// was there before.
    pub(super) async fn equipped(here: &Arc<Here>) -> anyhow::Result<Self> {
        let said = anyhow::Error::msg::<String>;
        let edge = &*here.door.edge;
        let identities = &*here.identities;
        let (account, email, password) = hired(here).await?;
        let people = here.people_of().await?;
        let party = edge.party().context("the gateway has no name that a passkey is made for")?;
        let signing_in = (email.as_str(), &password);
        let (factors, session) = LeaverFactors::plant(identities, signing_in, party).await?;
        let who = known(here, &session).await?;
        let new =
            |service| NewKey { name: "canary".to_owned(), service, scopes: None, days: KEY_DAYS };
        let (_, key) = identities.make_key(&who, &new(None)).await?;
        let service = identities.make_service(&who, "canary").await?;
        let (_, service_key) = identities.make_key(&who, &new(Some(service.account))).await?;
        let pair = edge.exchange(&session).await.map_err(said)?;
        let pair = pair.context("the gateway gives no tokens for a session")?;
        let invited = format!("invited-{}@amanah.invalid", random_hex(&*here.cx.rng, 8)?);
        let links = here.room.plant_links(&account, here.staff.as_str(), &invited);
        let [reset, invitation] = links.await?;
        let token = NewToken { name: "canary".to_owned(), days: KEY_DAYS };
        let made = here.directory.make_token(&here.staff, &token, &By::person(&who)).await;
        let (_, directory_token) = made.map_err(|error| anyhow!("no token: {error}"))?;
        let (grant, question) = let_in(here, &who, &people.chief).await?;
        let other = identities.open_session(&account, Strength::Two, Opening::default()).await?;
        let entering = known(here, &other).await?;
        let inside = identities.enter_support(&entering, &other, &grant).await?;
        let step = async || step(here, &email, &password).await;
        Ok(Self {
            half_way: step().await?,
            steps_before: [step().await?, step().await?, step().await?],
            steps_after: [step().await?, step().await?, step().await?],
            here: Arc::clone(here),
            successor: people.colleague,
            refresh: Mutex::new(pair.refresh),
            access: pair.access,
            left: AtomicBool::new(false),
            account,
            email,
            password,
            session,
            inside,
            factors,
            key,
            service_key,
            reset,
            invitation,
            directory_token,
            grant,
            question,
        })
    }

    /// Which of the things that are good once is shown.
    pub(super) fn showing(&self) -> Showing {
        if self.left.load(Ordering::Acquire) { Showing::After } else { Showing::Before }
    }

    pub(super) fn leaves(&self) {
        self.left.store(true, Ordering::Release);
    }
}

/// A new account with its roles: its id, address and password.
async fn hired(here: &Here) -> anyhow::Result<(String, String, Secret)> {
    let email = format!("leaver-{}@amanah.invalid", random_hex(&*here.cx.rng, 8)?);
    let password = Secret::new(random_hex(&*here.cx.rng, 24)?);
    let new = NewAccount {
        email: Email::new(&email)?,
        name: "Canary".to_owned(),
        tenant: here.staff.clone(),
        password: password.clone(),
    };
    let account = here.identities.create_synthetic(&new).await?;
    for role in ROLES {
        rights::ensure(&here.access, &account, &here.staff, role).await?;
    }
    Ok((account, email, password))
}

/// Whoever has this session.
async fn known(here: &Here, session: &SessionToken) -> anyhow::Result<Arc<Identity>> {
    let decided = here.identities.decide(session).await.map_err(anyhow::Error::msg)?;
    decided.context("a session that was just opened is not recognised")
}

/// A grant of support that lives, and a question that waits.
async fn let_in(here: &Here, who: &Identity, chief: &str) -> anyhow::Result<(String, String)> {
    let asking = Asking {
        tenant: here.tenants.0.clone(),
        ticket: "canary".to_owned(),
        reason: "a proof".to_owned(),
        scope: Scope::ReadOnly,
        hours: 1,
    };
    let grant = here.access.ask_support(who, &asking).await?;
    let chief = here.identities.open_session(chief, Strength::Two, Opening::default()).await?;
    here.access.approve_support(&*known(here, &chief).await?, &grant).await?;
    let question = here.access.ask_support(who, &asking).await?;
    Ok((grant, question))
}

/// A sign-in that waits for its second factor. It is not the attack, and is begun inside the program:
/// the gateway takes only so many from one address.
async fn step(here: &Here, email: &str, password: &Secret) -> anyhow::Result<Secret> {
    match here.identities.sign_in(email, password).await? {
        SignedIn::Factor(step) => Ok(step.0),
        SignedIn::Session(_) | SignedIn::Enrol(_) => bail!("no second factor is asked for"),
    }
}
