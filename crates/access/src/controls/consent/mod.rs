//! `access.support-consent`: support reaches a tenant while somebody of that tenant lets it in, and
//! not a moment before or after; what it may not change, the database refuses; what it asked for is
//! written down.

mod attack;
mod rows;
mod sql;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use kernel::{
    Card, Control, Cx, Finding, Fut, Identity, Params, Population, Proof, Secret, SessionToken,
    TenantId,
};
use store::Protected;

use self::attack::{Attack, Survey};
use crate::Access;

static CARD: Card = Card {
    id: "access.support-consent",
    title: "Support enters with the tenant's consent alone",
    attack: "Synthetic staff try to enter a synthetic tenant at the running gateway: without a grant, \
             with one that nobody approved, that they approved themselves, that another tenant or \
             somebody who signed in long ago approved, that is a colleague's, that was ended, and \
             that runs out while they are inside. With the bindings that the gateway makes they read \
             and write, as the application's role, in every table with tenants' rows. Each request \
             that passed is looked for in the tenant's list, and a write in the trail.",
    bite: "Gateways beside the running one: where a grant counts past its end, where staff approve \
           for themselves, where nothing is written down, where bindings write though reading was \
           granted, and where they outlive the grant.",
    cadence: Duration::from_hours(1),
    deadline: Duration::from_mins(5),
    not_covered: &[
        "what is reached past the gateway, by operators of the database and its machine: see \
         access.production-audited",
        "whether the person who approves understands what they approve",
        "what support sees while it is let in: each request is listed by its path, without what it \
         was answered",
        "whether the application shows its banner",
        "whether a row is changed or removed in tables where the synthetic tenant has none: there, only a \
         new one is tried",
        "tables whose rows belong to a tenant through their parents alone: isolation.rows attacks them",
        "tenants with a database of their own: the bindings that are tried are those of the database \
         behind the gateway",
    ],
};

/// How many faulty houses are attacked at once: each waits for a grant to end.
const AT_ONCE: usize = 3;

/// What the control is told about the house.
#[derive(Clone)]
pub struct ConsentHouse {
    /// The running gateway and what is behind it; without an application there is nothing to reach.
    pub premises: Option<Arc<dyn Premises>>,
    /// The protected database behind it.
    pub protected: Option<Protected>,
    /// Makes premises with a fault.
    pub workshop: Arc<dyn Workshop>,
}

/// Synthetic accounts of a house, by their ids.
#[derive(Debug, Clone)]
pub struct People {
    /// A member of staff.
    pub staff: String,
    /// Another one.
    pub colleague: String,
    /// Who may let support into the first synthetic tenant.
    pub chief: String,
    /// The same of the second one.
    pub stranger: String,
    /// The two tenants.
    pub tenants: (TenantId, TenantId),
}

/// What a gateway did about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It went to the application, whatever came of it there.
    Passed,
    /// It was refused because of who asked.
    Refused,
    /// It was refused because who asked could not be told, as it cannot of somebody whose grant is over.
    Undecided,
    /// Something else stopped it, which says nothing about who asked.
    Failed,
}

/// What came of asking the gateway for a page of the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What the gateway did.
    pub done: Done,
    /// How it was answered, for people.
    pub answer: String,
    /// The request's id.
    pub request: String,
}

/// A house in which support comes and goes. Implemented by the binary.
pub trait Premises: Send + Sync {
    /// Its rights.
    fn access(&self) -> &Access;

    /// Its synthetic people, made if they are not there.
    ///
    /// # Errors
    /// When they cannot be made; the text says why.
    fn people(&self) -> Fut<'_, Result<People, String>>;

    /// A fresh session of a synthetic account, which has shown a second factor.
    ///
    /// # Errors
    /// When it cannot be opened; the text says why.
    fn session<'a>(&'a self, account: &'a str) -> Fut<'a, Result<Inside, String>>;

    /// Enters with a grant, as the page for staff does.
    ///
    /// # Errors
    /// That it was refused, or that it could not be tried.
    fn enter<'a>(&'a self, inside: &'a Inside, grant: &'a str) -> Fut<'a, Result<Inside, Denied>>;

    /// Asks the gateway for a page of the application, over a real connection.
    ///
    /// # Errors
    /// When there is no answer.
    fn ask<'a>(&'a self, token: &'a SessionToken) -> Fut<'a, Result<Asked, String>>;

    /// The binding that the gateway makes for a request of `identity`; `writing` says for a method
    /// that changes something.
    fn binding(&self, identity: &Identity, writing: bool) -> Option<Secret>;

    /// Removes what was made for it.
    fn close(&self) -> Fut<'_, ()>;
}

/// Makes premises with a fault. Implemented by the binary.
pub trait Workshop: Send + Sync {
    /// Some, beside the running ones.
    ///
    /// # Errors
    /// When they cannot be made; the text says why.
    fn build(&self, fault: Fault) -> Fut<'_, Result<Box<dyn Premises>, String>>;
}

