//! What goes wrong with files, as HTTP says it.

use std::borrow::Cow;

use axum::http::StatusCode;
use kernel::FileFault;

use crate::keys::fault::Fault;

impl Fault {
    /// There is none, or it is none of the caller's business whether there is.
    pub(super) const NO_FILE: Self =
        Self::fixed(StatusCode::NOT_FOUND, "unknown-file", "there is no such file");

    /// As [`Fault::from`], where something was to be changed and nothing was yet.
    pub(super) fn unwritten(error: FileFault) -> Self {
        let words =
            "files cannot be used just now; nothing was changed, and the log says why; try again";
        Self::of_file(error, words)
    }

    /// As [`Fault::from`], where the last step failed, which may have been done all the same.
    pub(super) fn unsure(error: FileFault) -> Self {
        let words = "files cannot be used just now, and the log says why; it is not known whether the file \
                     was changed: look at it, or do it again";
        Self::of_file(error, words)
    }

    /// `unavailable` is what is said of a store or a database that cannot be used.
    fn of_file(error: FileFault, unavailable: &'static str) -> Self {
        let message = Cow::Owned(error.to_string());
        let of = |status, slug| Self { message, ..Self::fixed(status, slug, "") };
        match error {
            FileFault::Missing => Self::NO_FILE,
            FileFault::Name => of(StatusCode::BAD_REQUEST, "name"),
            FileFault::ContentType => of(StatusCode::BAD_REQUEST, "content-type"),
            FileFault::Cursor => of(StatusCode::BAD_REQUEST, "cursor"),
            FileFault::Length => of(StatusCode::BAD_REQUEST, "length"),
            FileFault::Condition => of(StatusCode::PRECONDITION_FAILED, "condition"),
            FileFault::Bytes { .. } | FileFault::Files { .. } => {
                of(StatusCode::INSUFFICIENT_STORAGE, "quota")
            }
            FileFault::TooLarge(_) => of(StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            FileFault::GivenUp => of(StatusCode::CONFLICT, "given-up"),
            FileFault::Suspended => of(StatusCode::FORBIDDEN, "suspended"),
            FileFault::Shredded => of(StatusCode::GONE, "shredded"),
            FileFault::Damaged => of(StatusCode::INTERNAL_SERVER_ERROR, "damaged"),
            // What it says names servers and files: it is for whoever runs the service.
            FileFault::Unavailable(why) => {
                tracing::error!(why, "files could not be served");
                Self::fixed(StatusCode::SERVICE_UNAVAILABLE, "unavailable", unavailable)
            }
        }
    }
}

/// Of a question, which changes nothing in any case.
impl From<FileFault> for Fault {
    fn from(error: FileFault) -> Self {
        Self::of_file(error, "files cannot be used just now, and the log says why; try again")
    }
}
