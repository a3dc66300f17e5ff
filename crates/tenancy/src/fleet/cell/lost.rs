//! Removing a cell whose server is gone for good.
//!
//! It promises: nothing is removed while anything at its address may be that server, and nothing is
//! changed on any server. What lay there is noted as lost, which is another thing than erased: nobody
//! has dropped it, and whoever has the disk has the rows. Where a copy of a lost tenant is on another
//! cell, from a move, it is kept for somebody to look at. Keys, files and what a tenant has on Redis
//! are not on a cell and stay as they are.

mod sql;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kernel::{TenantId, hex};
use serde::Serialize;
use store::{Db, OperatorTx, Row};

use super::{HOME, refused};
use crate::fleet::{Fleet, held, roster, sql as fleet_sql};
use crate::{Error, Result};

/// For how long copies of lost tenants are kept on other cells.
const KEEP: Duration = Duration::from_hours(30 * 24);

/// Something that lay on a server which is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The name of its database.
    pub database: String,
    /// Whose it was, unless that tenant was erased since.
    pub tenant: Option<String>,
    /// The tenant's state, or `copy`: one that a move had left behind, which did not count.
    pub was: String,
    /// The last migration that it is known to have.
    pub schema_version: Option<String>,
}

/// A copy of a lost tenant on a cell that is there: of a move that did not end, or of before one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remnant {
    /// The name of the database.
    pub database: String,
    /// Where it is.
    pub cell: String,
    /// It is dropped after that.
    pub until: Timestamp,
}

/// A cell whose server is gone, with what lay there.
#[derive(Debug, Clone, Serialize)]
pub struct LostCell {
    /// Its name.
    pub cell: String,
    /// How its server is silent, for the operator.
    pub silence: String,
    /// Tenants first, then copies.
    pub lost: Vec<Loss>,
    /// What is left of them elsewhere.
    pub remnants: Vec<Remnant>,
}

/// A loss as it is kept.
#[derive(Debug, Clone, Serialize)]
pub struct KnownLoss {
    /// What.
    #[serde(flatten)]
    pub loss: Loss,
    /// SHA-256 of the tenant's name, in hexadecimal, where the tenant is known.
    pub tenant_sha256: Option<String>,
    /// The cell that it lay on.
    pub cell: String,
    /// What PostgreSQL calls that server.
    pub server: Option<String>,
    /// When it was said to be lost.
    pub lost_at: Timestamp,
    /// By whom.
    pub lost_by: String,
    /// How the server was silent then.
    pub silence: String,
}

impl Fleet {
    /// What would be lost with the cell `name`. Nothing is changed.
    ///
    /// # Errors
    /// As [`Fleet::remove_lost_cell`].
    pub async fn look_at_lost_cell(&self, name: &str) -> Result<LostCell> {
        let tx = roster::turn(&self.settings.registry, name).await?;
        let lost = self.lost(&tx, name, self.settings.clock.now()).await;
        held::end(tx, lost).await
    }

    /// Removes a cell whose server is gone for good. Its tenants are none any more, and what they
    /// had there is noted as lost, said by `by`; their names are free.
    ///
    /// # Errors
    /// When it is the first cell, there is none of this name, anything answers that may be its
    /// server, a tenant is on its way there, or another command works on one of its tenants; nothing
    /// was changed then.
    pub async fn remove_lost_cell(&self, name: &str, by: &str) -> Result<LostCell> {
        let registry = &self.settings.registry;
        let tx = roster::turn(registry, name).await?;
        let now = self.settings.clock.now();
        let noted = async {
            let lost = self.lost(&tx, name, now).await?;
            tx.execute(sql::KEEP_REMNANTS, &[&name, &kept_until(now)]).await?;
            let bound: store::Bound<'_> = &[&name, &now, &by, &lost.silence];
            tx.execute(sql::LOSE, bound).await?;
            for forget in [sql::FORGET_TENANTS, sql::FORGET_COPIES, fleet_sql::FORGET_CELL] {
                tx.execute(forget, &[&name]).await?;
            }
            Ok(lost)
        };
        let noted = noted.await;
        let lost = held::end(tx, noted).await?;
        self.forget(name);
        let forgotten = self.settings.vault.remove(name).await;
        forgotten
            .map_err(|why| refused(name, &format!("was removed, but not how to log in: {why}")))?;
        Ok(lost)
    }

