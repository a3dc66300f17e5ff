//! `amanah audit export`: the log with its rows, for whoever keeps or watches them elsewhere.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use ::audit::reading::{Export, Stamp, Writer};
use ::audit::seal::LogReader;
use ::audit::verify::Signed;
use anyhow::Context as _;
use serde_json::json;
use tlog::Verifier;

use super::desk::{Desk, Reader};
use crate::cli::{Place, audit};
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::out;
use crate::trail::{self, Log, Pen};

pub(crate) async fn run(place: &Place, wanted: audit::Export) -> anyhow::Result<Exit> {
    Installation::with(place, async |house| write(place, house, &wanted).await).await
}

/// Where it goes.
enum Sink<'a> {
    Output,
    File(File, &'a Path),
}

impl<'a> Sink<'a> {
    /// A file that is not there yet, since somebody may have handed the other one on; for its owner
    /// alone.
    fn open(file: Option<&'a Path>) -> anyhow::Result<Self> {
        let Some(path) = file else { return Ok(Self::Output) };
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let wrong = |error| Usage(format!("{}: {error}", path.display()));
        Ok(Self::File(opened.map_err(wrong)?, path))
    }

    /// Whether anybody takes it.
    fn put(&mut self, text: &str) -> anyhow::Result<bool> {
        match self {
            Self::Output => Ok(out::piece(text)),
            Self::File(file, path) => {
                let wrong = || format!("{}: it has no end, and is not whole", path.display());
                file.write_all(text.as_bytes()).with_context(wrong)?;
                Ok(true)
            }
        }
    }

    fn end(self) -> anyhow::Result<()> {
        if let Self::File(file, path) = self {
            file.sync_all().with_context(|| path.display().to_string())?;
        }
        Ok(())
    }
}

async fn write(
    place: &Place,
    house: &Installation,
    wanted: &audit::Export,
) -> anyhow::Result<Exit> {
    let known = house.known();
    let named = known.only(&house.ground, wanted.asked.database.as_deref())?;
    let log = Log::of(named.kept, &house.data, &house.config, &house.cx)?;
    let keys = Pen::known(&house.ring.keys)?.verifiers(&log)?;
    let desk = Desk::of(house, &named, &wanted.asked, Reader::Program).await?;
    let first = wanted.after.map_or(0, |last| last.saturating_add(1));
    let (signed, mut export) = open(&log, &keys, first, &desk).await?;
    let mut sink = Sink::open(wanted.output.as_deref())?;
    let stamp = Stamp {
        log: log.origin.clone(),
        checkpoint: signed.note.clone(),
        time: signed.head.time,
        first,
        next: signed.head.size,
    };
    let mut writer = Writer::new(wanted.format, stamp);
    let mut listens = sink.put(&writer.head())?;
    while listens && let Some(mut entry) = export.next().await? {
        entry.row = entry.row.map(|row| desk.shown.row(row));
        listens = sink.put(&writer.entry(&entry))?;
    }
    if !listens {
        return Ok(Exit::Holds);
    }
    let whole = export.is_whole();
    sink.put(&writer.tail(whole))?;
    sink.end()?;
    let (changed, missing) = writer.damaged();
    tell(place, wanted, &Sum { first, next: signed.head.size, changed, missing, whole });
    Ok(if whole && changed + missing == 0 { Exit::Holds } else { Exit::Fails })
}

/// Opens the log under its newest checkpoint. While it is read it may grow, and files of the former
/// checkpoint go: then the newer one is taken.
async fn open<'a>(
    log: &Log,
    keys: &[Verifier],
    first: u64,
    desk: &'a Desk,
) -> anyhow::Result<(Signed, Export<'a>)> {
    let mut signed = Signed::open(&trail::newest(log).await?.note, keys)?;
    loop {
        let size = signed.head.size;
        if first > size {
            return Err(Usage(format!("the log has {size} entries so far, from number 0")).into());
        }
        let files = LogReader::new(log.shelf.clone(), size);
        let asked = (&*desk.purpose, desk.reveal);
        match Export::open(files, &signed, first, &desk.login, asked, &desk.beyond).await {
            Ok(export) => return Ok((signed, export)),
            Err(error) => {
                let newer = Signed::open(&trail::newest(log).await?.note, keys)?;
                if newer.head.size <= size {
                    return Err(error.into());
                }
                signed = newer;
            }
        }
    }
}

struct Sum {
    first: u64,
    next: u64,
    changed: u64,
    missing: u64,
    whole: bool,
}

fn tell(place: &Place, wanted: &audit::Export, sum: &Sum) {
    let Sum { first, next, changed, missing, whole } = sum;
    if let (true, Some(file)) = (place.json, &wanted.output) {
        let told = json!({
            "file": file, "first": first, "next": next, "changed": changed, "missing": missing,
            "whole": whole,
        });
        out::line(&told.to_string());
        return;
    }
    let resume = next.checked_sub(1).map(|last| format!("; go on with --after {last}"));
    let root = if *whole {
        "they lead to the checkpoint"
    } else {
        "they do not lead to the checkpoint: `amanah audit verify` says what is damaged"
    };
    out::aside(&format!(
        "Entries {first} to {next}, the last one left out: {root}; {changed} changed, {missing} \
         missing{}",
        resume.unwrap_or_default()
    ));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::Sink;

    /// It holds the trail of all tenants: nobody else on the machine reads it, and no former file is
    /// written over.
    #[test]
    fn an_export_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("trail.csv");
        Sink::open(Some(&file)).unwrap().put("x").unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(Sink::open(Some(&file)).is_err());
    }
}
