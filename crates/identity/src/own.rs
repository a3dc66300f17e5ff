//! What somebody does to their own account: a new password, and an end to sessions.

use kernel::{Identity, Notice, Secret, SessionToken};

use crate::mail::{Mailroom, tell};
use crate::password::fits;
use crate::service::{others, others_asked_in};
use crate::sql::mail as sql;
use crate::stored::Stored;
use crate::token::{self, Digest};
use crate::{Error, Result};

/// How many browsers of one account are remembered; a new one ends the memory of the oldest.
const MAX_BROWSERS: i64 = 20;
/// The longest description of a browser, in bytes.
const MAX_FAMILY_BYTES: usize = 60;

impl Mailroom {
    /// Sets a new password for whoever gives the current one. It ends everything else that is open
    /// in their name; the session that they did it in goes on.
    ///
    /// # Errors
    /// [`Error::Refused`] when the current one is not right; [`Error::PasswordSize`],
    /// [`Error::Weak`] and [`Error::Busy`].
    pub async fn change_password(
        &self,
        identity: &Identity,
        current: &Secret,
        new: &Secret,
    ) -> Result<()> {
        if !fits(current.expose()) {
            return Err(Error::Refused);
        }
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::HASH_OF, &[&identity.account]).await?;
        tx.commit().await?;
        let old: String = row.ok_or(Error::Refused)?.get(0);
        let stored = Stored::read(&old).map_err(|_| Error::Refused)?;
        if !self.identities.matches(current, &stored).await? {
            return Err(Error::Refused);
        }
        let known = [identity.actor.as_str(), &identity.name, identity.tenant.as_str()];
        let hash = self.new_password(new, &known).await?;
        let now = self.clock.now();
        let tx = self.db.operator().await?;
        let (account, session) = (&identity.account, &identity.session);
        let bound: store::Bound<'_> = &[account, &old, &hash, session, &now];
        let changed = tx.query_opt(sql::CHANGE_PASSWORD, bound).await?;
        let Some(row) = changed else {
            // Somebody else was faster, or ended this session.
            tx.rollback().await?;
            return Err(Error::Refused);
        };
        let epoch: i32 = row.get(0);
        others(&tx, account, session, now).await?;
        if tx.execute(sql::KEEP_SESSION, &[account, session, &epoch]).await? == 0 {
            tx.rollback().await?;
            return Err(Error::Refused);
        }
        tell(&tx, &identity.account, Notice::PasswordChanged, "", now).await?;
        tx.commit().await?;
        self.identities.forget_account(&identity.account);
        tracing::info!(account = identity.account, "a password was changed");
        Ok(())
    }

    /// Ends all sessions of whoever asks but the one that they ask in: how many.
    ///
    /// # Errors
    /// [`Error::Over`] when that one has ended: nothing was done then. When the database did not
    /// do it; sessions may live on then.
    pub async fn end_other_sessions(&self, identity: &Identity) -> Result<u64> {
        let now = self.clock.now();
        let tx = self.db.operator().await?;
        let (account, keep) = (&identity.account, &identity.session);
        let ended = others_asked_in(&tx, account, keep, now).await?;
        if ended > 0 {
            tell(&tx, &identity.account, Notice::SessionsEnded, &ended.to_string(), now).await?;
        }
        tx.commit().await?;
        self.identities.forget_account(&identity.account);
        Ok(ended)
    }

    /// Whoever holds `identity` has signed in with this `browser`, of a kind called `family`. One
    /// that was not seen before is told to them, but for the first one ever, and is remembered under
    /// the token that comes back.
    ///
    /// # Errors
    /// When the database cannot be asked, or there is no randomness.
    pub async fn signed_in(
        &self,
        identity: &Identity,
        browser: Option<&SessionToken>,
        family: &str,
    ) -> Result<Option<SessionToken>> {
        let mut family = kernel::shown(family);
        family.truncate(family.floor_char_boundary(MAX_FAMILY_BYTES));
        let (account, now) = (&identity.account, self.clock.now());
        let tx = self.db.operator().await?;
        tx.execute(sql::NAME_SESSION, &[account, &identity.session, &family]).await?;
        if let Some(digest) = browser.and_then(Digest::of)
            && tx.execute(sql::SEE_BROWSER, &[account, &digest.as_bytes(), &now]).await? > 0
        {
            tx.commit().await?;
            return Ok(None);
        }
        let any: bool = tx.query_one(sql::ANY_BROWSER, &[account]).await?.get(0);
        // One browser that several people use keeps its one token.
        let (token, digest) = match browser.and_then(|t| Some((t.clone(), Digest::of(t)?))) {
            Some(held) => held,
            None => token::fresh(&*self.rng)?,
        };
        tx.execute(sql::ADD_BROWSER, &[account, &digest.as_bytes(), &now]).await?;
        tx.execute(sql::FORGET_BROWSERS, &[account, &MAX_BROWSERS]).await?;
        if any {
            tell(&tx, account, Notice::NewBrowser, &family, now).await?;
        }
        tx.commit().await?;
        Ok(Some(token))
    }

    /// Whether the account at `address` was signed in to with this browser before.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn knows(&self, address: &str, browser: &SessionToken) -> Result<bool> {
        let Some(digest) = Digest::of(browser) else { return Ok(false) };
        let address = address.trim().to_ascii_lowercase();
        let tx = self.db.operator().await?;
        let row = tx.query_one(sql::KNOWS_BROWSER, &[&address, &digest.as_bytes()]).await?;
        tx.commit().await?;
        Ok(row.get(0))
    }
}
