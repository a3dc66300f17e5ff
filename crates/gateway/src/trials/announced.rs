//! Whom a proxy speaks for, over real connections.

use kernel::Fut;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Edge, SIGNED_IN, read_all, status};
use crate::client_config;

/// Asks behind `announced`, and gives back the whole answer, or nothing when there was no TLS.
fn asked<'a>(edge: &'a Edge, announced: &'a [u8]) -> Fut<'a, Option<String>> {
    Box::pin(async move {
        let client = client_config(edge.authority.pem().as_bytes()).unwrap();
        let mut tcp = TcpStream::connect(edge.address).await.unwrap();
        tcp.write_all(announced).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut tls = TlsConnector::from(client).connect(name, tcp).await.ok()?;
        let lines = "Host: localhost\r\nConnection: close\r\nX-Forwarded-For: 6.6.6.6\r\n";
        let wire = format!("GET / HTTP/1.1\r\n{lines}{SIGNED_IN}\r\n");
        tls.write_all(wire.as_bytes()).await.unwrap();
        Some(read_all(&mut tls).await)
    })
}

/// Whom a named proxy announces is who is told to the application; what the client says itself, in a
/// header or from another address, never is.
#[tokio::test]
async fn a_named_proxy_is_believed_and_nobody_else() {
    let line = b"PROXY TCP4 203.0.113.9 198.51.100.1 40000 443\r\n";
    let named =
        Edge::with(|settings| settings.proxies = vec!["127.0.0.0/8".parse().unwrap()]).await;
    let answer = asked(&named, line).await.unwrap();
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(answer.contains("x-forwarded-for: 203.0.113.9\r\n"), "{answer}");
    assert!(!answer.contains("6.6.6.6"), "{answer}");
    let answer = asked(&named, b"").await.unwrap();
    assert!(answer.contains("x-forwarded-for: 127.0.0.1\r\n"), "it speaks for itself: {answer}");
    assert_eq!(asked(&named, b"PROXY TCP4 nobody\r\n").await, None);

    for proxies in [vec![], vec!["10.0.0.0/8".parse().unwrap()]] {
        let other = Edge::with(|settings| settings.proxies = proxies).await;
        assert_eq!(asked(&other, line).await, None);
        let mut tcp = TcpStream::connect(other.address).await.unwrap();
        tcp.write_all(line).await.unwrap();
        let mut said = String::new();
        tcp.read_to_string(&mut said).await.unwrap();
        assert_eq!(status(&said), 400);
        let answer = asked(&other, b"").await.unwrap();
        assert!(answer.contains("x-forwarded-for: 127.0.0.1\r\n"), "{answer}");
        assert!(!answer.contains("6.6.6.6"), "{answer}");
    }
}
