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
             lead to. Then gives each role to an account made for it and signs in to that through \
             the gateway with the password alone, and with the token of the step as a session.",
    bite: "The same attack on a copy of the control database in which the role asks for nothing.",
    cadence: Duration::from_mins(15),
    deadline: Duration::from_mins(3),
    not_covered: &[
        "accounts that the application behind Amanah keeps by itself",
        "keys of programs, which have no second factor",
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

async fn seed(guard: &FactorGuard, db: &Db, cx: &Cx) -> Bitten {
    let role = vec!["bitten".to_owned()];
    let (mut findings, mut missed) = (Vec::new(), Vec::new());
    for (needs, name) in [(Strength::Two, ""), (Strength::One, "a role that asks for nothing")] {
        let service = bite::service(guard, db, cx, Needs(needs, role.clone()));
        let service = Arc::new(service.map_err(|error| error.to_string())?);
        let member = Canary::make(&service).await.map_err(|error| error.to_string())?;
        let probe = InProcess(Arc::clone(&service));
        let sandbox = (&probe as &dyn FactorProbe, &*service, &Everybody as &dyn CanaryRoles);
        let (_, tried) = attack(sandbox, &role, &mut Vec::new()).await?;
        let through = |words: &str| tried.iter().any(|one| one.through && one.what.contains(words));
        if name.is_empty() {
            // Where the role asks for two, nothing gets in, or what is found would mean nothing.
            if let Some(one) = tried.iter().find(|one| one.through) {
                return Err(format!("{} gets in before anything was seeded", one.what));
            }
        } else if through(&member.account) && through("the password alone") {
            findings.push(Finding::new(name, "a member and a canary get in with a password"));
        } else {
            missed.push(name.to_owned());
        }
    }
    Ok((1, findings, missed))
}
