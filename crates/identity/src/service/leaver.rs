//! What the proofs do with synthetic people that nobody else may: look at what is left of one who was
//! off-boarded, let a proof grow old, and remove them.

use jiff::SignedDuration;
use kernel::SessionToken;
use store::Db;

use super::Identities;
use crate::sql::close as sql;
use crate::token::Digest;
use crate::{Error, Result};

impl Identities {
    /// How many factors an account has stored, be it closed or not: apps, recovery codes and
    /// passkeys together.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn stored_factors(&self, account: &str) -> Result<i64> {
        let tx = self.db.operator().await?;
        let row = tx.query_one(sql::COUNT_FACTORS, &[&account]).await?;
        tx.commit().await?;
        Ok(row.get(0))
    }
}

/// Lets a synthetic person's proof of who they are be `age` older, in the session of `token`, by the
/// login of the control database's `owner`.
///
/// # Errors
/// When there is no such session, or the database does not do it.
pub async fn age_proof(owner: &Db, token: &SessionToken, age: SignedDuration) -> Result<()> {
    let digest = Digest::of(token).ok_or(Error::Refused)?;
    let tx = owner.operator().await?;
    let aged = tx.execute(sql::AGE_PROOF, &[&digest.as_bytes(), &age.as_secs()]).await?;
    tx.commit().await?;
    if aged == 1 { Ok(()) } else { Err(Error::Refused) }
}

/// Removes the synthetic people who left, and their services, by the login of the control database's
/// `owner`.
///
/// # Errors
/// When the database does not do it; they stay then, and open nothing.
pub async fn forget_leavers(owner: &Db) -> Result<u64> {
    let tx = owner.operator().await?;
    let gone = tx.execute(sql::FORGET_LEAVERS, &[]).await?;
    tx.commit().await?;
    Ok(gone)
}
