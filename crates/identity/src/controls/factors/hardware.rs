//! `mfa.hardware`: whoever has one of these roles gets a session with a passkey or security key alone.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Card, Control, Cx, Finding, Fut, Params, Population, Proof, Strength};
use store::Db;

use super::bite::{self, Bitten, Needs};
use super::canary::{self, Canary};
use super::ceremony;
use super::required::{OF, named};
use super::{
    CanaryRoles, FactorGuard, FactorProbe, InProcess, NO_GATEWAY, Tried, codes, roles, weigh,
};
use crate::Identities;
use crate::passkey::{Fault, Flaw};
use crate::sql::factors as sql;

static CARD: Card = Card {
    id: "mfa.hardware",
    title: "These roles sign in with a passkey or security key",
    attack: "Reads every account that has one of the roles, or a role that inherits from one, and asks \
             what less than a key would lead to. Then gives each role to accounts made for it and signs in to them through the \
             gateway: with the password alone, with a code of an app, and with a software \
             authenticator that answers for another site, another relying party, another \
             challenge, the other ceremony, with another key, without verification of its user, \
             to what another sign-in was asked, twice, and rightly behind a wrong answer.",
    bite: "The same attack on a copy of the control database in which the role asks for a code \
           alone, on services that let one of those answers pass, and with challenges that another \
           sign-in can answer, and that can be answered twice.",
    cadence: Duration::from_mins(15),
    deadline: Duration::from_mins(3),
    not_covered: &[
        "the make of a key: attestation is not asked for, so a passkey in software counts too",
        "who holds the key, beyond its own verification of its user",
        "accounts that the application behind Amanah keeps by itself",
    ],
};

const THRESHOLD: &str = "nothing but the right key opens a session";
const FIX: &str = "Have the role ask for hardware (`factor`), or take the role away";

/// The control.
pub(super) struct Hardware(pub(super) FactorGuard);

impl Control for Hardware {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let observed_at = cx.clock.now();
            let Some(probe) = &self.0.probe else {
                return Proof::unknown(observed_at, NO_GATEWAY);
            };
            let (mut made, named) = (Vec::new(), named(params));
            let guard = (&**probe, &*self.0.identities, &*self.0.roles);
            let outcome = attack(guard, &named, cx, &mut made).await;
            let left = canary::remove(&self.0.owner, &made, cx.clock.now()).await.err();
            let proof = match outcome {
                Ok((all, tried)) => weigh(observed_at, &tried, (all, THRESHOLD), FIX),
                Err(why) => Proof::unknown(observed_at, why),
            };
            match left {
                Some(error) => proof.note(&format!("canaries were left behind: {error}")),
                None => proof,
            }
        })
    }

    fn bite<'a>(&'a self, cx: &'a Cx) -> Fut<'a, Proof> {
        Box::pin(async move {
            let scratch = match bite::open(&self.0, cx).await {
                Ok(scratch) => scratch,
                Err(proof) => return proof,
            };
            let bitten = seed(&self.0, scratch.db(), cx).await;
            bite::close(cx, scratch, bitten).await
        })
    }
}

type Sides<'a> = (&'a dyn FactorProbe, &'a Identities, &'a dyn CanaryRoles);

async fn attack(
    (probe, identities, given): Sides<'_>,
    named: &[String],
    cx: &Cx,
    made: &mut Vec<String>,
) -> Result<(Population, Vec<Tried>), String> {
    let members = roles::members(identities, named, Strength::Hardware).await?;
    // An app first, before the role allows nothing but a key; then the role.
    let mut tried = with_app((probe, identities, given), named, cx, made).await?;
    let apps = tried.len();
    let (keys, of_keys) = roles::canaries((probe, identities, given), named, made, true).await?;
    // Two canaries in each role. What was tried is counted by itself: one that came to nothing is no
    // part of it.
    let (checked, total) = (members.total + apps + keys, members.total + 2 * named.len());
    tried.extend(of_keys);
    tried.extend(members.tried);
    Ok((Population::new(checked, total, OF), tried))
}

