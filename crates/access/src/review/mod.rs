//! Access reviews: everything that anybody may do in a tenant is frozen at one moment, and somebody of
//! the tenant keeps or revokes each of it, with a reason.
//!
//! A review is closed when every row is decided and every revocation was seen to count; the database
//! holds that. Whether it is still the same rows is told by their digest.

mod sql;
#[cfg(test)]
mod tests;
mod text;

use jiff::Timestamp;
use kernel::{Identity, TenantId, own};
use sha2::{Digest as _, Sha256};
use store::{Row, Tx};

pub use self::text::{csv, markdown};
use crate::support::{in_person, words};
use crate::{Access, Error, Result};

/// The longest reason of a decision, in bytes.
const MAX_REASON_BYTES: usize = 1_000;
/// The most rows of one review.
const MAX_ROWS: usize = 100_000;
/// PostgreSQL's code for a check that failed, also the triggers'.
const CHECK: &str = "23514";

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
}

/// One thing that somebody may do, as it was frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewRow {
    /// Its number, from one.
    pub n: i32,
    /// `role` or `support`.
    pub kind: String,
    /// The account.
    pub account: String,
    /// Its address.
    pub holder: String,
    /// The role, or what support may.
    pub what: String,
    /// The grant.
    pub grant: String,
    /// Who gave it.
    pub granted_by: String,
    /// When.
    pub granted_at: Timestamp,
    /// When its holder last did anything in the tenant.
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
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// When it was seen that what was revoked counts for nothing.
    pub verified_at: Option<Timestamp>,
}

/// Whoever reviews: an account of the tenant and the name that is written down.
#[derive(Debug, Clone)]
pub struct Reviewer {
    account: String,
    actor: String,
}

impl Access {
    /// Whoever is signed in, as a reviewer of their tenant.
    ///
    /// # Errors
    /// [`Error::Refused`] unless they may review and came through a browser.
    pub async fn reviewer(&self, who: &Identity) -> Result<Reviewer> {
        in_person(who)?;
        self.uses.note((&who.account, &who.tenant), own::PEOPLE_REVIEW, self.clock.now());
        self.reviewer_named(&who.account, who.actor.as_str(), &who.tenant).await
    }

    /// The account of `tenant`, as a reviewer: for the operator, in its name.
    ///
    /// # Errors
    /// [`Error::Refused`] unless it may review.
    pub async fn reviewer_named(
        &self,
        account: &str,
        actor: &str,
        tenant: &TenantId,
    ) -> Result<Reviewer> {
        let standing = self.standing_now(account, tenant).await?;
        if !standing.permits.has(own::PEOPLE_REVIEW) {
            return Err(Error::Refused);
        }
        Ok(Reviewer { account: account.to_owned(), actor: actor.to_owned() })
    }

