//! Somebody leaves: what they may do is taken away, everywhere and at once.
//!
//! Who they are ends first, and that is `identity`'s: whoever is signed out can use no right that is
//! taken a moment later.

use kernel::{Identity, TenantId, own};

use crate::support::{END_ALL_OF, in_person};
use crate::{Access, Error, Result, sql};

/// What was taken away from an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Withdrawn {
    /// Tenant and role of each grant.
    pub roles: Vec<(String, String)>,
    /// Id and tenant of each access of support that they had or waited for.
    pub support: Vec<(String, String)>,
}

impl Access {
    /// Whether `who` may off-board `account`, which belongs to `tenant`: somebody else of their own
    /// tenant, who may do nothing that they may not do themselves.
    ///
    /// # Errors
    /// [`Error::NoAccount`] when the account is not of their tenant; [`Error::Refused`],
    /// [`Error::Escalation`]; [`Error::StepUp`] when they proved who they are too long ago.
    pub async fn may_offboard(
        &self,
        who: &Identity,
        account: &str,
        tenant: &TenantId,
    ) -> Result<()> {
        in_person(who)?;
        let own = self.standing_now(&who.account, &who.tenant).await?.permits;
        if !own.has(own::PEOPLE_OFFBOARD) || who.account == account {
            return Err(Error::Refused);
        }
        if *tenant != who.tenant {
            return Err(Error::NoAccount);
        }
        let theirs = self.standing_now(account, tenant).await?.permits;
        if !theirs.within(&own) {
            return Err(Error::Escalation("what the person may do".to_owned()));
        }
        if !who.is_recent(self.clock.now()) {
            return Err(Error::StepUp);
        }
        self.uses.note((&who.account, &who.tenant), own::PEOPLE_OFFBOARD, self.clock.now());
        Ok(())
    }

    /// Whether a directory may end or move `account` in the name of `maker`, who made its token: the same
    /// bound as for a person, but that no session is behind it, and that it may be the maker's own.
    ///
    /// # Errors
    /// [`Error::Field`] when something is no id; the database otherwise.
    pub async fn may_end(&self, maker: &str, account: &str, tenant: &TenantId) -> Result<bool> {
        let own = self.standing_now(maker, tenant).await?.permits;
        let theirs = self.standing_now(account, tenant).await?.permits;
        Ok(own.has(own::PEOPLE_OFFBOARD) && theirs.within(&own))
    }

    /// Takes every role and every access of support from `account`, in every tenant. `by` is written
    /// down. It may be done again.
    ///
    /// # Errors
    /// When the database did not do it; nothing was taken then.
    pub async fn withdraw(&self, account: &str, by: &str) -> Result<Withdrawn> {
        let id = crate::service::account(account)?;
        let now = self.clock.now();
        let tx = self.db.operator().await?;
        let roles = tx.query(sql::REVOKE_ALL, &[&id, &now, &by]).await?;
        let support = tx.query(END_ALL_OF, &[&id, &by, &now]).await?;
        tx.commit().await?;
        let pair = |row: &store::Row| (row.get(0), row.get(1));
        tracing::info!(account, by, roles = roles.len(), "everything was taken from an account");
        Ok(Withdrawn {
            roles: roles.iter().map(pair).collect(),
            support: support.iter().map(pair).collect(),
        })
    }

    /// What `account` still has, in words: nothing, after [`Access::withdraw`].
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn left_of(&self, account: &str) -> Result<Vec<String>> {
        let id = crate::service::account(account)?;
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::LEFT, &[&id, &self.clock.now()]).await?;
        tx.commit().await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}
