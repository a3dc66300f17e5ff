//! The synthetic tenants' rows go before the protection does: while it stands, nobody else's row can
//! be hit.

use kernel::Clock;
use store::{Protected, ToSql};

use crate::canary::{self, shape};
use crate::census::ROW;
use crate::{BindingKey, Census, Held, Result};

/// Removes both canaries' rows, each under its own binding. Returns the tables in which the
/// database refused that, with its words.
///
/// # Errors
/// When the database cannot be reached or refuses the binding.
pub async fn remove_canaries(
    protected: &Protected,
    key: &BindingKey,
    clock: &dyn Clock,
) -> Result<Vec<(String, String)>> {
    let shape = shape(protected).await?;
    let census = Census::take(&shape, &protected.tenant_column);
    let mut refused = Vec::new();
    for tenant in [&protected.canaries.0, &protected.canaries.1] {
        // What belongs through its parents comes last, and has to go first.
        let mut left: Vec<&Held> =
            census.held.iter().rev().filter(|h| !h.table.partition).collect();
        loop {
            let before = left.len();
            let mut failed = Vec::new();
            for held in left {
                let tx = canary::bound(&protected.owner, key, tenant, clock.now()).await?;
                let name = tenant.as_str();
                let bound: &[&(dyn ToSql + Sync)] = &[&name];
                match tx.execute(&delete(&census, held), bound).await {
                    Ok(_) => tx.commit().await?,
                    Err(error) => {
                        tx.rollback().await?;
                        failed.push((held, error));
                    }
                }
            }
            if failed.is_empty() || failed.len() == before {
                let words = failed.iter().map(|(held, e)| (held.table.label(), e.to_string()));
                refused.extend(words);
                break;
            }
            left = failed.into_iter().map(|(held, _)| held).collect();
        }
    }
    Ok(refused)
}

/// The tenant is named in the statement too: it does not depend on the policies.
fn delete(census: &Census, held: &Held) -> String {
    let (table, owned) = (held.table.quoted(), census.owned(held, ROW, 1));
    format!("DELETE FROM {table} AS {ROW} WHERE {owned}")
}
