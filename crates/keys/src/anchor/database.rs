//! The control database as a memory of the ring's newest generation and of what was destroyed.
//!
//! An older dump of the database that is put back makes this anchor older as well. That is why
//! there are several: the ring is refused when any one of them has seen a newer generation.

use kernel::{Fut, TenantId};
use sha2::{Digest, Sha256};
use store::{Db, OperatorTx, Row};

use crate::{Anchor, Error, Head, Result, Tombstone, sql};

/// The tables `keys.ring_heads` and `keys.tombstones`: the engine's login may add to them, and
/// nobody may change or empty them.
#[derive(Debug, Clone)]
pub struct DatabaseAnchor {
    db: Db,
}

impl DatabaseAnchor {
    /// The anchor in the control database behind `db`, a login of the engine.
    pub const fn new(db: Db) -> Self {
        Self { db }
    }

    async fn newest(&self) -> Result<Option<Head>> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::HEAD, &[]).await?;
        tx.rollback().await?;
        row.map(|row| self.read_head(&row)).transpose()
    }

    async fn remember(&self, head: &Head, buried: &[Tombstone]) -> Result<()> {
        let tx = self.db.operator().await?;
        if let Some(seen) = tx.query_opt(sql::HEAD, &[]).await? {
            self.same_ring(&self.read_head(&seen)?, head)?;
        }
        let generation = i64::try_from(head.generation)
            .map_err(|_| self.ring("its generation is larger than any that is counted"))?;
        // An older generation is added too where it is missing: the newest one stays the newest.
        let bound: store::Bound<'_> =
            &[&generation, &head.installation, &head.public_key, &head.digest];
        if tx.execute(sql::ADD_HEAD, bound).await? == 0 {
            let row = tx.query_one(sql::HEAD_AT, &[&generation]).await?;
            if self.read_head(&row)? != *head {
                return Err(self.ring(
                    "another ring of the same generation is remembered here, so somebody works \
                     with a copy of the ring: find out which is the right one, and stop the other",
                ));
            }
        }
        bury(&tx, buried).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn buried(&self) -> Result<Vec<Tombstone>> {
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::BURIED, &[]).await?;
        tx.rollback().await?;
        rows.iter().map(|row| self.read_tombstone(row)).collect()
    }

    /// A database belongs to one ring for good.
    fn same_ring(&self, seen: &Head, head: &Head) -> Result<()> {
        if seen.installation == head.installation && seen.public_key == head.public_key {
            return Ok(());
        }
        Err(self.ring("this control database remembers the ring of another installation"))
    }

    fn read_head(&self, row: &Row) -> Result<Head> {
        let generation: i64 = row.get(2);
        Ok(Head {
            installation: row.get(0),
            public_key: row.get(1),
            generation: u64::try_from(generation)
                .map_err(|_| self.ring("a generation in this database is no number of ours"))?,
            digest: row.get(3),
        })
    }

    fn read_tombstone(&self, row: &Row) -> Result<Tombstone> {
        let tenant: String = row.get(0);
        let tenant = (!tenant.is_empty()).then(|| TenantId::new(tenant)).transpose();
        let tenant = tenant
            .map_err(|_| self.ring("a tombstone in this database names no tenant of ours"))?;
        let at: String = row.get(2);
        let at = at.parse().map_err(|_| self.ring("a tombstone in this database has no date"))?;
        Ok(Tombstone { tenant, ids: row.get(1), at })
    }

    fn ring(&self, why: &str) -> Error {
        Error::Ring { place: self.place(), why: why.to_owned() }
    }
}

impl Anchor for DatabaseAnchor {
    fn place(&self) -> String {
        format!("the control database {}", self.db.url())
    }

    fn head(&self) -> Fut<'_, Result<Option<Head>>> {
        Box::pin(self.newest())
    }

    fn advance<'a>(&'a self, head: &'a Head, buried: &'a [Tombstone]) -> Fut<'a, Result<()>> {
        Box::pin(self.remember(head, buried))
    }

    fn tombstones(&self) -> Fut<'_, Result<Vec<Tombstone>>> {
        Box::pin(self.buried())
    }
}

async fn bury(tx: &OperatorTx, buried: &[Tombstone]) -> Result<()> {
    for stone in buried {
        let tenant = stone.tenant.as_ref().map_or("", TenantId::as_str);
        let at = stone.at.to_string();
        let digest = digest(tenant, &stone.ids, &at);
        tx.execute(sql::BURY, &[&digest, &tenant, &stone.ids, &at]).await?;
    }
    Ok(())
}

/// SHA-256 over the parts, each behind its length.
fn digest(tenant: &str, ids: &[String], at: &str) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in [tenant, at].into_iter().chain(ids.iter().map(String::as_str)) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}

#[cfg(test)]
mod tests;
