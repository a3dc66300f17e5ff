//! The seal: a log outside of the database that holds the SHA-256 of every row of the trail.
//!
//! It promises that each committed row stands in the log once, in the order of (`xid`, `id`), and
//! that the log only grows: what it said once it says for ever, under a key that PostgreSQL never
//! sees.
//!
//! The attack it stops: a superuser of the database changes, removes, adds or reorders rows of the
//! trail after they were sealed. The rows no longer fit the log.
//!
//! It does not stop what happens to a row between its commit and its sealing, a second or so. Nor
//! does it stop who holds the log's key and its place at once: that one can write another history,
//! which only a witness who knows the old one finds out.

mod copied;
mod files;
mod former;
mod growth;
mod head;
mod holder;
mod origin;
mod reader;
mod sealer;
mod shelf;
mod source;
mod sql;
mod stage;
mod turning;

pub(crate) use files::{Bundle, Files, Read, perfect};
pub use growth::{Growth, outgrown};
pub use head::keys;
pub(crate) use head::signed;
pub use holder::{Holder, holder};
pub use origin::origin;
pub use reader::{LogReader, MAX_ENTRIES_READ};
pub use sealer::{BATCH, HEARTBEAT, Round, Sealer, SealerSettings};
pub(crate) use shelf::Scratch;
pub use shelf::{Bucket, Folder, Hold, MAX_BUNDLE_BYTES, MAX_CHECKPOINT_BYTES, Shelf, Stored};
pub(crate) use source::xid8;
pub(crate) use sql::MOMENT;
