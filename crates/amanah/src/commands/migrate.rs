//! `amanah migrate`: the application's own migrations, over all tenants.

use std::path::Path;

use anyhow::Context;
use tenancy::{Campaign, Done, Progress, Script};

use crate::cli::Place;
use crate::cli::tenant::Migrate;
use crate::commands::bar;
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::out;

/// A migration larger than this, in bytes, is a mistake.
const MAX_BYTES: u64 = 16 << 20;
/// How many failures are spelled out; `--json` has them all.
const LISTED: usize = 10;

pub(crate) async fn run(place: &Place, migrate: Migrate) -> anyhow::Result<Exit> {
    let scripts = read(&migrate.folder).map_err(|error| Usage(format!("{error:#}")))?;
    let campaign = Campaign { workers: migrate.workers, budget: migrate.budget };
    Installation::with(place, async |installation| {
        let bar = bar("migrating");
        let watch = |progress: Progress| {
            bar.set_length(progress.total as u64);
            bar.set_position(progress.done as u64);
            if progress.failed > 0 {
                bar.set_message(format!("{} failed", progress.failed));
            }
        };
        let done = installation.fleet.migrate(&scripts, campaign, &watch).await?;
        bar.finish_and_clear();
        tell(place, &done)
    })
    .await
}

fn tell(place: &Place, done: &Done) -> anyhow::Result<Exit> {
    let all = done.failed.is_empty() && done.unreached.is_empty() && done.left.is_empty();
    if place.json {
        out::line(&serde_json::to_string_pretty(done)?);
    } else {
        out::line(&format!(
            "{} databases are up to date, {} of them since now; {} failed, {} were not reached, {} \
             were not begun",
            done.current,
            done.migrated,
            done.failed.len(),
            done.unreached.len(),
            done.left.len()
        ));
        for (tenant, why) in done.failed.iter().chain(&done.unreached).take(LISTED) {
            out::line(&format!("  {tenant}: {why}"));
        }
        if !all {
            out::aside(
                "Mend what failed, and what cannot be reached, and run the same again: it goes on where it stopped.",
            );
        }
    }
    Ok(if all { Exit::Holds } else { Exit::CannotTell })
}

/// The scripts of a folder, in the order of their names.
fn read(folder: &Path) -> anyhow::Result<Vec<Script>> {
    let cannot = || format!("the folder {} cannot be read", folder.display());
    let mut scripts = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        if path.extension().is_none_or(|extension| extension != "sql") {
            continue;
        }
        let cannot = || format!("{} cannot be read", path.display());
        anyhow::ensure!(
            std::fs::metadata(&path).with_context(cannot)?.len() <= MAX_BYTES,
            "{} is larger than 16 MiB: it is no migration",
            path.display()
        );
        let text = std::fs::read_to_string(&path).with_context(cannot)?;
        let name = path.file_name().and_then(|name| name.to_str()).with_context(cannot)?;
        scripts.push(Script::new(name, &text)?);
    }
    anyhow::ensure!(!scripts.is_empty(), "{} holds no *.sql", folder.display());
    scripts.sort_by(|a, b| a.name().cmp(b.name()));
    Ok(scripts)
}
