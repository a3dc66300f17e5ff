//! Clients that are slow, greedy or ambiguous, and how a gateway ends.

use std::sync::Arc;
use std::time::Duration;

use kernel::SystemClock;
use proptest::collection;
use proptest::prelude::*;
use rustls::{NamedGroup, ProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{
    Edge, PATIENCE, SIGNED_IN, assert_policy, ports, read_all, read_until, status, values,
};
use crate::{Gateway, GatewayError, LocalAuthority, Settings};

const SHORT: Duration = Duration::from_millis(200);

/// A head that does not come to its end is given up.
#[tokio::test]
async fn a_slow_head_is_closed() {
    let edge = Edge::with(|settings| settings.head_deadline = SHORT).await;
    let mut tls = edge.connect().await;
    tls.write_all(b"GET / HTTP/1.1\r\nHost: loc").await.unwrap();
    assert_eq!(read_all(&mut tls).await, "");
    // Nor is a connection kept on which nothing is ever asked.
    let mut idle = edge.connect().await;
    assert_eq!(read_all(&mut idle).await, "");
}

/// A body that does not come to its end is given up, with an answer.
#[tokio::test]
async fn a_slow_body_is_a_408() {
    let edge = Edge::with(|settings| settings.body_deadline = SHORT).await;
    let lines = format!("{SIGNED_IN}Content-Length: 10\r\n");
    let answer = edge.ask("POST", "/", &lines).await;
    assert_eq!(status(&answer), 408);
    assert_policy(&answer);
    assert_eq!(edge.application.seen().len(), 0);
}

/// A body over the limit is refused, whether it says so beforehand or not.
#[tokio::test]
async fn an_oversize_body_is_a_413() {
    let edge = Edge::with(|settings| settings.body_limit = 1000).await;
    let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\n{SIGNED_IN}");
    let declared = format!("{head}Content-Length: 1001\r\n\r\n{}", "x".repeat(1001));
    let chunks = "1f4\r\n".to_owned() + &"x".repeat(500) + "\r\n";
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", chunks.repeat(3));
    for wire in [declared, chunked] {
        let answer = edge.talk(wire).await;
        assert_eq!(status(&answer), 413, "{answer}");
        assert_policy(&answer);
    }
    let fits =
        format!("{head}Connection: close\r\nContent-Length: 1000\r\n\r\n{}", "x".repeat(1000));
    assert_eq!(status(&edge.talk(fits).await), 200);
}

/// The answer to a large refused upload arrives although nobody reads the upload.
#[tokio::test]
async fn the_answer_to_a_refused_upload_arrives() {
    let edge = Edge::with(|settings| settings.body_limit = 1000).await;
    let wire = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\n{SIGNED_IN}Content-Length: 200000\r\n\r\n{}",
        "x".repeat(200_000)
    );
    assert_eq!(status(&edge.talk(wire).await), 413);
}

/// Two statements of a length, and what they hide behind them, reach nobody.
#[tokio::test]
async fn smuggling_is_refused() {
    let edge = Edge::start().await;
    let hidden = format!("GET /smuggled HTTP/1.1\r\nHost: localhost\r\n{SIGNED_IN}\r\n");
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding:\u{b}chunked\r\n",
        "X: y\r\n Transfer-Encoding: chunked\r\n",
        "X: y\rTransfer-Encoding: chunked\r\n",
        "X: y\nTransfer-Encoding: chunked\r\n",
        "Content-Length : 5\r\n",
        "Content-Length: -1\r\n",
    ] {
        let wire = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\n{SIGNED_IN}{lines}\r\n0\r\n\r\n{hidden}"
        );
        let answer = edge.talk(wire).await;
        assert_eq!(status(&answer), 400, "{lines:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{lines:?} {answer}");
        assert_policy(&answer);
    }
    assert_eq!(edge.application.seen().len(), 0);
}

/// Requests sent ahead are answered in order; one that cannot be read is refused in its turn,
/// with the policy, and is the last.
#[tokio::test]
async fn requests_sent_ahead_wait_their_turn() {
    let edge = Edge::start().await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{SIGNED_IN}\r\n");
    let wire = format!(
        "{}POST /two HTTP/1.1\r\nHost: localhost\r\n{SIGNED_IN}Content-Length: 3\r\n\r\nabc{}\
         BROKEN\r\n\r\n{}",
        get("/one"),
        get("/_amanah/echo"),
        get("/never")
    );
    let answers = edge.talk(wire).await;
    let starts: Vec<usize> = answers.match_indices("HTTP/1.1 ").map(|m| m.0).collect();
    let seen = edge.application.seen();
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(seen[0].starts_with("GET /one "), "{seen:?}");
    assert!(seen[1].starts_with("POST /two ") && seen[1].ends_with("abc"));
    let last = answers.get(*starts.last().unwrap()..).unwrap();
    assert_eq!(status(last), 400, "{answers}");
    assert_policy(last);
    assert!(answers.contains("sari@sinar.example"), "{answers}");
}

/// It does not matter how the bytes are cut.
#[tokio::test]
async fn bytes_may_come_one_by_one() {
    let edge = Edge::start().await;
    let mut tls = edge.connect().await;
    let wire = format!(
        "POST /prices HTTP/1.1\r\nHost: localhost\r\n{SIGNED_IN}Content-Length: 3\r\n\r\nabc\
         GET /trust HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    );
    for byte in wire.bytes() {
        tls.write_all(&[byte]).await.unwrap();
        tls.flush().await.unwrap();
    }
    let answers = read_all(&mut tls).await;
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 2, "{answers}");
    assert!(edge.application.seen()[0].ends_with("\r\n\r\nabc"));
}

