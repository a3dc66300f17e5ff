//! Files of tenants.
//!
//! It promises: a tenant's files are found under that tenant alone, and their bytes open with that
//! tenant's key alone, each as the very file that it is. What a tenant calls a file is never a path
//! and never gets into the store: there, a file is a random name in its tenant's part, which has a
//! random name too. A row in the control database is what makes an object a file, so nobody ever
//! sees half of one, and of two who write one name the last one wins as a whole. Quotas hold while
//! bytes arrive and also when many write at once. What an older or a copied control database does not
//! know stays in the store.
//!
//! It does not hide how many tenants have files, how many files each has, how long they are and when
//! they were written, from whoever can look into the store; nor their names and types, from whoever
//! can read the control database. A file that somebody removes from the store is lost, and told to
//! be.
//!
//! The attacks that it stops: a name that climbs out of its folder, a guessed name or etag, a list or
//! a cursor of somebody else's, objects that are exchanged or copied in the store, and a copy of the
//! store in the wrong hands.

mod attack;
mod bite;
mod cursor;
mod index;
mod keeper;
mod life;
mod reading;
mod shelf;
mod sql;
mod standing;
mod survey;
#[cfg(test)]
pub(crate) mod tests;
mod upload;

use std::fmt::Display;
use std::sync::Arc;

use kernel::{
    Clock, Condition, FileCard, FileFault, FileName, FilePage, FileReader, FileWriter, Fut,
    Listing, MAX_CONTENT_TYPE_BYTES, MAX_FILES_LISTED, NewFile, Quota, Rng, Sealable, Seals,
    TenantFiles, TenantId, random_hex,
};
use sha2::{Digest as _, Sha256};
use store::{Db, OperatorTx};

use crate::fleet::is_canary;

use index::{Filed, Index};
use shelf::Laying;
use upload::Upload;

pub(crate) use attack::run as attack;
pub use attack::{Door, Doors, Struck};
pub(crate) use bite::run as bite;
pub use life::{ErasedFiles, Resealed, Strays, Usage};
pub use shelf::FileShelf;
pub use standing::StandingFiles;
pub(crate) use survey::Survey;

/// Bytes of randomness in the name of an object, and of a tenant's part of the store.
const OBJECT_BYTES: usize = 16;

