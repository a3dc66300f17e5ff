//! `amanah keys seal`, `open` and `rewrap`: files of any size.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::ops::Range;
use std::path::Path;

use anyhow::Context;
use indicatif::ProgressStyle;
use kernel::Rng;
use keys::object::{self, Object, Sidecar};
use keys::whole::{self, Unfinished};
use keys::{KeyRef, Keys};
use serde_json::json;

use super::change::show;
use super::named;
use crate::cli::Place;
use crate::cli::keys::{Open, Seal};
use crate::commands::bar;
use crate::exit::{Exit, Usage};
use crate::keyring::Keyhouse;
use crate::out;

/// What a sealed file's name has more than the file's.
const SUFFIX: &str = "sealed";

pub(crate) async fn seal(place: &Place, seal: Seal) -> anyhow::Result<Exit> {
    let key = named(&seal.key, seal.tenant)?;
    let to = seal.out.unwrap_or_else(|| seal.file.with_added_extension(SUFFIX));
    let name = seal.object.map_or_else(|| base_name(&to), Ok)?;
    let source = source(&seal.file)?;
    if to.exists() {
        return Err(taken(&to).into());
    }
    Keyhouse::with(place, async |house| {
        let keys = house.keys().await?;
        if key.tenant.is_some() {
            keys.ensure(&key).await?;
        }
        let rng = house.cx.rng.clone();
        let bar = bytes_bar("sealing", &source)?;
        let (target, bytes) = (to.clone(), source.metadata()?.len());
        let (seal_key, object) = (key.clone(), name.clone());
        let work = move || {
            let object = Object { key: &seal_key, name: &object };
            seal_into(&keys, &*rng, object, bar.wrap_read(source), &target)?;
            bar.finish_and_clear();
            anyhow::Ok(())
        };
        tokio::task::spawn_blocking(work).await??;
        let sidecar = Sidecar::beside(&to);
        if place.json {
            out::line(
                &json!({"sealed": to, "sidecar": sidecar, "object": name, "key": key, "bytes": bytes})
                    .to_string(),
            );
        } else {
            out::line(&format!("{} is sealed with key {key}.", to.display()));
            out::line(&format!("  Keep {} beside it: without it nobody opens it.", sidecar.display()));
        }
        Ok(Exit::Holds)
    })
    .await
}

/// Seals what `reader` gives into the file `to` and its sidecar. Both have their names when both are
/// whole, and what a seal that was killed left of them is in nobody's way.
fn seal_into(
    keys: &Keys,
    rng: &dyn Rng,
    object: Object<'_>,
    reader: impl Read,
    to: &Path,
) -> anyhow::Result<()> {
    if !object::vacate(keys, to).with_context(|| cannot(to))? {
        return Err(taken(to).into());
    }
    let fresh = Unfinished::begin(to, rng).with_context(|| cannot(to))?;
    let mut file = BufWriter::new(fresh.file());
    let sidecar = object::seal(keys, rng, object, threads(), reader, &mut file)?;
    file.flush().with_context(|| cannot(to))?;
    drop(file);
    if object::settle(fresh, to, &sidecar, rng).with_context(|| cannot(to))? {
        return Ok(());
    }
    Err(taken(to).into())
}

pub(crate) async fn open(place: &Place, open: Open) -> anyhow::Result<Exit> {
    let name = open.object.map_or_else(|| base_name(&open.file), Ok)?;
    let source = source(&open.file)?;
    let sidecar = Sidecar::read(&open.file)?;
    let key = match &open.key {
        Some(key) => named(key, open.tenant)?,
        None => sidecar.key(),
    };
    if sidecar.object() != name {
        return Err(Usage(format!(
            "{} was sealed under the name `{}`, not `{name}`: somebody renamed it or put another \
             in its place. If it was you, say --object {0}",
            open.file.display(),
            sidecar.object().escape_debug(),
        ))
        .into());
    }
    Keyhouse::with(place, async |house| {
        let keys = house.keys().await?;
        let whole = Opening { keys, key: key.clone(), name, sidecar, source, range: open.range };
        let (out, file) = (open.out.clone(), open.file.clone());
        let rng = house.cx.rng.clone();
        let run = move || whole.run(out.as_deref(), &*rng);
        let bytes = tokio::task::spawn_blocking(run).await??;
        if let Some(to) = &open.out {
            if place.json {
                out::line(&json!({"opened": file, "out": to, "bytes": bytes}).to_string());
            } else {
                out::line(&format!("{} holds {bytes} bytes of {}.", to.display(), file.display()));
            }
        }
        Ok(Exit::Holds)
    })
    .await
}

