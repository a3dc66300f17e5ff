//! What a tenant's own roles ask of their holders.
//!
//! It promises that no role of a tenant's own is as mighty as a shipped one and asks for less, and that
//! nobody makes a role ask for less without showing what it asks for, and unseen by who has it. It stops
//! a stolen session, and a copy of `administrator`, from getting around a second factor.

use kernel::{Bits, Notice, Strength, TenantId};
use store::{OperatorTx, Row, Tx};

use super::{Access, bits, in_words};
use crate::{By, Error, Result, sql};

/// What a role asks for with all that it inherits. Limits are in seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    id: i32,
    name: String,
    factor: Strength,
    idle: Option<i32>,
    absolute: Option<i32>,
}

impl Asked {
    fn of(row: &Row) -> Self {
        Self {
            id: row.get(0),
            name: row.get(1),
            factor: Strength::demanded(row.get(2)),
            idle: row.get(3),
            absolute: row.get(4),
        }
    }

    fn is_more_than(&self, after: &Self) -> bool {
        self.factor > after.factor
            || is_shorter(self.idle, after.idle)
            || is_shorter(self.absolute, after.absolute)
    }
}

/// Whether a limit is shorter than another; without one, nothing is.
fn is_shorter(one: Option<i32>, other: Option<i32>) -> bool {
    one.is_some_and(|one| other.is_none_or(|other| one < other))
}

/// What the role and all that inherit from it ask for.
pub(super) async fn asked_below(tx: &Tx, id: i32) -> Result<Vec<Asked>> {
    let rows = tx.query(sql::BELOW, &[&id]).await?;
    let ids: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
    asked(tx, &ids).await
}

async fn asked(tx: &Tx, ids: &[i32]) -> Result<Vec<Asked>> {
    Ok(tx.query(sql::ASKS, &[&ids]).await?.iter().map(Asked::of).collect())
}

/// Whether the role `id`, which permits so much, asks for less than a shipped one that it holds wholly.
pub(super) async fn as_strong(tx: &Tx, id: i32, permits: &Bits) -> Result<()> {
    let factor = asked(tx, &[id]).await?.first().map_or(Strength::One, |asked| asked.factor);
    for row in tx.query(sql::STRONGER, &[&factor.level()]).await? {
        let whole = bits(&row.get::<_, Vec<i16>>(2));
        if !whole.is_empty() && whole.within(permits) {
            let factor = Strength::demanded(row.get(1));
            return Err(Error::Weak { role: row.get(0), factor });
        }
    }
    Ok(())
}

impl Access {
    /// Whether `by` may have made these roles ask for less than `before`, if they do now; their holders are
    /// told.
    pub(super) async fn loosened(
        &self,
        tx: &OperatorTx,
        by: &By,
        tenant: &TenantId,
        before: &[Asked],
    ) -> Result<()> {
        let ids: Vec<i32> = before.iter().map(|one| one.id).collect();
        let now = asked(tx, &ids).await?;
        // One that was retired asks nobody any more.
        let is_looser = |old: &&Asked| {
            let new = now.iter().find(|new| new.id == old.id);
            new.is_some_and(|new| old.is_more_than(new))
        };
        let looser: Vec<&Asked> = before.iter().filter(is_looser).collect();
        // The operator's machine is worth whatever a key is.
        let shown = by.giver.as_ref().map_or(Strength::Hardware, |giver| giver.strength);
        if let Some(role) = looser.iter().find(|role| role.factor > shown) {
            return Err(Error::Strength { role: role.name.clone(), factor: role.factor });
        }
        let ids: Vec<i32> = looser.iter().map(|one| one.id).collect();
        let bound: store::Bound<'_> = &[&ids, &tenant.as_str(), &self.clock.now()];
        for row in tx.query(sql::HOLDERS_OF, bound).await? {
            let (account, role): (String, String) = (row.get(0), row.get(1));
            self.tell(tx, &account, Notice::RoleLoosened, &in_words(&role, tenant)).await?;
        }
        Ok(())
    }
}
