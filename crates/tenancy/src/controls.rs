//! The claims that this room proves.

mod rows;

use std::sync::{Arc, PoisonError, RwLock};

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

/// The protected databases of this installation; one may be added while the controls run.
pub type Databases = Arc<RwLock<Vec<Guarded>>>;

/// Every control of this room, over the databases in `databases` at the time of each run.
pub fn controls(databases: &Databases) -> Vec<Arc<dyn Control>> {
    let databases = Arc::clone(databases);
    vec![Arc::new(rows::Rows { databases })]
}

fn list(databases: &Databases) -> Vec<Guarded> {
    // A list is complete after every change, so one that a panic left behind is still good.
    databases.read().unwrap_or_else(PoisonError::into_inner).clone()
}
