//! Locks that last as long as a transaction: the turn at a tenant or at a cell, the way of a move,
//! the hold on a template.
//!
//! A transaction that is dropped ends when the server notices that its connection is gone, a moment
//! later. Whoever asks for the lock in that moment would be told that somebody works there, so each of
//! them is ended in so many words, before its error is told.

use store::OperatorTx;

use crate::Result;

/// Ends the lock: what the transaction has noted stays when it went well, and does not when not.
pub(super) async fn end<T>(lock: OperatorTx, came_to: Result<T>) -> Result<T> {
    match came_to {
        Ok(value) => {
            lock.commit().await?;
            Ok(value)
        }
        Err(error) => {
            let_go(lock).await;
            Err(error)
        }
    }
}

/// Ends a lock whose transaction has noted nothing. Where this fails the connection is gone, and the
/// lock with it.
pub(super) async fn let_go(lock: OperatorTx) {
    drop(lock.rollback().await);
}
