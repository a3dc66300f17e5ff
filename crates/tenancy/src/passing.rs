//! What may pass by itself: a lock that others hold, a deadlock, a conflict.
//!
//! The tables that a plan changes are in use, by the application and by our own attacks, each of which
//! takes its locks in an order of its own. PostgreSQL ends a deadlock by undoing one of the two; work
//! that is one transaction is then as if it had not begun, and is done again.

use std::future::Future;
use std::time::Duration;

use crate::{Error, Result};

/// So often is something tried that may pass, so long apart.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
/// SQLSTATE of what may pass: lock not available, deadlock, serialization failure.
const PASSING: [&str; 3] = ["55P03", "40P01", "40001"];

/// Does `work`, which must be one transaction, again while it meets what may pass.
///
/// # Errors
/// The last try's.
pub(crate) async fn again<T, F>(work: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut tries = 1;
    loop {
        match work().await {
            Err(error) if may_pass(&error) && tries < TRIES => tries += 1,
            ended => return ended,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn may_pass(error: &Error) -> bool {
    let (Error::Store(why) | Error::Step { why, .. }) = error else { return false };
    why.sqlstate().is_some_and(|code| PASSING.contains(&code))
}
