//! What groups give: roles, in the name of whoever mapped them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kernel::{MappedRole, TenantId};

use super::{Directory, away};
use crate::{Error, Result, sql};

/// The longest name of a group in a reason, in characters as they are shown.
const NAMED_CHARS: usize = 200;
/// The last one that can give roles keeps what they need for it.
const LAST: &str = "nobody else of this tenant could give roles then; give somebody else the role of an \
                    administrator first";

/// A role that a group gives to a user.
struct Wish {
    account: String,
    role: String,
    mapper: String,
    group: String,
    since: Timestamp,
}

impl Directory {
    /// Gives the users of `tenant` what their groups give, and takes what none gives any more; of all of
    /// them, or these alone. It may be done again.
    pub(super) async fn settle(
        &self,
        tenant: &TenantId,
        users: Option<&[String]>,
        by: &str,
    ) -> Result<()> {
        if users.is_some_and(<[String]>::is_empty) {
            return Ok(());
        }
        let wishes = self.wishes(tenant, users).await?;
        let given: BTreeSet<(String, String)> =
            self.people.given(tenant).await.map_err(away)?.into_iter().collect();
        let wanted: BTreeSet<(String, String)> =
            wishes.iter().map(|wish| (wish.account.clone(), wish.role.clone())).collect();
        let accounts = self.accounts(tenant, users).await?;
        for (account, role) in given.difference(&wanted) {
            if !accounts.contains_key(account) {
                continue;
            }
            if self.people.is_last(tenant, account, Some(role)).await.map_err(away)? {
                tracing::warn!(%tenant, account, role, "no group gives it, and the last keeps it");
                continue;
            }
            self.people.take(tenant, account, role, by).await.map_err(away)?;
        }
        let mut seen = given;
        for wish in &wishes {
            // One group of several is enough; the next is asked when its mapper may not.
            if seen.contains(&(wish.account.clone(), wish.role.clone())) {
                continue;
            }
            let reason = format!("member of the group {}", wish.group);
            let role = MappedRole {
                mapper: &wish.mapper,
                account: &wish.account,
                tenant,
                role: &wish.role,
                by,
                reason: &reason,
                since: wish.since,
            };
            if self.people.give(role).await.map_err(away)? {
                seen.insert((wish.account.clone(), wish.role.clone()));
            }
        }
        Ok(())
    }

    /// Takes from `users` what `group` alone gives them, before they leave it.
    ///
    /// # Errors
    /// [`Error::Refused`] when the last who can give roles would lose that; nothing was taken then.
    pub(super) async fn withdraw(
        &self,
        tenant: &TenantId,
        users: &[String],
        group: &str,
        by: &str,
    ) -> Result<()> {
        if users.is_empty() {
            return Ok(());
        }
        let accounts = self.accounts(tenant, Some(users)).await?;
        let stays: BTreeSet<(String, String)> = self
            .wishes_but(tenant, Some(users), group)
            .await?
            .into_iter()
            .map(|wish| (wish.account, wish.role))
            .collect();
        let given = self.people.given(tenant).await.map_err(away)?;
        let goes = given.into_iter().filter(|one| accounts.contains_key(&one.0));
        let goes: Vec<(String, String)> = goes.filter(|one| !stays.contains(one)).collect();
        for (account, role) in &goes {
            if self.people.is_last(tenant, account, Some(role)).await.map_err(away)? {
                return Err(Error::Refused(LAST));
            }
        }
        for (account, role) in &goes {
            // Once more: of two who leave at once, the second may be the last.
            if self.people.is_last(tenant, account, Some(role)).await.map_err(away)? {
                return Err(Error::Refused(LAST));
            }
            self.people.take(tenant, account, role, by).await.map_err(away)?;
        }
        Ok(())
    }

    async fn wishes(&self, tenant: &TenantId, users: Option<&[String]>) -> Result<Vec<Wish>> {
        self.wishes_but(tenant, users, "").await
    }

    /// What the groups give, but the group of this id.
    async fn wishes_but(
        &self,
        tenant: &TenantId,
        users: Option<&[String]>,
        group: &str,
    ) -> Result<Vec<Wish>> {
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::WANTED_ROLES, &[&tenant.as_str(), &users, &group]).await?;
        tx.commit().await?;
        let wish = |row: &store::Row| Wish {
            account: row.get(0),
            role: row.get(1),
            mapper: row.get(2),
            group: kernel::shown(row.get(3)).chars().take(NAMED_CHARS).collect(),
            since: row.get(4),
        };
        Ok(rows.iter().map(wish).collect())
    }

    /// The user of each account.
    async fn accounts(
        &self,
        tenant: &TenantId,
        users: Option<&[String]>,
    ) -> Result<BTreeMap<String, String>> {
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::ACCOUNTS, &[&tenant.as_str(), &users]).await?;
        tx.commit().await?;
        Ok(rows.iter().map(|row| (row.get(1), row.get(0))).collect())
    }
}
