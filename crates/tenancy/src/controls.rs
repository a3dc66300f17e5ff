//! The claims that this room proves.

mod rows;

use std::sync::Arc;

use kernel::Control;
use store::Protected;

use crate::BindingKey;

/// A protected database and the key that its bindings are made with.
#[derive(Debug, Clone)]
pub struct Guarded {
    /// The database. Its intruder's pool needs two connections at least: one attacks, one is
    /// watched.
    pub protected: Protected,
    /// The key; it must be [installed](crate::install_key) there.
    pub key: BindingKey,
}

/// Every control of this room over `databases`. With none, each of them is unknown.
pub fn controls(databases: Vec<Guarded>) -> Vec<Arc<dyn Control>> {
    vec![Arc::new(rows::Rows { databases })]
}
