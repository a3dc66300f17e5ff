//! `amanah access`: what people may do.

mod offboard;
mod review;
mod role;
mod support;

use access::controls::Chart;
use access::{Held, Listed, Matrix, NewGrant};
use identity::Email;
use jiff::SignedDuration;
use kernel::TenantId;
use serde_json::{Value, json};

use crate::cli::Place;
use crate::cli::access::{Access, Grant};
use crate::exit::{Exit, Usage, nobody};
use crate::installation::Installation;
use crate::out;
use crate::rights::{RoutesAt, operator};

pub(crate) async fn run(place: &Place, access: Access) -> anyhow::Result<Exit> {
    match access {
        Access::Offboard(asked) => offboard::run(place, asked).await,
        Access::Review(asked) => review::run(place, asked).await,
        Access::Role(asked) => role::run(place, asked).await,
        Access::Support(asked) => support::run(place, asked).await,
        other => Installation::with(place, async |house| act(place, house, other).await).await,
    }
}

async fn act(place: &Place, installation: &Installation, access: Access) -> anyhow::Result<Exit> {
    let rights = &installation.access;
    let mut exit = Exit::Holds;
    let (words, data) = match access {
        Access::Roles { of: Some(email), .. } => {
            let (account, tenant) = account(installation, &email).await?;
            held(&rights.roles_of(&account, &tenant).await?)
        }
        Access::Roles { tenant, of: None } => listed(&rights.roles(tenant.as_ref()).await?),
        Access::Grant(Grant { email, role, reason, until }) => {
            let (account, tenant) = account(installation, &email).await?;
            let new = NewGrant { account, tenant, role: role.clone(), reason, until };
            let id = rights.grant(&operator()?, &new).await.map_err(usage)?;
            (format!("{email} has the role {role} now"), json!({"grant": id, "role": role}))
        }
        Access::Revoke { email, role, reason } => {
            let (account, tenant) = account(installation, &email).await?;
            let of = (&tenant, role.as_str());
            rights.revoke_for(&operator()?, &account, of, &reason).await.map_err(usage)?;
            (format!("{email} does not have the role {role} any more"), json!({"revoked": role}))
        }
        Access::Matrix { routes } => {
            let live = rights.matrix().await?;
            if live != Matrix::golden()? {
                exit = Exit::Fails;
                out::aside("amanah: this is not the matrix that was reviewed");
            }
            match routes {
                Some(file) => charted(&Chart::of(&RoutesAt::file(&file)?.read()?, &live)),
                None => (live.to_string().trim_end().to_owned(), matrix(&live)),
            }
        }
        Access::Unused { days } => {
            let period = SignedDuration::from_hours(i64::from(days) * 24);
            let now = installation.cx.clock.now();
            let since = now.saturating_sub(period)?;
            unused(&rights.unused(since, &[]).await?)
        }
        // They run by themselves, see above.
        Access::Offboard(_) | Access::Review(_) | Access::Role(_) | Access::Support(_) => {
            return Ok(exit);
        }
    };
    if place.json {
        out::line(&serde_json::to_string_pretty(&data)?);
    } else {
        out::line(&words);
    }
    Ok(exit)
}

/// The account and its tenant.
async fn account(installation: &Installation, email: &str) -> anyhow::Result<(String, TenantId)> {
    let email = Email::new(email).map_err(|error| Usage(format!("EMAIL: {error}")))?;
    let found = installation.identities.account_of(&email).await?;
    Ok(found.ok_or_else(|| nobody("EMAIL", email.as_str()))?)
}

/// What is wrong with the words of the command, and not with the installation.
fn usage(error: access::Error) -> anyhow::Error {
    match error {
        access::Error::Store(error) => error.into(),
        other => Usage(other.to_string()).into(),
    }
}

fn listed(roles: &[Listed]) -> (String, Value) {
    let line = |role: &Listed| {
        let own = if role.shipped { "" } else { " (own)" };
        format!(
            "{:<18} {:>3} permissions {:>4} holders  {}{own}",
            role.name,
            role.permits.count(),
            role.holders,
            role.title
        )
    };
    let shown = |role: &Listed| {
        json!({
            "name": role.name, "shipped": role.shipped, "title": role.title,
            "factor": role.factor.level(), "parents": role.parents, "holders": role.holders,
            "permissions": role.permits.count(),
        })
    };
    let lines: Vec<String> = roles.iter().map(line).collect();
    (lines.join("\n"), roles.iter().map(shown).collect())
}

fn held(roles: &[Held]) -> (String, Value) {
    let line = |role: &Held| {
        let until = role.until.map(|until| format!(" until {until:.0}")).unwrap_or_default();
        format!("{:<18} since {:.0}{until}, by {}: {}", role.role, role.at, role.by, role.reason)
    };
    let shown = |role: &Held| {
        json!({
            "grant": role.id, "role": role.role, "by": role.by, "reason": role.reason,
            "at": role.at, "until": role.until,
        })
    };
    let lines: Vec<String> = roles.iter().map(line).collect();
    let words = if lines.is_empty() { "no role".to_owned() } else { lines.join("\n") };
    (words, roles.iter().map(shown).collect())
}

fn matrix(matrix: &Matrix) -> Value {
    let roles = matrix.roles.iter().zip(&matrix.permits);
    let of = |(role, bits): (&String, &kernel::Bits)| {
        let held = matrix.permissions.iter().filter(|(id, _)| bits.has(*id));
        let names: Vec<&str> = held.map(|(_, name)| name.as_str()).collect();
        (role.clone(), json!(names))
    };
    Value::Object(roles.map(of).collect())
}

fn charted(chart: &Chart) -> (String, Value) {
    let of = |cells: Vec<(String, &'static str)>| -> Value {
        cells.into_iter().map(|(who, answer)| (who, json!(answer))).collect()
    };
    let rows = chart.rows().map(|(name, cells)| (name.to_owned(), of(cells)));
    (chart.to_string().trim_end().to_owned(), rows.collect())
}

fn unused(grants: &[[String; 4]]) -> (String, Value) {
    let line = |[grant, account, tenant, role]: &[String; 4]| {
        format!("{role:<18} account {account} in tenant {tenant}, grant {grant}")
    };
    let shown = |[grant, account, tenant, role]: &[String; 4]| json!({"grant": grant, "account": account, "tenant": tenant, "role": role});
    let lines: Vec<String> = grants.iter().map(line).collect();
    let words = if lines.is_empty() { "every role is used".to_owned() } else { lines.join("\n") };
    (words, grants.iter().map(shown).collect())
}
