//! What no page takes: NUL, which PostgreSQL holds in no text. A request with one in its address or its body is
//! refused as unreadable before anything is asked: otherwise its answer were an error of ours, for whoever likes.
//!
//! It does not look at anything else that somebody wrote: each page says by itself what fits.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::Error;

/// More than any body that a route takes, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// How NUL is written in an address and a form, and in JSON.
const WRITTEN: [&[u8]; 3] = [b"\0", b"%00", b"\\u0000"];

/// Lets through what holds none.
pub(crate) async fn fit(request: Request, next: Next) -> Response {
    let uri = request.uri();
    if holds_nul(uri.path().as_bytes()) || holds_nul(uri.query().unwrap_or_default().as_bytes()) {
        return Error::BadRequest.into_response();
    }
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_BYTES).await else {
        return Error::TooLarge.into_response();
    };
    if holds_nul(&bytes) {
        return Error::BadRequest.into_response();
    }
    next.run(Request::from_parts(parts, Body::from(bytes))).await
}

fn holds_nul(bytes: &[u8]) -> bool {
    let holds = |word: &[u8]| bytes.windows(word.len()).any(|here| here == word);
    WRITTEN.into_iter().any(holds)
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
        for (target, body, status) in [
            ("/a?b=c", "name=d", 200),
            ("/a%00", "", 400),
            ("/a?b=%00", "", 400),
            ("/a", "name=a%00b", 400),
            ("/a", "{\"name\":\"\\u0000\"}", 400),
            ("/a", "a\0b", 400),
            ("/a%01?b=%20", "name=%0a\\u0001", 200),
        ] {
            let request = Request::post(target).body(Body::from(body)).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), status, "{target} {body}");
        }
    }
}
