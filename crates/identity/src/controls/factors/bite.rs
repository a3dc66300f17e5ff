//! Violations seeded in a sandbox, and the same attacks on them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::{Cx, Finding, Fut, Population, Proof, Standing, Standings, Strength, TenantId};
use store::{Db, Scratch};

use super::{CanaryRoles, FactorGuard, FactorProbe, InProcess, Tried, codes};
use crate::sql::factors as sql;
use crate::{Identities, Pool};

/// A violation, how it is seeded and taken away, and the attempt that it lets in.
struct Seed {
    name: &'static str,
    plant: &'static str,
    pull: &'static str,
    found_by: &'static str,
}

const SEEDS: [Seed; 5] = [
    Seed {
        name: "codes that are good again",
        plant: sql::BITE_REPLAY,
        pull: sql::UNBITE_REPLAY,
        found_by: "the same code once more",
    },
    Seed {
        name: "recovery codes that are good again",
        plant: sql::BITE_RECOVERY,
        pull: sql::UNBITE_RECOVERY,
        found_by: "a recovery code once more",
    },
    Seed {
        name: "tries and guesses that are not counted",
        plant: sql::BITE_TRIES,
        pull: sql::UNBITE_TRIES,
        found_by: "the right code after too many wrong ones in a step",
    },
    Seed {
        name: "a step that is a session",
        plant: sql::BITE_STEP,
        pull: sql::UNBITE_STEP,
        found_by: "the token of a step, as a session",
    },
    Seed {
        name: "apps that are forgotten",
        plant: sql::BITE_FORGET,
        pull: sql::UNBITE_FORGET,
        found_by: "the password alone",
    },
];

/// What a role of a sandbox asks for, and the accounts that have it: nobody, until it is given.
pub(super) struct Needs {
    factor: Strength,
    role: String,
    lineage: Vec<String>,
    holders: Mutex<BTreeSet<String>>,
}

impl Needs {
    /// A role of this name, which inherits from others.
    pub(super) fn new(needs: Strength, role: &str, parents: &[String]) -> Self {
        let mut lineage = parents.to_vec();
        if !parents.iter().any(|parent| parent == role) {
            lineage.push(role.to_owned());
        }
        Self { factor: needs, role: role.to_owned(), lineage, holders: Mutex::default() }
    }

    /// `account` has it from now on.
    pub(super) fn has(&self, account: &str) {
        self.holders().insert(account.to_owned());
    }

    fn holders(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standings for Needs {
    fn standing<'a>(
        &'a self,
        account: &'a str,
        _tenant: &'a TenantId,
        _grant: Option<&'a str>,
    ) -> Fut<'a, Result<Option<Standing>, String>> {
        let standing = if self.holders().contains(account) {
            let (needs, roles) = (self.factor, vec![self.role.clone()]);
            Standing { needs, roles, lineage: self.lineage.clone(), ..Standing::default() }
        } else {
            Standing::default()
        };
        Box::pin(async move { Ok(Some(standing)) })
    }
}

impl CanaryRoles for Needs {
    fn give<'a>(
        &'a self,
        account: &'a str,
        _tenant: &'a TenantId,
        _role: &'a str,
    ) -> Fut<'a, Result<(), String>> {
        self.has(account);
        Box::pin(async { Ok(()) })
    }

    fn take<'a>(
        &'a self,
        account: &'a str,
        _tenant: &'a TenantId,
        _role: &'a str,
    ) -> Fut<'a, Result<(), String>> {
        self.holders().remove(account);
        Box::pin(async { Ok(()) })
    }
}

/// The service over a sandbox, with the vault of the real one.
pub(super) fn service(
    guard: &FactorGuard,
    db: &Db,
    cx: &Cx,
    needs: &Arc<Needs>,
) -> crate::Result<Identities> {
    let (clock, rng) = (Arc::clone(&cx.clock), Arc::clone(&cx.rng));
    let standings = Arc::<Needs>::clone(needs) as Arc<dyn Standings>;
    let made = Identities::new(db.clone(), clock, rng, Pool::default(), standings)?;
    Ok(made.with_vault(guard.identities.vault()))
}

