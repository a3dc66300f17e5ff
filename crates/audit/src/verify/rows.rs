//! The rows of the trail, in the order of transaction and number, from one snapshot. What is kept of a
//! row is its hash, so that a page takes as much memory whatever the rows hold.

use std::collections::VecDeque;

use jiff::Timestamp;
use store::{Db, OperatorTx, Row};

use super::compare::Sight;
use crate::row::{self, TrailRow};
use crate::seal::{MOMENT, xid8};
use crate::{Error, Result, sql};

/// The rows of the trail as they are now.
pub(crate) struct Rows {
    tx: OperatorTx,
    page: VecDeque<Sight>,
    done: bool,
}

impl Rows {
    /// Opens the trail in `tx`, which has read nothing yet.
    pub(crate) async fn open(tx: OperatorTx) -> Result<Self> {
        tx.batch(sql::ONE_SNAPSHOT).await?;
        tx.batch(sql::CLOSED_PATH).await?;
        row::sees_all(&tx).await?;
        tx.batch(&format!("{}{}{}", sql::DECLARE, sql::ROW, sql::IN_ORDER)).await?;
        Ok(Self { tx, page: VecDeque::new(), done: false })
    }

    /// What it is read in.
    pub(super) const fn tx(&self) -> &OperatorTx {
        &self.tx
    }

    /// The cluster, its timeline, and the transaction that it begins next.
    pub(super) async fn moment(&self) -> Result<(u64, u32, u64)> {
        let row = self.tx.query_one(MOMENT, &[]).await?;
        let (system, timeline): (i64, i32) = (row.get(0), row.get(1));
        Ok((system.cast_unsigned(), timeline.cast_unsigned(), xid8(row.get(3))?))
    }

    /// The next row.
    pub(crate) async fn next(&mut self) -> Result<Option<Sight>> {
        if self.page.is_empty() && !self.done {
            let page = &mut self.page;
            let mut take = |row: Row| -> Result<()> {
                page.push_back(Sight::of(&row));
                Ok(())
            };
            self.tx.query_each(sql::FETCH, &[], &mut take).await?;
            self.done = self.page.is_empty();
        }
        Ok(self.page.pop_front())
    }
}

/// The row of this number.
///
/// # Errors
/// When the database refuses, or what stands there cannot be a row of a trail.
pub async fn row(database: &Db, id: i64) -> Result<Option<TrailRow>> {
    let tx = database.operator().await?;
    tx.batch(sql::ONE_SNAPSHOT).await?;
    tx.batch(sql::CLOSED_PATH).await?;
    let found = tx.query(&format!("{}{}", sql::ROW, sql::OF_NUMBER), &[&id]).await?;
    tx.rollback().await?;
    let why = match found.as_slice() {
        [] => return Ok(None),
        [one] if readable(one) => return Ok(Some(TrailRow::from_row(one))),
        [_] => "it lacks what every row of a trail has",
        _ => "several rows have this number",
    };
    let why = format!("{why}. `amanah audit verify` says more");
    Err(Error::Unproven { row: id, why })
}

impl Sight {
    /// What is compared of a row. A superuser may have put anything into its columns, also what no
    /// row of a trail has.
    fn of(row: &Row) -> Self {
        let xid: Option<String> = row.try_get(2).ok().flatten();
        let id: Option<i64> = row.try_get(0).ok().flatten();
        let seen = Self {
            xid: xid.and_then(|xid| xid.parse().ok()).unwrap_or(u64::MAX),
            id: id.unwrap_or(i64::MAX),
            at_micros: i64::MIN,
            stored: None,
            own: None,
            erased: false,
        };
        if !readable(row) {
            return seen;
        }
        let entry = TrailRow::from_row(row);
        let Self { xid, id, .. } = seen;
        Self { xid, id, ..Self::of_row(&entry) }
    }
}

/// Whether each column that a row has to have is there, and is of its kind.
pub(crate) fn readable(row: &Row) -> bool {
    let text = |n: usize| matches!(row.try_get::<_, Option<String>>(n), Ok(Some(_)));
    matches!(row.try_get::<_, Option<i64>>(0), Ok(Some(_)))
        && matches!(row.try_get::<_, Option<Timestamp>>(1), Ok(Some(_)))
        && matches!(row.try_get::<_, Option<Vec<u8>>>(13), Ok(Some(_)))
        && row.try_get::<_, Option<Vec<u8>>>(14).is_ok()
        && row.try_get::<_, Option<Vec<u8>>>(15).is_ok()
        && [2, 5, 7, 8, 9].into_iter().all(text)
}
