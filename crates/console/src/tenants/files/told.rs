//! What an answer with a file says: never anything that a browser would run.

use std::fmt::Write as _;
use std::ops::Range;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LAST_MODIFIED,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::{FileCard, FileFault, unhex};

use crate::keys::fault::Fault;

/// RFC 9530: the digest of the whole file, also beside a part of it.
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
/// A file that is shown all the same is shown without scripts, and without rights on this address.
const SANDBOX: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'");

/// All of it.
pub(super) fn whole(card: &FileCard, body: Body) -> Result<Response, Fault> {
    about(StatusCode::OK, card, card.bytes, body)
}

/// Some of it.
pub(super) fn some(card: &FileCard, range: &Range<u64>, body: Body) -> Result<Response, Fault> {
    let length = range.end.saturating_sub(range.start);
    let mut answer = about(StatusCode::PARTIAL_CONTENT, card, length, body)?;
    let last = range.end.saturating_sub(1);
    let part = header(&format!("bytes {}-{last}/{}", range.start, card.bytes))?;
    answer.headers_mut().insert(CONTENT_RANGE, part);
    Ok(answer)
}

/// There are no such bytes.
pub(super) fn nothing(card: &FileCard) -> Result<Response, Fault> {
    let mut answer = Fault::fixed(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "range",
        "the file has no such bytes; Content-Range says how many it has",
    )
    .into_response();
    answer.headers_mut().insert(CONTENT_RANGE, header(&format!("bytes */{}", card.bytes))?);
    answer.headers_mut().insert(ETAG, etag(card)?);
    Ok(answer)
}

/// The caller has it already.
pub(super) fn unchanged(card: &FileCard) -> Result<Response, Fault> {
    Ok((StatusCode::NOT_MODIFIED, [(ETAG, etag(card)?)]).into_response())
}

pub(super) fn etag(card: &FileCard) -> Result<HeaderValue, Fault> {
    header(&format!("\"{}\"", card.etag))
}

fn about(status: StatusCode, card: &FileCard, length: u64, body: Body) -> Result<Response, Fault> {
    let digest = unhex(&card.sha256).map(|digest| STANDARD.encode(digest));
    let digest = digest.ok_or(FileFault::Damaged)?;
    let written = card.created_at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let headers = [
        (CONTENT_TYPE, header(&card.content_type)?),
        (CONTENT_LENGTH, HeaderValue::from(length)),
        (CONTENT_DISPOSITION, header(&disposition(card.name.as_str()))?),
        (CONTENT_SECURITY_POLICY, SANDBOX),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
        (ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (ETAG, etag(card)?),
        (LAST_MODIFIED, header(&written)?),
        (REPR_DIGEST, header(&format!("sha-256=:{digest}:"))?),
    ];
    Ok((status, headers, body).into_response())
}

/// To be saved, under the last piece of its name (RFC 6266, RFC 8187). A browser makes of a name with
/// slashes what it likes, so none is sent.
fn disposition(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).find(|piece| !piece.is_empty()).unwrap_or("file");
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    let mut text = String::from("attachment; filename*=UTF-8''");
    for byte in last.bytes() {
        match byte {
            plain_byte if plain(plain_byte) => text.push(char::from(plain_byte)),
            // Writing to a `String` cannot fail.
            other => drop(write!(text, "%{other:02X}")),
        }
    }
    text
}

fn header(text: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::from_str(text).map_err(|_| Fault::INTERNAL)
}

#[cfg(test)]
mod tests {
    use super::disposition;

    #[test]
    fn a_name_is_no_header_and_no_path() {
        let of = |name: &str| disposition(name).replace("attachment; filename*=UTF-8''", "");
        assert_eq!(of("a/b c.txt"), "b%20c.txt");
        assert_eq!(of("..\\..\\x\r\nSet-Cookie: y"), "x%0D%0ASet-Cookie%3A%20y");
        assert_eq!(of("é\"\0"), "%C3%A9%22%00");
        assert_eq!(of("///"), "file");
    }
}
