//! Access reviews: everything that anybody may do in a tenant is frozen at one moment, and somebody of
//! the tenant keeps or revokes each of it, with a reason.
//!
//! A review is closed when every row is decided and every revocation was seen to count; the database
//! holds that. Whether it is still the same rows is told by their digest, and whether it is still what
//! somebody signed, by the digest of its record (`evidence.rs`).

mod decide;
mod duty;
pub mod evidence;
mod sql;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;

use jiff::Timestamp;
use kernel::{Holding, NOBODY, TenantId};
use sha2::{Digest as _, Sha256};
use store::{Row, Tx};

pub use self::decide::Reviewer;
pub(crate) use self::duty::Duty;
pub use self::duty::ReviewDue;
pub use self::text::{csv, markdown};
use crate::{Access, Error, Result};

/// The most rows of one review.
const MAX_ROWS: usize = 100_000;

/// One review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Its id, a UUID.
    pub id: String,
    /// Whose people it is about.
    pub tenant: String,
    /// Who started it.
    pub started_as: String,
    /// The moment that was frozen.
    pub started_at: Timestamp,
    /// How many rows were frozen.
    pub frozen: i32,
    /// The SHA-256 over them.
    pub digest: Vec<u8>,
    /// Who closed it, and when.
    pub closed: Option<(String, Timestamp)>,
    /// Who gave it up, when and why: it counts for nothing then.
    pub abandoned: Option<(String, Timestamp, String)>,
}

impl Review {
    /// Whether its rows can still be decided.
    pub const fn is_open(&self) -> bool {
        self.closed.is_none() && self.abandoned.is_none()
    }
}

/// One thing that somebody may do, as it was frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewRow {
    /// Its number, from one.
    pub n: i32,
    /// `role`, `support`, or a kind of [`kernel::Holdings`]: `key`, `directory`, `mapping`.
    pub kind: String,
    /// The account.
    pub account: String,
    /// Its address.
    pub holder: String,
    /// The role, what support may, or what it is.
    pub what: String,
    /// The grant, or the id of what it is.
    pub grant: String,
    /// Who gave it.
    pub granted_by: String,
    /// When.
    pub granted_at: Timestamp,
    /// When its holder last did anything in the tenant, or it was last used.
    pub last_used_at: Option<Timestamp>,
    /// Whether its holder is gone or shut out.
    pub orphan: bool,
    /// What was decided.
    pub decision: Option<Decision>,
}

/// What somebody decided about a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it stays.
    pub keep: bool,
    /// Who decided.
    pub by: String,
    /// Their account.
    pub account: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// When it was seen that what was revoked counts for nothing.
    pub verified_at: Option<Timestamp>,
}

impl Access {
    /// Freezes everything that anybody may do in `tenant` at this moment, and returns the review's id.
    ///
    /// # Errors
    /// [`Error::ReviewOpen`] while one is open; [`Error::Review`] when there is nothing to review, too
    /// much, or it cannot be told what there is.
    pub async fn start_review(&self, actor: &str, tenant: &TenantId) -> Result<String> {
        let now = self.clock.now();
        let held = self.held(tenant).await?;
        let tx = self.db.operator().await?;
        tx.batch(sql::ONE_MOMENT).await?;
        let rows = population(&tx, tenant, now, held).await?;
        if rows.is_empty() || rows.len() > MAX_ROWS {
            let why = format!("there are {} rows to review, of 1 to {MAX_ROWS}", rows.len());
            return Err(Error::Review(why));
        }
        let (frozen, digest) = (i32::try_from(rows.len()).unwrap_or(i32::MAX), digest(&rows));
        let name = tenant.as_str();
        let started = tx.query_opt(sql::START, &[&name, &actor, &now, &frozen, &digest]).await?;
        let started = started.ok_or(Error::ReviewOpen)?;
        let id: String = started.get(0);
        for row in &rows {
            let bound: store::Bound<'_> = &[
                &id,
                &row.n,
                &row.kind,
                &row.account,
                &row.holder,
                &row.what,
                &row.grant,
                &row.granted_by,
                &row.granted_at,
                &row.last_used_at,
                &row.orphan,
            ];
            tx.execute(sql::FREEZE, bound).await?;
        }
        tx.commit().await?;
        tracing::info!(id, tenant = name, frozen, "a review of access was started");
        Ok(id)
    }

    /// A review and its rows; of `tenant` alone, where one is given.
    ///
    /// # Errors
    /// [`Error::NoReview`] when there is none of this id there.
    pub async fn review(
        &self,
        id: &str,
        tenant: Option<&TenantId>,
    ) -> Result<(Review, Vec<ReviewRow>)> {
        let id = crate::service::account(id).map_err(|_| Error::NoReview)?;
        let tx = self.db.operator().await?;
        let found = tx.query_opt(sql::FIND, &[&id, &tenant.map(TenantId::as_str)]).await?;
        let review = review(&found.ok_or(Error::NoReview)?);
        let rows = tx.query(sql::ROWS, &[&id]).await?;
        tx.commit().await?;
        Ok((review, rows.iter().map(frozen).collect()))
    }

    /// Every review, of one tenant or of all, the newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reviews(&self, tenant: Option<&TenantId>) -> Result<Vec<Review>> {
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::LIST, &[&tenant.map(TenantId::as_str)]).await?;
        tx.commit().await?;
        Ok(rows.iter().map(review).collect())
    }

    /// What others keep that lets somebody act in `tenant`. Asked before a transaction is open, so that
    /// nobody waits for a connection while they hold one.
    async fn held(&self, tenant: &TenantId) -> Result<Vec<ReviewRow>> {
        let mut rows = Vec::new();
        for keeper in &self.holdings {
            let held = keeper.living(tenant).await.map_err(Error::Review)?;
            rows.extend(held.into_iter().map(|one| row_of(keeper.kind(), one)));
        }
        // Not every keeper knows accounts.
        let of: Vec<&str> = rows.iter().map(|row| row.account.as_str()).collect();
        let tx = self.db.operator().await?;
        let open = tx.query(sql::OPEN_ACCOUNTS, &[&of]).await?;
        tx.commit().await?;
        let open: BTreeSet<String> = open.iter().map(|row| row.get(0)).collect();
        for row in &mut rows {
            row.orphan |= row.account != NOBODY && !open.contains(&row.account);
        }
        Ok(rows)
    }
}

