//! Answers that are neither a page nor the application's, and what every answer gets.

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, LOCATION};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use kernel::{percent, random_hex};

use crate::headers::{By, Nonce, OfApplication};
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::serve::Shared;
use crate::{ids, proxy, socket};

/// Random bytes in a request's id.
const REQUEST_ID_BYTES: usize = 12;
/// How many headers an answer is given on its way.
const USUAL_HEADERS: usize = 18;
/// Random bytes in a nonce, as the content security policy wants them at least.
const NONCE_BYTES: usize = 16;
/// Tells a page of ours which nonce its scripts carry.
const NONCE: HeaderName = HeaderName::from_static(kernel::NONCE_HEADER);

impl Shared {
    /// What every answer gets, whoever wrote it.
    pub(crate) fn finish<B>(&self, answer: &mut Response<B>, id: &str) {
        // Once, and not by doubling from the few that an application sends.
        answer.headers_mut().reserve(USUAL_HEADERS);
        if answer.extensions().get::<OfApplication>().is_some() {
            self.policy.apply(answer.headers_mut(), By::Application);
        } else {
            let Nonce(nonce) =
                answer.extensions_mut().remove().unwrap_or_else(|| Nonce(self.nonce()));
            self.policy.apply(answer.headers_mut(), By::Us(&nonce));
        }
        if let Ok(id) = HeaderValue::try_from(id) {
            answer.headers_mut().insert(proxy::REQUEST_ID, id);
        }
    }

    /// A nonce for the page that answers this request, which is told to it.
    pub(crate) fn give_nonce(&self, headers: &mut HeaderMap) -> Nonce {
        let nonce = self.nonce();
        if let Ok(line) = HeaderValue::try_from(&nonce) {
            headers.insert(NONCE, line);
        }
        Nonce(nonce)
    }

    fn nonce(&self) -> String {
        // Without randomness there is none, and no script runs.
        random_hex(self.ports.rng.as_ref(), NONCE_BYTES).unwrap_or_default()
    }

    pub(crate) fn request_id(&self) -> String {
        // Without randomness the request can still be answered, only not told from others.
        ids::fresh(self.ports.rng.as_ref(), REQUEST_ID_BYTES).unwrap_or_else(|_| "0".to_owned())
    }
}

/// Whether pages are read there: a browser that goes somewhere says so.
pub(crate) fn reads_pages(headers: &HeaderMap) -> bool {
    let page =
        |accept: &HeaderValue| accept.to_str().is_ok_and(|types| types.contains("text/html"));
    headers.get_all(ACCEPT).iter().any(page)
}

/// A person is shown the way to the sign-in page, a program is told.
pub(crate) fn signed_out(parts: &Parts) -> Result<Response<Reply>, Refusal> {
    if !reads_pages(&parts.headers) || !matches!(parts.method, Method::GET | Method::HEAD) {
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
    answer.extensions_mut().insert(OfApplication);
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
