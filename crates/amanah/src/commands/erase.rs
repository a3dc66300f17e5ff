//! `amanah tenant erase`: the end of a tenant with a database of its own.

use kernel::TenantId;
use serde_json::{Value, json};
use tenancy::Erasing;

use super::belongings::{self, Begun, Belongings, Destroyed, In};
use super::certificate::{Clerk, EXPORTS, whole};
use super::tenant::shown;
use crate::cli::Place;
use crate::cli::tenant::Erase;
use crate::exit::Usage;
use crate::installation::Installation;
use crate::out;

/// What remains whatever a tenant had.
const BACKUPS: &str = "Backups and copies of the server that were made before still hold the database, in clear \
                       but for what its keys encrypted, until they are removed. Amanah makes none \
                       itself and does not know until when others keep theirs.";

/// Says what would be gone.
pub(crate) async fn preview(
    place: &Place,
    house: &Installation,
    id: &TenantId,
) -> anyhow::Result<()> {
    let tenant = match house.fleet.find(id).await {
        Ok(tenant) => tenant,
        Err(tenancy::Error::NoTenant(_)) if house.caches.has(id).await? => {
            return preview_place(place, house, id).await;
        }
        Err(error) => return Err(error.into()),
    };
    let common = Belongings::look(house, In::Own, id).await?;
    if place.json {
        let all = json!({
            "erased": false,
            "tenant": shown(&tenant),
            "files": {"files": common.files, "bytes": common.bytes},
            "keys": common.keys,
            "redis": common.redis,
            "elsewhere": common.elsewhere,
        });
        out::line(&serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    out::line(&format!(
        "Of {id} these would be gone for good: the database {} with everything in it, its logins{}.",
        tenant.place.name(),
        common.told()
    ));
    out::aside("Nothing was erased. To erase it, add --yes; it cannot be undone.");
    Ok(())
}

/// The same of a tenant without a database of its own.
async fn preview_place(place: &Place, house: &Installation, id: &TenantId) -> anyhow::Result<()> {
    place_alone(house, id).await?;
    if place.json {
        let all = json!({"erased": false, "tenant": null, "redis": true});
        out::line(&serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    out::line(&format!("Of {id} its place on Redis with everything in it would be gone for good."));
    out::aside("Nothing was erased. To erase it, add --yes; it cannot be undone.");
    Ok(())
}

/// Refuses a tenant without a database of its own that has rows in a shared one: its place on Redis
/// goes with the last of these.
async fn place_alone(house: &Installation, id: &TenantId) -> anyhow::Result<()> {
    let elsewhere = belongings::elsewhere(house, In::Own, id).await?;
    if elsewhere.is_empty() {
        return Ok(());
    }
    Err(Usage(format!(
        "{id} has no database of its own; it has {}. Nothing was erased: its place on Redis goes with \
         the last of it. Name the shared database with --database; where it cannot be told what is in one, \
         mend that, or undo its protection",
        elsewhere.join("; ")
    ))
    .into())
}

/// Of a tenant without a database of its own, its place on Redis. There is no certificate of it.
async fn erase_place(house: &Installation, id: &TenantId) -> anyhow::Result<(String, Value)> {
    place_alone(house, id).await?;
    let cache = house.caches.erase(id).await?;
    let keys = cache.as_ref().map_or(0, |cache| cache.keys);
    let remains = [
        "Its files and the keys that it encrypted with are as they were: this tenant has no database \
         of its own. To erase these, name a shared one with --database.",
    ];
    let words = format!("Erased: {id}, {keys} keys on Redis.\n  {}", remains.join("\n  "));
    Ok((words, json!({"erased": true, "erasure": null, "redis": cache, "remains": remains})))
}

/// Everything but the database, unless the tenant has more; and what remains.
async fn destroy(
    house: &Installation,
    erasing: &Erasing,
    id: &TenantId,
) -> anyhow::Result<Destroyed> {
    let done = belongings::destroy(house, Begun::Own(erasing), id).await?;
    let mut remains = vec![BACKUPS.to_owned(), EXPORTS.to_owned()];
    remains.extend(erasing.copies().await?.iter().map(|cell| {
        format!(
            "A copy of its database, from a move, is still on the cell {cell}, which could not be \
             asked to drop it. `amanah up` drops it at a start at which the cell answers."
        )
    }));
    remains.extend(done.remains);
    Ok(Destroyed { remains, ..done })
}

/// The keys before the files and the database, unless they are kept: when something comes between, what is left cannot be
/// read. Nothing is destroyed before it is sure that there is such a tenant, and that a certificate can be signed.
pub(crate) async fn erase(house: &Installation, erase: Erase) -> anyhow::Result<(String, Value)> {
    let Erase { tenant: id, certificate: file, by, missing, .. } = erase;
    let clerk = Clerk::ready(house, by, file).await?;
    let begun =
        if missing { house.fleet.erase_missing(&id).await } else { house.fleet.erase(&id).await };
    let erasing = match begun {
        Ok(erasing) => erasing,
        Err(tenancy::Error::NoTenant(_)) if house.caches.has(&id).await? => {
            return erase_place(house, &id).await;
        }
        Err(error) => return Err(error.into()),
    };
    let done = match destroy(house, &erasing, &id).await {
        Ok(done) => done,
        Err(error) => {
            erasing.leave().await;
            return Err(error);
        }
    };
    let Destroyed { cache, files, gone, last, remains } = done;
    let closing = clerk.closing(remains.clone(), last);
    let (erasure, text) = erasing.certify(closing, &|text| clerk.sign(text)).await?;
    let count = gone.keys.len();
    let erased = format!(
        "{id}, {}, {} keys on Redis, {} files with {} bytes, {count} keys, at {:.0}.",
        whole(&erasure.place, erasure.bytes),
        cache.as_ref().map_or(0, |cache| cache.keys),
        files.files,
        files.bytes,
        erasure.erased_at,
    );
    let more = json!({"erasure": erasure, "redis": cache, "files": files, "keys": count});
    Ok(clerk.told((&erased, more), &remains, &text))
}
