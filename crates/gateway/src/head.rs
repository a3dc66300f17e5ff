//! The head of a request, read strictly before the HTTP library reads it.
//!
//! Request smuggling lives on heads that two programs read differently. Everything here that is
//! merely odd is refused: the library behind would repair some of it in silence, and would answer
//! the rest by itself, without our headers.

use http::Uri;

use crate::refusal::{METHODS, Refusal};

/// The longest head, in bytes, with its request line.
pub(crate) const MAX_HEAD_BYTES: usize = 32 * 1024;
/// The longest target of a request, in bytes.
const MAX_TARGET_BYTES: usize = 8 * 1024;
/// The most header lines.
pub(crate) const MAX_HEADERS: usize = 100;
/// The longest `Host`, in bytes: 253 for a name, and its port.
const MAX_HOST_BYTES: usize = 260;

const LINES: Refusal = Refusal::Malformed(
    "The request's lines do not end with CR and LF, or hold control characters.",
);
const UNREADABLE: Refusal = Refusal::Malformed("The request could not be read as HTTP/1.1.");
pub(crate) const TARGET: Refusal =
    Refusal::Malformed("The request's target must be a path on this host.");
pub(crate) const HOST: Refusal =
    Refusal::Malformed("The request must name exactly one valid host.");
pub(crate) const LENGTH: Refusal =
    Refusal::Malformed("The request's length is not stated in exactly one valid way.");

/// How the request's body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes.
    Sized(u64),
    /// Chunks.
    Chunked,
}

/// Looks for the end of a head while its bytes arrive.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    seen: usize,
    line: usize,
    after_cr: bool,
}

impl Scan {
    /// Where the head ends, behind its empty line, if it is there yet. `bytes` are all bytes since
    /// the head began; those of an earlier call are not looked at again.
    ///
    /// A bare CR, a bare LF or a control character is refused as soon as it arrives, without
    /// waiting for an end that may never come.
    pub(crate) fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        for byte in bytes.get(self.seen..).unwrap_or_default() {
            self.seen += 1;
            match byte {
                b'\n' if !self.after_cr => return Err(LINES),
                b'\n' if self.line == 0 => return Ok(Some(self.seen)),
                b'\n' => self.line = 0,
                _ if self.after_cr => return Err(LINES),
                b'\r' => {}
                b'\t' | b' '..=b'~' | 0x80.. => self.line += 1,
                _ => return Err(LINES),
            }
            self.after_cr = *byte == b'\r';
        }
        if self.seen >= MAX_HEAD_BYTES {
            return Err(Refusal::HeadTooLarge);
        }
        Ok(None)
    }
}

/// Checks a whole head, up to and with its empty line, and says how long its body is.
pub(crate) fn inspect(head: &[u8]) -> Result<Framing, Refusal> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut lines);
    match request.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLarge),
        _ => return Err(UNREADABLE),
    }
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Err(UNREADABLE);
    };
    if !METHODS.contains(&method) {
        return Err(Refusal::Method);
    }
    check_target(method, target)?;
    check_host(request.headers, minor)?;
    framing(request.headers, minor)
}

pub(crate) fn check_target(method: &str, target: &str) -> Result<(), Refusal> {
    if target.len() > MAX_TARGET_BYTES {
        return Err(Refusal::TargetTooLong);
    }
    let path = target.starts_with('/') || (target == "*" && method == "OPTIONS");
    let plain = target.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    if path && plain && target.parse::<Uri>().is_ok() { Ok(()) } else { Err(TARGET) }
}

fn check_host(headers: &[httparse::Header<'_>], minor: u8) -> Result<(), Refusal> {
    let mut hosts = all(headers, "host");
    let valid = match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_host(host),
        (None, _) => minor == 0,
        _ => false,
    };
    if valid { Ok(()) } else { Err(HOST) }
}

pub(crate) fn is_host(host: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(b);
    !host.is_empty() && host.len() <= MAX_HOST_BYTES && host.iter().all(plain)
}

