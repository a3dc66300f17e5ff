//! The copy of a trail at a second place: its log as it is, and its rows, sealed.
//!
//! It promises that every row which was copied is the one that the log's key has vouched for; that a
//! copy is whole up to its own checkpoint, which is replaced last; that rows in it can be read by
//! whoever has the ring's key and by nobody else; and that nothing which was copied once is replaced by
//! what stands in the database later, but for contents that the log says were erased.
//!
//! The attack it stops: who may write the database, and the place of the log too, removes or changes
//! what was recorded; and a fire. What was copied before can still be read, and checked with the log's
//! public key. A log that has become another one is not copied over the old one.
//!
//! It does not stop who may write both places, nor does it copy what was changed before: such rows are
//! left out, counted, and named by the verifier. A bucket that keeps old versions keeps erased contents
//! too: let it forget them.

mod check;
mod copying;
mod feed;
mod segment;

use std::sync::Arc;

use crate::seal::Shelf;

pub use check::{Checked, check};
pub use copying::{Copied, copy};
pub(crate) use feed::Feed;

/// How many entries' rows lie in one file.
const SEGMENT: u64 = 2_048;

/// Seals and opens what is kept by others, each piece under a name of its own. Implemented by whoever
/// has the keys.
pub trait PieceSeals: Send + Sync {
    /// The bytes that stand for `text` there.
    ///
    /// # Errors
    /// When the key cannot be used; the text says why.
    fn seal(&self, name: &str, text: &[u8]) -> Result<Vec<u8>, String>;

    /// The text, if these are the bytes of the piece of this name.
    ///
    /// # Errors
    /// When they are not, or the key cannot be used; the text says why.
    fn open(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>, String>;
}

/// A place for the copy of one trail.
#[derive(Clone)]
pub struct Offsite {
    /// Where it lies.
    pub shelf: Arc<dyn Shelf>,
    /// Who seals the rows.
    pub seals: Arc<dyn PieceSeals>,
    /// Why nobody can say that it lies elsewhere, if so.
    pub near: Option<String>,
}
