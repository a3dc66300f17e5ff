//! What people are told of their accounts, written down in the transaction of what it tells of.

use kernel::{Fut, Notice};

use crate::{OperatorTx, Result};

/// Tells people what happened to their accounts. Implemented by `identity`, used by rooms that change what
/// belongs to an account. What is rolled back is not told, and what is committed is.
pub trait Notices: Send + Sync {
    /// Has `account` told in their language, once `tx` is committed. `detail` is for people, without a
    /// secret.
    ///
    /// # Errors
    /// When the letter could not be written down; the transaction is good for a rollback then.
    fn tell<'a>(
        &'a self,
        tx: &'a OperatorTx,
        account: &'a str,
        notice: Notice,
        detail: &'a str,
    ) -> Fut<'a, Result<()>>;
}
