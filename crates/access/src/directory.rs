//! Roles that the groups of a tenant's directory give, in the name of whoever mapped them.
//!
//! What a directory gave is known by who it says gave it; nobody with an address is called so.

use kernel::{Grantable, Identity, MappedRole, Notice, TenantId, own};

use crate::service::in_words;
use crate::{Access, By, Error, NewGrant, Result, sql};

/// What begins the name of a directory that gives or takes.
const DIRECTORY: &str = "directory:";

impl Access {
    /// The roles that `by` may map to groups in the tenant they act in.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mappable(&self, by: &Identity) -> Result<Vec<Grantable>> {
        self.givable(by, own::PEOPLE_DIRECTORY).await
    }

    /// Gives a mapped role. Whether the account has it now: not where its mapper, or whoever answers for the
    /// member, may not give it at this moment, or people have taken it away since the account is in the
    /// group.
    ///
    /// # Errors
    /// [`Error::Field`] when something is no id; the database otherwise.
    pub async fn grant_mapped(&self, role: &MappedRole<'_>) -> Result<bool> {
        if let Some(filler) = role.filler
            && !self.may_map(filler, role.tenant, role.role).await?
        {
            return Ok(false);
        }
        if self.was_taken(role).await? {
            return Ok(false);
        }
        let new = NewGrant {
            account: role.account.to_owned(),
            tenant: role.tenant.clone(),
            role: role.role.to_owned(),
            reason: role.reason.to_owned(),
            until: None,
        };
        // What the role asks for is set up in the next sign-in: a directory cannot wait for it.
        let mapper = By::in_name_of(role.mapper, own::PEOPLE_DIRECTORY, role.by)?;
        match self.grant_ahead(&mapper, &new).await {
            Ok(_) | Err(Error::Held(_)) => Ok(true),
            Err(Error::Refused | Error::Escalation(_) | Error::NoRole(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether `account` may look after the directory of `tenant` at this moment, as far as rights go.
    ///
    /// # Errors
    /// [`Error::Field`] when the account is no id; the database otherwise.
    pub async fn may_direct(&self, account: &str, tenant: &TenantId) -> Result<bool> {
        Ok(self.standing_now(account, tenant).await?.permits.has(own::PEOPLE_DIRECTORY))
    }

    /// Whether `account` may give `role` by a directory of `tenant` at this moment.
    ///
    /// # Errors
    /// As for [`Access::may_direct`].
    pub async fn may_map(&self, account: &str, tenant: &TenantId, role: &str) -> Result<bool> {
        let account = crate::service::account(account)?;
        let by = By::in_name_of(account, own::PEOPLE_DIRECTORY, DIRECTORY)?;
        self.may_give(&by, tenant, role).await
    }

    /// Whether people took the role away, whoever had given it, since the account is in the group.
    async fn was_taken(&self, role: &MappedRole<'_>) -> Result<bool> {
        let account = crate::service::account(role.account)?;
        let tx = self.db.operator().await?;
        let bound: store::Bound<'_> = &[&account, &role.tenant.as_str(), &role.role, &role.since];
        let row = tx.query_one(sql::TAKEN_BY_PEOPLE, bound).await?;
        tx.commit().await?;
        Ok(row.get(0))
    }

    /// Account and role of everything that the directory of `tenant` gave and that is held.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mapped(&self, tenant: &TenantId) -> Result<Vec<(String, String)>> {
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::MAPPED, &[&tenant.as_str(), &self.clock.now()]).await?;
        tx.commit().await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// Takes a role that a directory gave; one that people gave stays.
    ///
    /// # Errors
    /// [`Error::Field`] when something is no id; the database otherwise.
    pub async fn revoke_mapped(
        &self,
        tenant: &TenantId,
        account: &str,
        role: &str,
        by: &str,
    ) -> Result<()> {
        let id = crate::service::account(account)?;
        let by = if by.starts_with(DIRECTORY) { by.to_owned() } else { format!("{DIRECTORY}{by}") };
        let tx = self.db.operator().await?;
        let bound: store::Bound<'_> = &[&id, &tenant.as_str(), &role, &self.clock.now(), &by];
        if tx.execute(sql::REVOKE_MAPPED, bound).await? > 0 {
            self.tell(&tx, id, Notice::RolesTaken, &in_words(role, tenant)).await?;
        }
        tx.commit().await?;
        tracing::info!(account, %tenant, role, by, "a directory took a role");
        Ok(())
    }
}
