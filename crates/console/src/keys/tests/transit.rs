//! Vault's paths, where hvac does not reach: what is refused, and how.

use super::*;

/// As a client of Vault asks.
async fn vault(house: &House, method: &str, path: &str, tenant: &str, body: Value) -> Said {
    let request = Request::builder()
        .method(method)
        .uri(format!("/v1/{path}"))
        .header("x-vault-token", &house.admin)
        .header("x-vault-namespace", tenant)
        .body(if body.is_null() { Body::empty() } else { Body::from(body.to_string()) });
    house.send(request.unwrap()).await
}

/// Nothing that Vault can and we cannot is done halfway.
#[tokio::test]
async fn what_is_not_offered_is_refused_with_a_sentence() {
    let house = House::new().await;
    let text = b64("a");
    let cases = [
        ("keys/new", json!({"type": "rsa-2048"})),
        ("keys/new", json!({"convergent_encryption": true, "derived": true})),
        ("keys/new", json!({"exportable": true})),
        ("keys/new", json!({"allow_plaintext_backup": true})),
        ("keys/new", json!({"type": "ed25519", "derived": true})),
        ("keys/orders/config", json!({"exportable": true})),
        ("keys/orders/config", json!({"min_encryption_version": 1})),
        ("keys/orders/import", json!({"ciphertext": "x"})),
        ("encrypt/orders", json!({"plaintext": text, "nonce": text})),
        ("encrypt/orders", json!({"plaintext": text, "key_version": 7})),
        ("encrypt/orders", json!({"plaintext": text, "convergent_encryption": true})),
        ("hmac/orders/sha2-512", json!({"input": text})),
        ("sign/seal", json!({"input": text, "prehashed": true})),
        ("sign/seal", json!({"input": text, "marshaling_algorithm": "jws"})),
        ("random", json!({"source": "seal"})),
        ("hash", json!({"input": text, "algorithm": "sha3-256"})),
        ("export/encryption-key/orders", Value::Null),
        ("backup/orders", Value::Null),
        ("restore", Value::Null),
        ("wrapping_key", Value::Null),
    ];
    for (path, body) in cases {
        let said = vault(&house, "POST", &format!("transit/{path}"), "", body.clone()).await;
        assert_eq!(said.status, StatusCode::BAD_REQUEST, "{path} {body}: {}", said.body);
        assert_eq!(said.slug(), "unsupported", "{path} {body}: {}", said.body);
        assert!(said.body["errors"][0].as_str().unwrap().len() > 20, "{}", said.body);
    }
    assert!(house.keys.card(&of("new", None)).is_err(), "it was made all the same");
}

/// The same ciphertext opens in both dialects, and a context given to one is the other's.
#[tokio::test]
async fn both_dialects_speak_of_the_same_things() {
    let house = House::new().await;
    let body = json!({"plaintext": b64("a"), "context": b64("row")});
    let sealed = vault(&house, "PUT", "transit/encrypt/orders", "toko", body).await;
    let data = &sealed.body["data"];
    assert!(data["ciphertext"].as_str().unwrap().starts_with("vault:v1:"), "{data}");
    let body = json!({"tenant": "toko", "ciphertext": data["ciphertext"], "context": b64("row")});
    let opened = house.post("/api/v1/keys/orders/decrypt", body).await;
    assert_eq!(opened["plaintext"], b64("a"));
}

/// Not a byte can be moved between context and associated data, and neither can be left out.
#[tokio::test]
async fn context_and_associated_data_are_both_bound() {
    let house = House::new().await;
    let item = |context: &str, associated: &str| {
        let (context, associated) = (b64(context), b64(associated));
        json!({"context": context, "associated_data": associated})
    };
    let mut body = item("ab", "c");
    body["plaintext"] = b64("text").into();
    let sealed = vault(&house, "POST", "transit/encrypt/orders", "", body).await;
    let ciphertext = sealed.body["data"]["ciphertext"].clone();
    let trick = cipher::Context::of("amanah/transit/1").with("ab").with("c");
    let trick = STANDARD.encode(trick.as_bytes());
    let others = [
        item("a", "bc"),
        item("abc", ""),
        item("", "abc"),
        item("ab", ""),
        json!({}),
        json!({"context": trick}),
    ];
    for mut other in others {
        other["ciphertext"] = ciphertext.clone();
        let said = vault(&house, "POST", "transit/decrypt/orders", "", other.clone()).await;
        assert_eq!(said.status, StatusCode::BAD_REQUEST, "{other}");
    }
    let mut same = item("ab", "c");
    same["ciphertext"] = ciphertext;
    let said = vault(&house, "POST", "transit/decrypt/orders", "", same).await;
    assert_eq!(said.body["data"]["plaintext"], b64("text"));
}

