//! A forgotten password: asked for by address, set anew by a link that was sent there.
//!
//! The link works once, for 15 minutes, and only while the account has the password and the epoch
//! that it had when the letter left; asking again ends the one before. A reset ends everything that
//! was open, opens no session, and asks for the second factor afterwards like any sign-in.

use jiff::{SignedDuration, Timestamp};
use kernel::{Notice, Secret, SessionToken};
use store::OperatorTx;

use crate::mail::{KNOWN_WAITING, Language, MAX_WAITING, Mailroom, tell};
use crate::password::fits;
use crate::sql::mail as sql;
use crate::token::{self, Digest};
use crate::{Email, Error, Result};

/// How long the link in a letter is good.
pub(crate) const GOOD_FOR: SignedDuration = SignedDuration::from_mins(15);
/// What is written down when what was typed cannot be anybody's address.
const NOBODY: &str = "nobody@amanah.invalid";

impl Mailroom {
    /// Somebody asks for a new password of the account at `address`. Whatever that is, the same is
    /// done: one row is written down, and everything else happens later. Where so many wait that no more
    /// are taken, whoever is `known` to have the address, by their browser, has places of their own.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many wait, whatever was asked for: nothing is written down then. When the
    /// database cannot be asked.
    pub async fn ask_reset(&self, address: &str, language: Language, known: bool) -> Result<()> {
        let email = Email::new(address).ok();
        let recipient = email.as_ref().map_or(NOBODY, Email::as_str);
        let most = if known { MAX_WAITING + KNOWN_WAITING } else { MAX_WAITING };
        let bound: store::Bound<'_> = &[&recipient, &language.tag(), &self.clock.now(), &most];
        let tx = self.db.operator().await?;
        let taken = tx.execute(sql::QUEUE_ASKED, bound).await?;
        tx.commit().await?;
        if taken == 0 { Err(Error::Busy) } else { Ok(()) }
    }

    /// Whether the link with `token` is good at this moment. Looking does not use it up.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn reset_is_open(&self, token: &SessionToken) -> Result<bool> {
        let Some(digest) = Digest::of(token) else { return Ok(false) };
        Ok(self.whose(&digest).await?.is_some())
    }

    /// Address, name and tenant of whoever the link is for, while it is good.
    async fn whose(&self, digest: &Digest) -> Result<Option<(String, String, String)>> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::FIND_RESET, &[&digest.as_bytes(), &self.clock.now()]).await?;
        tx.commit().await?;
        Ok(row.map(|row| (row.get(0), row.get(1), row.get(2))))
    }

    /// The hash of a new password, when it can be taken, of somebody of whom `known` is public.
    ///
    /// # Errors
    /// [`Error::PasswordSize`] and [`Error::Weak`], [`Error::Busy`].
    pub(crate) async fn new_password(&self, password: &Secret, known: &[&str]) -> Result<String> {
        if !fits(password.expose()) {
            return Err(Error::PasswordSize(password.expose().len()));
        }
        self.identities.judge_password(password, known).await?;
        Ok(self.identities.hash(password).await?.to_string())
    }

    /// Sets a new password by the link with `token`: the address of the account. Of two at once, one
    /// is refused.
    ///
    /// # Errors
    /// [`Error::Link`] when the link is over or nobody's; [`Error::PasswordSize`], [`Error::Weak`] and
    /// [`Error::Busy`], which leave it good.
    pub async fn reset(&self, token: &SessionToken, password: &Secret) -> Result<String> {
        let Some(digest) = Digest::of(token) else { return Err(Error::Link) };
        // Before anything is hashed: a guess must not cost more than a look.
        let Some(whose) = self.whose(&digest).await? else { return Err(Error::Link) };
        let known = [whose.0.as_str(), &whose.1, &whose.2];
        let hash = self.new_password(password, &known).await?;
        let now = self.clock.now();
        let tx = self.db.operator().await?;
        let Some(row) = tx.query_opt(sql::USE_RESET, &[&digest.as_bytes(), &now, &hash]).await?
        else {
            tx.rollback().await?;
            return Err(Error::Link);
        };
        let account: String = row.get(0);
        tx.execute(sql::END_RESET, &[&account]).await?;
        tell(&tx, &account, Notice::PasswordReset, "", now).await?;
        tx.commit().await?;
        self.identities.forget_account(&account);
        tracing::info!(account, "a password was set anew by a link");
        Ok(row.get(1))
    }

    /// Makes the link of `account`, good for so long, and returns its token; the one before is over.
    pub(crate) async fn mint_reset(
        &self,
        tx: &OperatorTx,
        account: &str,
        (now, good_for): (Timestamp, SignedDuration),
    ) -> Result<String> {
        let (token, digest) = token::fresh(&*self.rng)?;
        let until = now.saturating_add(good_for).unwrap_or(now);
        tx.execute(sql::OPEN_RESET, &[&account, &digest.as_bytes(), &now, &until]).await?;
        Ok(token.0.expose().to_owned())
    }
}
