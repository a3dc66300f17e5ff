//! Sessions: opened, decided and ended.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kernel::{Actor, Door, Fut, Identity, SessionToken, Sessions, Strength, TenantId};
use store::Row;

use super::Identities;
use super::sign_in::Account;
use crate::cache::{Answer, Ticket};
use crate::token::{self, Digest};
use crate::{Error, Result, sql};

/// How long a session lives without being used.
pub(crate) const IDLE: SignedDuration = SignedDuration::from_mins(30);
/// How long a session lives at most.
pub(crate) const ABSOLUTE: SignedDuration = SignedDuration::from_hours(12);
/// How many sessions of one account live at once; a new one ends the oldest.
pub(crate) const MAX_SESSIONS: i64 = 50;

/// How often a session's last use is written down; a session in use ends up to this much early.
const TOUCH_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// How long the row of a finished session is kept.
const KEEP_ENDED: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Identities {
    /// Ends a session, here at once and in other processes within two seconds. A token that is
    /// not known is as good as ended.
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
        self.cache.forget(&digest);
        Ok(())
    }

    pub(super) async fn open(&self, account: &Account) -> Result<SessionToken> {
        let (token, digest) = token::fresh(&*self.rng)?;
        let now = self.clock.now();
        let tx = self.db.operator().await?;
        let opened = tx
            .execute(
                sql::OPEN_SESSION,
                &[
                    &digest.as_bytes(),
                    &account.id,
                    &account.hash,
                    &now,
                    &later(now, IDLE),
                    &later(now, ABSOLUTE),
                ],
            )
            .await?;
        if opened == 0 {
            tx.rollback().await?;
            return Err(Error::Refused);
        }
        if let Some(new) = &account.rehash {
            tx.execute(sql::REHASH, &[&account.id, &account.hash, new]).await?;
        }
        let ended = tx.execute(sql::END_OLDEST, &[&account.id, &now, &MAX_SESSIONS]).await?;
        let old = now.saturating_sub(KEEP_ENDED).unwrap_or(Timestamp::MIN);
        tx.execute(sql::FORGET_OLD, &[&account.id, &old]).await?;
        tx.commit().await?;
        if ended > 0 {
            self.cache.clear();
        }
        tracing::info!(account = account.id, "signed in");
        Ok(token)
    }

    async fn ask(
        &self,
        digest: Digest,
        ticket: Ticket,
        now: Timestamp,
    ) -> Result<Option<Arc<Identity>>> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::FIND_SESSION, &[&digest.as_bytes(), &now]).await?;
        let Some(row) = row else {
            tx.commit().await?;
            return Ok(None);
        };
        let (identity, seen, until) = self.recognise(&row).await?;
        if identity.strength < identity.standing.needs {
            // A role that was granted later asks for more than this session has shown.
            tx.commit().await?;
            return Ok(None);
        }
        let identity = Arc::new(identity);
        if now.duration_since(seen) >= TOUCH_EVERY {
            tx.execute(sql::TOUCH_SESSION, &[&digest.as_bytes(), &now, &later(now, IDLE)]).await?;
        }
        tx.commit().await?;
        self.cache.put(ticket, digest, &identity, (now, until));
        Ok(Some(identity))
    }

    /// Whoever the session of `row` belongs to, when it was last seen, and when it ends.
    async fn recognise(&self, row: &Row) -> Result<(Identity, Timestamp, Timestamp)> {
        let field = |field, e: kernel::IdError| Error::Field { field, why: e.to_string() };
        let (account, home): (String, String) = (row.get("account"), row.get("tenant"));
        let home = TenantId::new(home).map_err(|e| field("tenant", e))?;
        let grant: Option<String> = row.get("support");
        let standing = self.standings.standing(&account, &home, grant.as_deref()).await;
        let standing = standing.map_err(Error::Standing)?;
        let tenant = standing.support.as_ref().map_or(home, |support| support.tenant.clone());
        let identity = Identity {
            account,
            actor: Actor::new(row.get::<_, String>("email")).map_err(|e| field("address", e))?,
            name: row.get("display_name"),
            tenant,
            standing,
            strength: Strength::shown(row.get("strength")),
            authenticated_at: row.get("authenticated_at"),
            session: row.get("id"),
            door: Door::Browser,
        };
        Ok((identity, row.get("last_seen_at"), row.get("absolute_expires_at")))
    }
}

impl Sessions for Identities {
    fn decide<'a>(&'a self, token: &'a SessionToken) -> Fut<'a, Option<Arc<Identity>>> {
        Box::pin(async move {
            let digest = Digest::of(token)?;
            let now = self.clock.now();
            let ticket = match self.cache.get(&digest, now) {
                Answer::Holder(identity) => return Some(identity),
                Answer::Ask(ticket) => ticket,
            };
            match self.ask(digest, ticket, now).await {
                Ok(identity) => identity,
                Err(error) => {
                    tracing::warn!(%error, "a session could not be decided, so it is refused");
                    None
                }
            }
        })
    }
}

pub(super) fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}
