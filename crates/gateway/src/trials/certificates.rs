//! Certificates of the operator's own, over real connections.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant, sleep};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Edge, PATIENCE, read_until, status};
use crate::certificates::tests::{Signer, put};
use crate::controls::hello::{self, Hello, Reply, TLS_1_2, TLS_1_3};
use crate::{CertificateFiles, MinTls, TlsSettings, UnknownName, client_config};

async fn edge(certificates: Vec<CertificateFiles>, unknown_name: UnknownName) -> Edge {
    Edge::with(|settings| {
        settings.tls = TlsSettings { certificates, unknown_name, ..TlsSettings::default() };
    })
    .await
}

/// A connection to `name` by somebody who trusts `trusted`, and the certificate that was shown.
async fn connect(
    edge: &Edge,
    name: &'static str,
    trusted: &str,
) -> Result<TlsStream<TcpStream>, String> {
    let client = client_config(trusted.as_bytes()).unwrap();
    let tcp = TcpStream::connect(edge.address).await.unwrap();
    let name = ServerName::try_from(name).unwrap();
    TlsConnector::from(client).connect(name, tcp).await.map_err(|error| error.to_string())
}

fn shown(tls: &TlsStream<TcpStream>) -> Vec<u8> {
    tls.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// Each name is shown the certificate for it, and the local authority keeps its own names. A name
/// that is nobody's hears so, or is shown the first.
#[tokio::test]
async fn each_name_has_its_certificate() {
    let (dir, signer) = (tempfile::tempdir().unwrap(), Signer::new());
    let files = vec![
        signer.write(dir.path(), "a", &["a.example"], 2090),
        signer.write(dir.path(), "b", &["b.example", "*.b.example"], 2090),
    ];
    let trusted = signer.pem();
    let strict = edge(files.clone(), UnknownName::Refuse).await;
    let a = shown(&connect(&strict, "a.example", &trusted).await.unwrap());
    let b = shown(&connect(&strict, "x.b.example", &trusted).await.unwrap());
    assert_ne!(a, b);
    let local = strict.authority.pem().to_owned();
    connect(&strict, "localhost", &local).await.unwrap();
    let asking = |name: &str| Hello {
        version: TLS_1_3,
        suites: vec![0x1301],
        groups: vec![0x001d],
        name: Some(name.to_owned()),
    };
    let stranger = asking("c.example").ask(strict.address).await.unwrap();
    assert_eq!(stranger, Reply::Alert(112));
    let lenient = edge(files, UnknownName::First).await;
    let stranger = asking("c.example").ask(lenient.address).await.unwrap();
    assert!(!stranger.is_refusal(), "{stranger:?}");
}

/// A client that can verify no key of ours hears that nothing can be agreed, as it expects, and not
/// that access was denied.
#[tokio::test]
async fn whoever_cannot_verify_is_told_so() {
    let (dir, signer) = (tempfile::tempdir().unwrap(), Signer::new());
    let files = vec![signer.write(dir.path(), "a", &["a.example"], 2090)];
    for unknown in [UnknownName::Refuse, UnknownName::First] {
        let edge = Edge::with(|settings| {
            settings.tls = TlsSettings {
                min: MinTls::V1_2,
                certificates: files.clone(),
                unknown_name: unknown,
            };
        })
        .await;
        let mut wire = Hello {
            version: TLS_1_2,
            suites: vec![0xc02b, 0xc02f],
            groups: vec![0x001d],
            name: Some("a.example".to_owned()),
        }
        .wire();
        // Only RSA, in the place of everything that a proof offers.
        let all = wire.windows(4).position(|four| four == [0x04, 0x03, 0x05, 0x03]).unwrap();
        for pair in wire[all..all + 28].chunks_mut(2) {
            pair.copy_from_slice(&[0x04, 0x01]);
        }
        let mut tcp = TcpStream::connect(edge.address).await.unwrap();
        tcp.write_all(&wire).await.unwrap();
        let mut said = Vec::new();
        tcp.read_to_end(&mut said).await.unwrap();
        assert_eq!(hello::read(&said), Some(Reply::Alert(40)));
    }
}

/// New files are presented without a restart, and whoever is connected notices nothing. What is
/// broken is not taken.
#[tokio::test]
async fn new_files_reach_new_connections_alone() {
    let (dir, signer) = (tempfile::tempdir().unwrap(), Signer::new());
    let files = signer.write(dir.path(), "a", &["a.example"], 2090);
    let edge = edge(vec![files.clone()], UnknownName::Refuse).await;
    let trusted = signer.pem();
    let mut old = connect(&edge, "a.example", &trusted).await.unwrap();
    let before = shown(&old);
    let next = Signer::new();
    next.write(dir.path(), "a", &["a.example"], 2091);
    let both = format!("{trusted}{}", next.pem());
    let start = Instant::now();
    while shown(&connect(&edge, "a.example", &both).await.unwrap()) == before {
        assert!(start.elapsed() < PATIENCE, "the new certificate is not presented");
        sleep(Duration::from_millis(50)).await;
    }
    put(&files.chain, "broken", 0o644);
    Arc::clone(&edge.certificates).look();
    connect(&edge, "a.example", &next.pem()).await.unwrap();
    let (_, refused) = edge.certificates.reloads();
    assert_eq!(refused, 1);
    let wire = b"GET /own HTTP/1.1\r\nHost: a.example\r\n\r\n";
    old.write_all(wire).await.unwrap();
    assert!(status(&read_until(&mut old, "\r\n\r\n").await) < 500, "it is still open");
}
