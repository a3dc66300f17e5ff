//! What can go wrong while promises are proven.

use std::sync::Arc;

/// The result of everything in this crate that runs.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. None of these is a verdict: a claim whose proof could not be stored keeps
/// the verdict of what is stored, and grows stale.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The evidence could not be read or stored.
    #[error("the evidence store does not answer, so nothing new can be said: {0}")]
    Evidence(Arc<store::Error>),
    /// A row of the evidence has a value that this version does not know.
    #[error("a row of claims.proof cannot be read: {0}. Nothing was changed")]
    Corrupt(String),
    /// Controls were to be replaced by others for other claims.
    #[error("only one of the old and the new controls proves `{0}`; the old ones stay")]
    OtherClaims(&'static str),
    /// Two controls for one claim.
    #[error("two controls claim to prove `{0}`: exactly one may")]
    Twice(&'static str),
    /// A control for a claim that is not in the catalogue.
    #[error("a control proves `{0}`, which is not in the catalogue of claims")]
    NotInCatalogue(&'static str),
    /// A control's cadence and deadline do not fit each other.
    #[error("the control of `{0}` must have a deadline above zero and not above its cadence")]
    Card(&'static str),
    /// Asked to run a control that is not there.
    #[error("there is no control for `{0}` yet: it is not built")]
    NotBuilt(String),
    /// A filter that selects nothing, which would look like success.
    #[error(
        "no promise on the page matches {0}. Write an id such as isolation.rows, or isolation.*"
    )]
    NoMatch(String),
    /// The program is stopping.
    #[error("the run was cut short because the program is stopping; nothing was recorded")]
    Stopped,
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Evidence(Arc::new(error))
    }
}
