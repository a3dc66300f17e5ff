//! Why a program was not given what it asked for: the one place that maps errors to HTTP.

use std::borrow::Cow;

use ::keys::{Error, KeyRef};
use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A refusal, with a slug that does not change.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    pub(crate) slug: &'static str,
    pub(crate) message: Cow<'static, str>,
    /// How long to wait before trying again, in seconds, where that helps.
    pub(crate) wait: u64,
    /// The key that there is not, for whoever can make it.
    pub(crate) missing: Option<Box<KeyRef>>,
}

impl Fault {
    pub(crate) const NOWHERE: Self =
        Self::fixed(StatusCode::NOT_FOUND, "not-found", "there is nothing at this address");
    pub(crate) const METHOD: Self = Self::fixed(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "this address is not asked with this method; nothing was changed",
    );
    pub(crate) const DENIED: Self = Self::fixed(
        StatusCode::FORBIDDEN,
        "denied",
        "permission denied: the token is missing, unknown or expired, or does not allow this",
    );
    pub(crate) const BUSY: Self = Self::fixed(
        StatusCode::SERVICE_UNAVAILABLE,
        "busy",
        "too much is being asked at once; nothing was changed, try again",
    );
    /// Not the same as [`Fault::BUSY`]: a key may have been changed already.
    pub(crate) const UNREAD: Self = Self::fixed(
        StatusCode::SERVICE_UNAVAILABLE,
        "busy",
        "it was done, and there is no memory for its answer until the client has read earlier \
         ones; read them, then ask again",
    );
    pub(crate) const OFTEN: Self = Self::fixed(
        StatusCode::SERVICE_UNAVAILABLE,
        "busy",
        "each destruction ends a generation of the root, so that a client may do only a few at \
         once and then one a minute; nothing was changed, try again",
    );
    pub(crate) const INTERNAL: Self = Self::fixed(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "something went wrong on our side and was logged; try again",
    );
    pub(crate) const TOO_LARGE: Self = Self::fixed(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-large",
        "the body is larger than 64 MiB; send fewer items, or a stream",
    );
    pub(crate) const LONG_NOTE: Self = Self::fixed(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-large",
        "the body is larger than 64 KiB, which is the most here; nothing was changed",
    );
    pub(crate) const LONG_QUESTIONS: Self = Self::fixed(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-large",
        "the body is larger than 512 KiB, which is the most here; ask fewer questions at a time",
    );
    pub(crate) const QUERY: Self = Self::bad(
        "query",
        "the query has something that is not asked here, or not like this; nothing was changed",
    );
    pub(crate) const SLOW: Self = Self::fixed(
        StatusCode::REQUEST_TIMEOUT,
        "slow-body",
        "the body took too long to arrive; nothing was changed",
    );
    pub(crate) const TENANTS: Self = Self::bad(
        "tenant",
        "the request names two tenants, or one where none belongs; nothing was changed",
    );

    /// One whose words are always the same.
    pub(crate) const fn fixed(
        status: StatusCode,
        slug: &'static str,
        message: &'static str,
    ) -> Self {
        Self { status, slug, message: Cow::Borrowed(message), wait: 1, missing: None }
    }

    /// A request that makes no sense.
    pub(crate) const fn bad(slug: &'static str, message: &'static str) -> Self {
        Self::fixed(StatusCode::BAD_REQUEST, slug, message)
    }

    /// Something that Vault has and we do not.
    pub(crate) const fn unsupported(message: &'static str) -> Self {
        Self::bad("unsupported", message)
    }

    /// JSON that is none, or not of the shape that is needed. Field names are repeated, values
    /// never: they may be secrets.
    pub(crate) fn json(error: &serde_json::Error) -> Self {
        let said = error.to_string();
        let names_fields = ["unknown field", "missing field", "duplicate field", "a batch has"];
        let what = if !error.is_data() {
            format!("it is not JSON at line {}, column {}", error.line(), error.column())
        } else if names_fields.iter().any(|begin| said.starts_with(begin)) {
            said
        } else {
            // Before this stands the value that was found.
            let wanted = said.rsplit_once(", expected ").map_or("something else", |(_, end)| end);
            format!("expected {wanted}")
        };
        let message = Cow::Owned(format!("the body could not be read: {what}"));
        Self { message, ..Self::bad("json", "") }
    }

    fn of(status: StatusCode, slug: &'static str, error: &Error) -> Self {
        let message = Cow::Owned(error.to_string());
        Self { status, slug, message, wait: 1, missing: None }
    }

    /// As an item of a batch says it.
    pub(crate) fn value(&self) -> Value {
        json!({ "slug": self.slug, "message": self.message })
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let bad = |slug| Self::of(StatusCode::BAD_REQUEST, slug, &error);
        match &error {
            Error::Unknown(key) => Self {
                missing: Some(key.clone()),
                ..Self::of(StatusCode::NOT_FOUND, "unknown-key", &error)
            },
            Error::Exists(_) => Self::of(StatusCode::CONFLICT, "exists", &error),
            Error::Shredded { .. } => Self::of(StatusCode::GONE, "shredded", &error),
            Error::NotRemovable(_) => Self::of(StatusCode::CONFLICT, "not-removable", &error),
            Error::Versions(_) => Self::of(StatusCode::CONFLICT, "versions", &error),
            Error::Full(_) => Self::of(StatusCode::INSUFFICIENT_STORAGE, "full", &error),
            Error::Version { .. } => bad("version"),
            Error::Kind(_) => bad("kind"),
            Error::NoContext(_) => bad("no-context"),
            Error::Name(_) => bad("name"),
            Error::Malformed(_) | Error::Cipher(cipher::Error::Malformed(_)) => bad("malformed"),
            Error::Refused | Error::Cipher(cipher::Error::Refused) => bad("refused"),
            Error::Cipher(cipher::Error::Truncated) => bad("truncated"),
            Error::Cipher(cipher::Error::TooLarge(_)) => {
                Self::of(StatusCode::PAYLOAD_TOO_LARGE, "too-large", &error)
            }
            Error::Denied => Self::DENIED,
            Error::Conflict => Self::of(StatusCode::SERVICE_UNAVAILABLE, "conflict", &error),
            // What these say names files and addresses: it is for whoever runs the service.
            other => {
                tracing::error!(error = %other, "keys could not be used");
                Self::fixed(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "unavailable",
                    "the keys cannot be used for this just now; nothing was changed, and the \
                     log says why; try again",
                )
            }
        }
    }
}

impl From<cipher::Error> for Fault {
    fn from(error: cipher::Error) -> Self {
        Error::from(error).into()
    }
}

/// One body for both kinds of clients: those of our own API read `error`, Vault's read `errors`.
impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.value(), "errors": [self.message] });
        let mut answer = (self.status, Json(body)).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(self.wait));
        }
        answer
    }
}
