//! The tokens of directories, and what their groups give, as reviews of access look at them.
//!
//! It promises that a token which would be let in is listed, whoever made it: who holds one makes
//! accounts, ends them, and puts people into groups that give roles. It tells no token. And that each
//! role which a group gives is listed beside those who have it: with their roles alone revoked, the next
//! member of the group would have it again.

use std::sync::Arc;

use jiff::Timestamp;
use kernel::{Clock, Fut, Holding, Holdings, NOBODY, TenantId};
use store::{Db, Row};

use crate::sql;

/// Who ends what a review revokes; who decided so stands in the review.
const REVIEW: &str = "a review";

/// The tokens in a control database.
pub struct TokenHoldings {
    db: Db,
    clock: Arc<dyn Clock>,
}

impl TokenHoldings {
    /// Those in `db`. Nobody decides about a token from memory, so nobody has to hear of its end.
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock }
    }

    async fn list(&self, tenant: &TenantId) -> Result<Vec<Holding>, store::Error> {
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::LIVING_TOKENS, &[&tenant.as_str(), &self.clock.now()]).await?;
        tx.rollback().await?;
        Ok(rows.iter().map(|row| holding(tenant, row)).collect())
    }

    async fn revoke(&self, tenant: &TenantId, id: &str) -> Result<(), store::Error> {
        let (now, of) = (self.clock.now(), tenant.as_str());
        let tx = self.db.operator().await?;
        let ended = tx.query_opt(sql::END_TOKEN, &[&id, &of, &now, &REVIEW]).await?;
        if ended.is_some() {
            let bound: store::Bound<'_> = &[&of, &now, &REVIEW, &"revoke token", &id, &""];
            tx.execute(sql::NOTE, bound).await?;
        }
        tx.commit().await?;
        tracing::info!(token = id, %tenant, "a token of a directory was revoked by a review");
        Ok(())
    }
}

impl Holdings for TokenHoldings {
    fn kind(&self) -> &'static str {
        "directory"
    }

    fn living<'a>(&'a self, tenant: &'a TenantId) -> Fut<'a, Result<Vec<Holding>, String>> {
        Box::pin(async move { self.list(tenant).await.map_err(|error| error.to_string()) })
    }

    fn end<'a>(&'a self, tenant: &'a TenantId, id: &'a str) -> Fut<'a, Result<(), String>> {
        Box::pin(async move { self.revoke(tenant, id).await.map_err(|error| error.to_string()) })
    }
}

/// What groups give, in a control database.
pub struct MappingHoldings {
    db: Db,
    clock: Arc<dyn Clock>,
}

impl MappingHoldings {
    /// Those in `db`. What a mapping gave is taken from the members of its group by the next round of
    /// [`crate::Directory::keep`].
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock }
    }

    async fn list(&self, tenant: &TenantId) -> Result<Vec<Holding>, store::Error> {
        let tx = self.db.operator().await?;
        let rows = tx.query(sql::LIVING_MAPPINGS, &[&tenant.as_str()]).await?;
        tx.rollback().await?;
        Ok(rows.iter().map(mapping).collect())
    }

    async fn unmap(&self, tenant: &TenantId, id: &str) -> Result<(), store::Error> {
        // As it was when it was listed: one that was made anew since is another's decision.
        let Some((group, rest)) = id.split_once(':') else { return Ok(()) };
        let Some((at, role)) = rest.split_once(':') else { return Ok(()) };
        let Ok(at) = at.parse::<i64>() else { return Ok(()) };
        let Ok(at) = Timestamp::from_microsecond(at) else { return Ok(()) };
        let (now, of) = (self.clock.now(), tenant.as_str());
        let tx = self.db.operator().await?;
        if tx.execute(sql::UNMAP_IN, &[&of, &group, &role, &at]).await? > 0 {
            let bound: store::Bound<'_> = &[&of, &now, &REVIEW, &"unmap role", &group, &role];
            tx.execute(sql::NOTE, bound).await?;
        }
        tx.commit().await?;
        tracing::info!(group, role, %tenant, "what a group gives was revoked by a review");
        Ok(())
    }
}

impl Holdings for MappingHoldings {
    fn kind(&self) -> &'static str {
        "mapping"
    }

    fn living<'a>(&'a self, tenant: &'a TenantId) -> Fut<'a, Result<Vec<Holding>, String>> {
        Box::pin(async move { self.list(tenant).await.map_err(|error| error.to_string()) })
    }

    fn end<'a>(&'a self, tenant: &'a TenantId, id: &'a str) -> Fut<'a, Result<(), String>> {
        Box::pin(async move { self.unmap(tenant, id).await.map_err(|error| error.to_string()) })
    }
}

fn mapping(row: &Row) -> Holding {
    let (group, name, role): (String, String, String) = (row.get(0), row.get(1), row.get(2));
    let (members, given_by, given_at): (i64, String, Timestamp) =
        (row.get(6), row.get(4), row.get(5));
    Holding {
        id: format!("{group}:{}:{role}", given_at.as_microsecond()),
        account: row.get(3),
        holder: format!("the group {name:?} of {members}"),
        what: role,
        given_by,
        given_at,
        // Whether its members use what it gives stands at their own roles.
        last_used_at: None,
        orphan: false,
    }
}

fn holding(tenant: &TenantId, row: &Row) -> Holding {
    let (id, name): (String, String) = (row.get(0), row.get(1));
    Holding {
        what: format!("token {id}, {name:?}, which makes and ends accounts and fills groups"),
        id,
        account: row.get::<_, Option<String>>(2).unwrap_or_else(|| NOBODY.to_owned()),
        holder: format!("the directory of {tenant}"),
        given_by: row.get(3),
        given_at: row.get(4),
        last_used_at: row.get(5),
        // Accounts are not known here: whoever reviews looks whether this one is gone.
        orphan: false,
    }
}
