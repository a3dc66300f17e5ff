//! `amanah audit verify`: every row of a trail against its log, and the log against its checkpoint.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ::audit::seal::Folder;
use ::audit::verify::{
    Acceptances, Accepted, Damage, Job, KeptCheckpoint, Kind, Memory, Report, STALE, Signed, verify,
};
use indicatif::ProgressBar;
use kernel::Clock as _;
use serde_json::{Value, json};
use tlog::{Head, Verifier};

use crate::cli::{Place, audit};
use crate::commands::bar;
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::known::Named;
use crate::trail::{self, Log, Pen};
use crate::{archived, out};

/// A trail, or a copy of a log, and what was seen of it.
struct Verified {
    /// The database; none for a copy of a log.
    database: Option<String>,
    /// What the log calls itself.
    log: String,
    /// Where it lies.
    place: String,
    /// What was found, or why it could not be looked at.
    seen: Result<Report, String>,
}

/// What is found in one trail is told whatever became of the others.
pub(crate) async fn run(place: &Place, wanted: audit::Verify) -> anyhow::Result<Exit> {
    let all = match &wanted.log {
        Some(folder) => vec![alone(folder, &wanted).await?],
        None => Installation::with(place, async |house| ours(house, &wanted).await).await?,
    };
    tell(place, &all)?;
    Ok(Exit::worst(all.iter().map(|one| match &one.seen {
        Ok(report) if !report.damage.is_empty() => Exit::Fails,
        Ok(report) if report.is_clean() => Exit::Holds,
        Ok(_) | Err(_) => Exit::CannotTell,
    })))
}

/// The trails of this installation, or the one that is wanted.
async fn ours(house: &Installation, wanted: &audit::Verify) -> anyhow::Result<Vec<Verified>> {
    let known = house.known();
    let named = known.named(&house.ground, wanted.database.as_deref())?;
    if named.len() > 1 && !wanted.checkpoint.is_empty() {
        let why = "say with --database of which one the checkpoints are";
        return Err(Usage(why.to_owned()).into());
    }
    let mut all = Vec::new();
    for one in named {
        let log = Log::of(one.kept, &house.data, &house.config, &house.cx)?;
        let seen = match of(house, &one, &log, &wanted.checkpoint).await {
            Err(error) if error.is::<Usage>() => return Err(error),
            seen => seen.map_err(|error| out::words(&error)),
        };
        let place = log.shelf.place();
        all.push(Verified { database: Some(one.name), log: log.origin, place, seen });
    }
    Ok(all)
}

/// A copy of a log, wherever it comes from.
async fn alone(folder: &Path, wanted: &audit::Verify) -> anyhow::Result<Verified> {
    let kept = kept(&wanted.checkpoint, &wanted.key)?;
    let files = Folder::new(folder);
    let now = kernel::SystemClock.now();
    let job = Job {
        shelf: &files,
        keys: &wanted.key,
        current: None,
        kept: &kept,
        accepted: &[],
        database: None,
        archive: None,
        now,
        stale: STALE,
    };
    let seen = watched(&job).await.map_err(|error| error.to_string());
    let log = wanted.key.first().map(Verifier::name).unwrap_or_default().to_owned();
    Ok(Verified { database: None, log, place: folder.display().to_string(), seen })
}

