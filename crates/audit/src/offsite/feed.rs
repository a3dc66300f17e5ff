//! Rows as they are wanted, out of one pass over the trail.

use std::collections::VecDeque;

use store::{Db, OperatorTx, Row};

use crate::row::{self, TrailRow};
use crate::verify::readable;
use crate::{Result, sql};

/// The rows from one place on, in the order of (`xid`, `id`).
pub(super) struct Feed {
    tx: OperatorTx,
    page: VecDeque<((u64, i64), Option<TrailRow>)>,
    done: bool,
    last: (u64, i64),
}

impl Feed {
    /// The rows of the transaction `xid` and later ones.
    pub(super) async fn open(db: &Db, xid: u64) -> Result<Self> {
        let tx = db.operator().await?;
        tx.batch(sql::ONE_SNAPSHOT).await?;
        tx.batch(sql::CLOSED_PATH).await?;
        row::sees_all(&tx).await?;
        // A cursor takes no parameter here; this one is a number.
        let from = format!(" WHERE system_audit_logs.xid >= '{xid}'::xid8");
        tx.batch(&format!("{}{}{from}{}", sql::DECLARE, sql::ROW, sql::IN_ORDER)).await?;
        Ok(Self { tx, page: VecDeque::new(), done: false, last: (xid, i64::MIN) })
    }

    /// Whether what comes still has this one.
    pub(super) fn comes_to(&self, wanted: (u64, i64)) -> bool {
        self.last <= wanted
    }

    /// The row of this place, if there is one that can be one of a trail. It and all before it are
    /// behind then.
    pub(super) async fn take(&mut self, wanted: (u64, i64)) -> Result<Option<TrailRow>> {
        self.last = wanted;
        loop {
            match self.page.front() {
                Some((at, _)) if *at > wanted => return Ok(None),
                Some((at, _)) => {
                    let found = *at == wanted;
                    let row = self.page.pop_front().and_then(|(_, row)| row);
                    if found {
                        return Ok(row);
                    }
                }
                None if self.done => return Ok(None),
                None => self.fetch().await?,
            }
        }
    }

    async fn fetch(&mut self) -> Result<()> {
        let page = &mut self.page;
        let mut take = |row: Row| -> Result<()> {
            let xid: Option<String> = row.try_get(2).ok().flatten();
            let id: Option<i64> = row.try_get(0).ok().flatten();
            if let (Some(Ok(xid)), Some(id)) = (xid.map(|xid| xid.parse()), id) {
                page.push_back(((xid, id), readable(&row).then(|| TrailRow::from_row(&row))));
            }
            Ok(())
        };
        self.tx.query_each(sql::FETCH, &[], &mut take).await?;
        self.done = self.page.is_empty();
        Ok(())
    }
}
