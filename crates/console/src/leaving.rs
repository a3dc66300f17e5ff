//! What the page for off-boarding needs of the rest of the house.

use kernel::{Fut, Identity};

use crate::Trouble;

/// Ends everything that somebody has. Implemented by the binary over `identity` and `access`.
pub trait LeavingDesk: Send + Sync {
    /// Off-boards whoever has this address, if that is `who`'s to do. What they answered for goes to
    /// `successor`, unless that is empty.
    ///
    /// # Errors
    /// The [`Trouble`]: [`Trouble::Gone`] when nobody of the tenant has the address,
    /// [`Trouble::Unfit`] when the successor cannot be one.
    fn offboard<'a>(
        &'a self,
        who: &'a Identity,
        email: &'a str,
        successor: &'a str,
    ) -> Fut<'a, Result<LeavingReport, Trouble>>;
}

/// What was ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeavingReport {
    /// Whose.
    pub email: String,
    /// Each thing, in words.
    pub ended: Vec<String>,
    /// What is still there: nothing, or it has to be done again.
    pub left: Vec<String>,
}
