//! How the protocol says no: RFC 7644, section 3.12.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::SCIM;

/// The schema of an error.
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
/// For how long somebody is asked to wait who asks too often, in seconds.
const WAIT_SECONDS: &str = "10";

/// A refusal.
#[derive(Debug)]
pub(crate) struct Fault {
    status: StatusCode,
    kind: Option<&'static str>,
    detail: String,
}

impl Fault {
    fn new(status: StatusCode, detail: &str) -> Self {
        Self { status, kind: None, detail: detail.to_owned() }
    }

    /// What the router itself says.
    pub(crate) fn of(error: &crate::Error) -> Self {
        Self::new(error.status(), &error.to_string())
    }

    /// There are no directories here.
    pub(super) fn absent() -> Self {
        Self::new(StatusCode::NOT_FOUND, "directories are not served here")
    }

    /// There is nothing at this address.
    pub(super) fn missing() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing at this address")
    }

    /// No token, or one that is not good: one answer for all.
    pub(super) fn unknown() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "show the token of a directory, which is good")
    }

    /// Too often.
    pub(super) fn later() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too many requests; wait for a while, and go on")
    }

    /// Another media type.
    pub(super) fn media() -> Self {
        let words = "write the body as application/scim+json; nothing was changed";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, words)
    }

    /// Too large.
    pub(super) fn large() -> Self {
        let words = "the body is too large; nothing was changed, send it in parts";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, words)
    }

    /// No JSON.
    pub(super) fn syntax() -> Self {
        let fault = Self::new(StatusCode::BAD_REQUEST, "the body is no JSON; nothing was changed");
        Self { kind: Some("invalidSyntax"), ..fault }
    }

    /// A parameter of the query is not what it should be.
    pub(super) fn query() -> Self {
        let fault = Self::new(StatusCode::BAD_REQUEST, "a parameter of the query cannot be read");
        Self { kind: Some("invalidValue"), ..fault }
    }
}

impl From<directory::Error> for Fault {
    fn from(error: directory::Error) -> Self {
        use directory::Error as E;
        let status = match &error {
            E::NotFound => StatusCode::NOT_FOUND,
            E::Precondition => StatusCode::PRECONDITION_FAILED,
            E::Uniqueness => StatusCode::CONFLICT,
            E::Refused(_) => StatusCode::FORBIDDEN,
            E::Token => return Self::unknown(),
            E::Busy => return Self::later(),
            E::Unavailable(_) | E::Store(_) | E::Random(_) => {
                // The cause goes to the log alone.
                tracing::error!(%error, "a directory could not be answered");
                let words = "this cannot be done just now; ask again";
                return Self::new(StatusCode::SERVICE_UNAVAILABLE, words);
            }
            E::Syntax(_)
            | E::Filter(_)
            | E::Path(_)
            | E::NoTarget(_)
            | E::Value(_)
            | E::Mutability(_)
            | E::TooMany(_)
            | E::Field { .. } => StatusCode::BAD_REQUEST,
        };
        Self { status, kind: error.scim_type(), detail: error.to_string() }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut body = json!({
            "schemas": [ERROR],
            "status": self.status.as_str(),
            "detail": self.detail,
        });
        if let (Some(fields), Some(kind)) = (body.as_object_mut(), self.kind) {
            fields.insert("scimType".to_owned(), json!(kind));
        }
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(SCIM));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"scim\""));
        }
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(WAIT_SECONDS));
        }
        response
    }
}
