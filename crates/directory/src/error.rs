//! What can go wrong when a directory speaks to us, in the words of RFC 7644, section 3.12.

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. Whatever it is, the resource is as it was, unless the text says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body is no request that the protocol knows.
    #[error("the request cannot be read: {0}; nothing was changed")]
    Syntax(String),
    /// The filter is none, or asks what cannot be compared.
    #[error("the filter cannot be used: {0}")]
    Filter(String),
    /// The path of an operation names nothing.
    #[error("the path cannot be used: {0}; nothing was changed")]
    Path(String),
    /// The path of an operation selects nothing.
    #[error("the operation has no target: {0}; nothing was changed")]
    NoTarget(String),
    /// A value has another type, or too many bytes, or is missing.
    #[error("a value cannot be used: {0}; nothing was changed")]
    Value(String),
    /// The attribute is not theirs to change.
    #[error("{0} cannot be changed or removed; nothing was changed")]
    Mutability(String),
    /// The name, or the e-mail address, is taken. Whose it is, is not told.
    #[error("the name is taken, here or elsewhere; nothing was changed")]
    Uniqueness,
    /// More than one answer can hold.
    #[error("that is too much for one request: {0}")]
    TooMany(String),
    /// Too many lists are read already.
    #[error("too many lists are read just now; ask again in a while")]
    Busy,
    /// There is no such resource in this tenant.
    #[error("there is no such resource; nothing was changed")]
    NotFound,
    /// The resource is in another version than the request asks for.
    #[error("the resource has changed meanwhile; nothing was changed, read it again")]
    Precondition,
    /// The token is unknown, expired, revoked, or its tenant is shut out: one answer for all.
    #[error("the token is not good, or not good any more")]
    Token,
    /// It is not theirs to do.
    #[error("{0}; nothing was changed")]
    Refused(&'static str),
    /// Something else is wrong with what an administrator wrote.
    #[error("the {field} cannot be used: {why}; nothing was changed")]
    Field {
        /// Which one.
        field: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Another room did not do its part; it may be asked again.
    #[error("it could not be done as a whole: {0}; ask again, what was done stays done")]
    Unavailable(String),
    /// Randomness is not available.
    #[error(transparent)]
    Random(#[from] kernel::RngError),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// The `scimType` of RFC 7644, table 9, where there is one.
    pub const fn scim_type(&self) -> Option<&'static str> {
        match self {
            Self::Syntax(_) => Some("invalidSyntax"),
            Self::Filter(_) => Some("invalidFilter"),
            Self::Path(_) => Some("invalidPath"),
            Self::NoTarget(_) => Some("noTarget"),
            Self::Value(_) | Self::Field { .. } => Some("invalidValue"),
            Self::Mutability(_) => Some("mutability"),
            Self::Uniqueness => Some("uniqueness"),
            Self::TooMany(_) => Some("tooMany"),
            Self::Busy
            | Self::NotFound
            | Self::Precondition
            | Self::Token
            | Self::Refused(_)
            | Self::Unavailable(_)
            | Self::Random(_)
            | Self::Store(_) => None,
        }
    }
}
