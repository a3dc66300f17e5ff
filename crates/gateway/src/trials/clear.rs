//! Plain HTTP, at the port of TLS and at its own.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Edge, PATIENCE, status, values};
use crate::HeaderPolicy;
use crate::headers::meets;

async fn asked(address: SocketAddr, wire: &[u8]) -> String {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(wire).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, tcp.read_to_string(&mut answer)).await.unwrap().unwrap();
    let policy = HeaderPolicy::default().without("strict-transport-security");
    for (name, value) in policy.set() {
        assert!(meets(name, value, &values(&answer, name)), "{name} in {answer}");
    }
    // It counts only inside TLS, and must not be said elsewhere.
    assert!(values(&answer, "strict-transport-security").is_empty(), "{answer}");
    answer
}

fn get(host: &str, target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()
}

/// What a browser asks is led to the same over TLS, by both ports; whatever else came in clear is
/// told so, and nobody is led to a name that is not ours.
#[tokio::test]
async fn plain_http_is_led_to_tls_under_our_names_alone() {
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let edge = Edge::with(|settings| {
        settings.clear = Some(free);
        settings.public_port = Some(443);
    })
    .await;
    for address in [edge.address, edge.clear.unwrap()] {
        let led = asked(address, &get("localhost:80", "/a?b=c")).await;
        assert_eq!(
            (status(&led), values(&led, "location")),
            (308, vec!["https://localhost/a?b=c"])
        );
        let led = asked(address, &get("[::1]", "//evil.example")).await;
        assert_eq!(values(&led, "location"), ["https://[::1]//evil.example"]);
        let refused = [
            get("evil.example", "/"),
            get("localhost:80@evil.example", "/"),
            get("localhost", "http://evil.example/"),
            b"GET / HTTP/1.0\r\n\r\n".to_vec(),
            b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\npass".to_vec(),
            b"GET / HTTP/1.1\nHost: localhost\n\n".to_vec(),
            b"\x80\x2e\x01\x00\x02".to_vec(),
        ];
        for wire in refused {
            let answer = asked(address, &wire).await;
            let shown = String::from_utf8_lossy(&wire);
            assert_eq!((status(&answer), values(&answer, "location")), (400, vec![]), "{shown}");
            assert!(answer.contains("HTTPS"), "{answer}");
        }
    }
    assert_eq!(edge.application.seen().len(), 0);
    assert_eq!(edge.count("gateway_refused_total", "in_clear"), 14);
    assert_eq!(edge.count("gateway_responses_total", "3xx"), 4);
}

/// Without another port, the one that is listened on is named.
#[tokio::test]
async fn the_own_port_is_named_where_no_other_is() {
    let edge = Edge::start().await;
    assert_eq!(edge.clear, None);
    let led = asked(edge.address, &get("127.0.0.1", "/")).await;
    let there = format!("https://127.0.0.1:{}/", edge.address.port());
    assert_eq!(values(&led, "location"), [there]);
}
