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

/// Reads the logs to their end and lists what is open.
pub(crate) async fn run(place: &Place, wanted: Unrecorded) -> anyhow::Result<Exit> {
    Installation::with(place, async |installation| {
        let known = installation.known();
        let named =
            |one: &&Guarded| wanted.database.as_ref().is_none_or(|d| *d == one.protected.name);
        let databases: Vec<_> = known.guarded.iter().filter(named).collect();
        if databases.is_empty() {
            return Err(Usage("no such database is protected: amanah protect".to_owned()).into());
        }
        let (mut exit, mut all) = (Exit::Holds, Vec::new());
        for guarded in databases {
            let name = &guarded.protected.name;
            match look(installation, guarded).await? {
                Ok(open) => {
                    if !open.is_empty() && exit == Exit::Holds {
                        exit = Exit::Fails;
                    }
                    show(place, name, &open);
                    all.push(json!({"database": name, "differences": open}));
                }
                Err(why) => {
                    exit = Exit::CannotTell;
                    out::aside(&format!("{name}: not compared: {why}"));
                    all.push(json!({"database": name, "unknown": why}));
                }
            }
        }
        if place.json {
            out::line(&format!("{:#}", json!(all)));
        }
        Ok(exit)
    })
    .await
}

/// What is open in one database, or why that cannot be told.
async fn look(
    installation: &Installation,
    guarded: &Guarded,
) -> anyhow::Result<Result<Vec<Open>, String>> {
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

fn show(place: &Place, name: &str, open: &[Open]) {
    if place.json {
        return;
    }
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
