//! The control database as a memory of the ring's newest generation and of what was destroyed.
//!
//! An older dump of the database that is put back makes this anchor older as well. That is why
//! there are several: the ring is refused when any one of them has seen a newer generation.
//!
//! Whoever gets into the database as Amanah's own login may add rows. So a row is worth what its
//! signature is worth: one that cannot be read or was signed by nobody stands in nobody's way,
//! neither of a start nor of a row of ours.

use kernel::{Fut, TenantId};
use store::{Db, OperatorTx, Row};

use crate::{Anchor, Buried, Error, Head, Result, Tombstone, sql};

/// So many heads of one key are looked through at a time for the newest that was signed.
const PAGE: i64 = 100;

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

    async fn newest(&self) -> Result<Vec<Head>> {
        let tx = self.db.operator().await?;
        let mut heads = Vec::new();
        for row in tx.query(sql::SIGNERS, &[]).await? {
            heads.extend(of_key(&tx, &row.get::<_, String>(0)).await?);
        }
        tx.rollback().await?;
        Ok(heads)
    }

    async fn remember(&self, head: &Head, buried: &[Buried]) -> Result<()> {
        let generation = i64::try_from(head.generation)
            .map_err(|_| self.ring("its generation is larger than any that is counted"))?;
        let tx = self.db.operator().await?;
        // One after the other, so that two rings that both call themselves the tenth meet here.
        tx.query(sql::TAKE_TURNS, &[]).await?;
        let there = tx.query(sql::HEADS_AT, &[&generation, &head.public_key]).await?;
        let there: Vec<_> = there.iter().filter_map(read_head).collect();
        let signed = there.iter().filter(|have| have.verifies());
        if signed.clone().any(|have| have.digest != head.digest) {
            return Err(self.ring(
                "another ring of the same generation is remembered here, so somebody works with a \
                 copy of the ring: find out which is the right one, and stop the other",
            ));
        }
        // An older generation is added too where it is missing: the newest one stays the newest.
        if !there.contains(head) {
            let bound: store::Bound<'_> =
                &[&generation, &head.installation, &head.public_key, &head.digest, &head.signature];
            tx.execute(sql::ADD_HEAD, bound).await?;
        }
        bury(&tx, buried).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn tombstones(&self) -> Result<Vec<Buried>> {
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::BURIED, &[]).await?;
        tx.rollback().await?;
        Ok(rows.iter().filter_map(read_tombstone).collect())
    }

    fn ring(&self, why: &str) -> Error {
        Error::Ring { place: self.place(), why: why.to_owned() }
    }
}

impl Anchor for DatabaseAnchor {
    fn place(&self) -> String {
        format!("the control database {}", self.db.url())
    }

    fn heads(&self) -> Fut<'_, Result<Vec<Head>>> {
        Box::pin(self.newest())
    }

    fn advance<'a>(&'a self, head: &'a Head, buried: &'a [Buried]) -> Fut<'a, Result<()>> {
        Box::pin(self.remember(head, buried))
    }

    fn buried(&self) -> Fut<'_, Result<Vec<Buried>>> {
        Box::pin(self.tombstones())
    }
}

/// The newest head that this key has signed; and the newest of those that only name it, so that
/// somebody hears of them.
async fn of_key(tx: &OperatorTx, public_key: &str) -> Result<Vec<Head>> {
    let (mut found, mut skip) = (Vec::new(), 0);
    loop {
        let rows = tx.query(sql::HEADS_OF, &[&public_key, &PAGE, &skip]).await?;
        for head in rows.iter().filter_map(read_head) {
            let signed = head.verifies();
            if signed || found.is_empty() {
                found.push(head);
            }
            if signed {
                return Ok(found);
            }
        }
        skip += PAGE;
        if i64::try_from(rows.len()).unwrap_or(PAGE) < PAGE {
            return Ok(found);
        }
    }
}

/// `None`, and a warning, for what was not written by this program.
fn read_head(row: &Row) -> Option<Head> {
    let generation: i64 = row.get(2);
    let Ok(generation) = u64::try_from(generation) else {
        tracing::warn!(generation, "a row of keys.ring_heads is no head of ours: passed over");
        return None;
    };
    Some(Head {
        installation: row.get(0),
        public_key: row.get(1),
        generation,
        digest: row.get(3),
        signature: row.get(4),
    })
}

/// `None`, and a warning, for what was not written by this program.
fn read_tombstone(row: &Row) -> Option<Buried> {
    let tenant: String = row.get(0);
    let at: String = row.get(2);
    let read = || {
        let tenant = (!tenant.is_empty()).then(|| TenantId::new(tenant.as_str())).transpose();
        let tombstone = Tombstone { tenant: tenant.ok()?, ids: row.get(1), at: at.parse().ok()? };
        Some(Buried { tombstone, signature: row.get(3) })
    };
    let buried = read();
    if buried.is_none() {
        tracing::warn!(tenant, at, "a row of keys.tombstones cannot be read: passed over");
    }
    buried
}

/// Adds what is missing, whatever others have put beside it.
async fn bury(tx: &OperatorTx, buried: &[Buried]) -> Result<()> {
    if buried.is_empty() {
        return Ok(());
    }
    let there = tx.query(sql::BURIED, &[]).await?;
    let there: Vec<_> = there.iter().filter_map(read_tombstone).collect();
    for stone in buried.iter().filter(|stone| !there.contains(stone)) {
        let tenant = stone.tombstone.tenant.as_ref().map_or("", TenantId::as_str);
        let at = stone.tombstone.at.to_string();
        let bound: store::Bound<'_> = &[&tenant, &stone.tombstone.ids, &at, &stone.signature];
        tx.execute(sql::BURY, bound).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
