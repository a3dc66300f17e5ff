//! `amanah audit unrecorded` and `explain`: what the log of writes and the trail do not agree about.

use anyhow::Context as _;
use audit::wal::{Look, Open};
use kernel::shown;
use serde_json::json;
use tenancy::Guarded;

use crate::cli::Place;
use crate::cli::audit::{Explain, Unrecorded};
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::out;

/// Reads the logs to their end and lists what is open. What is found in one database is told whatever
/// became of the others.
pub(crate) async fn run(place: &Place, wanted: Unrecorded) -> anyhow::Result<Exit> {
    Installation::with(place, async |installation| {
        let known = installation.known();
        let named = |name: &str| wanted.database.as_ref().is_none_or(|wanted| wanted == name);
        let mut all = Vec::new();
        for guarded in known.guarded.iter().filter(|one| named(&one.protected.name)) {
            let seen = look(installation, guarded).await;
            let seen = seen.unwrap_or_else(|error| Err(out::words(&error)));
            all.push((guarded.protected.name.clone(), seen));
        }
        for lost in known.lost.iter().filter(|lost| named(&lost.kept.database)) {
            all.push((lost.kept.database.clone(), Err(lost.why.clone())));
        }
        if all.is_empty() {
            return Err(Usage("no such database is protected: amanah protect".to_owned()).into());
        }
        tell(place, &all);
        Ok(Exit::worst(all.iter().map(|(_, seen)| match seen {
            Ok(open) if open.is_empty() => Exit::Holds,
            Ok(_) => Exit::Fails,
            Err(_) => Exit::CannotTell,
        })))
    })
    .await
}

/// What was seen in one database: what is open, or why that cannot be told.
type Seen = Result<Vec<Open>, String>;

fn tell(place: &Place, all: &[(String, Seen)]) {
    if place.json {
        let data = all.iter().map(|(name, seen)| match seen {
            Ok(open) => json!({"database": name, "differences": open}),
            Err(why) => json!({"database": name, "unknown": why}),
        });
        out::line(&format!("{:#}", json!(data.collect::<Vec<_>>())));
        return;
    }
    for (name, seen) in all {
        match seen {
            Ok(open) => show(name, open),
            Err(why) => out::aside(&format!("{name}: not compared: {why}")),
        }
    }
}

/// What is open in one database, or why that cannot be told.
async fn look(installation: &Installation, guarded: &Guarded) -> anyhow::Result<Seen> {
    let Some(superuser) = &guarded.protected.superuser else {
        return Ok(Err("it takes a superuser to read the log of writes".to_owned()));
    };
    let comparison = installation.comparison();
    Ok(match comparison.read(superuser).await? {
        Look::Impossible(why) => Err(why),
        Look::More => Err("there is more of the log: run it again".to_owned()),
        Look::Done { .. } => {
            let standing = comparison.standing(superuser).await?;
            Ok(standing.context("the log was not read")?.open)
        }
    })
}

fn show(name: &str, open: &[Open]) {
    if open.is_empty() {
        out::line(&format!("{name}: every write has its record, and every record its write."));
    }
    for Open { id, kind, xid, schema, table, action, changes, records, seen_at, .. } in open {
        let table = shown(&format!("{schema}.{table}"));
        out::line(&format!(
            "{id:>6}  {seen_at:.0}  {kind:<13}  {action} on {table}: {changes} written, {records} recorded, \
             transaction {xid}"
        ));
    }
}

/// Notes what a difference was.
pub(crate) async fn explain(place: &Place, wanted: Explain) -> anyhow::Result<Exit> {
    let Explain { number, by, why } = &wanted;
    Installation::with(place, async |installation| {
        if !installation.comparison().explain(*number, by, why).await? {
            return Err(Usage(format!("there is no difference {number} that is still open")).into());
        }
        if !place.json {
            out::line(&format!(
                "Difference {number} is explained; the claim looks at it no longer."
            ));
        }
        Ok(Exit::Holds)
    })
    .await
}
