//! One connection to a Redis: bytes out, answers in, in order.
//!
//! Proofs have to send what no client library would, so this is as plain as the protocol: how a
//! request is written and an answer is read is the library's, everything else is said here. Nothing
//! is sent twice and nothing is reconnected behind anybody's back.

use std::path::PathBuf;
use std::time::Duration;

use ::redis::{Cmd, Value, parse_redis_value_async};
use combine::parser::combinator::AnySendSyncPartialState;
use combine::stream::{Decoder, PointerOffset};
use kernel::Secret;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::tls::{self, Trust};
use crate::{Error, Result};

/// How long a connection and an answer may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The oldest server that can hold places, by the first number of its version: those before have no second
/// rules for a login, and cannot be asked what one may run.
const OLDEST: u32 = 7;

/// Where a Redis listens.
#[derive(Debug, Clone)]
pub(super) enum Address {
    /// A socket of this machine.
    Socket(PathBuf),
    /// Over the network, in clear or in TLS.
    Tcp { host: String, port: u16, tls: Option<Trust> },
}

/// Where to connect and as whom.
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub(super) address: Address,
    pub(super) user: String,
    pub(super) password: Secret,
}

/// Something that bytes go through.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    /// What of an answer has arrived.
    decoder: Decoder<AnySendSyncPartialState, PointerOffset<[u8]>>,
    place: String,
    /// Whether a command was sent whose answer has not arrived.
    owed: bool,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "{}", path.display()),
            Self::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
        }
    }
}

impl Door {
    /// Connects and logs in.
    ///
    /// # Errors
    /// When nobody answers, the login is refused, or the server is too old or one of a cluster.
    pub(super) async fn enter(&self) -> Result<Wire> {
        let mut wire = Wire::connect(&self.address).await?;
        let greeting = ["HELLO", "2", "AUTH", &self.user, self.password.expose()];
        let answer = wire.ask(greeting).await?;
        match unfit(&answer) {
            Some(why) => Err(wire.failed(why)),
            None => Ok(wire),
        }
    }
}

impl Wire {
    /// Connects, and is nobody yet.
    ///
    /// # Errors
    /// When nobody answers.
    pub(super) async fn connect(address: &Address) -> Result<Self> {
        let place = address.to_string();
        let failed = |why: String| Error::Redis { place: place.clone(), why };
        let connect = async {
            let stream: Box<dyn Stream> = match address {
                Address::Socket(path) => {
                    let socket = UnixStream::connect(path).await;
                    Box::new(socket.map_err(|e| failed(e.to_string()))?)
                }
                Address::Tcp { host, port, tls } => {
                    let stream = TcpStream::connect((host.as_str(), *port)).await;
                    let stream = stream.map_err(|e| failed(e.to_string()))?;
                    stream.set_nodelay(true).map_err(|e| failed(e.to_string()))?;
                    match tls {
                        None => Box::new(stream),
                        Some(trust) => {
                            Box::new(tls::secured(trust, host, stream).await.map_err(&failed)?)
                        }
                    }
                }
            };
            Ok::<_, Error>(stream)
        };
        // A Redis that is greeted in TLS where it does not speak it waits for the rest.
        let late = |_| match address {
            Address::Tcp { tls: Some(_), .. } => {
                failed("it does not answer, or does not speak TLS there".to_owned())
            }
            _ => failed("it does not answer".to_owned()),
        };
        let stream = timeout(PATIENCE, connect).await.map_err(late)??;
        Ok(Self { stream, decoder: Decoder::new(), place, owed: false })
    }

    /// Sends one command and returns its answer; what the server pushes in between is passed over.
    ///
    /// # Errors
    /// When the server refuses it, or the connection is lost.
    pub(super) async fn ask<T: AsRef<[u8]>>(
        &mut self,
        args: impl IntoIterator<Item = T>,
    ) -> Result<Value> {
        match self.try_ask(args).await? {
            Value::ServerError(refusal) => Err(self.failed(words(&refusal))),
            value => Ok(value),
        }
    }

    /// The same, where a refusal is an answer like every other.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(super) async fn try_ask<T: AsRef<[u8]>>(
        &mut self,
        args: impl IntoIterator<Item = T>,
    ) -> Result<Value> {
        self.owed = true;
        if let Err(error) = self.send(&Zeroizing::new(packed(args))).await {
            // A server that takes nobody in says so and closes at once.
            return match self.receive().await {
                Ok(refusal @ Value::ServerError(_)) => Ok(refusal),
                _ => Err(error),
            };
        }
        loop {
            match self.receive().await? {
                Value::Push { .. } => {}
                value => {
                    self.owed = false;
                    return Ok(value);
                }
            }
        }
    }

    /// Whether each command that was asked has its answer: what comes next over any other is
    /// nobody's.
    pub(super) const fn is_sound(&self) -> bool {
        !self.owed
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout(PATIENCE, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.failed(error.to_string())),
            Err(_) => Err(self.failed("it does not take what is sent".to_owned())),
        }
    }

    /// The next answer.
    ///
    /// # Errors
    /// When none comes in time, or the connection is lost.
    pub(super) async fn receive(&mut self) -> Result<Value> {
        self.receive_within(PATIENCE).await?.ok_or_else(|| self.failed("no answer".to_owned()))
    }

    /// The next answer, or `None` when there is none for `patience`. After that the connection is
    /// of no more use.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(super) async fn receive_within(&mut self, patience: Duration) -> Result<Option<Value>> {
        let read = parse_redis_value_async(&mut self.decoder, &mut self.stream);
        match timeout(patience, read).await {
            Ok(Ok(value)) => Ok(Some(value)),
            Ok(Err(error)) => Err(self.failed(tls::late(error.to_string()))),
            Err(_) => Ok(None),
        }
    }

    pub(super) fn failed(&self, why: String) -> Error {
        Error::Redis { place: self.place.clone(), why }
    }
}

/// Why there can be no places on a server, by its answer to `HELLO`.
pub(super) fn unfit(greeting: &Value) -> Option<String> {
    let said = |what: &str| match greeting {
        Value::Array(all) => all.chunks(2).find_map(|pair| match pair {
            [name, value] if text(name).as_deref() == Some(what) => text(value),
            _ => None,
        }),
        _ => None,
    };
    let version = said("version").unwrap_or_default();
    let first = version.split('.').next().and_then(|number| number.parse::<u32>().ok());
    if first.is_none_or(|first| first < OLDEST) {
        return Some(format!(
            "its version is \"{version}\", and tenants' places need Redis 7.0 or newer"
        ));
    }
    let mode = said("mode").filter(|mode| mode != "standalone")?;
    Some(format!("it runs as {mode}, and tenants' places need one server by itself"))
}

/// A command as it goes over the wire.
pub(super) fn packed<T: AsRef<[u8]>>(args: impl IntoIterator<Item = T>) -> Vec<u8> {
    let mut cmd = Cmd::new();
    for arg in args {
        cmd.arg(arg.as_ref());
    }
    cmd.get_packed_command()
}

/// A refusal in the server's words.
pub(super) fn words(refusal: &::redis::ServerError) -> String {
    format!("{} {}", refusal.code(), refusal.details().unwrap_or_default()).trim_end().to_owned()
}

/// A text of an answer.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        Value::Okay => Some("OK".to_owned()),
        _ => None,
    }
}

/// The texts of a list.
pub(super) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) | Value::Set(values) => values.iter().filter_map(text).collect(),
        one => text(one).into_iter().collect(),
    }
}
