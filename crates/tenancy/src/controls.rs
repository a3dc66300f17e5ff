//! The claims that this room proves.

mod database;
mod rows;

use std::sync::Arc;

use kernel::Control;
use store::Protected;

use crate::{BindingKey, Fleet};

/// A protected database and the key that its bindings are made with.
#[derive(Debug, Clone)]
pub struct Guarded {
    /// The database. Its intruder's pool needs two connections at least: one attacks, one is
    /// watched.
    pub protected: Protected,
    /// The key; it must be [installed](crate::install_key) there.
    pub key: BindingKey,
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
