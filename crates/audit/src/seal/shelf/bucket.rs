//! A log in a bucket of S3, or of whatever speaks its language and knows conditional writes.
//!
//! It promises what [`Shelf`] does: an object is there whole or not at all, and the bucket's own
//! conditions (`If-None-Match`, `If-Match`) let one of two writers win.
//!
//! The attack it stops: a service that passes over conditions, by which two sealers would fork the
//! log. It is found out before anything is written there. It does not stop who may delete in the
//! bucket: a lock on its objects does, and is the bucket owner's to set.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bucket::{Patience, brief};
use futures_util::{StreamExt as _, TryStreamExt as _};
use kernel::Fut;
use object_store::path::Path;
use object_store::{
    Error as Fault, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion,
};

use super::{CHECKPOINT, Hold, MAX_CHECKPOINT_BYTES, Shelf, Stored, plain, text};
use crate::{Error, Result};

/// Nobody waits for a seal but the next one.
const PATIENCE: Patience =
    Patience { request: Duration::from_secs(20), retry: Duration::from_secs(20) };
/// How many objects are written or removed at a time.
const AT_ONCE: usize = 16;
/// What shows that the service keeps to conditions, and stays there.
const PROBE: &str = "conditions";
const PROBE_TEXT: &[u8] = b"Amanah creates this object once: a second time must be refused.\n";
/// An etag that no object has.
const NO_TAG: &str = "\"00000000000000000000000000000000\"";

/// One object for each file of the log.
#[derive(Clone)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    folder: Path,
    place: String,
    /// Whether the service was seen to keep to conditions.
    strict: Arc<AtomicBool>,
}

/// A bucket has no lock: its conditions stand in for one.
struct Unlocked;

impl Hold for Unlocked {
    fn is_alone(&self) -> bool {
        false
    }
}

impl Bucket {
    /// A log in the folder `within` the one that `settings` name. Nothing is asked of the service yet.
    ///
    /// # Errors
    /// When the settings cannot be used; the message says which.
    pub fn new(settings: &bucket::Settings, within: &str) -> Result<Self> {
        let place = format!("{}/{within}", settings.url.trim_end_matches('/'));
        let opened = bucket::open(settings, PATIENCE)
            .map_err(|error| Error::Shelf { place: place.clone(), why: error.to_string() })?;
        let folder = within.split('/').fold(opened.folder, Path::join);
        Ok(Self { store: opened.store, folder, place, strict: Arc::default() })
    }

    fn object(&self, path: &str) -> Result<Path> {
        let parts = plain(&self.place, path)?.split('/');
        Ok(parts.fold(self.folder.clone(), Path::join))
    }

    async fn fetch(&self, path: &str, limit: usize) -> Result<Option<(Vec<u8>, UpdateVersion)>> {
        let result = match self.store.get(&self.object(path)?).await {
            Ok(result) => result,
            Err(Fault::NotFound { .. }) => return Ok(None),
            Err(fault) => return Err(self.fault(&fault)),
        };
        if result.meta.size > limit as u64 {
            let what = format!("{path} is longer than it can be");
            return Err(Error::Damaged { place: self.place.clone(), what });
        }
        let e_tag = result.meta.e_tag.clone();
        let version = UpdateVersion { e_tag, version: result.meta.version.clone() };
        let bytes = result.bytes().await.map_err(|fault| self.fault(&fault))?;
        Ok(Some((bytes.to_vec(), version)))
    }

    async fn write(&self, path: &str, bytes: Vec<u8>) -> Result<()> {
        let object = self.object(path)?;
        self.store.put(&object, bytes.into()).await.map_err(|fault| self.fault(&fault))?;
        Ok(())
    }

    async fn put_if(
        &self,
        object: &Path,
        bytes: &[u8],
        mode: PutMode,
    ) -> object_store::Result<Stored> {
        let options = PutOptions { mode, ..PutOptions::default() };
        let put = self.store.put_opts(object, bytes.to_vec().into(), options).await?;
        let note = String::from_utf8_lossy(bytes).into_owned();
        Ok(Stored { note, tag: put.e_tag, version: put.version })
    }