/// Everything that anybody may do in `tenant`: its roles and accesses of support as `tx` sees them, and
/// what is `held` beside them. In one order.
async fn population(
    tx: &Tx,
    tenant: &TenantId,
    now: Timestamp,
    held: Vec<ReviewRow>,
) -> Result<Vec<ReviewRow>> {
    let found = tx.query(sql::POPULATION, &[&tenant.as_str(), &now]).await?;
    let mut rows = held;
    rows.extend(found.iter().map(living));
    rows.sort_by(|a, b| order(a).cmp(&order(b)));
    Ok((1..).zip(rows).map(|(n, row)| ReviewRow { n, ..row }).collect())
}

fn order(row: &ReviewRow) -> [&str; 4] {
    [&row.kind, &row.holder, &row.what, &row.grant]
}

fn living(row: &Row) -> ReviewRow {
    ReviewRow {
        n: 0,
        kind: row.get(0),
        account: row.get(1),
        holder: row.get(2),
        what: row.get(3),
        grant: row.get(4),
        granted_by: row.get(5),
        granted_at: row.get(6),
        last_used_at: row.get(7),
        orphan: row.get(8),
        decision: None,
    }
}

fn row_of(kind: &str, one: Holding) -> ReviewRow {
    ReviewRow {
        n: 0,
        kind: kind.to_owned(),
        account: one.account,
        holder: one.holder,
        what: one.what,
        grant: one.id,
        granted_by: one.given_by,
        granted_at: one.given_at,
        last_used_at: one.last_used_at,
        orphan: one.orphan,
        decision: None,
    }
}

/// The SHA-256 over frozen rows: a line of JSON for each, in their order, without what was decided.
pub(crate) fn digest(rows: &[ReviewRow]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for row in rows {
        let last = row.last_used_at.map(|at| at.to_string());
        let line = serde_json::json!([
            row.n,
            row.kind,
            row.account,
            row.holder,
            row.what,
            row.grant,
            row.granted_by,
            row.granted_at.to_string(),
            last,
            row.orphan,
        ]);
        hash.update(line.to_string().as_bytes());
        hash.update(b"\n");
    }
    hash.finalize().to_vec()
}

fn review(row: &Row) -> Review {
    let by: Option<String> = row.get(6);
    Review {
        id: row.get(0),
        tenant: row.get(1),
        started_as: row.get(2),
        started_at: row.get(3),
        frozen: row.get(4),
        digest: row.get(5),
        closed: by.zip(row.get(7)),
        abandoned: abandoned(row),
    }
}

fn abandoned(row: &Row) -> Option<(String, Timestamp, String)> {
    let (by, at): (Option<String>, Option<Timestamp>) = (row.get(8), row.get(9));
    Some((by?, at?, row.get::<_, Option<String>>(10)?))
}

fn frozen(row: &Row) -> ReviewRow {
    let decided: Option<(String, String)> =
        row.get::<_, Option<String>>(10).zip(row.get::<_, Option<String>>(11));
    let moment: Option<(Timestamp, String)> =
        row.get::<_, Option<Timestamp>>(12).zip(row.get::<_, Option<String>>(13));
    let account: Option<String> = row.get(15);
    let decided = decided.zip(moment).zip(account);
    let decision = decided.map(|(((word, by), (at, reason)), account)| Decision {
        keep: word == "keep",
        by,
        account,
        at,
        reason,
        verified_at: row.get(14),
    });
    ReviewRow {
        n: row.get(0),
        kind: row.get(1),
        account: row.get(2),
        holder: row.get(3),
        what: row.get(4),
        grant: row.get(5),
        granted_by: row.get(6),
        granted_at: row.get(7),
        last_used_at: row.get(8),
        orphan: row.get(9),
        decision,
    }
}
