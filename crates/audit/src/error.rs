//! What can go wrong with the trail.

use kernel::IdError;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. Each message says what happened, what was kept and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused, or could not be reached.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A table was named that is not there.
    #[error("there is no table {0} to record; nothing was changed. Correct its name")]
    NoTable(String),
    /// A step of the plan was refused.
    #[error("{object}: {why}. Roll the transaction back: then nothing was changed")]
    Step {
        /// The table.
        object: String,
        /// The server's words. They are in the message, so they are no source beside it.
        why: store::Error,
    },
    /// The synthetic tenant cannot be bound.
    #[error("no binding for the synthetic tenant could be minted; nothing was written")]
    NoBinding,
    /// The name that canary writes are signed with is not an id.
    #[error(transparent)]
    Actor(#[from] IdError),
    /// There is no row of the synthetic tenant to write to.
    #[error(
        "no tracked table took a row of the synthetic tenant, so there is nothing to attack: {0}"
    )]
    NoCanary(String),
    /// What should be an entry of the log.
    #[error("this is no entry of a trail's log: {0}")]
    Leaf(&'static str),
    /// What should be a part of a log.
    #[error(transparent)]
    Log(#[from] tlog::Error),
}
