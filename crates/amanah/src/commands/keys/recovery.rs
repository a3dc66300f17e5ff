//! `amanah keys recovery-kit`, `recover`, `accept` and `reseal`: for the day when ring or root are
//! lost, or the root's secret has to change.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use kernel::Secret;
use keys::recovery::{self, Drilled, Kit, MAX_KIT_BYTES};
use keys::{Keys, RingCard, Standing};
use kms::FileRoot;
use serde_json::json;

use crate::cli::Place;
use crate::cli::keys::{Recover, RecoveryKit};
use crate::config::{Config, RootKind};
use crate::data::Data;
use crate::exit::{Exit, Usage};
use crate::installation::world;
use crate::keyring::{Keyhouse, Start};
use crate::roots::{self, NEW_ROOT_SECRET, ROOT_PASSWORD, ROOT_SECRET};
use crate::{environment, out};

/// A file with a share is never larger, in bytes.
const MAX_SHARE_BYTES: u64 = 4 << 10;
/// So many shares are read from standard input at most.
const MAX_SHARES: usize = 64;

pub(crate) async fn kit(place: &Place, command: RecoveryKit) -> anyhow::Result<Exit> {
    let RecoveryKit { needed, of, out, check, share, destroyed } = command;
    if let Some(id) = destroyed {
        return forget(place, &id).await;
    }
    match (check, out) {
        (Some(kit), _) => try_out(place, &kit, &share).await,
        (None, Some(folder)) => make(place, &folder, (needed, of)).await,
        (None, None) => Err(Usage("name a folder with --out, or a kit with --check".into()).into()),
    }
}

async fn forget(place: &Place, id: &str) -> anyhow::Result<Exit> {
    Keyhouse::with(place, async |house| {
        if !house.keys().await?.forget_kit(id).await? {
            let id = id.escape_debug();
            let words = format!("there is no recovery kit {id}; `amanah keys list` shows them");
            return Err(Usage(words).into());
        }
        if place.json {
            out::line(&json!({"forgotten": id}).to_string());
        } else {
            out::line(&format!(
                "Recovery kit {id} is not named any more by `amanah keys list` and `amanah keys \
                 shred`. A copy of it that is left, with its shares, would open as before."
            ));
        }
        Ok(Exit::Holds)
    })
    .await
}

async fn make(place: &Place, folder: &Path, counts: (u8, u8)) -> anyhow::Result<Exit> {
    Keyhouse::with(place, async |house| {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
        let keys = house.keys().await?;
        let (clock, rng) = (&*house.cx.clock, &*house.cx.rng);
        let (kit, shares) = recovery::make(&keys, counts, clock, rng).await?;
        let id = &kit.card.kit;
        let file = folder.join(format!("amanah-{id}.kit"));
        write_new(&file, &kit.bytes())?;
        let mut files = Vec::new();
        for (number, share) in (1..).zip(&shares) {
            let file = folder.join(format!("amanah-{id}.share-{number}"));
            write_new(&file, format!("{}\n", share.expose()).as_bytes())?;
            files.push(file);
        }
        if place.json {
            let all = json!({"kit": file, "shares": files, "card": kit.card});
            out::line(&serde_json::to_string_pretty(&all)?);
            return Ok(Exit::Holds);
        }
        out::line(&format!("The kit is {}.", file.display()));
        for file in &files {
            out::line(&format!("  share {}", file.display()));
        }
        let (needed, of) = counts;
        out::line(&format!(
            "Give each share to another person and remove it here: any {needed} of the {of} open \
             the kit, fewer say nothing. Keep the kit apart from this machine. Try it out now:"
        ));
        out::line(&format!("  amanah keys recovery-kit --check {} --share …", file.display()));
        Ok(Exit::Holds)
    })
    .await
}

async fn try_out(place: &Place, kit: &Path, shares: &[PathBuf]) -> anyhow::Result<Exit> {
    let (kit, shares) = (read_kit(kit)?, read_shares(shares)?);
    Keyhouse::with(place, async |house| {
        let live = house.keys().await?;
        let scratch = house.data.folder("scratch")?;
        let (clock, rng) = (Arc::clone(&house.cx.clock), Arc::clone(&house.cx.rng));
        let found = recovery::drill(&live, &kit, &shares, &scratch, clock, rng).await?;
        if place.json {
            out::line(&serde_json::to_string_pretty(&found)?);
        } else {
            tell(&found);
        }
        Ok(if found.complete() { Exit::Holds } else { Exit::Fails })
    })
    .await
}

