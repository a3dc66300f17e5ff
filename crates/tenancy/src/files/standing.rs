//! Files for tenants' clients: only while the registry lets the tenant in.
//!
//! It is asked at each request, in the control database. A tenant that it does not know, and of which
//! something was never erased, has its rows in a shared database, and is let in. Whoever runs the installation works on
//! [`Files`] itself, so a suspended tenant can still be exported.

use kernel::{
    Condition, FileCard, FileFault, FileName, FilePage, FileReader, FileWriter, Fut, Listing,
    NewFile, TenantFiles, TenantId,
};
use store::Db;

use super::index::store;
use super::{Files, sql};

/// Files of the tenants that the registry lets in.
#[derive(Clone)]
pub struct StandingFiles {
    files: Files,
    registry: Db,
}

impl StandingFiles {
    /// `registry` is the control database, which has [`crate::FLEET_ROOM`].
    pub const fn new(files: Files, registry: Db) -> Self {
        Self { files, registry }
    }

    /// Goes on when the tenant is let in.
    async fn let_in(&self, tenant: &TenantId) -> Result<(), FileFault> {
        let tx = self.registry.operator().await.map_err(store)?;
        let row = tx.query_one(sql::STANDING, &[&tenant.as_str()]).await.map_err(store)?;
        tx.rollback().await.map_err(store)?;
        let (state, was_erased): (Option<&str>, bool) = (row.get(0), row.get(1));
        match state {
            None if was_erased => Err(FileFault::Shredded),
            None | Some("making" | "active") => Ok(()),
            Some("erasing") => Err(FileFault::Shredded),
            // And whatever else there may be one day.
            Some(_) => Err(FileFault::Suspended),
        }
    }
}

impl TenantFiles for StandingFiles {
    fn find<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a FileName,
    ) -> Fut<'a, Result<FileCard, FileFault>> {
        Box::pin(async {
            self.let_in(tenant).await?;
            self.files.find(tenant, name).await
        })
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        which: Listing<'a>,
    ) -> Fut<'a, Result<FilePage, FileFault>> {
        Box::pin(async move {
            self.let_in(tenant).await?;
            self.files.list(tenant, which).await
        })
    }

    fn read<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a FileName,
    ) -> Fut<'a, Result<Box<dyn FileReader>, FileFault>> {
        Box::pin(async {
            self.let_in(tenant).await?;
            self.files.read(tenant, name).await
        })
    }

    fn write<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a FileName,
        file: NewFile,
    ) -> Fut<'a, Result<Box<dyn FileWriter>, FileFault>> {
        Box::pin(async {
            self.let_in(tenant).await?;
            let inner = self.files.write(tenant, name, file).await?;
            let files = self.clone();
            Ok(Box::new(Writer { inner, files, tenant: tenant.clone() }) as _)
        })
    }

    fn remove<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a FileName,
        condition: &'a Condition,
    ) -> Fut<'a, Result<(), FileFault>> {
        Box::pin(async {
            self.let_in(tenant).await?;
            self.files.remove(tenant, name, condition).await
        })
    }
}

/// A file that gets its name only while its tenant is let in.
struct Writer {
    inner: Box<dyn FileWriter>,
    files: StandingFiles,
    tenant: TenantId,
}

impl FileWriter for Writer {
    fn etag(&self) -> String {
        self.inner.etag()
    }

    fn push<'a>(&'a mut self, bytes: &'a [u8]) -> Fut<'a, Result<(), FileFault>> {
        self.inner.push(bytes)
    }

    fn finish(self: Box<Self>) -> Fut<'static, Result<kernel::Written, FileFault>> {
        Box::pin(async move {
            self.files.let_in(&self.tenant).await?;
            self.inner.finish().await
        })
    }
}
