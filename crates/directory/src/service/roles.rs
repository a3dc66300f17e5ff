//! What groups give: roles, in the name of whoever mapped them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kernel::{MappedRole, Provisioning, TenantId};

use super::users::BEYOND;
use super::{Caller, Directory, away};
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
    /// Who answers for the member, besides the mapper.
    filler: Option<String>,
}

/// Who may give which role: asked once of each, however many members there are.
struct Leave<'a> {
    people: &'a dyn Provisioning,
    tenant: &'a TenantId,
    told: BTreeMap<(String, String), bool>,
}

impl Leave<'_> {
    async fn has(&mut self, giver: &str, role: &str) -> Result<bool> {
        let pair = (giver.to_owned(), role.to_owned());
        if let Some(told) = self.told.get(&pair) {
            return Ok(*told);
        }
        let may = self.people.may_give(giver, self.tenant, role).await.map_err(away)?;
        self.told.insert(pair, may);
        Ok(may)
    }

    /// Whether the wish may be granted, as far as those go who answer for it.
    async fn covers(&mut self, wish: &Wish) -> Result<bool> {
        if !self.has(&wish.mapper, &wish.role).await? {
            return Ok(false);
        }
        match &wish.filler {
            Some(filler) => self.has(filler, &wish.role).await,
            None => Ok(true),
        }
    }
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
        let mut leave = self.leave(tenant);
        for wish in &wishes {
            // One group of several is enough; the next is asked when its mapper may not.
            let given = seen.contains(&(wish.account.clone(), wish.role.clone()));
            if given || !leave.covers(wish).await? {
                continue;
            }
            let reason = format!("member of the group {}", wish.group);
            let role = MappedRole {
                mapper: &wish.mapper,
                filler: wish.filler.as_deref(),
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

    fn leave<'a>(&'a self, tenant: &'a TenantId) -> Leave<'a> {
        Leave { people: &*self.people, tenant, told: BTreeMap::new() }
    }

    /// Takes from `users` what `group` alone gives them, before they leave it.
    ///
    /// # Errors
    /// [`Error::Refused`] when the last who can give roles would lose that, or whoever made the token could
    /// not give what is taken; nothing was taken then.
    pub(super) async fn withdraw(&self, who: &Caller, users: &[String], group: &str) -> Result<()> {
        let (tenant, by) = (&who.tenant, who.actor());
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
        let mut leave = self.leave(tenant);
        for (account, role) in &goes {
            if let Some(maker) = &who.maker
                && !leave.has(maker, role).await?
            {
                return Err(Error::Refused(BEYOND));
            }
            if self.people.is_last(tenant, account, Some(role)).await.map_err(away)? {
                return Err(Error::Refused(LAST));
            }
        }
        for (account, role) in &goes {
            // Once more: of two who leave at once, the second may be the last.
            if self.people.is_last(tenant, account, Some(role)).await.map_err(away)? {
                return Err(Error::Refused(LAST));
            }
            self.people.take(tenant, account, role, &by).await.map_err(away)?;
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
            filler: row.get(5),
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
