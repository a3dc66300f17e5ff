//! `amanah tenant`: tenants with a database of their own, and what is open between those of a
//! shared one.

use std::sync::Arc;
use std::time::Duration;

use console::tenants::{Stopped, Turned, Turning};
use indicatif::ProgressBar;
use jiff::{SignedDuration, Timestamp};
use kernel::TenantId;
use serde_json::{Value, json};
use tenancy::{Answer, CellCard, HOME, Moved, Reach, Stage};

use crate::cli::Place;
use crate::cli::tenant::Tenant;
use crate::commands::{archive, certificate, erase, erase_rows};
use crate::exit::Exit;
use crate::installation::Installation;
use crate::out;

/// What is told of it, for people and for programs.
type Told = (String, Value);

/// How often the sign of life on a terminal moves.
const TICK: Duration = Duration::from_millis(120);

pub(crate) async fn run(place: &Place, tenant: Tenant) -> anyhow::Result<Exit> {
    if let Tenant::Lint(lint) = &tenant
        && let Some(url) = &lint.url
    {
        return super::lint::one(place, lint, url).await;
    }
    if let Tenant::Certificate(wanted) = tenant {
        return certificate::check(place, wanted).await;
    }
    // It is large: the whole life of a tenant is in it.
    let act = async |installation: &mut Installation| act(place, installation, tenant).await;
    Box::pin(Installation::with(place, act)).await
}

async fn act(place: &Place, installation: &Installation, tenant: Tenant) -> anyhow::Result<Exit> {
    let fleet = &installation.fleet;
    let told = match tenant {
        Tenant::Add { tenant, cell } => {
            changed(&installation.life().add(&tenant, cell.as_deref()).await?)
        }
        Tenant::Suspend { tenant } => suspend(installation, &tenant).await?,
        Tenant::Resume { tenant } => resume(installation, &tenant).await?,
        Tenant::Limit { tenant, idle, absolute } => {
            limit(installation, &tenant, [idle, absolute]).await?
        }
        Tenant::Connect { tenant, life, redis: true } => {
            let lease = installation.caches.redis().lease(&tenant, life).await?;
            let (url, prefix, until) = (lease.url.expose(), &lease.prefix, lease.until);
            let words = format!(
                "{url}\nkeys and channels begin with `{prefix}`, the colon included\ngood until \
                 {until:.0}"
            );
            (words, json!({"url": url, "prefix": prefix, "until": until}))
        }
        Tenant::Connect { tenant, life, redis: false } => {
            fleet.sweep().await?;
            let lease = fleet.lease(&tenant, life).await?;
            let url = lease.url.expose();
            let words = format!("{}\ngood for new sessions until {:.0}", url.expose(), lease.until);
            (words, json!({"url": url.expose(), "until": lease.until}))
        }
        Tenant::Export(export) => archive::export(installation, export).await?,
        Tenant::Import(import) => archive::import(installation, import).await?,
        Tenant::Lint(lint) => {
            return super::lint::all(place, &installation.known().guarded, &lint).await;
        }
        Tenant::List => {
            list(&fleet.list().await?, &fleet.cells().await?, fleet.losses().await?.len())
        }
        Tenant::Move { tenant, to, keep } => {
            let bar = ProgressBar::new_spinner().with_message("preparing");
            bar.enable_steady_tick(TICK);
            let watch = |stage: Stage| bar.set_message(words(stage));
            let moved = fleet.move_to(&tenant, &to, keep.unwrap_or_default(), &watch).await;
            bar.finish_and_clear();
            told_moved(&tenant, &moved?)
        }
        Tenant::Erase(wanted) if !wanted.yes => {
            let id = &wanted.tenant;
            match &wanted.database {
                Some(name) => erase_rows::preview(place, installation, id, name).await?,
                None => erase::preview(place, installation, id).await?,
            }
            return Ok(Exit::Usage);
        }
        Tenant::Erase(wanted) => match wanted.database.clone() {
            Some(name) => erase_rows::erase(installation, wanted, &name).await?,
            None => erase::erase(installation, wanted).await?,
        },
        Tenant::Erasures => certificate::erasures(installation).await?,
        // Asked before, since it needs no installation where it is given a key.
        Tenant::Certificate(wanted) => return certificate::check(place, wanted).await,
    };
    let (words, data) = told;
    if place.json {
        out::line(&serde_json::to_string_pretty(&data)?);
    } else {
        out::line(&words);
    }
    Ok(Exit::Holds)
}

/// Shuts a tenant out.
async fn suspend(installation: &Installation, tenant: &TenantId) -> anyhow::Result<Told> {
    let came_to = turning(installation).suspend(tenant).await;
    Ok(turned(
        tenant,
        came_to.map_err(|why| stopped(why, "its people are shut out; the rest is not"))?,
    ))
}

/// Lets a tenant in again.
async fn resume(installation: &Installation, tenant: &TenantId) -> anyhow::Result<Told> {
    let came_to = turning(installation).resume(tenant).await;
    Ok(turned(tenant, came_to.map_err(|why| stopped(why, "its people are not let in either"))?))
}

fn turning(installation: &Installation) -> Turning {
    let identities = Arc::clone(&installation.identities);
    Turning { life: installation.life(), identities }
}

/// With the tenancy's own error in sight, by which the exit is chosen.
fn stopped(why: Stopped, people: &'static str) -> anyhow::Error {
    match why {
        Stopped::People(error) => error.into(),
        Stopped::Rest(error @ tenancy::Error::NoTenant(_)) => error.into(),
        Stopped::Rest(error) => anyhow::Error::from(error).context(people),
    }
}

