//! `amanah binding`: tokens, and the keys that they are made with.

use std::sync::Arc;

use anyhow::Context;
use kernel::{Scope, shown};
use serde_json::{Value, json};
use tenancy::{Guarded, KnownKey, Stranger, TenantBinder};

use crate::cli::Place;
use crate::cli::binding::{Binding, Token};
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::kept::{self, Kept};
use crate::keyset::KeySet;
use crate::known::Lost;
use crate::{out, rotation};

/// The protected databases that a command means.
struct Meant {
    /// With what is remembered of each, and with its keys.
    found: Vec<(Kept, Guarded, KeySet)>,
    /// Those whose keys cannot be had, or that could not be opened.
    lost: Vec<Lost>,
}

pub(crate) async fn run(place: &Place, binding: Binding) -> anyhow::Result<Exit> {
    Installation::with(place, async |installation| match binding {
        Binding::Token(token) => mint(place, installation, &token),
        Binding::Rotate { database } => rotate(place, installation, database.as_deref()).await,
        Binding::List { database } => list(place, installation, database.as_deref()).await,
    })
    .await
}

fn mint(place: &Place, installation: &Installation, token: &Token) -> anyhow::Result<Exit> {
    let guarded = only(installation, token.database.as_deref())?;
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
    let Meant { found, lost } = meant(installation, database).await?;
    for (kept, guarded, _) in found {
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
    tell(place, all, &lost)
}

async fn list(
    place: &Place,
    installation: &Installation,
    database: Option<&str>,
) -> anyhow::Result<Exit> {
    let mut all = Vec::new();
    let Meant { found, lost } = meant(installation, database).await?;
    for (kept, guarded, keys) in found {
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
    tell(place, all, &lost)
}

/// The end of a command about all of them: those that are lost are named, and it was not done for these.
fn tell(place: &Place, mut all: Vec<Value>, lost: &[Lost]) -> anyhow::Result<Exit> {
    if place.json {
        all.extend(lost.iter().map(|one| json!({"database": one.kept.database, "lost": one.why})));
        out::line(&serde_json::to_string_pretty(&all)?);
    } else {
        for one in lost {
            out::line(&unopened(one));
        }
    }
    Ok(if lost.is_empty() { Exit::Holds } else { Exit::CannotTell })
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

/// The protected database of this name.
pub(super) fn one(installation: &Installation, name: &str) -> anyhow::Result<Guarded> {
    only(installation, Some(name))
}

/// The same, or the only protected one. One that could not be opened counts: another is not taken in its
/// place.
fn only(installation: &Installation, name: Option<&str>) -> anyhow::Result<Guarded> {
    let known = installation.known();
    let meant = |database: &str| name.is_none_or(|name| name == database);
    let found: Vec<&Guarded> =
        known.guarded.iter().filter(|one| meant(&one.protected.name)).collect();
    let lost: Vec<&Lost> = known.lost.iter().filter(|one| meant(&one.kept.database)).collect();
    let words = match (found.as_slice(), lost.as_slice(), name) {
        ([one], [], _) => return Ok((*one).clone()),
        ([], [one], _) => anyhow::bail!(unopened(one)),
        ([], [], _) => return Err(none(name).into()),
        (_, _, Some(name)) => format!(
            "two databases called {name} are protected here, and which one is meant cannot be told"
        ),
        (_, _, None) => "several databases are protected: name one with --database".to_owned(),
    };
    Err(Usage(words).into())
}

/// Each is looked at by itself: one whose keys are not there is no reason to leave the others.
async fn meant(installation: &Installation, database: Option<&str>) -> anyhow::Result<Meant> {
    let known = installation.known();
    let mut meant = Meant { found: Vec::new(), lost: Vec::new() };
    for kept in kept::all(&installation.data)? {
        if database.is_some_and(|name| kept.database != name) {
            continue;
        }
        let why = match kept.keys(&installation.strongbox).await {
            Ok(keys) => match rotation::find(&known.guarded, &keys) {
                Some(guarded) => {
                    meant.found.push((kept, guarded.clone(), keys));
                    continue;
                }
                None => match known.lost.iter().find(|one| one.kept.is_at(&kept)) {
                    Some(lost) => lost.why.clone(),
                    None => "it was protected a moment ago; run this again".to_owned(),
                },
            },
            // A control database that is away says nothing about this one.
            Err(error) if kept::is_away(&error) => return Err(error),
            Err(error) => out::words(&error),
        };
        meant.lost.push(Lost { kept, why });
    }
    if meant.found.is_empty() && meant.lost.is_empty() {
        return Err(none(database).into());
    }
    Ok(meant)
}

fn none(database: Option<&str>) -> Usage {
    Usage(match database {
        Some(name) => format!("no database {name} is protected here; see `amanah protect`"),
        None => "no database is protected yet; see `amanah protect`".to_owned(),
    })
}

/// What is said of one that is protected, and with which nothing can be done for now.
fn unopened(lost: &Lost) -> String {
    format!(
        "database {} is protected here and could not be opened: {}. Mend it and run `amanah protect` on \
         it again, or undo its protection",
        shown(&lost.kept.database),
        shown(&lost.why)
    )
}
