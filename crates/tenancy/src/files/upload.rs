//! A file that is being written.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kernel::{
    Condition, FileCard, FileFault, FileName, FileWriter, Fut, NewFile, Sealable, Sealer, Sealing,
    TenantId, Written, hex,
};
use sha2::{Digest as _, Sha256};

use super::index::{Fresh, GivenUp, etag};
use super::shelf::{Laying, MAX_FILE_BYTES, Spot};
use super::{Files, sealed_name};

/// How much room an upload of unknown length takes in advance, in bytes: a quarter of what it has,
/// within these bounds, so that many small ones do not keep each other out.
const MIN_STEP_BYTES: u64 = 1 << 20;
const MAX_STEP_BYTES: u64 = 16 << 20;
/// How often an upload says that it lives; one that was silent for much longer is given up.
const HEARTBEAT: SignedDuration = SignedDuration::from_secs(60);
/// How long an upload may be silent until it counts as given up.
pub(super) const SILENCE: Duration = Duration::from_hours(1);

/// A file that is being written. Given up, it goes by itself.
pub(super) struct Upload {
    files: Files,
    tenant: TenantId,
    name: FileName,
    wanted: Wanted,
    spot: Spot,
    sealed_key: String,
    /// Taken when it ends.
    work: Option<Work>,
    /// While its last bytes are on their way, nobody knows whether the object is there.
    being_laid: bool,
    sha256: Sha256,
    bytes: u64,
    /// How many bytes it may have until it asks for more room.
    room: u64,
    heard: Timestamp,
}

/// What was asked for.
struct Wanted {
    content_type: String,
    bytes: Option<u64>,
    condition: Condition,
}

struct Work {
    sealer: Box<dyn Sealer>,
    laying: Laying,
}

impl Upload {
    pub(super) fn new(
        files: Files,
        tenant: &TenantId,
        name: &FileName,
        file: NewFile,
        laying: Laying,
        sealing: Sealing,
    ) -> Self {
        let NewFile { content_type, bytes, condition } = file;
        let heard = files.clock.now();
        Self {
            files,
            tenant: tenant.clone(),
            name: name.clone(),
            wanted: Wanted { content_type, bytes, condition },
            spot: laying.spot().clone(),
            sealed_key: sealing.key,
            work: Some(Work { sealer: sealing.sealer, laying }),
            being_laid: false,
            sha256: Sha256::new(),
            bytes: 0,
            room: 0,
            heard,
        }
    }

    /// Takes room for all of it, when its length is known; else for the first bytes, so that a full
    /// store is told before anything is sent.
    pub(super) async fn take_room(&mut self) -> Result<(), FileFault> {
        match self.wanted.bytes {
            Some(0) => Ok(()),
            Some(bytes) => self.reserve(bytes, bytes).await,
            None => self.reserve(1, MIN_STEP_BYTES).await,
        }
    }

    async fn reserve(&mut self, needed: u64, wanted: u64) -> Result<(), FileFault> {
        let files = &self.files;
        let now = files.clock.now();
        let ids = (&self.tenant, self.spot.object.as_str());
        self.room = files.index.reserve(ids, (needed, wanted), (files.quota, now)).await?;
        self.heard = now;
        Ok(())
    }

    async fn add(&mut self, bytes: &[u8]) -> Result<(), FileFault> {
        let total = self.bytes.saturating_add(bytes.len() as u64);
        if total > MAX_FILE_BYTES {
            return Err(FileFault::TooLarge(MAX_FILE_BYTES));
        }
        if self.wanted.bytes.is_some_and(|wanted| total > wanted) {
            return Err(FileFault::Length);
        }
        if total > self.room {
            let step = (total / 4).clamp(MIN_STEP_BYTES, MAX_STEP_BYTES);
            self.reserve(total, total.saturating_add(step)).await?;
        }
        let now = self.files.clock.now();
        if now.duration_since(self.heard) > HEARTBEAT {
            self.files.index.heard(&self.tenant, &self.spot.object, now).await?;
            self.heard = now;
        }
        self.sha256.update(bytes);
        self.bytes = total;
        let work = self.work.as_mut().ok_or(FileFault::GivenUp)?;
        let mut rest = bytes;
        while let Some(piece) = work.sealer.push(&mut rest)? {
            work.laying.push(&self.files.shelf, &piece).await?;
        }
        Ok(())
    }

    async fn end(mut self) -> Result<Written, FileFault> {
        if self.wanted.bytes.is_some_and(|wanted| self.bytes != wanted) {
            return Err(FileFault::Length);
        }
        let Work { sealer, mut laying } = self.work.take().ok_or(FileFault::GivenUp)?;
        let files = self.files.clone();
        let last = sealer.finish()?;
        laying.push(&files.shelf, &last).await?;
        self.being_laid = true;
        laying.finish(&files.shelf).await?;
        self.being_laid = false;
        // A tenant may have been erased since it began: its keys first, and then its rows. Looked
        // at in the other order, one of the two is always seen.
        let object = sealed_name(&self.spot.object, &self.name);
        files.seals.holds(Sealable { tenant: &self.tenant, object: &object }, &self.sealed_key)?;
        let sha256: [u8; 32] = std::mem::take(&mut self.sha256).finalize().into();
        let at = files.clock.now();
        let fresh = Fresh {
            tenant: &self.tenant,
            name: &self.name,
            condition: &self.wanted.condition,
            object: &self.spot.object,
            sealed_key: &self.sealed_key,
            bytes: self.bytes,
            content_type: &self.wanted.content_type,
            sha256,
            at,
        };
        let before = files.index.name(&fresh, files.quota).await?;
        let card = FileCard {
            name: self.name.clone(),
            bytes: self.bytes,
            content_type: self.wanted.content_type.clone(),
            sha256: hex(&sha256),
            etag: etag(&self.spot.object),
            created_at: at,
        };
        self.spot.object.clear();
        // The one before stays for a while: somebody may be reading it.
        Ok(Written { card, replaced: before.is_some() })
    }
}

impl FileWriter for Upload {
    fn etag(&self) -> String {
        etag(&self.spot.object)
    }

    fn push<'a>(&'a mut self, bytes: &'a [u8]) -> Fut<'a, Result<(), FileFault>> {
        Box::pin(self.add(bytes))
    }

    fn finish(self: Box<Self>) -> Fut<'static, Result<Written, FileFault>> {
        Box::pin(self.end())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // One that became a file has forgotten its object.
        if self.spot.object.is_empty() {
            return;
        }
        let (files, tenant, spot) = (self.files.clone(), self.tenant.clone(), self.spot.clone());
        let (work, being_laid) = (self.work.take(), self.being_laid);
        // Without a runtime it is swept later.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let give_up = async {
                if let Some(work) = work {
                    work.laying.abort(&files.shelf).await?;
                }
                // Its name may have been committed without our hearing of it: then it is a file.
                match files.index.give_up(&tenant, &spot.object, files.clock.now()).await? {
                    GivenUp::Kept => {}
                    // It may come to lie there after it was removed. The sweep does that later.
                    GivenUp::Noted if being_laid => {}
                    GivenUp::Noted | GivenUp::Forgotten => {
                        files.drop_object(&tenant, &spot).await?;
                    }
                }
                Ok::<(), FileFault>(())
            };
            if let Err(error) = give_up.await {
                tracing::debug!(%error, "an upload that was given up is left to the sweep");
            }
        });
    }
}
