//! The claims that this room can prove, one file each; the others here are their instruments.

mod argon2id;
mod hashes;
#[cfg(test)]
mod tests;
mod timing;

use std::sync::Arc;

use kernel::Control;
use store::{Db, Programs};

pub use timing::{Attempt, SignInProbe};

use crate::Identities;

/// The controls of this room.
///
/// `owner` is the login that owns the control database, for the sandboxes of the bites.
/// `probe` signs in through the running gateway; without it the times are measured in process,
/// and the proof says so.
pub fn controls(
    identities: Arc<Identities>,
    owner: Db,
    programs: Programs,
    probe: Option<Arc<dyn SignInProbe>>,
) -> Vec<Arc<dyn Control>> {
    vec![Arc::new(argon2id::Argon2id { identities, owner, programs, probe })]
}
