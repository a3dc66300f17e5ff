//! What the pages about reviews of access need of the rest of the house: the port, and what goes
//! through it.

use jiff::Timestamp;
use kernel::{Fut, Identity};

/// Reviews of what people may do in a tenant. Implemented by the binary over `access`.
pub trait ReviewDesk: Send + Sync {
    /// The reviews of `who`'s tenant.
    ///
    /// # Errors
    /// The [`ReviewTrouble`].
    fn seen<'a>(&'a self, who: &'a Identity) -> Fut<'a, Result<ReviewsSeen, ReviewTrouble>>;

    /// One of them.
    ///
    /// # Errors
    /// The [`ReviewTrouble`].
    fn report<'a>(
        &'a self,
        who: &'a Identity,
        id: &'a str,
    ) -> Fut<'a, Result<ReviewSheet, ReviewTrouble>>;

    /// The same for a spreadsheet.
    ///
    /// # Errors
    /// The [`ReviewTrouble`].
    fn csv<'a>(&'a self, who: &'a Identity, id: &'a str) -> Fut<'a, Result<String, ReviewTrouble>>;

    /// Freezes everything that anybody may do in the tenant.
    ///
    /// # Errors
    /// The [`ReviewTrouble`].
    fn start<'a>(&'a self, who: &'a Identity) -> Fut<'a, Result<(), ReviewTrouble>>;

    /// Keeps or revokes one row of a review, with a reason.
    ///
    /// # Errors
    /// The [`ReviewTrouble`].
    fn decide<'a>(
        &'a self,
        who: &'a Identity,
        row: (&'a str, i32),
        decision: (bool, &'a str),
    ) -> Fut<'a, Result<(), ReviewTrouble>>;

    /// Closes a review and signs it. An empty `finding` is none.
    ///
    /// # Errors
    /// The [`ReviewTrouble`].
    fn close<'a>(
        &'a self,
        who: &'a Identity,
        id: &'a str,
        finding: &'a str,
    ) -> Fut<'a, Result<(), ReviewTrouble>>;
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReviewTrouble {
    /// It is not theirs to do.
    Refused,
    /// They proved who they are too long ago.
    StepUp,
    /// There is no such review or row here that is open.
    Gone,
    /// What was written cannot be used.
    Unfit,
    /// Another review is open.
    Open,
    /// What was revoked still counts.
    StillCounts,
    /// Not everything is decided and verified.
    Undecided,
    /// It cannot be told or done just now. The cause goes to the log alone.
    Unavailable(String),
}

/// The reviews of a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReviewsSeen {
    /// The one that is open.
    pub open: Option<ReviewSheet>,
    /// Those before it, the newest first.
    pub past: Vec<ReviewCard>,
    /// Until when the next one has to be closed.
    pub due: Option<Timestamp>,
}

/// One review with its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewSheet {
    /// What it is.
    pub card: ReviewCard,
    /// Its rows, in the order in which they were frozen.
    pub lines: Vec<ReviewLine>,
}

/// One review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewCard {
    /// Its id.
    pub id: String,
    /// Who began it.
    pub started_by: String,
    /// The moment that was frozen.
    pub started_at: Timestamp,
    /// How many rows were frozen.
    pub rows: usize,
    /// How many of them are decided.
    pub decided: usize,
    /// The SHA-256 over what was frozen, in hexadecimal digits.
    pub sha256: String,
    /// Who closed it, and when.
    pub closed: Option<(String, Timestamp)>,
    /// Who gave it up, when and why.
    pub abandoned: Option<(String, Timestamp, String)>,
    /// Who signed it as it stands, and when.
    pub signed: Option<(String, Timestamp)>,
}

/// One row of a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewLine {
    /// Its number.
    pub n: i32,
    /// `role`, `support`, `key`, or another word for what it is.
    pub kind: String,
    /// Who has it.
    pub holder: String,
    /// What it is.
    pub what: String,
    /// Who gave it.
    pub granted_by: String,
    /// When.
    pub granted_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// Whether whoever has it is gone.
    pub orphan: bool,
    /// Whether it is the reader's own, which somebody else decides about.
    pub own: bool,
    /// What was decided.
    pub decision: Option<ReviewDecision>,
}

/// What was decided about a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewDecision {
    /// Whether it stays.
    pub keep: bool,
    /// Who decided.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// Whether it was seen that what was revoked counts for nothing.
    pub verified: bool,
}
