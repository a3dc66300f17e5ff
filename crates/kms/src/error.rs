//! What can go wrong with a root.

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. Who reads it can tell an outage from a refusal: the one passes, the other
/// does not.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It does not answer. Nothing was changed.
    #[error("the root of the keys at {place} cannot be reached: {why}; nothing was changed")]
    Unavailable {
        /// Which one.
        place: String,
        /// What happened.
        why: String,
    },
    /// There is none, and none was to be made.
    #[error("there is no root of the keys at {place}; put it back, none was made in its stead")]
    Missing {
        /// Where it was looked for.
        place: String,
    },
    /// It answers, and does not let us in: wrong secret, token, PIN or rights.
    #[error("the root of the keys at {place} refuses us: {why}; nothing was changed")]
    Denied {
        /// Which one.
        place: String,
        /// What to look at.
        why: String,
    },
    /// This was wrapped for another context, by another root, or changed since.
    #[error("this was not wrapped by this root for this use; nothing was opened")]
    Refused,
    /// The generation is disabled.
    #[error("generation {0} of the root is disabled; enable it where the root lives")]
    Disabled(String),
    /// The generation was destroyed: what it wrapped can never be opened again.
    #[error("generation {0} of the root was destroyed, and what it wrapped with it")]
    Destroyed(String),
    /// The current generation cannot be destroyed.
    #[error("generation {0} of the root is the current one; begin a new one before destroying it")]
    Current(String),
    /// What it stores is damaged, or what it answers makes no sense.
    #[error("the root of the keys at {place} is damaged: {why}; nothing was overwritten")]
    Damaged {
        /// Which one.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// The settings make no sense.
    #[error("the settings of the root are not usable: {0}")]
    Settings(String),
    /// The cipher.
    #[error(transparent)]
    Cipher(#[from] cipher::Error),
    /// Randomness is not available.
    #[error(transparent)]
    Random(#[from] kernel::RngError),
}
