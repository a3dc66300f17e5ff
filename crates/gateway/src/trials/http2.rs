//! The second protocol: the same judgement, the same headers, and bounds of its own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Edge, PATIENCE};
use crate::headers::meets;
use crate::{HeaderPolicy, client_config};

const COOKIE: &str = "theme=dark; __Host-amanah=good";
/// What every connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How often a condition is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// No settings.
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

async fn connect(edge: &Edge) -> TlsStream<TcpStream> {
    let mut client = Arc::unwrap_or_clone(client_config(edge.authority.pem().as_bytes()).unwrap());
    client.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let tcp = TcpStream::connect(edge.address).await.unwrap();
    let tls = TlsConnector::from(Arc::new(client)).connect(name, tcp).await.unwrap();
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    tls
}

type Sender = SendRequest<Full<Bytes>>;

async fn open(edge: &Edge) -> (Sender, JoinHandle<hyper::Result<()>>) {
    let tls = TokioIo::new(connect(edge).await);
    let mut client = http2::Builder::new(TokioExecutor::new());
    let (sender, connection) = client.timer(TokioTimer::new()).handshake(tls).await.unwrap();
    (sender, tokio::spawn(connection))
}

fn get(path: &str) -> http::request::Builder {
    Request::get(format!("https://localhost{path}")).header("cookie", COOKIE)
}

async fn ask(sender: &mut Sender, request: Request<Full<Bytes>>) -> (Response<()>, String) {
    let answer = timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
    read(answer).await
}

async fn read(answer: Response<Incoming>) -> (Response<()>, String) {
    let (head, body) = answer.into_parts();
    let body = timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
    (Response::from_parts(head, ()), String::from_utf8(body.to_vec()).unwrap())
}

fn assert_policy(answer: &Response<()>) {
    for (name, value) in HeaderPolicy::default().set() {
        let values = answer.headers().get_all(name).iter();
        let values: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
        assert!(meets(name, value, &values), "{name}: {values:?}");
    }
    assert_eq!(answer.headers().get_all("x-request-id").iter().count(), 1);
}

/// The application is asked as over the other protocol: with the binding, without claims and cookies
/// of ours, with the one host.
#[tokio::test]
async fn the_application_sees_no_difference() {
    let edge = Edge::start().await;
    let (mut sender, _connection) = open(&edge).await;
    let request = get("/a?b=c")
        .header("amanah-binding", "forged")
        .header("x-forwarded-for", "forged")
        .body(Full::default())
        .unwrap();
    let (answer, seen) = ask(&mut sender, request).await;
    assert_eq!(answer.status(), 200);
    assert_policy(&answer);
    assert!(seen.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{seen}");
    for line in ["host: localhost\r\n", "cookie: theme=dark\r\n", "x-forwarded-host: localhost\r\n"]
    {
        assert!(seen.contains(line), "{line} in {seen}");
    }
    assert!(seen.contains("amanah-binding: bound.sinar.sari@sinar.example.ro\r\n"), "{seen}");
    assert!(!seen.contains("forged"), "{seen}");
}

/// A body arrives whole, and one that is too large is refused while others go on.
#[tokio::test]
async fn bodies_are_bounded() {
    let edge = Edge::start().await;
    let (mut sender, _connection) = open(&edge).await;
    let post = |bytes: usize| {
        Request::post("https://localhost/prices")
            .header("cookie", COOKIE)
            .header("sec-fetch-site", "same-origin")
            .body(Full::from(vec![b'x'; bytes]))
            .unwrap()
    };
    let (answer, seen) = ask(&mut sender, post(1024 * 1024)).await;
    assert_eq!(answer.status(), 200);
    assert!(seen.contains("content-length: 1048576\r\n"), "it came short");
    let (answer, _) = ask(&mut sender, post(3 * 1024 * 1024)).await;
    assert_eq!(answer.status(), 413);
    assert_policy(&answer);
    let (answer, _) = ask(&mut sender, get("/").body(Full::default()).unwrap()).await;
    assert_eq!(answer.status(), 200);
}

/// What is refused over one protocol is refused over the other, and the connection goes on.
#[tokio::test]
async fn it_is_judged_as_strictly() {
    let edge = Edge::start().await;
    let (mut sender, _connection) = open(&edge).await;
    let foreign = Request::post("https://localhost/").header("sec-fetch-site", "cross-site");
    for (status, request) in [
        (400, get("/").header("host", "another.example")),
        (400, get("/").header("content-length", "0").header("content-length", "0")),
        (405, Request::builder().method("TRACE").uri("https://localhost/")),
        (401, Request::get("https://localhost/prices")),
        (403, foreign.header("cookie", COOKIE)),
        (404, get("/_amanah/none")),
        (200, get("/")),
    ] {
        let (answer, text) = ask(&mut sender, request.body(Full::default()).unwrap()).await;
        assert_eq!(answer.status(), status, "{text}");
        assert_policy(&answer);
    }
}

/// A hundred at a time over one connection, and an answer that waits keeps none of the others.
#[tokio::test]
async fn requests_do_not_wait_for_each_other() {
    let edge = Edge::start().await;
    let (mut sender, _connection) = open(&edge).await;
    let waits = sender.send_request(get("/wait").body(Full::default()).unwrap());
    let waits = tokio::spawn(waits);
    let asked = (0..99).map(|n| {
        let request = get(&format!("/{n}")).body(Full::default()).unwrap();
        tokio::spawn(sender.send_request(request))
    });
    for (n, answer) in asked.collect::<Vec<_>>().into_iter().enumerate() {
        let answer = timeout(PATIENCE, answer).await.unwrap().unwrap().unwrap();
        let (answer, seen) = read(answer).await;
        assert_eq!(answer.status(), 200);
        assert!(seen.starts_with(&format!("GET /{n} ")), "{seen}");
    }
    assert!(!waits.is_finished());
    edge.application.go.notify_one();
    let answer = timeout(PATIENCE, waits).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.status(), 200);
}

