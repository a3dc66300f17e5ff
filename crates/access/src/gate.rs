//! The decision about each request, made in memory.

use jiff::Timestamp;
use kernel::{Fut, Gatekeeper, Identity, Passage, PermissionId, TenantId};

use crate::{Access, Result, Routes, sql};

impl Gatekeeper for Access {
    fn pass(&self, identity: &Identity, method: &str, path: &str) -> Passage {
        let Some(routes) = self.routes.get() else {
            return Passage::Unmapped;
        };
        let now = self.clock.now();
        let (passage, used) = decide(routes, identity, (method, path), now);
        if let Some(permission) = used {
            self.uses.note((&identity.account, &identity.tenant), permission, now);
        }
        passage
    }

    fn permission(&self, method: &str, path: &str) -> Option<PermissionId> {
        self.routes.get()?.need(method, path)?.permission
    }

    fn note<'a>(
        &'a self,
        identity: &'a Identity,
        request: &'a str,
        method: &'a str,
        path: &'a str,
    ) -> Fut<'a, std::result::Result<(), String>> {
        Box::pin(async move {
            let noted = self.note_support(identity, request, method, path).await;
            noted.map_err(|error| error.to_string())
        })
    }
}

/// Whether `identity` may ask for this now, and by which permission they do.
pub(crate) fn decide(
    routes: &Routes,
    identity: &Identity,
    (method, path): (&str, &str),
    now: Timestamp,
) -> (Passage, Option<PermissionId>) {
    let Some(need) = routes.need(method, path) else {
        return (Passage::Unmapped, None);
    };
    if need.permission.is_some_and(|permission| !identity.may(permission)) {
        return (Passage::Denied, None);
    }
    if need.step_up && !identity.is_recent(now) {
        return (Passage::StepUp, None);
    }
    (Passage::Open, need.permission)
}

impl Access {
    /// From now on, requests are decided by these routes. The first call counts.
    pub fn guard(&self, routes: Routes) {
        let _ = self.routes.set(routes);
    }

    /// The routes by which requests are decided.
    pub fn routes(&self) -> Option<&Routes> {
        self.routes.get()
    }

    /// Remembers that `account` was permitted something in `tenant` that the application asked about.
    pub fn used(&self, account: &str, tenant: &TenantId, permission: PermissionId) {
        self.uses.note((account, tenant), permission, self.clock.now());
    }

    /// Writes down what was used since the last time. What could not be is kept for the next time.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn write_uses(&self) -> Result<usize> {
        let uses = self.uses.take();
        let written = self.write(&uses).await;
        let count = uses.len();
        if let Err(error) = written {
            self.uses.put_back(uses);
            return Err(error);
        }
        Ok(count)
    }

    async fn write(&self, uses: &[crate::uses::Use]) -> Result<()> {
        let accounts: Vec<&str> = uses.iter().map(|used| used.account.as_str()).collect();
        let tenants: Vec<&str> = uses.iter().map(|used| used.tenant.as_str()).collect();
        let permissions: Vec<i16> =
            uses.iter().filter_map(|used| i16::try_from(used.permission.number()).ok()).collect();
        let at: Vec<Timestamp> = uses.iter().map(|used| used.at).collect();
        let tx = self.db.operator().await?;
        // Without routes the application's uses are not seen, and a history of the others is none.
        if self.routes().is_some() {
            tx.execute(sql::WATCH, &[&self.clock.now()]).await?;
        }
        tx.execute(sql::WRITE_USES, &[&accounts, &tenants, &permissions, &at]).await?;
        tx.commit().await?;
        Ok(())
    }
}
