//! Contents that are in the archive are found by the entries of their rows, and go from its files.

use std::collections::BTreeSet;
use std::sync::Arc;

use store::Db;
use tlog::Verifier;

use super::queue::{Erasing, Named};
use super::sql;
use crate::archive::{Archive, Outcome, Wanted};
use crate::retention::Month;
use crate::seal::{LogReader, Shelf, xid8};
use crate::verify::Signed;
use crate::{Error, Result};

/// The archive of a trail, and the log by which rows are found there.
#[derive(Clone)]
pub struct Shelved {
    /// Where archived months lie.
    pub archive: Archive,
    /// The keys that may have signed the log.
    pub keys: Vec<Verifier>,
    /// Where the log lies.
    pub log: Arc<dyn Shelf>,
}

impl Shelved {
    /// Takes the contents of these rows out of the archive; what became of each.
    async fn erase(&self, rows: &[Named]) -> Result<Vec<Outcome>> {
        let stored = self.log.checkpoint().await?;
        let stored = stored.ok_or_else(|| Error::Unsealed("it has no checkpoint yet".into()))?;
        let size = Signed::open(&stored.note, &self.keys)?.head.size;
        let reader = LogReader::new(Arc::clone(&self.log), size);
        let epochs = reader.epochs().await?;
        let (mut wanted, mut places) = (Vec::new(), Vec::new());
        for (n, row) in rows.iter().enumerate() {
            let found = reader.row(&epochs, (xid8(&row.xid)?, row.id)).await?;
            let Some((index, leaf)) = found else { continue };
            let Some(month) = Month::of_micros(leaf.at_micros) else { continue };
            wanted.push(Wanted { index, month, row_hash: &row.row_hash });
            places.push(n);
        }
        let mut outcomes = vec![Outcome::Absent; rows.len()];
        for (n, outcome) in places.into_iter().zip(self.archive.erase(&self.keys, &wanted).await?) {
            if let Some(place) = outcomes.get_mut(n) {
                *place = outcome;
            }
        }
        Ok(outcomes)
    }
}

impl Erasing {
    /// Takes contents out of the archive: how many, and the rows that the database may have. What is
    /// in both places is archived anew before it leaves the database, so that what the archive has of it
    /// keeps nothing from being done there.
    pub(super) async fn take_archived(
        &self,
        superuser: &Db,
        files: &Shelved,
        rows: Vec<Named>,
    ) -> Result<(u64, Vec<Named>)> {
        let outcomes = files.erase(&rows).await?;
        #[cfg(test)]
        self.killed_at(super::Fault::Archived)?;
        let there = there(superuser, &rows).await?;
        let (mut near, mut gone) = (Vec::new(), Vec::new());
        for (row, outcome) in rows.into_iter().zip(outcomes) {
            match outcome {
                _ if there.contains(&(row.xid.clone(), row.id)) => near.push(row),
                Outcome::Gone => gone.push(row),
                Outcome::Stays(why) => {
                    self.refuse(&row, &format!("in the archive: {why}")).await?;
                }
                // The database says why it is not there either.
                Outcome::Absent => near.push(row),
            }
        }
        self.taken(&gone).await?;
        Ok((gone.len() as u64, near))
    }

    /// Notes that contents are gone.
    async fn taken(&self, rows: &[Named]) -> Result<()> {
        let requests: Vec<i64> = rows.iter().map(|row| row.request).collect();
        let xids: Vec<&str> = rows.iter().map(|row| row.xid.as_str()).collect();
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let tx = self.control.operator().await?;
        tx.execute(sql::TAKEN, &[&requests, &xids, &ids]).await?;
        Ok(tx.commit().await?)
    }
}

/// Which of these rows are in the database.
async fn there(superuser: &Db, rows: &[Named]) -> Result<BTreeSet<(String, i64)>> {
    let xids: Vec<&str> = rows.iter().map(|row| row.xid.as_str()).collect();
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let tx = superuser.operator().await?;
    tx.batch(crate::sql::CLOSED_PATH).await?;
    let found = tx.query(sql::THERE, &[&xids, &ids]).await?;
    tx.rollback().await?;
    Ok(found.iter().map(|row| (row.get(0), row.get(1))).collect())
}
