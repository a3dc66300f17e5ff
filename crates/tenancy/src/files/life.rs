//! Upkeep: quotas, what uploads and removals leave behind, newer keys, and the end of a tenant.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use kernel::{FileFault, Quota, Sealable, TenantId, random_hex};
use serde::Serialize;
use store::Row;

use super::index::{Account, signed, store};
use super::keeper::Keeper;
use super::shelf::Spot;
use super::upload::SILENCE;
use super::{Files, OBJECT_BYTES, sealed_name, sql, unavailable};

/// How long the bytes of a file that was replaced stay, for whoever is reading them.
const GRACE: Duration = Duration::from_mins(10);
/// An object without a row that is younger than this may be on its way.
const YOUNG: Duration = Duration::from_hours(24);
/// How many objects one sweep removes at most.
const SWEPT: i64 = 10_000;

/// How much a tenant keeps, and may keep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Who.
    pub tenant: TenantId,
    /// What it keeps.
    pub used: Quota,
    /// What it may keep.
    pub allowed: Quota,
    /// Whether that was set for this tenant.
    pub own: bool,
}

/// Objects in the store that no row knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Strays {
    /// How many there were.
    pub objects: u64,
    /// How many bytes they have in the store.
    pub bytes: u64,
    /// How many of them were removed.
    pub removed: u64,
}

/// What went with a tenant's files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ErasedFiles {
    /// How many files it had.
    pub files: u64,
    /// How many bytes they had in clear.
    pub bytes: u64,
    /// How many objects were removed from the store, with those that were no files any more.
    pub objects: u64,
}

/// What became of the keys of a tenant's files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Resealed {
    /// Moved to the newest version of the tenant's key.
    pub moved: u64,
    /// There already.
    pub current: u64,
    /// Not to be moved: destroyed or damaged.
    pub left: u64,
}

impl Files {
    /// What a tenant keeps and may keep.
    ///
    /// # Errors
    /// When the control database cannot be read.
    pub async fn usage(&self, tenant: &TenantId) -> Result<Usage, FileFault> {
        let account = self.index.account(tenant).await?;
        let account = account.unwrap_or_else(|| Account {
            tenant: tenant.clone(),
            prefix: String::new(),
            own: (None, None),
            used: Quota { bytes: 0, files: 0 },
        });
        Ok(self.usage_of(account))
    }

    /// The same of every tenant that has or had files.
    ///
    /// # Errors
    /// As [`Files::usage`].
    pub async fn usages(&self) -> Result<Vec<Usage>, FileFault> {
        let accounts = self.index.accounts().await?;
        Ok(accounts.into_iter().map(|account| self.usage_of(account)).collect())
    }

    fn usage_of(&self, account: Account) -> Usage {
        let (allowed, own) = (account.quota(self.quota), account.own != (None, None));
        Usage { tenant: account.tenant, used: account.used, allowed, own }
    }

    /// Sets what a tenant may keep: bytes and files, each as everybody's when it is `None`. What it
    /// keeps already stays, also when it is more.
    ///
    /// # Errors
    /// When the control database refuses.
    pub async fn set_quota(
        &self,
        tenant: &TenantId,
        bytes: Option<u64>,
        files: Option<u64>,
    ) -> Result<Usage, FileFault> {
        self.put_quota(sql::SET_QUOTA, tenant, bytes, files).await
    }

    /// As [`Files::set_quota`], but what is `None` stays what it is.
    ///
    /// # Errors
    /// As [`Files::set_quota`].
    pub async fn change_quota(
        &self,
        tenant: &TenantId,
        bytes: Option<u64>,
        files: Option<u64>,
    ) -> Result<Usage, FileFault> {
        self.put_quota(sql::CHANGE_QUOTA, tenant, bytes, files).await
    }

    async fn put_quota(
        &self,
        statement: &str,
        tenant: &TenantId,
        bytes: Option<u64>,
        files: Option<u64>,
    ) -> Result<Usage, FileFault> {
        let fresh = random_hex(&*self.rng, OBJECT_BYTES).map_err(|error| unavailable(&error))?;
        let (bytes, files) = (bytes.map(signed), files.map(signed));
        let tx = self.index.owner.operator().await.map_err(store)?;
        tx.execute(sql::ADMIT, &[&tenant.as_str(), &fresh]).await.map_err(store)?;
        let bound: store::Bound<'_> = &[&tenant.as_str(), &bytes, &files];
        tx.execute(statement, bound).await.map_err(store)?;
        tx.commit().await.map_err(store)?;
        self.usage(tenant).await
    }

