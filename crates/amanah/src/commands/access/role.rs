//! `amanah access role`: the roles that a tenant makes for itself.

use access::{Catalogue, NewRole, RoleSheet};
use serde_json::{Value, json};

use super::{listed, operator, usage};
use crate::cli::Place;
use crate::cli::role::{Define, Role};
use crate::exit::Exit;
use crate::installation::Installation;
use crate::out;

pub(super) async fn run(place: &Place, role: Role) -> anyhow::Result<Exit> {
    Installation::with(place, async |house| {
        let (words, data) = act(house, role).await?;
        if place.json {
            out::line(&serde_json::to_string_pretty(&data)?);
        } else {
            out::line(words.trim_end());
        }
        Ok(Exit::Holds)
    })
    .await
}

async fn act(house: &Installation, role: Role) -> anyhow::Result<(String, Value)> {
    let rights = &house.access;
    Ok(match role {
        Role::List { tenant } => {
            let all = rights.roles(Some(&tenant)).await?;
            let own: Vec<_> = all.into_iter().filter(|role| !role.shipped).collect();
            match listed(&own) {
                (_, data) if own.is_empty() => ("no role of its own".to_owned(), data),
                told => told,
            }
        }
        Role::Show { name, tenant } => {
            let sheet = rights.role(&tenant, &name).await.map_err(usage)?;
            (shown(&sheet)?, data(&sheet)?)
        }
        Role::Define(define) => {
            let new = new(define);
            rights.define_role(&operator()?, &new).await.map_err(usage)?;
            (format!("{} is a role of {} now", new.name, new.tenant), json!({"defined": new.name}))
        }
        Role::Retire { name, tenant, anyway } => {
            let lost = rights.retire_role(&operator()?, &tenant, &name, anyway).await;
            let lost = lost.map_err(usage)?;
            let who = if lost.is_empty() { "nobody".to_owned() } else { lost.join(", ") };
            (format!("{name} is retired; had it: {who}"), json!({"retired": name, "lost_by": lost}))
        }
    })
}

fn new(define: Define) -> NewRole {
    let factor = define.factor.strength();
    let Define { name, tenant, title, permits, parents, idle, absolute, .. } = define;
    NewRole { tenant, name, title, factor, idle, absolute, permits, parents }
}

fn shown(sheet: &RoleSheet) -> anyhow::Result<String> {
    let all = Catalogue::shipped()?.names(&sheet.permits);
    let role = &sheet.role;
    let some = |names: &[String]| {
        if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
    };
    let none = |names: &[String]| {
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let mut lines = vec![
        format!("{}: {}", role.name, role.title),
        format!("  may: {}", all.join(" ")),
        format!("  of these by itself: {}", role.permits.join(" ")),
        format!("  has everything of: {}", none(&role.parents)),
        format!("  roles that have everything of it: {}", none(&sheet.heirs)),
        format!("  asks for: {}", asks(role.factor, role.idle, role.absolute)),
        format!("  has it: {}", some(&sheet.holders)),
    ];
    lines.extend(sheet.changes.iter().map(|one| {
        let parents = none(&one.parents);
        format!(
            "  {:.0} {} by {}: {} of its own, parents: {parents}, asks for {}",
            one.at,
            one.what,
            one.by,
            out::count(usize::try_from(one.permits).unwrap_or_default(), "permission"),
            asks(one.factor, one.idle, one.absolute),
        )
    }));
    Ok(lines.join("\n"))
}

fn asks(
    factor: kernel::Strength,
    idle: Option<jiff::SignedDuration>,
    absolute: Option<jiff::SignedDuration>,
) -> String {
    let factor = match factor {
        kernel::Strength::One => "a password",
        kernel::Strength::Two => "a second factor",
        kernel::Strength::Hardware => "a security key",
    };
    let limit = |word: &str, limit: Option<jiff::SignedDuration>| {
        limit.map(|limit| format!(", sessions {word} {} min", limit.as_mins())).unwrap_or_default()
    };
    format!("{factor}{}{}", limit("unused for", idle), limit("of at most", absolute))
}

fn data(sheet: &RoleSheet) -> anyhow::Result<Value> {
    let role = &sheet.role;
    let change = |one: &access::RoleChange| {
        json!({
            "at": one.at, "by": one.by, "what": one.what, "permissions": one.permits,
            "parents": one.parents, "factor": one.factor.level(),
            "idle_seconds": one.idle.map(|limit| limit.as_secs()),
            "absolute_seconds": one.absolute.map(|limit| limit.as_secs()),
        })
    };
    Ok(json!({
        "name": role.name,
        "title": role.title,
        "shipped": sheet.shipped,
        "factor": role.factor.level(),
        "idle_seconds": role.idle.map(|limit| limit.as_secs()),
        "absolute_seconds": role.absolute.map(|limit| limit.as_secs()),
        "own_permissions": role.permits,
        "permissions": Catalogue::shipped()?.names(&sheet.permits),
        "parents": role.parents,
        "heirs": sheet.heirs,
        "holders": sheet.holders,
        "changes": sheet.changes.iter().map(change).collect::<Vec<_>>(),
    }))
}
