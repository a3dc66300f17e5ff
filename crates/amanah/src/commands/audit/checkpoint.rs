//! `amanah audit checkpoint`: the newest head of a log, and the key that checks it.
//!
//! It promises to print nothing as a checkpoint that the key of this installation has not signed.

use anyhow::bail;
use audit::seal::Head;
use serde_json::json;

use crate::cli::Place;
use crate::cli::audit::Checkpoint;
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::out;
use crate::trail::{Log, Pen};

pub(crate) async fn run(place: &Place, wanted: Checkpoint) -> anyhow::Result<Exit> {
    Installation::with(place, async |house| print(place, house, &wanted).await).await
}

async fn print(place: &Place, house: &Installation, wanted: &Checkpoint) -> anyhow::Result<Exit> {
    let log = one(house, wanted.database.as_deref())?;
    let keys = Pen::known(&house.ring.keys)?.verifiers(&log)?;
    let lines: Vec<String> = keys.iter().map(ToString::to_string).collect();
    if wanted.key && !place.json {
        out::line(&lines.join("\n"));
        return Ok(Exit::Holds);
    }
    let Some(stored) = log.shelf.checkpoint().await? else {
        bail!("the trail of {} was not sealed yet; `amanah up` does it", log.database)
    };
    let head = Head::open(&stored.note, &log.origin, &keys)?;
    if place.json {
        let told = json!({
            "database": log.database, "log": log.origin, "id": log.id, "keys": lines,
            "place": log.shelf.place(), "size": head.size, "root": head.root.to_string(),
            "time": head.time, "checkpoint": stored.note,
        });
        out::line(&serde_json::to_string_pretty(&told)?);
    } else {
        out::line(stored.note.trim_end());
    }
    Ok(Exit::Holds)
}

/// The log of the named database, or of the only one.
///
/// # Errors
/// When there is none, or it cannot be told which is meant.
pub(crate) fn one(house: &Installation, database: Option<&str>) -> anyhow::Result<Log> {
    let known = house.known();
    let logs = known.kept.iter().map(|kept| Log::of(kept, &house.data, &house.config, &house.cx));
    let mut logs = logs.collect::<anyhow::Result<Vec<_>>>()?;
    if let Some(wanted) = database {
        let names: Vec<_> = logs.iter().map(|log| log.database.clone()).collect();
        logs.retain(|log| log.database == wanted);
        return logs.pop().ok_or_else(|| {
            let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Usage(format!("{wanted} is not protected here; protected: {there}")).into()
        });
    }
    if logs.len() > 1 {
        let names: Vec<_> = logs.iter().map(|log| log.database.as_str()).collect();
        return Err(Usage(format!("say with --database which: {}", names.join(", "))).into());
    }
    let none = || Usage("no database is protected here; see `amanah protect`".to_owned()).into();
    logs.pop().ok_or_else(none)
}