fn tell(found: &Drilled) {
    out::line(&format!(
        "Kit {} was opened and rebuilt aside: {} keys with {} versions open what the live ones \
         encrypt.",
        found.kit, found.keys, found.versions
    ));
    for key in &found.newer {
        out::line(&format!("  newer than the kit: {key}"));
    }
    if !found.newer.is_empty() {
        out::line("Make a new kit, and destroy this one with its shares.");
    }
    for key in &found.failed {
        out::line(&format!("  FAILED: {key}"));
    }
}

pub(crate) async fn recover(place: &Place, command: Recover) -> anyhow::Result<Exit> {
    let (kit, shares) = (read_kit(&command.kit)?, read_shares(&command.share)?);
    // Before anything is made: a directory that was never used stays so when the shares are wrong.
    recovery::open(&kit, &shares)?;
    belong(&Data::of(place)?, &kit)?;
    Keyhouse::with(place, async |house| {
        if !command.replace && house.standing().await? == Standing::Opens {
            let words = "the ring is there and opens: what was made or rotated after the kit would \
                         be lost. Nothing was changed; to do it all the same, add --replace";
            return Err(Usage(words.to_owned()).into());
        }
        let settings = house.settings(Start::Recovery).await?;
        let keys = recovery::restore(settings, &kit, &shares, command.replace).await?;
        let (ring, count) = (keys.ring()?, keys.list().len());
        if place.json {
            let all = json!({
                "generation": ring.generation,
                "keys": count,
                "clients": [],
                "passed": ring.passed,
            });
            out::line(&all.to_string());
            return Ok(Exit::Holds);
        }
        out::line(&format!(
            "{count} keys are back, in generation {} of the ring under a new ring key. What was \
             destroyed since the kit was made stays destroyed.",
            ring.generation
        ));
        passed(&ring);
        out::line("No application's token works any more: amanah keys client add NAME …");
        out::line("Make a new kit now: amanah keys recovery-kit --out FOLDER");
        Ok(Exit::Holds)
    })
    .await
}

/// Says what anchors hold and was not believed.
fn passed(ring: &RingCard) {
    for what in &ring.passed {
        out::line(&format!("  passed over, somebody may have forged it: {what}"));
    }
}

/// A data directory that was never used becomes the kit's installation; any other must be it.
fn belong(data: &Data, kit: &Kit) -> anyhow::Result<()> {
    let name = &kit.card.installation;
    match data.known_installation()? {
        Some(known) if known.expose() == name => Ok(()),
        Some(known) => Err(Usage(format!(
            "the kit is of installation {name}, and {} is {}; nothing was changed. Choose another \
             directory with --data",
            data.root().display(),
            known.expose()
        ))
        .into()),
        None => data.become_installation(name),
    }
}

pub(crate) async fn accept(place: &Place, generation: u64) -> anyhow::Result<Exit> {
    Keyhouse::with(place, async |house| {
        let settings = house.settings(Start::Usual).await?;
        let keys = Keys::accept(settings, generation).await?;
        let (ring, clients) = (keys.ring()?, keys.clients());
        let now = ring.generation;
        let clients: Vec<_> = clients.into_iter().map(|card| card.client.name).collect();
        if place.json {
            let all = json!({
                "accepted": generation,
                "generation": now,
                "clients": clients,
                "passed": ring.passed,
            });
            out::line(&all.to_string());
            return Ok(Exit::Holds);
        }
        out::line(&format!(
            "Generation {generation} was taken for good and goes on as generation {now}. Whatever \
             was made or rotated after it is gone; what was destroyed stays destroyed."
        ));
        passed(&ring);
        if !clients.is_empty() {
            out::line(&format!(
                "The tokens of these applications are those of that generation, also where they \
                 were ended since: {}. End them again with `amanah keys client remove NAME`.",
                clients.join(", ")
            ));
        }
        Ok(Exit::Holds)
    })
    .await
}

