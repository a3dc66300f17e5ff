//! Which control database a store belongs to.
//!
//! Whoever knows an older state of the files, or another one, takes what is newer for nobody's. So an
//! object in the store names the database that may remove something: by a mark that the database
//! keeps too, beside what PostgreSQL calls it. A copy of the database is called otherwise, and so is
//! one that was recovered to an earlier moment; both keep their hands off until somebody says that the
//! store is theirs. An older dump that is loaded into the very same database is not told apart: that
//! is why objects that no row knows are never removed unasked.

use kernel::{FileFault, random_hex};
use store::OperatorTx;

use super::index::store;
use super::{Files, OBJECT_BYTES, sql, unavailable};

/// Whether the store is this database's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeper {
    /// It was before.
    Long,
    /// It is nobody's, or was until now. Upkeep waits for another turn: somebody else may have come
    /// at the same moment.
    New,
}

impl Files {
    /// Goes on when the store belongs to this database. A store that is nobody's is claimed.
    ///
    /// # Errors
    /// When the store belongs to another database, or one of the two cannot be reached.
    pub(super) async fn keeper(&self) -> Result<Keeper, FileFault> {
        let tx = self.index.owner.operator().await.map_err(store)?;
        let row = tx.query_opt(sql::KEEPER, &[]).await.map_err(store)?;
        let known = row.map(|row| (row.get::<_, String>(0), row.get::<_, bool>(1)));
        let there = self.shelf.mark().await?;
        match (known, there) {
            (Some((mark, true)), Some(there)) if mark == there => {
                tx.rollback().await.map_err(store)?;
                Ok(Keeper::Long)
            }
            // The store is another one than before, or the claim was cut short.
            (Some((mark, true)), None) => {
                tx.rollback().await.map_err(store)?;
                self.shelf.set_mark(&mark).await?;
                Ok(Keeper::New)
            }
            (None, None) => {
                let mark = self.claim(tx, sql::CLAIM).await?;
                self.shelf.set_mark(&mark).await?;
                Ok(Keeper::New)
            }
            _ => {
                tx.rollback().await.map_err(store)?;
                Err(unavailable(&format!(
                    "the store {} belongs to another control database than this one: this is a copy, \
                     or an older or another one was put back. Nothing is removed from it. When this \
                     one is the right one, run `amanah file tidy --adopt`; a copy needs a store of its \
                     own",
                    self.shelf.place()
                )))
            }
        }
    }

    /// Says that the store belongs to this database from now on, and to no other.
    ///
    /// # Errors
    /// When the store or the control database cannot be reached.
    pub async fn adopt(&self) -> Result<(), FileFault> {
        let tx = self.index.owner.operator().await.map_err(store)?;
        let mark = self.claim(tx, sql::ADOPT).await?;
        self.shelf.set_mark(&mark).await
    }

    /// The mark that the database keeps from now on.
    async fn claim(&self, tx: OperatorTx, how: &str) -> Result<String, FileFault> {
        let mark = random_hex(&*self.rng, OBJECT_BYTES).map_err(|error| unavailable(&error))?;
        tx.execute(how, &[&mark, &self.clock.now()]).await.map_err(store)?;
        let row = tx.query_one(sql::KEEPER, &[]).await.map_err(store)?;
        tx.commit().await.map_err(store)?;
        Ok(row.get(0))
    }
}
