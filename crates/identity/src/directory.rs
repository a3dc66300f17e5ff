//! Accounts that a tenant's own directory makes, changes and opens again.
//!
//! Nobody knows the password of such an account at first: its holder gets a letter with a link, as for a
//! reset, that is good for three days. Whoever missed it asks for a new password like everybody. An
//! address that anybody else has is taken, whoever that is.

use jiff::SignedDuration;
use kernel::{Notice, Provision, Provisioned, Reopened, Secret, TenantId, random_hex};
use store::OperatorTx;

use crate::account::is_reserved;
use crate::invitation::{ADDRESS_WINDOW, MAX_BY_TENANT, MAX_TO_ADDRESS};
use crate::mail::{Mailroom, reachable, tell};
use crate::sql::{directory as sql, mail};
use crate::{Email, Identities, Result};

/// How long the link of the first letter is good, counted from when it leaves.
pub(crate) const WELCOME_FOR: SignedDuration = SignedDuration::from_hours(72);
/// How long a first letter may have to wait for those of its tenant before it.
const LONGEST_DELAY: SignedDuration = SignedDuration::from_hours(24);
/// Random bytes of the password that nobody knows.
const PASSWORD_BYTES: usize = 32;
/// Domains that nobody can have (RFC 2606): no letter arrives there.
const NOWHERE: &str = ".invalid";
/// PostgreSQL's code for an address that is taken.
const UNIQUE: &str = "23505";

