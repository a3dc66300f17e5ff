//! Seeds that are sealed anew, so that an old version of their key can be destroyed and nothing is lost.

use kernel::{TenantId, Vault};
use store::Db;

use super::step::{seed_context, tenant};
use crate::Result;
use crate::sql::factors as sql;

/// How many seeds are looked at with one statement.
const PAGE: i64 = 200;
/// Before every seed's id.
const FIRST: &str = "00000000-0000-0000-0000-000000000000";

/// What came of looking at every seed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resealed {
    /// How many there are.
    pub seeds: u64,
    /// How many were sealed anew.
    pub renewed: u64,
    /// How many lie where they lay, and could not be: of a tenant whose keys were destroyed, say.
    pub failed: u64,
    /// What went wrong last.
    pub problem: Option<String>,
}

/// Seals the seeds of `whose` people, or of everybody's, anew with `vault`, where they do not lie under the
/// newest version of their key. One that is used or replaced meanwhile is left to whoever does that, and
/// is sealed under the newest version by then. It may be cut off at any point and done again.
///
/// # Errors
/// When the control database `db` does not answer. A seed that cannot be sealed anew is counted and stays.
pub async fn reseal_seeds(
    db: &Db,
    vault: &dyn Vault,
    whose: Option<&TenantId>,
) -> Result<Resealed> {
    let (mut all, mut after) = (Resealed::default(), FIRST.to_owned());
    let only = whose.map(TenantId::as_str);
    loop {
        let tx = db.operator().await?;
        let rows = tx.query(sql::NEXT_SEEDS, &[&after, &PAGE, &only]).await?;
        tx.rollback().await?;
        let Some(last) = rows.last() else { return Ok(all) };
        after = last.get("id");
        for row in &rows {
            all.seeds += 1;
            let (id, account): (String, String) = (row.get("id"), row.get("account"));
            let sealed: String = row.get("seed_sealed");
            match vault.renew(&tenant(row)?, &seed_context(&account), &sealed).await {
                Ok(None) => {}
                Ok(Some(newest)) => {
                    let tx = db.operator().await?;
                    all.renewed += tx.execute(sql::RESEAL, &[&id, &sealed, &newest]).await?;
                    tx.commit().await?;
                }
                Err(why) => {
                    all.failed += 1;
                    all.problem = Some(why);
                }
            }
        }
    }
}
