//! Which control database a store belongs to.
//!
//! Whoever knows an older state of the files, or another one, takes what is newer for nobody's. So an
//! object in the store names the database that may remove something: by a mark that the database
//! keeps too, beside what PostgreSQL calls it. A copy of the database is called otherwise, and so is
//! one that was recovered to an earlier moment; both keep their hands off until somebody says that the
//! store is theirs.
//!
//! An older state that is put back in the very same place, a dump or the files of the server as they
//! were, has the same name. It is told by turns: the upkeep counts them in the database first and in the
//! store then, before it removes anything and every ten minutes. A database that is behind the store
//! was put back. What was put back within the same turn is not told apart, which is one more reason
//! why objects that no row knows are never removed unasked.

use std::time::Duration;

use jiff::Timestamp;
use kernel::{FileFault, random_hex};
use store::OperatorTx;

use super::index::store;
use super::{Files, OBJECT_BYTES, sql, unavailable};

const OLDER: &str = "an older state of it was put back in its place";
const ANOTHER: &str = "this is a copy, or an older or another one was put back";

/// How long a turn lasts when nothing is removed.
const TURN: Duration = Duration::from_mins(10);

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
        let known = row.map(|row| (row.get::<_, String>(0), row.get::<_, bool>(1), row.get(2)));
        let there = self.shelf.mark().await?;
        match (known, there) {
            (Some((mark, true, turn)), Some((same, last))) if mark == same => {
                tx.rollback().await.map_err(store)?;
                if turn >= last { Ok(Keeper::Long) } else { Err(self.foreign(OLDER)) }
            }
            // The store is another one than before, or the claim was cut short.
            (Some((mark, true, turn)), None) => {
                tx.rollback().await.map_err(store)?;
                self.shelf.set_mark(&mark, turn).await?;
                Ok(Keeper::New)
            }
            (None, None) => {
                let mark = self.claim(tx, sql::CLAIM).await?;
                self.shelf.set_mark(&mark, 0).await?;
                Ok(Keeper::New)
            }
            _ => {
                tx.rollback().await.map_err(store)?;
                Err(self.foreign(ANOTHER))
            }
        }
    }

    fn foreign(&self, why: &str) -> FileFault {
        unavailable(&format!(
            "the store {} belongs to another control database than this one: {why}. Nothing is \
             removed from it. When this one is the right one, run `amanah file tidy --adopt`; a copy \
             needs a store of its own",
            self.shelf.place()
        ))
    }

    /// Counts a turn of the upkeep, when one is due or something is about to be removed: a state of
    /// the database from before is known by that.
    ///
    /// # Errors
    /// As [`Files::keeper`]; nothing is to be removed then.
    pub(super) async fn take_turn(&self, removes: bool) -> Result<(), FileFault> {
        let now = self.clock.now();
        let tx = self.index.owner.operator().await.map_err(store)?;
        let row = tx.query_one(sql::KEEPER, &[]).await.map_err(store)?;
        let (mark, turned): (String, Option<Timestamp>) = (row.get(0), row.get(3));
        let is_due = turned.is_none_or(|at| now.duration_since(at).unsigned_abs() >= TURN);
        if !removes && !is_due {
            return tx.rollback().await.map_err(store);
        }
        let row = tx.query_one(sql::TURN, &[&mark, &now]).await.map_err(store)?;
        // Here first: the other way round, a crash in between would look like an older state.
        tx.commit().await.map_err(store)?;
        self.shelf.set_mark(&mark, row.get(0)).await
    }

    /// Says that the store belongs to this database from now on, and to no other.
    ///
    /// # Errors
    /// When the store or the control database cannot be reached.
    pub async fn adopt(&self) -> Result<(), FileFault> {
        let tx = self.index.owner.operator().await.map_err(store)?;
        let mark = self.claim(tx, sql::ADOPT).await?;
        self.shelf.set_mark(&mark, 0).await
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
