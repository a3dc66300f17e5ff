//! What can be wrong with what somebody hands over.

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The proof does not lead from the leaf to the root.
    #[error("the proof does not fit: the entry is not at this place of this tree")]
    NotIncluded,
    /// The older tree is not the beginning of the newer one.
    #[error("the two trees do not fit: the newer one does not begin with the older one")]
    NotConsistent,
    /// A place beyond the end of a tree, or an older tree that is larger than the newer.
    #[error("{0} is beyond the end of a tree of {1}")]
    Beyond(u64, u64),
    /// An entry longer than a bundle can hold.
    #[error("an entry has at most {max} bytes, and this one has {0}", max = crate::MAX_ENTRY)]
    TooLong(usize),
    /// What should be a bundle of entries.
    #[error("this is no bundle of entries: {0}")]
    Bundle(&'static str),
    /// What should be a tile.
    #[error("this is no tile: {0}")]
    Tile(&'static str),
    /// What should be a hash.
    #[error("this is no hash: 32 bytes in base64 are expected")]
    Hash,
    /// What should be a checkpoint.
    #[error("this is no checkpoint: {0}")]
    Checkpoint(&'static str),
    /// What should be a signed note.
    #[error("this is no signed note: {0}")]
    Note(&'static str),
    /// No signature of a key that is known.
    #[error("it has no signature by {0}")]
    Unsigned(String),
    /// A signature under the name of a known key that it did not make.
    #[error("the signature by {0} is false")]
    Forged(String),
    /// What should be a key.
    #[error("this is no key of a log: {0}")]
    Key(&'static str),
    /// What should be a proof in a file.
    #[error("this is no proof of an entry: {0}")]
    Proof(&'static str),
}
