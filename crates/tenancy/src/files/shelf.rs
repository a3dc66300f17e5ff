//! Where the sealed bytes of files lie: a folder, or a bucket of S3.
//!
//! A place is two random names, the tenant's and the object's. Nothing that a tenant says gets into
//! one.

use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bucket::{Opened, Patience, brief};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use kernel::FileFault;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Error as Fault, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _};

use super::unavailable;

/// How much is sent to a bucket at a time, in bytes. It takes 10,000 such parts at most.
const PART_BYTES: usize = 8 << 20;
/// How much is sent to a folder at a time.
const PIECE_BYTES: usize = 1 << 20;
/// The longest file, in bytes: 9,000 parts, so that what sealing adds fits too.
pub(super) const MAX_FILE_BYTES: u64 = 9_000 * (8 << 20);
/// A part of a large file takes its time on a thin line.
const PATIENCE: Patience =
    Patience { request: Duration::from_mins(2), retry: Duration::from_secs(30) };
/// The object that names whose store it is. No tenant's part is called so.
const MARK: &str = "amanah-keeper";
/// What is longer is no mark of ours.
const MAX_MARK_BYTES: u64 = 128;

/// A folder or a bucket for sealed bytes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FileShelf {
    store: Arc<dyn ObjectStore>,
    folder: Path,
    place: String,
    /// The folder, where it is one.
    root: Option<PathBuf>,
}

/// Where one object lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) prefix: String,
    pub(super) object: String,
}

/// An object that was found in the store.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Its name behind the store's own folder.
    pub(super) name: String,
    pub(super) bytes: u64,
    /// When it was written, in seconds since 1970.
    pub(super) written: i64,
}

impl FileShelf {
    /// In `folder`, which is made if it is not there, for its owner alone.
    ///
    /// # Errors
    /// When it cannot be made, or others may look into it.
    pub fn folder(folder: impl Into<PathBuf>) -> Result<Self, FileFault> {
        let root = folder.into();
        let place = root.display().to_string();
        let cannot = |why: &dyn std::fmt::Display| {
            FileFault::Unavailable(format!("the folder {place} cannot be used: {why}"))
        };
        let make = fs::DirBuilder::new().recursive(true).mode(0o700).create(&root);
        make.map_err(|error| cannot(&error))?;
        let mode = fs::metadata(&root).map_err(|error| cannot(&error))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(cannot(
                &"other users of this machine may look into it; run `chmod 700` on it",
            ));
        }
        let store = LocalFileSystem::new_with_prefix(&root).map_err(|fault| cannot(&fault))?;
        let store = Arc::new(store.with_fsync(true));
        Ok(Self { store, folder: Path::default(), place, root: Some(root) })
    }

    /// In a bucket as `settings` say. Nothing is asked of the service yet.
    ///
    /// # Errors
    /// When the settings cannot be used; the message says which.
    pub fn bucket(settings: &bucket::Settings) -> Result<Self, FileFault> {
        let opened = bucket::open(settings, PATIENCE)
            .map_err(|why| unavailable(&format!("{}: {why}", settings.url)))?;
        let Opened { store, folder } = opened;
        Ok(Self { store, folder, place: settings.url.clone(), root: None })
    }

    /// Where it is, for people.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Reads a part of an object; `None` when it is not there.
    pub(super) async fn read(
        &self,
        spot: &Spot,
        range: Range<u64>,
    ) -> Result<Option<Bytes>, FileFault> {
        match self.store.get_range(&self.path(spot), range).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Fault::NotFound { .. }) => Ok(None),
            Err(fault) => Err(self.fault(&fault)),
        }
    }

    /// How long an object is; `None` when it is not there.
    pub(super) async fn size(&self, spot: &Spot) -> Result<Option<u64>, FileFault> {
        match self.store.head(&self.path(spot)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(Fault::NotFound { .. }) => Ok(None),
            Err(fault) => Err(self.fault(&fault)),
        }
    }

    /// Removes an object, if it is there.
    pub(super) async fn remove(&self, spot: &Spot) -> Result<(), FileFault> {
        self.remove_at(&self.path(spot)).await
    }

    /// Removes everything of one tenant, and says how many objects that was.
    pub(super) async fn remove_all(&self, prefix: &str) -> Result<u64, FileFault> {
        let mut count = 0;
        for found in self.list(Some(prefix)).await? {
            self.remove(&Spot { prefix: prefix.to_owned(), object: found.name }).await?;
            count += 1;
        }
        self.clean(prefix, None)?;
        Ok(count)
    }

    /// What lies in one tenant's folder, or in all of them.
    pub(super) async fn list(&self, prefix: Option<&str>) -> Result<Vec<Found>, FileFault> {
        let folder = prefix.map_or_else(|| self.folder.clone(), |p| self.folder.clone().join(p));
        let begin = folder.as_ref().to_owned();
        let found = |meta: ObjectMeta| Found {
            name: behind(meta.location.as_ref(), &begin),
            bytes: meta.size,
            written: meta.last_modified.timestamp(),
        };
        let all: Result<Vec<Found>, Fault> =
            self.store.list(Some(&folder)).map_ok(found).try_collect().await;
        match all {
            Err(Fault::NotFound { .. }) => Ok(Vec::new()),
            Err(fault) => Err(self.fault(&fault)),
            Ok(all) => Ok(all.into_iter().filter(|found| found.name != MARK).collect()),
        }
    }

    /// What says whose store it is, if something does.
    pub(super) async fn mark(&self) -> Result<Option<(String, i64)>, FileFault> {
        let there = match self.store.get(&self.folder.clone().join(MARK)).await {
            Err(Fault::NotFound { .. }) => return Ok(None),
            there => there.map_err(|fault| self.fault(&fault))?,
        };
        if there.meta.size > MAX_MARK_BYTES {
            return Ok(Some((String::new(), 0)));
        }
        let bytes = there.bytes().await.map_err(|fault| self.fault(&fault))?;
        let text = String::from_utf8_lossy(&bytes);
        let mut words = text.split_whitespace();
        let mark = words.next().unwrap_or_default().to_owned();
        // One that was written before there were turns has none.
        let turn = words.next().map_or(Ok(0), str::parse);
        Ok(Some(turn.map_or_else(|_| (String::new(), 0), |turn| (mark, turn))))
    }

    /// Says whose store it is, and how often its upkeep went on.
    pub(super) async fn set_mark(&self, mark: &str, turn: i64) -> Result<(), FileFault> {
        let there = format!("{mark} {turn}\n").into();
        let put = self.store.put(&self.folder.clone().join(MARK), there).await;
        put.map(|_| ()).map_err(|fault| self.fault(&fault))
    }

    /// Removes what a process that was killed had begun to write in a tenant's folder before the
    /// second `before`, or at any time, and the folder when nothing is left. A bucket does so by
    /// itself when it is told to.
    pub(super) fn clean(&self, prefix: &str, before: Option<i64>) -> Result<(), FileFault> {
        let Some(folder) = self.root.as_ref().map(|root| root.join(prefix)) else { return Ok(()) };
        let clean = || {
            let entries = match fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                // What is unfinished has a `#` in its name.
                let is_old = |at| before.is_none_or(|before| at < before);
                if entry.file_name().to_string_lossy().contains('#')
                    && is_old(std::os::unix::fs::MetadataExt::mtime(&entry.metadata()?))
                {
                    fs::remove_file(entry.path())?;
                }
            }
            if before.is_none() {
                // One that is not empty stays: somebody is writing there.
                let _ = fs::remove_dir(&folder);
            }
            Ok(())
        };
        clean().map_err(|error: io::Error| unavailable(&format!("{}: {error}", self.place)))
    }

    async fn remove_at(&self, path: &Path) -> Result<(), FileFault> {
        match self.store.delete(path).await {
            Ok(()) | Err(Fault::NotFound { .. }) => Ok(()),
            Err(fault) => Err(self.fault(&fault)),
        }
    }

    fn path(&self, spot: &Spot) -> Path {
        self.folder.clone().join(spot.prefix.as_str()).join(spot.object.as_str())
    }

    fn fault(&self, fault: &Fault) -> FileFault {
        unavailable(&format!("{}: {}", self.place, brief(fault)))
    }
}

