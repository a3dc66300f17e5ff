//! Streams of any length.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use super::*;

const PATH: &str = "/api/v1/keys/orders";

/// What came back: status, the stream's key and the bytes, or `None` when it broke off.
struct Streamed {
    status: StatusCode,
    key: Option<String>,
    bytes: Option<Vec<u8>>,
}

async fn send(house: &House, verb: &str, query: &str, key: Option<&str>, body: Body) -> Streamed {
    let mut request = asking(&house.admin, "POST", &format!("{PATH}/{verb}?{query}"));
    if let Some(key) = key {
        request = request.header("amanah-stream-key", key);
    }
    let answer = house.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let key = answer.headers().get("amanah-stream-key");
    let key = key.map(|key| key.to_str().unwrap().to_owned());
    let status = answer.status();
    let bytes = to_bytes(answer.into_body(), 1 << 30).await.ok().map(|bytes| bytes.to_vec());
    Streamed { status, key, bytes }
}

/// A body that arrives in odd pieces.
fn pieces(bytes: &[u8]) -> Body {
    let pieces: Vec<_> = bytes.chunks(70_001).map(Bytes::copy_from_slice).collect();
    Body::from_stream(stream::iter(pieces).map(Ok::<_, std::io::Error>))
}

#[tokio::test]
async fn a_stream_comes_back_as_the_same_object_alone() {
    let house = House::new().await;
    for length in [0, 1, (1 << 20) - 56, 1 << 20, 3 * (1 << 20) + 17] {
        let text = vec![7; length];
        let query = "tenant=toko&object=orders%2F17.pdf";
        let sealed = send(&house, "seal", query, None, pieces(&text)).await;
        assert_eq!(sealed.status, StatusCode::OK);
        let (key, bytes) = (sealed.key.unwrap(), sealed.bytes.unwrap());
        let open =
            async |query: &str| send(&house, "open", query, Some(&key), pieces(&bytes)).await;
        assert_eq!(open(query).await.bytes.unwrap(), text, "{length} bytes");
        for wrong in ["tenant=toko&object=orders%2F18.pdf", "object=orders%2F17.pdf", "tenant=toko"]
        {
            let refused = open(wrong).await;
            assert!(refused.status.is_client_error(), "{wrong}: {}", refused.status);
        }
    }
}

/// A stream that was cut off, changed or prolonged never ends like a whole one. What is wrong in
/// its first segment still gets a status.
#[tokio::test]
async fn a_damaged_stream_breaks_off() {
    let house = House::new().await;
    let sealed = send(&house, "seal", "object=a", None, pieces(&vec![7; 3 << 20])).await;
    let (key, whole) = (sealed.key.unwrap(), sealed.bytes.unwrap());
    let open =
        async |bytes: &[u8]| send(&house, "open", "object=a", Some(&key), pieces(bytes)).await;
    let mut late = whole.clone();
    late[2 << 20] ^= 1;
    let longer = [&whole[..], b"more"].concat();
    for (what, bytes) in [
        ("cut at a segment's end", &whole[..2 << 20]),
        ("cut in a segment", &whole[..(2 << 20) + 5]),
        ("changed", &late[..]),
        ("prolonged", &longer[..]),
    ] {
        let opened = open(bytes).await;
        assert_eq!((opened.status, opened.bytes), (StatusCode::OK, None), "{what}");
    }
    let mut early = whole.clone();
    early[100] ^= 1;
    for (what, bytes) in [("changed", &early[..]), ("cut", &whole[..900]), ("empty", &[][..])] {
        assert_eq!(open(bytes).await.status, StatusCode::BAD_REQUEST, "{what} early");
    }
}

/// A client that goes away in the middle leaves no stream that looks whole.
#[tokio::test]
async fn a_body_that_breaks_off_gives_no_whole_stream() {
    let house = House::new().await;
    let parts = [Ok(Bytes::from(vec![7; 3 << 20])), Err(std::io::Error::other("gone"))];
    let body = Body::from_stream(stream::iter(parts));
    let sealed = send(&house, "seal", "object=a", None, body).await;
    assert_eq!((sealed.status, sealed.bytes), (StatusCode::OK, None));
}

/// After a rotation a stream's key moves to the newest version, and the stream stays as it is.
#[tokio::test]
async fn a_streams_key_is_rewrapped_without_the_stream() {
    let house = House::new().await;
    let sealed = send(&house, "seal", "object=a", None, Body::from("text")).await;
    house.keys.rotate(&of("orders", None)).await.unwrap();
    let old = sealed.key.unwrap();
    let fresh = send(&house, "rewrap-stream", "object=a", Some(&old), Body::empty()).await;
    let fresh = fresh.key.unwrap();
    assert!(fresh.starts_with("amanah:v2:"), "{fresh}");
    let bytes = pieces(&sealed.bytes.unwrap());
    let opened = send(&house, "open", "object=a", Some(&fresh), bytes).await;
    assert_eq!(opened.bytes.unwrap(), b"text");
}

#[tokio::test]
async fn a_stream_wants_its_key_and_a_token() {
    let house = House::new().await;
    let missing = send(&house, "open", "object=a", None, Body::from("x")).await;
    assert_eq!(missing.status, StatusCode::BAD_REQUEST);
    for key in ["", "amanah:v1:", "amanah:v1:AAAA", "x"] {
        let refused = send(&house, "open", "object=a", Some(key), Body::from("x")).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{key}");
    }
    let may = [Operation::Encrypt];
    let token = house.client("writer", "orders", &may, Reach::House).await;
    let request = asking(&token, "POST", &format!("{PATH}/open")).body(Body::from("x"));
    assert_eq!(house.send(request.unwrap()).await.slug(), "denied");
}
