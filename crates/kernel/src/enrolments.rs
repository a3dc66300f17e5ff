//! What somebody could prove themselves with, for whoever gives them a role.

use crate::{Fut, Strength};

/// Knows the factors of accounts. Implemented by `identity`, used by `access` when a role is granted.
pub trait Enrolments: Send + Sync {
    /// How strong a session of `account` could be with the factors that it has. `None` for one whose
    /// holder never signed in: their first sign-in sets up what their roles ask for.
    ///
    /// # Errors
    /// When it cannot be told; the text says why. Whoever asks grants nothing then.
    fn reach<'a>(&'a self, account: &'a str) -> Fut<'a, Result<Option<Strength>, String>>;
}
