//! The claims that this room can prove, and what a proof is told about the house.

use std::sync::Arc;

use jiff::SignedDuration;
use kernel::{Control, Fut, Gatekeeper, Standing, TenantId};
use store::{Db, Programs};

use crate::Access;

mod chart;
mod consent;
mod least_privilege;
mod offboarding;
mod per_action;
mod permissions;
mod requests;
mod review;
mod review_seeds;
mod seeds;
#[cfg(test)]
mod tests;

pub use chart::Chart;
pub use consent::{Asked, ConsentHouse, Denied, Done, Fault, Inside, People, Premises, Workshop};
pub use offboarding::{Doorstep, Leaver, LeavingHouse, Spared, Sparing};
pub use review::{HoldingsOf, ReviewHouse};

/// What the proofs look at.
#[derive(Clone)]
pub struct House {
    /// The service that decides.
    pub access: Arc<Access>,
    /// The owner of the control database, for sandboxes.
    pub owner: Db,
    /// PostgreSQL's programs.
    pub programs: Programs,
    /// Asks the running gateway. Without an application behind it there is nothing to ask for.
    pub door: Option<Arc<dyn Door>>,
    /// Makes gateways to be asked in its place.
    pub scratch: Arc<dyn Scratch>,
    /// Synthetic tenants, whose rights are nobody's.
    pub canaries: Vec<TenantId>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    /// Nobody who is signed in.
    Nobody,
    /// Somebody with exactly this shipped role, in the tenant that is acted in.
    Role(String),
    /// Somebody of another tenant, who is granted every role in the first one and none in their own.
    Foreign,
    /// Somebody with every shipped role, who proved who they are [`STALE_AFTER`] ago.
    Stale,
}

/// How long ago the proof was given of who is no longer let through where a fresh one is asked for.
pub const STALE_AFTER: SignedDuration = SignedDuration::from_mins(11);

/// The gateway's word where a fresh proof is asked for.
const STEP_UP: &str = "step_up";

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nobody => f.write_str("nobody signed in"),
            Self::Role(role) => f.write_str(role),
            Self::Foreign => f.write_str("another tenant's"),
            Self::Stale => f.write_str("whoever proved who they are 11 minutes ago"),
        }
    }
}

/// What came of a request, seen from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The application answered, whatever it said.
    LetThrough,
    /// The gateway refused; the text is its label for why.
    Refused(String),
}

/// A gateway that can be asked over a real connection. Implemented by the binary.
pub trait Door: Send + Sync {
    /// Asks for each method and path as `caller`, one after the other. The answers are in the same
    /// order.
    ///
    /// # Errors
    /// When the caller cannot be signed in, or the gateway does not answer; the text says why.
    fn ask<'a>(
        &'a self,
        caller: &'a Caller,
        requests: &'a [(String, String)],
    ) -> Fut<'a, Result<Vec<Answer>, String>>;
}

/// Starts gateways of the same code, in front of an application that answers everything.
/// Implemented by the binary.
pub trait Scratch: Send + Sync {
    /// One that lets `gatekeeper` decide, at which each caller has the standing that is given.
    ///
    /// # Errors
    /// When it could not be started; the text says why.
    fn start(
        &self,
        gatekeeper: Arc<dyn Gatekeeper>,
        callers: Vec<(Caller, Standing)>,
    ) -> Fut<'_, Result<Box<dyn Door>, String>>;
}

/// Every control of this crate.
pub fn controls(house: House) -> Vec<Arc<dyn Control>> {
    vec![
        Arc::new(permissions::Permissions { house: house.clone() }),
        Arc::new(per_action::PerAction { house: house.clone() }),
        Arc::new(least_privilege::LeastPrivilege { house }),
    ]
}

/// The control over the vendor's support.
pub fn support_consent(house: ConsentHouse) -> Arc<dyn Control> {
    Arc::new(consent::SupportConsent { house })
}

/// The control over off-boarding.
pub fn offboarding(house: LeavingHouse) -> Arc<dyn Control> {
    Arc::new(offboarding::OffBoarding { house })
}

/// The control over access reviews.
pub fn review(house: ReviewHouse) -> Arc<dyn Control> {
    Arc::new(review::Reviewed { house })
}
