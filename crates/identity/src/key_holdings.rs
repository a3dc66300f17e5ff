//! The keys of programs, as reviews of access look at them.
//!
//! It promises that a key which would be let in is listed, whoever made it: those of people and those of
//! services. It tells no key, and ends one by the same row that the page for keys does.

use std::sync::Arc;

use kernel::{Clock, Fut, Holding, Holdings, TenantId};
use store::{Db, Row};

use crate::sql::tokens as sql;

/// The keys of programs in a control database.
pub struct KeyHoldings {
    db: Db,
    clock: Arc<dyn Clock>,
}

impl KeyHoldings {
    /// Those in `db`. Whoever decides from memory hears of what is ended, as of everything else.
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock }
    }

    async fn list(&self, tenant: &TenantId) -> Result<Vec<Holding>, store::Error> {
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::LIVING_KEYS, &[&tenant.as_str(), &self.clock.now()]).await?;
        tx.rollback().await?;
        Ok(rows.iter().map(holding).collect())
    }

    async fn revoke(&self, tenant: &TenantId, id: &str) -> Result<(), store::Error> {
        let tx = self.db.operator().await?;
        let bound: store::Bound<'_> = &[&id, &tenant.as_str(), &self.clock.now()];
        let ended = tx.execute(sql::END_REVIEWED_KEY, bound).await?;
        tx.commit().await?;
        tracing::info!(key = id, %tenant, ended, "an API key was revoked by a review");
        Ok(())
    }
}

impl Holdings for KeyHoldings {
    fn kind(&self) -> &'static str {
        "key"
    }

    fn living<'a>(&'a self, tenant: &'a TenantId) -> Fut<'a, Result<Vec<Holding>, String>> {
        Box::pin(async move { self.list(tenant).await.map_err(|error| error.to_string()) })
    }

    fn end<'a>(&'a self, tenant: &'a TenantId, id: &'a str) -> Fut<'a, Result<(), String>> {
        Box::pin(async move { self.revoke(tenant, id).await.map_err(|error| error.to_string()) })
    }
}

fn holding(row: &Row) -> Holding {
    let (id, name, permissions): (String, String, i32) = (row.get(0), row.get(1), row.get(2));
    let (email, service): (String, Option<String>) = (row.get(4), row.get(5));
    let holder = match service {
        Some(service) => format!("{service}, a service"),
        None => email,
    };
    Holding {
        what: format!("key {id}, {name:?}, for {permissions} permissions"),
        id,
        account: row.get(3),
        holder,
        given_by: row.get(6),
        given_at: row.get(7),
        last_used_at: row.get(8),
        orphan: row.get(9),
    }
}
