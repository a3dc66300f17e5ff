//! What can go wrong when somebody signs in or gets an account.

use kernel::SYNTHETIC_TENANTS;

use crate::password::{MAX_PASSWORD_BYTES, MIN_PASSWORD_BYTES};
use crate::strength::Weakness;

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
    /// The address, or the tenant, is the proofs' own.
    #[error(
        "addresses at amanah.invalid, and tenants whose names begin with {SYNTHETIC_TENANTS}, are the proofs' own \
         people; nothing was changed, choose another one"
    )]
    Reserved,
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
    /// A new password can be guessed.
    #[error("this password cannot be used: {0}; nothing was changed")]
    Weak(#[from] Weakness),
    /// A secret that is kept under a key of the tenant could not be sealed or opened.
    #[error("what is kept of a second factor cannot be read or kept now: {0}; nothing was changed")]
    Sealed(String),
    /// A code that is not right, was used already, or is too old: one answer for all three.
    #[error("this code is not right, or was used already; wait for the next one and try again")]
    Wrong,
    /// The answer of a passkey is not right.
    #[error("this passkey was not accepted; nothing was changed, try again")]
    Passkey,
    /// Too many wrong codes in a row.
    #[error("there were too many wrong codes; wait for a while, at most 15 minutes, and try again")]
    Wait,
    /// The time or the tries of a step are over, or it was never there.
    #[error("this sign-in has taken too long or too many tries; begin anew")]
    Over,
    /// Whoever asks has to prove once more who they are.
    #[error("prove once more who you are, since it was too long ago for this; nothing was changed")]
    StepUp,
    /// A role needs the factor that was to go.
    #[error("a role of yours asks for this factor; add another one first, nothing was changed")]
    LastFactor,
    /// There is no such thing of this account, or no more of them fit.
    #[error("there is no such {0} on this account, or no more can be added; nothing was changed")]
    NoSuch(&'static str),
    /// A canary could not do what it was to do.
    #[error("the canary could not go on: {0}")]
    Canary(&'static str),
    /// The pool's settings make no sense.
    #[error("the password pool needs at least one hash at a time; set it to 1 or more")]
    Pool,
    /// Hashing itself failed.
    #[error("the password could not be hashed: {0}; nothing was changed, try again")]
    Hash(String),
    /// A link from a letter is over, was used, or was never given out: one answer for all three.
    #[error("this link is over or was used already; nothing was changed, ask for a new one")]
    Link,
    /// Too many invitations were sent lately; the word says whose.
    #[error("enough invitations were sent {0}; nothing was sent, try again later")]
    TooOften(&'static str),
    /// Letters cannot be sent so.
    #[error("mail: {0}")]
    Mail(String),
    /// The grant of support is another's or over.
    #[error("the grant of support is not this account's, or is over; nothing was changed")]
    NoGrant,
    /// What the account may do could not be told, so it may do nothing.
    #[error("what the account may do cannot be told: {0}; it was refused, try again")]
    Standing(String),
    /// Whether somebody is signed in could not be told.
    #[error("who is signed in cannot be told: {0}")]
    Undecided(String),
    /// A token that is unknown, used up, expired or revoked: one answer for all of them. Also where
    /// nothing can be made because whoever asks is signed out, or has as many as they can.
    #[error("this is not good, or not good any more; nothing was given out")]
    Grant,
    /// Somebody came by a key or a token, or as support, for what is done in a browser alone.
    #[error("this is done in a browser by whoever is signed in themselves; nothing was changed")]
    Browser,
    /// A key would do more than its maker may.
    #[error("a key does nothing that its maker may not do; nothing was made")]
    Scope,
    /// Tokens cannot be signed.
    #[error("tokens cannot be signed: {0}; nothing was given out, try again")]
    Signing(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Randomness is not available.
    #[error(transparent)]
    Random(#[from] kernel::RngError),
}
