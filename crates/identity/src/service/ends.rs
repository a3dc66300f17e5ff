//! What sessions somebody has, and the ways in which they end.

use jiff::Timestamp;
use kernel::{Notice, SessionToken, Strength, TenantId};
use store::OperatorTx;

use super::Identities;
use crate::cache::Ended;
use crate::lifetime::Lifetime;
use crate::mail::tell;
use crate::token::Digest;
use crate::{Error, Result, sql};

/// A living session, as its owner sees it. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionCard {
    /// Its name; equal to [`kernel::Identity::session`] for the one that asks.
    pub id: String,
    /// When it was opened.
    pub created: Timestamp,
    /// When it was last used, to the minute.
    pub last_seen: Timestamp,
    /// How its holder proved who they are.
    pub strength: Strength,
    /// The family of the browser that opened it; empty when it did not say.
    pub agent: String,
    /// The grant of support that it rests on.
    pub support: Option<String>,
}

/// Ends every session of `account` but the one named `keep`, and what programs got from them; how many
/// sessions those were. One that is given a new name at this moment is ended under the new one.
pub(crate) async fn others(
    tx: &OperatorTx,
    account: &str,
    keep: &str,
    now: Timestamp,
) -> Result<u64> {
    tx.query_opt(sql::HOLD_ACCOUNT, &[&account]).await?;
    Ok(tx.execute(sql::END_OTHERS, &[&account, &keep, &now]).await?)
}

/// The same, as long as `keep` lives: whoever ended it decides about the others, and not whoever held it.
///
/// # Errors
/// [`Error::Over`] when it does not; nothing was done then.
pub(crate) async fn others_asked_in(
    tx: &OperatorTx,
    account: &str,
    keep: &str,
    now: Timestamp,
) -> Result<u64> {
    tx.query_opt(sql::HOLD_ACCOUNT, &[&account]).await?;
    if tx.query_opt(sql::HOLD_LIVING, &[&account, &keep, &now]).await?.is_none() {
        return Err(Error::Over);
    }
    others(tx, account, keep, now).await
}

