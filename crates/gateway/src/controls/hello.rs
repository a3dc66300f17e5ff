//! Hellos that no library writes any more, and what a server says to them.
//!
//! A client that cannot offer an old protocol cannot see whether it is refused. So the hellos of all
//! of them are written here byte for byte, and the answer is read as it comes: an alert, the end of
//! the connection, or a server's hello, which says what the server would have spoken.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// SSL 2.0, which has a form of its own.
pub(crate) const SSL_2: u16 = 0x0002;
/// SSL 3.0.
pub(crate) const SSL_3: u16 = 0x0300;
/// TLS 1.0.
pub(crate) const TLS_1_0: u16 = 0x0301;
/// TLS 1.1.
pub(crate) const TLS_1_1: u16 = 0x0302;
/// TLS 1.2; TLS 1.3 says this in the place of its version, too.
pub(crate) const TLS_1_2: u16 = 0x0303;
/// TLS 1.3.
pub(crate) const TLS_1_3: u16 = 0x0304;
/// The mark of a client that tries again with less than it can.
pub(crate) const FALLBACK: u16 = 0x5600;

/// How long an answer may take.
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);
/// The most of an answer that is read, in bytes. A server's hello has a few hundred.
const MAX_ANSWER_BYTES: usize = 8 * 1024;
/// The bytes that a server's hello of TLS 1.3 has in the place of randomness when it asks for another
/// key: the SHA-256 of `HelloRetryRequest`.
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];
/// What is said to be verifiable: everything, old and new, so that nothing is refused for this.
const SIGNATURES: [u16; 14] = [
    0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201,
    0x0202, 0x0101,
];

/// One hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The newest version that it asks for.
    pub(crate) version: u16,
    /// Suites, most wanted first; of SSL 2.0, the lower two of their three bytes.
    pub(crate) suites: Vec<u16>,
    /// Groups for the key exchange; no key of any comes along, so that a server of TLS 1.3 has to ask
    /// for one, and so says which it takes.
    pub(crate) groups: Vec<u16>,
    /// The name that is asked for.
    pub(crate) name: Option<String>,
}

/// What a server says to a hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It refuses, with this alert.
    Alert(u8),
    /// It goes on, with this version and suite, and this group where its hello says so.
    Hello {
        /// The version that would have been spoken.
        version: u16,
        /// The suite.
        suite: u16,
        /// The group, in TLS 1.3.
        group: Option<u16>,
    },
    /// It says something that is not TLS.
    Other,
    /// It ends the connection without a word.
    End,
}

impl Reply {
    /// Whether the server does not go on.
    #[cfg(test)]
    pub(crate) const fn is_refusal(&self) -> bool {
        !matches!(self, Self::Hello { .. })
    }
}

impl Hello {
    /// Its bytes, as they are sent.
    pub(crate) fn wire(&self) -> Vec<u8> {
        if self.version == SSL_2 { self.ssl_2() } else { self.record() }
    }

    /// Reads a hello as [`Hello::wire`] writes it, when all of it has come.
    pub(crate) fn read(wire: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(wire);
        if wire.first()? & 0x80 != 0 {
            let length = bytes.number(2)? & 0x7fff;
            let mut body = Bytes(bytes.take(length)?);
            body.take(1)?;
            let (version, length) = (body.short()?, body.number(2)?);
            body.take(4)?;
            let suites = body.take(length)?.chunks_exact(3);
            let suites = suites.filter_map(|suite| match suite {
                [high, _, low] => Some(u16::from_be_bytes([*high, *low])),
                _ => None,
            });
            return Some(Self {
                version,
                suites: suites.collect(),
                groups: Vec::new(),
                name: None,
            });
        }
        bytes.take(3)?;
        let length = bytes.number(2)?;
        let mut body = Bytes(bytes.take(length)?);
        body.take(4)?;
        let mut version = body.short()?;
        body.take(32)?;
        let session = body.number(1)?;
        body.take(session)?;
        let length = body.number(2)?;
        let suites = numbers(body.take(length)?);
        let length = body.number(1)?;
        body.take(length)?;
        let mut groups = Vec::new();
        let length = body.number(2).unwrap_or_default();
        let mut extensions = Bytes(body.take(length)?);
        while let Some(kind) = extensions.number(2) {
            let length = extensions.number(2)?;
            let content = extensions.take(length)?;
            match kind {
                10 => groups = numbers(content.get(2..)?),
                43 => version = numbers(content.get(1..)?).into_iter().max()?,
                _ => {}
            }
        }
        Some(Self { version, suites, groups, name: None })
    }

