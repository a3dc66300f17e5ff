//! What goes wrong with files, as HTTP says it.

use std::borrow::Cow;

use axum::http::StatusCode;
use kernel::FileFault;

use crate::keys::fault::Fault;

impl Fault {
    /// There is none, or it is none of the caller's business whether there is.
    pub(super) const NO_FILE: Self =
        Self::fixed(StatusCode::NOT_FOUND, "unknown-file", "there is no such file");
}

impl From<FileFault> for Fault {
    fn from(error: FileFault) -> Self {
        let of = |status, slug| Self {
            message: Cow::Owned(error.to_string()),
            ..Self::fixed(status, slug, "")
        };
        match &error {
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
                Self::fixed(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "unavailable",
                    "files cannot be used just now; nothing was changed, and the log says why; \
                     try again",
                )
            }
        }
    }
}
