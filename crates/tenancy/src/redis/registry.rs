//! Which tenants have a place, and which logins are good until when, in the control database.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use kernel::TenantId;
use store::{Db, OperatorTx, ToSql};

use super::{Login, Place, sql};
use crate::fleet::let_in;
use crate::{Error, Result};

/// The most logins of one tenant: a program that asks for one with each request would fill the server.
const PLACE_LEASES: i64 = 200;

/// The control database.
pub(super) struct Registry<'a>(pub(super) &'a Db);

/// Everything that should be on the server. Nobody makes or removes a login until its end.
pub(super) struct Still {
    /// Place and digest of the password, by the login.
    pub(super) leases: HashMap<String, (Place, String)>,
    lock: OperatorTx,
}

impl Still {
    pub(super) async fn end(self) -> Result<()> {
        Ok(self.lock.commit().await?)
    }
}

impl Registry<'_> {
    /// Notes a login. It is noted when the transaction is committed.
    pub(super) async fn lease(
        &self,
        (login, tenant, canary): (&Login, &TenantId, bool),
        digest: &str,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<OperatorTx> {
        let tx = self.0.operator().await?;
        let noted = async {
            // The synthetic ones that others attack with stand in no registry.
            if !canary {
                let_in(&tx, tenant).await?;
            }
            if take(&tx, &login.place, tenant, canary, now).await? {
                return Err(Error::NoCache(tenant.clone()));
            }
            let place = login.place.name();
            // The place is held, so that nobody counts beside us.
            let open: i64 = tx.query_one(sql::OPEN, &[&place, &now]).await?.get(0);
            if open >= PLACE_LEASES {
                return Err(Error::Leases(PLACE_LEASES));
            }
            let bound: [&(dyn ToSql + Sync); 4] = [&login.name, &place, &digest, &until];
            tx.execute(sql::LEASE, &bound).await?;
            Ok(())
        };
        match noted.await {
            Ok(()) => Ok(tx),
            Err(error) => {
                // The place is held too, and whoever shuts the tenant out waits for that.
                drop(tx.rollback().await);
                Err(error)
            }
        }
    }

    /// Notes whether a tenant may have logins, and forgets those that it has when not. It may have
    /// some only when the registry of tenants lets it in.
    pub(super) async fn suspend(
        &self,
        place: &Place,
        tenant: &TenantId,
        suspended: bool,
        now: Timestamp,
    ) -> Result<()> {
        let tx = self.0.operator().await?;
        if !suspended && let Err(error) = let_in(&tx, tenant).await {
            drop(tx.rollback().await);
            return Err(error);
        }
        take(&tx, place, tenant, false, now).await?;
        tx.execute(sql::SUSPEND, &[&place.name(), &suspended]).await?;
        if suspended {
            tx.execute(sql::END_ALL, &[&place.name()]).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Forgets a place.
    pub(super) async fn forget(&self, place: &Place) -> Result<()> {
        self.change(sql::FORGET, &[&place.name()]).await
    }

    /// Forgets a login.
    pub(super) async fn end(&self, login: &str) -> Result<()> {
        self.change(sql::END, &[&login]).await
    }

    /// The logins that are good at `now`; the others are forgotten.
    pub(super) async fn still(&self, now: Timestamp) -> Result<Still> {
        let lock = self.0.operator().await?;
        lock.batch(sql::STILL).await?;
        lock.execute(sql::EXPIRE, &[&now]).await?;
        let rows = lock.query(sql::LEASES, &[]).await?;
        let leases = rows.iter().map(|row| (row.get(0), (Place::known(row.get(1)), row.get(2))));
        Ok(Still { leases: leases.collect(), lock })
    }

    /// The names of the logins that are good after `now`.
    pub(super) async fn logins(&self, now: Timestamp) -> Result<HashSet<String>> {
        let tx = self.0.operator().await?;
        // Whoever makes or removes one is waited for.
        tx.batch(sql::SETTLED).await?;
        let rows = tx.query(sql::LOGINS, &[&now]).await?;
        tx.rollback().await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// How many tenants have a place, without the synthetic ones.
    pub(super) async fn somebody(&self) -> Result<i64> {
        let tx = self.0.operator().await?;
        let count = tx.query_one(sql::SOMEBODY, &[]).await?.get(0);
        tx.rollback().await?;
        Ok(count)
    }

    /// Whether a place is suspended, and how many logins it has.
    pub(super) async fn find(&self, place: &Place, now: Timestamp) -> Result<Option<(bool, i64)>> {
        let tx = self.0.operator().await?;
        let row = tx.query_opt(sql::FIND, &[&place.name(), &now]).await?;
        tx.rollback().await?;
        Ok(row.map(|row| (row.get(0), row.get(1))))
    }

    async fn change(&self, statement: &str, bound: &[&(dyn ToSql + Sync)]) -> Result<()> {
        let tx = self.0.operator().await?;
        tx.execute(statement, bound).await?;
        Ok(tx.commit().await?)
    }
}

/// Notes a place if it is not there, and says whether it is suspended.
async fn take(
    tx: &OperatorTx,
    place: &Place,
    tenant: &TenantId,
    canary: bool,
    now: Timestamp,
) -> Result<bool> {
    let bound: [&(dyn ToSql + Sync); 4] = [&place.name(), &tenant.as_str(), &canary, &now];
    Ok(tx.query_one(sql::TAKE, &bound).await?.get(0))
}
