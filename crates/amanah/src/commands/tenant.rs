//! `amanah tenant`: tenants with a database of their own, and what is open between those of a
//! shared one.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::Place;
use crate::cli::tenant::Tenant;
use crate::commands::{archive, erase};
use crate::exit::Exit;
use crate::installation::Installation;
use crate::out;

pub(crate) async fn run(place: &Place, tenant: Tenant) -> anyhow::Result<Exit> {
    if let Tenant::Lint(lint) = &tenant
        && let Some(url) = &lint.url
    {
        return super::lint::one(place, lint, url).await;
    }
    if let Tenant::Certificate(wanted) = tenant {
        return erase::check(place, wanted).await;
    }
    Installation::with(place, async |installation| act(place, installation, tenant).await).await
}

async fn act(place: &Place, installation: &Installation, tenant: Tenant) -> anyhow::Result<Exit> {
    let fleet = &installation.fleet;
    let told = match tenant {
        Tenant::Add { tenant, cell: None } => changed(&fleet.add(&tenant).await?),
        Tenant::Add { tenant, cell: Some(cell) } => changed(&fleet.add_on(&tenant, &cell).await?),
        Tenant::Suspend { tenant } => changed(&fleet.suspend(&tenant).await?),
        Tenant::Resume { tenant } => changed(&fleet.resume(&tenant).await?),
        Tenant::Connect { tenant, life } => {
            fleet.sweep().await?;
            let lease = fleet.lease(&tenant, life).await?;
            let url = lease.url.expose();
            let words = format!("{}\ngood for new sessions until {:.0}", url.expose(), lease.until);
            (words, json!({"url": url.expose(), "until": lease.until}))
        }
        Tenant::Export(export) => archive::export(installation, export).await?,
        Tenant::Import(import) => archive::import(installation, import).await?,
        Tenant::List => list(&fleet.list().await?),
        Tenant::Lint(lint) => return super::lint::all(place, &installation.guarded, &lint).await,
        Tenant::Erase(wanted) if !wanted.yes => {
            erase::preview(place, installation, &wanted.tenant).await?;
            return Ok(Exit::Usage);
        }
        Tenant::Erase(wanted) => erase::erase(installation, wanted).await?,
        Tenant::Erasures => erase::erasures(installation).await?,
        // Asked before, since it needs no installation where it is given a key.
        Tenant::Certificate(wanted) => return erase::check(place, wanted).await,
    };
    let (words, data) = told;
    if place.json {
        out::line(&serde_json::to_string_pretty(&data)?);
    } else {
        out::line(&words);
    }
    Ok(Exit::Holds)
}

fn changed(tenant: &tenancy::Tenant) -> (String, Value) {
    let words = format!("{} is {}, in database {}", tenant.id, tenant.state, tenant.place.name());
    (words, shown(tenant))
}

pub(super) fn shown(tenant: &tenancy::Tenant) -> Value {
    json!({
        "tenant": tenant.id,
        "database": tenant.place.name(),
        "state": tenant.state,
        "canary": tenant.canary,
        "schema_version": tenant.schema_version,
        "made_at": tenant.made_at,
    })
}

fn list(tenants: &[tenancy::Tenant]) -> (String, Value) {
    if tenants.is_empty() {
        let words = "no tenant has a database of its own: make one with `amanah tenant add`";
        return (words.to_owned(), json!([]));
    }
    let date = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    let line = |t: &tenancy::Tenant| {
        let version = t.schema_version.as_deref().unwrap_or("–");
        let name = if t.canary { format!("{} (synthetic)", t.id) } else { t.id.to_string() };
        format!("  {:<9}  {}  {version:<24}  {}  {name}", t.state, t.place.name(), date(t.made_at))
    };
    let lines: Vec<String> = tenants.iter().map(line).collect();
    (lines.join("\n"), tenants.iter().map(shown).collect())
}
