//! Which tenants are to be reviewed, when, and what became of what a review saw.

use jiff::{SignedDuration, Timestamp};
use kernel::TenantId;

use super::{Review, ReviewRow, population, sql};
use crate::{Access, Result};

/// What was given so short a time before a review that its commit may have come after it.
const SETTLED: SignedDuration = SignedDuration::from_mins(1);

/// A tenant whose access is to be reviewed.
#[derive(Debug)]
pub(crate) struct Duty {
    pub(crate) tenant: String,
    /// When the first of what anybody had was given.
    pub(crate) since: Timestamp,
    /// The review that was closed last, and the moment that it froze.
    pub(crate) last: Option<(String, Timestamp)>,
}

/// When a tenant's next review is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewDue {
    /// The tenant.
    pub tenant: String,
    /// The moment that the last one froze, if there was one.
    pub last: Option<Timestamp>,
    /// Until when the next one has to be closed.
    pub due: Timestamp,
}

/// What is in a tenant now, beside what a review froze.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Compared {
    /// The numbers of the rows that it revoked, and that are there.
    pub(crate) back: Vec<i32>,
    /// What was there when it began, and is in none of its rows.
    pub(crate) left_out: Vec<String>,
}

impl Access {
    /// When the next review is due in each tenant with somebody who may do something, where one is due
    /// each `every`; those in `besides` are left out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reviews_due(
        &self,
        every: SignedDuration,
        besides: &[String],
    ) -> Result<Vec<ReviewDue>> {
        let due = |duty: Duty| {
            let last = duty.last.map(|(_, at)| at);
            let from = last.unwrap_or(duty.since);
            let due = from.saturating_add(every).unwrap_or(Timestamp::MAX);
            ReviewDue { tenant: duty.tenant, last, due }
        };
        Ok(self.review_duties(besides).await?.into_iter().map(due).collect())
    }

    /// Tenants with somebody who may do something, and since when; those in `besides` are left out.
    pub(crate) async fn review_duties(&self, besides: &[String]) -> Result<Vec<Duty>> {
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::TENANTS, &[&self.clock.now(), &besides]).await?;
        let mut duties = Vec::new();
        for row in rows {
            let tenant: String = row.get(0);
            let last = tx.query_opt(sql::LAST_CLOSED, &[&tenant]).await?;
            let last = last.map(|row| (row.get(0), row.get(1)));
            duties.push(Duty { tenant, since: row.get(1), last });
        }
        tx.commit().await?;
        Ok(duties)
    }

    /// What is in `tenant` now, held against what `review` froze in `rows`.
    pub(crate) async fn compare_review(
        &self,
        tenant: &TenantId,
        review: &Review,
        rows: &[ReviewRow],
    ) -> Result<Compared> {
        let held = self.held(tenant).await?;
        let tx = self.db.operator().await?;
        let now = population(&tx, tenant, self.clock.now(), held).await?;
        tx.commit().await?;
        let revoked = |row: &&ReviewRow| row.decision.as_ref().is_some_and(|one| !one.keep);
        let here = |row: &ReviewRow| {
            now.iter().any(|live| match row.kind.as_str() {
                "role" => {
                    live.kind == row.kind && live.account == row.account && live.what == row.what
                }
                _ => live.kind == row.kind && live.grant == row.grant,
            })
        };
        let back = rows.iter().filter(revoked).filter(|row| here(row)).map(|row| row.n).collect();
        let before = review.started_at.saturating_sub(SETTLED).unwrap_or(Timestamp::MIN);
        let seen = |live: &ReviewRow| {
            rows.iter().any(|row| row.kind == live.kind && row.grant == live.grant)
        };
        let missing = now.iter().filter(|live| live.granted_at < before && !seen(live));
        let left_out = missing.map(|live| format!("{} of {}", live.what, live.holder)).collect();
        Ok(Compared { back, left_out })
    }
}
