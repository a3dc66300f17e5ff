//! A running `amanah up` copies the trail of each protected database to the second place, every hour.
//!
//! It promises that one which cannot be copied is told once and holds up no other, that it is tried
//! again, and that rows there are sealed by a key of the ring that no tenant and no application is let
//! to. Whether a copy is good is for `audit.offsite` to say, which opens it.

use std::collections::BTreeMap;
use std::future::Future;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit::offsite::{Copied, Offsite, PieceSeals, copy};
use audit::seal::{Bucket, Folder, Shelf};
use kernel::Rng;
use keys::object::{self, Object, Sidecar};
use keys::{KeyName, KeyRef, Keys, Kind, Purpose, Spec};

use crate::data::safe;
use crate::exit::Usage;
use crate::installation::Installation;
use crate::known::Named;
use crate::trail::{self, Log};
use crate::{out, roots};

const COPY_EVERY: Duration = Duration::from_hours(1);
/// How often it is looked which copies are due: a trail that was not sealed yet is copied soon after.
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// Where the locks of copies in folders lie, in the data directory.
const LOCKS: &str = "trail-copies";
/// The house's key by which rows are sealed there, made with the first copy.
const COPIES_KEY: &str = "amanah.trail-copies";
/// Who uses it, for those who list keys.
const USER: &str = "copies of audit trails";

/// Seals parts of copies with a key of the house in the ring, each under a key of its own.
struct Seals {
    keys: Keys,
    key: KeyRef,
    rng: Arc<dyn Rng>,
}

impl PieceSeals for Seals {
    /// The length of the sidecar in four bytes, big endian, the sidecar, the stream.
    fn seal(&self, name: &str, text: &[u8]) -> Result<Vec<u8>, String> {
        let object = Object { key: &self.key, name };
        let mut stream = Vec::new();
        let sidecar = object::seal(&self.keys, &*self.rng, object, 1, text, &mut stream)
            .map_err(|error| error.to_string())?;
        let sidecar = sidecar.text();
        let length = u32::try_from(sidecar.len()).map_err(|error| error.to_string())?;
        Ok([&length.to_be_bytes()[..], sidecar.as_bytes(), &stream].concat())
    }

    fn open(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>, String> {
        let short = || "it is cut short".to_owned();
        let (length, rest) = sealed.split_first_chunk::<4>().ok_or_else(short)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| short())?;
        let (sidecar, stream) = rest.split_at_checked(length).ok_or_else(short)?;
        let sidecar = Sidecar::parse(sidecar).map_err(|error| error.to_string())?;
        let object = Object { key: &self.key, name };
        let mut text = Vec::new();
        object::open(&self.keys, object, &sidecar, 1, stream, &mut text)
            .map_err(|error| error.to_string())?;
        Ok(text)
    }
}

fn key(name: &str) -> anyhow::Result<KeyRef> {
    Ok(KeyRef { tenant: None, name: KeyName::new(name)? })
}

/// What seals with the house's key of this name, for `user`.
pub(crate) fn seals(
    house: &Installation,
    name: &str,
    user: &'static str,
) -> anyhow::Result<Arc<dyn PieceSeals>> {
    let (keys, key) = (house.ring.keys.clone(), key(name)?);
    keys.registers(user, &key);
    Ok(Arc::new(Seals { keys, key, rng: Arc::clone(&house.cx.rng) }))
}