    fn ssl_2(&self) -> Vec<u8> {
        let mut body = vec![1];
        body.extend(SSL_2.to_be_bytes());
        let suites = self.suites.iter().flat_map(|suite| {
            let [high, low] = suite.to_be_bytes();
            // Each has a first byte of its own in that protocol: cipher, 0, strength.
            [high, 0, low]
        });
        let suites: Vec<u8> = suites.collect();
        let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
        body.extend(length(&suites));
        body.extend([0, 0, 0, 16]);
        body.extend(suites);
        body.extend([0x5a; 16]);
        let [high, low] = length(&body);
        let mut wire = vec![high | 0x80, low];
        wire.extend(body);
        wire
    }

    fn record(&self) -> Vec<u8> {
        let spoken = self.version.min(TLS_1_2);
        let mut body = spoken.to_be_bytes().to_vec();
        body.extend([0x5a; 32]);
        // Whatever stands for a session that is continued, the server does not know it.
        body.extend(counted(1, &[0x5a; 32]));
        body.extend(counted(2, &pairs(&self.suites)));
        body.extend([1, 0]);
        if self.version > SSL_3 {
            body.extend(counted(2, &self.extensions()));
        }
        let mut message = vec![1];
        message.extend(counted(3, &body));
        // Old servers refuse a record of another version than the first that they know.
        let mut wire = vec![22];
        wire.extend(self.version.min(TLS_1_0).to_be_bytes());
        wire.extend(counted(2, &message));
        wire
    }

    fn extensions(&self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut push = |kind: u16, content: &[u8]| {
            all.extend(kind.to_be_bytes());
            all.extend(counted(2, content));
        };
        if let Some(name) = &self.name {
            let mut entry = vec![0];
            entry.extend(counted(2, name.as_bytes()));
            push(0, &counted(2, &entry));
        }
        push(10, &counted(2, &pairs(&self.groups)));
        push(11, &[1, 0]);
        push(13, &counted(2, &pairs(&SIGNATURES)));
        push(23, &[]);
        push(0xff01, &[0]);
        if self.version >= TLS_1_3 {
            push(43, &counted(1, &pairs(&[self.version])));
            push(51, &counted(2, &[]));
        }
        all
    }

    /// Says it to whoever listens at `address`.
    ///
    /// # Errors
    /// When nobody listens there, or nothing comes in time. The text says which.
    pub(crate) async fn ask(&self, address: SocketAddr) -> Result<Reply, String> {
        let asked = async {
            let mut tcp = TcpStream::connect(address).await?;
            tcp.write_all(&self.wire()).await?;
            let mut answer = Vec::new();
            loop {
                if let Some(reply) = read(&answer) {
                    return Ok(reply);
                }
                // An alert can be followed by a reset, which is no less of an end.
                let read = tcp.read_buf(&mut answer).await.unwrap_or(0);
                if read == 0 {
                    return Ok(if answer.is_empty() { Reply::End } else { Reply::Other });
                }
            }
        };
        let answer: Result<std::io::Result<Reply>, _> = timeout(ANSWER_DEADLINE, asked).await;
        let answer = answer.map_err(|_| "no answer in time".to_owned())?;
        answer.map_err(|error| error.to_string())
    }
}

/// What a server said, or `None` when there has to be more.
pub(crate) fn read(answer: &[u8]) -> Option<Reply> {
    let mut bytes = Bytes(answer);
    let kind = bytes.number(1)?;
    match kind {
        21 => {
            bytes.take(4)?;
            bytes.number(1)?;
            Some(Reply::Alert(u8::try_from(bytes.number(1)?).unwrap_or_default()))
        }
        22 => {
            bytes.take(2)?;
            let length = bytes.number(2)?;
            if answer.len() > MAX_ANSWER_BYTES {
                return Some(Reply::Other);
            }
            let record = Bytes(bytes.take(length)?);
            // A hello that does not fit one record is not one that any server sends.
            Some(server_hello(record).unwrap_or(Reply::Other))
        }
        // The hello of an SSL 2.0 server: length, then 4.
        128..=255 => {
            bytes.take(1)?;
            match bytes.number(1)? {
                4 => Some(Reply::Hello { version: SSL_2, suite: 0, group: None }),
                _ => Some(Reply::Other),
            }
        }
        _ => Some(Reply::Other),
    }
}

