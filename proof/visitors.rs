//! Visitors of a house who ask over HTTP/1.1 and HTTP/2 all the time and count what fails, and an application
//! that answers them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::house::LOOK_AGAIN;

/// How long what is waited for may take on a slow machine.
pub const PATIENCE: Duration = Duration::from_mins(3);
/// So many requests of each visitor are answered before and after each upgrade.
pub const SOME: usize = 15;

/// An application that says its name, reads what is sent, tells events until it is told to stop, and echoes
/// on sockets.
pub async fn application(listener: TcpListener, finish: Arc<AtomicBool>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let finish = Arc::clone(&finish);
        // A client that goes away is not our business here: it counts what fails itself.
        tokio::spawn(async move { answer(stream, &finish).await.unwrap_or_default() });
    }
}

async fn answer(stream: TcpStream, finish: &AtomicBool) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    if head.to_ascii_lowercase().contains("upgrade: websocket") {
        let opened = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                      Connection: Upgrade\r\n\r\n";
        stream.write_all(opened.as_bytes()).await?;
        let mut said = [0; 64];
        loop {
            let read = stream.read(&mut said).await?;
            if read == 0 {
                return Ok(());
            }
            stream.write_all(&said[..read]).await?;
        }
    }
    if head.starts_with("GET /products") {
        let begun =
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
        stream.write_all(begun.as_bytes()).await?;
        while !finish.load(Ordering::SeqCst) {
            stream.write_all(b"data: on\n\n").await?;
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        return stream.write_all(b"data: end\n\n").await;
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let said = format!("read {length}");
    let head =
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", said.len());
    stream.write_all(format!("{head}{said}").as_bytes()).await
}

/// How people reach a house, signed in.
#[derive(Clone)]
pub struct Way {
    pub address: String,
    pub authority: Vec<u8>,
    pub session: String,
}

impl Way {
    fn host(&self) -> String {
        format!("localhost:{}", self.address.rsplit(':').next().unwrap())
    }

    async fn connect(&self, protocol: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
        let mut config = gateway::client_config(&self.authority).unwrap().as_ref().clone();
        config.alpn_protocols = vec![protocol.to_vec()];
        let tcp = TcpStream::connect(&self.address).await?;
        TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), tcp).await
    }

    fn get(&self, version_two: bool) -> Request<Full<Bytes>> {
        let request = Request::get(if version_two {
            format!("https://{}/", self.host())
        } else {
            "/".to_owned()
        });
        let request = request.header("cookie", &self.session);
        let request = if version_two { request } else { request.header("host", self.host()) };
        request.body(Full::default()).unwrap()
    }

    fn head(&self, first: &str, lines: &str) -> String {
        let (host, session) = (self.host(), &self.session);
        format!(
            "{first} HTTP/1.1\r\nHost: {host}\r\nSec-Fetch-Site: same-origin\r\nCookie: {session}\r\n\
             {lines}\r\n"
        )
    }

    pub async fn open(&self, first: &str, lines: &str) -> TlsStream<TcpStream> {
        let mut tls = self.connect(b"http/1.1").await.unwrap();
        tls.write_all(self.head(first, lines).as_bytes()).await.unwrap();
        tls.flush().await.unwrap();
        tls
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One connection for as long as it is kept alive.
    KeepsAlive,
    /// A connection for each request.
    Comes,
    /// Several requests at a time over HTTP/2.
    Two,
}

/// One visitor, who asks until told to stop. What fails is told in words.
pub struct Visitor {
    task: JoinHandle<()>,
    answered: Arc<std::sync::Mutex<(usize, Vec<String>)>>,
}

impl Visitor {
    pub fn come(way: &Way, kind: Kind) -> Self {
        let answered = Arc::<std::sync::Mutex<(usize, Vec<String>)>>::default();
        let (way, told) = (way.clone(), Arc::clone(&answered));
        let task = tokio::spawn(async move {
            let count = |came: Result<usize, String>| {
                let mut told = told.lock().unwrap();
                match came {
                    Ok(more) => told.0 += more,
                    Err(why) => told.1.push(format!("{kind:?}: {why}")),
                }
            };
            match kind {
                Kind::Two => loop {
                    two(&way, &count).await;
                },
                _ => loop {
                    one(&way, kind, &count).await;
                },
            }
        });
        Self { task, answered }
    }

