//! `amanah keys create`, `set` and `rotate`.

use anyhow::Context as _;
use indicatif::ProgressBar;
use keys::{Change, KeyRef, Keys, Progress, Spec};
use serde_json::json;

use super::{application, length, named};
use crate::cli::Place;
use crate::cli::keys::{Create, Rotate, Set};
use crate::commands::bar;
use crate::exit::Exit;
use crate::keyring::Keyhouse;
use crate::out;

pub(crate) async fn create(place: &Place, create: Create) -> anyhow::Result<Exit> {
    let key = application(&create.name, create.tenant)?;
    let spec =
        Spec { kind: create.kind, purpose: create.purpose, needs_context: create.needs_context };
    Keyhouse::with(place, async |house| {
        let card = house.keys().await?.create(&key, &spec).await?;
        if place.json {
            out::line(&serde_json::to_string_pretty(&card)?);
        } else {
            out::line(&format!("Key {key} is made. To let an application use it:"));
            let whose = key.tenant.as_ref().map(|t| format!(" --tenant {t}")).unwrap_or_default();
            out::line(&format!(
                "  amanah keys client add APPLICATION --keys {} --allow encrypt,decrypt{whose}",
                key.name
            ));
        }
        Ok(Exit::Holds)
    })
    .await
}

pub(crate) async fn set(place: &Place, set: Set) -> anyhow::Result<Exit> {
    let key = application(&set.which.name, set.which.tenant)?;
    let change = Change {
        min_decryption: set.min_decryption,
        rotate_after: set.rotate_after,
        removable: set.removable,
    };
    Keyhouse::with(place, async |house| {
        let card = house.keys().await?.configure(&key, &change).await?;
        if place.json {
            out::line(&serde_json::to_string_pretty(&card)?);
        } else {
            let removable = if card.removable { "may be removed" } else { "may not be removed" };
            out::line(&format!(
                "{key} is rotated at {}, opens what version {} and later encrypted, and {removable}.",
                length(card.rotate_after),
                card.min_decryption
            ));
        }
        Ok(Exit::Holds)
    })
    .await
}

pub(crate) async fn rotate(place: &Place, rotate: Rotate) -> anyhow::Result<Exit> {
    let one = rotate.name.map(|name| named(&name, rotate.tenant)).transpose()?;
    Keyhouse::with(place, async |house| {
        let keys = house.keys().await?;
        let bar = bar("rotating");
        let watch = |progress: Progress| show(&bar, progress);
        let rotated = match &one {
            Some(key) => keys.rotate(key).await.map(|_| vec![key.clone()])?,
            None if rotate.due => keys.rotate_due_watched(&watch).await?,
            None => keys.rotate_all(&watch).await?,
        };
        let full = if one.is_none() { keys.full() } else { Vec::new() };
        // Said before anything else can fail: whoever reads of an error alone would rotate again.
        if !place.json {
            bar.suspend(|| tell(&keys, &rotated, &full));
        }
        // The house's own secrets move to the new versions at once; those of applications move
        // when they are rewrapped or written again, and open until then.
        let refreshed = house.strongbox(&keys).refresh_all(&watch).await;
        bar.finish_and_clear();
        if place.json {
            let all = rotated.iter().map(|key| version(&keys, key)).collect::<Vec<_>>();
            let secrets = refreshed.as_ref().ok();
            out::line(&json!({"rotated": all, "full": full, "secrets": secrets}).to_string());
        }
        refreshed.context(
            "the rotation has happened; Amanah's own secrets still have older versions, which open \
             them, and are moved within the hour while `amanah up` runs, or by the next rotation",
        )?;
        Ok(Exit::Holds)
    })
    .await
}

/// What was rotated, and what could not be.
fn tell(keys: &Keys, rotated: &[KeyRef], full: &[KeyRef]) {
    if rotated.is_empty() {
        out::line("No key is older than its policy allows.");
    }
    for key in rotated {
        let newest = newest(keys, key).unwrap_or_default();
        out::line(&format!("{key} encrypts with version {newest} from now on"));
    }
    for key in full {
        out::line(&format!(
            "{key} has too many versions to be rotated; destroy old ones with `amanah keys trim`"
        ));
    }
}

/// Shows how far work on keys has come.
pub(crate) fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_length(progress.total as u64);
    bar.set_position(progress.done as u64);
}

fn newest(keys: &Keys, key: &KeyRef) -> Option<u32> {
    keys.card(key).ok()?.newest().map(|version| version.version)
}

fn version(keys: &Keys, key: &KeyRef) -> serde_json::Value {
    json!({"key": key, "version": newest(keys, key)})
}