    /// Freezes everything that anybody may do in `tenant` at this moment, and returns the review's id.
    ///
    /// # Errors
    /// [`Error::Review`] while one is open, when there is nothing to review, or too much.
    pub async fn start_review(&self, actor: &str, tenant: &TenantId) -> Result<String> {
        let now = self.clock.now();
        let tx = self.db.operator().await?;
        tx.batch(sql::ONE_MOMENT).await?;
        let rows = population(&tx, tenant, now).await?;
        if rows.is_empty() || rows.len() > MAX_ROWS {
            let why = format!("there are {} rows to review, of 1 to {MAX_ROWS}", rows.len());
            return Err(Error::Review(why));
        }
        let (frozen, digest) = (i32::try_from(rows.len()).unwrap_or(i32::MAX), digest(&rows));
        let name = tenant.as_str();
        let started = tx.query_opt(sql::START, &[&name, &actor, &now, &frozen, &digest]).await?;
        let started = started.ok_or_else(|| Error::Review("one is open already".to_owned()))?;
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

    /// Keeps or revokes a row. What is revoked is taken away in the same transaction, and then it is
    /// looked whether it counts for nothing.
    ///
    /// # Errors
    /// [`Error::NoReview`] when the row is decided or not there; [`Error::Refused`] for their own
    /// row; [`Error::Review`] when what was revoked still counts.
    pub async fn decide_review(
        &self,
        by: &Reviewer,
        tenant: &TenantId,
        (id, n): (&str, i32),
        (keep, reason): (bool, &str),
    ) -> Result<()> {
        words("reason", reason, MAX_REASON_BYTES)?;
        let id = crate::service::account(id).map_err(|_| Error::NoReview)?;
        let now = self.clock.now();
        let word = if keep { "keep" } else { "revoke" };
        let tx = self.db.operator().await?;
        let bound: store::Bound<'_> =
            &[&id, &n, &tenant.as_str(), &word, &by.account, &by.actor, &now, &reason];
        let row = match tx.query_opt(sql::DECIDE, bound).await {
            Err(error) if error.sqlstate() == Some(CHECK) => return Err(Error::Refused),
            row => row?.ok_or(Error::NoReview)?,
        };
        if !keep {
            let grant: String = row.get(3);
            let role = row.get::<_, String>(0) == "role";
            let statement = if role { sql::REVOKE_ROLE } else { sql::END_SUPPORT };
            tx.execute(statement, &[&grant, &now, &by.actor]).await?;
        }
        tx.commit().await?;
        if keep { Ok(()) } else { self.verify_review(id, n, tenant, &row).await }
    }

    /// Asks whoever decides about requests whether what was revoked counts for nothing.
    async fn verify_review(&self, id: &str, n: i32, tenant: &TenantId, row: &Row) -> Result<()> {
        let (kind, account): (String, String) = (row.get(0), row.get(1));
        let (what, grant): (String, String) = (row.get(2), row.get(3));
        let counts = if kind == "role" {
            self.standing_now(&account, tenant).await?.roles.contains(&what)
        } else {
            let staff = self.staff()?.clone();
            self.support_standing(&account, &staff, &grant).await.is_ok()
        };
        if counts {
            return Err(Error::Review(format!("{what} was revoked and still counts")));
        }
        let tx = self.db.operator().await?;
        tx.execute(sql::VERIFIED, &[&id, &n, &self.clock.now()]).await?;
        Ok(tx.commit().await?)
    }

    /// Closes a review, of `tenant` alone where one is given.
    ///
    /// # Errors
    /// [`Error::Review`] while a row is not decided or a revocation not verified;
    /// [`Error::NoReview`] when none of this id is open there.
    pub async fn close_review(
        &self,
        actor: &str,
        tenant: Option<&TenantId>,
        id: &str,
    ) -> Result<()> {
        let id = crate::service::account(id).map_err(|_| Error::NoReview)?;
        let tx = self.db.operator().await?;
        let bound: store::Bound<'_> =
            &[&id, &tenant.map(TenantId::as_str), &self.clock.now(), &actor];
        let closed = match tx.execute(sql::CLOSE, bound).await {
            Err(error) if error.sqlstate() == Some(CHECK) => {
                let why = "not every row is decided and every revocation verified".to_owned();
                return Err(Error::Review(why));
            }
            closed => closed?,
        };
        tx.commit().await?;
        if closed == 0 { Err(Error::NoReview) } else { Ok(()) }
    }

    /// Tenants with somebody who may do something, and since when; those in `besides` are left out.
    pub(crate) async fn review_duties(&self, besides: &[String]) -> Result<Vec<Duty>> {
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::TENANTS, &[&self.clock.now(), &besides]).await?;
        let mut duties = Vec::new();
        for row in rows {
            let tenant: String = row.get(0);
            let last = tx.query_opt(sql::LAST_CLOSED, &[&tenant]).await?;
            duties.push(Duty { tenant, since: row.get(1), last: last.map(|row| row.get(0)) });
        }
        tx.commit().await?;
        Ok(duties)
    }

    /// What is in `tenant` now of what a review revoked: the numbers of its rows.
    pub(crate) async fn come_back(
        &self,
        tenant: &TenantId,
        rows: &[ReviewRow],
    ) -> Result<Vec<i32>> {
        let tx = self.db.operator().await?;
        let now = population(&tx, tenant, self.clock.now()).await?;
        tx.commit().await?;
        let revoked = |row: &&ReviewRow| row.decision.as_ref().is_some_and(|one| !one.keep);
        let here = |row: &ReviewRow| {
            now.iter().any(|live| match row.kind.as_str() {
                "role" => live.account == row.account && live.what == row.what,
                _ => live.grant == row.grant,
            })
        };
        Ok(rows.iter().filter(revoked).filter(|row| here(row)).map(|row| row.n).collect())
    }
}

/// A tenant whose access is to be reviewed.
#[derive(Debug)]
pub(crate) struct Duty {
    pub(crate) tenant: String,
    /// When the oldest of what is there was given.
    pub(crate) since: Timestamp,
    /// The review that was closed last.
    pub(crate) last: Option<String>,
}

async fn population(tx: &Tx, tenant: &TenantId, now: Timestamp) -> Result<Vec<ReviewRow>> {
    let rows = tx.query(sql::POPULATION, &[&tenant.as_str(), &now]).await?;
    let read = |(n, row): (i32, &Row)| ReviewRow {
        n,
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
    };
    Ok((1..).zip(&rows).map(read).collect())
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
    }
}

fn frozen(row: &Row) -> ReviewRow {
    let decided: Option<(String, String)> =
        row.get::<_, Option<String>>(10).zip(row.get::<_, Option<String>>(11));
    let moment: Option<(Timestamp, String)> =
        row.get::<_, Option<Timestamp>>(12).zip(row.get::<_, Option<String>>(13));
    let decision = decided.zip(moment).map(|((word, by), (at, reason))| Decision {
        keep: word == "keep",
        by,
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
