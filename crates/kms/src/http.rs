//! HTTP to a root: bounded in time and size, and without detours.
//!
//! Redirects are not followed, since a token must not travel to another address. Proxies of the
//! environment are not used, since only the binary reads the environment and a proxy that the
//! process happened to inherit has no business between us and the root. Plain HTTP is for this
//! machine alone.

use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method, RequestBuilder, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::{Error, Result};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(3);
/// How long a request may take in all.
const REQUEST: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes. A key's metadata has a few thousand.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// Room for an answer that does not say how long it is, in bytes.
const USUAL_ANSWER_BYTES: usize = 8 << 10;
/// The longest message of theirs that we repeat, in characters.
const MAX_WORDS: usize = 300;

/// A client for one root.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: Client,
    base: Url,
    place: String,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    // It may hold a key in clear.
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Http {
    /// A client for `address`, which calls the root `place`; `authority` replaces the system's
    /// certificates.
    pub(crate) fn new(address: &str, place: String, authority: Option<&str>) -> Result<Self> {
        let base = checked(address)?;
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(REQUEST)
            .https_only(base.scheme() == "https");
        if let Some(pem) = authority {
            let certificates =
                Certificate::from_pem_bundle(pem.as_bytes()).map_err(|error| unusable(&error))?;
            if certificates.is_empty() {
                return Err(Error::Settings("the authority holds no certificate".to_owned()));
            }
            builder = builder.tls_certs_only(certificates);
        }
        Ok(Self { client: builder.build().map_err(|error| unusable(&error))?, base, place })
    }

    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// The address of `path`, which begins with a slash and holds nothing to escape.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url
    }

    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Sends it and reads the answer whole.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when nothing comes back in time, [`Error::Damaged`] when too much
    /// does.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Answer> {
        let failed = |error: reqwest::Error| self.unavailable(&reason(&error));
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status();
        let told = response.content_length().and_then(|length| usize::try_from(length).ok());
        let room = told.unwrap_or(USUAL_ANSWER_BYTES).min(MAX_ANSWER_BYTES);
        let mut body = Zeroizing::new(Vec::with_capacity(room));
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(self.damaged(&format!("it answers more than {MAX_ANSWER_BYTES} bytes")));
            }
            body = with(body, &chunk);
        }
        Ok(Answer { status, body })
    }

    /// Reads an answer's JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T> {
        // The parser's own message may repeat what it read, so it is not passed on.
        serde_json::from_slice(&answer.body)
            .map_err(|_| self.damaged("its answer is not what such a root answers"))
    }

    pub(crate) fn unavailable(&self, why: &str) -> Error {
        Error::Unavailable { place: self.place.clone(), why: why.to_owned() }
    }

    pub(crate) fn denied(&self, why: &str) -> Error {
        Error::Denied { place: self.place.clone(), why: why.to_owned() }
    }

    pub(crate) fn damaged(&self, why: &str) -> Error {
        Error::Damaged { place: self.place.clone(), why: why.to_owned() }
    }
}

/// What a request says, in memory that is wiped once it was sent: it may hold a key in clear.
///
/// It is written straight into its place, of the right size from the start: a value of JSON on the
/// way, or a buffer that grows, would leave copies behind. What the libraries of HTTP and TLS copy
/// to send it is theirs.
pub(crate) fn body(content: &impl Serialize) -> Result<Bytes> {
    Ok(Bytes::from_owner(written(content)?))
}

fn written(content: &impl Serialize) -> Result<Zeroizing<Vec<u8>>> {
    let failed = |error: serde_json::Error| Error::Settings(error.to_string());
    let mut length = Length(0);
    serde_json::to_writer(&mut length, content).map_err(failed)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.0));
    serde_json::to_writer(&mut *bytes, content).map_err(failed)?;
    Ok(bytes)
}

/// Counts what is written and keeps nothing of it.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `bytes` and `more` after it. When there is no room, what was there is wiped: a vector that grows
/// by itself would leave it behind.
fn with(mut bytes: Zeroizing<Vec<u8>>, more: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = bytes.len() + more.len();
    if length > bytes.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(length.max(bytes.capacity() * 2)));
        larger.extend_from_slice(&bytes);
        bytes = larger;
    }
    bytes.extend_from_slice(more);
    bytes
}

/// Somebody else's message as one short line.
pub(crate) fn words(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(MAX_WORDS).collect::<String>().trim().to_owned()
}

fn checked(address: &str) -> Result<Url> {
    let wrong = |why: &str| Error::Settings(format!("the root's address {why}"));
    let url = Url::parse(address).map_err(|_| wrong("is not a URL such as https://host:port"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("may not carry a password"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("ends after the port"));
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match url.scheme() {
        "https" => Ok(url),
        "http" if here => Ok(url),
        "http" => Err(wrong("uses plain http, which is for this machine alone; use https")),
        _ => Err(wrong("is not https")),
    }
}

/// The innermost reason: the outer ones repeat the address.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} seconds", REQUEST.as_secs());
    }
    let mut inner: &dyn std::error::Error = error;
    while let Some(next) = inner.source() {
        inner = next;
    }
    words(&inner.to_string())
}

fn unusable(error: &reqwest::Error) -> Error {
    Error::Settings(words(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use zeroize::Zeroizing;

    use super::{Http, with, written};
    use crate::Error;

    /// A token never travels in clear, and an address never carries a password.
    #[test]
    fn only_encrypted_or_local_addresses_are_taken() {
        let take = |address| Http::new(address, "test".to_owned(), None);
        for good in ["https://kms.example:8200", "http://127.0.0.1:1", "http://[::1]:1"] {
            assert!(take(good).is_ok(), "{good}");
        }
        let with_password = ["https://user:", "word", "@vault.example"].concat();
        for bad in [
            "http://vault.example:8200",
            "http://127.0.0.1.example:8200",
            with_password.as_str(),
            "https://vault.example/path",
            "ftp://vault.example",
            "file:///etc/passwd",
            "",
            "vault:8200",
        ] {
            assert!(matches!(take(bad), Err(Error::Settings(_))), "{bad}");
        }
    }

    #[test]
    fn an_authority_without_a_certificate_is_refused() {
        let taken = Http::new("https://vault.example", "test".to_owned(), Some("none"));
        assert!(matches!(taken, Err(Error::Settings(_))));
    }

    /// What is sent has its size from the start, and what comes back does not lie on where it was.
    #[test]
    fn bytes_that_may_hold_a_key_do_not_grow() {
        let content = json!({ "Plaintext": "text \" and \n more", "Number": 7 });
        let bytes = written(&content).unwrap();
        assert_eq!(bytes.as_slice(), serde_json::to_vec(&content).unwrap());
        assert_eq!(bytes.capacity(), bytes.len());
        let small = Zeroizing::new(b"abc".to_vec());
        let grown = with(with(small, b"def"), b"");
        assert_eq!(grown.as_slice(), b"abcdef");
        let mut room = Zeroizing::new(Vec::with_capacity(64));
        room.push(b'a');
        let place = room.as_ptr();
        assert_eq!(with(room, &[b'b'; 63]).as_ptr(), place, "where there is room, it stays");
    }
}
