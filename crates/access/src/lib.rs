//! What somebody may do: permissions, roles and who has them.
//!
//! It promises that nobody may do what no role of theirs allows, that a role of one tenant means
//! nothing in another, and that what was taken away counts for nothing at the next reading.
//!
//! It does not say who somebody is: that is `identity`.
//!
//! The attack it stops: whoever is signed in asks for what only others may.

mod error;
mod service;

pub use error::{Error, Result};
pub use service::Access;
