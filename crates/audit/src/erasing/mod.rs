//! Erasing: the content of rows goes, because a person asked for it, and what proves them stays.
//!
//! It promises that no content goes before the log says so, under a signed head; that only rows go which
//! are what was sealed; and that what was killed in between is finished by whoever comes next, with the
//! same entries. Each request stays in the control database: who, why, when and which rows.
//!
//! The attack it stops: an erasure as a pretext. Who takes a content out by hand, or other ones than a
//! request names, has no entry for it (`verify/`) and no transaction that the comparison knows (`wal/`).
//!
//! It reaches the archive of old months. It does not reach copies: backups, archived logs of writes, replicas until they catch up, exports and
//! whatever somebody has read. Nor does it judge whether a request is a good one: who asks decides, and is
//! named.

mod archived;
mod choose;
mod entering;
mod queue;
pub(crate) mod sql;
mod taking;

pub use archived::Shelved;
pub use choose::{Choice, Chosen, ContentState, Selection, can_erase, choose, choose_everywhere};
#[cfg(test)]
pub(crate) use queue::Fault;
pub use queue::{Asked, Erasing, Standing, Turn};
