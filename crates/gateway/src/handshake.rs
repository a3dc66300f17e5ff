//! The first words of a connection: the client's hello is read whole and judged before anything is
//! agreed.
//!
//! The TLS library answers a hello by itself, and does not know the mark by which a client says that
//! it was brought to ask for less than it can (`TLS_FALLBACK_SCSV`, RFC 7507). So the hello is read
//! here, within a bound, and only then handed over.

use std::io;
use std::sync::Arc;

use rustls::server::{Accepted, AcceptedAlert, Acceptor, ClientHello};
use rustls::{CipherSuite, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::StartHandshake;
use tokio_rustls::server::TlsStream;

use crate::{Certificates, Metrics};

/// The largest hello that is read, in bytes. One with a post-quantum key has less than 2 KiB.
const MAX_HELLO_BYTES: usize = 16 * 1024;
/// How many bytes are asked for at a time.
const READ_BYTES: usize = 4 * 1024;
/// The first byte of a TLS handshake; no HTTP request begins with it.
const TLS_HANDSHAKE: u8 = 0x16;
/// The mark of a client that tries again with less than it can.
const FALLBACK: CipherSuite = CipherSuite::Unknown(0x5600);
/// Suites of TLS 1.3 have this as their first byte, and no others have.
const SUITES_OF_1_3: u16 = 0x13;
/// The alert for a client that asks for less than it can while we could give more.
const INAPPROPRIATE_FALLBACK: u8 = 86;
/// The alert for a client that asks for a name which is not ours.
const UNRECOGNIZED_NAME: u8 = 112;

/// What a connection is answered with.
#[derive(Clone)]
pub(crate) struct Terms {
    /// Every version that the operator allows.
    pub(crate) usual: Arc<ServerConfig>,
    /// The best version alone, for whoever says that it fell back from there.
    pub(crate) best: Arc<ServerConfig>,
    /// What both present.
    pub(crate) certificates: Arc<Certificates>,
}

/// What became of a new connection.
pub(crate) enum Opened {
    Tls(Box<TlsStream<TcpStream>>),
    /// It speaks something else than TLS.
    Clear(TcpStream),
    /// It ended, or did not agree.
    Nothing,
}

/// How a hello ended without an agreement.
enum Ended {
    /// The connection, or the library's patience.
    Broken(io::Error),
    /// With this alert, and the reason for it.
    Alert(Vec<u8>, rustls::Error),
    /// The client asks for less than it can.
    Fallback,
    /// The client asks for a name that is not ours.
    Name,
}

/// Agrees on TLS, unless the client never meant to. How long it may take is the caller's to say.
pub(crate) async fn open(mut tcp: TcpStream, terms: &Terms, metrics: &Metrics) -> Opened {
    let mut first = [0];
    match tcp.peek(&mut first).await {
        Ok(1) if first == [TLS_HANDSHAKE] => {}
        Ok(1) => return Opened::Clear(tcp),
        _ => return Opened::Nothing,
    }
    let (accepted, config) = match agree(&mut tcp, terms).await {
        Ok(agreed) => agreed,
        Err(ended) => {
            if matches!(ended, Ended::Fallback) {
                metrics.fallback();
            }
            leave(tcp, ended).await;
            return Opened::Nothing;
        }
    };
    match StartHandshake::from_parts(accepted, tcp).into_stream(config).await {
        Ok(tls) => Opened::Tls(Box::new(tls)),
        Err(error) => {
            tracing::debug!(%error, "TLS was not agreed");
            Opened::Nothing
        }
    }
}

async fn agree(tcp: &mut TcpStream, terms: &Terms) -> Result<(Accepted, Arc<ServerConfig>), Ended> {
    let accepted = hello(tcp).await?;
    let config = Arc::clone(terms.of(&accepted.client_hello())?);
    Ok((accepted, config))
}

/// Reads a whole hello, and not more than [`MAX_HELLO_BYTES`].
async fn hello(tcp: &mut TcpStream) -> Result<Accepted, Ended> {
    let mut acceptor = Acceptor::default();
    let (mut buffer, mut left) = ([0; READ_BYTES], MAX_HELLO_BYTES);
    while left > 0 {
        let read = tcp.read(&mut buffer).await.map_err(Ended::Broken)?;
        if read == 0 {
            return Err(Ended::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
        left = left.saturating_sub(read);
        let mut unread = buffer.get(..read).unwrap_or_default();
        while !unread.is_empty() {
            acceptor.read_tls(&mut unread).map_err(Ended::Broken)?;
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => return Ok(accepted),
            Ok(None) => {}
            Err((error, alert)) => return Err(Ended::Alert(bytes_of(alert), error)),
        }
    }
    Err(Ended::Broken(io::Error::other("the hello is larger than allowed")))
}

impl Terms {
    /// With which configuration `hello` is answered. Whoever says that it fell back and does not even
    /// name a suite of TLS 1.3 is told so. One that does name some gets TLS 1.3 or nothing, so that
    /// its suites cannot be there for show.
    fn of(&self, hello: &ClientHello<'_>) -> Result<&Arc<ServerConfig>, Ended> {
        if !self.certificates.knows(hello.server_name()) {
            return Err(Ended::Name);
        }
        let suites = hello.cipher_suites();
        if !suites.contains(&FALLBACK) {
            return Ok(&self.usual);
        }
        if suites.iter().any(|suite| u16::from(*suite) >> 8 == SUITES_OF_1_3) {
            return Ok(&self.best);
        }
        Err(Ended::Fallback)
    }
}

/// Says why, if there is something to say. Whatever goes wrong here, the connection is over.
async fn leave(mut tcp: TcpStream, ended: Ended) {
    let alert = match ended {
        Ended::Broken(error) => {
            tracing::debug!(%error, "a hello did not come");
            return;
        }
        Ended::Alert(alert, error) => {
            tracing::debug!(%error, "a hello could not be answered");
            alert
        }
        Ended::Fallback => {
            tracing::debug!("a client was brought to ask for less than it can");
            fatal(INAPPROPRIATE_FALLBACK).to_vec()
        }
        Ended::Name => {
            tracing::debug!("a client asked for a name that is not ours");
            fatal(UNRECOGNIZED_NAME).to_vec()
        }
    };
    let _ = tcp.write_all(&alert).await;
    let _ = tcp.shutdown().await;
}

/// The record of a fatal alert.
const fn fatal(alert: u8) -> [u8; 7] {
    [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, alert]
}

fn bytes_of(mut alert: AcceptedAlert) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A vector takes everything.
    let _ = alert.write_all(&mut bytes);
    bytes
}
