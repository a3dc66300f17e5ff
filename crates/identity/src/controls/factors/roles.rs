//! The accounts that have a role, as they are now, and what a password alone comes to for each.

use kernel::{Strength, TenantId};

use super::canary::{self, Canary};
use super::codes::alone;
use super::{CanaryRoles, FactorProbe, Tried, ceremony};
use crate::Identities;
use crate::pending::{Next, next};
use crate::sql::factors as sql;

/// So many accounts are read at a time.
const PAGE_ROWS: i64 = 500;
/// Before every account's id.
const FIRST: &str = "00000000-0000-0000-0000-000000000000";

/// What was found of the members of some roles.
#[derive(Default)]
pub(super) struct Members {
    /// How many there are.
    pub(super) total: usize,
    /// What each of them came to that is weaker than it should be.
    pub(super) tried: Vec<Tried>,
}

/// Looks at every account that has one of `roles`: whether less than `demanded` would lead to a
/// session. It is asked of the same function as a sign-in asks, for their passwords are not known.
///
/// # Errors
/// When the accounts, or what they may do, cannot be read.
pub(super) async fn members(
    identities: &Identities,
    roles: &[String],
    demanded: Strength,
) -> Result<Members, String> {
    let (mut found, mut after) = (Members::default(), FIRST.to_owned());
    loop {
        let page = accounts(identities, &after).await?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after.clone_from(last);
        for (account, tenant) in &page {
            let standing =
                identities.standings().standing(account, tenant, None).await?.unwrap_or_default();
            // A role that inherits from one of them asks for as much, and its members are as many a target.
            if !standing.lineage.iter().any(|role| roles.contains(role)) {
                continue;
            }
            found.total += 1;
            let (has, _) = identities.has(account).await.map_err(|error| error.to_string())?;
            // Whoever has the password of such a member could set a factor of their own up.
            if !has.reaches(demanded) {
                let what = format!("account {account}, which has no such factor yet");
                found.tried.push(Tried::new(what, true));
                continue;
            }
            let weaker = [Strength::One, Strength::Two].into_iter().filter(|s| *s < demanded);
            let through =
                weaker.into_iter().find(|shown| next(standing.needs, *shown, has) == Next::Done);
            if let Some(shown) = through {
                let what = match shown {
                    Strength::One => "its password alone",
                    Strength::Two | Strength::Hardware => "a code",
                };
                found.tried.push(Tried::new(format!("account {account} with {what}"), true));
            }
        }
    }
}

async fn accounts(identities: &Identities, after: &str) -> Result<Vec<(String, TenantId)>, String> {
    let work = async {
        let tx = identities.db().operator().await?;
        let rows = tx.query(sql::NEXT_ACCOUNTS, &[&after, &PAGE_ROWS]).await?;
        tx.rollback().await?;
        Ok::<_, store::Error>(rows)
    };
    let rows = work.await.map_err(|error| error.to_string())?;
    rows.iter()
        .map(|row| {
            let tenant: String = row.get(1);
            let tenant = TenantId::new(tenant).map_err(|error| error.to_string())?;
            Ok((row.get(0), tenant))
        })
        .collect()
}

/// A canary in each of `roles`, which signs in with its password alone. With `keys`, it also sets a passkey up and
/// answers wrongly with it. Returns in how many of the roles something was tried, and what.
///
/// # Errors
/// When a role is not there, or something that has to work does not.
pub(super) async fn canaries(
    (probe, identities, given): (&dyn FactorProbe, &Identities, &dyn CanaryRoles),
    roles: &[String],
    made: &mut Vec<String>,
    keys: bool,
) -> Result<(usize, Vec<Tried>), String> {
    let (mut count, mut tried) = (0, Vec::new());
    for role in roles {
        let canary = Canary::make(identities).await.map_err(|error| error.to_string())?;
        made.push(canary.email.clone());
        let tenant = canary::tenant().map_err(|error| error.to_string())?;
        given.give(&canary.account, &tenant, role).await?;
        let mut of_this = Vec::new();
        let outcome = signs_in(probe, identities, &canary, keys, &mut of_this).await;
        let taken = given.take(&canary.account, &tenant, role).await;
        outcome?;
        taken?;
        count += usize::from(!of_this.is_empty());
        for one in of_this {
            tried.push(Tried::new(format!("{} as {role}", one.what), one.through));
        }
    }
    Ok((count, tried))
}

async fn signs_in(
    probe: &dyn FactorProbe,
    identities: &Identities,
    canary: &Canary,
    keys: bool,
    tried: &mut Vec<Tried>,
) -> Result<(), String> {
    if alone(probe, canary, tried).await? && keys {
        ceremony::attack(probe, identities, canary, tried).await?;
    }
    Ok(())
}
