//! The ring in a bucket of S3, or of whatever speaks its language and knows conditional writes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::{Duration, Instant};

use bucket::{Patience, brief};
use futures_util::{StreamExt, TryStreamExt};
use kernel::Fut;
use object_store::path::Path;
use object_store::{Error as Fault, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use tokio::sync::Mutex;

use crate::document::MAX_RING_BYTES;
use crate::{Error, Result, Shelf};

#[cfg(test)]
mod careless;
#[cfg(test)]
mod rings;
#[cfg(test)]
mod tests;

/// The most objects that are looked through.
const MAX_OBJECTS: usize = 10_000;
/// An answer about newer generations serves this long.
const FRESH: Duration = Duration::from_secs(1);
/// Somebody waits for a ring: it is a small object.
const PATIENCE: Patience =
    Patience { request: Duration::from_secs(20), retry: Duration::from_secs(10) };
/// How often the newest generation is looked up again when it went while it was read.
const LOOKS: usize = 4;
/// A generation's number is written with so many digits, so that names sort as numbers do.
const DIGITS: usize = 16;
const MAX_NUMBER: u64 = 10_u64.pow(16) - 1;
const PREFIX: &str = "ring-";
/// What shows that the service keeps to conditions, and stays there.
const PROBE: &str = "conditions";
const PROBE_TEXT: &[u8] = b"Amanah creates this object once: a second time must be refused.\n";

/// One object for each generation, created only where there is none: the bucket's own condition
/// on a write (`If-None-Match`) lets one of two writers win. Some services that speak S3's language
/// pass over conditions; they are found out before the first write, and refused.
///
/// Asking takes a journey over the network, so a use of a key never waits for it: it goes on with
/// what is known, and is what starts the next question when the last one is a second old.
///
/// A bucket that keeps old versions of objects, or holds them under a lock, is fine: an old
/// generation opens nothing once the root's generation above it is destroyed.
#[derive(Clone)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    folder: Path,
    place: String,
    seen: Arc<Mutex<Option<Seen>>>,
    glanced: Arc<Lock<Glanced>>,
    /// Whether the service was seen to keep to conditions.
    strict: Arc<AtomicBool>,
}

/// What was found when it was last asked for newer generations.
#[derive(Clone, Copy)]
struct Seen {
    after: u64,
    answer: bool,
    at: Instant,
}

/// What a question in the background has brought.
#[derive(Default)]
struct Glanced {
    asked: Option<Instant>,
    newer: Option<(u64, Vec<u8>)>,
}

impl Bucket {
    /// A shelf as `settings` say. Nothing is asked of the service yet.
    ///
    /// # Errors
    /// When the settings cannot be used; the message says which.
    pub fn new(settings: &bucket::Settings) -> Result<Self> {
        let opened = bucket::open(settings, PATIENCE).map_err(|unusable| Error::Ring {
            place: settings.url.clone(),
            why: unusable.to_string(),
        })?;
        Ok(Self::over(opened.store, opened.folder, settings.url.clone()))
    }

    fn over(store: Arc<dyn ObjectStore>, folder: Path, place: String) -> Self {
        let (seen, glanced, strict) = (Arc::default(), Arc::default(), Arc::default());
        Self { store, folder, place, seen, glanced, strict }
    }

    fn object(&self, number: u64) -> Path {
        self.folder.clone().join(format!("{PREFIX}{number:0DIGITS$}"))
    }

    /// The numbers that are there, lowest first.
    async fn numbers(&self) -> Result<Vec<u64>> {
        let mut found = Vec::new();
        let mut listing = self.store.list(Some(&self.folder)).take(MAX_OBJECTS + 1);
        let mut looked = 0;
        while let Some(object) = listing.try_next().await.map_err(|fault| self.fault(&fault))? {
            looked += 1;
            if looked > MAX_OBJECTS {
                return Err(self.ring("more than 10,000 objects lie there; empty its folder"));
            }
            // Objects of others may lie below the same prefix.
            found.extend(number(&object.location).filter(|n| self.object(*n) == object.location));
        }
        found.sort_unstable();
        Ok(found)
    }

