//! A member of staff goes into a tenant that has let them in: another session, in the place of
//! theirs.

use kernel::{Identity, SessionToken};

use super::Identities;
use crate::cache::Ended;
use crate::sql::support as sql;
use crate::token::{self, Digest};
use crate::{Error, Result};

impl Identities {
    /// Ends the session of `old`, which is `who`'s, and opens one that rests on `grant` and ends with
    /// it at the latest. It is as strong, and was proven at the same moment, as the one before.
    ///
    /// # Errors
    /// [`Error::NoGrant`] when the grant is not theirs or does not live; [`Error::Refused`] when the
    /// session is over or rests on a grant itself. The session stays as it was then.
    pub async fn enter_support(
        &self,
        who: &Identity,
        old: &SessionToken,
        grant: &str,
    ) -> Result<SessionToken> {
        let over = Digest::of(old).ok_or(Error::Refused)?;
        let standing = self.standing(&who.account, &who.tenant, Some(grant)).await?;
        let (token, digest) = token::fresh(self.rng())?;
        let now = self.clock.now();
        let (idle_end, _) = self.lifetime.of_standing(&standing).ends(&standing, now);
        let support = standing.support.ok_or(Error::Refused)?;
        let tx = self.db.operator().await?;
        let bound: store::Bound<'_> = &[
            &digest.as_bytes(),
            &over.as_bytes(),
            &now,
            &idle_end,
            &support.until,
            &support.grant,
        ];
        let opened = tx.execute(sql::ENTER, bound).await?;
        // Of two at once, the second waits here and finds it over.
        let ended = tx.execute(crate::sql::END_SESSION, &[&over.as_bytes(), &now]).await?;
        if (opened, ended) != (1, 1) {
            tx.rollback().await?;
            return Err(Error::Refused);
        }
        tx.commit().await?;
        self.cache.forget(Ended::Session(over));
        tracing::info!(account = who.account, grant, tenant = %support.tenant, "support entered");
        Ok(token)
    }
}
