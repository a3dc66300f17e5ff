//! The entries about erasures: the log says that a content goes before it does.

use std::collections::BTreeMap;

#[cfg(test)]
use super::Fault;
use super::queue::{Erasing, Named};
use super::sql;
use crate::seal::{LogReader, Sealer, xid8};
use crate::{ErasureLeaf, Leaf, Result};

/// How many entries are added in one step.
const STEP: i64 = 5_000;
/// So many entries are read at a time where earlier ones are looked for.
const READ: u64 = 4_096;
const OTHER: &str = "what was sealed for it has another hash than stands beside it";

impl Erasing {
    /// Puts an entry into the log for each content that is to go and whose row is sealed, and notes it in
    /// the queue; how many there were. What is not sealed yet waits. An entry that is there because
    /// whoever put it there was killed is not put there again.
    ///
    /// # Errors
    /// When the log or the control database cannot be read or written. The sealer is gone then, as after
    /// [`Sealer::round`].
    pub async fn enter(&self, sealer: Sealer) -> Result<(Sealer, u64)> {
        let rows = self.named(sql::WAITING, sealer.origin(), STEP).await?;
        let Some(first) = rows.iter().map(|row| row.log_size).min() else { return Ok((sealer, 0)) };
        let reader = sealer.reader();
        let epochs = reader.epochs().await?;
        let mut known: Option<BTreeMap<u64, u64>> = None;
        let (mut leaves, mut done) = (Vec::new(), Vec::new());
        for row in &rows {
            let place = (xid8(&row.xid)?, row.id);
            let Some((index, leaf)) = reader.row(&epochs, place).await? else { continue };
            if leaf.row_hash[..] != row.row_hash[..] {
                self.refuse(row, OTHER).await?;
                continue;
            }
            let known = match &mut known {
                Some(known) => known,
                none => none.insert(erasures(&reader, first).await?),
            };
            let entry = *known.entry(index).or_insert_with(|| {
                let entry = reader.size() + leaves.len() as u64;
                leaves.push(self.leaf(row, index));
                entry
            });
            done.push((row, entry));
        }
        if done.is_empty() {
            return Ok((sealer, 0));
        }
        let sealer = sealer.enter(&leaves).await?;
        #[cfg(test)]
        self.killed_at(Fault::Entered)?;
        self.entered(&done).await?;
        Ok((sealer, done.len() as u64))
    }

    fn leaf(&self, row: &Named, index: u64) -> Leaf {
        let Named { request, by, why, .. } = row;
        let request = format!("request {request} by {by}: {why}");
        let at_micros = self.clock.now().as_microsecond();
        Leaf::Erasure(ErasureLeaf { index, at_micros, request })
    }

    async fn entered(&self, done: &[(&Named, u64)]) -> Result<()> {
        let requests: Vec<i64> = done.iter().map(|(row, _)| row.request).collect();
        let xids: Vec<&str> = done.iter().map(|(row, _)| row.xid.as_str()).collect();
        let ids: Vec<i64> = done.iter().map(|(row, _)| row.id).collect();
        let entries: Vec<i64> =
            done.iter().map(|(_, entry)| i64::try_from(*entry).unwrap_or(i64::MAX)).collect();
        let tx = self.control.operator().await?;
        tx.execute(sql::ENTERED, &[&requests, &xids, &ids, &entries]).await?;
        Ok(tx.commit().await?)
    }
}

/// The erasures in a log from entry `from` on: of which entry, and which entry they are.
async fn erasures(reader: &LogReader, from: u64) -> Result<BTreeMap<u64, u64>> {
    let mut found = BTreeMap::new();
    let mut at = from;
    while at < reader.size() {
        let end = reader.size().min(at + READ);
        for (entry, n) in reader.entries(at..end).await?.iter().zip(at..) {
            if let Leaf::Erasure(erasure) = Leaf::decode(entry)? {
                found.insert(erasure.index, n);
            }
        }
        at = end;
    }
    Ok(found)
}
