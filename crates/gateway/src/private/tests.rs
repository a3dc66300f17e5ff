//! The listener for programs over real connections, asked as a program, a browser and an attacker
//! would ask it.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Deadlines, Pace, Private, PrivateBody, PrivateSettings};
use crate::GatewayError;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The length of an answer that no buffer of the system takes whole, in bytes.
const LARGE: usize = 64 << 20;

type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// `/echo` streams the body back, `/broken` fails in the middle, `/panic` panics.
async fn serve(request: Request<PrivateBody>) -> Result<Answer, Infallible> {
    let path = request.uri().path().to_owned();
    let whole = |text: &'static str| {
        Full::new(Bytes::from_static(text.as_bytes()))
            .map_err(|never| match never {})
            .boxed_unsync()
    };
    Ok(Response::new(match path.as_str() {
        "/echo" => request.into_body().boxed_unsync(),
        "/broken" => {
            let begun = stream::iter([Ok(Frame::data(Bytes::from_static(b"begun")))]);
            let failed = stream::once(async {
                tokio::task::yield_now().await;
                Err(io::Error::other("it failed"))
            });
            StreamBody::new(begun.chain(failed)).boxed_unsync()
        }
        "/count" => match request.into_body().collect().await {
            Ok(_) => whole("whole"),
            Err(_) => whole("stalled"),
        },
        "/later" => {
            tokio::time::sleep(HASTY.wait * 3).await;
            match request.into_body().collect().await {
                Ok(_) => whole("whole"),
                Err(_) => whole("stalled"),
            }
        }
        "/large" => {
            Full::new(Bytes::from(vec![7; LARGE])).map_err(|never| match never {}).boxed_unsync()
        }
        "/panic" => panic!("as a bug would"),
        _ => whole("served"),
    }))
}

struct House {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl House {
    async fn open(settings: PrivateSettings) -> Self {
        Self::open_for(settings, Deadlines::USUAL).await
    }

    async fn open_for(settings: PrivateSettings, deadlines: Deadlines) -> Self {
        let serve = tower::service_fn(serve);
        let private = Private::bind_for(settings, serve, deadlines).await.unwrap();
        let address = private.local_addr();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(private.run(async {
            let _ = stopped.await;
        }));
        Self { address, stop, running }
    }

    async fn usual() -> Self {
        let mut settings = PrivateSettings::new(LOOPBACK);
        settings.hosts = vec!["Keys.Internal".to_owned()];
        Self::open(settings).await
    }

    /// Everything that comes back until the connection ends.
    async fn raw(&self, request: &str) -> String {
        let mut tcp = TcpStream::connect(self.address).await.unwrap();
        tcp.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = tcp.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn get(&self, lines: &str) -> String {
        self.raw(&format!("GET / HTTP/1.1\r\nConnection: close\r\n{lines}\r\n")).await
    }
}

/// Tokens must not cross a network by accident.
#[tokio::test]
async fn another_address_than_loopback_must_be_allowed() {
    let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let refused = Private::bind(PrivateSettings::new(everywhere), tower::service_fn(serve)).await;
    let Err(GatewayError::Private { why, .. }) = refused else { panic!("it was bound") };
    assert!(why.contains("allow_remote"), "{why}");
    let mut settings = PrivateSettings::new(everywhere);
    settings.allow_remote = true;
    let house = House::open(settings).await;
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, house.address.port()));
    assert!(TcpStream::connect(local).await.is_ok());
}

#[tokio::test]
async fn an_address_in_use_is_said_in_one_line() {
    let house = House::usual().await;
    let again = PrivateSettings::new(house.address);
    let Err(error) = Private::bind(again, tower::service_fn(serve)).await else { panic!("bound") };
    assert!(error.to_string().contains("another program listens there"), "{error}");
}

