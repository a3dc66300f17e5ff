//! Our own API.

use super::*;

const ORDERS: &str = "/api/v1/keys/orders";

/// What goes in comes out, for its tenant and context alone.
#[tokio::test]
async fn a_text_opens_for_its_tenant_and_context_alone() {
    let house = House::new().await;
    let sealed = house
        .post(
            &format!("{ORDERS}/encrypt"),
            json!({"tenant": "toko", "plaintext": b64("rahasia"), "context": b64("row 1")}),
        )
        .await;
    let ciphertext = sealed["ciphertext"].as_str().unwrap();
    assert!(ciphertext.starts_with("amanah:v1:"), "{ciphertext}");
    let open = async |tenant: &str, context: &str| {
        let body = json!({"tenant": tenant, "ciphertext": ciphertext, "context": b64(context)});
        house.ask(&house.admin, "POST", &format!("{ORDERS}/decrypt"), body).await
    };
    let opened = open("toko", "row 1").await;
    assert_eq!(opened.body, json!({"plaintext": b64("rahasia")}));
    assert_eq!(open("toko", "row 2").await.slug(), "refused");
    // The other tenant has a key of that name too.
    house
        .post(&format!("{ORDERS}/encrypt"), json!({"tenant": "warung", "plaintext": b64("x")}))
        .await;
    let other = open("warung", "row 1").await;
    assert_eq!(other.status, StatusCode::BAD_REQUEST, "{}", other.body);
}

/// One item that is wrong spoils nothing for its neighbours, and each keeps its place.
#[tokio::test]
async fn a_batch_answers_item_by_item() {
    let house = House::new().await;
    let encrypted = house
        .post(
            &format!("{ORDERS}/encrypt"),
            json!({"items": [
                {"plaintext": b64("a")},
                {"plaintext": "not base64!"},
                {"context": b64("no text")},
                {"plaintext": ""},
                {"plaintext": b64("e"), "nonce": b64("123456789012")},
            ]}),
        )
        .await;
    let items = encrypted["items"].as_array().unwrap();
    let slugs: Vec<_> = items.iter().map(|item| item["error"]["slug"].as_str()).collect();
    assert_eq!(slugs, [None, Some("base64"), Some("missing"), None, Some("unsupported")]);
    let (first, empty) = (&items[0]["ciphertext"], &items[3]["ciphertext"]);
    let opened = house
        .post(
            &format!("{ORDERS}/decrypt"),
            json!({"items": [
                {"ciphertext": empty},
                {"ciphertext": "amanah:v1:AAAA"},
                {"ciphertext": first, "context": b64("another")},
                {"ciphertext": first},
            ]}),
        )
        .await;
    assert_eq!(opened["items"][0], json!({"plaintext": ""}));
    assert_eq!(opened["items"][1]["error"]["slug"], "malformed");
    assert_eq!(opened["items"][2]["error"]["slug"], "refused");
    assert_eq!(opened["items"][3], json!({"plaintext": b64("a")}));
}

/// A key that wants a context says so for the very items that have none.
#[tokio::test]
async fn a_missing_context_is_that_items_fault() {
    let house = House::new().await;
    house.post("/api/v1/keys/strict", json!({"needs_context": true})).await;
    let done = house
        .post(
            "/api/v1/keys/strict/encrypt",
            json!({"items": [
                {"plaintext": b64("a")},
                {"plaintext": b64("b"), "context": b64("c")},
            ]}),
        )
        .await;
    assert_eq!(done["items"][0]["error"]["slug"], "no-context");
    assert!(done["items"][1]["ciphertext"].is_string());
}

