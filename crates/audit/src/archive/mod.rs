//! Months of the trail whose time in the database is over: in files elsewhere, with what proves them.
//!
//! It promises that a month leaves the database only when all of its rows were sealed, are what was sealed,
//! lie in the archive and were read back from there; that each file can be verified alone, by whoever has the
//! ring and the line of the log's key, even when the log is lost; and that whatever ends the work in between,
//! the month is in the database or in the archive, or in both. A month that is in both is the database's.
//!
//! The attack it stops: whoever makes room takes the evidence with it.
//!
//! It does not stop who may delete at the place of the archive: have it lock its objects, or keep versions.
//! What is gone there is found by the verifier and by `audit.retention`, and named.

mod check;
mod digest;
mod erasing;
mod keeping;
mod past;
mod piece;
mod reading;

use std::sync::Arc;

use crate::offsite::PieceSeals;
use crate::seal::Shelf;

pub use check::{Checked, check};
pub(crate) use erasing::{Outcome, Wanted};
pub use keeping::{Due, Gone, Plan, archive, plan};
pub use past::Beyond;
pub(crate) use past::Past;
pub(crate) use reading::Away;

/// A place for the archive of one trail.
#[derive(Clone)]
pub struct Archive {
    /// Where it lies.
    pub shelf: Arc<dyn Shelf>,
    /// Who seals the rows.
    pub seals: Arc<dyn PieceSeals>,
}