    /// Removes what is nobody's: uploads that were not heard of for an hour, files that were
    /// replaced ten minutes ago or whose removal was cut short. How many objects went.
    ///
    /// # Errors
    /// When the control database or the store cannot be reached; the next sweep goes on. When the
    /// store belongs to another control database: then nothing is removed.
    pub async fn sweep(&self) -> Result<u64, FileFault> {
        if self.keeper().await? == Keeper::New {
            return Ok(0);
        }
        let now = self.clock.now();
        let tx = self.index.owner.operator().await.map_err(store)?;
        // From here on, such an upload cannot become a file any more.
        tx.execute(sql::GIVE_UP, &[&before(now, SILENCE)]).await.map_err(store)?;
        let bound: store::Bound<'_> = &[&before(now, GRACE), &SWEPT];
        let rows = tx.query(sql::LEAVING, bound).await.map_err(store)?;
        tx.commit().await.map_err(store)?;
        self.take_turn(!rows.is_empty()).await?;
        let mut count = 0;
        for row in &rows {
            let (tenant, spot) = leaving(row)?;
            self.drop_object(&tenant, &spot).await?;
            count += 1;
        }
        Ok(count)
    }

    /// Looks through the parts of the store that belong to a tenant for objects that no row knows
    /// and that are older than a day, and removes them when it is told to. They come about when an
    /// older control database is put back, and may be files of a newer one: so a person decides. What
    /// lies in nobody's part may be another installation's, and is left alone.
    ///
    /// # Errors
    /// As [`Files::sweep`].
    pub async fn tidy(&self, remove: bool) -> Result<Strays, FileFault> {
        if remove && self.keeper().await? == Keeper::New {
            return Err(unavailable(
                &"until now nobody had claimed the store, so nothing was removed; look whether it \
                  is this installation's, and do it again",
            ));
        }
        let old = before(self.clock.now(), YOUNG).as_second();
        let mut strays = Strays::default();
        for account in self.index.accounts().await? {
            // First what lies there, then what is known: an object is known before it is made.
            let found = self.shelf.list(Some(&account.prefix)).await?;
            let known = self.known(&account.tenant).await?;
            for found in found.into_iter().filter(|f| f.written < old && !known.contains(&f.name)) {
                strays.objects += 1;
                strays.bytes = strays.bytes.saturating_add(found.bytes);
                if remove {
                    let spot = Spot { prefix: account.prefix.clone(), object: found.name };
                    self.shelf.remove(&spot).await?;
                    strays.removed += 1;
                }
            }
            self.shelf.clean(&account.prefix, Some(old))?;
        }
        Ok(strays)
    }

    /// Brings the keys of a tenant's files to the newest version of the tenant's key. No file's
    /// bytes are touched.
    ///
    /// # Errors
    /// When the control database cannot be used.
    pub async fn reseal(&self, tenant: &TenantId) -> Result<Resealed, FileFault> {
        let (mut done, mut walk) = (Resealed::default(), self.walk(tenant));
        while let Some(card) = walk.next().await? {
            let Some(filed) = self.index.find(tenant, &card.name).await? else { continue };
            let object = sealed_name(&filed.spot.object, &card.name);
            match self.seals.renew(Sealable { tenant, object: &object }, &filed.sealed_key) {
                Ok(Some(key)) => {
                    self.index.reseal(tenant, &filed.spot.object, &key).await?;
                    done.moved += 1;
                }
                Ok(None) => done.current += 1,
                Err(_) => done.left += 1,
            }
        }
        Ok(done)
    }

    /// Erases a tenant's files: what lies in the store, and then the rows. Begun and not finished,
    /// it is finished by the same call. The tenant's keys are to be destroyed before, so that no new
    /// file can come about meanwhile.
    ///
    /// # Errors
    /// When the store or the control database cannot be reached; what is left stays listed. When the
    /// store belongs to another control database: then nothing is removed.
    pub async fn erase(&self, tenant: &TenantId) -> Result<ErasedFiles, FileFault> {
        let Some(account) = self.index.account(tenant).await? else {
            return Ok(ErasedFiles::default());
        };
        self.keeper().await?;
        let mut objects = self.shelf.remove_all(&account.prefix).await?;
        let tx = self.index.owner.operator().await.map_err(store)?;
        tx.execute(sql::FORGET, &[&tenant.as_str()]).await.map_err(store)?;
        tx.commit().await.map_err(store)?;
        // What an upload has laid there in between.
        objects += self.shelf.remove_all(&account.prefix).await?;
        Ok(ErasedFiles { files: account.used.files, bytes: account.used.bytes, objects })
    }

    pub(super) async fn known(&self, tenant: &TenantId) -> Result<HashSet<String>, FileFault> {
        let tx = self.index.owner.operator().await.map_err(store)?;
        let rows = tx.query(sql::KNOWN, &[&tenant.as_str()]).await.map_err(store)?;
        tx.rollback().await.map_err(store)?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

fn leaving(row: &Row) -> Result<(TenantId, Spot), FileFault> {
    let tenant = TenantId::new(row.get::<_, String>(0)).map_err(|error| unavailable(&error))?;
    Ok((tenant, Spot { prefix: row.get(2), object: row.get(1) }))
}

fn before(now: Timestamp, time: Duration) -> Timestamp {
    now.checked_sub(time).unwrap_or(Timestamp::MIN)
}
