//! Everything that can go wrong here, and the one place that maps it to HTTP.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Why a request was not answered with what it asked for.
///
/// The text is for the log and for programs; a reader of HTML gets the same in their language.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No page, file or route has this address.
    #[error("there is nothing at this address; `/trust` lists the pages")]
    NotFound,
    /// The route exists, with other methods.
    #[error("this address is not asked with this method; nothing was changed")]
    Method,
    /// The `at` of a page is not a moment that has passed.
    #[error(
        "`{0}` is not a moment that can be shown; \
         write one that has passed in the form 2026-03-14T09:26:53Z"
    )]
    Moment(String),
    /// The query or the form could not be read.
    #[error("the request could not be read; nothing was changed")]
    BadRequest,
    /// The form's token is missing or is not the one of the cookie.
    #[error("the form's token does not fit its cookie; nothing was changed, load the form again")]
    Forged,
    /// The session was ended after the request had come in with it.
    #[error("your session has ended meanwhile; nothing was done, sign in again")]
    Over,
    /// The body is larger than a form may be.
    #[error("the form is too large; nothing was changed")]
    TooLarge,
    /// A bug or a lack of randomness. The cause goes to the log and never to the reader.
    #[error("something went wrong on our side and was logged; try again")]
    Internal(String),
    /// What is needed to answer cannot be had now. The cause goes to the log alone.
    #[error(
        "this cannot be answered just now; nothing was changed and nothing old is shown, try again"
    )]
    Unavailable(String),
}

impl Error {
    /// The status that says the same to a program.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Moment(_) | Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Forged | Self::Over => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// A short name that does not change: JSON carries it, and the words of each language are
    /// found by it.
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Method => "method",
            Self::Moment(_) => "moment",
            Self::BadRequest => "bad-request",
            Self::Forged => "forged",
            Self::Over => "over",
            Self::TooLarge => "too-large",
            Self::Internal(_) => "internal",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// What only the log may see.
    pub(crate) fn cause(&self) -> Option<&str> {
        match self {
            Self::Internal(cause) | Self::Unavailable(cause) => Some(cause),
            _ => None,
        }
    }
}

impl From<askama::Error> for Error {
    fn from(error: askama::Error) -> Self {
        Self::Internal(format!("a page could not be drawn: {error}"))
    }
}

/// Gives the status alone and leaves the error beside it: the router's last layer, which knows the
/// reader's language, draws the page.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
