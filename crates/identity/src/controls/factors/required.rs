//! `mfa.required`: whoever has one of these roles gets no session with a password alone.

use std::sync::Arc;
use std::time::Duration;

use kernel::{Card, Control, Cx, Finding, Fut, Params, Population, Proof, Strength, Value};
use store::Db;

use super::bite::{self, Bitten, Needs};
use super::canary::{self, Canary};
use super::{CanaryRoles, FactorGuard, FactorProbe, InProcess, NO_GATEWAY, Tried, roles, weigh};

static CARD: Card = Card {
    id: "mfa.required",
    title: "These roles sign in with a second factor",
    attack: "Reads every account that has one of the roles, or a role that inherits from one, and asks what \
             its password alone would lead to; one without a factor is named, since whoever knows its \
             password could set one up. Then gives each role to an account made for it and signs in to that through \
             the gateway with the password alone, and with the token of the step as a session.",
    bite: "The same attack on a copy of the control database in which the role asks for nothing, or a \
           member of it, or of a role that inherits from it, has no second factor.",
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
) -> Result<(Population, Vec<Tried>), String> {
    let members = roles::members(identities, named, Strength::Two).await?;
    let signed_in = roles::canaries((probe, identities, given), named, made, false).await?;
    let (count, mut tried) = signed_in;
    // What was tried is counted by itself: a canary that came to nothing is no part of it.
    let (checked, total) = (members.total + count, members.total + named.len());
    tried.extend(members.tried);
    Ok((Population::new(checked, total, OF), tried))
}

/// A violation: what the role asks for, whether its member has an app and has the role itself or one that
/// inherits from it, what that is called, and a part of the words that it must be found by.
struct Seed {
    needs: Strength,
    has_app: bool,
    role: &'static str,
    name: &'static str,
    found_as: &'static str,
}

/// A role of the sandbox, and one that inherits from it.
const ROLE: &str = "bitten";
const HEIR: &str = "heir of bitten";

/// The first two are whole.
const SEEDED: [Seed; 5] = [
    Seed { needs: Strength::Two, has_app: true, role: ROLE, name: "", found_as: "" },
    Seed { needs: Strength::Two, has_app: true, role: HEIR, name: "", found_as: "" },
    Seed {
        needs: Strength::Two,
        has_app: false,
        role: ROLE,
        name: "a member without a factor",
        found_as: "no such factor yet",
    },
    Seed {
        needs: Strength::Two,
        has_app: false,
        role: HEIR,
        name: "a member of a role that inherits from it, without a factor",
        found_as: "no such factor yet",
    },
    Seed {
        needs: Strength::One,
        has_app: true,
        role: ROLE,
        name: "a role that asks for nothing",
        found_as: "the password alone",
    },
];

async fn seed(guard: &FactorGuard, db: &Db, cx: &Cx) -> Bitten {
    let named = vec![ROLE.to_owned()];
    let (mut seeded, mut findings, mut missed) = (0, Vec::new(), Vec::new());
    for Seed { needs, has_app, role, name, found_as } in SEEDED {
        let needs = Arc::new(Needs::new(needs, role, &named));
        let service = Arc::new(bite::service(guard, db, cx, &needs).map_err(|e| e.to_string())?);
        let member = Canary::member(&service).await.map_err(|error| error.to_string())?;
        if has_app {
            let app = member.add_app(&service).await;
            app.map_err(|error| error.to_string())?;
        }
        needs.has(&member.account);
        let probe = InProcess(Arc::clone(&service));
        let sandbox = (&probe as &dyn FactorProbe, &*service, &*needs as &dyn CanaryRoles);
        let (all, tried) = attack(sandbox, &named, &mut Vec::new()).await?;
        if all.checked < all.total {
            return Err(format!("not everything was tried in the sandbox: {all:?}"));
        }
        let mut through = tried.iter().filter(|one| one.through);
        // Where the role asks for two and its member has them, nothing gets in, or what is found
        // would mean nothing.
        if name.is_empty() {
            if let Some(one) = through.next() {
                return Err(format!("{} gets in before anything was seeded", one.what));
            }
            continue;
        }
        seeded += 1;
        match through.find(|one| one.what.contains(found_as)) {
            Some(one) => findings.push(Finding::new(name, one.what.clone())),
            None => missed.push(name.to_owned()),
        }
    }
    Ok((seeded, findings, missed))
}
