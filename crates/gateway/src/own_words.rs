//! Answers that are neither a page nor the application's.

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, HeaderValue, LOCATION};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use kernel::percent;

use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::{proxy, socket};

/// A person is shown the way to the sign-in page, a program is told.
pub(crate) fn signed_out(parts: &Parts) -> Result<Response<Reply>, Refusal> {
    let reads_pages = parts
        .headers
        .get_all(ACCEPT)
        .iter()
        .any(|accept| accept.to_str().is_ok_and(|types| types.contains("text/html")));
    if !reads_pages || !matches!(parts.method, Method::GET | Method::HEAD) {
        return Err(Refusal::SignedOut);
    }
    let wanted = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let location = format!("/_amanah/sign-in?next={}", percent(wanted, b"-._~/"));
    let location = HeaderValue::try_from(location).map_err(|_| Refusal::Broken)?;
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::SEE_OTHER;
    answer.headers_mut().insert(LOCATION, location);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(Reply::whole(answer))
}

/// The application's agreement to a socket, as it is passed on.
pub(crate) fn socket_opened(answer: Response<()>) -> Response<Reply> {
    let mut answer = Reply::whole(answer.map(|()| Bytes::new()));
    proxy::cleanse_answer(answer.headers_mut());
    socket::ask(answer.headers_mut());
    answer
}

/// An answer as bytes, for a connection that the HTTP library does not serve.
pub(crate) fn to_wire(answer: &Response<Bytes>) -> Vec<u8> {
    let status = answer.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let mut wire = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in answer.headers() {
        wire.extend_from_slice(name.as_str().as_bytes());
        wire.extend_from_slice(b": ");
        wire.extend_from_slice(value.as_bytes());
        wire.extend_from_slice(b"\r\n");
    }
    let length = answer.body().len();
    wire.extend_from_slice(
        format!("content-length: {length}\r\nconnection: close\r\n\r\n").as_bytes(),
    );
    wire.extend_from_slice(answer.body());
    wire
}
