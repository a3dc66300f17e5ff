//! The tables that must be recorded, as they are kept from one look to the next.

use std::collections::BTreeMap;

use store::Tx;

use super::tables::{Entry, Name};
use super::{Place, count, sql};
use crate::Result;

/// The tables that must be recorded, as they are kept.
pub(super) type Kept = BTreeMap<Name, Entry>;

/// Puts the tables that must be recorded in the place of those that were known before.
pub(super) async fn know(control: &Tx, place: &Place, before: Kept, known: Kept) -> Result<()> {
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
