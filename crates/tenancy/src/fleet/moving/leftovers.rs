//! Copies that do not count any more, or never did: dropped where and when that can be done.

use kernel::TenantId;

use crate::Result;
use crate::fleet::{Erasing, Fleet, Place, State, registry, sql};

impl Fleet {
    /// Drops the copies that moves have left behind and that are due. One on a cell that does not
    /// answer stays noted, and one stays whose tenant is not whole elsewhere: a registry that was
    /// put back from a backup may be wrong about which of two counts.
    pub(in crate::fleet) async fn sweep_leftovers(&self) -> Result<usize> {
        let registry = &self.settings.registry;
        let tx = registry.operator().await?;
        let rows = tx.query(sql::LEFTOVERS, &[&self.settings.clock.now()]).await?;
        tx.rollback().await?;
        let mut swept = 0;
        for row in &rows {
            let (cell, place): (&str, String) = (row.get(0), row.get(1));
            let tenant: Option<String> = row.get(2);
            let dropped = self.drop_due(cell, &Place::known(place), tenant).await;
            match dropped {
                Ok(dropped) => swept += usize::from(dropped),
                Err(error) => tracing::warn!(cell, %error, "a copy of a tenant is still there"),
            }
        }
        Ok(swept)
    }

    /// Drops one while nobody moves its tenant.
    async fn drop_due(&self, cell: &str, place: &Place, tenant: Option<String>) -> Result<bool> {
        let Some(tenant) = tenant else { return self.drop_leftover(cell, None, place).await };
        let visit = registry::visit(&self.settings.registry, &TenantId::new(tenant)?).await?;
        let dropped = async {
            let tenant = visit.tenant(&State::ALL).await?;
            let target = tenant.course.as_ref().map(|(target, _)| target.as_str());
            if tenant.cell == cell || target == Some(cell) {
                return Ok(false);
            }
            self.drop_leftover(cell, Some(&tenant.cell), place).await
        };
        let dropped = dropped.await;
        visit.end(dropped).await
    }

    /// Drops one, if the database that counts is there. Whether it was dropped.
    pub(super) async fn drop_leftover(
        &self,
        cell: &str,
        counts: Option<&str>,
        place: &Place,
    ) -> Result<bool> {
        if let Some(counts) = counts {
            let there = self.cell(counts).await?;
            there.reached().await?;
            if !there.maker.has_database(place.name()).await? {
                return Ok(false);
            }
        }
        let cell = self.cell(cell).await?;
        cell.reached().await?;
        place.demolish(&cell).await?;
        let tx = self.settings.registry.operator().await?;
        tx.execute(sql::FORGET_LEFTOVER, &[&cell.name, &place.name()]).await?;
        tx.commit().await?;
        Ok(true)
    }
}

impl Erasing {
    /// Drops the copies of the tenant's database that moves have left behind, also those that were to
    /// be kept. The cells that still hold one, because they do not answer.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub async fn copies(&self) -> Result<Vec<String>> {
        let tx = self.fleet.settings.registry.operator().await?;
        let rows = tx.query(sql::COPIES, &[&self.tenant.place.name()]).await?;
        tx.rollback().await?;
        let mut left = Vec::new();
        for row in &rows {
            let cell: &str = row.get(0);
            let dropped = self.fleet.drop_leftover(cell, None, &self.tenant.place).await;
            if let Err(error) = dropped {
                tracing::warn!(cell, %error, "a copy of an erased tenant is still there");
                left.push(cell.to_owned());
            }
        }
        Ok(left)
    }
}
