//! The claims that this room can prove, one file each; the others here are their instruments.

mod argon2id;
mod factors;
mod hashes;
mod session_rotation;
#[cfg(test)]
mod tests;
mod timing;

use std::sync::Arc;

use kernel::Control;
use store::{Db, Programs};

pub use factors::{CanaryRoles, FactorGuard, FactorProbe, Reached};
pub use session_rotation::TokenProbe;
pub use timing::{Attempt, SignInProbe};

use crate::Identities;

/// The controls of this room.
///
/// `owner` is the login that owns the control database, for the sandboxes of the bites.
/// `probe` signs in through the running gateway; without it the times are measured in process,
/// and the proof says so. `tokens` asks the running gateway for tokens; without it nothing is said
/// about them.
pub fn controls(
    identities: Arc<Identities>,
    owner: Db,
    programs: Programs,
    probe: Option<Arc<dyn SignInProbe>>,
    tokens: Option<Arc<dyn TokenProbe>>,
) -> Vec<Arc<dyn Control>> {
    let rotation = session_rotation::SessionRotation {
        identities: Arc::clone(&identities),
        owner: owner.clone(),
        programs: programs.clone(),
        probe: tokens,
    };
    vec![Arc::new(argon2id::Argon2id { identities, owner, programs, probe }), Arc::new(rotation)]
}