/// What a store of files is run with.
#[derive(Clone)]
pub struct FileSettings {
    /// The control database as the engine, which sees one tenant's files at a time. The database
    /// has [`crate::FILES_ROOM`].
    pub engine: Db,
    /// The same as its owner, for upkeep, quotas and proofs.
    pub owner: Db,
    /// Where the sealed bytes lie.
    pub shelf: FileShelf,
    /// What seals them.
    pub seals: Arc<dyn Seals>,
    /// What a tenant may keep, unless another quota is set for it.
    pub quota: Quota,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

/// The files of all tenants. Cheap to clone.
#[derive(Clone)]
pub struct Files {
    index: Index,
    shelf: FileShelf,
    seals: Arc<dyn Seals>,
    quota: Quota,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl Files {
    /// A store of files. Nothing is made before the first one.
    pub fn new(settings: FileSettings) -> Self {
        let FileSettings { engine, owner, shelf, seals, quota, clock, rng } = settings;
        Self { index: Index { engine, owner }, shelf, seals, quota, clock, rng }
    }

    /// Where the sealed bytes lie, for people.
    pub fn place(&self) -> &str {
        self.shelf.place()
    }

    /// Waits until nobody else attacks the store, and keeps others from it until the end of the
    /// transaction.
    pub(crate) async fn attack_turn(&self) -> store::Result<OperatorTx> {
        let turn = self.index.owner.operator().await?;
        turn.query(sql::ATTACK_TURN, &[]).await?;
        Ok(turn)
    }

    /// Every file of a tenant, one after the other by the bytes of their names, for whoever takes
    /// all of them along. A page is read when it is reached, so what is written meanwhile may be
    /// missing.
    pub const fn walk<'a>(&'a self, tenant: &'a TenantId) -> Walk<'a> {
        Walk { files: self, tenant, page: Vec::new(), after: Some(Vec::new()) }
    }

    async fn filed(&self, tenant: &TenantId, name: &FileName) -> Result<Filed, FileFault> {
        self.index.find(tenant, name).await?.ok_or(FileFault::Missing)
    }

    async fn page(&self, tenant: &TenantId, which: Listing<'_>) -> Result<FilePage, FileFault> {
        let Some(account) = self.index.account(tenant).await? else {
            // Whose cursor it is is not asked: here it is nobody's.
            return which.cursor.map_or(Ok(FilePage::default()), |_| Err(FileFault::Cursor));
        };
        let after = which.cursor.map(|text| cursor::read(&account.prefix, text)).transpose()?;
        let (after, limit) = (after.unwrap_or_default(), which.limit.clamp(1, MAX_FILES_LISTED));
        // One more than asked for tells whether there is another page.
        let mut found = self.index.list(tenant, (&after, which.prefix), limit + 1).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let files: Vec<FileCard> = found.into_iter().map(|filed| filed.card).collect();
        let last = files.last().filter(|_| more);
        let next = last.map(|last| cursor::after(&account.prefix, &last.name));
        Ok(FilePage { files, next })
    }

    async fn begin(
        &self,
        tenant: &TenantId,
        name: &FileName,
        file: NewFile,
    ) -> Result<Upload, FileFault> {
        let printable = |c: char| c == ' ' || c.is_ascii_graphic();
        let content_type = &file.content_type;
        if content_type.len() > MAX_CONTENT_TYPE_BYTES || !content_type.chars().all(printable) {
            return Err(FileFault::ContentType);
        }
        if file.bytes.is_some_and(|bytes| bytes > shelf::MAX_FILE_BYTES) {
            return Err(FileFault::TooLarge(shelf::MAX_FILE_BYTES));
        }
        let random = || random_hex(&*self.rng, OBJECT_BYTES).map_err(|error| unavailable(&error));
        let (object, fresh) = (random()?, random()?);
        // Before there is a row: a tenant whose keys are gone gets none.
        let known = sealed_name(&object, name);
        let sealing = self.seals.seal(Sealable { tenant, object: &known }).await?;
        let now = self.clock.now();
        let ids = (fresh.as_str(), object.as_str());
        let usual = (self.quota, now);
        let spot = self.index.arrive((tenant, name), ids, &file.condition, usual).await?;
        let laying = Laying::begin(spot);
        let mut upload = Upload::new(self.clone(), tenant, name, file, laying, sealing);
        upload.take_room().await?;
        Ok(upload)
    }

    async fn unlink(
        &self,
        tenant: &TenantId,
        name: &FileName,
        condition: &Condition,
    ) -> Result<(), FileFault> {
        let now = self.clock.now();
        let spot = self.index.unname(tenant, name, condition, now).await?;
        // It is no file any more. Where its bytes cannot be removed now, the sweep does it.
        let drop = async {
            self.keeper().await?;
            self.drop_object(tenant, &spot).await
        };
        if let Err(error) = drop.await {
            tracing::warn!(%error, "the bytes of a removed file are still there");
        }
        Ok(())
    }

    /// Removes an object that is nobody's, and then its row.
    async fn drop_object(&self, tenant: &TenantId, spot: &shelf::Spot) -> Result<(), FileFault> {
        self.shelf.remove(spot).await?;
        self.index.gone(tenant, &spot.object).await
    }
}

impl TenantFiles for Files {
    fn find<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a FileName,
    ) -> Fut<'a, Result<FileCard, FileFault>> {
        Box::pin(async { Ok(self.filed(tenant, name).await?.card) })
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        which: Listing<'a>,
    ) -> Fut<'a, Result<FilePage, FileFault>> {
        Box::pin(self.page(tenant, which))
    }

    fn read<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a FileName,
    ) -> Fut<'a, Result<Box<dyn FileReader>, FileFault>> {
        Box::pin(async move {
            let filed = self.filed(tenant, name).await?;
            let object = filed.spot.object.clone();
            let opened = reading::open(self, tenant, filed).await;
            if opened.as_ref().is_err_and(|error| *error == FileFault::Damaged)
                && !is_canary(tenant)
            {
                tracing::error!(%tenant, object, "a file was changed, moved or lost in the store");
            }
            Ok(Box::new(opened?) as Box<dyn FileReader>)
        })
    }

    fn write<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a FileName,
        file: NewFile,
    ) -> Fut<'a, Result<Box<dyn FileWriter>, FileFault>> {
        Box::pin(async {
            let upload = self.begin(tenant, name, file).await?;
            Ok(Box::new(upload) as Box<dyn FileWriter>)
        })
    }

    fn remove<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a FileName,
        condition: &'a Condition,
    ) -> Fut<'a, Result<(), FileFault>> {
        Box::pin(self.unlink(tenant, name, condition))
    }
}

/// The files of a tenant, one after the other.
pub struct Walk<'a> {
    files: &'a Files,
    tenant: &'a TenantId,
    /// What was read and not given yet, the next one last.
    page: Vec<FileCard>,
    /// The name that was read last; `None` behind the last page.
    after: Option<Vec<u8>>,
}

impl Walk<'_> {
    /// The next file, or `None` behind the last one. Its bytes come from [`TenantFiles::read`].
    ///
    /// # Errors
    /// When the control database cannot be read.
    pub async fn next(&mut self) -> Result<Option<FileCard>, FileFault> {
        if self.page.is_empty()
            && let Some(after) = self.after.take()
        {
            let index = &self.files.index;
            let found = index.list(self.tenant, (&after, ""), MAX_FILES_LISTED).await?;
            self.page = found.into_iter().rev().map(|filed| filed.card).collect();
            self.after = self.page.first().map(|last| last.name.as_str().as_bytes().to_vec());
        }
        Ok(self.page.pop())
    }
}

/// What an object is sealed as: itself, under the name that it has as a file. So it opens nowhere
/// else in the store, and under no other name.
fn sealed_name(object: &str, name: &FileName) -> String {
    let name = Sha256::digest(name.as_str().as_bytes());
    format!("{object}/{}", kernel::hex(&name))
}

fn unavailable(why: &dyn Display) -> FileFault {
    FileFault::Unavailable(why.to_string())
}
