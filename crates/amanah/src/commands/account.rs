//! `amanah account`: who may sign in.

use access::{Access, NewGrant};
use anyhow::Context;
use identity::{Email, Factors, Language, NewAccount, NewInvitation, SessionCard};
use kernel::{Secret, TenantId, random_hex};
use serde_json::json;

use crate::cli::{Account, Place};
use crate::exit::{Exit, Usage, nobody};
use crate::installation::Installation;
use crate::{out, rights};

/// Why an account has its first role, as it is written down.
const MADE: &str = "made with the account";
/// Bytes of randomness in a first password.
const PASSWORD_BYTES: usize = 9;

pub(crate) async fn run(place: &Place, account: Account) -> anyhow::Result<Exit> {
    let usage = |what: &str, error: String| Usage(format!("{what}: {error}"));
    match account {
        Account::Add { email, tenant, role, name } => {
            let email = Email::new(&email).map_err(|e| usage("EMAIL", e.to_string()))?;
            let tenant = TenantId::new(tenant).map_err(|e| usage("--tenant", e.to_string()))?;
            Installation::with(place, async |installation| {
                add(place, installation, email, tenant, role, name).await
            })
            .await
        }
        Account::Invite { email, by, roles, language } => {
            let email = Email::new(&email).map_err(|e| usage("EMAIL", e.to_string()))?;
            let by = Email::new(&by).map_err(|e| usage("--as", e.to_string()))?;
            let new = NewInvitation { email, roles, language: Language::of(&language) };
            Installation::with(place, async |installation| {
                invite(place, installation, &by, &new).await
            })
            .await
        }
        Account::Sessions { email, end, end_all } => {
            let email = Email::new(&email).map_err(|e| usage("EMAIL", e.to_string()))?;
            Installation::with(place, async |installation| {
                let account = installation.identities.account_of(&email).await?;
                let (account, _) = account.ok_or_else(|| nobody("EMAIL", email.as_str()))?;
                if end_all {
                    installation.identities.end_all(&account).await?;
                } else if let Some(id) = &end
                    && !installation.identities.end_session(&account, id).await?
                {
                    let words =
                        format!("{} has no session {id}; nothing was ended", email.as_str());
                    return Err(Usage(words).into());
                }
                let left = installation.identities.sessions(&account).await?;
                list(place, email.as_str(), &left);
                Ok(Exit::Holds)
            })
            .await
        }
        Account::Factors { email, remove } => {
            let email = Email::new(&email).map_err(|e| usage("EMAIL", e.to_string()))?;
            Installation::with(place, async |installation| {
                factors(place, installation, &email, remove).await
            })
            .await
        }
    }
}

fn list(place: &Place, email: &str, sessions: &[SessionCard]) {
    if place.json {
        let one = |card: &SessionCard| {
            json!({"id": card.id, "created": card.created, "last_seen": card.last_seen,
                "strength": card.strength, "agent": card.agent, "support": card.support})
        };
        let all: Vec<_> = sessions.iter().map(one).collect();
        out::line(&json!({"email": email, "sessions": all}).to_string());
        return;
    }
    out::line(&format!("{email} is signed in {}", out::count(sessions.len(), "time")));
    for card in sessions {
        let agent = if card.agent.is_empty() { "unknown browser" } else { card.agent.as_str() };
        let support = if card.support.is_some() { ", for support" } else { "" };
        out::line(&format!(
            "  {}  since {:.0}, used {:.0}, {agent}{support}",
            card.id, card.created, card.last_seen
        ));
    }
}

async fn factors(
    place: &Place,
    installation: &Installation,
    email: &Email,
    remove: bool,
) -> anyhow::Result<Exit> {
    let identities = &installation.identities;
    let known = identities.known_as(email).await?.filter(|known| !known.closed);
    let known = known.ok_or_else(|| nobody("EMAIL", email.as_str()))?;
    let factors = if remove {
        match identities.remove_factors(&known.account).await {
            Err(identity::Error::NoSuch(_)) => {
                let words = format!("{} has no second factor; nothing was changed", email.as_str());
                return Err(Usage(words).into());
            }
            removed => removed?,
        }
    } else {
        identities.factors_of(&known.account).await?
    };
    show_factors(place, email.as_str(), &factors, remove);
    Ok(Exit::Holds)
}

fn show_factors(place: &Place, email: &str, factors: &Factors, removed: bool) {
    let Factors { has, passkeys } = factors;
    if place.json {
        let one = |card: &identity::PasskeyCard| {
            json!({"id": card.id, "name": card.name, "made": card.made_at,
                "last_used": card.last_used_at})
        };
        let passkeys: Vec<_> = passkeys.iter().map(one).collect();
        let all = json!({"email": email, "app": has.app, "recovery_codes": has.codes,
            "passkeys": passkeys, "removed": removed});
        out::line(&all.to_string());
        return;
    }
    let state = if removed { "had" } else { "has" };
    let app = if has.app { "an authenticator app" } else { "no authenticator app" };
    let (keys, codes) =
        (out::count(passkeys.len(), "passkey"), out::count(has.codes, "recovery code"));
    out::line(&format!("{email} {state} {app}, {keys} and {codes}"));
    for card in passkeys {
        let used =
            card.last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("used {at:.0}"));
        out::line(&format!("  {}  made {:.0}, {used}, {}", card.id, card.made_at, card.name));
    }
    if removed {
        out::line(
            "All of it is removed, everything that was open is ended, and its holder is told by \
             letter. The next sign-in sets up what their roles ask for, after the password alone: \
             have them sign in now",
        );
    }
}

