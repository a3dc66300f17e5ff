//! `amanah file`: files of tenants.

use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::Path;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use kernel::{
    Condition, FileCard, Listing, MAX_FILES_LISTED, NewFile, Rng, TenantFiles as _, TenantId,
};
use keys::whole::{self, Unfinished};
use serde_json::{Value, json};
use tenancy::{Files, Usage as Used};
use tokio::fs::File as Input;
use tokio::io::AsyncReadExt as _;

use crate::cli::Place;
use crate::cli::files::{File, Get, Put, Which};
use crate::commands::bar;
use crate::config::shown;
use crate::exit::{Exit, Usage};
use crate::installation::Installation;
use crate::out;

/// How much is read at a time, in bytes.
const PIECE_BYTES: usize = 256 << 10;

pub(crate) async fn run(place: &Place, file: File) -> anyhow::Result<Exit> {
    Installation::with(place, async |installation| {
        let files = &installation.files;
        match file {
            File::Put(what) => put(place, files, what).await?,
            File::Get(what) => get(place, files, what, &*installation.cx.rng).await?,
            File::List { tenant, prefix } => list(place, files, &tenant, &prefix).await?,
            File::Remove { which: Which { tenant, name } } => {
                files.remove(&tenant, &name, &Condition::None).await?;
                tell(place, &format!("{name} is removed"), &json!({"removed": name}))?;
            }
            File::Usage { tenant } => {
                let all = match &tenant {
                    Some(tenant) => vec![files.usage(tenant).await?],
                    None => files.usages().await?,
                };
                usages(place, &all)?;
            }
            File::Quota { tenant, bytes, files: count, default } => {
                let set = if default {
                    files.set_quota(&tenant, None, None).await?
                } else {
                    files.change_quota(&tenant, bytes, count).await?
                };
                usages(place, &[set])?;
            }
            File::Tidy { remove, adopt } => {
                if adopt {
                    files.adopt().await?;
                }
                strays(place, files, remove).await?;
            }
        }
        Ok(Exit::Holds)
    })
    .await
}

async fn put(place: &Place, files: &Files, what: Put) -> anyhow::Result<()> {
    let Put { which: Which { tenant, name }, from, content_type, new } = what;
    let mut source = if let Some(path) = &from {
        let unreadable = || Usage(format!("{} cannot be read", path.display()));
        Input::open(path).await.with_context(unreadable)?
    } else {
        Input::from_std(std::io::stdin().as_fd().try_clone_to_owned()?.into())
    };
    let meta = source.metadata().await?;
    // A pipe does not know how long it is going to be.
    let bytes = meta.is_file().then_some(meta.len());
    let condition = if new { Condition::Absent } else { Condition::None };
    let bar = progress("sealing", bytes);
    let mut writer =
        files.write(&tenant, &name, NewFile { content_type, bytes, condition }).await?;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let count = source.read(&mut piece).await.context("the file cannot be read to its end")?;
        let Some(read) = piece.get(..count).filter(|read| !read.is_empty()) else { break };
        writer.push(read).await?;
        bar.inc(count as u64);
    }
    let written = writer.finish().await?;
    bar.finish_and_clear();
    let how = if written.replaced { "took the place of the one before" } else { "is kept" };
    let words = format!("{name} {how}: {}", shown(written.card.bytes));
    tell(place, &words, &json!({"file": written.card, "replaced": written.replaced}))
}

/// Writes a file whole or not at all, so that nobody takes a part for it.
async fn get(place: &Place, files: &Files, what: Get, rng: &dyn Rng) -> anyhow::Result<()> {
    let Get { which: Which { tenant, name }, out: to } = what;
    let mut reader = files.read(&tenant, &name).await?;
    let card = reader.card().clone();
    let bar = progress("opening", Some(card.bytes));
    let fresh = to.as_deref().map(|to| begin(to, rng)).transpose()?;
    let mut at = 0;
    while at < card.bytes {
        let piece = reader.next(at..card.bytes).await?;
        match &fresh {
            Some(fresh) => fresh.file().write_all(&piece).context("it cannot be written")?,
            None => std::io::stdout().lock().write_all(&piece)?,
        }
        at += piece.len() as u64;
        bar.set_position(at);
    }
    bar.finish_and_clear();
    let (Some(fresh), Some(to)) = (fresh, to) else {
        return Ok(std::io::stdout().lock().flush()?);
    };
    fresh.replace().with_context(|| cannot(&to))?;
    let words = format!("{name} is in {}: {}", to.display(), shown(card.bytes));
    tell(place, &words, &json!({"file": card, "out": to}))
}

fn begin(to: &Path, rng: &dyn Rng) -> anyhow::Result<Unfinished> {
    whole::sweep(to).with_context(|| cannot(to))?;
    Unfinished::begin(to, rng).with_context(|| cannot(to))
}

fn cannot(to: &Path) -> String {
    format!("{} cannot be written", to.display())
}

async fn list(place: &Place, files: &Files, tenant: &TenantId, prefix: &str) -> anyhow::Result<()> {
    let (mut all, mut cursor): (Vec<FileCard>, Option<String>) = (Vec::new(), None);
    let mut some = false;
    loop {
        let which = Listing { prefix, cursor: cursor.as_deref(), limit: MAX_FILES_LISTED };
        let page = files.list(tenant, which).await?;
        some |= !page.files.is_empty();
        if place.json {
            all.extend(page.files);
        } else {
            for card in page.files {
                let at = card.created_at.strftime("%Y-%m-%d %H:%M");
                out::line(&format!("{at}  {:>10}  {}", shown(card.bytes), card.name));
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    if place.json {
        out::line(&serde_json::to_string_pretty(&all)?);
    } else if !some {
        let which = if prefix.is_empty() { "" } else { " whose name begins like this" };
        out::line(&format!("{tenant} has no file{which}"));
    }
    Ok(())
}

fn usages(place: &Place, all: &[Used]) -> anyhow::Result<()> {
    let line = |usage: &Used| {
        let own = if usage.own { ", set for it" } else { "" };
        format!(
            "{}: {} of {}, {} of {} files{own}",
            usage.tenant,
            shown(usage.used.bytes),
            shown(usage.allowed.bytes),
            usage.used.files,
            usage.allowed.files
        )
    };
    let mut lines: Vec<String> = all.iter().map(line).collect();
    if lines.is_empty() {
        lines.push("no tenant has files; `amanah file put` makes one".to_owned());
    }
    tell(place, &lines.join("\n"), &json!(all))
}

async fn strays(place: &Place, files: &Files, remove: bool) -> anyhow::Result<()> {
    let found = files.tidy(remove).await?;
    let count = format!("{} objects, {}", found.objects, shown(found.bytes));
    let words = match (found.objects, remove) {
        (0, _) => "every object that is older than a day is known".to_owned(),
        (_, true) => format!("{count}: no row knew them, and they are removed"),
        (_, false) => format!(
            "{count}: no row knows them, and they are kept. Where no newer control database is to be \
             put back, `amanah file tidy --remove` removes them"
        ),
    };
    tell(place, &words, &json!(found))
}

fn tell(place: &Place, words: &str, data: &Value) -> anyhow::Result<()> {
    out::line(&if place.json { serde_json::to_string_pretty(data)? } else { words.to_owned() });
    Ok(())
}

fn progress(what: &'static str, bytes: Option<u64>) -> ProgressBar {
    let bar = bar(what);
    if let Some(bytes) = bytes {
        bar.set_length(bytes);
    }
    let template = "{prefix} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