#[tokio::test]
async fn rotation_and_rewrap_and_old_versions() {
    let house = House::new().await;
    let encrypt = format!("{ORDERS}/encrypt");
    let old = house.post(&encrypt, json!({"plaintext": b64("a")})).await["ciphertext"].clone();
    let rotated = house.post(&format!("{ORDERS}/rotate"), Value::Null).await;
    assert_eq!(rotated, json!({"version": 2}));
    let fresh = house.post(&format!("{ORDERS}/rewrap"), json!({"ciphertext": old})).await;
    assert!(fresh["ciphertext"].as_str().unwrap().starts_with("amanah:v2:"));
    let change = json!({"min_decryption": 2, "rotate_after": "PT720H", "removable": true});
    let changed = house.ask(&house.admin, "PATCH", ORDERS, change).await;
    assert_eq!(changed.body["min_decryption"], 2, "{}", changed.body);
    let body = json!({"items": [{"ciphertext": old}, {"ciphertext": fresh["ciphertext"]}]});
    let opened = house.post(&format!("{ORDERS}/decrypt"), body).await;
    assert_eq!(opened["items"][0]["error"]["slug"], "version");
    assert_eq!(opened["items"][1]["plaintext"], b64("a"));
    let trimmed = house.post(&format!("{ORDERS}/trim"), json!({"before": 2})).await;
    assert_eq!(trimmed["versions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn tags_are_made_and_checked() {
    let house = House::new().await;
    for (path, word) in [(ORDERS, "hmac"), ("/api/v1/keys/seal", "sign")] {
        let field = if word == "sign" { "signature" } else { word };
        let made = house.post(&format!("{path}/{word}"), json!({"input": b64("pay 5")})).await;
        let tag = made[field].as_str().unwrap();
        let verify = async |input: &str, tag: &str| {
            let body = json!({"items": [{"input": b64(input), field: tag}]});
            house.post(&format!("{path}/verify"), body).await["items"][0].clone()
        };
        assert_eq!(verify("pay 5", tag).await, json!({"valid": true}));
        assert_eq!(verify("pay 6", tag).await, json!({"valid": false}));
        for broken in ["", "amanah:v1", "amanah:v0:AAAA", "amanah:v+1:AAAA", "other:v1:AAAA"] {
            assert_eq!(verify("pay 5", broken).await["error"]["slug"], "malformed", "{broken}");
        }
        let future = tag.replace(":v1:", ":v9:");
        assert_ne!(verify("pay 5", &future).await, json!({"valid": true}));
    }
    let both = json!({"items": [{"input": "", "hmac": "x"}, {"input": "", "signature": "x"}]});
    let mixed = house.ask(&house.admin, "POST", &format!("{ORDERS}/verify"), both).await;
    assert_eq!(mixed.slug(), "tag");
    let body = json!({"input": b64("a")});
    let wrong = house.ask(&house.admin, "POST", &format!("{ORDERS}/sign"), body).await;
    assert_eq!(wrong.slug(), "kind");
}

#[tokio::test]
async fn a_data_key_comes_in_clear_and_encrypted() {
    let house = House::new().await;
    for (bits, bytes) in [(128, 16), (256, 32), (512, 64)] {
        let body = json!({"tenant": "toko", "bits": bits, "context": b64("file")});
        let made = house.post(&format!("{ORDERS}/datakey"), body).await;
        let clear = STANDARD.decode(made["plaintext"].as_str().unwrap()).unwrap();
        assert_eq!(clear.len(), bytes);
        let body = json!({"tenant": "toko", "ciphertext": made["ciphertext"],
            "context": b64("file")});
        let opened = house.post(&format!("{ORDERS}/decrypt"), body).await;
        assert_eq!(opened["plaintext"], made["plaintext"]);
    }
    let path = format!("{ORDERS}/datakey");
    let odd = house.ask(&house.admin, "POST", &path, json!({"bits": 7})).await;
    assert_eq!(odd.slug(), "bits");
}

/// What a token was not given, it does not get: neither another key, nor another operation, nor
/// another tenant; and it is not told what there is.
#[tokio::test]
async fn a_token_reaches_what_it_was_given() {
    let house = House::new().await;
    let may = [Operation::Encrypt, Operation::Read];
    let token = house.client("app", "ord*", &may, tenants(&["toko"])).await;
    let ask = async |path: &str, body: Value| house.ask(&token, "POST", path, body).await;
    let text = b64("a");
    let body = json!({"tenant": "toko", "plaintext": text});
    let good = ask(&format!("{ORDERS}/encrypt"), body).await;
    assert_eq!(good.status, StatusCode::OK);
    let cases = [
        (format!("{ORDERS}/encrypt"), json!({"tenant": "warung", "plaintext": text})),
        (format!("{ORDERS}/encrypt"), json!({"plaintext": text})),
        (
            format!("{ORDERS}/decrypt"),
            json!({"tenant": "toko", "ciphertext":
            good.body["ciphertext"]}),
        ),
        ("/api/v1/keys/seal/encrypt".to_owned(), json!({"tenant": "toko", "plaintext": text})),
        ("/api/v1/keys/nothing/encrypt".to_owned(), json!({"tenant": "toko", "plaintext": text})),
        (format!("{ORDERS}/rotate"), json!({"tenant": "toko"})),
        (format!("{ORDERS}/hmac"), json!({"tenant": "toko", "input": text})),
    ];
    for (path, body) in cases {
        let said = ask(&path, body.clone()).await;
        assert_eq!((said.status, said.slug()), (StatusCode::FORBIDDEN, "denied"), "{path} {body}");
    }
    // A key that the token may ask for is said not to be there.
    let none = house.ask(&token, "GET", "/api/v1/keys/ordinary?tenant=toko", Value::Null).await;
    assert_eq!((none.status, none.slug()), (StatusCode::NOT_FOUND, "unknown-key"));
    let listed = house.ask(&token, "GET", "/api/v1/keys", Value::Null).await;
    let listed = listed.body["keys"].as_array().unwrap().clone();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["key"], json!({"tenant": "toko", "name": "orders"}));
    assert_eq!(listed[0]["users"], json!([]), "who else has a token is not told");
}

#[tokio::test]
async fn a_request_names_one_tenant() {
    let house = House::new().await;
    let path = format!("{ORDERS}/encrypt?tenant=warung");
    let body = json!({"tenant": "toko", "plaintext": b64("a")});
    let said = house.ask(&house.admin, "POST", &path, body.clone()).await;
    assert_eq!(said.slug(), "tenant");
    for namespace in ["warung", "toko"] {
        let request = asking(&house.admin, "POST", &format!("{ORDERS}/encrypt"))
            .header("x-vault-namespace", namespace)
            .body(Body::from(body.to_string()));
        let agrees = namespace == "toko";
        assert_eq!(house.send(request.unwrap()).await.status.is_success(), agrees, "{namespace}");
    }
    // Without the body's word the header would be the only one, which our API does not go by.
    let request = asking(&house.admin, "GET", ORDERS).header("x-vault-namespace", "toko");
    assert_eq!(house.send(request.body(Body::empty()).unwrap()).await.slug(), "tenant");
}

/// Gone is gone, and says so, also for whoever would make the key anew.
#[tokio::test]
async fn what_was_shredded_says_so() {
    let house = House::new().await;
    let encrypt = format!("{ORDERS}/encrypt");
    let body = json!({"tenant": "toko", "plaintext": b64("a")});
    let sealed = house.post(&encrypt, body.clone()).await;
    house.keys.shred(&TenantId::new("toko").unwrap()).await.unwrap();
    let again = house.ask(&house.admin, "POST", &encrypt, body).await;
    assert_eq!((again.status, again.slug()), (StatusCode::GONE, "shredded"), "{}", again.body);
    let body = json!({"tenant": "toko", "ciphertext": sealed["ciphertext"]});
    let said = house.ask(&house.admin, "POST", &format!("{ORDERS}/decrypt"), body).await;
    assert_eq!((said.status, said.slug()), (StatusCode::GONE, "shredded"), "{}", said.body);
}

#[tokio::test]
async fn keys_are_made_shown_and_removed() {
    let house = House::new().await;
    let path = "/api/v1/keys/letters";
    let body = json!({"kind": "ed25519", "purpose": "signing"});
    let made = house.ask(&house.admin, "POST", path, body.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(made.body["public_keys"][0]["version"], 1);
    assert_eq!(house.ask(&house.admin, "POST", path, body).await.slug(), "exists");
    let shown = house.ask(&house.admin, "GET", path, Value::Null).await;
    assert_eq!(shown.body, made.body);
    let kept = house.ask(&house.admin, "DELETE", path, Value::Null).await;
    assert_eq!((kept.status, kept.slug()), (StatusCode::CONFLICT, "not-removable"));
    house.ask(&house.admin, "PATCH", path, json!({"removable": true})).await;
    let gone = house.ask(&house.admin, "DELETE", path, Value::Null).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(house.ask(&house.admin, "GET", path, Value::Null).await.slug(), "unknown-key");
}

/// JSON may escape what it likes, and many clients escape everything that is not ASCII.
#[tokio::test]
async fn escaped_texts_are_the_same_texts() {
    let house = House::new().await;
    let body = r#"{"tenant": "toko-\u00e9", "plaintext": "\u0059Q=="}"#;
    let request = asking(&house.admin, "POST", &format!("{ORDERS}/encrypt"));
    let sealed = house.send(request.body(Body::from(body)).unwrap()).await;
    assert_eq!(sealed.status, StatusCode::OK, "{}", sealed.body);
    let request = Request::builder()
        .method("POST")
        .uri("/v1/transit/decrypt/orders")
        .header("x-vault-token", &house.admin)
        .header("x-vault-namespace", "toko-\u{e9}".as_bytes())
        .body(Body::from(json!({"ciphertext": sealed.body["ciphertext"]}).to_string()));
    let opened = house.send(request.unwrap()).await;
    assert_eq!(opened.body["data"]["plaintext"], "YQ==");
    let body = Body::from(r#"{"tenant": "toko-\u00e9", "type": "aes256\u002dgcm96"}"#);
    let request = Request::builder()
        .method("POST")
        .uri("/v1/transit/keys/orders")
        .header("x-vault-token", &house.admin)
        .header("x-vault-namespace", "toko-\u{e9}".as_bytes());
    let made = house.send(request.body(body).unwrap()).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.body);
}
