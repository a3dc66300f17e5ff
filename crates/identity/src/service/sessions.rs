//! Sessions: opened, renewed and decided.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kernel::{Actor, Door, Fut, Identity, SessionToken, Sessions, Standing, Strength, TenantId};
use store::{OperatorTx, Row};

use super::Identities;
use super::sign_in::Account;
use crate::cache::{Answer, Ended, Marks, Ticket};
use crate::lifetime::{Lifetime, Moments, later};
use crate::token::{self, Digest};
use crate::{Error, Result, sql};

/// How many sessions of one account live at once; a new one ends the oldest.
pub(crate) const MAX_SESSIONS: i64 = 50;
/// How long the row of a finished session is kept.
const KEEP_ENDED: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The longest name of a browser's family, in bytes.
const MAX_AGENT_BYTES: usize = 64;

/// What a session is opened with, beside its account and strength.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    /// The grant of support that it rests on.
    pub support: Option<String>,
    /// The family of the browser, for its owner to recognise it by: `Firefox, Linux`.
    pub agent: String,
    /// Only while the account's epoch is still this one.
    pub epoch: Option<i32>,
}

/// One to be opened.
pub(super) struct New<'a> {
    pub(super) account: &'a str,
    /// Only while its password is the one that was right.
    pub(super) checked: Option<&'a Account>,
    pub(super) strength: Strength,
    pub(super) with: Opening,
}

impl Identities {
    /// Opens a session of `account`, which has proven to be who it says.
    ///
    /// # Errors
    /// [`Error::Refused`] when the account or its tenant is shut out, or its epoch is another.
    pub async fn open_session(
        &self,
        account: &str,
        strength: Strength,
        with: Opening,
    ) -> Result<SessionToken> {
        self.begin(New { account, checked: None, strength, with }).await
    }

    /// The same session under a new token and name, since its holder has just proven who they are
    /// at `strength`. The old token is over in the same moment; how long the session may last at
    /// most does not change, and what programs were given from it goes on. What is in memory of the old
    /// one has to be forgotten after the commit of `tx`.
    ///
    /// # Errors
    /// [`Error::Refused`] when the session is over.
    pub(super) async fn renew_in(
        &self,
        tx: &OperatorTx,
        old: &SessionToken,
        strength: Strength,
    ) -> Result<SessionToken> {
        let over = Digest::of(old).ok_or(Error::Refused)?;
        let (token, digest) = token::fresh(&*self.rng)?;
        let now = self.clock.now();
        let bound: store::Bound<'_> =
            &[&digest.as_bytes(), &over.as_bytes(), &strength.level(), &now];
        let renewed = tx.query_opt(sql::RENEW_SESSION, bound).await?.ok_or(Error::Refused)?;
        let name: String = renewed.get(0);
        tx.execute(sql::MOVE_FAMILIES, &[&over.as_bytes(), &name]).await?;
        if tx.execute(sql::END_SESSION, &[&over.as_bytes(), &now]).await? != 1 {
            return Err(Error::Refused);
        }
        Ok(token)
    }

    /// As [`Self::renew_in`], in a transaction of its own.
    #[cfg(test)]
    pub(crate) async fn renew(
        &self,
        old: &SessionToken,
        strength: Strength,
    ) -> Result<SessionToken> {
        let tx = self.db.operator().await?;
        let token = self.renew_in(&tx, old, strength).await?;
        tx.commit().await?;
        if let Some(over) = Digest::of(old) {
            self.cache.forget(Ended::Session(over));
        }
        Ok(token)
    }

    /// Opens a session for an account whose password was right.
    pub(super) async fn open(&self, account: &Account, epoch: i32) -> Result<SessionToken> {
        let with = Opening { epoch: Some(epoch), ..Opening::default() };
        let checked = Some(account);
        self.begin(New { account: &account.id, checked, strength: Strength::One, with }).await
    }

    async fn begin(&self, new: New<'_>) -> Result<SessionToken> {
        // Before the transaction: the standing needs a connection of its own.
        let ends = self.ends(new.account, new.with.support.as_deref()).await?;
        let tx = self.db.operator().await?;
        let token = self.insert(&tx, &new, ends).await?;
        if let Some(Account { id, hash, rehash }) = new.checked {
            tx.execute(sql::SIGNED_IN, &[id, &self.clock.now()]).await?;
            if let Some(new) = rehash {
                tx.execute(sql::REHASH, &[id, hash, new]).await?;
            }
        }
        tx.commit().await?;
        tracing::info!(account = new.account, "signed in");
        Ok(token)
    }

