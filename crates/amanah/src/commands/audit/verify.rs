//! `amanah audit verify`: every row of a trail against its log, and the log against its checkpoint.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ::audit::seal::Folder;
use ::audit::verify::{Damage, Job, Kept, Memory, Report, STALE, Signed, verify};
use anyhow::Context as _;
use indicatif::ProgressBar;
use kernel::Clock as _;
use serde_json::{Value, json};
use tlog::Verifier;

use crate::cli::{Place, audit};
use crate::commands::audit::checkpoint::one;
use crate::commands::bar;
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::out;
use crate::trail::{Log, Pen, reader};

pub(crate) async fn run(place: &Place, wanted: audit::Verify) -> anyhow::Result<Exit> {
    if let Some(folder) = &wanted.log {
        let report = alone(folder, &wanted).await?;
        return Ok(tell(place, &[(folder.display().to_string(), report)]));
    }
    let reports = Installation::with(place, async |house| {
        let logs = match &wanted.database {
            Some(database) => vec![one(house, Some(database))?],
            None => all(house)?,
        };
        if logs.len() > 1 && !wanted.checkpoint.is_empty() {
            let why = "say with --database of which one the checkpoints are";
            return Err(Usage(why.to_owned()).into());
        }
        let mut reports = Vec::new();
        for log in logs {
            let report = of(house, &log, &wanted.checkpoint).await;
            reports.push((log.database.clone(), report.context(log.database)?));
        }
        Ok(reports)
    });
    Ok(tell(place, &reports.await?))
}

fn all(house: &Installation) -> anyhow::Result<Vec<Log>> {
    let known = house.known();
    let logs = known.kept.iter().map(|kept| Log::of(kept, &house.data, &house.config, &house.cx));
    let logs = logs.collect::<anyhow::Result<Vec<_>>>()?;
    if logs.is_empty() {
        let none = "no database is protected here; see `amanah protect`";
        return Err(Usage(none.to_owned()).into());
    }
    Ok(logs)
}

/// A copy of a log, wherever it comes from.
async fn alone(folder: &Path, wanted: &audit::Verify) -> anyhow::Result<Report> {
    let kept = kept(&wanted.checkpoint, &wanted.key)?;
    let files = Folder::new(folder);
    let now = kernel::SystemClock.now();
    let job =
        Job { shelf: &files, keys: &wanted.key, kept: &kept, database: None, now, stale: STALE };
    Ok(watched(&job).await?)
}

/// The trail of one database, held against the checkpoints that were kept here and by others.
async fn of(house: &Installation, log: &Log, files: &[PathBuf]) -> anyhow::Result<Report> {
    let keys = Pen::known(&house.ring.keys)?.verifiers(log)?;
    let memory = Memory::at(log.seen(&house.data));
    let own = memory.kept(&keys)?;
    let all = [own.clone(), kept(files, &keys)?].concat();
    let database = reader(house, log)?;
    let job = Job {
        shelf: &*log.shelf,
        keys: &keys,
        kept: &all,
        database: Some(&database),
        now: house.cx.clock.now(),
        stale: STALE,
    };
    let report = watched(&job).await?;
    memory.keep(&report, own)?;
    Ok(report)
}

/// Verifies with a bar that moves.
async fn watched(job: &Job<'_>) -> ::audit::Result<Report> {
    let drawn = Mutex::new(("", None::<ProgressBar>));
    let show = |what: &'static str, done: u64, total: u64| {
        let Ok(mut drawn) = drawn.lock() else { return };
        if drawn.0 != what {
            *drawn = (what, Some(bar(what)));
        }
        if let Some(bar) = &drawn.1 {
            bar.set_length(total);
            bar.set_position(done);
        }
    };
    let report = verify(job, &show).await;
    if let Ok((_, Some(bar))) = drawn.into_inner() {
        bar.finish_and_clear();
    }
    report
}

/// Checkpoints out of files. One that this log's key did not sign proves nothing either way.
fn kept(files: &[PathBuf], keys: &[Verifier]) -> anyhow::Result<Vec<Kept>> {
    let mut all = Vec::new();
    for file in files {
        let wrong = |why: String| Usage(format!("{}: {why}", file.display()));
        let note = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        let signed = Signed::open(&note, keys).map_err(|error| wrong(error.to_string()))?;
        all.push(Kept { signed, source: file.display().to_string(), whole: false });
    }
    Ok(all)
}

/// Prints what was found, and says what it comes to.
fn tell(place: &Place, reports: &[(String, Report)]) -> Exit {
    if place.json {
        let told: Vec<Value> = reports.iter().map(|(name, report)| data(name, report)).collect();
        out::line(&json!(told).to_string());
    } else {
        for (name, report) in reports {
            out::line(&text(name, report));
        }
    }
    let damaged = reports.iter().any(|(_, report)| !report.damage.is_empty());
    let unsaid = reports.iter().any(|(_, report)| report.unsaid > 0);
    match (damaged, unsaid) {
        (true, _) => Exit::Fails,
        (false, true) => Exit::CannotTell,
        (false, false) => Exit::Holds,
    }
}

fn text(name: &str, report: &Report) -> String {
    let mut lines = Vec::new();
    if let Some(signed) = &report.head {
        let (size, under) = (out::count(signed.head.size, "entry"), signed.named());
        lines.push(format!("{name}: {} under {under}", size.replace("entrys", "entries")));
    } else {
        lines.push(format!("{name}: no checkpoint that can be believed, so nothing was compared"));
    }
    let rows = out::count(report.rows, "row");
    lines.push(format!(
        "  {rows} read: {} as sealed ({} of them erased since), {} not sealed yet",
        report.whole, report.erased, report.unsealed
    ));
    for (index, epoch) in report.epochs.iter().skip(1) {
        lines.push(format!("  Epoch {} since entry {index}: {}", epoch.epoch, epoch.why));
    }
    if report.undone > 0 {
        lines.push(format!("  {} that a restore has undone", out::count(report.undone, "row")));
    }
    if report.unsaid > 0 {
        let unsaid = report.unsaid;
        lines.push(format!("  Of {unsaid} entries or rows nothing can be said"));
    }
    lines.extend(report.damage.iter().map(|damage| format!("  {damage}")));
    let damaged = out::count(report.damage.len(), "finding");
    lines.push(match (report.damage.is_empty(), report.is_clean()) {
        (true, true) => "  Nothing is wrong".to_owned(),
        (true, false) => {
            "  Nothing wrong was seen, but not everything could be compared".to_owned()
        }
        (false, _) => format!("  {damaged}; docs/trail.md says what each name means"),
    });
    lines.join("\n")
}

fn data(name: &str, report: &Report) -> Value {
    let damage = |one: &Damage| {
        json!({
            "name": one.kind.name(), "object": one.object, "what": one.what,
            "after": one.after, "before": one.before,
        })
    };
    let head = report.head.as_ref().map(|signed| {
        json!({"size": signed.head.size, "root": signed.head.root.to_string(), "time": signed.head.time})
    });
    let epochs = report
        .epochs
        .iter()
        .map(|(index, epoch)| json!({"entry": index, "epoch": epoch.epoch, "why": epoch.why}));
    json!({
        "trail": name,
        "right": report.is_clean(),
        "checkpoint": head,
        "rows": report.rows,
        "as_sealed": report.whole,
        "erased": report.erased,
        "not_sealed_yet": report.unsealed,
        "undone": report.undone,
        "unsaid": report.unsaid,
        "epochs": epochs.collect::<Vec<_>>(),
        "damage": report.damage.iter().map(damage).collect::<Vec<_>>(),
    })
}