/// An object that is being written. Given up before its end, it was never there.
pub(super) struct Laying {
    spot: Spot,
    held: Vec<u8>,
    /// Once it is longer than a part.
    upload: Option<Box<dyn MultipartUpload>>,
}

impl Laying {
    /// Begins an object that is not there yet.
    pub(super) const fn begin(spot: Spot) -> Self {
        Self { spot, held: Vec::new(), upload: None }
    }

    /// Where it is going to lie.
    pub(super) const fn spot(&self) -> &Spot {
        &self.spot
    }

    /// Adds bytes; what is more than a part is sent before this comes back.
    pub(super) async fn push(&mut self, on: &FileShelf, bytes: &[u8]) -> Result<(), FileFault> {
        self.held.extend_from_slice(bytes);
        // Every part but the last is of one length, which some services insist on.
        let most = if on.root.is_some() { PIECE_BYTES } else { PART_BYTES };
        while self.held.len() >= most {
            let rest = self.held.split_off(most);
            let part = std::mem::replace(&mut self.held, rest);
            self.send(on, part).await?;
        }
        Ok(())
    }

    /// Ends it: from now on it is there.
    pub(super) async fn finish(mut self, on: &FileShelf) -> Result<(), FileFault> {
        let last = std::mem::take(&mut self.held);
        if self.upload.is_none() {
            let put = on.store.put(&on.path(&self.spot), last.into()).await;
            return put.map(|_| ()).map_err(|fault| on.fault(&fault));
        }
        if !last.is_empty() {
            self.send(on, last).await?;
        }
        let Some(upload) = self.upload.as_mut() else { return Ok(()) };
        upload.complete().await.map(|_| ()).map_err(|fault| on.fault(&fault))
    }

    /// Takes back what was sent.
    pub(super) async fn abort(self, on: &FileShelf) -> Result<(), FileFault> {
        let Some(mut upload) = self.upload else { return Ok(()) };
        upload.abort().await.map_err(|fault| on.fault(&fault))
    }

    async fn send(&mut self, on: &FileShelf, part: Vec<u8>) -> Result<(), FileFault> {
        let fault = |fault: Fault| on.fault(&fault);
        let upload = match &mut self.upload {
            Some(upload) => upload,
            none => {
                let begun = on.store.put_multipart(&on.path(&self.spot)).await;
                none.insert(begun.map_err(fault)?)
            }
        };
        upload.put_part(part.into()).await.map_err(fault)
    }
}

fn behind(location: &str, folder: &str) -> String {
    let rest = location.strip_prefix(folder).unwrap_or(location);
    rest.strip_prefix('/').unwrap_or(rest).to_owned()
}