/// Needs the root's file alone: a secret must be changeable when the database is not there.
pub(crate) async fn reseal(place: &Place) -> anyhow::Result<Exit> {
    let config = Config::load(place.config.as_deref())?;
    if config.keys.root != RootKind::File {
        let words = "the root is not a file; its secret is changed where it lives";
        return Err(Usage(words.to_owned()).into());
    }
    let fresh = environment::secret(NEW_ROOT_SECRET)?.ok_or_else(|| {
        let words = "set it to the new secret, of at least 16 characters, or set";
        Usage(format!("{NEW_ROOT_SECRET} is not set: {words} {NEW_ROOT_SECRET}_FILE"))
    })?;
    let (data, cx) = (Data::of(place)?, world());
    let made_here = environment::secret(ROOT_SECRET)?.is_none();
    let kms::Setting::File(setting) = roots::setting(&config.keys, &data, &cx, false)? else {
        return Err(Usage("the root is not a file".to_owned()).into());
    };
    let (clock, rng) = (Arc::clone(&cx.clock), Arc::clone(&cx.rng));
    let root = FileRoot::open(&setting.path, &setting.secret, clock, rng).await?;
    root.reseal(&fresh).await?;
    if made_here {
        data.forget_secret(ROOT_PASSWORD)?;
    }
    if place.json {
        out::line(&json!({"resealed": setting.path}).to_string());
        return Ok(Exit::Holds);
    }
    out::line(&format!("{} is sealed with the new secret.", setting.path.display()));
    out::line(&format!("From now on start with it: {ROOT_SECRET} or {ROOT_SECRET}_FILE."));
    if data.is_locked() {
        out::line("amanah up runs with the old secret: start it again with the new one.");
    }
    Ok(Exit::Holds)
}

fn read_kit(file: &Path) -> anyhow::Result<Kit> {
    let bytes = read_bounded(file, MAX_KIT_BYTES as u64)?;
    Kit::parse(&bytes).map_err(|error| Usage(format!("{}: {error}", file.display())).into())
}

/// From the files, or from standard input: never from the command line, which everybody can read.
fn read_shares(files: &[PathBuf]) -> anyhow::Result<Vec<Secret>> {
    if files.is_empty() {
        return read_lines();
    }
    let mut shares = Vec::new();
    for file in files {
        let bytes = read_bounded(file, MAX_SHARE_BYTES)?;
        let text = String::from_utf8(bytes);
        let text = text.map_err(|_| Usage(format!("{} is no share", file.display())))?;
        shares.push(Secret::new(text.trim().to_owned()));
    }
    Ok(shares)
}

fn read_lines() -> anyhow::Result<Vec<Secret>> {
    let input = std::io::stdin();
    if input.is_terminal() {
        out::aside("Enter the shares, one a line, and an empty line at the end:");
    }
    let bound = MAX_SHARE_BYTES.saturating_mul(MAX_SHARES as u64);
    let mut shares = Vec::new();
    for line in input.lock().take(bound).lines() {
        let line = Secret::new(line.context("the shares cannot be read")?);
        match line.expose().trim() {
            "" => break,
            text => shares.push(Secret::new(text.to_owned())),
        }
    }
    Ok(shares)
}

fn read_bounded(file: &Path, bound: u64) -> anyhow::Result<Vec<u8>> {
    let cannot = || Usage(format!("{} cannot be read", file.display()));
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).with_context(cannot)?;
    opened.take(bound.saturating_add(1)).read_to_end(&mut bytes).with_context(cannot)?;
    if bytes.len() as u64 > bound {
        return Err(Usage(format!("{} is larger than {bound} bytes", file.display())).into());
    }
    Ok(bytes)
}

/// A file that nobody else can read, and that was not there before.
fn write_new(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || {
        let mut options = std::fs::File::options();
        let mut made = options.write(true).create_new(true).mode(0o600).open(file)?;
        made.write_all(bytes)?;
        made.sync_all()
    };
    write().with_context(|| format!("{} cannot be written", file.display()))
}
