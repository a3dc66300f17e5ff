//! A second factor that was lost: whoever runs the installation takes all of them off an account.
//!
//! Its holder alone can change one otherwise, and cannot any more. It promises that afterwards nothing that
//! was shown, given out or open before counts, that the password alone leads no further than what roles
//! ask for, and that the holder is told, all of it or nothing.
//!
//! It does not know whether whoever asks is the holder. That is looked at by people, before.

use kernel::Notice;

use super::Identities;
use super::enrol::{Factors, passkeys};
use super::step::has;
use crate::cache::Ended;
use crate::mail::tell;
use crate::sql::factors as sql;
use crate::{Error, Result};

impl Identities {
    /// The second factors of an account that can sign in. Nothing in it is secret.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such account; the database otherwise.
    pub async fn factors_of(&self, account: &str) -> Result<Factors> {
        let tx = self.db.operator().await?;
        let row = tx.query_opt(sql::COUNT_FACTORS, &[&account]).await?.ok_or(Error::Refused)?;
        let passkeys = passkeys(&tx, account).await?;
        tx.rollback().await?;
        Ok(Factors { has: has(&row), passkeys })
    }

    /// Removes every second factor and recovery code of an account, ends everything that was given out to
    /// it, and tells its holder. What was removed.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such account, [`Error::NoSuch`] when it has no factor; the
    /// database otherwise. Nothing was changed then.
    pub async fn remove_factors(&self, account: &str) -> Result<Factors> {
        let now = self.clock.now();
        let tx = self.db.operator().await?;
        tx.query_opt(sql::LOCK_ACCOUNT, &[&account]).await?.ok_or(Error::Refused)?;
        let row = tx.query_opt(sql::COUNT_FACTORS, &[&account]).await?.ok_or(Error::Refused)?;
        let removed = Factors { has: has(&row), passkeys: passkeys(&tx, account).await? };
        let mut gone = 0;
        for statement in sql::DROP_FACTORS {
            gone += tx.execute(statement, &[&account]).await?;
        }
        if gone == 0 {
            tx.rollback().await?;
            return Err(Error::NoSuch("factor"));
        }
        tx.query_opt(sql::NEXT_EPOCH, &[&account]).await?.ok_or(Error::Refused)?;
        tell(&tx, account, Notice::FactorsRemoved, "", now).await?;
        tx.commit().await?;
        self.cache.forget(Ended::account(account));
        tracing::info!(account, "every second factor of an account was removed by command");
        Ok(removed)
    }
}
