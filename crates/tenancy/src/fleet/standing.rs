//! Whether the registry lets a tenant in, for what others keep of it: its logins on Redis.
//!
//! It promises that a tenant which was let in when it was asked stays so until the end of the
//! transaction that asked. Whoever shuts it out meanwhile waits for that, and then finds everything
//! that was made in it.

use kernel::TenantId;
use store::OperatorTx;

use super::{State, registry, sql};
use crate::{Error, Result};

/// Goes on when the registry lets the tenant in. One that it does not know and has never erased has
/// its rows in a shared database, and is let in. One that is being moved is what it was before.
pub(crate) async fn let_in(tx: &OperatorTx, tenant: &TenantId) -> Result<()> {
    let row = tx.query_opt(sql::STANDING, &[&tenant.as_str()]).await?;
    let Some(row) = row else {
        // Asked after it: whoever waited for an erasure to end sees only now what that has noted.
        let erased = tx.query_one(sql::WAS_ERASED, &[&tenant.as_str()]).await?;
        return if erased.get(0) { Err(Error::WasErased(tenant.clone())) } else { Ok(()) };
    };
    match registry::state(row.get(0))? {
        State::Making | State::Active => Ok(()),
        state => Err(Error::NotActive { tenant: tenant.clone(), state }),
    }
}
