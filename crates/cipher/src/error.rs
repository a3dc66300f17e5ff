//! What can go wrong when something is encrypted or opened.

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. No message says which byte was wrong: who probes learns nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Wrong key, wrong context, or changed on the way: one answer for all three.
    #[error("this does not open: it was changed or cut, or belongs to another key or context")]
    Refused,
    /// It ends before its end, or its end is not its own.
    #[error("the end of this is missing or damaged; nothing of that part was given out")]
    Truncated,
    /// It is not of this format.
    #[error("this is not a ciphertext of ours: {0}")]
    Malformed(&'static str),
    /// More than the format can hold.
    #[error("this is larger than {0} bytes, the most that this format holds")]
    TooLarge(u64),
    /// Reading or writing around it failed.
    #[error("the stream could not be read or written: {0}")]
    Io(#[from] std::io::Error),
    /// Randomness is not available.
    #[error(transparent)]
    Random(#[from] kernel::RngError),
}