    /// When a session that `account` opens now ends, unless it is used again and at the latest.
    pub(super) async fn ends(
        &self,
        account: &str,
        support: Option<&str>,
    ) -> Result<(Timestamp, Timestamp)> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::FIND_LIMITS, &[&account]).await?;
        tx.commit().await?;
        let row = row.ok_or(Error::Refused)?;
        let standing = self.standing(account, &home(&row)?, support).await?;
        Ok(self.limits(&row, &standing).ends(&standing, self.clock.now()))
    }

    /// Writes a new session down. The oldest one beyond what an account may have ends.
    pub(super) async fn insert(
        &self,
        tx: &OperatorTx,
        new: &New<'_>,
        (idle_end, end): (Timestamp, Timestamp),
    ) -> Result<SessionToken> {
        let (token, digest) = token::fresh(&*self.rng)?;
        let now = self.clock.now();
        let agent = cut(&new.with.agent, MAX_AGENT_BYTES);
        let bound: store::Bound<'_> = &[
            &digest.as_bytes(),
            &new.account,
            &new.with.epoch,
            &new.checked.map(|account| account.hash.as_str()),
            &now,
            &idle_end,
            &end,
            &new.strength.level(),
            &new.with.support,
            &agent,
        ];
        if tx.execute(sql::OPEN_SESSION, bound).await? == 0 {
            return Err(Error::Refused);
        }
        let ended = tx.execute(sql::END_OLDEST, &[&new.account, &now, &MAX_SESSIONS]).await?;
        let old = now.saturating_sub(KEEP_ENDED).unwrap_or(Timestamp::MIN);
        tx.execute(sql::FORGET_OLD, &[&new.account, &old]).await?;
        if ended > 0 {
            self.cache.forget(Ended::account(new.account));
        }
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
        tx.commit().await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let identity = match self.recognise(&row).await {
            // A grant that is over leaves nobody signed in.
            Err(Error::NoGrant) => return Ok(None),
            recognised => recognised?,
        };
        let (limits, mut at) = (self.limits(&row, &identity.standing), moments(&row));
        let holds = limits.until(at, &identity.standing, now).is_some();
        // A role that asks for more takes effect on sessions that are open.
        if !holds || identity.strength < identity.standing.needs {
            return Ok(None);
        }
        if now.duration_since(at.seen) >= limits.touch_every() {
            (at.seen, at.idle_end) = (now, limits.ends(&identity.standing, now).0);
            self.used(digest, at.seen, at.idle_end).await?;
        }
        let again = later(now, limits.touch_every());
        let until = limits.until(at, &identity.standing, now).map_or(now, |end| end.min(again));
        let until = until_read(&identity.standing, until);
        let identity = Arc::new(identity);
        let marks = Marks::of(&identity, &row.get::<_, String>("tenant"));
        self.cache.put(ticket, digest, &identity, marks, (now, until));
        Ok(Some(identity))
    }

    /// Whoever the session of `row` belongs to.
    async fn recognise(&self, row: &Row) -> Result<Identity> {
        let (account, home): (String, TenantId) = (row.get("account"), home(row)?);
        let grant: Option<String> = row.get("support");
        let standing = self.standing(&account, &home, grant.as_deref()).await?;
        let tenant = standing.support.as_ref().map_or(home, |support| support.tenant.clone());
        let own = Actor::new(row.get::<_, String>("email"))
            .map_err(|e| Error::Field { field: "address", why: e.to_string() })?;
        let actor = match &standing.support {
            Some(support) => own.in_support(&support.grant),
            None => own,
        };
        Ok(Identity {
            account,
            actor,
            name: row.get("display_name"),
            tenant,
            standing,
            strength: Strength::shown(row.get("strength")),
            authenticated_at: row.get("authenticated_at"),
            session: row.get("id"),
            door: Door::Browser,
        })
    }

    /// What an account may do, and with `grant` what that allows.
    pub(super) async fn standing(
        &self,
        account: &str,
        home: &TenantId,
        grant: Option<&str>,
    ) -> Result<Standing> {
        let standing = self.standings.standing(account, home, grant).await;
        standing.map_err(Error::Standing)?.ok_or(Error::NoGrant)
    }

    /// The least of the house's limits, the tenant's in `row`, and those of the standing.
    fn limits(&self, row: &Row, standing: &Standing) -> Lifetime {
        let tenants = self.lifetime.of_tenant(row.get("idle"), row.get("absolute"));
        tenants.of_standing(standing)
    }
}

impl Sessions for Identities {
    fn decide<'a>(
        &'a self,
        token: &'a SessionToken,
    ) -> Fut<'a, std::result::Result<Option<Arc<Identity>>, String>> {
        Box::pin(async move {
            let now = self.clock.now();
            let (digest, ticket) = match self.cache.get(token.0.expose(), Digest::read, now) {
                None => return Ok(None),
                Some((_, Answer::Holder(identity))) => return Ok(Some(identity)),
                Some((digest, Answer::Ask(ticket))) => (digest, ticket),
            };
            // In a box of its own: a reading of the database needs some thousand bytes, and what is answered
            // from memory would pay for their room each time.
            Box::pin(self.ask(digest, ticket, now)).await.map_err(|error| {
                tracing::warn!(%error, "a session could not be decided, so it is refused");
                error.to_string()
            })
        })
    }
}

/// No later than `until`, and than the first end of a role: what it allowed is over with it.
pub(super) fn until_read(standing: &Standing, until: Timestamp) -> Timestamp {
    standing.until.map_or(until, |end| end.min(until))
}

fn home(row: &Row) -> Result<TenantId> {
    let home = TenantId::new(row.get::<_, String>("tenant"));
    home.map_err(|e| Error::Field { field: "tenant", why: e.to_string() })
}

fn moments(row: &Row) -> Moments {
    Moments {
        created: row.get("created_at"),
        seen: row.get("last_seen_at"),
        idle_end: row.get("idle_expires_at"),
        end: row.get("absolute_expires_at"),
    }
}

/// At most `bytes` of `text`, without what could be told for something else on a page.
fn cut(text: &str, bytes: usize) -> String {
    let mut short = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        if short.len() + c.len_utf8() > bytes {
            break;
        }
        short.push(c);
    }
    short
}