impl Identities {
    /// The living sessions of `account`, the one that was used last first; at most 50.
    ///
    /// # Errors
    /// When the database does not answer, or `account` is no id.
    pub async fn sessions(&self, account: &str) -> Result<Vec<SessionCard>> {
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::LIST_SESSIONS, &[&account, &self.clock.now()]).await?;
        tx.commit().await?;
        let card = |row: &store::Row| SessionCard {
            id: row.get("id"),
            created: row.get("created_at"),
            last_seen: row.get("last_seen_at"),
            strength: Strength::shown(row.get("strength")),
            agent: row.get("agent"),
            support: row.get("support"),
        };
        Ok(rows.iter().map(card).collect())
    }

    /// Ends one session of `account`. Whether there was one of this name: another account's is
    /// none.
    ///
    /// # Errors
    /// When the database did not do it; the session may live on then.
    pub async fn end_session(&self, account: &str, id: &str) -> Result<bool> {
        let tx = self.db.operator().await?;
        let ended = tx.execute(sql::END_ONE, &[&account, &id, &self.clock.now()]).await?;
        tx.commit().await?;
        // Whatever else of theirs is in memory is read again.
        if ended > 0 {
            self.cache.forget(Ended::account(account));
        }
        Ok(ended > 0)
    }

    /// Ends every session of `account` but the one named `keep`; how many those were.
    ///
    /// # Errors
    /// [`Error::Over`] when `keep` has ended: nothing was done then. When the database did not
    /// do it; they may live on then.
    pub async fn end_others(&self, account: &str, keep: &str) -> Result<u64> {
        let tx = self.db.operator().await?;
        let ended = others_asked_in(&tx, account, keep, self.clock.now()).await?;
        tx.commit().await?;
        if ended > 0 {
            self.cache.forget(Ended::account(account));
        }
        Ok(ended)
    }

    /// Ends everything that was given out to `account`: sessions, refresh tokens, keys. Its holder is told of
    /// the sessions.
    ///
    /// # Errors
    /// When the database did not do it; it may live on then.
    pub async fn end_all(&self, account: &str) -> Result<()> {
        let now = self.clock.now();
        let tx = self.db.operator().await?;
        let open = tx.query(sql::LIST_SESSIONS, &[&account, &now]).await?.len();
        let ended = tx.execute(sql::END_ALL, &[&account]).await?;
        if open > 0 {
            tell(&tx, account, Notice::SessionsEnded, &open.to_string(), now).await?;
        }
        tx.commit().await?;
        if ended > 0 {
            self.cache.forget(Ended::account(account));
        }
        tracing::info!(account, "everything that was given out to an account was ended");
        Ok(())
    }

    /// Ends a session, here at once and elsewhere when it is heard of there. A token that is not
    /// known is as good as ended.
    ///
    /// # Errors
    /// When the database did not do it; the session may live on then.
    pub async fn sign_out(&self, token: &SessionToken) -> Result<()> {
        let Some(digest) = Digest::of(token) else {
            return Ok(());
        };
        let tx = self.db.operator().await?;
        tx.execute(sql::END_SESSION, &[&digest.as_bytes(), &self.clock.now()]).await?;
        tx.commit().await?;
        self.cache.forget(Ended::Session(digest));
        Ok(())
    }

    /// Whether there are people of `tenant`, or were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn has_people(&self, tenant: &TenantId) -> Result<bool> {
        let tx = self.db.operator().await?;
        let row = tx.query_one(sql::HAS_PEOPLE, &[&tenant.as_str()]).await?;
        tx.commit().await?;
        Ok(row.get(0))
    }

    /// Shuts the people of `tenant` out, and ends whatever was given out to them.
    ///
    /// # Errors
    /// When the database did not do it; they may be signed in then.
    pub async fn suspend_tenant(&self, tenant: &TenantId) -> Result<()> {
        self.change(tenant, sql::SUSPEND_TENANT, &[&tenant.as_str(), &self.clock.now()]).await
    }

    /// Lets the people of `tenant` sign in again. What was ended stays ended.
    ///
    /// # Errors
    /// When the database did not do it.
    pub async fn resume_tenant(&self, tenant: &TenantId) -> Result<()> {
        self.change(tenant, sql::RESUME_TENANT, &[&tenant.as_str()]).await
    }

    /// Gives the people of `tenant` limits of their own, in whole seconds; `None` is the house's.
    /// They count for sessions that are open, too. A longer limit than the house's changes nothing.
    ///
    /// # Errors
    /// [`Error::Field`] when a limit is below a minute; the database otherwise.
    pub async fn limit_tenant(
        &self,
        tenant: &TenantId,
        idle: Option<i32>,
        absolute: Option<i32>,
    ) -> Result<()> {
        if idle.into_iter().chain(absolute).any(|limit| limit < 60) {
            let why = "a session lives for a minute at least".to_owned();
            return Err(Error::Field { field: "limit", why });
        }
        self.change(tenant, sql::LIMIT_TENANT, &[&tenant.as_str(), &idle, &absolute]).await?;
        self.shorten_sessions().await.map(drop)
    }

    /// Brings the end of every living session and family of tokens forward to what its limits are by
    /// now; how many that concerned. To be called when the house's limits may have changed.
    ///
    /// # Errors
    /// When the database did not do it. Their limits are looked at whenever they are used, too.
    pub async fn shorten_sessions(&self) -> Result<u64> {
        let (idle, absolute) = self.lifetime.seconds();
        let tx = self.db.operator().await?;
        let bound: store::Bound<'_> = &[&self.clock.now(), &idle, &absolute];
        let shortened = tx.execute(sql::SHORTEN_SESSIONS, bound).await?
            + tx.execute(sql::tokens::SHORTEN_FAMILIES, bound).await?;
        tx.commit().await?;
        if shortened > 0 {
            self.cache.clear();
        }
        Ok(shortened)
    }

    /// The limits of the house.
    pub const fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    async fn change(&self, tenant: &TenantId, sql: &str, bound: store::Bound<'_>) -> Result<()> {
        let tx = self.db.operator().await?;
        tx.execute(sql, bound).await?;
        tx.commit().await?;
        self.cache.forget(Ended::tenant(tenant.as_str()));
        Ok(())
    }
}
