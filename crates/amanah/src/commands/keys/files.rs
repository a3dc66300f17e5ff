//! `amanah keys seal`, `open` and `rewrap`: files of any size.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use indicatif::ProgressStyle;
use keys::object::{self, Object, Sidecar};
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
/// What a file that is being written has more, until it is whole.
const UNFINISHED: &str = "new";

pub(crate) async fn seal(place: &Place, seal: Seal) -> anyhow::Result<Exit> {
    let key = named(&seal.key, seal.tenant)?;
    let to = seal.out.unwrap_or_else(|| seal.file.with_added_extension(SUFFIX));
    let name = seal.object.map_or_else(|| base_name(&to), Ok)?;
    let source = source(&seal.file)?;
    if to.exists() || Sidecar::beside(&to).exists() {
        let words = "is there already; it was kept. Choose another name with --out";
        return Err(Usage(format!("{} {words}", to.display())).into());
    }
    Keyhouse::with(place, async |house| {
        let keys = house.keys().await?;
        if key.tenant.is_some() {
            keys.ensure(&key).await?;
        }
        let rng = house.cx.rng.clone();
        let (bar, threads) = (bytes_bar("sealing", &source)?, threads());
        let (target, bytes) = (to.clone(), source.metadata()?.len());
        let (seal_key, object) = (key.clone(), name.clone());
        let work = move || {
            let object = Object { key: &seal_key, name: &object };
            let reader = bar.wrap_read(source);
            write_whole(&target, |file| {
                let sidecar = object::seal(&keys, &*rng, object, threads, reader, file)?;
                // Before the object has its name: without this it would be lost.
                sidecar.write(&target, &*rng)?;
                bar.finish_and_clear();
                Ok(())
            })
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
        let bytes = tokio::task::spawn_blocking(move || whole.run(out.as_deref())).await??;
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
    fn run(self, to: Option<&Path>) -> anyhow::Result<u64> {
        if let Some(to) = to {
            return write_whole(to, |file| self.write(file));
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

/// Writes a file that nobody else can read, which has its name once it is whole. What was there
/// before goes then and not sooner.
fn write_whole<T>(
    to: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let fresh: PathBuf = to.with_added_extension(UNFINISHED);
    let cannot = || format!("{} cannot be written", fresh.display());
    let mut options = File::options();
    let file =
        options.write(true).create_new(true).mode(0o600).open(&fresh).with_context(cannot)?;
    let mut file = BufWriter::new(file);
    let written = write(&mut file).and_then(|value| {
        file.flush().with_context(cannot)?;
        file.get_ref().sync_all().with_context(cannot)?;
        std::fs::rename(&fresh, to).with_context(cannot)?;
        Ok(value)
    });
    if written.is_err() {
        // The reason is the error above; half a file is of no use.
        drop(std::fs::remove_file(&fresh));
    }
    written
}
