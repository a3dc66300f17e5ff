//! The page for strangers while they overload the site. It is drawn beside the router: the gateway asks for
//! it when it sheds them, and nobody else can.

use askama::Template as _;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Response};
use kernel::NONCE_HEADER;

use crate::pages::challenge::{Challenge, ChallengePage};
use crate::voice;
use crate::words::Words;

/// The page that asks this, in the language that the head of the request asks for.
pub fn challenge(head: &HeaderMap, asked: &Challenge<'_>) -> Response<String> {
    let nonce = head.get(NONCE_HEADER).and_then(|nonce| nonce.to_str().ok()).unwrap_or_default();
    let page = ChallengePage::new(Words::asked(head), *asked, nonce);
    let (media, text) = match page.render() {
        Ok(html) => ("text/html; charset=utf-8", html),
        Err(error) => {
            tracing::error!(%error, "the page of a challenge could not be drawn");
            ("text/plain; charset=utf-8", "Come back in a moment.\n".to_owned())
        }
    };
    let mut answer = Response::new(text);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    voice::guard(answer.headers_mut());
    answer
}

#[cfg(test)]
mod tests {
    use axum::http::header::{ACCEPT_LANGUAGE, CONTENT_SECURITY_POLICY};
    use axum::http::{HeaderMap, HeaderValue};
    use kernel::NONCE_HEADER;

    use super::{Challenge, challenge};

    #[test]
    fn it_asks_in_the_readers_language_and_escapes_where_they_were_going() {
        let mut head = HeaderMap::new();
        head.insert(ACCEPT_LANGUAGE, HeaderValue::from_static("id"));
        head.insert(NONCE_HEADER, HeaderValue::from_static("0n3"));
        let next = "/\"><script>alert(1)</script>";
        let asked = Challenge {
            action: "/_amanah/challenge",
            token: "t0ken",
            bits: 16,
            wait: 5,
            next,
            again: true,
        };
        let page = challenge(&head, &asked);
        assert!(page.headers().contains_key(CONTENT_SECURITY_POLICY));
        let html = page.body();
        assert!(html.contains("lang=\"id\""), "{html}");
        assert!(html.contains("value=\"t0ken\"") && html.contains("data-bits=\"16\""), "{html}");
        assert!(html.contains("nonce=\"0n3\"") && !html.contains("<script>"), "{html}");
    }
}
