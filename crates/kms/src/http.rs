//! HTTP to a root: bounded in time and size, and without detours.
//!
//! Redirects are not followed, since a token must not travel to another address. Proxies of the
//! environment are not used, since only the binary reads the environment and a proxy that the
//! process happened to inherit has no business between us and the root. Plain HTTP is for this
//! machine alone.

use std::io::{self, Write};
use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method, RequestBuilder, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::{Error, Host, Result};

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
    /// Whether the address is this host's, or an answer ever came from one that is.
    here: Arc<AtomicBool>,
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
        let client = builder.build().map_err(|error| unusable(&error))?;
        let here = Arc::new(AtomicBool::new(is_here(&base)));
        Ok(Self { client, base, place, here })
    }

    /// Whether the root behind this address is on this host.
    ///
    /// One that answers from here may lie here, or be forwarded from here to another machine.
    pub(crate) fn host(&self) -> Host {
        if self.here.load(Ordering::Relaxed) {
            Host::Unclear(
                "it answers at an address of this host, and whether its keys lie here or are only \
                 passed on from here cannot be told",
            )
        } else {
            Host::Another
        }
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
        // A name may lead back to this host, which shows only in who answers.
        if response.remote_addr().is_some_and(|peer| is_own(peer.ip())) {
            self.here.store(true, Ordering::Relaxed);
        }
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
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(wrong("uses plain http, which is for this machine alone; use https")),
        _ => Err(wrong("is not https")),
    }
}

/// The address in `url`, which is read as the standard for URLs reads it: `0x7f000001` is one too.
fn address(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?.trim_matches(['[', ']']);
    host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// Whether what is sent there never leaves this machine. Names below `localhost` are loopback by
/// RFC 6761, and an unspecified address is where this machine itself is asked.
fn is_loopback(url: &Url) -> bool {
    let name = url.host_str().unwrap_or_default().trim_end_matches('.');
    name == "localhost"
        || name.ends_with(".localhost")
        || address(url).is_some_and(|ip| ip.is_loopback() || ip.is_unspecified())
}

/// Whether a service at this address is on this host, by what the address says itself. One that is no
/// URL is taken for here: nobody can say that it is elsewhere.
pub fn on_this_host(address: &str) -> bool {
    Url::parse(address).map_or(true, |url| is_here(&url))
}

/// Whether `url` says itself that it is on this host.
fn is_here(url: &Url) -> bool {
    is_loopback(url) || address(url).is_some_and(is_own)
}

/// Whether this host has the address: a socket can be bound to none but its own. Nothing is sent.
fn is_own(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    ip.is_loopback() || ip.is_unspecified() || UdpSocket::bind((ip, 0)).is_ok()
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
    use reqwest::{Method, Url};
    use serde_json::json;
    use zeroize::Zeroizing;

    use super::{Http, is_here, with, written};
    use crate::testing::serve;
    use crate::{Error, Host};

    /// A token never travels in clear, and an address never carries a password.
    #[test]
    fn only_encrypted_or_local_addresses_are_taken() {
        let take = |address| Http::new(address, "test".to_owned(), None);
        for good in [
            "https://kms.example:8200",
            "http://127.0.0.1:1",
            "http://[::1]:1",
            "http://LOCALHOST:1",
            "http://vault.localhost:1",
        ] {
            assert!(take(good).is_ok(), "{good}");
        }
        let with_password = ["https://user:", "word", "@vault.example"].concat();
        for bad in [
            "http://vault.example:8200",
            "http://127.0.0.1.example:8200",
            "http://localhost.example:8200",
            "http://notlocalhost:8200",
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

    /// Every way to write this host, and some that only look like it.
    #[test]
    fn an_address_of_this_host_is_known() {
        // Nothing is sent; the kernel only says from which address it would be.
        let own = std::net::UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
            socket.connect("192.0.2.1:9")?;
            Ok(format!("https://{}:8200", socket.local_addr()?.ip()))
        });
        let own = own.unwrap_or_else(|_| "https://127.0.0.1".to_owned());
        for here in [
            "http://127.0.0.1:8200",
            "http://LOCALHOST:8200",
            "http://localhost.:8200",
            "http://vault.localhost:8200",
            "http://0x7f000001:8200",
            "http://2130706433",
            "http://127.1:8200",
            "http://[0:0:0:0:0:0:0:1]:8200",
            "https://[::ffff:127.0.0.1]",
            "https://0.0.0.0:8200",
            "https://[::]:8200",
            own.as_str(),
        ] {
            assert!(is_here(&Url::parse(here).unwrap()), "{here}");
            let http = Http::new(here, "test".to_owned(), None).unwrap();
            assert!(matches!(http.host(), Host::Unclear(_)), "{here}");
        }
        for elsewhere in [
            "https://vault.example:8200",
            "https://localhost.example",
            "https://kms.eu-west-1.amazonaws.com",
            "https://192.0.2.1:8200",
            "https://[2001:db8::1]",
        ] {
            assert!(!is_here(&Url::parse(elsewhere).unwrap()), "{elsewhere}");
        }
    }

    /// A name that leads back here is noticed once somebody answers.
    #[tokio::test]
    async fn who_answers_tells_where_a_name_leads() {
        let address = serve(|_| (200, Vec::new())).await;
        let mut http = Http::new("https://vault.example", "test".to_owned(), None).unwrap();
        assert_eq!(http.host(), Host::Another);
        // As if the name had been resolved to the address that answers.
        http.client = reqwest::Client::new();
        http.send(http.request(Method::GET, Url::parse(&address).unwrap())).await.unwrap();
        assert!(matches!(http.host(), Host::Unclear(_)));
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
