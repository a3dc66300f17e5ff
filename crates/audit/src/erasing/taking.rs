//! Contents go, once the log says that they do.

use kernel::Rng;
use store::Db;

#[cfg(test)]
use super::Fault;
use super::archived::Shelved;
use super::queue::{Erasing, Named, Turn, system};
use super::sql;
use crate::attack::{ERASER, REFUSED};
use crate::controls::Probe;
use crate::{Error, Result};

/// How many contents go in one transaction.
const STEP: i64 = 500;

impl Erasing {
    /// Takes the contents out of a trail that its log says are erased: out of its archive, if it has one,
    /// and out of the database by a login that is made for this and may do nothing else; gives their space
    /// back; and finishes the requests of which nothing is left. How many contents went; nothing while
    /// somebody else does it, or archives months.
    ///
    /// # Errors
    /// When a database does not answer. What is left is done the next time.
    pub async fn take(
        &self,
        superuser: &Db,
        log: &str,
        files: Option<&Shelved>,
        rng: &dyn Rng,
    ) -> Result<Option<u64>> {
        let Some(Turn(turn)) = self.turn(log).await? else { return Ok(None) };
        let mut taken = 0;
        if !self.named(sql::ENTERED_ONES, log, 1).await?.is_empty() {
            let eraser = Probe::make(superuser, ERASER, rng).await?;
            let answer = self.take_all((superuser, &eraser.db), log, files).await;
            let removed = eraser.remove().await;
            taken = answer?;
            removed?;
        }
        #[cfg(test)]
        self.killed_at(Fault::Cleaning)?;
        self.clean(superuser, log).await?;
        let tx = self.control.operator().await?;
        tx.execute(sql::FINISHED, &[&log, &self.clock.now()]).await?;
        tx.commit().await?;
        turn.rollback().await?;
        Ok(Some(taken))
    }

    async fn take_all(
        &self,
        (superuser, eraser): (&Db, &Db),
        log: &str,
        files: Option<&Shelved>,
    ) -> Result<u64> {
        let system = system(superuser).await?;
        let mut taken = 0;
        loop {
            let mut rows = self.named(sql::ENTERED_ONES, log, STEP).await?;
            if rows.is_empty() {
                return Ok(taken);
            }
            if let Some(files) = files {
                let gone;
                (gone, rows) = self.take_archived(superuser, files, rows).await?;
                taken += gone;
            }
            let mut waiting = vec![rows];
            while let Some(mut rows) = waiting.pop() {
                if rows.is_empty() {
                    continue;
                }
                match self.step(eraser, (log, &system), &rows).await {
                    Ok(()) => taken += rows.len() as u64,
                    // One of them is not what was sealed, and keeps none of the others.
                    Err(Error::Store(error)) if error.sqlstate() == Some(REFUSED) => {
                        let others = rows.split_off(rows.len() / 2);
                        if let ([], [one]) = (rows.as_slice(), others.as_slice()) {
                            self.refuse(one, &error.to_string()).await?;
                        } else {
                            waiting.extend([rows, others]);
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Erases in one transaction, which is noted before it is committed.
    async fn step(&self, eraser: &Db, (log, system): (&str, &str), rows: &[Named]) -> Result<()> {
        let requests: Vec<i64> = rows.iter().map(|row| row.request).collect();
        let xids: Vec<&str> = rows.iter().map(|row| row.xid.as_str()).collect();
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let hashes: Vec<&[u8]> = rows.iter().map(|row| row.row_hash.as_slice()).collect();
        let tx = eraser.operator().await?;
        let xid: String = tx.query_one(sql::TRANSACTION, &[]).await?.get(0);
        let control = self.control.operator().await?;
        let database = &eraser.url().database;
        let noted = control.query_one(sql::ATTEMPT, &[&log, &system, database, &xid, &ids]).await?;
        let attempt: i64 = noted.get(0);
        control.commit().await?;
        tx.query_one(sql::ERASE, &[&xids, &ids, &hashes]).await?;
        #[cfg(test)]
        self.killed_at(Fault::Erasing)?;
        tx.commit().await?;
        #[cfg(test)]
        self.killed_at(Fault::Erased)?;
        let tx = eraser.operator().await?;
        let behind: String = tx.query_one(sql::BEHIND_ALL, &[]).await?.get(0);
        tx.rollback().await?;
        let control = self.control.operator().await?;
        control.execute(sql::TAKEN, &[&requests, &xids, &ids]).await?;
        control.execute(sql::ENDED, &[&attempt, &behind]).await?;
        Ok(control.commit().await?)
    }

    /// Has the space of what is gone given back, as the superuser, who owns the partitions. Until then the
    /// former rows lie in their files.
    async fn clean(&self, superuser: &Db, log: &str) -> Result<()> {
        let tx = self.control.operator().await?;
        let rows = tx.query(sql::TAKEN_ONES, &[&log]).await?;
        tx.rollback().await?;
        let (xids, ids): (Vec<String>, Vec<i64>) =
            rows.iter().map(|row| (row.get::<_, String>(0), row.get::<_, i64>(1))).unzip();
        if ids.is_empty() {
            return Ok(());
        }
        let tx = superuser.operator().await?;
        tx.batch(crate::sql::CLOSED_PATH).await?;
        let parts = tx.query(sql::PARTITIONS, &[&xids, &ids]).await?;
        tx.rollback().await?;
        for part in parts {
            superuser.vacuum("audit", part.get(0)).await?;
        }
        Ok(())
    }
}
