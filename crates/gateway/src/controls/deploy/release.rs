//! A release of an application that is small enough to be switched to and killed by a proof.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The page that its health is asked at.
pub(super) const HEALTH: &str = "/health";
/// An answer that goes on until the release is told to finish.
pub(super) const LONG: &str = "/long";
/// How such an answer begins and ends.
pub(super) const LONG_BEGIN: &str = "begun";
pub(super) const LONG_END: &str = "whole";
/// Where a socket is opened, which says what it hears.
pub(super) const SOCKET: &str = "/socket";
/// The longest request that is read, in bytes.
const MAX_REQUEST_BYTES: usize = 64 * 1024;
/// The most header lines that are read.
const MAX_HEADERS: usize = 64;

/// How a release behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Temper {
    /// It answers everything.
    Well,
    /// It answers everything with 500, its health too.
    Ill,
}

/// A running release: it answers who it is and how long the body was. It dies when it is dropped, with
/// all that it is doing.
pub(super) struct Release {
    pub(super) address: SocketAddr,
    finish: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Release {
    pub(super) async fn start(name: &'static str, temper: Temper) -> Result<Self, String> {
        let text = |error: io::Error| error.to_string();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(text)?;
        let address = listener.local_addr().map_err(text)?;
        let (finish, finished) = watch::channel(false);
        let work = Arc::new(Work { name, temper, finished });
        let task = tokio::spawn(async move {
            // They end with this one.
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                connections.spawn(Arc::clone(&work).serve(tcp));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, finish, task })
    }

    /// Lets answers end that go on.
    pub(super) fn finish(&self) {
        self.finish.send_replace(true);
    }

    /// Ends it as a crash would.
    pub(super) fn kill(&self) {
        self.task.abort();
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Work {
    name: &'static str,
    temper: Temper,
    finished: watch::Receiver<bool>,
}

impl Work {
    async fn serve(self: Arc<Self>, tcp: TcpStream) {
        // A connection that breaks is its other side's business.
        let _ = self.try_serve(tcp).await;
    }

    async fn try_serve(&self, mut tcp: TcpStream) -> io::Result<()> {
        tcp.set_nodelay(true)?;
        let mut ahead = Vec::new();
        while let Some((path, length)) = next(&mut tcp, &mut ahead).await? {
            match path.as_str() {
                LONG => {
                    let begin = format!(
                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}",
                        chunk(LONG_BEGIN)
                    );
                    tcp.write_all(begin.as_bytes()).await?;
                    // When nobody is left who could say it, everything ends anyway.
                    let _ = self.finished.clone().wait_for(|finished| *finished).await;
                    tcp.write_all(format!("{}0\r\n\r\n", chunk(LONG_END)).as_bytes()).await?;
                }
                SOCKET => {
                    tcp.write_all(
                        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                          Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
                    )
                    .await?;
                    tcp.write_all(&ahead).await?;
                    let (mut read, mut write) = tcp.split();
                    tokio::io::copy(&mut read, &mut write).await?;
                    return Ok(());
                }
                _ => {
                    let status = match self.temper {
                        Temper::Well => "200 OK",
                        Temper::Ill => "500 Internal Server Error",
                    };
                    let said = format!("{} {length}", self.name);
                    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}", said.len());
                    tcp.write_all(format!("{head}\r\n\r\n{said}").as_bytes()).await?;
                }
            }
        }
        Ok(())
    }
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// The next request's path and the length of its body, which is read; `None` at the end.
async fn next(tcp: &mut TcpStream, ahead: &mut Vec<u8>) -> io::Result<Option<(String, usize)>> {
    loop {
        if let Some((path, head, body)) = head(ahead)? {
            while ahead.len() < head + body {
                if tcp.read_buf(ahead).await? == 0 {
                    return Ok(None);
                }
            }
            ahead.drain(..head + body);
            return Ok(Some((path, body)));
        }
        if ahead.len() > MAX_REQUEST_BYTES || tcp.read_buf(ahead).await? == 0 {
            return Ok(None);
        }
    }
}

/// Path, length of the head and of the body, once the head is complete.
fn head(bytes: &[u8]) -> io::Result<Option<(String, usize, usize)>> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut lines);
    let parsed = request.parse(bytes).map_err(io::Error::other)?;
    let httparse::Status::Complete(head) = parsed else { return Ok(None) };
    let path = request.path.unwrap_or_default().to_owned();
    let length = request.headers.iter().find(|l| l.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|l| std::str::from_utf8(l.value).ok()?.parse().ok());
    Ok(Some((path, head, length.unwrap_or_default())))
}