/// Why somebody is not inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// The grant is none of theirs, or does not live, or they may not enter at all.
    Refused,
    /// Something else went wrong; the text says what.
    Failed(String),
}

impl std::fmt::Display for Denied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused => f.write_str("it was refused"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

/// Somebody with a session.
#[derive(Debug, Clone)]
pub struct Inside {
    /// Its token.
    pub token: SessionToken,
    /// Who it is.
    pub identity: Arc<Identity>,
}

/// What is wrong with premises that a bite makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// A grant counts past its end.
    PastItsEnd,
    /// Staff can approve for themselves.
    OwnApproval,
    /// Requests are not written down.
    Unrecorded,
    /// Bindings write though reading was granted.
    Writes,
    /// Bindings live on when the grant is over.
    Outlives,
}

impl Fault {
    /// Each with what it is, and a part of the finding that it must lead to.
    const SEEDED: [(Self, &'static str, &'static str); 5] = [
        (Self::PastItsEnd, "a grant that counts past its end", "after its end"),
        (Self::OwnApproval, "a grant that its asker approved", "approved by whoever asked"),
        (Self::Unrecorded, "a request that is not written down", "is not in the tenant's list"),
        (Self::Writes, "a binding that writes though reading was granted", "under a grant to read"),
        (Self::Outlives, "a binding that outlives its grant", "is good beyond"),
    ];
}

/// The control.
pub(super) struct SupportConsent {
    pub(super) house: ConsentHouse,
}

impl Control for SupportConsent {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, _: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let now = cx.clock.now();
            match self.attack(cx).await {
                Ok(survey) => weigh(now, survey),
                Err(why) => Proof::unknown(now, why),
            }
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let now = cx.clock.now();
            self.seed(cx).await.unwrap_or_else(|why| Proof::unknown(now, why))
        })
    }
}

impl SupportConsent {
    async fn attack(&self, cx: &Cx) -> Result<Survey, String> {
        let premises = self.house.premises.as_ref();
        let premises = premises.ok_or("there is no application behind the gateway")?;
        self.on(&**premises, cx).await
    }

    async fn on(&self, premises: &dyn Premises, cx: &Cx) -> Result<Survey, String> {
        let protected = self.house.protected.as_ref();
        let protected = protected.ok_or("no database is protected, so none could refuse")?;
        let people = premises.people().await?;
        Ok(Attack::new(premises, protected, people, cx).run().await)
    }

    async fn seed(&self, cx: &Cx) -> Result<Proof, String> {
        let (mut findings, mut missed) = (Vec::new(), Vec::new());
        let all: Vec<_> = [(Fault::None, "", "")].into_iter().chain(Fault::SEEDED).collect();
        for some in all.chunks(AT_ONCE) {
            let tries = some.iter().map(|(fault, ..)| self.with(*fault, cx));
            for ((fault, what, wanted), survey) in some.iter().zip(join_all(tries).await) {
                let survey = survey?;
                if *fault == Fault::None {
                    passes(&survey)?;
                    continue;
                }
                // What else could not be tried there, the fault itself may have prevented.
                match survey.findings.iter().find(|finding| finding.to_string().contains(wanted)) {
                    Some(hit) => findings.push(Finding::new(*what, hit.to_string())),
                    None => missed.push(*what),
                }
            }
        }
        let now = cx.clock.now();
        let population = Population::new(findings.len(), Fault::SEEDED.len(), "faulty houses");
        if !missed.is_empty() {
            return Ok(Proof::missed(now, population, format!("not found: {}", missed.join(", "))));
        }
        let measured = format!("{} of {} found", findings.len(), Fault::SEEDED.len());
        Ok(Proof::weigh(now, population, measured, "all of them", findings))
    }

    /// The same attack where something is wrong.
    async fn with(&self, fault: Fault, cx: &Cx) -> Result<Survey, String> {
        let premises = self.house.workshop.build(fault).await?;
        let survey = self.on(&*premises, cx).await;
        premises.close().await;
        survey
    }
}

/// Where nothing is wrong, nothing is found, and everything could be tried.
fn passes(whole: &Survey) -> Result<(), String> {
    if let Some(finding) = whole.findings.first() {
        return Err(format!("premises without a fault do not pass: {finding}"));
    }
    match whole.missed.first() {
        Some(why) => Err(format!("premises without a fault could not be tried: {why}")),
        None => Ok(()),
    }
}

fn weigh(now: Timestamp, survey: Survey) -> Proof {
    let Survey { total, checked, findings, missed, passed, refused_after } = survey;
    let late = refused_after.map_or_else(
        || "not measured".to_owned(),
        |late| format!("{late} ms after a grant's end the gateway refused"),
    );
    let measured = format!("{passed} requests let in and listed; {late}");
    let population = Population::new(checked, total, "attempts of support");
    let proof = Proof::weigh(now, population, measured, "none without consent", findings);
    proof.note(missed.first().map_or("", String::as_str))
}