    /// The bytes of generation `number`, or `None` when there is no such.
    async fn fetch(&self, number: u64) -> Result<Option<Vec<u8>>> {
        let result = match self.store.get(&self.object(number)).await {
            Ok(result) => result,
            Err(Fault::NotFound { .. }) => return Ok(None),
            Err(fault) => return Err(self.fault(&fault)),
        };
        if result.meta.size > MAX_RING_BYTES as u64 {
            return Err(self.ring("its newest generation is larger than a ring may be"));
        }
        let bytes = result.bytes().await.map_err(|fault| self.fault(&fault))?;
        Ok(Some(bytes.to_vec()))
    }

    async fn find_newest(&self) -> Result<Option<(u64, Vec<u8>)>> {
        for _ in 0..LOOKS {
            let Some(newest) = self.numbers().await?.pop() else { return Ok(None) };
            // Gone in between: somebody wrote a newer one and removed this.
            if let Some(bytes) = self.fetch(newest).await? {
                return Ok(Some((newest, bytes)));
            }
        }
        Err(self.ring("its generations come and go; somebody else is writing it. Try again"))
    }

    async fn create(&self, number: u64, bytes: Vec<u8>) -> Result<bool> {
        if number > MAX_NUMBER {
            return Err(self.ring("its generation is larger than any that is counted"));
        }
        self.insist().await?;
        match self.put_once(&self.object(number), &bytes).await {
            Ok(()) => {}
            // The answer to a write may get lost after the write was made, and a repetition then
            // finds the object there: what lies there tells who won.
            Err(fault) => match self.fetch(number).await? {
                Some(there) if there == bytes => {}
                Some(_) => return Ok(false),
                None if matches!(fault, Fault::AlreadyExists { .. }) => return Ok(false),
                None => return Err(self.fault(&fault)),
            },
        }
        if self.passed(number).await? {
            self.delete(number).await?;
            return Ok(false);
        }
        Ok(true)
    }

    /// Finds out whether the service keeps to conditions, before anything of the ring is written
    /// there: one that does not may have overwritten another's generation by the time it is known.
    async fn insist(&self) -> Result<()> {
        if self.strict.load(Ordering::Relaxed) {
            return Ok(());
        }
        let probe = self.folder.clone().join(PROBE);
        // The first of them may be the one that makes it.
        for _ in 0..2 {
            match self.put_once(&probe, PROBE_TEXT).await {
                Err(Fault::AlreadyExists { .. }) => {
                    self.strict.store(true, Ordering::Relaxed);
                    return Ok(());
                }
                Err(fault) => return Err(self.fault(&fault)),
                Ok(()) => {}
            }
        }
        Err(Error::Careless { place: self.place.clone() })
    }

