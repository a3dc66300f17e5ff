//! Where months of trails lie that are no longer in their databases.
//!
//! It promises that they are sealed there by a key of the ring that no tenant and no application is let to, and
//! that what is taken out of a database was asked for: nothing here runs by itself.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use audit::archive::{Archive, Beyond, Gone, Plan, archive, plan};
use audit::erasing::Shelved;
use audit::seal::{Bucket, Folder, Shelf};

use crate::data::safe;
use crate::exit::Usage;
use crate::installation::Installation;
use crate::known::Named;
use crate::trail::{self, Log, Pen};
use crate::{offsite, roots};

/// The house's key by which rows are sealed there, made with the first month.
const ARCHIVE_KEY: &str = "amanah.trail-archive";
/// Who uses it, for those who list keys.
const USER: &str = "archives of audit trails";

/// Where months of a log go; `None` when no archive is configured.
///
/// # Errors
/// [`Usage`] when what is configured is no place.
pub(crate) fn place(house: &Installation, log: &Log) -> anyhow::Result<Option<Archive>> {
    let Installation { config, data, cx, .. } = house;
    let (to, name) = (config.trail.archive.as_str(), safe(&log.database));
    let shelf: Arc<dyn Shelf> = if to.is_empty() {
        return Ok(None);
    } else if to.starts_with("s3://") {
        let settings = roots::s3(to, &config.trail.archive_s3)?;
        let installation = data.installation(&*cx.rng)?.expose().to_owned();
        let opened = Bucket::new(&settings, &format!("{installation}/{name}"));
        Arc::new(opened.map_err(|error| Usage(format!("trail.archive: {error}")))?)
    } else if Path::new(to).is_absolute() {
        Arc::new(Folder::new(Path::new(to).join(&name)))
    } else {
        let what =
            "trail.archive: write \"s3://BUCKET/PREFIX\" or a folder from the root, /mnt/archive";
        return Err(Usage(what.to_owned()).into());
    };
    Ok(Some(Archive { shelf, seals: offsite::seals(house, ARCHIVE_KEY, USER)? }))
}

/// The same, for whoever reads rows there.
///
/// # Errors
/// As [`place`].
pub(crate) fn beyond(house: &Installation, log: &Log) -> anyhow::Result<Beyond> {
    // Where nothing was sealed yet, there is no key, and nothing was archived.
    let keys = Pen::known(&house.ring.keys)?.verifiers(log).unwrap_or_default();
    Ok(Beyond { archive: place(house, log)?, keys })
}

/// The same, for whoever erases there; `None` where there is no archive.
///
/// # Errors
/// As [`place`], and when the log has no key.
pub(crate) fn shelved(house: &Installation, log: &Log) -> anyhow::Result<Option<Shelved>> {
    let Some(archive) = place(house, log)? else { return Ok(None) };
    let keys = Pen::known(&house.ring.keys)?.verifiers(log)?;
    Ok(Some(Shelved { archive, keys, log: Arc::clone(&log.shelf) }))
}

/// Which months of a database are due.
///
/// # Errors
/// When the database does not say how long they stay, or refuses.
pub(crate) async fn due(house: &Installation, named: &Named<'_>) -> anyhow::Result<Plan> {
    Ok(plan(trail::reader(named.guarded()?), house.config.trail.stays()).await?)
}

/// Archives the months of a plan and takes each out of its database; `done` is called after each.
///
/// # Errors
/// When no archive is configured, or a month is not whole: it stays in the database then.
pub(crate) async fn keep(
    house: &Installation,
    named: &Named<'_>,
    plan: &Plan,
    done: &mut (dyn FnMut(&Gone) + Send),
) -> anyhow::Result<()> {
    let log = Log::of(named.kept, &house.data, &house.config, &house.cx)?;
    let none = || Usage("no archive is configured: set trail.archive in amanah.toml".to_owned());
    let to = place(house, &log)?.ok_or_else(none)?;
    let reader = trail::reader(named.guarded()?);
    // A content that goes meanwhile would be in what is written of its month.
    let turn = house.erasing().turn(&log.origin).await?;
    let _turn = turn.context(
        "contents of this trail are being erased just now, or another process archives it; nothing was \
         archived. Try again",
    )?;
    offsite::ready(&house.ring.keys, ARCHIVE_KEY).await?;
    Ok(archive(&trail::looked_after(house, &log)?, reader, &to, plan, done).await?)
}
