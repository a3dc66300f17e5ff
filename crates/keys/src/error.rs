//! What can go wrong with keys.

use jiff::Timestamp;

use crate::KeyRef;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such key.
    #[error("there is no key {0}; nothing was changed")]
    Unknown(Box<KeyRef>),
    /// There is one already.
    #[error("there is a key {0} already; nothing was changed")]
    Exists(Box<KeyRef>),
    /// The key was destroyed on purpose, and what it encrypted with it.
    #[error("the key of this was destroyed on {at}: what it encrypted is gone for good")]
    Shredded {
        /// When.
        at: Timestamp,
    },
    /// The key has no such version, or it may no longer be used.
    #[error("version {version} of key {key} opens nothing (its oldest usable one is {oldest})")]
    Version {
        /// Which key.
        key: Box<KeyRef>,
        /// The version that was asked for.
        version: u32,
        /// The oldest usable one.
        oldest: u32,
    },
    /// A key of this kind cannot do that.
    #[error("key {0} is of another kind and cannot do this")]
    Kind(Box<KeyRef>),
    /// The key wants a context with each use.
    #[error("key {0} needs a context with each use; none was given")]
    NoContext(Box<KeyRef>),
    /// The key may not be removed.
    #[error("key {0} may not be removed; allow that first. Nothing was changed")]
    NotRemovable(Box<KeyRef>),
    /// The key has as many versions as rotation by hand may give it.
    #[error(
        "key {0} has {most} versions, the most that it gets by hand; nothing was changed. Destroy \
         old versions first (`trim`), once what they encrypted is rewrapped",
        most = crate::document::MOST_BY_HAND
    )]
    Versions(Box<KeyRef>),
    /// The ring has no room left for this: what is left is kept for what matters more.
    #[error(
        "the key ring is too full for {0}; nothing was changed. The operator makes room: trim old \
         versions, and remove or shred keys that nobody needs (`amanah keys list` shows them)"
    )]
    Full(&'static str),
    /// Not a name for a key.
    #[error("`{0}` is no name for a key: letters, digits, `.`, `_` and `-`, at most 64")]
    Name(String),
    /// Not a ciphertext.
    #[error("this is not a ciphertext of ours: {0}")]
    Malformed(&'static str),
    /// Wrong key or context, or changed on the way.
    #[error("this does not open: it was changed, or belongs to another key or context")]
    Refused,
    /// The token is unknown or has expired, or does not allow this.
    #[error("the token does not allow this")]
    Denied,
    /// The ring cannot be used.
    #[error("the key ring at {place} cannot be used: {why}; it was left as it is")]
    Ring {
        /// Where it lies.
        place: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// Where the ring should lie, two writers would overwrite each other.
    #[error(
        "the service of {place} passes over conditions on a write (If-None-Match), so that two \
         writers would overwrite each other; nothing of the ring was written. Use a service that \
         keeps to them, or a folder"
    )]
    Careless {
        /// Where it would lie.
        place: String,
    },
    /// What remembers the ring's newest generation cannot be read or written.
    #[error("the memory of the key ring's newest generation at {place} cannot be used: {why}")]
    Anchor {
        /// Where it lies.
        place: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A setting of a key or client makes no sense.
    #[error("{0}; nothing was changed")]
    Setting(&'static str),
    /// Somebody else changed the ring in the meantime, again and again.
    #[error("the key ring is being changed by others; nothing was changed, try again")]
    Conflict,
    /// What lies beside a sealed object cannot be read, used or written.
    #[error("the sidecar {place} cannot be used: {why}; it was left as it is")]
    Sidecar {
        /// Which one.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// A recovery kit cannot be made, read or opened.
    #[error("the recovery kit cannot be used: {0}; no ring was changed")]
    Kit(String),
    /// A share was written down wrongly.
    #[error("{share} is damaged: {why}. Compare it with the original; no ring was changed")]
    ShareDamaged {
        /// Which one: its number, or its place among those that were given.
        share: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A share was made for another kit.
    #[error("share {number} belongs to kit {other}, and this is kit {kit}; no ring was changed")]
    ShareForeign {
        /// Its number.
        number: u8,
        /// The kit it belongs to.
        other: String,
        /// The kit that was to be opened.
        kit: String,
    },
    /// A share is whole and names this kit, and is none of those that were made with it.
    #[error(
        "share {0} is not the one that was made with this kit: somebody wrote another one. Leave \
         it out and take another person's; no ring was changed"
    )]
    ShareWrong(u8),
    /// Too few different shares.
    #[error("{given} different shares were given and {needed} are needed; no ring was changed")]
    SharesTooFew {
        /// So many.
        given: usize,
        /// Of so many.
        needed: u8,
    },
    /// A secret that could be guessed.
    #[error(
        "the secret is weak: it needs 16 bytes at least, and 8 different ones. Make one with \
         `openssl rand -hex 32`, for example; nothing was written"
    )]
    Weak,
    /// A file that a secret seals cannot be opened or made.
    #[error("the sealed file cannot be used: {0}")]
    Envelope(&'static str),
    /// The root.
    #[error(transparent)]
    Root(#[from] kms::Error),
    /// The cipher.
    #[error(transparent)]
    Cipher(#[from] cipher::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Randomness is not available.
    #[error(transparent)]
    Random(#[from] kernel::RngError),
}
