//! A gateway whose listeners are another one's from now on.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::{Edge, PATIENCE, SIGNED_IN, ports, read_all, read_until, status, values};
use crate::{Gateway, GatewayError, Settings, client_config};

const LONG: Duration = Duration::from_mins(5);

fn wire(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{SIGNED_IN}\r\n")
}

/// Whoever is connected is served: an idle connection once more, and one that has not said anything yet. Each
/// answer is the last one. What is under way ends as it would have, and the gateway with the last of them.
#[tokio::test]
async fn it_serves_its_connections_to_their_end() {
    let mut edge = Edge::with_listeners(|_| {}).await;
    let mut idle = edge.connect().await;
    idle.write_all(wire("/chunks").as_bytes()).await.unwrap();
    let answer = read_until(&mut idle, "\r\n0\r\n\r\n").await;
    assert!(values(&answer, "connection").is_empty(), "{answer}");
    let mut waiting = edge.connect().await;
    waiting.write_all(wire("/wait").as_bytes()).await.unwrap();
    let silent = TcpStream::connect(edge.address).await.unwrap();
    while edge.count("gateway_connections_total", "") < 3 || edge.application.seen().len() < 2 {
        sleep(Duration::from_millis(5)).await;
    }

    let heir = heir(&mut edge, |_| {}).await.unwrap();
    edge.leave.take().unwrap().send(LONG).unwrap();
    let heir = tokio::spawn(heir.run(std::future::pending()));
    let client = client_config(edge.authority.pem().as_bytes()).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut silent = TlsConnector::from(client).connect(name, silent).await.unwrap();
    for tls in [&mut idle, &mut silent] {
        tls.write_all(wire("/again").as_bytes()).await.unwrap();
        let answer = read_all(tls).await;
        assert_eq!((status(&answer), values(&answer, "connection")), (200, vec!["close"]));
    }
    assert!(!edge.task.is_finished(), "a request is under way");
    edge.application.go.notify_one();
    assert_eq!(status(&read_all(&mut waiting).await), 200);
    timeout(PATIENCE, &mut edge.task).await.expect("it ends with its connections").unwrap();
    assert_eq!(status(&edge.ask("GET", "/", SIGNED_IN).await), 200, "the other one serves");
    heir.abort();
}

/// Another one is only where the first is.
#[tokio::test]
async fn a_listener_keeps_its_address() {
    for (clear, elsewhere) in [(None, true), (Some(0), false)] {
        let mut edge = Edge::with_listeners(|_| {}).await;
        let refused = heir(&mut edge, |settings| {
            settings.clear = clear.map(|port| (Ipv4Addr::LOCALHOST, port).into());
            if elsewhere {
                settings.listen = (Ipv4Addr::LOCALHOST, 1).into();
            }
        });
        let error = refused.await.err().unwrap();
        assert!(matches!(error, GatewayError::ListensElsewhere { .. }), "{error}");
    }
    let mut edge =
        Edge::with_listeners(|settings| settings.clear = Some((Ipv4Addr::LOCALHOST, 0).into()))
            .await;
    let error = heir(&mut edge, |_| {}).await.err().unwrap();
    assert!(
        matches!(error, GatewayError::ListensUnwanted(at) if Some(at) == edge.clear),
        "{error}"
    );
}

async fn heir(
    edge: &mut Edge,
    change: impl FnOnce(&mut Settings),
) -> Result<Gateway, GatewayError> {
    let upstream = format!("http://{}", edge.application.address).parse().unwrap();
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut settings = Settings { upstream: Some(upstream), ..Settings::new(free) };
    change(&mut settings);
    let listeners = edge.listeners.take().unwrap();
    Gateway::adopt(listeners, settings, ports(), Arc::clone(&edge.authority)).await
}
