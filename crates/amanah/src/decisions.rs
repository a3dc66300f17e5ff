//! What the application asks about its people, answered from the database.

use std::collections::HashMap;
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

impl Decisions for Register {
    fn subjects<'a>(
        &'a self,
        names: &'a [&'a str],
    ) -> Fut<'a, Result<HashMap<String, Subject>, String>> {
        Box::pin(async move {
            let found = self.identities.people_of(names).await.map_err(|e| e.to_string())?;
            let subject = |(account, home)| Subject { account, home };
            Ok(found.into_iter().map(|(name, person)| (name, subject(person))).collect())
        })
    }

    fn permits<'a>(
        &'a self,
        subjects: &'a [Subject],
    ) -> Fut<'a, Result<HashMap<String, Bits>, String>> {
        Box::pin(async move {
            let people = subjects.iter().map(|one| (one.account.as_str(), &one.home));
            let people: Vec<_> = people.collect();
            self.access.permits_of(&people).await.map_err(|error| error.to_string())
        })
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
            let names: Vec<&str> = accounts.iter().map(String::as_str).collect();
            let open = self.identities.people_of(&names).await.map_err(|e| e.to_string())?;
            let here = |account: &String| open.get(account).is_some_and(|(_, home)| home == tenant);
            accounts.retain(here);
            Ok(Holders { accounts, next })
        })
    }

    fn used(&self, subject: &Subject, permission: PermissionId) {
        self.access.used(&subject.account, &subject.home, permission);
    }
}
