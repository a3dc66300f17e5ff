//! What is decided about a review's rows, and how a review ends.

use kernel::{Identity, Notice, TenantId, own};
use store::Row;

use super::sql;
use crate::service::in_words;
use crate::support::{in_person, words};
use crate::{Access, Error, Result};

/// The longest reason of a decision, in bytes.
const MAX_REASON_BYTES: usize = 1_000;
/// PostgreSQL's code for a check that failed, also the triggers'.
const CHECK: &str = "23514";
/// What is a row of a role, and of an access of support.
const ROLE: &str = "role";
const SUPPORT: &str = "support";

/// Whoever reviews: an account of the tenant and the name that is written down.
#[derive(Debug, Clone)]
pub struct Reviewer {
    account: String,
    actor: String,
    // Whether they proved who they are a short time ago, as taking something away asks for.
    recent: bool,
}

/// What was decided to be revoked.
struct Revoked {
    kind: String,
    account: String,
    what: String,
    grant: String,
}

impl Revoked {
    fn read(row: &Row) -> Self {
        Self { kind: row.get(0), account: row.get(1), what: row.get(2), grant: row.get(3) }
    }
}

impl Access {
    /// Whoever is signed in, as a reviewer of their tenant.
    ///
    /// # Errors
    /// [`Error::Refused`] unless they may review and came through a browser.
    pub async fn reviewer(&self, who: &Identity) -> Result<Reviewer> {
        in_person(who)?;
        let now = self.clock.now();
        let named = self.reviewer_named(&who.account, who.actor.as_str(), &who.tenant).await?;
        self.uses.note((&who.account, &who.tenant), own::PEOPLE_REVIEW, now);
        Ok(Reviewer { recent: who.is_recent(now), ..named })
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
        Ok(Reviewer { account: account.to_owned(), actor: actor.to_owned(), recent: true })
    }

    /// Keeps or revokes a row. What is revoked is taken away, and then it is looked whether it counts
    /// for nothing. Where that was cut off, or the right was given again meanwhile, revoking the row
    /// once more takes it away again and looks again; what was decided stays as it was written down.
    ///
    /// # Errors
    /// [`Error::NoReview`] when the row is decided or not there; [`Error::OwnRow`] for their own
    /// row; [`Error::StepUp`] when they revoke and proved who they are too long ago;
    /// [`Error::StillCounts`] when what was revoked still counts; [`Error::Review`] when it could not
    /// be taken away or looked at: revoke it again then.
    pub async fn decide_review(
        &self,
        by: &Reviewer,
        tenant: &TenantId,
        (id, n): (&str, i32),
        (keep, reason): (bool, &str),
    ) -> Result<()> {
        words("reason", reason, MAX_REASON_BYTES)?;
        let id = crate::service::account(id).map_err(|_| Error::NoReview)?;
        if !keep && !by.recent {
            return Err(Error::StepUp);
        }
        let now = self.clock.now();
        let word = if keep { "keep" } else { "revoke" };
        let tx = self.db.operator().await?;
        let bound: store::Bound<'_> =
            &[&id, &n, &tenant.as_str(), &word, &by.account, &by.actor, &now, &reason];
        let decided = match tx.query_opt(sql::DECIDE, bound).await {
            Err(error) if error.sqlstate() == Some(CHECK) => return Err(Error::OwnRow),
            decided => decided?,
        };
        let row = match decided {
            Some(row) => row,
            None if keep => return Err(Error::NoReview),
            None => {
                let half = tx.query_opt(sql::HALF_DONE, &[&id, &n, &tenant.as_str()]).await?;
                half.ok_or(Error::NoReview)?
            }
        };
        let row = Revoked::read(&row);
        if row.account == by.account {
            return Err(Error::OwnRow);
        }
        if keep {
            return Ok(tx.commit().await?);
        }
        match row.kind.as_str() {
            ROLE => {
                let bound: store::Bound<'_> =
                    &[&row.account, &tenant.as_str(), &row.what, &now, &by.actor];
                if tx.execute(sql::REVOKE_ROLE, bound).await? > 0 {
                    let what = in_words(&row.what, tenant);
                    self.tell(&tx, &row.account, Notice::RolesTaken, &what).await?;
                }
            }
            SUPPORT => {
                tx.execute(sql::END_SUPPORT, &[&row.grant, &now, &by.actor]).await?;
            }
            _ => {}
        }
        tx.commit().await?;
        if row.kind != ROLE && row.kind != SUPPORT {
            self.keeper(&row.kind)?.end(tenant, &row.grant).await.map_err(Error::Review)?;
        }
        self.verify_review((id, n), tenant, &row).await
    }

    /// Asks whoever decides about requests whether what was revoked counts for nothing.
    async fn verify_review(
        &self,
        (id, n): (&str, i32),
        tenant: &TenantId,
        row: &Revoked,
    ) -> Result<()> {
        let counts = match row.kind.as_str() {
            ROLE => self.standing_now(&row.account, tenant).await?.roles.contains(&row.what),
            SUPPORT => {
                let staff = self.staff()?.clone();
                match self.support_standing(&row.account, &staff, &row.grant).await {
                    Ok(_) => true,
                    Err(Error::NoSupport | Error::Refused) => false,
                    Err(error) => return Err(error),
                }
            }
            kind => {
                let counts = self.keeper(kind)?.counts(tenant, &row.grant).await;
                counts.map_err(Error::Review)?
            }
        };
        if counts {
            return Err(Error::StillCounts(row.what.clone()));
        }
        let tx = self.db.operator().await?;
        tx.execute(sql::VERIFIED, &[&id, &n, &self.clock.now()]).await?;
        Ok(tx.commit().await?)
    }

    /// Whoever keeps things of this kind.
    fn keeper(&self, kind: &str) -> Result<&dyn kernel::Holdings> {
        let keeper = self.holdings.iter().find(|keeper| keeper.kind() == kind);
        let none = || Error::Review(format!("nobody here keeps what is called {kind}"));
        keeper.map(|keeper| &**keeper).ok_or_else(none)
    }

    /// Closes a review, of `tenant` alone where one is given.
    ///
    /// # Errors
    /// [`Error::Undecided`] while a row is not decided or a revocation not verified;
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
            Err(error) if error.sqlstate() == Some(CHECK) => return Err(Error::Undecided),
            closed => closed?,
        };
        tx.commit().await?;
        if closed == 0 { Err(Error::NoReview) } else { Ok(()) }
    }

    /// Gives an open review up, so that another one can begin. What was revoked by it stays revoked.
    /// For the operator: nobody of a tenant makes a review go away that they are in.
    ///
    /// # Errors
    /// [`Error::Field`] without a reason; [`Error::NoReview`] when none of this id is open.
    pub async fn abandon_review(&self, actor: &str, id: &str, reason: &str) -> Result<()> {
        words("reason", reason, MAX_REASON_BYTES)?;
        let id = crate::service::account(id).map_err(|_| Error::NoReview)?;
        let tx = self.db.operator().await?;
        let bound: store::Bound<'_> = &[&id, &self.clock.now(), &actor, &reason];
        let abandoned = tx.execute(sql::ABANDON, bound).await?;
        tx.commit().await?;
        if abandoned == 0 {
            return Err(Error::NoReview);
        }
        tracing::info!(id, actor, reason, "a review of access was given up");
        Ok(())
    }
}
