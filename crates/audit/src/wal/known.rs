//! What is known before a look: the tables that must be recorded, as they are kept from one look to the
//! next, and what was to be erased.

use std::collections::{BTreeMap, BTreeSet};

use store::Tx;

use super::names::{self, Named};
use super::tables::{Entry, Name, Tables};
use super::{Comparison, Place, count, sql};
use crate::erasing::sql::EXCUSED;
use crate::{Error, Result};

/// The tables that must be recorded, as they are kept.
pub(super) type Kept = BTreeMap<Name, Entry>;

/// What was known when the last look ended.
pub(super) struct Before {
    pub(super) known: Kept,
    pub(super) names: Named,
}

/// Puts what is known of the tables in the place of what was known before; `end` is the end of the log,
/// where that was reached.
pub(super) async fn know(
    control: &Tx,
    place: &Place,
    before: Before,
    mut tables: Tables,
    end: Option<u64>,
) -> Result<()> {
    let called = std::mem::take(&mut tables.names).ended(end.is_some());
    names::keep(control, place, &before.names, &called).await?;
    let (before, known) = (before.known, tables.ended(end));
    if before == known {
        return Ok(());
    }
    let Place { system, database, .. } = place;
    let (names, entries): (Vec<Name>, Vec<Entry>) = known.into_iter().unzip();
    let (schemas, names): (Vec<String>, Vec<String>) = names.into_iter().unzip();
    let (numbers, since): (Vec<i64>, Vec<i64>) =
        entries.into_iter().map(|entry| (entry.number, count(entry.since))).unzip();
    control.execute(sql::UNKNOW, &[system, database]).await?;
    control.execute(sql::KNOW, &[system, database, &schemas, &names, &numbers, &since]).await?;
    Ok(())
}

impl Comparison {
    /// The rows that erasures of ours were to change behind the place `read`: transaction and number.
    pub(super) async fn erasures(&self, place: &Place, read: &str) -> Result<BTreeSet<(u32, i64)>> {
        let control = self.control.operator().await?;
        let rows = control.query(EXCUSED, &[&place.system, &place.database, &read]).await?;
        control.rollback().await?;
        let known = rows.iter().map(|row| {
            let xid = u32::try_from(row.get::<_, i64>(0));
            Ok((xid.map_err(|_| Error::Wal("a transaction of no number"))?, row.get(1)))
        });
        known.collect()
    }
}