impl Mailroom {
    /// The account with this address that the directory of the tenant has in hand, open or closed, if there
    /// is one. Nothing is changed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn in_hand(&self, new: &Provision) -> Result<Option<String>> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::IN_HAND, &[&new.email, &new.tenant.as_str()]).await?;
        tx.commit().await?;
        Ok(row.map(|row| row.get(0)))
    }

    /// An open account for somebody whom the directory of a tenant names, and a letter to them. One that
    /// the directory had in hand before and closed is opened again.
    ///
    /// # Errors
    /// When the database did not do it; it may be asked again.
    pub async fn provision(&self, new: &Provision) -> Result<Provisioned> {
        let Some(email) = fit(new) else { return Ok(UNFIT) };
        let now = self.clock.now();
        let hash = self.nobodys().await?;
        let (tenant, language) = (new.tenant.as_str(), &new.language);
        let tx = self.db.operator().await?;
        let bound: store::Bound<'_> = &[&email.as_str(), &new.name, &tenant, &hash, &now];
        if let Some(row) = tx.query_opt(sql::PROVISION, bound).await? {
            let account: String = row.get(0);
            tx.execute(mail::LANGUAGE_IS, &[&account, language]).await?;
            self.welcome(&tx, &account).await?;
            tx.commit().await?;
            tracing::info!(account, tenant, "a directory made an account");
            return Ok(Provisioned::Account(account));
        }
        let found = tx.query_opt(sql::IN_HAND, &[&email.as_str(), &tenant]).await?;
        let Some(row) = found else {
            tx.rollback().await?;
            return Ok(Provisioned::Taken);
        };
        let (account, closed, by_directory): (String, bool, bool) =
            (row.get(0), row.get(1), row.get(2));
        if closed && !by_directory {
            tx.rollback().await?;
            return Ok(Provisioned::Taken);
        }
        tx.execute(sql::CHANGE, &[&account, &email.as_str(), &new.name, language]).await?;
        if closed {
            self.open_again(&tx, &account, &hash).await?;
        }
        tx.commit().await?;
        self.identities.forget_account(&account);
        Ok(Provisioned::Account(account))
    }

    /// Gives the open account of `tenant` with this address into the hand of its directory: id and name.
    ///
    /// # Errors
    /// When the database did not do it.
    pub async fn adopt(&self, tenant: &TenantId, email: &str) -> Result<Option<(String, String)>> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::ADOPT, &[&email, &tenant.as_str()]).await?;
        tx.commit().await?;
        Ok(row.map(|row| (row.get(0), row.get(1))))
    }

    /// Changes address, name and language of an account that a directory has in hand. With another
    /// address everything is over that was given out, and the old one is told. What people closed stays
    /// as it is: its address would be free otherwise, and whoever was off-boarded be made anew.
    ///
    /// # Errors
    /// When the database did not do it.
    pub async fn change_provisioned(&self, account: &str, to: &Provision) -> Result<Provisioned> {
        let Some(email) = fit(to) else { return Ok(UNFIT) };
        let now = self.clock.now();
        let tx = self.db.operator().await?;
        let Some(row) = tx.query_opt(sql::ADDRESS_OF, &[&account]).await? else {
            tx.rollback().await?;
            return Ok(Provisioned::Unfit("no directory has this account in hand"));
        };
        let (old, closed, by_directory): (String, bool, bool) =
            (row.get(0), row.get(1), row.get(2));
        if closed && !by_directory {
            tx.rollback().await?;
            return Ok(Provisioned::Final);
        }
        if old != email.as_str() && !closed {
            tell(&tx, account, Notice::AddressChanged, email.as_str(), now).await?;
        }
        let bound: store::Bound<'_> = &[&account, &email.as_str(), &to.name, &to.language];
        match tx.execute(sql::CHANGE, bound).await {
            Err(error) if error.sqlstate() == Some(UNIQUE) => return Ok(Provisioned::Taken),
            changed => changed?,
        };
        tx.commit().await?;
        self.identities.forget_account(account);
        Ok(Provisioned::Account(account.to_owned()))
    }

    /// Opens an account again that a directory has closed. Nothing of before comes back: its holder gets
    /// a letter as at first.
    ///
    /// # Errors
    /// When the database did not do it.
    pub async fn reopen_provisioned(&self, account: &str) -> Result<Reopened> {
        let hash = self.nobodys().await?;
        let tx = self.db.operator().await?;
        let open = tx.query_opt(sql::IS_OPEN, &[&account]).await?;
        if open.is_some_and(|row| row.get(0)) {
            tx.commit().await?;
            return Ok(Reopened::Done);
        }
        let done = self.open_again(&tx, account, &hash).await?;
        tx.commit().await?;
        self.identities.forget_account(account);
        Ok(if done { Reopened::Done } else { Reopened::Final })
    }

    async fn open_again(&self, tx: &OperatorTx, account: &str, hash: &str) -> Result<bool> {
        if tx.query_opt(sql::REOPEN, &[&account, &hash]).await?.is_none() {
            return Ok(false);
        }
        self.welcome(tx, account).await?;
        tracing::info!(account, "a directory opened an account again");
        Ok(true)
    }

    /// A letter to whoever has the account, unless their address got enough of them, or the tenant has more
    /// waiting than leave in time. Nobody is told: whoever gets none asks for a new password.
    async fn welcome(&self, tx: &OperatorTx, account: &str) -> Result<()> {
        let now = self.clock.now();
        let since = now.saturating_sub(ADDRESS_WINDOW).unwrap_or(now);
        let until = now.saturating_add(LONGEST_DELAY).unwrap_or(now);
        let bound: store::Bound<'_> =
            &[&account, &now, &MAX_BY_TENANT, &MAX_TO_ADDRESS, &since, &until];
        tx.execute(sql::QUEUE_WELCOME, bound).await?;
        Ok(())
    }

    /// The hash of a password that nobody knows.
    async fn nobodys(&self) -> Result<String> {
        let nobody = Secret::new(random_hex(&*self.rng, PASSWORD_BYTES)?);
        Ok(self.identities.hash(&nobody).await?.to_string())
    }
}

impl Identities {
    /// Those of `accounts` that are open.
    ///
    /// # Errors
    /// When the database does not answer, or something is no id.
    pub async fn open_of(&self, accounts: &[String]) -> Result<Vec<String>> {
        let tx = self.db().operator().await?;
        let rows = tx.query(sql::OPEN_OF, &[&accounts]).await?;
        tx.commit().await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Whether the people of `tenant` are not shut out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tenant_is_open(&self, tenant: &TenantId) -> Result<bool> {
        let tx = self.db().operator().await?;
        let row = tx.query_one(sql::IS_SUSPENDED, &[&tenant.as_str()]).await?;
        tx.commit().await?;
        Ok(!row.get::<_, bool>(0))
    }
}

const UNFIT: Provisioned = Provisioned::Unfit("mail cannot be sent to its address");

fn fit(new: &Provision) -> Option<Email> {
    let email = Email::new(&new.email).ok()?;
    let reserved = is_reserved(email.as_str(), &new.tenant);
    (reachable(&email) && !reserved && !email.as_str().ends_with(NOWHERE)).then_some(email)
}