/// Makes the key, where it was not made.
pub(crate) async fn ready(keys: &Keys, name: &str) -> anyhow::Result<()> {
    let key = key(name)?;
    if keys.card(&key).is_err() {
        let spec = Spec { kind: Kind::Aes256Gcm, purpose: Purpose::Files, needs_context: true };
        match keys.create(&key, &spec).await {
            Ok(_) | Err(keys::Error::Exists(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Where the copy of a log goes; `None` when no second place is configured.
///
/// # Errors
/// [`Usage`] when what is configured is no place.
pub(crate) fn place(house: &Installation, log: &Log) -> anyhow::Result<Option<Offsite>> {
    let Installation { config, data, cx, .. } = house;
    let to = config.trail.offsite.as_str();
    let name = safe(&log.database);
    let (shelf, near): (Arc<dyn Shelf>, _) = if to.is_empty() {
        return Ok(None);
    } else if to.starts_with("s3://") {
        let settings = roots::s3(to, &config.trail.offsite_s3)?;
        let installation = data.installation(&*cx.rng)?.expose().to_owned();
        let opened = Bucket::new(&settings, &format!("{installation}/{name}"));
        let opened = opened.map_err(|error| Usage(format!("trail.offsite: {error}")))?;
        (Arc::new(opened), near_bucket(&config.trail.offsite_s3.endpoint))
    } else if Path::new(to).is_absolute() {
        let near = near_folder(Path::new(to), data.root());
        // Others may write there: the lock is where they may not.
        let lock = data.root().join(LOCKS).join(&name);
        (Arc::new(Folder::foreign(to, &name, lock)), near)
    } else {
        let what =
            "trail.offsite: write \"s3://BUCKET/PREFIX\" or a folder from the root, /mnt/elsewhere";
        return Err(Usage(what.to_owned()).into());
    };
    let seals = seals(house, COPIES_KEY, USER)?;
    Ok(Some(Offsite { shelf, seals, near }))
}

/// Why nobody can say that the folder is elsewhere, if so.
fn near_folder(to: &Path, data: &Path) -> Option<String> {
    let disk = |path: &Path| std::fs::metadata(path).map(|meta| meta.dev());
    match (disk(to), disk(data)) {
        (Ok(there), Ok(here)) if there != here => None,
        (Ok(_), Ok(_)) => Some(format!("{} is on the disk of the data directory", to.display())),
        (Err(error), _) | (_, Err(error)) => Some(format!("{}: {error}", to.display())),
    }
}

/// The same of a bucket; without an endpoint it is Amazon's.
fn near_bucket(endpoint: &str) -> Option<String> {
    let near = !endpoint.is_empty() && kms::on_this_host(endpoint);
    near.then(|| format!("{endpoint} is on this machine"))
}

/// Copies the trail of one database.
///
/// # Errors
/// When no second place is configured, or it could not be copied; the copy is what it was then.
pub(crate) async fn one(house: &Installation, named: &Named<'_>) -> anyhow::Result<Copied> {
    let log = Log::of(named.kept, &house.data, &house.config, &house.cx)?;
    let none = || Usage("no second place is configured: set trail.offsite".to_owned());
    let to = place(house, &log)?.ok_or_else(none)?;
    let reader = trail::reader(named.guarded()?);
    ready(&house.ring.keys, COPIES_KEY).await?;
    Ok(copy(&trail::looked_after(house, &log)?, reader, &to).await?)
}

/// When each trail is copied next, and what is told of those that cannot be.
#[derive(Default)]
struct Turns {
    due: BTreeMap<String, Instant>,
    failing: BTreeMap<String, String>,
}

impl Turns {
    /// Copies those that are due.
    async fn turn(&mut self, house: &Installation) {
        let known = house.known();
        let Ok(all) = known.named(&house.ground, None) else { return };
        for named in all {
            let name = &named.name;
            if self.due.get(name).is_some_and(|due| *due > Instant::now()) {
                continue;
            }
            let done = match is_sealed(house, &named).await {
                // The sealer of a new database has not come to it yet.
                Ok(false) => continue,
                Ok(true) => one(house, &named).await.map(drop),
                Err(error) => Err(error),
            };
            self.due.insert(name.clone(), Instant::now() + COPY_EVERY);
            match done {
                Ok(()) => drop(self.failing.remove(name)),
                Err(error) => self.tell(name, out::words(&error)),
            }
        }
    }

    fn tell(&mut self, database: &str, why: String) {
        if self.failing.get(database) != Some(&why) {
            tracing::error!(database, why, "the trail was not copied");
            self.failing.insert(database.to_owned(), why);
        }
    }
}

/// Whether the trail has a checkpoint, up to which it can be copied.
async fn is_sealed(house: &Installation, named: &Named<'_>) -> anyhow::Result<bool> {
    let log = Log::of(named.kept, &house.data, &house.config, &house.cx)?;
    Ok(log.shelf.checkpoint().await?.is_some())
}

/// Copies each trail every hour, and the first time once it is sealed, until `stop` ends.
pub(crate) async fn keep(house: &Installation, stop: impl Future<Output = ()>) {
    let copying = async {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        let mut turns = Turns::default();
        loop {
            tick.tick().await;
            if !house.config.trail.offsite.is_empty() {
                turns.turn(house).await;
            }
        }
    };
    tokio::select! {
        () = stop => {}
        () = copying => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{near_bucket, near_folder};

    #[test]
    fn what_is_on_this_machine_is_not_elsewhere() {
        for here in [
            "http://127.0.0.1:9000",
            "http://localhost:9000",
            "http://[::1]:9000",
            "http://0.0.0.0:1",
            "http://0x7f000001:9000",
            "http://minio.localhost.:9000",
            "no address",
        ] {
            assert!(near_bucket(here).is_some(), "{here}");
        }
        for there in ["", "https://s3.example.com", "https://192.0.2.7:9000"] {
            assert_eq!(near_bucket(there), None, "{there}");
        }
        let dir = tempfile::tempdir().unwrap();
        assert!(near_folder(dir.path(), dir.path()).unwrap().contains("on the disk of"));
        assert!(near_folder(&dir.path().join("absent"), dir.path()).is_some());
        assert_eq!(near_folder(std::path::Path::new("/dev"), dir.path()), None);
    }
}
