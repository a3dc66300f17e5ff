//! Requests that no honest client sends.

use bytes::Bytes;
use futures_util::stream;

use super::*;

const ENCRYPT: &str = "/api/v1/keys/orders/encrypt";
const TRANSIT: &str = "/v1/transit/encrypt/orders";

async fn raw(house: &House, path: &str, body: impl Into<Body>) -> Said {
    house.send(asking(&house.admin, "POST", path).body(body.into()).unwrap()).await
}

/// What cannot be read is refused in words, and never as a success.
#[tokio::test]
async fn what_is_no_json_is_refused() {
    let house = House::new().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let nested = format!("{{\"items\":{deep}}}");
    let unknown = format!("{{\"unknown\":{deep}}}");
    let bodies: [&[u8]; 18] = [
        b"{",
        b"[]",
        b"\"text\"",
        b"null",
        b"\xff\xfe",
        b"{\"plaintext\":\"\\ud800\"}",
        b"{\"plaintext\":7}",
        b"{\"plaintext\":\"YQ==\",\"plaintext\":\"YQ==\"}",
        b"{\"plaintext\":\"YQ==\",\"contxt\":\"YQ==\"}",
        b"{\"plaintext\":\"YQ==\",\"key_version\":1e999}",
        b"{\"plaintext\":\"YQ==\",\"key_version\":99999999999999999999}",
        b"{\"plaintext\":\"YQ==\",\"key_version\":-1}",
        b"{\"plaintext\":\"YQ==\"} trailing",
        b"{\"items\":{}}",
        b"{\"items\":[7]}",
        b"{\"items\":[{}],\"plaintext\":\"YQ==\"}",
        nested.as_bytes(),
        unknown.as_bytes(),
    ];
    for body in bodies {
        let said = raw(&house, ENCRYPT, body.to_vec()).await;
        let shown = String::from_utf8_lossy(body.get(..60).unwrap_or(body)).into_owned();
        assert_eq!((said.status, said.slug()), (StatusCode::BAD_REQUEST, "json"), "{shown}");
        let said = raw(&house, TRANSIT, body.to_vec()).await;
        assert!(said.body["errors"][0].is_string(), "{shown}: {}", said.body);
    }
    for (path, body) in [(ENCRYPT, r#"{"items":[]}"#), (TRANSIT, r#"{"batch_input":[]}"#)] {
        assert_eq!(raw(&house, path, body).await.slug(), "empty");
    }
}

/// A refusal does not repeat what might be a secret.
#[tokio::test]
async fn a_refusal_repeats_no_text() {
    let house = House::new().await;
    for body in [
        r#"{"plaintext":"hunter2 is no base64"}"#,
        r#"{"items":[{"plaintext":"hunter2 is no base64"}]}"#,
        r#"{"plaintext":["hunter2"]}"#,
        r#"{"items":"hunter2"}"#,
        r#"{"plaintext":"YQ==" "hunter2"}"#,
        r#"{"plaintext":"YQ==","key_version":"hunter2"}"#,
    ] {
        for path in [ENCRYPT, TRANSIT] {
            let said = raw(&house, path, body).await;
            assert!(!said.body.to_string().contains("hunter2"), "{body}: {}", said.body);
        }
    }
}

#[tokio::test]
async fn a_batch_has_its_bound() {
    let house = House::new().await;
    let full = vec![json!({"plaintext": "YQ=="}); super::super::MAX_ITEMS];
    let said = raw(&house, ENCRYPT, json!({"items": full}).to_string()).await;
    assert_eq!(said.body["items"].as_array().unwrap().len(), full.len());
    let body = format!("{{\"items\":[{}{{}}]}}", "{},".repeat(super::super::MAX_ITEMS));
    let said = raw(&house, ENCRYPT, body).await;
    assert_eq!((said.status, said.slug()), (StatusCode::BAD_REQUEST, "json"));
    assert!(said.body.to_string().contains("10000"), "{}", said.body);
}

/// A body is refused by the length that it states, and by the length that it has.
#[tokio::test]
async fn a_body_has_its_bound() {
    let house = House::new().await;
    let stated = asking(&house.admin, "POST", ENCRYPT).header("content-length", "99999999999");
    let said = house.send(stated.body(Body::from("{}")).unwrap()).await;
    assert_eq!((said.status, said.slug()), (StatusCode::PAYLOAD_TOO_LARGE, "too-large"));
    let part = Bytes::from(vec![b' '; 1 << 20]);
    let endless = stream::repeat_with(move || Ok::<_, std::io::Error>(part.clone()));
    let said = raw(&house, ENCRYPT, Body::from_stream(endless)).await;
    assert_eq!(said.slug(), "too-large");
}

/// Whoever has no token is told so before a byte of the body is read.
#[tokio::test]
async fn a_stranger_sends_no_body() {
    let house = House::new().await;
    let wrong = format!("amk_{}", b64([7; 32]));
    for path in [ENCRYPT, TRANSIT, "/api/v1/keys/orders/seal", "/v1/transit/random"] {
        for token in ["", "x", wrong.as_str()] {
            let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
            let said = house.send(asking(token, "POST", path).body(never).unwrap()).await;
            assert_eq!((said.status, said.slug()), (StatusCode::FORBIDDEN, "denied"), "{path}");
            assert_eq!(said.body["errors"].as_array().unwrap().len(), 1);
        }
    }
    let two = asking(&house.admin, "GET", "/api/v1/keys").header("x-vault-token", "another");
    assert_eq!(house.send(two.body(Body::empty()).unwrap()).await.slug(), "denied");
    let same = asking(&house.admin, "GET", "/api/v1/keys").header("x-vault-token", &house.admin);
    assert_eq!(house.send(same.body(Body::empty()).unwrap()).await.status, StatusCode::OK);
    let basic = Request::builder().uri("/api/v1/keys").header("authorization", "Basic YTpi");
    assert_eq!(house.send(basic.body(Body::empty()).unwrap()).await.slug(), "denied");
}

/// Odd paths, names, tenants, queries and methods get an answer in JSON like everything else.
#[tokio::test]
async fn odd_addresses_are_refused() {
    let house = House::new().await;
    let long = "x".repeat(200);
    for (method, path, slug) in [
        ("GET", "/", "not-found"),
        ("GET", "/api/v1/keys/orders/nothing", "not-found"),
        ("GET", "/v1/secret/data/x", "not-found"),
        ("GET", ENCRYPT, "method"),
        ("PATCH", "/v1/transit/keys/orders", "method"),
        ("DELETE", "/v1/transit/keys", "method"),
        ("GET", "/api/v1/keys/..", "name"),
        ("GET", "/api/v1/keys/%00", "name"),
        ("GET", "/api/v1/keys/%ff", "name"),
        ("GET", "/api/v1/keys/a%2Fb", "name"),
        ("GET", &format!("/api/v1/keys/{long}"), "name"),
        ("GET", &format!("/api/v1/keys/orders?tenant={long}"), "tenant"),
        ("GET", "/api/v1/keys/orders?tenant=", "tenant"),
        ("GET", "/api/v1/keys/orders?tenant=a%0Ab", "tenant"),
        ("GET", "/api/v1/keys/orders?tenat=toko", "query"),
        ("GET", "/api/v1/keys/orders?tenant=a&tenant=b", "query"),
    ] {
        let said = house.ask(&house.admin, method, path, Value::Null).await;
        assert_eq!(said.slug(), slug, "{method} {path}: {} {}", said.status, said.body);
        assert_eq!(said.headers["content-type"], "application/json");
    }
}