/// One part of a request, well-formed or not.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let text = |text: &'static str| Just(text.as_bytes().to_vec());
    prop_oneof![
        3 => text("GET /trust HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        4 => text("GET /trust HTTP/1.1\r\n"),
        2 => text("POST /_amanah/echo HTTP/1.1\r\n"),
        4 => text("Host: localhost\r\n"),
        4 => text("\r\n"),
        1 => text("Content-Length: 5\r\n"),
        1 => text("Transfer-Encoding: chunked\r\n"),
        1 => text("Expect: 100-continue\r\n"),
        1 => text("Upgrade: h2c\r\n"),
        1 => text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        1 => text("5\r\nhello\r\n0\r\n\r\n"),
        1 => text("hello"),
        1 => text("GET / HTTP/1.0\r\n"),
        1 => text("GET /\"<>^`{|} HTTP/1.1\r\n"),
        1 => collection::vec(any::<u8>(), 0..12),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is sent: every answer carries the policy, so that no answer is the library's own,
    /// and the gateway stays.
    #[test]
    fn no_answer_is_without_the_policy(parts in collection::vec(part(), 0..9)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answers = runtime.block_on(async {
            let edge = Edge::with(|settings| {
                settings.head_deadline = Duration::from_millis(50);
                settings.body_deadline = Duration::from_millis(50);
            })
            .await;
            let mut tls = edge.connect().await;
            tls.write_all(&parts.concat()).await.unwrap();
            let answers = read_all(&mut tls).await;
            // On a busy machine even a good head may take longer than that.
            while edge.ask("GET", "/trust", "").await.is_empty() {}
            answers
        });
        let all = answers.matches("HTTP/1.1 ").count();
        let interim = answers.matches("HTTP/1.1 100 ").count();
        let policies = answers.matches("\r\nx-frame-options: SAMEORIGIN\r\n").count();
        let old = answers.matches("HTTP/1.0 ").count();
        prop_assert_eq!(all + old - interim, policies, "{}", answers);
    }
}

/// A client that leaves does not keep anything busy.
#[tokio::test]
async fn a_client_may_leave() {
    let edge = Edge::start().await;
    let mut tls = edge.connect().await;
    let wire = format!("GET /wait HTTP/1.1\r\nHost: localhost\r\n{SIGNED_IN}\r\n");
    tls.write_all(wire.as_bytes()).await.unwrap();
    while edge.application.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(tls);
    edge.stop.send(()).unwrap();
    timeout(PATIENCE, edge.task).await.unwrap().unwrap();
}

/// Stopping lets an open request finish and takes no new ones.
#[tokio::test]
async fn stopping_lets_open_requests_finish() {
    let edge = Edge::start().await;
    let mut tls = edge.connect().await;
    let mut idle = edge.connect().await;
    let wire = format!("GET /wait HTTP/1.1\r\nHost: localhost\r\n{SIGNED_IN}\r\n");
    tls.write_all(wire.as_bytes()).await.unwrap();
    while edge.application.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    edge.stop.send(()).unwrap();
    assert_eq!(read_all(&mut idle).await, "");
    edge.application.go.notify_one();
    let answer = read_all(&mut tls).await;
    assert_eq!(status(&answer), 200);
    assert_eq!(values(&answer, "connection"), ["close"]);
    timeout(PATIENCE, edge.task).await.unwrap().unwrap();
    assert!(TcpStream::connect(edge.address).await.is_err());
}

/// More connections than allowed wait, and are served when there is room.
#[tokio::test]
async fn connections_beyond_the_most_wait() {
    let edge = Edge::with(|settings| settings.max_connections = 1).await;
    let mut first = edge.connect().await;
    first.write_all(b"GET /trust HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    read_until(&mut first, "nobody").await;
    let (address, second) = (edge.address, edge.ask("GET", "/trust", ""));
    let mut second = Box::pin(second);
    assert!(timeout(SHORT, &mut second).await.is_err(), "{address}");
    drop(first);
    let answer = timeout(PATIENCE, second).await.unwrap();
    assert_eq!(status(&answer), 200);
}

/// What both sides agree on when they can.
#[tokio::test]
async fn tls_is_modern() {
    let edge = Edge::start().await;
    let mut tls = edge.connect().await;
    tls.write_all(b"GET /trust HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    read_until(&mut tls, "nobody").await;
    let session = tls.get_ref().1;
    let group = session.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);
    assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
}

/// Bytes that are neither TLS nor HTTP, and a handshake that goes wrong, end one connection only.
#[tokio::test]
async fn nonsense_ends_one_connection() {
    let edge = Edge::start().await;
    for nonsense in [&[0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5][..], &[0, 1, 2], b"\r\n"] {
        let mut tcp = TcpStream::connect(edge.address).await.unwrap();
        tcp.write_all(nonsense).await.unwrap();
        let mut answer = Vec::new();
        let ended = timeout(PATIENCE, tcp.read_to_end(&mut answer)).await;
        assert!(ended.is_ok());
    }
    assert_eq!(status(&edge.ask("GET", "/trust", "").await), 200);
    assert_eq!(edge.count("gateway_handshakes_failed_total", ""), 1);
}

/// The error for a port that is taken names it and what to do.
#[tokio::test]
async fn a_taken_port_is_told() {
    let edge = Edge::start().await;
    let authority = LocalAuthority::in_memory(Arc::new(SystemClock)).unwrap();
    let settings = Settings::new(edge.address);
    let Err(error) = Gateway::bind(settings, ports(), Arc::new(authority)).await else {
        panic!("bound twice");
    };
    assert!(matches!(error, GatewayError::AddressInUse(_)));
    let text = error.to_string();
    assert!(text.contains(&edge.address.to_string()), "{text}");
    assert!(text.contains("--listen"), "{text}");
}
