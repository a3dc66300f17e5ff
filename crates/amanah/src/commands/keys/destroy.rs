//! `amanah keys trim` and `remove`.

use jiff::{SignedDuration, Timestamp};
use keys::{Error, KeyCard};
use serde_json::json;

use super::{application, named};
use crate::cli::Place;
use crate::cli::keys::{Trim, Which};
use crate::exit::{Exit, Usage};
use crate::keyring::Keyhouse;
use crate::{out, seeds};

pub(crate) async fn trim(place: &Place, trim: Trim) -> anyhow::Result<Exit> {
    let key = named(&trim.which.name, trim.which.tenant)?;
    Keyhouse::with(place, async |house| {
        let keys = house.keys().await?;
        let before = keys.card(&key)?;
        let bound = match (trim.before, trim.older_than) {
            (Some(bound), _) => bound,
            (None, age) => younger(&before, house.cx.clock.now(), age.unwrap_or_default()),
        };
        seeds::clear(&house.ground.engine, &keys, (&key, &before), house.cx.clock.now()).await?;
        let after = keys.trim(&key, bound).await?;
        let gone = before.versions.len().saturating_sub(after.versions.len());
        let oldest = after.versions.first().map(|oldest| oldest.version);
        if place.json {
            let all = json!({"key": key, "destroyed": gone, "oldest": oldest});
            out::line(&all.to_string());
        } else if gone == 0 {
            out::line(&format!("{key} has no such versions; nothing was destroyed."));
        } else {
            out::line(&format!(
                "Destroyed: {gone} versions of {key}; its oldest is {} now.",
                oldest.unwrap_or_default()
            ));
        }
        Ok(Exit::Holds)
    })
    .await
}

/// The oldest version that is younger than `age`; the one that encrypts, when none is.
fn younger(card: &KeyCard, now: Timestamp, age: SignedDuration) -> u32 {
    let young = card.versions.iter().find(|version| now.duration_since(version.made_at) < age);
    young.or_else(|| card.newest()).map_or(1, |version| version.version)
}

pub(crate) async fn remove(place: &Place, which: Which) -> anyhow::Result<Exit> {
    let key = application(&which.name, which.tenant)?;
    Keyhouse::with(place, async |house| {
        match house.keys().await?.remove(&key).await {
            Ok(()) => {}
            Err(Error::NotRemovable(_)) => {
                let whose =
                    key.tenant.as_ref().map(|t| format!(" --tenant {t}")).unwrap_or_default();
                return Err(Usage(format!(
                    "key {key} may not be removed; nothing was changed. Allow it first: amanah \
                     keys set {} --removable{whose}",
                    key.name
                ))
                .into());
            }
            Err(other) => return Err(other.into()),
        }
        if place.json {
            out::line(&json!({"removed": key}).to_string());
        } else {
            out::line(&format!("Key {key} is destroyed, and what it encrypted with it."));
        }
        Ok(Exit::Holds)
    })
    .await
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use keys::{KeyCard, KeyName, KeyRef, Spec, VersionCard};

    use super::younger;

    #[test]
    fn old_versions_are_counted_from_the_young_end() {
        let at = |day: &str| format!("2026-01-{day}T00:00:00Z").parse().unwrap();
        let version = |version, day| VersionCard { version, id: String::new(), made_at: at(day) };
        let card = KeyCard {
            key: KeyRef { tenant: None, name: KeyName::new("orders").unwrap() },
            spec: Spec::default(),
            versions: vec![version(3, "01"), version(4, "11"), version(5, "21")],
            min_decryption: 3,
            rotate_after: SignedDuration::from_hours(24),
            removable: false,
            wrapped_by: version(1, "21"),
            users: Vec::new(),
        };
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        let bound = |age| younger(&card, at("31"), days(age));
        assert_eq!([bound(40), bound(25), bound(20), bound(15), bound(5)], [3, 4, 5, 5, 5]);
    }
}
