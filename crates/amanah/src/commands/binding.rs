//! `amanah binding`: tokens, and the keys that they are made with.

use std::sync::Arc;

use anyhow::Context;
use kernel::{Scope, shown};
use serde_json::json;
use tenancy::{Guarded, KnownKey, Stranger, TenantBinder};

use crate::cli::Place;
use crate::cli::binding::{Binding, Token};
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::kept::{self, Kept};
use crate::keyset::KeySet;
use crate::{out, rotation};

pub(crate) async fn run(place: &Place, binding: Binding) -> anyhow::Result<Exit> {
    Installation::with(place, async |installation| match binding {
        Binding::Token(token) => mint(place, installation, &token),
        Binding::Rotate { database } => rotate(place, installation, database.as_deref()).await,
        Binding::List { database } => list(place, installation, database.as_deref()).await,
    })
    .await
}

fn mint(place: &Place, installation: &Installation, token: &Token) -> anyhow::Result<Exit> {
    let meant = named(installation, token.database.as_deref())?;
    let [guarded] = meant.as_slice() else {
        let words = "several databases are protected: name one with --database";
        return Err(Usage(words.to_owned()).into());
    };
    let name = &guarded.protected.name;
    let clock = Arc::clone(&installation.cx.clock);
    let scope = if token.read_only { Scope::ReadOnly } else { Scope::ReadWrite };
    let binder = TenantBinder::new(clock, guarded.key.clone(), name)
        .spelled_as(&guarded.protected.canaries.0);
    if !binder.is_spelled(&token.tenant) {
        return Err(Usage(format!(
            "the tenant is not spelled as column {} prints it: no space and no zero in front of a \
             number, a UUID in small letters. Nothing was made",
            guarded.protected.tenant_column
        ))
        .into());
    }
    let made = binder.token(&token.tenant, &token.actor, scope);
    if place.json {
        let told = json!({"token": made.expose(), "database": name, "scope": scope.as_str()});
        out::line(&serde_json::to_string_pretty(&told)?);
    } else {
        out::line(made.expose());
    }
    Ok(Exit::Holds)
}

async fn rotate(
    place: &Place,
    installation: &Installation,
    database: Option<&str>,
) -> anyhow::Result<Exit> {
    let rhythm = installation.config.binding.rhythm();
    let turn = installation.data.turn().await?;
    let mut all = Vec::new();
    for (kept, guarded, _) in pairs(installation, database).await? {
        let keys = rotation::rotate(&kept, &guarded, installation, rhythm.overlap).await;
        let keys = keys.with_context(|| {
            format!(
                "the key of database {} was not rotated to the end; tokens are good as before. \
                 Run `amanah binding rotate` again",
                kept.database
            )
        })?;
        let until = keys.former.last().map(|(_, until)| *until);
        if let (false, Some(until)) = (place.json, until) {
            let (name, kid) = (shown(&kept.database), keys.current.kid());
            out::line(&format!("{name}: key {kid}; the one before is honoured until {until:.0}"));
        }
        all.push(json!({"database": kept.database, "kid": keys.current.kid(),
                        "former_until": until}));
    }
    drop(turn);
    if place.json {
        out::line(&serde_json::to_string_pretty(&all)?);
    }
    Ok(Exit::Holds)
}

async fn list(
    place: &Place,
    installation: &Installation,
    database: Option<&str>,
) -> anyhow::Result<Exit> {
    let mut all = Vec::new();
    for (kept, guarded, keys) in pairs(installation, database).await? {
        let tx = guarded.protected.owner.operator().await?;
        let known = tenancy::known_keys(&tx).await?;
        tx.rollback().await?;
        let (now, rotate) =
            (installation.cx.clock.now(), installation.config.binding.rhythm().rotate);
        let next = keys.since.checked_add(rotate).ok();
        let strangers = tenancy::strangers(&guarded.protected.owner, &guarded.key).await?;
        let role = |key: &KnownKey| role(key, &keys, &strangers);
        if !place.json {
            out::line(&shown(&kept.database));
            for key in &known {
                let (kid, from, until) = (shown(&key.kid), key.from, key.until);
                let role = role(key);
                let end = match next.filter(|_| role == "current") {
                    Some(next) if next <= now => "until it is replaced, which is due".to_owned(),
                    Some(next) => format!("until it is replaced, on {next:.0}"),
                    None => format!("until {until:.0}"),
                };
                out::line(&format!("  {kid:<10} {role:<9} from {from:.0} {end}"));
            }
            for stranger in &strangers {
                let finding = stranger.finding();
                out::line(&format!("  {finding}: {}", finding.fix.as_deref().unwrap_or_default()));
            }
        }
        let keys: Vec<_> = known
            .iter()
            .map(|key| {
                json!({"kid": key.kid, "role": role(key), "from": key.from, "until": key.until})
            })
            .collect();
        all.push(json!({"database": kept.database, "keys": keys, "next_rotation": next}));
    }
    if place.json {
        out::line(&serde_json::to_string_pretty(&all)?);
    }
    Ok(Exit::Holds)
}

/// What a key is to this installation. What is no longer written down has ended: such a row goes with
/// the next look at the keys.
fn role(key: &KnownKey, keys: &KeySet, strangers: &[Stranger]) -> &'static str {
    if strangers.iter().any(|stranger| stranger.kid == key.kid) {
        "unknown"
    } else if key.kid == keys.current.kid() {
        "current"
    } else if keys.next.as_ref().is_some_and(|next| next.kid() == key.kid) {
        "next"
    } else {
        "former"
    }
}

/// The protected databases that are meant.
fn named(installation: &Installation, database: Option<&str>) -> anyhow::Result<Vec<Guarded>> {
    let mut all = installation.known().guarded.clone();
    all.retain(|guarded| database.is_none_or(|name| guarded.protected.name == name));
    if all.is_empty() {
        let words = match database {
            Some(name) => format!("no database {name} is protected here; see `amanah protect`"),
            None => "no database is protected yet; see `amanah protect`".to_owned(),
        };
        return Err(Usage(words).into());
    }
    Ok(all)
}

/// The protected database of this name.
pub(super) fn one(installation: &Installation, name: &str) -> anyhow::Result<Guarded> {
    let mut all = named(installation, Some(name))?;
    match (all.pop(), all.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => Err(Usage(format!(
            "two databases called {name} are protected here, and which one is meant cannot be told"
        ))
        .into()),
    }
}

/// The same with what is remembered of each, and with its keys.
async fn pairs(
    installation: &Installation,
    database: Option<&str>,
) -> anyhow::Result<Vec<(Kept, Guarded, KeySet)>> {
    let meant = named(installation, database)?;
    let mut all = Vec::new();
    for kept in kept::all(&installation.data)? {
        let keys = kept.keys(&installation.strongbox).await?;
        if let Some(guarded) = meant.iter().find(|guarded| keys.knows(guarded.key.get().kid())) {
            all.push((kept, guarded.clone(), keys));
        }
    }
    Ok(all)
}
