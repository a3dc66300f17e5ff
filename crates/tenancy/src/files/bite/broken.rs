//! Stores that answer for the wrong tenant.

use kernel::{
    Condition, FileCard, FileFault, FileName, FilePage, FileReader, FileWriter, Fut, Listing,
    NewFile, TenantFiles, TenantId,
};

use super::super::Files;

/// What is wrong with the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// A file is looked for under its name alone.
    Find,
    /// A list has everybody's files.
    List,
    /// Any cursor is taken.
    Cursor,
    /// A file is written under its name alone.
    Write,
    /// A file is removed under its name alone.
    Remove,
    /// It tells that another tenant has such a file.
    Tell,
    /// Everybody may keep as much as there is room for.
    Quota,
}

/// A sound store with a flaw in front of it.
pub(super) struct Broken {
    pub(super) files: Files,
    pub(super) tenants: [TenantId; 2],
    pub(super) flaw: Flaw,
}

impl Broken {
    /// Whose file of this name is meant, when the tenant does not count.
    async fn whose<'a>(&'a self, tenant: &'a TenantId, name: &FileName) -> &'a TenantId {
        // The other one's first: the flaw shows whichever comes first.
        for other in self.tenants.iter().filter(|other| *other != tenant) {
            if self.files.find(other, name).await.is_ok() {
                return other;
            }
        }
        tenant
    }

    async fn meant<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &FileName,
    ) -> Result<&'a TenantId, FileFault> {
        match self.flaw {
            Flaw::Find if self.files.find(tenant, name).await.is_err() => {
                Ok(self.whose(tenant, name).await)
            }
            Flaw::Tell if self.whose(tenant, name).await != tenant => {
                self.files.find(tenant, name).await.map_err(|_| FileFault::Condition)?;
                Ok(tenant)
            }
            _ => Ok(tenant),
        }
    }
}

impl TenantFiles for Broken {
    fn find<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a FileName,
    ) -> Fut<'a, Result<FileCard, FileFault>> {
        Box::pin(async { self.files.find(self.meant(tenant, name).await?, name).await })
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        which: Listing<'a>,
    ) -> Fut<'a, Result<FilePage, FileFault>> {
        Box::pin(async move {
            if self.flaw == Flaw::List {
                let mut all = FilePage::default();
                for each in &self.tenants {
                    all.files.extend(self.files.list(each, which).await?.files);
                }
                return Ok(all);
            }
            match self.files.list(tenant, which).await {
                Err(FileFault::Cursor) if self.flaw == Flaw::Cursor => {
                    self.files.list(tenant, Listing { cursor: None, ..which }).await
                }
                page => page,
            }
        })
    }

    fn read<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a FileName,
    ) -> Fut<'a, Result<Box<dyn FileReader>, FileFault>> {
        Box::pin(async { self.files.read(self.meant(tenant, name).await?, name).await })
    }

    fn write<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a FileName,
        file: NewFile,
    ) -> Fut<'a, Result<Box<dyn FileWriter>, FileFault>> {
        Box::pin(async {
            if self.flaw == Flaw::Quota {
                self.files.set_quota(tenant, None, None).await?;
            }
            let whose = match self.flaw {
                Flaw::Write => self.whose(tenant, name).await,
                _ => tenant,
            };
            self.files.write(whose, name, file).await
        })
    }

    fn remove<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a FileName,
        condition: &'a Condition,
    ) -> Fut<'a, Result<(), FileFault>> {
        Box::pin(async move {
            if self.flaw == Flaw::Remove {
                let whose = self.whose(tenant, name).await;
                self.files.remove(whose, name, condition).await?;
            }
            self.files.remove(tenant, name, condition).await
        })
    }
}