fn framing(headers: &[httparse::Header<'_>], minor: u8) -> Result<Framing, Refusal> {
    let mut lengths = all(headers, "content-length");
    let mut encodings = all(headers, "transfer-encoding");
    let found = (lengths.next(), lengths.next(), encodings.next(), encodings.next());
    match found {
        (None, None, None, None) => Ok(Framing::Sized(0)),
        (Some(length), None, None, None) => number(length).map(Framing::Sized).ok_or(LENGTH),
        (None, None, Some(coding), None) if minor == 1 => {
            if coding.eq_ignore_ascii_case(b"chunked") { Ok(Framing::Chunked) } else { Err(LENGTH) }
        }
        _ => Err(LENGTH),
    }
}

pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    // `parse` would also take a leading plus sign. One digit less than the largest number, so that
    // nobody has to think about its edge.
    if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn all<'h>(
    headers: &'h [httparse::Header<'h>],
    name: &'static str,
) -> impl Iterator<Item = &'h [u8]> {
    headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .map(|header| header.value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Framing, MAX_HEAD_BYTES, Refusal, Scan, inspect};

    fn end(bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        Scan::default().end(bytes)
    }

    fn read(head: &str) -> Result<Framing, Refusal> {
        match end(head.as_bytes())? {
            Some(length) => inspect(&head.as_bytes()[..length]),
            None => panic!("no end in {head:?}"),
        }
    }

    fn framed(lines: &str) -> Result<Framing, Refusal> {
        read(&format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n"))
    }

    /// What browsers send is let through.
    #[test]
    fn ordinary_heads_pass() {
        let get = "GET /a?b=%20c HTTP/1.1\r\nHost: a.example:8443\r\nX: \u{e9}\r\n\r\n";
        assert_eq!(read(get), Ok(Framing::Sized(0)));
        assert_eq!(read("GET / HTTP/1.0\r\n\r\n"), Ok(Framing::Sized(0)));
        assert_eq!(framed("Content-Length: 12\r\n"), Ok(Framing::Sized(12)));
        assert_eq!(framed("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
        assert!(read("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").is_ok());
    }

    /// The ways to make two programs see two different ends of one request.
    #[test]
    fn two_ways_to_state_a_length_are_refused() {
        for lines in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
            "Content-Length: 3\r\nContent-Length: 3\r\n",
            "Content-Length: 3\r\nContent-Length: 4\r\n",
            "Content-Length: 3, 3\r\n",
            "Content-Length: +3\r\n",
            "Content-Length: 0x3\r\n",
            "Content-Length:\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: identity, chunked\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding : chunked\r\n",
            "Content-Length: 3\r\n Transfer-Encoding: chunked\r\n",
            "X: a\r\n\tfolded\r\n",
        ] {
            assert!(framed(lines).is_err(), "{lines:?}");
        }
        let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(read(old).is_err());
    }

    /// A line's end is CR LF and nothing else, and that is known at once.
    #[test]
    fn bare_line_ends_and_control_characters_are_refused() {
        for head in [
            "GET / HTTP/1.1\n",
            "\n",
            "GET / HTTP/1.1\r\nHost: a\n",
            "GET / HTTP/1.1\r\nX: a\rb",
            "GET / HTTP/1.1\r\nX: a\0",
            "\u{16}\u{3}\u{1}",
        ] {
            assert!(end(head.as_bytes()).is_err(), "{head:?}");
        }
        assert_eq!(end(b"GET / HTTP/1.1\r\nHost: a\r\n\r"), Ok(None));
    }

    /// Only a path on exactly one host can be asked for, by a known method.
    #[test]
    fn targets_hosts_and_methods_are_checked() {
        for head in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost:\r\n\r\n",
            "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\n\r\n",
        ] {
            assert!(matches!(read(head), Err(Refusal::Malformed(_))), "{head:?} {:?}", read(head));
        }
        for head in ["CONNECT a:443 HTTP/1.1", "TRACE / HTTP/1.1", "get / HTTP/1.1"] {
            let read = read(&format!("{head}\r\nHost: a\r\n\r\n"));
            assert_eq!(read, Err(Refusal::Method), "{head}");
        }
    }

    /// Each bound has its own answer.
    #[test]
    fn sizes_are_bounded() {
        let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(9000));
        assert_eq!(read(&long), Err(Refusal::TargetTooLong));
        assert_eq!(framed(&"X: a\r\n".repeat(100)), Err(Refusal::HeadTooLarge));
        let endless = vec![b'a'; MAX_HEAD_BYTES];
        assert_eq!(end(&endless), Err(Refusal::HeadTooLarge));
    }

    proptest! {
        /// The end is found at the same place however the bytes are cut, and no bytes panic.
        #[test]
        fn the_end_does_not_depend_on_the_cuts(
            bytes in proptest::collection::vec(
                prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'a'), any::<u8>()],
                0..60,
            ),
            step in 1usize..7,
        ) {
            let whole = end(&bytes);
            let (mut seen, mut scan, mut cut) = (0, Scan::default(), Ok(None));
            while seen < bytes.len() {
                seen = (seen + step).min(bytes.len());
                cut = scan.end(&bytes[..seen]);
                if cut != Ok(None) {
                    break;
                }
            }
            prop_assert_eq!(cut, whole);
            if let Ok(Some(length)) = whole {
                let _ = inspect(&bytes[..length]);
            }
        }
    }
}
