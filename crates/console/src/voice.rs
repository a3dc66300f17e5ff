//! The last layer of the router: it gives every error its page in the reader's language, and every
//! answer the headers that keep a browser from running or keeping what it should not.

use axum::Json;
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY as POLICY, CONTENT_TYPE, HeaderMap,
    HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::handlers::html;
use crate::pages::error::ErrorPage;
use crate::words::Words;
use crate::{Error, scim};

/// What a browser may load for a page of the console: its own stylesheet and mark, and nothing
/// inline.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; \
     script-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

/// Draws the error that a handler left, and sets the headers.
pub(crate) async fn speak(request: Request, next: Next) -> Response {
    let words = Words::asked(request.headers());
    let machine = request.uri().path().starts_with("/.well-known/");
    let directory = request.uri().path().starts_with("/_amanah/scim/");
    let response = next.run(request).await;
    let (mut parts, body) = response.into_parts();
    let body = match parts.extensions.remove::<Error>() {
        None => body,
        Some(error) => {
            if let Some(cause) = error.cause() {
                tracing::error!(cause, "a request could not be answered");
            }
            let drawn = match (machine, directory) {
                (true, _) => json(&error),
                (_, true) => scim::fault::Fault::of(&error).into_response(),
                _ => page(words, &error),
            };
            if let Some(media) = drawn.headers().get(CONTENT_TYPE) {
                parts.headers.insert(CONTENT_TYPE, media.clone());
            }
            // What the handler and the router said besides, such as `Allow`, is kept.
            parts.headers.remove(CONTENT_LENGTH);
            drawn.into_body()
        }
    };
    guard(&mut parts.headers);
    Response::from_parts(parts, body)
}

/// What every answer carries.
pub(crate) fn guard(headers: &mut HeaderMap) {
    headers.insert(POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

fn page(words: Words, error: &Error) -> Response {
    html(&ErrorPage::new(words, error)).unwrap_or_else(|failed| {
        tracing::error!(cause = failed.cause(), "the page of an error could not be drawn");
        error.to_string().into_response()
    })
}

fn json(error: &Error) -> Response {
    #[derive(Serialize)]
    struct Problem {
        error: &'static str,
        message: String,
    }
    let message = error.to_string();
    Json(Problem { error: error.slug(), message }).into_response()
}
