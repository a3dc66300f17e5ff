//! The claims that this room can prove, one file each; the others here are their instruments.

pub(crate) mod answers;
pub(crate) mod argon2id;
mod door;
mod factors;
mod hashes;
mod reset_enumeration;
mod session_cookies;
mod session_revocation;
mod session_rotation;
mod session_timeout;
#[cfg(test)]
mod tests;
mod timing;
pub(crate) mod visitors;

use std::sync::Arc;

use kernel::{Control, Finding, Population, Proof};
use store::{Db, Programs};

pub use answers::{Answer, Form, FormProbe, Sent};
pub use door::{Asked, EdgeProbe, Seen};
pub use factors::{CanaryRoles, FactorGuard, FactorProbe, LeaverFactors, Reached, Showing};
pub use session_rotation::TokenProbe;
pub use timing::{Attempt, SignInProbe};

use crate::{Identities, Mailroom};

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

/// The controls of what is sent by mail. `owner` is the login that owns the control database;
/// `probe` sends forms through the running gateway, and without it nothing can be told.
pub fn mail_controls(
    mailroom: Arc<Mailroom>,
    owner: Db,
    programs: Programs,
    probe: Option<Arc<dyn FormProbe>>,
) -> Vec<Arc<dyn Control>> {
    vec![Arc::new(reset_enumeration::ResetEnumeration { mailroom, owner, programs, probe })]
}

/// The running gateway, as browsers and as programs ask it.
type Doors = (Option<Arc<dyn EdgeProbe>>, Option<Arc<dyn TokenProbe>>);

/// The controls about sessions. `edge` asks the running gateway whatever a browser can, `tokens` what
/// a program can; without them, what is proven there is unknown. `roles` gives canaries theirs.
pub fn session_controls(
    (identities, owner, programs): (Arc<Identities>, Db, Programs),
    (edge, tokens): Doors,
    roles: Arc<dyn CanaryRoles>,
) -> Vec<Arc<dyn Control>> {
    let one = || Arc::clone(&identities);
    let (i, o, p, e) = (one(), owner.clone(), programs.clone(), edge.clone());
    let timeout = session_timeout::SessionTimeout {
        identities: i,
        owner: o,
        programs: p,
        edge: e,
        tokens: tokens.clone(),
    };
    let (i, o, p, e) = (one(), owner.clone(), programs.clone(), edge.clone());
    let cookies = session_cookies::SessionCookies {
        identities: i,
        owner: o,
        programs: p,
        edge: e,
        roles: Arc::clone(&roles),
    };
    let (i, o, p, e) = (one(), owner, programs, edge);
    let revocation = session_revocation::SessionRevocation {
        identities: i,
        owner: o,
        programs: p,
        edge: e,
        tokens,
        roles,
    };
    vec![Arc::new(timeout), Arc::new(cookies), Arc::new(revocation)]
}

/// What a bite came to that seeded so many violations and missed these.
fn bitten(
    observed_at: jiff::Timestamp,
    seeded: usize,
    findings: Vec<Finding>,
    missed: &[String],
) -> Proof {
    let of = "seeded violations";
    if missed.is_empty() {
        let (population, measured) =
            (Population::new(seeded, seeded, of), format!("{seeded} of {seeded} found"));
        return Proof::weigh(observed_at, population, measured, "all found", findings);
    }
    let population = Population::new(seeded.saturating_sub(missed.len()), seeded, of);
    Proof::missed(observed_at, population, format!("not found: {}", missed.join(", ")))
}