/// Limits the sessions of a tenant's people: unused, and at most.
async fn limit(
    installation: &Installation,
    tenant: &TenantId,
    limits: [Option<SignedDuration>; 2],
) -> anyhow::Result<Told> {
    let [idle, absolute] =
        limits.map(|limit| limit.map(|limit| i32::try_from(limit.as_secs()).unwrap_or(i32::MAX)));
    installation.identities.limit_tenant(tenant, idle, absolute).await?;
    Ok(limited(tenant, idle, absolute))
}

/// A tenant's limits, in seconds.
fn limited(id: &TenantId, idle: Option<i32>, absolute: Option<i32>) -> (String, Value) {
    let told = |limit: Option<i32>| {
        limit.map_or_else(|| "as in amanah.toml".to_owned(), |seconds| format!("{seconds} s"))
    };
    let words = format!("sessions of {id}: unused {}, at most {}", told(idle), told(absolute));
    (words, json!({"tenant": id, "idle_seconds": idle, "absolute_seconds": absolute}))
}

/// A tenant that was shut out or let in. One of a shared database may have people, or a place on Redis, alone.
fn turned(id: &TenantId, came_to: Turned) -> (String, Value) {
    match came_to {
        Turned::Whole(tenant) => changed(&tenant),
        Turned::OnRedis(state) => {
            (format!("{id} is {state} on Redis"), json!({"tenant": id, "state": state}))
        }
        Turned::People(state) => {
            let words = format!("{id} is {state}: its people. It has no database of its own");
            (words, json!({"tenant": id, "state": state}))
        }
    }
}

fn changed(tenant: &tenancy::Tenant) -> (String, Value) {
    let on = if tenant.cell == HOME { String::new() } else { format!(" on {}", tenant.cell) };
    let words =
        format!("{} is {}, in database {}{on}", tenant.id, tenant.state, tenant.place.name());
    (words, shown(tenant))
}

pub(super) fn shown(tenant: &tenancy::Tenant) -> Value {
    json!({
        "tenant": tenant.id,
        "cell": tenant.cell,
        "database": tenant.place.name(),
        "state": tenant.state,
        "canary": tenant.canary,
        "schema_version": tenant.schema_version,
        "made_at": tenant.made_at,
    })
}

/// How a move goes on.
const fn words(stage: Stage) -> &'static str {
    match stage {
        Stage::Preparing => "preparing; the tenant works",
        Stage::Paused => "copying; nobody can write",
        Stage::Comparing => "comparing both sides; nobody can write",
        Stage::Switched => "done; dropping the old database",
    }
}

fn told_moved(id: &TenantId, moved: &Moved) -> (String, Value) {
    let Moved { from, to, database, compared, behind, left, kept_until, .. } = moved;
    let mut words = format!(
        "{id} is on {to}, in database {database}. It could not write for {:.1} s.\n  The same on \
         both sides: {} with {}, {}, {}, and what defines them.\n  \
         Its logins on {from} have ended: get new ones with `amanah tenant connect`.",
        Duration::from_millis(moved.paused_ms).as_secs_f64(),
        out::count(compared.tables, "table"),
        out::count(compared.rows, "row"),
        out::count(compared.sequences, "sequence"),
        out::count(compared.objects, "large object")
    );
    for what in behind {
        words += &["\n  Left behind: ", what].concat();
    }
    if let Some(why) = left {
        words += &["\n  The old database is still there, and swept later: ", why].concat();
    } else if let Some(until) = kept_until {
        let until = format!("{until:.0}.");
        words += &["\n  The old database is kept, shut, on ", from, " until ", &until].concat();
    }
    (words, json!({"tenant": id, "moved": moved}))
}

fn list(
    tenants: &[tenancy::Tenant],
    cells: &[(CellCard, Answer<Reach>)],
    lost: usize,
) -> (String, Value) {
    if tenants.is_empty() && lost == 0 {
        let words = "no tenant has a database of its own: make one with `amanah tenant add`";
        return (words.to_owned(), json!([]));
    }
    let date = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    let silent = |tenant: &tenancy::Tenant| {
        let found = cells.iter().find(|(card, _)| card.name == tenant.cell);
        found.and_then(|(_, reach)| reach.as_ref().err())
    };
    let several = cells.len() > 1;
    let line = |t: &tenancy::Tenant| {
        let version = t.schema_version.as_deref().unwrap_or("–");
        let name = if t.canary { format!("{} (synthetic)", t.id) } else { t.id.to_string() };
        let state = if silent(t).is_some() { "unreachable" } else { t.state.as_str() };
        let cell = if several { format!("  {:<10}", t.cell) } else { String::new() };
        let (place, made) = (t.place.name(), date(t.made_at));
        format!("  {state:<11}{cell}  {place}  {version:<24}  {made}  {name}")
    };
    let mut lines: Vec<String> = tenants.iter().map(line).collect();
    for (card, reach) in cells {
        if let Err(why) = reach {
            lines.push(format!("  the cell {} cannot be reached: {why}", card.name));
        }
    }
    if lost > 0 {
        lines.push(format!(
            "  {lost} databases were lost with cells; `amanah cell losses` shows them"
        ));
    }
    let each = tenants.iter().map(|tenant| {
        let mut shown = shown(tenant);
        if let Value::Object(fields) = &mut shown {
            fields.insert("unreachable".to_owned(), json!(silent(tenant)));
        }
        shown
    });
    (lines.join("\n"), each.collect())
}
