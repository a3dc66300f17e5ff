//! Everything that can go wrong in a request, in words for the person who made it: what
//! happened, what was kept, what to do next. Details go to the log, not to the page.

use askama::Template;
use axum::extract::rejection::{FormRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

use crate::money::NotAPrice;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("You are not signed in, or your session has ended. Sign in and try again.")]
    NotSignedIn,
    #[error("Your session does not allow this. Nothing was changed.")]
    NotAllowed,
    #[error("There is nothing at this address, or it is not yours to see.")]
    NotFound,
    #[error("This address cannot be used in that way. Nothing was changed.")]
    WrongMethod,
    #[error("{0} Nothing was saved. Go back, correct it and send it again.")]
    BadInput(String),
    #[error("You proposed this price yourself, so a colleague has to decide. Nothing was changed.")]
    OwnProposal,
    #[error("A colleague has already decided on this proposal. Their decision stands.")]
    AlreadyDecided,
    #[error(
        "The price has moved since this was proposed, so it was not approved. \
         Reject the proposal, and propose again from the present price."
    )]
    PriceMoved,
    #[error("This token cannot be shown or kept: the application was started without keys.")]
    NoKeys,
    #[error(
        "The keys of this company were destroyed on purpose. What they encrypted is gone for good."
    )]
    Destroyed,
    #[error("The keys cannot be reached or refuse us. Nothing was changed. Try again soon.")]
    KeysAway(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("The database cannot be reached or is too busy. Nothing was saved. Try again soon.")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("Something went wrong on our side. Nothing was saved. We have a record of it.")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[derive(Template)]
#[template(path = "problem.html")]
struct Page<'a> {
    title: &'a str,
    problem: &'a Problem,
    must_sign_in: bool,
}

impl Problem {
    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotSignedIn => (StatusCode::UNAUTHORIZED, "Not signed in"),
            Self::NotAllowed => (StatusCode::FORBIDDEN, "Not allowed"),
            Self::OwnProposal => (StatusCode::FORBIDDEN, "Someone else has to decide"),
            Self::NotFound => (StatusCode::NOT_FOUND, "Not found"),
            Self::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, "Not possible here"),
            Self::BadInput(_) => (StatusCode::BAD_REQUEST, "Please check what you wrote"),
            Self::AlreadyDecided => (StatusCode::CONFLICT, "Already decided"),
            Self::PriceMoved => (StatusCode::CONFLICT, "The price has moved"),
            Self::Destroyed => (StatusCode::GONE, "Destroyed"),
            Self::NoKeys => (StatusCode::SERVICE_UNAVAILABLE, "Not available here"),
            Self::KeysAway(_) | Self::Unavailable(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "Not available now")
            }
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if let Self::Unavailable(reason) | Self::KeysAway(reason) | Self::Internal(reason) = &self {
            tracing::error!(?reason, "a request failed");
        }
        let (status, title) = self.status();
        match (Page { title, problem: &self, must_sign_in: matches!(self, Self::NotSignedIn) })
            .render()
        {
            Ok(page) => (status, Html(page)).into_response(),
            Err(_) => (status, title).into_response(),
        }
    }
}

/// What the database refuses, said in the words of the application. The rules themselves are
/// constraints, so they hold for every program that writes to these tables.
impl From<tokio_postgres::Error> for Problem {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(refusal) = error.as_db_error() else {
            return if error.is_closed() {
                Self::Unavailable(error.into())
            } else {
                Self::Internal(error.into())
            };
        };
        match (refusal.code(), refusal.constraint()) {
            // `amanah.bind` raises this for a token that is forged, changed or too old.
            (&SqlState::INVALID_AUTHORIZATION_SPECIFICATION, _) => Self::NotSignedIn,
            // A right that was not granted, or a row that the policy does not take.
            (&SqlState::INSUFFICIENT_PRIVILEGE | &SqlState::READ_ONLY_SQL_TRANSACTION, _) => {
                Self::NotAllowed
            }
            // An id that is no id, or one that the tenant does not have.
            (&SqlState::INVALID_TEXT_REPRESENTATION | &SqlState::FOREIGN_KEY_VIOLATION, _) => {
                Self::NotFound
            }
            (_, Some("approvals_maker_is_not_checker")) => Self::OwnProposal,
            (_, Some("approvals_one_decision")) => Self::AlreadyDecided,
            (_, Some("price_changes_change_something")) => {
                Self::BadInput("The new price is the same as the present one.".to_owned())
            }
            (&SqlState::CHARACTER_NOT_IN_REPERTOIRE, _) => {
                Self::BadInput("The text has a character that cannot be stored.".to_owned())
            }
            (&SqlState::QUERY_CANCELED | &SqlState::ADMIN_SHUTDOWN, _) => {
                Self::Unavailable(error.into())
            }
            // Without the detail, which quotes the row: rows do not belong in a log.
            (code, _) => Self::Internal(format!("{}: {}", code.code(), refusal.message()).into()),
        }
    }
}

impl From<PoolError> for Problem {
    fn from(error: PoolError) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<askama::Error> for Problem {
    fn from(error: askama::Error) -> Self {
        Self::Internal(error.into())
    }
}

impl From<NotAPrice> for Problem {
    fn from(error: NotAPrice) -> Self {
        Self::BadInput(error.to_string())
    }
}

impl From<FormRejection> for Problem {
    fn from(_: FormRejection) -> Self {
        Self::BadInput("The form is incomplete or too long.".to_owned())
    }
}

impl From<QueryRejection> for Problem {
    fn from(_: QueryRejection) -> Self {
        Self::BadInput("The search cannot be read.".to_owned())
    }
}

impl From<PathRejection> for Problem {
    fn from(_: PathRejection) -> Self {
        Self::NotFound
    }
}
