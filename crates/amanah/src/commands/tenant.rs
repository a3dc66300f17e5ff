//! `amanah tenant`: tenants with a database of their own, and what is open between those of a
//! shared one.

use jiff::Timestamp;
use kernel::TenantId;
use keys::Keys;
use serde_json::{Value, json};

use crate::cli::Place;
use crate::cli::tenant::Tenant;
use crate::commands::archive;
use crate::exit::Exit;
use crate::installation::Installation;
use crate::out;

pub(crate) async fn run(place: &Place, tenant: Tenant) -> anyhow::Result<Exit> {
    if let Tenant::Lint(lint) = &tenant
        && let Some(url) = &lint.url
    {
        return super::lint::one(place, lint, url).await;
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
        Tenant::Erase { tenant, yes: false } => {
            preview(place, installation, &tenant).await?;
            return Ok(Exit::Usage);
        }
        Tenant::Erase { tenant, yes: true } => erase(installation, &tenant).await?,
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

fn shown(tenant: &tenancy::Tenant) -> Value {
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

async fn preview(place: &Place, house: &Installation, id: &TenantId) -> anyhow::Result<()> {
    let tenants = house.fleet.list().await?;
    let found = tenants.into_iter().find(|tenant| tenant.id == *id);
    let tenant = found.ok_or_else(|| tenancy::Error::NoTenant(id.clone()))?;
    let keys = owned(&house.ring.keys, id);
    let files = house.files.usage(id).await?.used;
    if place.json {
        let all = json!({"erased": false, "tenant": shown(&tenant), "files": files, "keys": keys});
        out::line(&serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    out::line(&format!(
        "Of {id} these would be gone for good: the database {} with everything in it, its logins, \
         {} files with {} bytes, and {keys} keys with whatever they encrypted, wherever copies of \
         it lie.",
        tenant.place.name(),
        files.files,
        files.bytes
    ));
    out::aside("Nothing was erased. To erase it, add --yes; it cannot be undone.");
    Ok(())
}

/// The keys before the files and the database: when something comes between, what is left cannot be
/// read. Nothing is destroyed before it is sure that there is such a tenant.
async fn erase(house: &Installation, id: &TenantId) -> anyhow::Result<(String, Value)> {
    let keys = &house.ring.keys;
    let erasing = house.fleet.erase(id).await?;
    let count = owned(keys, id);
    let shredding = if count > 0 { Some(keys.shred(id).await?) } else { None };
    let files = house.files.erase(id).await?;
    let erasure = erasing.finish(count).await?;
    let mut remains = vec![
        "Backups and copies of the server that were made before still hold the database, in clear \
         but for what its keys encrypted, until they are removed."
            .to_owned(),
    ];
    remains.extend(shredding.iter().flat_map(|shredding| shredding.remains.clone()));
    let words = format!(
        "Erased: {id}, database {} with {} bytes, {} files with {} bytes, {count} keys, at \
         {:.0}.\n  {}",
        erasure.place,
        erasure.bytes,
        files.files,
        files.bytes,
        erasure.erased_at,
        remains.join("\n  ")
    );
    let data = json!({
        "erased": true, "erasure": erasure, "files": files, "keys": count, "remains": remains,
    });
    Ok((words, data))
}

fn owned(keys: &Keys, id: &TenantId) -> usize {
    keys.list().iter().filter(|card| card.key.tenant.as_ref() == Some(id)).count()
}
