//! What a synthetic person has who is off-boarded to see that nothing of it is left.

use kernel::Identity;
use store::Db;

use super::Identities;
use super::enrol::Holder;
use crate::Result;
use crate::sql::close as sql;

/// How many factors an account has stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Authenticator apps.
    pub apps: i64,
    /// Recovery codes.
    pub codes: i64,
    /// Passkeys.
    pub passkeys: i64,
}

impl Identities {
    /// Gives the synthetic account of `who` an authenticator app, a recovery code and a passkey, of
    /// which nobody has the other half.
    ///
    /// # Errors
    /// When they cannot be stored.
    pub async fn plant_factors(&self, who: &Identity) -> Result<()> {
        self.start_app(Holder::Session(who), "canary").await?;
        let (mut digest, mut key) = (vec![0; 32], vec![0; 32]);
        self.rng().fill(&mut digest)?;
        self.rng().fill(&mut key)?;
        let now = self.clock.now();
        let tx = self.db.operator().await?;
        let bound: store::Bound<'_> = &[&who.account, &digest, &key, &now];
        tx.execute(sql::PLANT_CODE, bound).await?;
        tx.execute(sql::PLANT_PASSKEY, bound).await?;
        Ok(tx.commit().await?)
    }

    /// How many factors an account has stored, be it closed or not.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn stored_factors(&self, account: &str) -> Result<Stored> {
        let tx = self.db.operator().await?;
        let row = tx.query_one(sql::COUNT_FACTORS, &[&account]).await?;
        tx.commit().await?;
        Ok(Stored { apps: row.get(0), codes: row.get(1), passkeys: row.get(2) })
    }
}

/// Removes the synthetic people who left, by the login of the control database's `owner`.
///
/// # Errors
/// When the database does not do it; they stay then, and open nothing.
pub async fn forget_leavers(owner: &Db) -> Result<u64> {
    let tx = owner.operator().await?;
    let gone = tx.execute(sql::FORGET_LEAVERS, &[]).await?;
    tx.commit().await?;
    Ok(gone)
}
