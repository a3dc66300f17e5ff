//! The time in which Amanah itself works on a trail.
//!
//! What `amanah protect` does as a superuser would be full of differences: it makes the trail anew, with its
//! rows. So nothing is compared meanwhile. That part of the log is kept as a difference of kind
//! `maintenance`: explained by whoever ran it when everything before it was compared and it came to its
//! end, and open for somebody to look into otherwise. While it lasts nobody else looks, and a process that
//! is killed leaves a mark which the next look finds.

use store::{Db, OperatorTx, Tx};

use super::known::know;
use super::{Comparison, Kind, Place, flush, is_behind, names, part, place, sql};
use crate::Result;

/// A comparison that waits until Amanah has done its work. It must be told [that it has](Paused::end),
/// whatever became of the work.
#[must_use = "the comparison waits until it is told to go on"]
pub struct Paused {
    comparison: Comparison,
    place: Place,
    /// Keeps others from looking, as long as it is open.
    turn: OperatorTx,
    /// How far the log was read; nothing when it was not.
    read: Option<String>,
    /// Whether everything up to here was compared.
    whole: bool,
}

impl Comparison {
    /// Reads the log to its end and then compares nothing, until it is told to go on. That the log cannot
    /// be read is no reason to leave the work: it is told with it.
    ///
    /// # Errors
    /// When a database does not answer.
    pub async fn pause(&self, superuser: &Db) -> Result<Paused> {
        let whole = matches!(self.read(superuser).await, Ok(super::Look::Done { .. }));
        let place = place(superuser).await?;
        let turn = self.control.operator().await?;
        turn.batch(sql::LONG_TURN).await?;
        turn.query(sql::TURN, &[&place.slot, &place.system]).await?;
        let read = self.read_up_to(&place).await?;
        // What a killed one left is open, and stays so.
        let whole = whole && read.as_ref().is_none_or(|read| read.paused.is_none());
        let tx = self.control.operator().await?;
        let now = self.clock.now();
        tx.execute(sql::PAUSED, &[&place.system, &place.database, &now]).await?;
        tx.commit().await?;
        let read = read.filter(|read| read.ended.is_none()).map(|read| read.lsn);
        Ok(Paused { comparison: self.clone(), place, turn, read, whole })
    }

    /// Goes on behind a part of the log that was not compared, and keeps which one that was. Where `by`
    /// is given, it is explained by him.
    pub(super) async fn pass_over(
        &self,
        tx: &Tx,
        place: &Place,
        (from, to): (&str, &str),
        by: Option<&str>,
    ) -> Result<()> {
        let there = names::there(tx).await?;
        let (before, tables) = self.tables(tx, place, there).await?;
        let Place { system, database, slot } = place;
        let control = self.control.operator().await?;
        let now = self.clock.now();
        let (empty, zero) = (String::new(), 0_i64);
        let (kind, told) = (Kind::Maintenance.as_str(), format!("from {from} to {to}"));
        if let Some(by) = by {
            let why = "amanah protect worked on the trail";
            control
                .execute(sql::MAINTAINED, &[system, database, &told, &to, &now, &by, &why])
                .await?;
        } else {
            control
                .execute(
                    sql::FOUND,
                    &[
                        system, database, &kind, &zero, &empty, &empty, &told, &zero, &zero, &to,
                        &now,
                    ],
                )
                .await?;
        }
        know(&control, place, before, tables, Some(part::number(to)?)).await?;
        control.execute(sql::ADVANCED, &[system, database, &to, &now, &zero, &zero]).await?;
        self.commit(control, place).await?;
        tx.query(sql::ADVANCE, &[slot, &to]).await?;
        Ok(())
    }
}

impl Paused {
    /// Goes on comparing. `by` is who did the work, where it came to its end; otherwise what was done
    /// meanwhile is left open, for somebody to look into.
    ///
    /// # Errors
    /// When a database does not answer. The next look goes on then, and tells it.
    pub async fn end(self, superuser: &Db, by: Option<&str>) -> Result<()> {
        let Self { comparison, place, turn, read, whole } = self;
        if let Some(read) = read {
            let by = by.filter(|_| whole);
            flush(superuser).await?;
            let tx = superuser.operator().await?;
            tx.batch(sql::PATIENCE).await?;
            let slot = tx.query_opt(sql::SLOT, &[&place.slot]).await?;
            let confirmed: Option<String> =
                slot.filter(|row| row.get(0)).and_then(|row| row.get(1));
            // A slot that is gone, or was read by somebody else, is told by the next look.
            if let Some(confirmed) = confirmed.as_deref()
                && !is_behind(&tx, &read, confirmed).await?
            {
                let end: String = tx.query_one(sql::END, &[]).await?.get(0);
                comparison.pass_over(&tx, &place, (&read, &end), by).await?;
            }
            tx.rollback().await?;
        } else {
            // It was ended, or never begun: the next look begins.
            let tx = comparison.control.operator().await?;
            tx.execute(sql::RESUME, &[&place.system, &place.database]).await?;
            comparison.commit(tx, &place).await?;
        }
        Ok(turn.rollback().await?)
    }
}
