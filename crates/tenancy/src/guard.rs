//! The guard over tables that are made later, and whom it lets through.
//!
//! Where a superuser was at hand, event triggers of his protect each new table with tenants' rows at
//! once, and refuse what weakens the protection. They refuse it to Amanah's own commands too, unless
//! the superuser has let that very transaction through.

use store::{Db, Tx};

use crate::{Plan, Result};

const SWITCH_ON: &str = "
INSERT INTO amanah_guard.isolation (tenant_column, app_role) VALUES ($1, $2)
ON CONFLICT (one) DO UPDATE
   SET tenant_column = excluded.tenant_column, app_role = excluded.app_role";

/// What takes the guard away, for a superuser.
pub(crate) const TAKE_AWAY: &str = "
DROP EVENT TRIGGER IF EXISTS amanah_isolation_ddl;
DROP EVENT TRIGGER IF EXISTS amanah_isolation_drop";

/// From the end of this transaction of a superuser on, the database is guarded.
pub(crate) async fn switch_on(above: &Tx, plan: &Plan) -> Result<()> {
    above.execute(SWITCH_ON, &[&plan.tenant_column, &plan.app_role]).await?;
    Ok(())
}

/// Lets the transaction `tx` through, and no other one.
pub(crate) async fn admit(tx: &Tx, superuser: &Db) -> Result<()> {
    let number = tx.query_one("SELECT pg_catalog.pg_current_xact_id()::text", &[]).await?;
    let number: String = number.get(0);
    let above = superuser.operator().await?;
    let admit = "INSERT INTO amanah_guard.admitted VALUES ($1::text::pg_catalog.xid8)";
    above.execute(admit, &[&number]).await?;
    Ok(above.commit().await?)
}

/// Forgets transactions that are over. One that is left behind lets nothing through: its number is
/// never given again.
pub(crate) async fn forget(superuser: &Db) -> Result<()> {
    let above = superuser.operator().await?;
    let over = "DELETE FROM amanah_guard.admitted
                 WHERE xid < pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())";
    above.execute(over, &[]).await?;
    Ok(above.commit().await?)
}
