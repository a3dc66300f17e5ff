//! Whether the registry lets a tenant in, for what others keep of it: its logins on Redis.
//!
//! It promises that a tenant which was let in when it was asked stays so until the end of the
//! transaction that asked. Whoever shuts it out meanwhile waits for that, and then finds everything
//! that was made in it.

mod sql;

use kernel::TenantId;
use store::OperatorTx;

use super::{State, registry};
use crate::{Error, Result};

/// Goes on when the registry lets the tenant in. One that it does not know, and of which
/// something was never erased, has its rows in a shared database, and is let in. One that is being moved is what it was before, and so
/// is one whose database was lost with its cell.
pub(crate) async fn let_in(tx: &OperatorTx, tenant: &TenantId) -> Result<()> {
    let row = tx.query_opt(sql::STANDING, &[&tenant.as_str()]).await?;
    let gone = match &row {
        Some(_) => None,
        // Asked after it: whoever waited for an erasure to end sees only now what that has noted.
        None => Some(tx.query_one(sql::GONE, &[&tenant.as_str()]).await?),
    };
    let word: Option<&str> = row.as_ref().or(gone.as_ref()).and_then(|row| row.get(0));
    match word.map(registry::state).transpose()? {
        None if gone.is_some_and(|row| row.get(1)) => Err(Error::WasErased(tenant.clone())),
        None | Some(State::Making | State::Active) => Ok(()),
        Some(state) => Err(Error::NotActive { tenant: tenant.clone(), state }),
    }
}
