//! `mfa.required`: whoever has one of these roles gets no session with a password alone.

use std::sync::Arc;
use std::time::Duration;

use kernel::{
    Card, Control, Cx, Finding, Fut, Params, Population, Proof, Strength, TenantId, Value,
};
use store::Db;

use super::bite::{self, Bitten, Needs};
use super::canary::{self, Canary};
use super::{CanaryRoles, FactorGuard, FactorProbe, InProcess, NO_GATEWAY, Tried, roles, weigh};

static CARD: Card = Card {
    id: "mfa.required",
    title: "These roles sign in with a second factor",
    attack: "Reads every account that has one of the roles, and asks what its password alone would \
             lead to; one without a factor is named, since whoever knows its password could set one up. Then gives each role to an account made for it and signs in to that through \
             the gateway with the password alone, and with the token of the step as a session.",
    bite: "The same attack on a copy of the control database in which the role asks for nothing, or a \
           member of it has no second factor.",
    cadence: Duration::from_mins(15),
    deadline: Duration::from_mins(3),
    not_covered: &[
        "accounts that the application behind Amanah keeps by itself",
        "keys of programs, which have no second factor",
        "accounts that the proofs themselves make",
        "who has the phone or the key",
    ],
};

const THRESHOLD: &str = "a password alone opens no session";
const FIX: &str = "Have the role ask for two factors (`factor`), or take the role away";

/// The control.
pub(super) struct Required(pub(super) FactorGuard);

impl Control for Required {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn prove<'a>(&'a self, cx: &'a Cx, params: &'a Params) -> Fut<'a, Proof> {
        Box::pin(async move {
            let observed_at = cx.clock.now();
            let Some(probe) = &self.0.probe else {
                return Proof::unknown(observed_at, NO_GATEWAY);
            };
            let mut made = Vec::new();
            let named = named(params);
            let guard = (&**probe, &*self.0.identities, &*self.0.roles);
            let outcome = attack(guard, &named, &mut made).await;
            let left = canary::remove(&self.0.owner, &made, cx.clock.now()).await.err();
            let proof = match outcome {
                Ok((total, tried)) => {
                    let all = Population::new(total, total, OF);
                    weigh(observed_at, &tried, (all, THRESHOLD), FIX)
                }
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

/// What the population of a claim about roles is.
pub(super) const OF: &str = "accounts in these roles, a canary in each among them";

/// The roles that a claim names.
pub(super) fn named(params: &Params) -> Vec<String> {
    match params.value("roles") {
        Some(Value::Words(words)) => words.clone(),
        _ => Vec::new(),
    }
}

async fn attack(
    (probe, identities, given): (&dyn FactorProbe, &crate::Identities, &dyn CanaryRoles),
    named: &[String],
    made: &mut Vec<String>,
) -> Result<(usize, Vec<Tried>), String> {
    let members = roles::members(identities, named, Strength::Two).await?;
    let mut tried = roles::canaries((probe, identities, given), named, made, false).await?;
    let total = members.total + made.len();
    tried.extend(members.tried);
    Ok((total, tried))
}

/// Roles in a sandbox: everybody has them.
pub(super) struct Everybody;

impl CanaryRoles for Everybody {
    fn give<'a>(
        &'a self,
        _account: &'a str,
        _tenant: &'a TenantId,
        _role: &'a str,
    ) -> Fut<'a, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }

    fn take<'a>(
        &'a self,
        _account: &'a str,
        _tenant: &'a TenantId,
        _role: &'a str,
    ) -> Fut<'a, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

/// What the role asks for, whether its member has an app, what that is called, and a part of the words
/// that it must be found by. The first one is whole.
const SEEDED: [(Strength, bool, &str, &str); 3] = [
    (Strength::Two, true, "", ""),
    (Strength::Two, false, "a member without a factor", "no such factor yet"),
    (Strength::One, true, "a role that asks for nothing", "the password alone"),
];

async fn seed(guard: &FactorGuard, db: &Db, cx: &Cx) -> Bitten {
    let role = vec!["bitten".to_owned()];
    let (mut findings, mut missed) = (Vec::new(), Vec::new());
    for (needs, has_app, name, found_as) in SEEDED {
        let service = bite::service(guard, db, cx, Needs(needs, role.clone()));
        let service = Arc::new(service.map_err(|error| error.to_string())?);
        let member = Canary::member(&service).await.map_err(|error| error.to_string())?;
        if has_app {
            let app = member.add_app(&service, cx.clock.now()).await;
            app.map_err(|error| error.to_string())?;
        }
        let probe = InProcess(Arc::clone(&service));
        let sandbox = (&probe as &dyn FactorProbe, &*service, &Everybody as &dyn CanaryRoles);
        let (_, tried) = attack(sandbox, &role, &mut Vec::new()).await?;
        let mut through = tried.iter().filter(|one| one.through);
        // Where the role asks for two and its member has them, nothing gets in, or what is found
        // would mean nothing.
        if name.is_empty() {
            if let Some(one) = through.next() {
                return Err(format!("{} gets in before anything was seeded", one.what));
            }
            continue;
        }
        match through.find(|one| one.what.contains(found_as)) {
            Some(one) => findings.push(Finding::new(name, one.what.clone())),
            None => missed.push(name.to_owned()),
        }
    }
    Ok((SEEDED.len() - 1, findings, missed))
}