    pub async fn answered_more(&self) {
        let seen = || self.answered.lock().unwrap().clone();
        let (before, begun) = (seen().0, Instant::now());
        while seen().0 < before + SOME {
            assert!(begun.elapsed() < PATIENCE, "{:?}", seen());
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// How many requests were answered; none has failed.
    pub fn leave(self) -> usize {
        self.task.abort();
        let (answered, failed) = self.answered.lock().unwrap().clone();
        let told = failed.first().map(String::as_str);
        assert_eq!(told, None, "{} failed, {answered} were answered", failed.len());
        answered
    }
}

/// What one connection of HTTP/1.1 is used for. A browser asks on it until it is told that an answer was the
/// last, and an answer that does not come is a failure.
async fn one(way: &Way, kind: Kind, count: &impl Fn(Result<usize, String>)) {
    let tls = match way.connect(b"http/1.1").await {
        Ok(tls) => tls,
        Err(error) => return count(Err(format!("connecting: {error}"))),
    };
    let (mut send, connection) = http1::handshake(TokioIo::new(tls)).await.unwrap();
    let going = tokio::spawn(connection);
    loop {
        let asked = async {
            let answer =
                send.send_request(way.get(false)).await.map_err(|e| format!("asking: {e:?}"))?;
            let last = answer.headers().get("connection").is_some_and(|value| value == "close");
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.map_err(|e| format!("reading: {e:?}"))?;
            if status != 200 || body.to_bytes() != "read 0" {
                return Err(format!("answered {status}"));
            }
            Ok(last)
        };
        match asked.await {
            Ok(last) => {
                count(Ok(1));
                if last || kind == Kind::Comes {
                    break;
                }
            }
            Err(why) => {
                count(Err(why));
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    going.abort();
}

/// What one connection of HTTP/2 is used for: three requests at a time, until it is told to ask elsewhere.
async fn two(way: &Way, count: &impl Fn(Result<usize, String>)) {
    let tls = match way.connect(b"h2").await {
        Ok(tls) => tls,
        Err(error) => return count(Err(format!("connecting: {error}"))),
    };
    let (send, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.unwrap();
    let going = tokio::spawn(connection);
    // Told to go away, a client begins nothing more on the connection.
    while !send.is_closed() {
        let three = (0..3).map(|_| {
            let (mut send, request) = (send.clone(), way.get(true));
            async move {
                if send.ready().await.is_err() {
                    return Ok(0);
                }
                let answer = match send.try_send_request(request).await {
                    Ok(answer) => answer,
                    // It was not sent: the connection was closed to it before.
                    Err(mut error) => {
                        return match error.take_message() {
                            Some(_) => Ok(0),
                            None => Err(format!("asking: {:?}", error.into_error())),
                        };
                    }
                };
                let status = answer.status().as_u16();
                let body = answer.into_body().collect().await;
                let body = body.map_err(|error| format!("reading: {error:?}"))?;
                let well = status == 200 && body.to_bytes() == "read 0";
                if well { Ok(1) } else { Err(format!("answered {status}")) }
            }
        });
        let mut set = tokio::task::JoinSet::new();
        three.for_each(|ask| drop(set.spawn(ask)));
        for came in set.join_all().await {
            count(came);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    going.abort();
}

pub async fn read_until(tls: &mut TlsStream<TcpStream>, end: &str) -> String {
    let mut all = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&all).contains(end) {
            assert!(tls.read_buf(&mut all).await.unwrap() > 0, "cut before {end:?}: {all:?}");
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, read).await;
    assert!(in_time.is_ok(), "{end:?} did not come");
    String::from_utf8(all).unwrap()
}
