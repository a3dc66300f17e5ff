//! Requests as an attacker writes them: to the byte, with paths that a well-behaved client would
//! tidy up.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use kernel::{Secret, percent};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: u64 = 4 << 20;

/// An answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// In lower case, sorted, without the time.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// Whether two answers are the same in everything that a client sees.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.status, &self.headers, &self.body) == (other.status, &other.headers, &other.body)
    }

    /// Whether `text` stands in it, be it in a header or in the body.
    pub(super) fn holds(&self, text: &str) -> bool {
        holds(&self.body, text)
            || self.headers.iter().any(|(_, value)| holds(value.as_bytes(), text))
    }
}

/// Whether `text` stands somewhere in `bytes`.
pub(super) fn holds(bytes: &[u8], text: &str) -> bool {
    !text.is_empty() && bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Asked<'a> {
    pub(super) token: Option<&'a Secret>,
    pub(super) method: &'a str,
    /// As it stands in the first line.
    pub(super) target: &'a str,
    pub(super) headers: &'a [(String, String)],
    pub(super) body: &'a [u8],
}

impl Asked<'_> {
    fn head(&self, address: SocketAddr) -> String {
        let Self { token, method, target, headers, body } = self;
        let mut head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Length: {}\r\n",
            body.len()
        );
        if let Some(token) = token {
            // Writing to a `String` cannot fail.
            let _ = write!(head, "Authorization: Bearer {}\r\n", token.expose());
        }
        for (name, value) in *headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        head
    }

    /// Sends it and reads the whole answer.
    pub(super) async fn send(&self, address: SocketAddr) -> Result<Answer, String> {
        let ask = async {
            let mut stream = TcpStream::connect(address).await?;
            // A refusal may come, and the connection close, before the body is sent.
            stream.write_all(self.head(address).as_bytes()).await?;
            let sent = stream.write_all(self.body).await;
            let mut bytes = Vec::new();
            let read = (&mut stream).take(MAX_ANSWER_BYTES).read_to_end(&mut bytes).await;
            if bytes.is_empty() {
                sent.and(read)?;
            }
            std::io::Result::Ok(bytes)
        };
        let bytes = timeout(PATIENCE, ask).await.map_err(|_| "there was no answer".to_owned())?;
        parse(&bytes.map_err(|error| error.to_string())?)
    }

    /// Sends the head alone and waits to be told to go on, which is told once there is room for the
    /// body. The connection, or the refusal.
    pub(super) async fn begin(&self, address: SocketAddr) -> Result<Result<Begun, Answer>, String> {
        let ask = async {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(self.head(address).as_bytes()).await?;
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"\r\n\r\n") {
                bytes.push(stream.read_u8().await?);
            }
            if bytes.starts_with(b"HTTP/1.1 100") {
                return Ok(Ok(Begun(stream)));
            }
            (&mut stream).take(MAX_ANSWER_BYTES).read_to_end(&mut bytes).await?;
            std::io::Result::Ok(Err(bytes))
        };
        let asked = timeout(PATIENCE, ask).await.map_err(|_| "there was no answer".to_owned())?;
        match asked.map_err(|error| error.to_string())? {
            Ok(begun) => Ok(Ok(begun)),
            Err(bytes) => parse(&bytes).map(Err),
        }
    }
}

/// A request whose body is awaited.
pub(super) struct Begun(TcpStream);

impl Begun {
    /// Sends the body and reads the answer.
    pub(super) async fn end(mut self, body: &[u8]) -> Result<Answer, String> {
        let ask = async {
            self.0.write_all(body).await?;
            let mut bytes = Vec::new();
            (&mut self.0).take(MAX_ANSWER_BYTES).read_to_end(&mut bytes).await?;
            std::io::Result::Ok(bytes)
        };
        let bytes = timeout(PATIENCE, ask).await.map_err(|_| "there was no answer".to_owned())?;
        parse(&bytes.map_err(|error| error.to_string())?)
    }
}

/// Reads an answer. One in chunks is left as it came: what is looked for in it is short.
fn parse(bytes: &[u8]) -> Result<Answer, String> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) = end.and_then(|end| bytes.split_at_checked(end)).ok_or("it is no answer")?;
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
    };
    let mut headers: Vec<_> = lines.filter_map(header).filter(|(name, _)| name != "date").collect();
    headers.sort();
    let body = body.get(4..).unwrap_or_default().to_vec();
    Ok(Answer { status: status.ok_or("it has no status")?, headers, body })
}

/// Percent-encodes every byte of `text` that is not plain everywhere.
pub(super) fn encoded(text: &str) -> String {
    percent(text, b"-_.~")
}

#[cfg(test)]
mod tests {
    use super::{encoded, holds, parse};

    #[test]
    fn an_answer_is_read() {
        let text = b"HTTP/1.1 404 Not Found\r\nDate: x\r\nB: 2\r\nA: 1\r\n\r\nbody";
        let answer = parse(text).unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (404, b"body".as_slice()));
        assert_eq!(answer.headers.len(), 2);
        assert!(answer.holds("2") && answer.holds("od") && !answer.holds("x"));
        for odd in [&b""[..], b"HTTP/1.1", b"HTTP/1.1 x\r\n\r\n", b"\r\n\r\n"] {
            assert!(parse(odd).is_err());
        }
        assert!(holds(b"abc", "bc") && !holds(b"abc", "") && !holds(b"", "a"));
        assert_eq!(encoded("a/é\0"), "a%2F%C3%A9%00");
    }
}
