//! `amanah audit prove`: one row as a file that anybody checks who has the log's public key.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use ::audit::TrailRow;
use ::audit::reading::{Filter, ask};
use ::audit::seal::LogReader;
use ::audit::verify::{Signed, prove, row};
use anyhow::Context as _;
use serde_json::json;

use super::desk;
use crate::archived;
use crate::cli::{Place, audit};
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::out;
use crate::trail::{self, Log, Pen};

/// Why the row is read, as the row about that says.
const HANDED_OUT: &str = "to hand it out beside its proof (amanah audit prove --row)";

pub(crate) async fn run(place: &Place, wanted: audit::Prove) -> anyhow::Result<Exit> {
    let (proof, row) = Installation::with(place, async |house| proof(house, &wanted).await).await?;
    if let Some(file) = &wanted.row {
        write(file, &row.to_json()?, "--row")?;
    }
    if let Some(file) = &wanted.output {
        write(file, &proof, "--output")?;
    }
    match &wanted.output {
        _ if place.json => {
            let told = json!({"row": wanted.id, "proof": proof, "written": wanted.output});
            out::line(&serde_json::to_string_pretty(&told)?);
        }
        None => out::line(proof.trim_end()),
        Some(file) => out::line(&format!(
            "The proof of row {} is in {}. It says nothing of what the row says: --row writes that. \
             The line of the key that checks it is that of `amanah audit checkpoint --key`.",
            wanted.id,
            file.display()
        )),
    }
    Ok(Exit::Holds)
}

async fn proof(house: &Installation, wanted: &audit::Prove) -> anyhow::Result<(String, TrailRow)> {
    let known = house.known();
    let named = known.only(&house.ground, wanted.database.as_deref())?;
    let log = Log::of(named.kept, &house.data, &house.config, &house.cx)?;
    let keys = Pen::known(&house.ring.keys)?.verifiers(&log)?;
    let key = keys.first().context("the log has no key")?;
    if wanted.row.is_some()
        && let Some(auditor) = desk::login(house, &named).await?
    {
        // What the row says is handed out, which is a reading like any other.
        let one = Some(wanted.id);
        let filter = Filter { first: one, last: one, ..Filter::default() };
        ask(&auditor, &filter, HANDED_OUT).await?;
    }
    let reader = trail::reader(named.guarded()?);
    let found = match row(reader, wanted.id).await? {
        None => archived::beyond(house, &log)?.row(reader, wanted.id).await?,
        found => found,
    };
    let Some(row) = found else {
        return Err(Usage(format!("the trail of {} has no row {}", log.database, wanted.id)).into());
    };
    let stored = trail::newest(&log).await?;
    let signed = Signed::open(&stored.note, &keys)?;
    let files = LogReader::new(log.shelf.clone(), signed.head.size);
    Ok((prove(&files, &signed, key, &row).await?, row))
}

/// Writes a file that is not there yet, since somebody may have handed the other one on; for its owner
/// alone.
fn write(file: &Path, text: &str, option: &str) -> anyhow::Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut opened = match opened {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(Usage::taken(file, option).into());
        }
        Err(error) => return Err(error).with_context(|| file.display().to_string()),
    };
    let written = opened.write_all(text.as_bytes()).and_then(|()| opened.sync_all());
    written.with_context(|| file.display().to_string())
}