    async fn put_once(&self, object: &Path, bytes: &[u8]) -> object_store::Result<()> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let payload = bytes.to_vec().into();
        self.store.put_opts(object, payload, options).await.map(|_| ())
    }

    /// Whether generation `number` was created in a place that others had passed and pruned: a
    /// writer that slept finds it free. There are newer ones then, and the one before is gone.
    async fn passed(&self, number: u64) -> Result<bool> {
        let numbers = self.numbers().await?;
        let newer = numbers.last().is_some_and(|newest| *newest > number);
        Ok(newer && !numbers.contains(&number.saturating_sub(1)))
    }

    /// Whether there is a newer one, in two small requests at most.
    ///
    /// The second is needed when the generation after `number` was pruned already: since pruning
    /// removes the lowest first, `number` itself is gone then.
    async fn look_after(&self, number: u64) -> Result<bool> {
        if self.exists(number.saturating_add(1)).await? {
            return Ok(true);
        }
        if number == 0 {
            return Ok(!self.numbers().await?.is_empty());
        }
        Ok(!self.exists(number).await?)
    }

    /// Brings a newer generation for the next glance.
    async fn bring(&self, number: u64) {
        let newer = match self.look_after(number).await {
            Ok(false) => Ok(None),
            Ok(true) => self.find_newest().await,
            Err(error) => Err(error),
        };
        match newer {
            Ok(None) => {}
            Ok(Some(newer)) => self.glanced().newer = Some(newer),
            Err(error) => tracing::warn!(%error, "newer key rings cannot be seen at the moment"),
        }
    }

    fn glanced(&self) -> std::sync::MutexGuard<'_, Glanced> {
        self.glanced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn exists(&self, number: u64) -> Result<bool> {
        match self.store.head(&self.object(number)).await {
            Ok(_) => Ok(true),
            Err(Fault::NotFound { .. }) => Ok(false),
            Err(fault) => Err(self.fault(&fault)),
        }
    }

    async fn delete(&self, number: u64) -> Result<()> {
        match self.store.delete(&self.object(number)).await {
            Ok(()) | Err(Fault::NotFound { .. }) => Ok(()),
            Err(fault) => Err(self.fault(&fault)),
        }
    }

    fn fault(&self, fault: &Fault) -> Error {
        let why = brief(fault);
        let refused =
            matches!(fault, Fault::PermissionDenied { .. } | Fault::Unauthenticated { .. });
        let missing = matches!(fault, Fault::NotFound { .. }) || why.contains("NoSuchBucket");
        self.ring(&if refused {
            format!("the bucket refuses us ({why}); check the access key")
        } else if missing {
            format!("there is no such bucket ({why}); check its address")
        } else {
            format!("the bucket does not answer as it should ({why})")
        })
    }

    fn ring(&self, why: &str) -> Error {
        Error::Ring { place: self.place.clone(), why: why.to_owned() }
    }
}

impl Shelf for Bucket {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn newest(&self) -> Fut<'_, Result<Option<(u64, Vec<u8>)>>> {
        Box::pin(self.find_newest())
    }

    fn put(&self, number: u64, bytes: Vec<u8>) -> Fut<'_, Result<bool>> {
        Box::pin(self.create(number, bytes))
    }

    fn read(&self, number: u64) -> Fut<'_, Result<Option<Vec<u8>>>> {
        Box::pin(self.fetch(number))
    }

    fn has_after(&self, number: u64) -> Fut<'_, Result<bool>> {
        Box::pin(async move {
            // Whoever comes while another asks waits for that answer and takes it.
            let mut seen = self.seen.lock().await;
            if let Some(last) = *seen
                && last.after == number
                && last.at.elapsed() < FRESH
            {
                return Ok(last.answer);
            }
            let at = Instant::now();
            let answer = self.look_after(number).await?;
            *seen = Some(Seen { after: number, answer, at });
            Ok(answer)
        })
    }

    fn glance(&self, number: u64) -> Result<Option<(u64, Vec<u8>)>> {
        let mut glanced = self.glanced();
        glanced.newer.take_if(|(newer, _)| *newer <= number);
        let due = glanced.asked.is_none_or(|at| at.elapsed() >= FRESH);
        if due && let Ok(runtime) = tokio::runtime::Handle::try_current() {
            glanced.asked = Some(Instant::now());
            let bucket = self.clone();
            runtime.spawn(async move { bucket.bring(number).await });
        }
        Ok(glanced.newer.clone())
    }

    fn prune(&self, number: u64) -> Fut<'_, Result<()>> {
        Box::pin(async move {
            // One by one and the lowest first: `look_after` relies on it.
            for old in self.numbers().await?.into_iter().take_while(|old| *old < number) {
                self.delete(old).await?;
            }
            Ok(())
        })
    }
}

fn number(location: &Path) -> Option<u64> {
    let digits = location.filename()?.strip_prefix(PREFIX)?;
    (digits.len() == DIGITS).then(|| digits.parse().ok()).flatten()
}
