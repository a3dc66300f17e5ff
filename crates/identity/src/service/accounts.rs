//! Making accounts.

use super::Identities;
use crate::password::fits;
use crate::{Error, NewAccount, Result, sql};

impl Identities {
    /// Makes an account and returns its id.
    ///
    /// # Errors
    /// [`Error::Taken`] when there is one with this address; [`Error::PasswordSize`] or
    /// [`Error::Field`] when something does not fit.
    pub async fn create_account(&self, new: &NewAccount) -> Result<String> {
        new.check()?;
        if !fits(new.password.expose()) {
            return Err(Error::PasswordSize(new.password.expose().len()));
        }
        let hash = self.hasher.make(&new.password, &*self.rng).await?;
        let tx = self.db.operator().await?;
        let row = tx
            .query_opt(
                sql::ADD_ACCOUNT,
                &[
                    &new.email.as_str(),
                    &new.name,
                    &new.tenant.as_str(),
                    &new.role,
                    &hash.to_string(),
                    &self.clock.now(),
                ],
            )
            .await?;
        tx.commit().await?;
        row.map(|row| row.get(0)).ok_or(Error::Taken)
    }
}
