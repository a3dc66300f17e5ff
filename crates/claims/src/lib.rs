//! The security page as a program: its promises, their proofs, and what can be said of them.
//!
//! It promises that a page says no more than its evidence: a [`Page`] is refused while a sentence
//! in it is not tied to a claim, a number in it is not the threshold of a proof, or its words were
//! not approved; and a verdict is computed from append-only rows alone, so that the page
//! of any past day can be computed again. Nothing is proven whose control has not lately
//! shown, on a seeded violation, that it can fail.
//!
//! The attacks it stops: words that were changed after the proof was built, a proof that reports
//! success because it looked at nothing, hung, crashed or was never able to fail, a result that
//! was shown and not stored, and a failing promise that quietly leaves the page.
//!
//! It does not read files, draw pages or decide who may see them, and it does not know what any
//! control does. Whoever owns the control database's tables can disable their triggers and rewrite
//! the evidence, and nobody would see it: the evidence is not sealed yet.

mod approval;
mod attested;
mod coverage;
mod digest;
mod document;
mod engine;
mod error;
mod evidence;
mod front;
mod lint;
mod lookback;
mod metrics;
mod numbers;
mod problem;
mod report;
mod scheduler;
mod seats;
mod sql;
mod standing;
mod target;
#[cfg(test)]
mod tests;
mod tree;
mod verdict;
mod verify;

pub use approval::approve;
pub use attested::Ledger;
pub use coverage::Coverage;
pub use document::{Block, Inline, Language, Page, Pledge};
pub use engine::Engine;
pub use error::{Error, Result};
pub use evidence::{Evidence, Key, Mark, Record, Run};
pub use lint::{MAX_PAGE_BYTES, lint};
pub use problem::Problem;
pub use report::{BiteReport, ClaimReport, Report};
pub use sql::ROOM;
pub use verify::{Filter, Listener, Progress};
