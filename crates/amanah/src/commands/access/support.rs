//! `amanah access support`: what the vendor's support asked for, and what came of it.

use access::{Asking, SupportGrant};
use identity::Email;
use kernel::{Scope, TenantId};
use serde_json::{Value, json};

use crate::cli::Place;
use crate::cli::support::{Ask, Support};
use crate::exit::{Exit, Usage, nobody};
use crate::installation::Installation;
use crate::out;
use crate::rights::OPERATOR;

pub(super) async fn run(place: &Place, support: Support) -> anyhow::Result<Exit> {
    Installation::with(place, async |installation| match support {
        Support::List { tenant } => list(place, installation, tenant.as_ref()).await,
        Support::Uses { id, tenant } => uses(place, installation, &id, &tenant).await,
        Support::Ask(ask) => self::ask(place, installation, ask).await,
        Support::End { id } => {
            installation.access.end_support_as(OPERATOR, &id).await?;
            told(place, &json!({"ended": id}), &format!("{id} was ended"));
            Ok(Exit::Holds)
        }
    })
    .await
}

async fn list(
    place: &Place,
    installation: &Installation,
    tenant: Option<&TenantId>,
) -> anyhow::Result<Exit> {
    let all = installation.access.support_list(tenant).await?;
    if place.json {
        let all: Vec<Value> = all.iter().map(value).collect();
        out::line(&serde_json::to_string_pretty(&all)?);
        return Ok(Exit::Holds);
    }
    if all.is_empty() {
        out::line("support has asked for nothing");
    }
    for grant in &all {
        let state = grant.state.as_str();
        let (scope, until) = (grant.scope.as_str(), grant.ends_at);
        let until = until.map(|at| format!(" until {at:.0}")).unwrap_or_default();
        out::line(&format!(
            "{}  {state:<6} {scope}  {} in {}{until}, {} ({}), {}",
            grant.id,
            grant.asked_as,
            grant.tenant,
            grant.ticket,
            grant.reason,
            out::count(usize::try_from(grant.uses).unwrap_or_default(), "request"),
        ));
    }
    Ok(Exit::Holds)
}

async fn uses(
    place: &Place,
    installation: &Installation,
    id: &str,
    tenant: &TenantId,
) -> anyhow::Result<Exit> {
    let uses = installation.access.support_uses_in(tenant, id).await?;
    if place.json {
        let all: Vec<Value> = uses
            .iter()
            .map(|one| {
                json!({"at": one.at, "request": one.request, "method": one.method, "path": one.path})
            })
            .collect();
        out::line(&serde_json::to_string_pretty(&all)?);
        return Ok(Exit::Holds);
    }
    if uses.is_empty() {
        out::line("no request was made");
    }
    for one in uses {
        out::line(&format!("{:.0}  {}  {} {}", one.at, one.request, one.method, one.path));
    }
    Ok(Exit::Holds)
}

async fn ask(place: &Place, installation: &Installation, ask: Ask) -> anyhow::Result<Exit> {
    let email = Email::new(&ask.staff).map_err(|error| Usage(format!("--as: {error}")))?;
    let known = installation.identities.known_as(&email).await?;
    let known = known.filter(|known| !known.closed);
    let known = known.ok_or_else(|| nobody("--as", email.as_str()))?;
    let asking = Asking {
        tenant: ask.tenant,
        ticket: ask.ticket,
        reason: ask.reason,
        scope: if ask.write { Scope::ReadWrite } else { Scope::ReadOnly },
        hours: ask.hours,
    };
    let id = installation.access.ask_support_for(&known.account, email.as_str(), &asking).await?;
    let words = format!("{id} waits for somebody of {} at /_amanah/support", asking.tenant);
    told(place, &json!({"asked": id}), &words);
    Ok(Exit::Holds)
}

fn told(place: &Place, value: &Value, words: &str) {
    out::line(&if place.json { value.to_string() } else { words.to_owned() });
}

fn value(grant: &SupportGrant) -> Value {
    json!({
        "id": grant.id,
        "state": grant.state.as_str(),
        "tenant": grant.tenant,
        "asked_by": grant.asked_as,
        "ticket": grant.ticket,
        "reason": grant.reason,
        "scope": grant.scope.as_str(),
        "hours": grant.hours,
        "asked_at": grant.asked_at,
        "approved_by": grant.approved.as_ref().map(|(by, _)| by),
        "approved_at": grant.approved.as_ref().map(|(_, at)| at),
        "ends_at": grant.ends_at,
        "ended_by": grant.ended.as_ref().map(|(by, _)| by),
        "ended_at": grant.ended.as_ref().map(|(_, at)| at),
        "requests": grant.uses,
    })
}
