//! What the comparison found in a stretch of time, for whoever looks back at it.

use jiff::Timestamp;
use store::Db;

use super::{Comparison, MAX_OPEN, Past, Place, place, sql};
use crate::Result;
use crate::review::Differences;

impl Comparison {
    /// What was found in the database that `superuser` connects to, from `from` until before `to`; `None`
    /// when it was never looked at.
    ///
    /// # Errors
    /// When a database does not answer.
    pub async fn during(
        &self,
        superuser: &Db,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Option<Differences>> {
        let Place { system, database, .. } = place(superuser).await?;
        let tx = self.control.operator().await?;
        let known = tx.query_opt(sql::STANDING, &[&system, &database]).await?;
        let bound: store::Bound<'_> = &[&system, &database, &from, &to, &MAX_OPEN];
        let rows = tx.query(sql::DURING, bound).await?;
        let counted = tx.query_one(sql::DURING_COUNT, &[&system, &database, &from, &to]).await?;
        tx.rollback().await?;
        let (count, open): (i64, i64) = (counted.get(0), counted.get(1));
        if known.is_none() && count == 0 {
            return Ok(None);
        }
        let told = rows.iter().map(Past::from_row).collect::<Result<_>>()?;
        Ok(Some(Differences { told, count: count.unsigned_abs(), open: open.unsigned_abs() }))
    }
}
