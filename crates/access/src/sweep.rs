//! What proofs leave behind: grants of synthetic people, what synthetic staff asked for, and what both
//! used. It can go once it is over for a day; what is about anybody real stays for ever, and triggers
//! hold that (`sql/0024_synthetic.sql`).

use store::Db;

use crate::{Result, sql};

/// How many rows of each sort are removed at once: what is left goes the next time.
const BATCH: i64 = 5_000;

/// Removes what is over of synthetic people. `owner` is the owner of the control database: nobody else
/// has the right to. How many rows went.
///
/// # Errors
/// When the database did not do it; nothing was removed then.
pub async fn sweep(owner: &Db) -> Result<u64> {
    let tx = owner.operator().await?;
    let mut gone = 0;
    for statement in [sql::SWEEP_USES, sql::SWEEP_SUPPORT, sql::SWEEP_GRANTS, sql::SWEEP_NOTED] {
        gone += tx.execute(statement, &[&BATCH]).await?;
    }
    tx.commit().await?;
    Ok(gone)
}
