//! Where the attacks are made: a session of the attacker, and a session of the attacked that holds
//! what the attacker goes for.

use kernel::random_hex;
use store::{Db, OperatorTx};

use super::{Cell, Lease, Place};
use crate::Result;

/// How long the logins of one battery live.
const LIFE: std::time::Duration = std::time::Duration::from_mins(10);

/// A pair of tenants, ready.
pub(super) struct Scene<'a> {
    pub(super) cell: &'a Cell,
    pub(super) attacker: &'a Place,
    pub(super) victim: &'a Place,
    /// What no name or comment on the server may show.
    pub(super) names: &'a [String],
    /// The attacker's login.
    pub(super) mine: Lease,
    /// The attacked one's.
    pub(super) theirs: Lease,
    /// Stands in every statement and object of the attacked.
    pub(super) mark: String,
    /// The process behind the attacked one's session.
    pub(super) pid: i32,
    /// Its large object.
    pub(super) blob: u32,
    /// Its snapshot.
    pub(super) snapshot: String,
    /// The attacker's session pool.
    pub(super) me: Db,
    them: Db,
    witness: OperatorTx,
}

impl<'a> Scene<'a> {
    /// Logs both in.
    pub(super) async fn set(
        cell: &'a Cell,
        (attacker, victim): (&'a Place, &'a Place),
        names: &'a [String],
    ) -> Result<Self> {
        let mark = random_hex(cell.rng.as_ref(), 12).map_err(store::Error::from)?;
        let mine = attacker.lease(cell, LIFE).await?;
        let theirs = match victim.lease(cell, LIFE).await {
            Ok(theirs) => theirs,
            Err(error) => {
                attacker.end_lease(cell, &mine).await?;
                return Err(error);
            }
        };
        let (me, them) = (Db::lazy(&mine.url, 2)?, Db::lazy(&theirs.url, 3)?);
        let prepared = prepare(&them, &mark).await;
        let (witness, pid, blob, snapshot) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                them.close();
                attacker.end_lease(cell, &mine).await?;
                victim.end_lease(cell, &theirs).await?;
                return Err(error);
            }
        };
        Ok(Self {
            cell,
            attacker,
            victim,
            names,
            mine,
            theirs,
            mark,
            pid,
            blob,
            snapshot,
            me,
            them,
            witness,
        })
    }

    /// The channel that the attacked notifies on. It is this battery's own, as its mark is: another
    /// process may run one at the same time.
    pub(super) fn channel(&self) -> String {
        format!("amanah_{}", self.mark)
    }

    /// Removes what was made. The logins go whatever else fails.
    pub(super) async fn strike(self) -> Result<()> {
        // An attack that got through may have ended this session.
        let ended = self.witness.rollback().await;
        let cleared = clear(&self.them, self.blob).await;
        self.me.close();
        self.them.close();
        self.attacker.end_lease(self.cell, &self.mine).await?;
        self.victim.end_lease(self.cell, &self.theirs).await?;
        if ended.is_ok() {
            cleared?;
        }
        Ok(())
    }
}

/// A session of the attacked: a large object that lasts, a lock, a snapshot, and a statement with
/// the mark in its text.
async fn prepare(them: &Db, mark: &str) -> Result<(OperatorTx, i32, u32, String)> {
    let tx = them.operator().await?;
    let sql = "SELECT pg_catalog.lo_from_bytea(0, pg_catalog.convert_to($1, 'UTF8'))";
    let blob: u32 = tx.query_one(sql, &[&mark]).await?.get(0);
    tx.commit().await?;
    let witness = them.operator().await?;
    witness.batch("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
    let sql = "SELECT pg_catalog.pg_export_snapshot(), pg_catalog.pg_backend_pid()";
    let row = witness.query_one(sql, &[]).await?;
    let (snapshot, pid): (String, i32) = (row.get(0), row.get(1));
    let lock = format!("SELECT {}; SELECT {}", lock_of(mark), store::literal(mark));
    witness.batch(&lock).await?;
    Ok((witness, pid, blob, snapshot))
}

/// Takes the advisory lock of a mark.
pub(super) fn lock_of(mark: &str) -> String {
    let number = format!("pg_catalog.hashtextextended({}, 0)", store::literal(mark));
    format!("pg_catalog.pg_try_advisory_xact_lock({number})")
}

async fn clear(them: &Db, blob: u32) -> Result<()> {
    let tx = them.operator().await?;
    tx.query("SELECT pg_catalog.lo_unlink($1)", &[&blob]).await?;
    Ok(tx.commit().await?)
}
