//! What the page about a tenant's trail needs of the rest of the house: the port, and what goes through it.

use jiff::Timestamp;
use kernel::{Fut, Identity};

/// How many rows are shown at once.
pub const TRAIL_ROWS: u32 = 200;

/// Reads the trail for the people of one tenant. Implemented by the binary over `audit`.
pub trait TrailDesk: Send + Sync {
    /// What was recorded in `who`'s own tenant, the newest first and [`TRAIL_ROWS`] at most. That they looked
    /// stands in the trail before they see anything.
    ///
    /// # Errors
    /// The [`TrailTrouble`].
    fn rows<'a>(
        &'a self,
        who: &'a Identity,
        wanted: &'a TrailQuestion,
    ) -> Fut<'a, Result<TrailSeen, TrailTrouble>>;
}

/// What somebody wants to see of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailQuestion {
    /// Recorded then or later.
    pub from: Timestamp,
    /// Recorded before that.
    pub to: Timestamp,
    /// By this actor, as the trail names it.
    pub actor: Option<String>,
    /// In this table, with its schema before a dot or without.
    pub table: Option<String>,
    /// By this request of the gateway.
    pub request: Option<String>,
}

/// What there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrailSeen {
    /// The newest first.
    pub lines: Vec<TrailLine>,
    /// Whether there are older ones that were asked for as well.
    pub more: bool,
    /// How many databases could not be looked into.
    pub missing: usize,
}

/// One row of the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailLine {
    /// When.
    pub at: Timestamp,
    /// Who; empty where nobody was bound.
    pub actor: String,
    /// `INSERT`, `UPDATE`, `DELETE` or `TRUNCATE`.
    pub action: String,
    /// The table with its schema.
    pub table: String,
    /// The record's key as JSON; empty where there is none.
    pub key: String,
    /// The request of the gateway; empty where there was none.
    pub request: String,
    /// What was there before, as JSON; empty where nothing was.
    pub before: String,
    /// What is there now, as JSON; empty where nothing is.
    pub after: String,
    /// Whether its content was erased.
    pub erased: bool,
}

/// Why nothing can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrailTrouble {
    /// It is not theirs to see.
    Refused,
    /// No trail is guarded here, so that a reading of it could not be recorded.
    Unguarded,
    /// It takes too long; a shorter time is less to look through.
    TooMuch,
    /// Others of the tenant are looking.
    Busy,
    /// It cannot be told just now. The cause goes to the log alone.
    Unavailable(String),
}
