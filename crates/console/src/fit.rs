//! What no page takes: NUL, which PostgreSQL holds in no text. A request with one in its address or its body is
//! refused as unreadable before anything is asked: otherwise its answer were an error of ours, for whoever likes.
//!
//! It does not look at anything else that somebody wrote: each page says by itself what fits.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::Error;

/// More than any body that a route takes, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// How NUL is written in an address and a form.
const ESCAPED: [&[u8]; 2] = [b"\0", b"%00"];
/// And in JSON; in a form that is six letters of a text.
const IN_JSON: [&[u8]; 2] = [b"\0", b"\\u0000"];

/// Lets through what holds none.
pub(crate) async fn fit(request: Request, next: Next) -> Response {
    let uri = request.uri();
    let [path, query] = [uri.path(), uri.query().unwrap_or_default()];
    if [path, query].iter().any(|part| holds(part.as_bytes(), ESCAPED)) {
        return Error::BadRequest.into_response();
    }
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let written = if kind.is_some_and(|kind| kind.contains("json")) { IN_JSON } else { ESCAPED };
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_BYTES).await else {
        return Error::TooLarge.into_response();
    };
    if holds(&bytes, written) {
        return Error::BadRequest.into_response();
    }
    next.run(Request::from_parts(parts, Body::from(bytes))).await
}

fn holds(bytes: &[u8], written: [&[u8]; 2]) -> bool {
    let holds = |word: &[u8]| bytes.windows(word.len()).any(|here| here == word);
    written.into_iter().any(holds)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;
    use axum::middleware::from_fn;
    use axum::{Router, routing};
    use tower::ServiceExt as _;

    use super::fit;

    #[tokio::test]
    async fn nul_goes_nowhere() {
        let echo = routing::any(|body: String| async move { body });
        let router = Router::new().fallback(echo).layer(from_fn(fit));
        let (form, json) = ("application/x-www-form-urlencoded", "application/scim+json");
        for (target, kind, body, status) in [
            ("/a?b=c", form, "name=d", 200),
            ("/a%00", form, "", 400),
            ("/a?b=%00", form, "", 400),
            ("/a", form, "name=a%00b", 400),
            ("/a", form, "password=\\u0000", 200),
            ("/a", json, "{\"name\":\"\\u0000\"}", 400),
            ("/a", json, "{\"name\":\"%00\"}", 200),
            ("/a", form, "a\0b", 400),
            ("/a%01?b=%20", form, "name=%0a", 200),
        ] {
            let request = Request::post(target).header("content-type", kind);
            let request = request.body(Body::from(body)).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), status, "{target} {body}");
        }
    }
}
