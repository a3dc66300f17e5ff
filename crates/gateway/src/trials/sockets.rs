//! What stays open after its head: sockets, and answers that go on.

use tokio::io::AsyncWriteExt as _;

use super::{Edge, SIGNED_IN, assert_policy, read_all, read_until, status, values};

const OPENING: &str = "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const FROM_HERE: &str = "Origin: https://localhost\r\nSec-Fetch-Site: same-origin\r\n";
/// The cookie of a session that ends once it was looked at.
const ONCE: &str = "Cookie: __Host-amanah=once\r\n";

fn opening(path: &str, lines: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{OPENING}{lines}\r\n")
}

/// What is said on a socket arrives on the other side, also what was said before it was open, and the
/// application knows who opened it.
#[tokio::test]
async fn a_socket_passes_both_ways() {
    let edge = Edge::start().await;
    let mut tls = edge.connect().await;
    let wire = opening("/socket", &format!("{SIGNED_IN}{FROM_HERE}"));
    tls.write_all(format!("{wire}early ").as_bytes()).await.unwrap();
    let answer = read_until(&mut tls, "early ").await;
    assert_eq!(status(&answer), 101);
    assert_policy(&answer);
    for (name, value) in [("upgrade", "websocket"), ("connection", "upgrade")] {
        assert_eq!(values(&answer, name), [value], "{answer}");
    }
    let seen = edge.application.seen().pop().unwrap();
    for (name, value) in [
        ("amanah-binding", "bound.sinar.sari@sinar.example.ro"),
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("cookie", "theme=dark"),
    ] {
        assert_eq!(values(&seen, name), [value], "{name} in {seen}");
    }
    // What looks like another request is not read as one.
    tls.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    read_until(&mut tls, "GET / HTTP/1.1\r\n\r\n").await;
    tls.shutdown().await.unwrap();
    assert_eq!(read_all(&mut tls).await, "");
    assert_eq!(edge.application.seen().len(), 1);
}

/// Nobody opens one from another site, without being signed in, or on a page of ours.
#[tokio::test]
async fn a_socket_is_judged_like_any_request() {
    let edge = Edge::start().await;
    for (wanted, path, lines) in [
        (403, "/socket", format!("{SIGNED_IN}Origin: https://evil.example\r\n")),
        (403, "/socket", format!("{SIGNED_IN}Sec-Fetch-Site: cross-site\r\n")),
        (403, "/socket", format!("{SIGNED_IN}Origin: null\r\n")),
        (401, "/socket", FROM_HERE.to_owned()),
        (404, "/_amanah/none", format!("{SIGNED_IN}{FROM_HERE}")),
    ] {
        let answer =
            edge.talk(format!("{}GET /smuggled HTTP/1.1\r\n\r\n", opening(path, &lines))).await;
        assert_eq!(status(&answer), wanted, "{answer}");
        assert_policy(&answer);
    }
    assert!(edge.application.seen().is_empty());
}

/// What the application answers instead is passed on, and nothing behind it is read.
#[tokio::test]
async fn an_application_without_sockets_answers_as_ever() {
    let edge = Edge::start().await;
    let wire = opening("/plain", &format!("{SIGNED_IN}{FROM_HERE}"));
    let answer =
        edge.talk(format!("{wire}GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
    assert_eq!(status(&answer), 200);
    assert_policy(&answer);
    assert_eq!(values(&answer, "connection"), ["close"]);
    assert_eq!(edge.application.seen().len(), 1);
    let answer = edge.talk(opening("/early", &format!("{SIGNED_IN}{FROM_HERE}"))).await;
    assert_eq!(status(&answer), 502, "{answer}");
}

/// When the session that opened it has ended, so has the socket.
#[tokio::test]
async fn a_socket_ends_with_its_session() {
    let edge = Edge::start().await;
    let mut tls = edge.connect().await;
    let wire = opening("/socket", &format!("{ONCE}{FROM_HERE}"));
    tls.write_all(wire.as_bytes()).await.unwrap();
    assert_eq!(status(&read_until(&mut tls, "\r\n\r\n").await), 101);
    assert_eq!(read_all(&mut tls).await, "");
}

/// An answer that goes on for ever ends with the session as well, and is not passed off as complete.
#[tokio::test]
async fn an_answer_ends_with_its_session() {
    let edge = Edge::start().await;
    let mut tls = edge.connect().await;
    let wire = format!("GET /events HTTP/1.1\r\nHost: localhost\r\n{ONCE}\r\n");
    tls.write_all(wire.as_bytes()).await.unwrap();
    assert_eq!(status(&read_until(&mut tls, "data: 1").await), 200);
    let rest = read_all(&mut tls).await;
    assert!(!rest.contains("0\r\n\r\n"), "{rest:?}");
    let mut tls = edge.connect().await;
    let wire = format!("GET /events HTTP/1.1\r\nHost: localhost\r\n{SIGNED_IN}\r\n");
    tls.write_all(wire.as_bytes()).await.unwrap();
    read_until(&mut tls, "data: 2").await;
}
