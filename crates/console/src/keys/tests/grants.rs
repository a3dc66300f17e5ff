//! Every route by every operation: what a token must allow for what.

use super::*;

/// Each route with a request that goes as far as the question of what the token allows.
fn routes() -> Vec<(&'static str, &'static str, Value, Operation)> {
    use Operation::{Decrypt, Encrypt, Hmac, Manage, Read, Rewrap, Sign};
    let (text, none) = (json!({"plaintext": "YQ=="}), Value::Null);
    let (input, sealed) = (json!({"input": "YQ=="}), json!({"ciphertext": "x"}));
    let hmac = json!({"input": "YQ==", "hmac": "x"});
    let signed = json!({"input": "YQ==", "signature": "x"});
    let trim = json!({"before": 1});
    let vault_trim = json!({"min_available_version": 1});
    vec![
        ("GET", "/api/v1/keys/orders", none.clone(), Read),
        ("POST", "/api/v1/keys/orders", none.clone(), Manage),
        ("PATCH", "/api/v1/keys/orders", none.clone(), Manage),
        ("DELETE", "/api/v1/keys/orders", none.clone(), Manage),
        ("POST", "/api/v1/keys/orders/rotate", none.clone(), Manage),
        ("POST", "/api/v1/keys/orders/trim", trim, Manage),
        ("POST", "/api/v1/keys/orders/encrypt", text.clone(), Encrypt),
        ("POST", "/api/v1/keys/orders/decrypt", sealed.clone(), Decrypt),
        ("POST", "/api/v1/keys/orders/rewrap", sealed.clone(), Rewrap),
        ("POST", "/api/v1/keys/orders/hmac", input.clone(), Hmac),
        ("POST", "/api/v1/keys/orders/sign", input.clone(), Sign),
        ("POST", "/api/v1/keys/orders/verify", hmac.clone(), Hmac),
        ("POST", "/api/v1/keys/orders/verify", signed.clone(), Sign),
        ("POST", "/api/v1/keys/orders/datakey", none.clone(), Encrypt),
        ("POST", "/api/v1/keys/orders/open", none.clone(), Decrypt),
        ("POST", "/api/v1/keys/orders/rewrap-stream", none.clone(), Rewrap),
        ("GET", "/v1/transit/keys/orders", none.clone(), Read),
        ("POST", "/v1/transit/keys/orders", none.clone(), Manage),
        ("PUT", "/v1/transit/keys/orders", none.clone(), Manage),
        ("DELETE", "/v1/transit/keys/orders", none.clone(), Manage),
        ("POST", "/v1/transit/keys/orders/config", none.clone(), Manage),
        ("POST", "/v1/transit/keys/orders/rotate", none.clone(), Manage),
        ("POST", "/v1/transit/keys/orders/trim", vault_trim, Manage),
        ("POST", "/v1/transit/encrypt/orders", text, Encrypt),
        ("POST", "/v1/transit/decrypt/orders", sealed.clone(), Decrypt),
        ("POST", "/v1/transit/rewrap/orders", sealed, Rewrap),
        ("POST", "/v1/transit/datakey/plaintext/orders", none.clone(), Encrypt),
        ("POST", "/v1/transit/datakey/wrapped/orders", none, Encrypt),
        ("POST", "/v1/transit/hmac/orders", input.clone(), Hmac),
        ("POST", "/v1/transit/sign/orders", input, Sign),
        ("POST", "/v1/transit/verify/orders", hmac, Hmac),
        ("POST", "/v1/transit/verify/orders", signed, Sign),
    ]
}

/// A token that allows one operation opens the routes of that operation, and no other route; and
/// no route opens without a token.
#[tokio::test]
async fn each_route_asks_for_its_operation() {
    let house = House::new().await;
    for operation in ALL {
        let name = format!("{operation:?}");
        let token = house.client(&name, "orders", &[operation], Reach::House).await;
        for (method, path, body, wanted) in routes() {
            let said = house.ask(&token, method, path, body).await;
            let denied = said.status == StatusCode::FORBIDDEN;
            assert_eq!(!denied, operation == wanted, "{method} {path} by {name}: {}", said.body);
        }
    }
    for (method, path, body, _) in routes() {
        assert_eq!(house.ask("", method, path, body).await.status, StatusCode::FORBIDDEN, "{path}");
    }
}

/// A token that has ended is as good as none, from the very moment.
#[tokio::test]
async fn a_dismissed_client_is_refused_at_once() {
    let house = House::new().await;
    let token = house.client("app", "orders", &[Operation::Read], Reach::House).await;
    let path = "/api/v1/keys/orders";
    assert_eq!(house.ask(&token, "GET", path, Value::Null).await.status, StatusCode::OK);
    house.keys.dismiss("app").await.unwrap();
    assert_eq!(house.ask(&token, "GET", path, Value::Null).await.slug(), "denied");
}
