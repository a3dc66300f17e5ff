//! `amanah keys shred`.

use keys::{KeyCard, Keys, Shredding};
use kms::Destruction;
use serde_json::json;

use crate::cli::Place;
use crate::cli::keys::Shred;
use crate::exit::{Exit, Usage};
use crate::keyring::Keyhouse;
use crate::out;

pub(crate) async fn run(place: &Place, shred: Shred) -> anyhow::Result<Exit> {
    Keyhouse::with(place, async |house| {
        let keys = house.keys().await?;
        let tenant = &shred.tenant;
        let all = keys.list();
        let doomed: Vec<&KeyCard> =
            all.iter().filter(|card| card.key.tenant.as_ref() == Some(tenant)).collect();
        if !shred.yes {
            preview(place, &keys, &shred, &doomed)?;
            return Ok(Exit::Usage);
        }
        if doomed.is_empty() && !keys.is_shredded(tenant) {
            return Err(Usage(format!(
                "tenant {tenant} has no keys, so there is nothing to destroy; `amanah keys list` \
                 shows who has"
            ))
            .into());
        }
        tell(place, &keys.shred(tenant).await?)?;
        Ok(Exit::Holds)
    })
    .await
}

/// What would be destroyed, and what would still hold it.
fn preview(place: &Place, keys: &Keys, shred: &Shred, doomed: &[&KeyCard]) -> anyhow::Result<()> {
    let (kits, remains) = (keys.ring()?.kits, keys.would_remain());
    let tenant = &shred.tenant;
    if place.json {
        let all = json!({
            "destroyed": false,
            "tenant": tenant,
            "keys": doomed,
            "kits": kits,
            "remains": remains,
        });
        out::line(&serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    out::line(&format!("Of tenant {tenant} these keys would be destroyed for good:"));
    for card in doomed {
        out::line(&format!("  {}, {} versions", card.key.name, card.versions.len()));
    }
    if doomed.is_empty() {
        out::line("  none: it has no keys");
    }
    out::line("Every field, file and dump that they encrypted could not be read by anybody again.");
    out::line("What would remain:");
    for sentence in &remains {
        out::line(&format!("  {sentence}"));
    }
    out::aside("Nothing was destroyed. To destroy them, add --yes; it cannot be undone.");
    Ok(())
}

/// What was destroyed, and the statement of what remains until when.
fn tell(place: &Place, done: &Shredding) -> anyhow::Result<()> {
    if place.json {
        let (until, pending) = match done.destruction {
            Some(Destruction::Scheduled(at)) => (Some(at), false),
            Some(Destruction::Done) => (None, false),
            None => (None, true),
        };
        let all = json!({
            "destroyed": true,
            "shredding": done,
            "root_recoverable_until": until,
            "root_pending": pending,
        });
        out::line(&serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    out::line(&format!(
        "Destroyed: {} keys of tenant {} with {} versions, at {:.0}. Ring generation {}.",
        done.keys, done.tenant, done.versions, done.at, done.generation
    ));
    out::line("What remains:");
    for sentence in &done.remains {
        out::line(&format!("  {sentence}"));
    }
    Ok(())
}
