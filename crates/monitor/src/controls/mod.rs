//! The claims that this room can prove, one file each.

mod environment;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use kernel::Control;

use crate::{Error, Scan};

/// The controls of this room.
///
/// # Errors
/// When a detector cannot be built, which is a fault of the program.
pub fn controls(scan: Scan) -> Result<Vec<Arc<dyn Control>>, Error> {
    Ok(vec![Arc::new(environment::Environment::new(scan)?)])
}