async fn add(
    place: &Place,
    installation: &Installation,
    email: Email,
    tenant: TenantId,
    role: String,
    name: Option<String>,
) -> anyhow::Result<Exit> {
    let password = Secret::new(random_hex(&*installation.cx.rng, PASSWORD_BYTES)?);
    let address = email.as_str().to_owned();
    let name = name.unwrap_or_else(|| address.clone());
    // Before the account is made: one without a role may do nothing.
    let here = installation.access.roles(Some(&tenant)).await?;
    if !here.iter().any(|known| known.name == role) {
        return Err(Usage(access::Error::NoRole(role.clone()).to_string()).into());
    }
    let unheard_of = unheard_of(installation, &tenant).await?;
    let account = NewAccount { email, name, tenant, password: password.clone() };
    let id = installation.identities.create_account(&account).await?;
    if unheard_of {
        out::aside(&format!(
            "amanah: nobody else is of the tenant {}, and no registry of Amanah has it. The \
             account is made, and stays in it: if the tenant is misspelt, close the account with \
             `amanah access offboard {address}` and make one with another address",
            account.tenant
        ));
    }
    first_role(&installation.access, &id, &account, &role).await?;
    if place.json {
        let made = json!({"id": id, "email": address, "password": password.expose()});
        out::line(&made.to_string());
    } else {
        out::line(&format!("{address} can sign in with the password {}", password.expose()));
    }
    Ok(Exit::Holds)
}

/// Whether Amanah has neither people of `tenant` nor anything that it keeps for it. That is so of the first
/// account in a tenant of a shared database, too.
async fn unheard_of(installation: &Installation, tenant: &TenantId) -> anyhow::Result<bool> {
    if installation.identities.has_people(tenant).await? || installation.caches.has(tenant).await? {
        return Ok(false);
    }
    match installation.fleet.find(tenant).await {
        Ok(_) => Ok(false),
        Err(tenancy::Error::NoTenant(_)) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Gives a new account its first role, in the name of whoever ran the command.
async fn first_role(
    access: &Access,
    id: &str,
    account: &NewAccount,
    role: &str,
) -> anyhow::Result<()> {
    let grant = NewGrant {
        account: id.to_owned(),
        tenant: account.tenant.clone(),
        role: role.to_owned(),
        reason: MADE.to_owned(),
        until: None,
    };
    let given = access.grant(&rights::operator()?, &grant).await;
    given.map(drop).with_context(|| {
        let (email, password) = (account.email.as_str(), account.password.expose());
        format!(
            "the account {email} is made, with the password {password} and without a role; it can do \
             nothing yet. Give it one with `amanah access grant {email} {role} --reason \"{MADE}\"`"
        )
    })
}

async fn invite(
    place: &Place,
    installation: &Installation,
    by: &Email,
    new: &NewInvitation,
) -> anyhow::Result<Exit> {
    let access = &*installation.access;
    let room = &installation.mailroom;
    let Some(inviter) = room.as_account(by, access).await? else {
        return Err(nobody("--as", by.as_str()).into());
    };
    let id = room.invite(&inviter, access, new).await?;
    let leaves = if installation.data.running().is_some() {
        "The letter leaves within seconds"
    } else {
        "The letter leaves when `amanah up` runs"
    };
    if place.json {
        out::line(&json!({"id": id, "email": new.email.as_str()}).to_string());
    } else {
        out::line(&format!(
            "{} is invited. {leaves}; its link is good for 72 hours.",
            new.email.as_str()
        ));
    }
    Ok(Exit::Holds)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use identity::{Identities, Pool};
    use kernel::{NoStandings, SystemClock, SystemRng};

    use super::*;

    #[tokio::test]
    async fn a_first_role_is_the_operators_and_without_one_the_password_is_not_lost() {
        let base = testkit::database(&[&identity::ROOM, &access::ROOM]).await;
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRng));
        let engine = || base.engine.clone();
        let nobody = Arc::new(NoStandings);
        let identities = Identities::new(engine(), clock, random, Pool::default(), nobody).unwrap();
        let access = Access::new(engine(), Arc::new(SystemClock));
        let account = NewAccount {
            email: Email::new("sari@shop.example").unwrap(),
            name: "Sari".to_owned(),
            tenant: TenantId::new("17").unwrap(),
            password: Secret::new("correct horse battery".to_owned()),
        };
        let id = identities.create_account(&account).await.unwrap();
        let none = first_role(&access, &id, &account, "no such").await.unwrap_err();
        let words = format!("{none:#}");
        for said in [
            "correct horse battery",
            "without a role",
            "amanah access grant sari@shop.example no such",
            "there is no role",
        ] {
            assert!(words.contains(said), "{words}");
        }
        assert_eq!(Exit::of_error(&none), Exit::Usage);
        first_role(&access, &id, &account, "viewer").await.unwrap();
        let held = access.roles_of(&id, &account.tenant).await.unwrap();
        let held: Vec<_> = held.iter().map(|one| (&*one.role, &*one.by, &*one.reason)).collect();
        assert_eq!(held, [("viewer", "the operator, by command", "made with the account")]);
    }
}
