//! Rows as they are wanted, out of one pass over the trail.
//!
//! It promises to hold one of them at a time: a tenant may write rows of any size, and thousands of
//! them.

use store::{Db, OperatorTx, Streamed};

use crate::retention::Month;
use crate::row::{self, TrailRow};
use crate::verify::readable;
use crate::{Result, sql};

/// A row's place, and the row, if it can be one of a trail.
type Placed = ((u64, i64), Option<TrailRow>);

/// The rows from one place on, in the order of (`xid`, `id`).
pub(crate) struct Feed {
    tx: OperatorTx,
    /// Those that the server has been asked for.
    page: Option<Streamed>,
    /// The one that was read last and is not behind.
    ahead: Option<Placed>,
    done: bool,
    last: (u64, i64),
}

impl Feed {
    /// The rows of the transaction `xid` and later ones.
    pub(crate) async fn open(db: &Db, xid: u64) -> Result<Self> {
        Self::filtered(db, xid, "").await
    }

    /// The same of one month alone.
    pub(crate) async fn open_month(db: &Db, xid: u64, month: Month) -> Result<Self> {
        let (first, end) = (month.first(), month.later(1).first());
        let within = format!(
            " AND event_timestamp >= '{first} 00:00:00+00' AND event_timestamp < '{end} 00:00:00+00'"
        );
        Self::filtered(db, xid, &within).await
    }

    async fn filtered(db: &Db, xid: u64, within: &str) -> Result<Self> {
        let tx = db.operator().await?;
        tx.batch(sql::ONE_SNAPSHOT).await?;
        tx.batch(sql::CLOSED_PATH).await?;
        row::sees_all(&tx).await?;
        // A cursor takes no parameter here; this one is a number.
        let from = format!(" WHERE system_audit_logs.xid >= '{xid}'::xid8");
        tx.batch(&format!("{}{}{from}{within}{}", sql::DECLARE, sql::ROW, sql::IN_ORDER)).await?;
        Ok(Self { tx, page: None, ahead: None, done: false, last: (xid, i64::MIN) })
    }

    /// Whether what comes still has this one.
    pub(crate) fn comes_to(&self, wanted: (u64, i64)) -> bool {
        self.last <= wanted
    }

    /// The row of this place, if there is one that can be one of a trail. It and all before it are
    /// behind then.
    pub(crate) async fn take(&mut self, wanted: (u64, i64)) -> Result<Option<TrailRow>> {
        self.last = wanted;
        loop {
            match self.ahead.take() {
                Some(ahead) if ahead.0 > wanted => {
                    self.ahead = Some(ahead);
                    return Ok(None);
                }
                Some((at, row)) if at == wanted => return Ok(row),
                Some(_) => {}
                None if self.done => return Ok(None),
                None => self.ahead = self.next().await?,
            }
        }
    }

    /// The next row; `None` behind the last one, and for one that has no place.
    async fn next(&mut self) -> Result<Option<Placed>> {
        let (mut page, fresh) = match self.page.take() {
            Some(page) => (page, false),
            None => (self.tx.stream(sql::FETCH, &[]).await?, true),
        };
        let Some(row) = page.next().await? else {
            self.done = fresh;
            return Ok(None);
        };
        self.page = Some(page);
        let xid: Option<String> = row.try_get(2).ok().flatten();
        let id: Option<i64> = row.try_get(0).ok().flatten();
        Ok(match (xid.map(|xid| xid.parse()), id) {
            (Some(Ok(xid)), Some(id)) => {
                Some(((xid, id), readable(&row).then(|| TrailRow::from_row(&row))))
            }
            _ => None,
        })
    }
}
