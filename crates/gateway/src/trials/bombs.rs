//! Bodies that would become much larger: nothing here decompresses what strangers send.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::{Edge, PATIENCE, SIGNED_IN, assert_policy, read_until, status, values};

/// The header of gzip and 1 MiB of zeros, as RFC 1952 and 1951 have it: about a thousandth of what it would
/// come to.
fn bomb() -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    // A block of fixed codes: a zero, then matches of length 258 and distance 1, and the end.
    let (mut bits, mut count) = (0_u64, 0_u32);
    let mut put = |value: u64, length: u32, bytes: &mut Vec<u8>| {
        bits |= value << count;
        count += length;
        while count >= 8 {
            bytes.push(u8::try_from(bits & 0xff).unwrap());
            bits >>= 8;
            count -= 8;
        }
    };
    let reversed = |code: u64, length: u32| code.reverse_bits() >> (64 - length);
    put(0b011, 3, &mut bytes);
    put(reversed(0x30, 8), 8, &mut bytes);
    for _ in 0..4_064 {
        put(reversed(0xc5, 8), 8, &mut bytes);
        put(0, 5, &mut bytes);
    }
    put(0, 7, &mut bytes);
    put(0, 7, &mut bytes);
    bytes
}

/// The application gets the bytes that were sent, is told of their encoding, and no more than a body may be;
/// our own pages take nothing that is compressed.
#[tokio::test]
async fn nothing_is_decompressed() {
    let bomb = bomb();
    assert!(bomb.len() < 8 * 1024, "{}", bomb.len());
    // What it would come to fits into no body here.
    let edge = Edge::with(|settings| settings.body_limit = 16 * 1024).await;
    let ask = |path: &str, lines: &str, body: &[u8]| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{SIGNED_IN}\
             Sec-Fetch-Site: same-origin\r\n{lines}Content-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    let gzip = "Content-Encoding: gzip\r\n";
    // The application of the trials speaks text: bytes of seven bits stand for those of the bomb there.
    let seven: Vec<u8> = bomb.iter().map(|byte| byte & 0x7f).collect();
    let answer = edge.talk(ask("/", gzip, &seven)).await;
    assert_eq!(status(&answer), 200, "{answer}");
    let arrived = edge.application.seen().pop().unwrap();
    let (head, body) = arrived.split_once("\r\n\r\n").unwrap();
    assert_eq!(values(head, "content-encoding"), ["gzip"]);
    assert_eq!(body.as_bytes(), seven, "as it was sent");
    let large = edge.talk(ask("/", gzip, &vec![b'a'; 16 * 1024 + 1])).await;
    assert_eq!(status(&large), 413, "{large}");

    for path in ["/_amanah/echo", "/_amanah/scim/v2/Users", "/trust"] {
        for lines in [gzip, "Content-Encoding: identity\r\nContent-Encoding: br\r\n"] {
            let answer = edge.talk(ask(path, lines, &bomb)).await;
            assert_eq!(status(&answer), 415, "{path}: {answer}");
            assert_eq!(values(&answer, "amanah-refused"), ["compressed"]);
            assert_eq!(values(&answer, "accept-encoding"), ["identity"]);
            assert_policy(&answer);
        }
    }
    let plain = edge.talk(ask("/_amanah/echo", "Content-Encoding: identity\r\n", &bomb)).await;
    assert_eq!(status(&plain), 200, "{plain}");
}

/// No socket is told that what is said on it may be compressed by us: whatever is agreed, both ends agree.
#[tokio::test]
async fn a_socket_is_not_decompressed() {
    let edge = Edge::start().await;
    let mut tls = edge.connect().await;
    let wire = format!(
        "GET /socket HTTP/1.1\r\nHost: localhost\r\n{SIGNED_IN}Sec-Fetch-Site: same-origin\r\n\
         Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    );
    tls.write_all(wire.as_bytes()).await.unwrap();
    let head = read_until(&mut tls, "\r\n\r\n").await;
    assert_eq!(status(&head), 101, "{head}");
    assert!(values(&head, "sec-websocket-extensions").is_empty(), "the application agreed to none");
    // The application says what it hears: a frame that is said to be compressed comes back as it was.
    let frame = [&[0xc1_u8, 0x05][..], b"\x4a\x4c\x04\x23\x00"].concat();
    tls.write_all(&frame).await.unwrap();
    let mut back = vec![0; frame.len()];
    timeout(PATIENCE, tls.read_exact(&mut back)).await.expect("nothing came").unwrap();
    assert_eq!(back, frame);
}
