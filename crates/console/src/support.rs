//! What the pages about support need of the rest of the house: the port, and what goes through it.

use jiff::Timestamp;
use kernel::{Fut, Identity, SessionToken};

/// Asks for access to a tenant, gives it, and uses it. Implemented by the binary over `access` and
/// `identity`.
pub trait SupportDesk: Send + Sync {
    /// What `who` may see, the newest first.
    ///
    /// # Errors
    /// The [`Trouble`].
    fn seen<'a>(&'a self, who: &'a Identity) -> Fut<'a, Result<Vec<SupportCard>, Trouble>>;

    /// How many grants let support into `who`'s tenant just now, and until when the last of them does. For
    /// everybody of the tenant: who is inside is theirs to know.
    ///
    /// # Errors
    /// The [`Trouble`].
    fn live<'a>(
        &'a self,
        who: &'a Identity,
    ) -> Fut<'a, Result<(usize, Option<Timestamp>), Trouble>>;

    /// What was done in `who`'s tenant under one of them, the newest first.
    ///
    /// # Errors
    /// The [`Trouble`].
    fn uses<'a>(
        &'a self,
        who: &'a Identity,
        id: &'a str,
    ) -> Fut<'a, Result<Vec<SupportUse>, Trouble>>;

    /// Asks a tenant.
    ///
    /// # Errors
    /// The [`Trouble`].
    fn ask<'a>(
        &'a self,
        who: &'a Identity,
        question: &'a SupportQuestion,
    ) -> Fut<'a, Result<(), Trouble>>;

    /// Lets support in, in the name of `who`'s tenant.
    ///
    /// # Errors
    /// The [`Trouble`].
    fn approve<'a>(&'a self, who: &'a Identity, id: &'a str) -> Fut<'a, Result<(), Trouble>>;

    /// Says no, or puts support out.
    ///
    /// # Errors
    /// The [`Trouble`].
    fn end<'a>(&'a self, who: &'a Identity, id: &'a str) -> Fut<'a, Result<(), Trouble>>;

    /// Opens a session in the tenant that let support in, and ends the one of `old`.
    ///
    /// # Errors
    /// The [`Trouble`].
    fn enter<'a>(
        &'a self,
        who: &'a Identity,
        old: &'a SessionToken,
        id: &'a str,
    ) -> Fut<'a, Result<SessionToken, Trouble>>;
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It is not theirs to do.
    Refused,
    /// They proved who they are too long ago.
    StepUp,
    /// There is nothing of this id, or it is over.
    Gone,
    /// What was written cannot be used.
    Unfit,
    /// Too many questions wait there.
    Full,
    /// It cannot be told or done just now. The cause goes to the log alone.
    Unavailable(String),
}

/// What support asks for, as it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SupportQuestion {
    /// The tenant.
    pub tenant: String,
    /// The ticket.
    pub ticket: String,
    /// Why.
    pub reason: String,
    /// Whether to change things too.
    pub writes: bool,
    /// For how many hours.
    pub hours: u8,
}

/// How it stands with a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SupportStanding {
    /// It waits for an answer.
    Asked,
    /// Nobody answered in time.
    Lapsed,
    /// The answer was no.
    Denied,
    /// Support may enter.
    Live,
    /// Somebody ended it.
    Ended,
    /// Its time is over.
    Over,
}

/// One question and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupportCard {
    /// Its id.
    pub id: String,
    /// The tenant that was asked.
    pub tenant: String,
    /// Who asked.
    pub asked_by: String,
    /// The ticket.
    pub ticket: String,
    /// Why.
    pub reason: String,
    /// Whether to change things too.
    pub writes: bool,
    /// For how many hours.
    pub hours: u64,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// Who let it in, and when.
    pub approved: Option<(String, Timestamp)>,
    /// When it ends by itself.
    pub ends_at: Option<Timestamp>,
    /// Who ended it, and when.
    pub ended: Option<(String, Timestamp)>,
    /// How many requests were made.
    pub uses: u64,
    /// How it stands.
    pub standing: SupportStanding,
}

/// One request of support.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupportUse {
    /// When.
    pub at: Timestamp,
    /// The request's id, which the trail has too.
    pub request: String,
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
}
