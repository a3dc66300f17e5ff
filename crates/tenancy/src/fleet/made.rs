//! Files that an import makes, each known before it is one.
//!
//! It promises that an import which does not come to its end takes back what it has made and nothing
//! else. A tenant may live in another database meanwhile, or from then on, and have files of its own:
//! they are one for all of its databases. What it has written in the place of one that was made has
//! another etag, and stays as well.

mod sql;

use kernel::{Condition, FileFault, FileName, TenantFiles, TenantId};
use store::{Db, Tx};

use crate::{Error, Result};

/// The files of one import: where they are noted, of whom, and to which database it comes.
#[derive(Clone, Copy)]
pub(super) struct Made<'a> {
    pub(super) registry: &'a Db,
    pub(super) tenant: &'a TenantId,
    pub(super) place: &'a str,
}

impl Made<'_> {
    /// Notes a file before it is one.
    pub(super) async fn note(&self, name: &FileName, etag: &str) -> Result<()> {
        let tx = self.registry.operator().await?;
        let name = name.as_str().as_bytes();
        tx.execute(sql::NOTE, &[&self.tenant.as_str(), &self.place, &etag, &name]).await?;
        Ok(tx.commit().await?)
    }

    /// Removes those that are there as they were made, and forgets them all.
    pub(super) async fn take_back(&self, files: &dyn TenantFiles) -> Result<()> {
        let tx = self.registry.operator().await?;
        let rows = tx.query(sql::MADE, &[&self.tenant.as_str(), &self.place]).await?;
        tx.rollback().await?;
        for row in &rows {
            let name = String::from_utf8_lossy(row.get(1)).into_owned();
            let failed = |why| Error::File { name: name.escape_debug().to_string(), why };
            let known = FileName::new(name.clone()).map_err(failed)?;
            let still = Condition::Etag(vec![row.get(0)]);
            match files.remove(self.tenant, &known, &still).await {
                Ok(()) | Err(FileFault::Missing | FileFault::Condition) => {}
                Err(why) => return Err(failed(why)),
            }
        }
        let tx = self.registry.operator().await?;
        forget(&tx, (self.tenant, self.place), false).await?;
        Ok(tx.commit().await?)
    }
}

/// Forgets which files an import has made, because they are the tenant's own now, or gone. `all` is to
/// forget those of its other databases as well.
pub(super) async fn forget(tx: &Tx, (id, place): (&TenantId, &str), all: bool) -> Result<()> {
    tx.execute(sql::FORGET, &[&id.as_str(), &place, &all]).await?;
    Ok(())
}