pub(crate) async fn rewrap(place: &Place, folder: &Path) -> anyhow::Result<Exit> {
    if !folder.is_dir() {
        return Err(Usage(format!("{} is no folder", folder.display())).into());
    }
    let folder = folder.to_owned();
    Keyhouse::with(place, async |house| {
        let (keys, rng) = (house.keys().await?, house.cx.rng.clone());
        let bar = bar("rewrapping");
        let work = move || {
            let found =
                object::rewrap_tree(&keys, &*rng, &folder, &|progress| show(&bar, progress));
            bar.finish_and_clear();
            found
        };
        let found = tokio::task::spawn_blocking(work).await??;
        for left in &found.left {
            out::aside(&format!("{}: left as it was: {}", left.place.display(), left.why));
        }
        if place.json {
            let left: Vec<_> = found
                .left
                .iter()
                .map(|left| json!({"place": left.place, "why": left.why.to_string()}))
                .collect();
            let (moved, current) = (found.moved, found.current);
            let shredded = found.shredded;
            out::line(
                &json!({"moved": moved, "current": current, "shredded": shredded, "left": left})
                    .to_string(),
            );
        } else {
            out::line(&format!(
                "{} moved to the newest version, {} there already, {} of destroyed keys, {} left \
                 as they were. No file was touched, only what lies beside it.",
                found.moved,
                found.current,
                found.shredded,
                found.left.len()
            ));
        }
        Ok(if found.left.is_empty() { Exit::Holds } else { Exit::CannotTell })
    })
    .await
}

/// A file that is to be opened, whole or in part.
struct Opening {
    keys: Keys,
    key: KeyRef,
    name: String,
    sidecar: Sidecar,
    source: File,
    range: Option<Range<u64>>,
}

impl Opening {
    /// Writes the text to `to`, or to standard output, and returns its length in bytes.
    ///
    /// A file has its name once it is whole, and nobody else can read it. What was there before
    /// goes then and not sooner.
    fn run(self, to: Option<&Path>, rng: &dyn Rng) -> anyhow::Result<u64> {
        if let Some(to) = to {
            whole::sweep(to).with_context(|| cannot(to))?;
            let fresh = Unfinished::begin(to, rng).with_context(|| cannot(to))?;
            let mut file = BufWriter::new(fresh.file());
            let bytes = self.write(&mut file)?;
            file.flush().with_context(|| cannot(to))?;
            drop(file);
            fresh.replace().with_context(|| cannot(to))?;
            return Ok(bytes);
        }
        let mut out = BufWriter::new(std::io::stdout().lock());
        let bytes = self.write(&mut out)?;
        out.flush()?;
        Ok(bytes)
    }

    fn write(self, mut writer: impl Write) -> anyhow::Result<u64> {
        let object = Object { key: &self.key, name: &self.name };
        let Some(range) = self.range else {
            let (source, sidecar) = (self.source, &self.sidecar);
            return Ok(object::open(&self.keys, object, sidecar, threads(), source, writer)?);
        };
        let mut ranged = object::open_range(&self.keys, object, &self.sidecar, self.source)?;
        let bytes = ranged.copy(range, &mut writer)?;
        Ok(bytes)
    }
}

fn source(file: &Path) -> anyhow::Result<File> {
    File::open(file).with_context(|| Usage(format!("{} cannot be read", file.display())))
}

fn base_name(file: &Path) -> anyhow::Result<String> {
    let name = file.file_name().and_then(|name| name.to_str());
    let nameless = || Usage(format!("{} has no name in UTF-8; say --object", file.display()));
    Ok(name.map(str::to_owned).ok_or_else(nameless)?)
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn bytes_bar(what: &'static str, source: &File) -> anyhow::Result<indicatif::ProgressBar> {
    let bar = bar(what);
    bar.set_length(source.metadata()?.len());
    let template = "{prefix} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    Ok(bar)
}

fn cannot(to: &Path) -> String {
    format!("{} cannot be written", to.display())
}

/// Why nothing can be sealed under this name.
fn taken(to: &Path) -> Usage {
    if to.exists() {
        return Usage::taken(to, "--out");
    }
    Usage(format!(
        "{} is there already without its file; it was kept, because it may be all that opens one \
         that was moved. Put it beside that one, or choose another name with --out",
        Sidecar::beside(to).display()
    ))
}