    /// Finds out whether the service keeps to conditions, before anything of a log is written there.
    async fn insist(&self) -> Result<()> {
        if self.strict.load(Ordering::Relaxed) {
            return Ok(());
        }
        let probe = self.object(PROBE)?;
        let careless = || Error::Careless { place: self.place.clone() };
        // The first of them may be the one that makes it.
        let mut refused = false;
        for _ in 0..2 {
            match self.put_if(&probe, PROBE_TEXT, PutMode::Create).await {
                Err(Fault::AlreadyExists { .. }) => refused = true,
                Err(fault) => return Err(self.fault(&fault)),
                Ok(_) => {}
            }
        }
        let other = UpdateVersion { e_tag: Some(NO_TAG.to_owned()), version: None };
        match self.put_if(&probe, PROBE_TEXT, PutMode::Update(other)).await {
            Err(Fault::Precondition { .. }) if refused => {}
            Ok(_) | Err(Fault::Precondition { .. } | Fault::NotImplemented { .. }) => {
                return Err(careless());
            }
            Err(fault) => return Err(self.fault(&fault)),
        }
        self.strict.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn make(&self, path: &str, bytes: Vec<u8>) -> Result<bool> {
        self.insist().await?;
        let made = self.put_if(&self.object(path)?, &bytes, PutMode::Create).await;
        match made {
            Ok(_) => Ok(true),
            // The answer to a write may get lost after it was made, and its repetition is refused
            // then: what lies there tells.
            Err(fault) => match self.fetch(path, bytes.len()).await {
                Ok(Some((there, _))) if there == bytes => Ok(true),
                _ if matches!(fault, Fault::AlreadyExists { .. }) => Ok(false),
                _ => Err(self.fault(&fault)),
            },
        }
    }

    async fn replace(&self, before: Option<&Stored>, note: &str) -> Result<Stored> {
        self.insist().await?;
        let mode = match before {
            None => PutMode::Create,
            Some(Stored { tag, version, .. }) => {
                PutMode::Update(UpdateVersion { e_tag: tag.clone(), version: version.clone() })
            }
        };
        let fault = match self.put_if(&self.object(CHECKPOINT)?, note.as_bytes(), mode).await {
            Ok(stored) => return Ok(stored),
            Err(fault) => fault,
        };
        match self.newest().await {
            Ok(Some(there)) if there.note == note => Ok(there),
            _ if matches!(fault, Fault::AlreadyExists { .. } | Fault::Precondition { .. }) => {
                Err(Error::Overtaken { place: self.place.clone() })
            }
            _ => Err(self.fault(&fault)),
        }
    }

    async fn newest(&self) -> Result<Option<Stored>> {
        let Some((bytes, version)) = self.fetch(CHECKPOINT, MAX_CHECKPOINT_BYTES).await? else {
            return Ok(None);
        };
        let note = text(&self.place, bytes)?;
        Ok(Some(Stored { note, tag: version.e_tag, version: version.version }))
    }

    async fn erase(&self, path: &str) -> Result<()> {
        let object = self.object(path)?;
        let below = self.store.list(Some(&object));
        let found =
            below.map_ok(|meta| meta.location).chain(futures_util::stream::iter([Ok(object)]));
        let removed = found.map_err(|fault| self.fault(&fault)).try_for_each_concurrent(
            AT_ONCE,
            |object| async move {
                match self.store.delete(&object).await {
                    Ok(()) | Err(Fault::NotFound { .. }) => Ok(()),
                    Err(fault) => Err(self.fault(&fault)),
                }
            },
        );
        removed.await
    }

    fn fault(&self, fault: &Fault) -> Error {
        let why = format!("the bucket does not answer as it should ({})", brief(fault));
        Error::Shelf { place: self.place.clone(), why }
    }
}

impl Shelf for Bucket {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn read<'a>(&'a self, path: &'a str, limit: usize) -> Fut<'a, Result<Option<Vec<u8>>>> {
        Box::pin(async move { Ok(self.fetch(path, limit).await?.map(|(bytes, _)| bytes)) })
    }

    fn put(&self, files: Vec<(String, Vec<u8>)>) -> Fut<'_, Result<()>> {
        let writes = futures_util::stream::iter(files.into_iter().map(Ok));
        Box::pin(writes.try_for_each_concurrent(AT_ONCE, move |(path, bytes)| async move {
            self.write(&path, bytes).await
        }))
    }

    fn create<'a>(&'a self, path: &'a str, bytes: Vec<u8>) -> Fut<'a, Result<bool>> {
        Box::pin(self.make(path, bytes))
    }

    fn remove<'a>(&'a self, path: &'a str) -> Fut<'a, Result<()>> {
        Box::pin(self.erase(path))
    }

    fn checkpoint(&self) -> Fut<'_, Result<Option<Stored>>> {
        Box::pin(self.newest())
    }

    fn replace_checkpoint<'a>(
        &'a self,
        before: Option<&'a Stored>,
        note: &'a str,
    ) -> Fut<'a, Result<Stored>> {
        Box::pin(self.replace(before, note))
    }

    fn lock(&self) -> Fut<'_, Result<Box<dyn Hold>>> {
        Box::pin(async move {
            self.insist().await?;
            Ok(Box::new(Unlocked) as Box<dyn Hold>)
        })
    }
}