/// Whoever asks and gives up, again and again, loses the connection; others keep theirs.
#[tokio::test]
async fn giving_up_again_and_again_ends_the_connection() {
    let edge = Edge::start().await;
    let (mut good, _connection) = open(&edge).await;
    let (mut bad, ended) = open(&edge).await;
    let until = Instant::now() + PATIENCE;
    while !ended.is_finished() {
        assert!(Instant::now() < until, "it may go on for ever");
        let _ = bad.ready().await;
        let given_up = bad.send_request(get("/wait").body(Full::default()).unwrap());
        let _ = timeout(Duration::from_millis(2), given_up).await;
    }
    let (answer, _) = ask(&mut good, get("/").body(Full::default()).unwrap()).await;
    assert_eq!(answer.status(), 200);
}

/// A connection that nobody uses ends, and so does one that only says hello.
#[tokio::test]
async fn an_unused_connection_ends() {
    let edge = Edge::with(|settings| settings.head_deadline = Duration::from_millis(300)).await;
    let (mut sender, ended) = open(&edge).await;
    let (answer, _) = ask(&mut sender, get("/").body(Full::default()).unwrap()).await;
    assert_eq!(answer.status(), 200);
    timeout(PATIENCE, ended).await.expect("it goes on for ever").unwrap().unwrap();
    let mut tls = connect(&edge).await;
    tls.write_all(PREFACE).await.unwrap();
    assert_ends(&mut tls).await;
}

/// A head that never ends is not waited for, and not kept.
#[tokio::test]
async fn an_endless_head_ends_the_connection() {
    let edge = Edge::start().await;
    let mut tls = connect(&edge).await;
    let mut wire = [PREFACE, &SETTINGS].concat();
    // A head without an end, and parts of it that hold one long line each: never indexed, name `a`.
    wire.extend([0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82]);
    tls.write_all(&wire).await.unwrap();
    let mut part = vec![0, 0x40, 0x00, 9, 0, 0, 0, 0, 1];
    part.extend([0x00, 0x01, b'a', 0x7f, 0xfa, 0x7e]);
    part.resize(9 + 0x4000, b'x');
    let flood = async { while tls.write_all(&part).await.is_ok() {} };
    timeout(PATIENCE, flood).await.expect("it may go on for ever");
    let (mut sender, _connection) = open(&edge).await;
    let (answer, _) = ask(&mut sender, get("/").body(Full::default()).unwrap()).await;
    assert_eq!(answer.status(), 200);
}

/// Open requests are answered when the gateway stops, and then the connection ends.
#[tokio::test]
async fn a_stop_lets_open_requests_finish() {
    let edge = Edge::start().await;
    let (mut sender, ended) = open(&edge).await;
    let waits = tokio::spawn(sender.send_request(get("/wait").body(Full::default()).unwrap()));
    let until = Instant::now() + PATIENCE;
    while edge.application.seen().is_empty() {
        assert!(Instant::now() < until, "it was not asked");
        sleep(LOOK_AGAIN).await;
    }
    edge.stop.send(()).unwrap();
    edge.application.go.notify_one();
    let answer = timeout(PATIENCE, waits).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    timeout(PATIENCE, ended).await.expect("it goes on").unwrap().unwrap();
    timeout(PATIENCE, edge.task).await.expect("it does not stop").unwrap();
}

async fn assert_ends(tls: &mut TlsStream<TcpStream>) {
    let mut all = Vec::new();
    let _ = timeout(PATIENCE, tls.read_to_end(&mut all)).await.expect("it goes on for ever");
}

/// A stranger on probation is answered once, whatever they ask and whatever came of it.
#[tokio::test]
async fn a_stranger_on_probation_is_answered_once() {
    let edge = Edge::with(|settings| {
        settings.max_connections = 8;
        settings.limits.seats.strangers_percent = 25;
    })
    .await;
    let _one = edge.connect_from([127, 9, 40, 1]).await;
    let _two = edge.connect_from([127, 9, 41, 1]).await;
    for (method, path, cookie, wanted) in [
        ("TRACE", "/", "", 405),
        ("GET", "/_amanah/forward-auth", "", 404),
        ("POST", "/", "__Host-amanah=good", 403),
        ("GET", "/healthz", "", 200),
    ] {
        let (mut sender, connection) = open(&edge).await;
        let request = Request::builder().method(method).uri(format!("https://localhost{path}"));
        let request = request.header("cookie", cookie).body(Full::default()).unwrap();
        let (answer, _) = ask(&mut sender, request).await;
        assert_eq!(answer.status(), wanted, "{method} {path}");
        let _ = timeout(PATIENCE, connection).await.expect("it goes on");
    }
    let (mut sender, connection) = open(&edge).await;
    for _ in 0..2 {
        let (answer, _) = ask(&mut sender, get("/").body(Full::default()).unwrap()).await;
        assert_eq!(answer.status(), 200, "people stay");
    }
    assert!(!connection.is_finished());
}