/// A canary that had an app before it was given each role: its code must not do.
async fn with_app(
    (probe, identities, given): Sides<'_>,
    named: &[String],
    cx: &Cx,
    made: &mut Vec<String>,
) -> Result<Vec<Tried>, String> {
    let mut tried = Vec::new();
    for role in named {
        let canary = Canary::make(identities).await.map_err(|error| error.to_string())?;
        made.push(canary.email.clone());
        // It has no role yet, so that nothing keeps it from an app: whatever does leaves this untried.
        let app = canary.add_app(identities).await.map_err(|error| error.to_string())?;
        let tenant = canary::tenant().map_err(|error| error.to_string())?;
        given.give(&canary.account, &tenant, role).await?;
        let outcome = async {
            let step = canary.step(probe).await?;
            let at = cx.clock.now();
            let through = codes::gets_in(probe, &step, &app.code(at, 0)).await?;
            if canary::in_time(at, 0, cx.clock.now()) {
                Ok(through)
            } else {
                Err(codes::LATE.to_owned())
            }
        };
        let through: Result<bool, String> = outcome.await;
        given.take(&canary.account, &tenant, role).await?;
        tried.push(Tried::new(format!("a code of an app as {role}"), through?));
    }
    Ok(tried)
}

/// The flaw that lets an answer pass.
const fn flaw(fault: Fault) -> Option<Flaw> {
    match fault {
        Fault::Origin => Some(Flaw::Origin),
        Fault::Party => Some(Flaw::Party),
        Fault::Unverified => Some(Flaw::Verification),
        Fault::Foreign => Some(Flaw::Signature),
        Fault::Ceremony => Some(Flaw::Ceremony),
        // One that was never given is not found, whatever the rules; challenges are seeded apart.
        Fault::Challenge => None,
    }
}

async fn seed(guard: &FactorGuard, db: &Db, cx: &Cx) -> Bitten {
    let (mut seeded, mut findings, mut missed) = (0, Vec::new(), Vec::new());
    let mut note = |name: &str, tried: &[Tried], by: &str| {
        seeded += 1;
        if tried.iter().any(|one| one.through && one.what.contains(by)) {
            findings.push(Finding::new(name, format!("{by} gets in")));
        } else {
            missed.push(name.to_owned());
        }
    };
    let sound = tried(guard, db, cx, Strength::Hardware, None).await?;
    if let Some(one) = sound.iter().find(|one| one.through) {
        return Err(format!("{} gets in before anything was seeded", one.what));
    }
    let weak = tried(guard, db, cx, Strength::Two, None).await?;
    note("a role that asks for a code alone", &weak, "a code of an app");
    for fault in Fault::ALL {
        if let Some(flaw) = flaw(fault) {
            let lax = tried(guard, db, cx, Strength::Hardware, Some(flaw)).await?;
            note(&format!("{} is let pass", fault.words()), &lax, fault.words());
        }
    }
    bite::run(db, sql::BITE_CHALLENGE).await?;
    let twice = tried(guard, db, cx, Strength::Hardware, None).await;
    bite::run(db, sql::UNBITE_CHALLENGE).await?;
    note("challenges that have a second answer", &twice?, ceremony::TWICE);
    bite::run(db, sql::BITE_ASKED_BY).await?;
    let anybody = tried(guard, db, cx, Strength::Hardware, None).await;
    // The sign-in in which a challenge was answered is over: another one has to be able to answer it.
    bite::run(db, sql::BITE_CHALLENGE).await?;
    let again = tried(guard, db, cx, Strength::Hardware, None).await;
    bite::run(db, sql::UNBITE_CHALLENGE).await?;
    bite::run(db, sql::UNBITE_ASKED_BY).await?;
    note("challenges that another sign-in can answer", &anybody?, "a challenge of another sign-in");
    note("challenges that can be answered twice", &again?, "a challenge that was answered");
    Ok((seeded, findings, missed))
}

/// The attack on a service in the sandbox, whose role asks for so much.
async fn tried(
    guard: &FactorGuard,
    db: &Db,
    cx: &Cx,
    needs: Strength,
    lax: Option<Flaw>,
) -> Result<Vec<Tried>, String> {
    let named = vec!["bitten".to_owned()];
    let needs = Arc::new(Needs::new(needs, "bitten", &named));
    let service = bite::service(guard, db, cx, &needs);
    let mut service = service.map_err(|error| error.to_string())?;
    if let Some(flaw) = lax {
        service = service.without_rule(flaw);
    }
    let service = Arc::new(service);
    let probe = InProcess(Arc::clone(&service));
    let sides = (&probe as &dyn FactorProbe, &*service, &*needs as &dyn CanaryRoles);
    let (all, tried) = attack(sides, &named, cx, &mut Vec::new()).await?;
    if all.checked < all.total {
        return Err(format!("not everything was tried in the sandbox: {all:?}"));
    }
    Ok(tried)
}