/// The bite of `mfa.totp`.
pub(super) async fn of_codes(guard: &FactorGuard, cx: &Cx) -> Proof {
    let scratch = match open(guard, cx).await {
        Ok(scratch) => scratch,
        Err(proof) => return proof,
    };
    let bitten = seed_codes(guard, scratch.db(), cx).await;
    close(cx, scratch, bitten).await
}

/// What was seeded and found: a finding for each, and the names of those that were missed.
pub(super) type Bitten = Result<(usize, Vec<Finding>, Vec<String>), String>;

/// A copy of the control database without its rows.
pub(super) async fn open(guard: &FactorGuard, cx: &Cx) -> Result<Scratch, Proof> {
    let scratch = guard.owner.scratch(&guard.programs, &*cx.rng).await;
    scratch.map_err(|error| Proof::unknown(cx.clock.now(), format!("no sandbox: {error}")))
}

/// Removes the copy, and says what was found in it.
pub(super) async fn close(cx: &Cx, scratch: Scratch, bitten: Bitten) -> Proof {
    let (observed_at, of) = (cx.clock.now(), "seeded violations");
    let left = scratch.remove().await.err();
    let proof = match bitten {
        Ok((seeded, findings, missed)) if missed.is_empty() => Proof::weigh(
            observed_at,
            Population::new(seeded, seeded, of),
            format!("{seeded} of {seeded} found"),
            "all found",
            findings,
        ),
        Ok((seeded, _, missed)) => Proof::missed(
            observed_at,
            Population::new(seeded.saturating_sub(missed.len()), seeded, of),
            format!("not found: {}", missed.join(", ")),
        ),
        Err(why) => Proof::unknown(observed_at, why),
    };
    match left {
        Some(error) => proof.note(&format!("the sandbox was left behind: {error}")),
        None => proof,
    }
}

async fn seed_codes(guard: &FactorGuard, db: &Db, cx: &Cx) -> Bitten {
    let nobody = Arc::new(Needs::new(Strength::One, "bitten", &[]));
    let service = service(guard, db, cx, &nobody);
    let service = Arc::new(service.map_err(|error| error.to_string())?);
    let probe: Arc<dyn FactorProbe> = Arc::new(InProcess(Arc::clone(&service)));
    // Without a violation nothing gets in, or what is found would mean nothing.
    let sound = attack(&probe, &service, cx).await?;
    if let Some(one) = sound.iter().find(|one| one.through) {
        return Err(format!("{} gets in before anything was seeded", one.what));
    }
    let (mut findings, mut missed) = (Vec::new(), Vec::new());
    for seed in &SEEDS {
        run(db, seed.plant).await?;
        let tried = attack(&probe, &service, cx).await;
        run(db, seed.pull).await?;
        let found = tried?.iter().any(|one| one.through && one.what == seed.found_by);
        if found {
            findings.push(Finding::new(seed.name, format!("{} gets in", seed.found_by)));
        } else {
            missed.push(seed.name.to_owned());
        }
    }
    Ok((SEEDS.len(), findings, missed))
}

async fn attack(
    probe: &Arc<dyn FactorProbe>,
    service: &Identities,
    cx: &Cx,
) -> Result<Vec<Tried>, String> {
    codes::attack(probe, service, cx, &mut Vec::new()).await
}

/// Runs a batch in the sandbox.
pub(super) async fn run(db: &Db, batch: &'static str) -> Result<(), String> {
    let work = async {
        let tx = db.operator().await?;
        tx.batch(batch).await?;
        tx.commit().await
    };
    work.await.map_err(|error| format!("a violation could not be seeded: {error}"))
}
