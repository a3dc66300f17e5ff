//! What the application asks about its people, answered from the database.

use std::sync::Arc;

use access::{Access, Catalogue};
use console::access::{Decisions, Holders, Subject};
use identity::Identities;
use kernel::{Bits, Fut, PermissionId, TenantId};

/// Who there is, and what they may do.
pub(crate) struct Register {
    pub(crate) identities: Arc<Identities>,
    pub(crate) access: Arc<Access>,
}

impl Register {
    async fn find(&self, id: &str) -> anyhow::Result<Option<Subject>> {
        let Some((account, home)) = self.identities.person_of(id).await? else {
            return Ok(None);
        };
        let permits = self.access.standing_now(&account, &home).await?.permits;
        Ok(Some(Subject { account, home, permits }))
    }
}

impl Decisions for Register {
    fn subject<'a>(&'a self, id: &'a str) -> Fut<'a, Result<Option<Subject>, String>> {
        Box::pin(async move { self.find(id).await.map_err(|error| format!("{error:#}")) })
    }

    fn permission(&self, name: &str) -> Option<PermissionId> {
        Catalogue::shipped().ok()?.number(name)
    }

    fn names(&self, bits: &Bits) -> Vec<String> {
        let names = Catalogue::shipped().map(|catalogue| catalogue.names(bits));
        names.unwrap_or_default().into_iter().map(ToOwned::to_owned).collect()
    }

    fn holders<'a>(
        &'a self,
        tenant: &'a TenantId,
        permission: PermissionId,
        after: Option<&'a str>,
        limit: usize,
    ) -> Fut<'a, Result<Holders, String>> {
        Box::pin(async move {
            // One more than is asked for tells whether there are more.
            let found = self.access.holders(tenant, permission, after, limit + 1).await;
            let mut accounts = match found {
                Ok(accounts) => accounts,
                // A page's token that is none leads nowhere.
                Err(access::Error::Field { .. }) => Vec::new(),
                Err(error) => return Err(error.to_string()),
            };
            let more = accounts.len() > limit;
            accounts.truncate(limit);
            // Also when that account is left out below.
            let next = accounts.last().filter(|_| more).cloned();
            let mut active = Vec::new();
            for account in accounts {
                let person = self.identities.person_of(&account).await;
                let person = person.map_err(|error| error.to_string())?;
                if person.is_some_and(|(_, home)| home == *tenant) {
                    active.push(account);
                }
            }
            Ok(Holders { accounts: active, next })
        })
    }

    fn used(&self, subject: &Subject, permission: PermissionId) {
        self.access.used(&subject.account, &subject.home, permission);
    }
}
