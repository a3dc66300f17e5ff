//! Where a log lies, apart from the database: a folder or a bucket.
//!
//! It promises that a file is there whole or not at all, that it lasts once it was written, and that
//! the checkpoint is replaced only by who has seen the one before. So whatever dies in between, and
//! whoever writes at the same time, a log has one history.
//!
//! The attack it stops: two sealers, or one that slept, writing two logs into one place; and a file
//! there that is endless, or is no file, by which a reader would be held up.
//!
//! It does not say that what lies there is right: who can write there can write anything. Readers
//! check.

mod beneath;
mod bucket;
mod folder;
mod scratch;

use kernel::Fut;
use tlog::{HASH_BYTES, HEIGHT, MAX_ENTRY};

pub use self::bucket::Bucket;
pub use folder::Folder;
pub(crate) use scratch::Scratch;

use crate::{Error, Result};

/// Where the checkpoint lies.
const CHECKPOINT: &str = "checkpoint";
/// The largest checkpoint that is read, in bytes.
pub const MAX_CHECKPOINT_BYTES: usize = 1 << 20;
/// The largest bundle of entries that is read, in bytes: 256 entries of 65,535 bytes after their
/// lengths.
pub const MAX_BUNDLE_BYTES: usize = (1 << HEIGHT) * (MAX_ENTRY + 2);
/// The largest tile, in bytes.
pub(crate) const MAX_TILE_BYTES: usize = (1 << HEIGHT) * HASH_BYTES;

/// A checkpoint as it was read, by which it is known again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The signed note. Nothing is believed of it until it was opened.
    pub note: String,
    /// What the bucket calls this version of it.
    tag: Option<String>,
    version: Option<String>,
}

/// That this process writes the log, until it is dropped.
pub trait Hold: Send + Sync {
    /// Whether the place has a lock. Where it has none, conditions on writes stand in for it.
    fn is_alone(&self) -> bool;
}

/// Where a log lies. Names are those of C2SP tlog-tiles: `checkpoint`, `tile/0/001`.
pub trait Shelf: Send + Sync {
    /// Where it is, for people.
    fn place(&self) -> String;

    /// The bytes of the file, `None` when there is none.
    ///
    /// An error when it has more than `limit` bytes, or cannot be read.
    fn read<'a>(&'a self, path: &'a str, limit: usize) -> Fut<'a, Result<Option<Vec<u8>>>>;

    /// Writes files, each whole and lasting, in the place of those that are there. After an error some
    /// of them may have been written.
    fn put(&self, files: Vec<(String, Vec<u8>)>) -> Fut<'_, Result<()>>;

    /// Writes a file, whole and lasting, only where there is none; `false` when there is one.
    fn create<'a>(&'a self, path: &'a str, bytes: Vec<u8>) -> Fut<'a, Result<bool>>;

    /// Removes a file, or a folder with all of its files; none there is fine.
    fn remove<'a>(&'a self, path: &'a str) -> Fut<'a, Result<()>>;

    /// The newest checkpoint; `None` when there never was one.
    fn checkpoint(&self) -> Fut<'_, Result<Option<Stored>>>;

    /// Puts `note` in the place of the checkpoint `before`, or where there is none.
    ///
    /// [`Error::Overtaken`] when another one is there; that one stays.
    fn replace_checkpoint<'a>(
        &'a self,
        before: Option<&'a Stored>,
        note: &'a str,
    ) -> Fut<'a, Result<Stored>>;

    /// Has this process alone write the log from now on, where the place knows locks.
    ///
    /// [`Error::Held`] when somebody else does.
    fn lock(&self) -> Fut<'_, Result<Box<dyn Hold>>>;
}

/// A name of a file as a log has them, which leads nowhere else.
fn plain<'a>(place: &str, path: &'a str) -> Result<&'a str> {
    let fits = |part: &str| {
        let known =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(known)
    };
    if path.split('/').all(fits) {
        return Ok(path);
    }
    Err(Error::Shelf { place: place.to_owned(), why: "this is no name of a log's file".to_owned() })
}

fn text(place: &str, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| Error::Damaged {
        place: place.to_owned(),
        what: "its checkpoint is no text".to_owned(),
    })
}
