//! `amanah audit checkpoint`: the newest head of a log, and the key that checks it.
//!
//! It promises to print nothing as a checkpoint that the key of this installation has not signed.

use serde_json::json;
use tlog::Head;

use crate::cli::Place;
use crate::cli::audit::Checkpoint;
use crate::exit::Exit;
use crate::installation::Installation;
use crate::out;
use crate::trail::{Log, Pen, newest};

pub(crate) async fn run(place: &Place, wanted: Checkpoint) -> anyhow::Result<Exit> {
    Installation::with(place, async |house| print(place, house, &wanted).await).await
}

async fn print(place: &Place, house: &Installation, wanted: &Checkpoint) -> anyhow::Result<Exit> {
    let known = house.known();
    let named = known.only(&house.ground, wanted.database.as_deref())?;
    let log = Log::of(named.kept, &house.data, &house.config, &house.cx)?;
    let keys = Pen::known(&house.ring.keys)?.verifiers(&log)?;
    let lines: Vec<String> = keys.iter().map(ToString::to_string).collect();
    if wanted.key && !place.json {
        out::line(&lines.join("\n"));
        return Ok(Exit::Holds);
    }
    let stored = newest(&log).await?;
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