/// A name that points to this machine is not enough: the request must say one that is served here.
#[tokio::test]
async fn a_strange_host_is_refused() {
    let house = House::usual().await;
    let port = house.address.port();
    let known = [
        "localhost".to_owned(),
        "LOCALHOST:1".to_owned(),
        format!("127.0.0.1:{port}"),
        "127.9.9.9".to_owned(),
        "[::1]:8200".to_owned(),
        "[::ffff:127.0.0.1]".to_owned(),
        "keys.internal:8200".to_owned(),
    ];
    for host in known {
        let answer = house.get(&format!("Host: {host}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{host}: {answer}");
    }
    let strange = [
        "Host: rebound.example\r\n",
        "Host: localhost.rebound.example\r\n",
        "Host: 10.0.0.1\r\n",
        "Host: 2130706433\r\n",
        "Host: \r\n",
        "Host: user@localhost\r\n",
        "Host: localhost\r\nHost: rebound.example\r\n",
        "",
    ];
    for lines in strange {
        let answer = house.get(lines).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{lines}: {answer}");
        assert!(!answer.ends_with("\r\n\r\nserved"), "{lines}: {answer}");
    }
    let absolute = "GET http://rebound.example/ HTTP/1.1\r\nHost: localhost\r\n\
                    Connection: close\r\n\r\n";
    assert!(house.raw(absolute).await.starts_with("HTTP/1.1 421"));
}

/// A page of another site has a reader's browser, but no business here.
#[tokio::test]
async fn a_browser_is_refused() {
    let house = House::usual().await;
    for line in ["Origin: http://localhost", "Origin: null", "Sec-Fetch-Site: same-origin"] {
        let answer = house.get(&format!("Host: localhost\r\n{line}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        assert!(answer.contains(r#""slug":"browser""#), "{answer}");
        assert!(answer.contains(r#""errors":["#), "{answer}");
    }
}

/// Also refusals and the answers of a service that panicked carry the headers.
#[tokio::test]
async fn every_answer_is_kept_out_of_caches() {
    let house = House::usual().await;
    let host = "Host: localhost\r\nConnection: close\r\n";
    let answers = [
        house.get("Host: localhost\r\n").await,
        house.get("Host: rebound.example\r\n").await,
        house.raw(&format!("GET /panic HTTP/1.1\r\n{host}\r\n")).await,
    ];
    for answer in &answers {
        assert!(answer.contains("cache-control: no-store"), "{answer}");
        assert!(answer.contains("x-content-type-options: nosniff"), "{answer}");
    }
    assert!(answers[2].starts_with("HTTP/1.1 500"), "{}", answers[2]);
}

/// A body passes through as it comes, while more of it is still to be sent.
#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    const PART: usize = 64 * 1024;
    const PARTS: usize = 64;
    let house = House::usual().await;
    let mut tcp = TcpStream::connect(house.address).await.unwrap();
    let length = PART * PARTS;
    let head =
        format!("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    tcp.write_all(head.as_bytes()).await.unwrap();
    let mut got = Vec::new();
    for part in 1..=PARTS {
        tcp.write_all(&vec![b'x'; PART]).await.unwrap();
        // What was sent comes back before the rest is sent.
        while got.len() < part * PART {
            assert!(tcp.read_buf(&mut got).await.unwrap() > 0);
        }
    }
}

/// A client must be able to tell a stream that failed from one that ended.
#[tokio::test]
async fn a_failed_stream_has_no_clean_end() {
    let house = House::usual().await;
    let answer = house.raw("GET /broken HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(answer.contains("begun"), "{answer}");
    assert!(!answer.contains("\r\n0\r\n"), "{answer}");
}

#[tokio::test]
async fn an_endless_head_and_a_slow_one_end() {
    let deadlines = Deadlines { head: Duration::from_millis(50), ..Deadlines::USUAL };
    let house = House::open_for(PrivateSettings::new(LOOPBACK), deadlines).await;
    let endless = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}", "x".repeat(200_000));
    assert!(!house.raw(&endless).await.contains("served"));
    // It ends although nothing more is sent, and would wait for ever otherwise.
    assert!(!house.raw("GET / HTTP/1.1\r\nHost: loc").await.contains("served"));
}

const HASTY: Pace = Pace { wait: Duration::from_millis(50), bytes: 64 << 10 };

#[tokio::test]
async fn a_body_that_stands_still_ends() {
    let deadlines = Deadlines { body: HASTY, ..Deadlines::USUAL };
    let house = House::open_for(PrivateSettings::new(LOOPBACK), deadlines).await;
    let request = "POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc";
    assert!(house.raw(request).await.contains("stalled"));
}

/// A byte from time to time is not enough to be waited for.
#[tokio::test]
async fn a_body_that_trickles_ends() {
    let deadlines = Deadlines { body: HASTY, ..Deadlines::USUAL };
    let house = House::open_for(PrivateSettings::new(LOOPBACK), deadlines).await;
    let tcp = TcpStream::connect(house.address).await.unwrap();
    let (mut from, mut to) = tcp.into_split();
    let head = "POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999\r\n\r\n";
    to.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    for _ in 0..2_000 {
        let wait = tokio::time::timeout(Duration::from_millis(5), from.read(&mut answer));
        if let Ok(read) = wait.await {
            let answer = String::from_utf8_lossy(&answer[..read.unwrap()]).into_owned();
            assert!(answer.contains("stalled"), "{answer}");
            return;
        }
        let _ = to.write_all(b"x").await;
    }
    panic!("it is still waited for");
}

/// What we are slow with ourselves is not held against a client that has sent all the time.
#[tokio::test]
async fn only_waiting_counts() {
    let deadlines = Deadlines { body: HASTY, answer: HASTY, ..Deadlines::USUAL };
    let house = House::open_for(PrivateSettings::new(LOOPBACK), deadlines).await;
    let head = "POST /later HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                Content-Length: 3\r\n\r\nabc";
    assert!(house.raw(head).await.ends_with("whole"));
}

/// Who reads an answer bit by bit holds its memory; that ends too.
#[tokio::test]
async fn an_answer_that_is_hardly_read_ends() {
    let pace = Pace { wait: Duration::from_millis(300), bytes: LARGE };
    let deadlines = Deadlines { answer: pace, ..Deadlines::USUAL };
    let house = House::open_for(PrivateSettings::new(LOOPBACK), deadlines).await;
    let mut tcp = TcpStream::connect(house.address).await.unwrap();
    let head = "GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    tcp.write_all(head.as_bytes()).await.unwrap();
    let (mut bit, mut got) = (vec![0; 64 << 10], 0);
    while let Ok(read @ 1..) = tcp.read(&mut bit).await {
        got += read;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(got > 0 && got < LARGE, "{got} bytes of it came");
}

/// Whoever stops the listener does not cut off what is under way.
#[tokio::test]
async fn an_open_request_is_finished_at_the_end() {
    let house = House::usual().await;
    let mut tcp = TcpStream::connect(house.address).await.unwrap();
    let head = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nabc";
    tcp.write_all(head.as_bytes()).await.unwrap();
    let mut got = Vec::new();
    while !got.ends_with(b"abc") {
        assert!(tcp.read_buf(&mut got).await.unwrap() > 0);
    }
    house.stop.send(()).unwrap();
    // The listener is gone before the open request ends.
    while TcpStream::connect(house.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    tcp.write_all(b"def").await.unwrap();
    tcp.read_to_end(&mut got).await.unwrap();
    assert!(got.ends_with(b"abcdef"), "{}", String::from_utf8_lossy(&got));
    house.running.await.unwrap();
}
