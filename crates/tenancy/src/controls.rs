//! The claims that this room proves.

mod cache;
mod caches;
mod channels;
mod database;
mod files;
mod inhabited;
mod rows;

use std::sync::Arc;

use jiff::Timestamp;
use kernel::{Control, Population, Proof};
use store::Protected;

pub use files::FileGuard;

use crate::bite::Bites;
use crate::{CurrentKey, Fleet};

pub use caches::Caches;

/// A protected database and the key that its bindings are made with.
#[derive(Debug, Clone)]
pub struct Guarded {
    /// The database. Its intruder's pool needs two connections at least: one attacks, one is
    /// watched.
    pub protected: Protected,
    /// The key; it must be [installed](crate::install_key) there. It follows rotations.
    pub key: CurrentKey,
}

/// The control over `databases` that tenants share. With none, it is unknown.
pub fn controls(databases: Vec<Guarded>) -> Vec<Arc<dyn Control>> {
    vec![Arc::new(rows::Rows { databases })]
}

impl Fleet {
    /// The control over the tenants that have a database of their own. With none, it is unknown.
    pub fn control(&self) -> Arc<dyn Control> {
        Arc::new(database::Database { fleet: self.clone() })
    }
}

/// What a bite comes to: broken when everything that was seeded was found, else unknown.
fn bitten(now: Timestamp, bites: Bites) -> Proof {
    // What was missed before anything could be seeded counts too: the control was blunt.
    let total = bites.seeded.max(bites.found.len() + bites.missed.len());
    let population = Population::new(bites.found.len(), total, "violations");
    if !bites.missed.is_empty() {
        let missed = bites.missed.join("; ");
        return Proof::missed(now, population, format!("seeded and not found: {missed}"));
    }
    let measured = format!("{} of {} violations found", bites.found.len(), bites.seeded);
    Proof::weigh(now, population, measured, bites.seeded.to_string(), bites.found)
        .note(&bites.left.unwrap_or_default())
}