fn server_hello(mut record: Bytes<'_>) -> Option<Reply> {
    if record.number(1)? != 2 {
        return None;
    }
    let length = record.number(3)?;
    let mut body = Bytes(record.take(length)?);
    let mut version = body.short()?;
    let random = body.take(32)?;
    let session = body.number(1)?;
    body.take(session)?;
    let suite = body.short()?;
    body.take(1)?;
    let mut group = None;
    if let Some(length) = body.number(2) {
        let mut extensions = Bytes(body.take(length)?);
        while let Some(kind) = extensions.number(2) {
            let length = extensions.number(2)?;
            let mut content = Bytes(extensions.take(length)?);
            match kind {
                43 => version = content.short()?,
                // Asking for a key or giving one, a server begins with its group.
                51 => group = Some(content.short()?),
                _ => {}
            }
        }
    }
    if random == RETRY && version != TLS_1_3 {
        return None;
    }
    Some(Reply::Hello { version, suite, group })
}

/// A server's hello which takes `suite`, as a server of `version` up to TLS 1.2 sends it.
pub(crate) fn old_answer(version: u16, suite: u16) -> Vec<u8> {
    if version == SSL_2 {
        return vec![0x80, 11, 4, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0];
    }
    let mut body = version.to_be_bytes().to_vec();
    body.extend([0xa5; 32]);
    body.push(0);
    body.extend(suite.to_be_bytes());
    body.push(0);
    let mut message = vec![2];
    message.extend(counted(3, &body));
    let mut wire = vec![22];
    wire.extend(version.to_be_bytes());
    wire.extend(counted(2, &message));
    wire
}

/// A server's hello of TLS 1.3 which asks for a key of `group`.
pub(crate) fn retry_answer(suite: u16, group: u16) -> Vec<u8> {
    let mut extensions = vec![0, 43, 0, 2, 3, 4, 0, 51, 0, 2];
    extensions.extend(group.to_be_bytes());
    let mut body = TLS_1_2.to_be_bytes().to_vec();
    body.extend(RETRY);
    body.extend(counted(1, &[0x5a; 32]));
    body.extend(suite.to_be_bytes());
    body.push(0);
    body.extend(counted(2, &extensions));
    let mut message = vec![2];
    message.extend(counted(3, &body));
    let mut wire = vec![22, 3, 3];
    wire.extend(counted(2, &message));
    wire
}

/// `content` behind its length in so many bytes.
fn counted(bytes: usize, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let from = length.len().saturating_sub(bytes);
    let mut all = length.get(from..).unwrap_or_default().to_vec();
    all.extend(content);
    all
}

fn pairs(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn numbers(pairs: &[u8]) -> Vec<u16> {
    let pairs = pairs.chunks_exact(2);
    pairs.filter_map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?))).collect()
}

/// Bytes that are read from their beginning.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        Some(self.take(bytes)?.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)))
    }

    fn short(&mut self) -> Option<u16> {
        u16::try_from(self.number(2)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Hello, Reply, SSL_2, TLS_1_0, TLS_1_2, TLS_1_3, old_answer, read, retry_answer};

    /// What is written as a server's answer is read as one, and only when all of it has come.
    #[test]
    fn answers_are_read_as_they_are_written() {
        for version in [SSL_2, TLS_1_0, TLS_1_2] {
            let suite = if version == SSL_2 { 0 } else { 0x002f };
            let wire = old_answer(version, suite);
            assert_eq!(read(&wire), Some(Reply::Hello { version, suite, group: None }));
            assert!(read(&wire[..2]).is_none());
        }
        let wire = retry_answer(0x1301, 0x0017);
        let reply = Reply::Hello { version: TLS_1_3, suite: 0x1301, group: Some(0x0017) };
        assert_eq!(read(&wire), Some(reply));
        assert!(read(&wire[..wire.len() - 1]).is_none());
        assert_eq!(read(&[21, 3, 3, 0, 2, 2, 86]), Some(Reply::Alert(86)));
        assert_eq!(read(b"HTTP/1.1 400 Bad Request"), Some(Reply::Other));
    }

    /// What is written as a hello is read as one.
    #[test]
    fn hellos_are_read_as_they_are_written() {
        for version in [SSL_2, TLS_1_0, TLS_1_2, TLS_1_3] {
            let groups = if version == SSL_2 { vec![] } else { vec![0x001d, 0x0017] };
            let hello = Hello { version, suites: vec![0x0180, 0x0280], groups, name: None };
            let wire = hello.wire();
            assert_eq!(Hello::read(&wire), Some(hello));
            assert!(Hello::read(&wire[..20]).is_none());
        }
    }

    /// Whatever a server says, reading it ends.
    #[test]
    fn damaged_answers_are_survived() {
        let samples =
            [old_answer(TLS_1_2, 0x002f), retry_answer(0x1301, 0x0017), old_answer(SSL_2, 0)];
        testkit::try_damaged("hello", &samples, crate::fuzzing::hello);
    }
}
