//! What is agreed with clients before anything is asked, and what is not.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Edge;
use crate::controls::hello::{FALLBACK, Hello, Reply, TLS_1_1, TLS_1_2, TLS_1_3};
use crate::{MinTls, TlsSettings};

const STRONG: [u16; 2] = [0xc02b, 0xc02c];

async fn said(edge: &Edge, version: u16, suites: &[u16]) -> Reply {
    let hello = Hello {
        version,
        suites: suites.to_vec(),
        groups: vec![0x001d, 0x0017],
        name: Some("localhost".to_owned()),
    };
    hello.ask(edge.address).await.unwrap()
}

async fn with(min: MinTls) -> Edge {
    Edge::with(|settings| settings.tls = TlsSettings { min, ..TlsSettings::default() }).await
}

/// TLS 1.3 alone, unless the operator asks for 1.2 as well; nothing older in any case.
#[tokio::test]
async fn old_versions_are_spoken_only_where_they_are_asked_for() {
    let edge = with(MinTls::V1_3).await;
    assert!(said(&edge, TLS_1_2, &STRONG).await.is_refusal());
    let new = said(&edge, TLS_1_3, &[0x1301]).await;
    assert!(matches!(new, Reply::Hello { version: TLS_1_3, .. }), "{new:?}");
    let edge = with(MinTls::V1_2).await;
    let old = said(&edge, TLS_1_2, &STRONG).await;
    assert!(matches!(old, Reply::Hello { version: TLS_1_2, .. }), "{old:?}");
    assert!(said(&edge, TLS_1_1, &[0xc013, 0xc009, 0x002f]).await.is_refusal());
    assert!(said(&edge, TLS_1_2, &[0xc013, 0xc009, 0x002f, 0x009c]).await.is_refusal());
}

/// A client that says it fell back is refused with the alert for it, whatever the settings allow,
/// and is served when it has not.
#[tokio::test]
async fn a_fallback_is_refused_by_its_alert_and_counted() {
    for min in [MinTls::V1_2, MinTls::V1_3] {
        let edge = with(min).await;
        let fell = said(&edge, TLS_1_2, &[STRONG[0], FALLBACK]).await;
        assert_eq!(fell, Reply::Alert(86), "{min:?}");
        assert_eq!(said(&edge, TLS_1_1, &[0xc013, FALLBACK]).await, Reply::Alert(86));
        // A suite of TLS 1.3 that is there for show does not bring TLS 1.2.
        let shown = said(&edge, TLS_1_2, &[0x1301, STRONG[0], FALLBACK]).await;
        assert!(shown.is_refusal(), "{shown:?}");
        let not = said(&edge, TLS_1_3, &[0x1301, FALLBACK]).await;
        assert!(matches!(not, Reply::Hello { version: TLS_1_3, .. }), "{not:?}");
        assert_eq!(edge.count("gateway_fallbacks_refused_total", ""), 2);
    }
}

/// A hello that never ends is not read for ever, and one in many pieces is one.
#[tokio::test]
async fn a_hello_is_bounded_and_may_come_in_pieces() {
    let edge = with(MinTls::V1_2).await;
    let suites: Vec<u16> = (0x6000..0x6000 + 16_000).collect();
    let hello = Hello { version: TLS_1_2, suites, groups: vec![0x001d], name: None };
    let whole = hello.wire();
    // As records of at most 16 KiB, since the message is larger.
    let mut wire = Vec::new();
    for part in whole[5..].chunks(8 * 1024) {
        wire.extend([22, 3, 1]);
        wire.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
        wire.extend(part);
    }
    assert!(wire.len() > 17 * 1024);
    let answer = raw(edge.address, &[&wire]).await;
    assert!(!answer.starts_with(&[22]), "{answer:?}");
    let hello = Hello { suites: STRONG.to_vec(), ..hello };
    let wire = hello.wire();
    let pieces: Vec<&[u8]> = wire.chunks(7).collect();
    assert_eq!(raw(edge.address, &pieces).await.first(), Some(&22));
}

/// Sends the pieces one by one and gives back the beginning of what comes.
async fn raw(address: SocketAddr, pieces: &[&[u8]]) -> Vec<u8> {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    for piece in pieces {
        if tcp.write_all(piece).await.is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    let _ = tcp.read_buf(&mut answer).await;
    answer
}
