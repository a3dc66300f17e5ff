//! `amanah account`: who may sign in.

use identity::{Email, NewAccount};
use kernel::{Secret, TenantId, random_hex};
use serde_json::json;

use crate::cli::{Account, Place};
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::{out, rights};

/// Bytes of randomness in a first password.
const PASSWORD_BYTES: usize = 9;

pub(crate) async fn run(place: &Place, account: Account) -> anyhow::Result<Exit> {
    let Account::Add { email, tenant, role, name } = account;
    let usage = |what: &str, error: String| Usage(format!("{what}: {error}"));
    let email = Email::new(&email).map_err(|e| usage("EMAIL", e.to_string()))?;
    let tenant = TenantId::new(tenant).map_err(|e| usage("--tenant", e.to_string()))?;
    Installation::with(place, async |installation| {
        add(place, installation, email, tenant, role, name).await
    })
    .await
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
        return Err(Usage(access::Error::NoRole(role).to_string()).into());
    }
    let account = NewAccount { email, name, tenant, role, password: password.clone() };
    let id = installation.identities.create_account(&account).await?;
    rights::ensure(&installation.access, &id, &account.tenant, &account.role).await?;
    if place.json {
        let made = json!({"id": id, "email": address, "password": password.expose()});
        out::line(&made.to_string());
    } else {
        out::line(&format!("{address} can sign in with the password {}", password.expose()));
    }
    Ok(Exit::Holds)
}