    /// Everything that was lost with a cell, the latest first.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub async fn losses(&self) -> Result<Vec<KnownLoss>> {
        let tx = self.settings.registry.operator().await?;
        let rows = tx.query(sql::LOSSES, &[]).await?;
        tx.rollback().await?;
        let known = |row: &Row| KnownLoss {
            loss: Loss {
                database: row.get(2),
                tenant: row.get(3),
                was: row.get(5),
                schema_version: row.get(6),
            },
            tenant_sha256: row.get::<_, Option<&[u8]>>(4).map(hex),
            cell: row.get(0),
            server: row.get(1),
            lost_at: row.get(7),
            lost_by: row.get(8),
            silence: row.get(9),
        };
        Ok(rows.iter().map(known).collect())
    }

    /// What lies there, when its server is silent. Until the end of `tx` nobody works on it.
    async fn lost(&self, tx: &OperatorTx, name: &str, now: Timestamp) -> Result<LostCell> {
        if name == HOME {
            return Err(refused(name, "is the installation's own server and stays"));
        }
        let card = roster::card(&self.settings.registry, name).await?;
        let card = card.ok_or_else(|| Error::NoCell(name.to_owned()))?;
        tx.batch(fleet_sql::WAITS).await?;
        let silence = self.opened(&card).await?.silence().await?;
        // Nobody chooses it from here on, neither for a new tenant nor for a move.
        tx.query(fleet_sql::CHOOSE, &[]).await?;
        let coming = ids(tx, sql::COMING, name).await?;
        if !coming.is_empty() {
            let names = coming.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
            let why = format!(
                "was not removed: these tenants are on their way there, and whole where they were: \
                 {names}. Nothing was changed; let each in there with `amanah tenant resume`, and do \
                 it again"
            );
            return Err(refused(name, &why));
        }
        for id in ids(tx, sql::THERE, name).await? {
            for how in [fleet_sql::TURN, fleet_sql::MOVER] {
                if !tx.query_one(how, &[&id.as_str()]).await?.get::<_, bool>(0) {
                    return Err(Error::Taken(id));
                }
            }
        }
        let lying = tx.query(sql::LYING, &[&name]).await?;
        let loss = |row: &Row| Loss {
            database: row.get(0),
            tenant: row.get(1),
            was: row.get(2),
            schema_version: row.get(3),
        };
        let remnants = tx.query(sql::REMNANTS, &[&name, &kept_until(now)]).await?;
        let remnant =
            |row: &Row| Remnant { database: row.get(0), cell: row.get(1), until: row.get(2) };
        Ok(LostCell {
            cell: name.to_owned(),
            silence,
            lost: lying.iter().map(loss).collect(),
            remnants: remnants.iter().map(remnant).collect(),
        })
    }
}

/// What a certificate of erasure says of databases of this tenant that were lost, one sentence each.
pub(in crate::fleet) async fn remains(registry: &Db, id: &TenantId) -> Result<Vec<String>> {
    let tx = registry.operator().await?;
    let rows = tx.query(sql::LOST_OF, &[&id.as_str()]).await?;
    tx.rollback().await?;
    let sentence = |row: &Row| {
        let (cell, place, at): (&str, &str, Timestamp) = (row.get(0), row.get(1), row.get(2));
        let what =
            if row.get::<_, &str>(3) == "copy" { "A copy of its database" } else { "Its database" };
        let erasing = match row.get::<_, Option<i32>>(4) {
            Some(keys) => {
                format!(" An erasure had been begun, and {keys} of its keys were destroyed by it.")
            }
            None => String::new(),
        };
        format!(
            "{what} {place} was on the server of the cell {cell}, which was lost at {at:.0}. It was \
             not dropped: on the disks of that server, wherever they are, it is as it was.{erasing}"
        )
    };
    Ok(rows.iter().map(sentence).collect())
}

/// Whether a tenant of this name was lost with its cell. What it has elsewhere, its files, is its
/// own then.
pub(in crate::fleet) async fn was_lost(registry: &Db, id: &TenantId) -> Result<bool> {
    let tx = registry.operator().await?;
    let row = tx.query_one(sql::WAS_LOST, &[&id.as_str()]).await?;
    tx.rollback().await?;
    Ok(row.get(0))
}

fn kept_until(now: Timestamp) -> Timestamp {
    now + SignedDuration::try_from(KEEP).unwrap_or_default()
}

async fn ids(tx: &OperatorTx, which: &str, cell: &str) -> Result<Vec<TenantId>> {
    let rows = tx.query(which, &[&cell]).await?;
    let id = |row: &Row| TenantId::new(row.get::<_, String>(0));
    rows.iter().map(|row| Ok(id(row)?)).collect()
}
