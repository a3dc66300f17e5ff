//! What can go wrong when somebody signs in or gets an account.

use crate::password::{MAX_PASSWORD_BYTES, MIN_PASSWORD_BYTES};

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. No message says whether an account exists, except to who makes one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Unknown address, wrong password, disabled account: one answer for all three.
    #[error("the address or the password is not right")]
    Refused,
    /// More sign-ins at once than the pool takes; nothing was tried.
    #[error("too many people are signing in at this moment; nothing was tried, try again shortly")]
    Busy,
    /// The address of a new account is taken.
    #[error("there is an account with this address already; nothing was changed")]
    Taken,
    /// A new password has too few or too many bytes.
    #[error(
        "a password has {MIN_PASSWORD_BYTES} to {MAX_PASSWORD_BYTES} bytes, this one has {0}; \
         nothing was changed"
    )]
    PasswordSize(usize),
    /// The address of a new account cannot be used.
    #[error("this e-mail address cannot be used: {0}; nothing was changed")]
    Email(&'static str),
    /// Another field of a new account cannot be used.
    #[error("the account's {field} cannot be used: {why}; nothing was changed")]
    Field {
        /// Which one.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The pool's settings make no sense.
    #[error("the password pool needs at least one hash at a time; set it to 1 or more")]
    Pool,
    /// Hashing itself failed.
    #[error("the password could not be hashed: {0}; nothing was changed, try again")]
    Hash(String),
    /// What the account may do could not be told, so it may do nothing.
    #[error("what the account may do cannot be told: {0}; it was refused, try again")]
    Standing(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Randomness is not available.
    #[error(transparent)]
    Random(#[from] kernel::RngError),
}