/// Vault answers a batch with a failed item with 400, unless it is asked for another status.
#[tokio::test]
async fn a_batch_fails_as_vaults_does() {
    let house = House::new().await;
    let batch = json!([{"plaintext": b64("a"), "reference": "1"}, {"plaintext": "?"}]);
    let path = "transit/encrypt/orders";
    let said = vault(&house, "POST", path, "", json!({"batch_input": batch})).await;
    assert_eq!(said.status, StatusCode::BAD_REQUEST);
    let results = &said.body["data"]["batch_results"];
    assert_eq!(results[0]["reference"], "1");
    assert!(results[0]["ciphertext"].is_string() && results[1]["error"].is_string(), "{results}");
    for (asked, status) in [(200, 200), (207, 207), (204, 400), (100, 400), (7, 400)] {
        let body = json!({"batch_input": batch, "partial_failure_response_code": asked});
        assert_eq!(vault(&house, "POST", path, "", body).await.status.as_u16(), status, "{asked}");
    }
    let body = json!({"batch_input": [{"plaintext": "?"}], "partial_failure_response_code": 200});
    assert_eq!(vault(&house, "POST", path, "", body).await.status.as_u16(), 400);
}

#[tokio::test]
async fn the_namespace_is_the_tenant() {
    let house = House::new().await;
    let body = json!({"plaintext": b64("a"), "tenant": "warung"});
    let said = vault(&house, "POST", "transit/encrypt/orders", "toko", body).await;
    assert_eq!(said.slug(), "tenant");
    let body = json!({"plaintext": b64("a"), "tenant": "warung"});
    let said = vault(&house, "POST", "transit/encrypt/orders", "", body).await;
    assert_eq!(said.slug(), "tenant");
    let body = json!({"plaintext": b64("a")});
    let said = vault(&house, "POST", "transit/encrypt/orders", "toko", body).await;
    assert_eq!(said.status, StatusCode::OK, "{}", said.body);
    assert!(house.keys.card(&of("orders", Some("toko"))).is_ok());
    let listed = vault(&house, "LIST", "transit/keys", "toko", Value::Null).await;
    assert_eq!(listed.body["data"]["keys"], json!(["orders"]));
    let listed = vault(&house, "GET", "transit/keys?list=true", "", Value::Null).await;
    assert_eq!(listed.body["data"]["keys"], json!(["orders", "seal"]));
    let none = vault(&house, "LIST", "transit/keys", "warung", Value::Null).await;
    assert_eq!((none.status, none.body), (StatusCode::NOT_FOUND, json!({"errors": []})));
    let twice = Request::builder()
        .uri("/v1/transit/keys/orders")
        .header("x-vault-token", &house.admin)
        .header("x-vault-namespace", "toko")
        .header("x-vault-namespace", "warung");
    assert_eq!(house.send(twice.body(Body::empty()).unwrap()).await.slug(), "tenant");
}

/// Whether it is up is told to anybody, as Vault does, and nothing else.
#[tokio::test]
async fn health_needs_no_token_and_the_rest_does() {
    let house = House::new().await;
    for path in ["sys/health", "sys/seal-status", "sys/init"] {
        let request = Request::builder().uri(format!("/v1/{path}")).body(Body::empty());
        let said = house.send(request.unwrap()).await;
        assert_eq!(said.body["initialized"], true, "{path}");
    }
    for path in ["transit/random", "transit/hash", "transit/restore", "transit/cache-config"] {
        let request = Request::builder().method("POST").uri(format!("/v1/{path}"));
        let said = house.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(said.status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn periods_are_read_as_vault_writes_them() {
    let house = House::new().await;
    let period = async |value: Value| {
        let body = json!({"auto_rotate_period": value});
        let said = vault(&house, "POST", "transit/keys/orders/config", "", body).await;
        said.body["data"]["auto_rotate_period"].as_i64()
    };
    let usual = period(json!("0")).await;
    assert_eq!(usual, Some(60 * 24 * 3600));
    for (value, seconds) in [
        (json!("720h"), 720 * 3600),
        (json!(172_800), 172_800),
        (json!("30d"), 30 * 24 * 3600),
        (json!("172800s"), 172_800),
    ] {
        assert_eq!(period(value.clone()).await, Some(seconds), "{value}");
    }
    for wrong in [json!(-1), json!("1w"), json!("h"), json!("9999999999999999999h"), json!([])] {
        assert_eq!(period(wrong.clone()).await, None, "{wrong}");
    }
}