/// The trail of one database, held against the checkpoints that were kept here and by others.
async fn of(
    house: &Installation,
    named: &Named<'_>,
    log: &Log,
    files: &[PathBuf],
) -> anyhow::Result<Report> {
    let keys = Pen::known(&house.ring.keys)?.verifiers(log)?;
    let archive = archived::place(house, log)?;
    let memory = Memory::at(log.seen(&house.data));
    let own = memory.kept(&keys)?;
    let all = [own.clone(), kept(files, &keys)?].concat();
    let accepted = Acceptances::at(log.accepted(&house.data)).all(&keys)?;
    let job = Job {
        shelf: &*log.shelf,
        keys: &keys,
        current: keys.first(),
        kept: &all,
        accepted: &accepted,
        database: Some(trail::reader(named.guarded()?)),
        archive: archive.as_ref(),
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
fn kept(files: &[PathBuf], keys: &[Verifier]) -> anyhow::Result<Vec<KeptCheckpoint>> {
    let mut all = Vec::new();
    for file in files {
        let wrong = |why: String| Usage(format!("{}: {why}", file.display()));
        let note = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        let signed = Signed::open(&note, keys).map_err(|error| wrong(error.to_string()))?;
        all.push(KeptCheckpoint { signed, source: file.display().to_string(), whole: false });
    }
    Ok(all)
}

fn tell(place: &Place, all: &[Verified]) -> anyhow::Result<()> {
    if place.json {
        let told: Vec<Value> = all.iter().map(data).collect();
        out::line(&serde_json::to_string_pretty(&told)?);
        return Ok(());
    }
    for one in all {
        let name = one.database.as_ref().unwrap_or(&one.place);
        match &one.seen {
            Ok(report) => out::line(&text(name, report, one.database.is_some())),
            Err(why) => out::line(&format!("{name}: cannot be verified now: {why}")),
        }
    }
    Ok(())
}

fn text(name: &str, report: &Report, with_rows: bool) -> String {
    let mut lines = Vec::new();
    if let Some(signed) = &report.head {
        let (size, under) = (out::count(signed.head.size, "entry"), signed.named());
        lines.push(format!("{name}: {size} under {under}"));
    } else {
        lines.push(format!("{name}: no checkpoint that can be believed, so nothing was compared"));
    }
    if with_rows {
        let rows = out::count(report.rows, "row");
        lines.push(format!(
            "  {rows} read: {} as sealed ({} of them erased since), {} not sealed yet",
            report.whole, report.erased, report.unsealed
        ));
    } else {
        lines.push("  The log alone was read; of the rows it says nothing".to_owned());
    }
    if report.archived > 0 {
        lines.push(format!("  {} of the rows lie in the archive", report.archived));
    }
    for (index, epoch) in report.epochs.iter().skip(1) {
        lines.push(format!("  Epoch {} since entry {index}: {}", epoch.epoch, epoch.why));
        for Accepted { by, at, why, .. } in answers(report, *index) {
            lines.push(format!("    Accepted by {by} on {at:.0}: {why}"));
        }
    }
    if report.undone > 0 {
        let undone = out::count(report.undone, "row");
        lines.push(format!("  {undone} gone with an epoch that somebody answers for"));
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
        (false, _) => format!("  {damaged}:"),
    });
    let kinds: BTreeSet<Kind> = report.damage.iter().map(|damage| damage.kind).collect();
    lines.extend(kinds.iter().map(|kind| format!("    {}: {}", kind.name(), kind.meaning())));
    lines.join("\n")
}

/// Who answers for the epoch that begins with this entry.
fn answers(report: &Report, entry: u64) -> impl Iterator<Item = &Accepted> {
    report.accepted.iter().filter(move |one| one.entry == entry)
}

fn data(one: &Verified) -> Value {
    let damage = |one: &Damage| {
        json!({
            "name": one.kind.name(), "object": one.object, "what": one.what,
            "after": one.after, "before": one.before,
        })
    };
    let head = |signed: &Signed| {
        let Head { size, root, time } = &signed.head;
        json!({"size": size, "root": root.to_string(), "time": time})
    };
    let accepted = |one: &Accepted| json!({"by": one.by, "why": one.why, "time": one.at});
    let epochs = |report: &Report| {
        let all = report.epochs.iter().map(|(entry, epoch)| {
            let accepted = answers(report, *entry).next().map(accepted);
            json!({"entry": entry, "epoch": epoch.epoch, "why": epoch.why, "accepted": accepted})
        });
        all.collect::<Vec<_>>()
    };
    let report = one.seen.as_ref().ok();
    json!({
        "database": one.database,
        "log": one.log,
        "place": one.place,
        // Where nothing wrong was seen, but not everything either, it cannot be told.
        "holds": report.and_then(|report| match (report.is_clean(), report.damage.is_empty()) {
            (clean, true) => clean.then_some(true),
            (_, false) => Some(false),
        }),
        "why": one.seen.as_ref().err(),
        "checkpoint": report.and_then(|report| report.head.as_ref()).map(head),
        "rows": report.map(|report| report.rows),
        "archived": report.map(|report| report.archived),
        "as_sealed": report.map(|report| report.whole),
        "erased": report.map(|report| report.erased),
        "not_sealed_yet": report.map(|report| report.unsealed),
        "undone": report.map(|report| report.undone),
        "unsaid": report.map(|report| report.unsaid),
        "epochs": report.map(epochs),
        "damage": report.map(|report| report.damage.iter().map(damage).collect::<Vec<_>>()),
    })
}
