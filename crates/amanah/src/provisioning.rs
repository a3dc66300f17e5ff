//! Accounts and roles, as the directories of tenants make and end them: `directory` knows neither, so
//! they are joined here.
//!
//! It promises that no directory leaves its tenant without somebody who can give roles: the last one
//! is whoever has that permission while no other open account has it. Holders are read in parts, since
//! a tenant may have very many and most of the time the first part settles it.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use access::Access;
use directory::Directory;
use identity::{Identities, Mailroom};
use kernel::{
    Cx, Fut, Grantable, Identity, MappedRole, Provision, Provisioned, Provisioning, Reopened,
    TenantId, own,
};
use store::Db;

/// How many holders of a permission are read at a time.
const HOLDERS: usize = 200;

/// Over the rooms that know accounts and roles.
pub(crate) struct People {
    pub(crate) access: Arc<Access>,
    pub(crate) identities: Arc<Identities>,
    pub(crate) mailroom: Arc<Mailroom>,
    pub(crate) cx: Cx,
}

/// Where the protocol is served, below the site.
pub(crate) const PLACE: &str = "/_amanah/scim/v2";

/// The directories of tenants in the control database `db`, served at `site`.
pub(crate) fn open(people: People, db: &Db, site: &str) -> Arc<Directory> {
    let world = (Arc::clone(&people.cx.clock), Arc::clone(&people.cx.rng));
    let base = format!("{}{PLACE}", site.trim_end_matches('/'));
    Arc::new(Directory::new(db.clone(), world, Arc::new(people), &base))
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl People {
    /// Over these rooms.
    pub(crate) fn of(
        access: &Arc<Access>,
        identities: &Arc<Identities>,
        mailroom: &Arc<Mailroom>,
        cx: &Cx,
    ) -> Self {
        let (access, identities) = (Arc::clone(access), Arc::clone(identities));
        Self { access, identities, mailroom: Arc::clone(mailroom), cx: cx.clone() }
    }

    /// Whether nobody else with an open account, and no service, could give roles, if `account` lost `role` or all of
    /// them.
    async fn last(
        &self,
        tenant: &TenantId,
        account: &str,
        role: Option<&str>,
    ) -> Result<bool, String> {
        let permits = self.access.standing_now(account, tenant).await.map_err(words)?.permits;
        if !permits.has(own::PEOPLE_ROLES) {
            return Ok(false);
        }
        if let Some(role) = role {
            let held = self.access.roles_of(account, tenant).await.map_err(words)?;
            let all = self.access.roles(Some(tenant)).await.map_err(words)?;
            let mut others = all
                .iter()
                .filter(|one| one.name != role && held.iter().any(|held| held.role == one.name));
            if others.any(|one| one.permits.has(own::PEOPLE_ROLES)) {
                return Ok(false);
            }
        }
        let mut after: Option<String> = None;
        loop {
            let holders =
                self.access.holders(tenant, own::PEOPLE_ROLES, after.as_deref(), HOLDERS).await;
            let holders = holders.map_err(words)?;
            let others: Vec<&str> =
                holders.iter().map(String::as_str).filter(|holder| *holder != account).collect();
            if self.identities.any_open_person(&others).await.map_err(words)? {
                return Ok(false);
            }
            match holders.last() {
                Some(last) if holders.len() == HOLDERS => after = Some(last.clone()),
                _ => return Ok(true),
            }
        }
    }

    /// As [`crate::leaving::Offboarding::end`], by a directory, which may open the account again.
    async fn end(&self, account: &str, by: &str) -> Result<(), String> {
        let closed = self.identities.close_for_directory(account).await.map_err(words)?;
        self.access.withdraw(account, by).await.map_err(words)?;
        let mut remains = self.access.left_of(account).await.map_err(words)?;
        remains.extend(closed.unknown);
        if remains.is_empty() { Ok(()) } else { Err(format!("left: {}", remains.join(", "))) }
    }
}

impl Provisioning for People {
    fn is_open<'a>(&'a self, tenant: &'a TenantId) -> Fut<'a, Result<bool, String>> {
        Box::pin(async { self.identities.tenant_is_open(tenant).await.map_err(words) })
    }

    fn in_hand<'a>(&'a self, new: &'a Provision) -> Fut<'a, Result<Option<String>, String>> {
        Box::pin(async { self.mailroom.in_hand(new).await.map_err(words) })
    }

    fn provision<'a>(&'a self, new: &'a Provision) -> Fut<'a, Result<Provisioned, String>> {
        Box::pin(async { self.mailroom.provision(new).await.map_err(words) })
    }

    fn adopt<'a>(
        &'a self,
        tenant: &'a TenantId,
        email: &'a str,
    ) -> Fut<'a, Result<Option<(String, String)>, String>> {
        Box::pin(async { self.mailroom.adopt(tenant, email).await.map_err(words) })
    }

    fn change<'a>(
        &'a self,
        account: &'a str,
        to: &'a Provision,
    ) -> Fut<'a, Result<Provisioned, String>> {
        Box::pin(async { self.mailroom.change_provisioned(account, to).await.map_err(words) })
    }

    fn close<'a>(&'a self, account: &'a str, by: &'a str) -> Fut<'a, Result<(), String>> {
        Box::pin(self.end(account, by))
    }

    fn open_of<'a>(&'a self, accounts: &'a [String]) -> Fut<'a, Result<Vec<String>, String>> {
        Box::pin(async { self.identities.open_of(accounts).await.map_err(words) })
    }

    fn reopen<'a>(&'a self, account: &'a str) -> Fut<'a, Result<Reopened, String>> {
        Box::pin(async { self.mailroom.reopen_provisioned(account).await.map_err(words) })
    }

    fn is_last<'a>(
        &'a self,
        tenant: &'a TenantId,
        account: &'a str,
        role: Option<&'a str>,
    ) -> Fut<'a, Result<bool, String>> {
        Box::pin(self.last(tenant, account, role))
    }

    fn may_direct<'a>(
        &'a self,
        account: &'a str,
        tenant: &'a TenantId,
    ) -> Fut<'a, Result<bool, String>> {
        Box::pin(async move {
            let open = self.identities.open_of(&[account.to_owned()]).await.map_err(words)?;
            Ok(!open.is_empty() && self.access.may_direct(account, tenant).await.map_err(words)?)
        })
    }

    fn may_give<'a>(
        &'a self,
        giver: &'a str,
        tenant: &'a TenantId,
        role: &'a str,
    ) -> Fut<'a, Result<bool, String>> {
        Box::pin(async move { self.access.may_map(giver, tenant, role).await.map_err(words) })
    }

    fn may_end<'a>(
        &'a self,
        maker: &'a str,
        account: &'a str,
        tenant: &'a TenantId,
    ) -> Fut<'a, Result<bool, String>> {
        Box::pin(async move { self.access.may_end(maker, account, tenant).await.map_err(words) })
    }

    fn mappable<'a>(&'a self, by: &'a Identity) -> Fut<'a, Result<Vec<Grantable>, String>> {
        Box::pin(async { self.access.mappable(by).await.map_err(words) })
    }

    fn give<'a>(&'a self, role: MappedRole<'a>) -> Fut<'a, Result<bool, String>> {
        Box::pin(async move { self.access.grant_mapped(&role).await.map_err(words) })
    }

    fn given<'a>(&'a self, tenant: &'a TenantId) -> Fut<'a, Result<Vec<(String, String)>, String>> {
        Box::pin(async { self.access.mapped(tenant).await.map_err(words) })
    }

    fn take<'a>(
        &'a self,
        tenant: &'a TenantId,
        account: &'a str,
        role: &'a str,
        by: &'a str,
    ) -> Fut<'a, Result<(), String>> {
        Box::pin(async move {
            self.access.revoke_mapped(tenant, account, role, by).await.map_err(words)
        })
    }
}
