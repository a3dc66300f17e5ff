//! Every route by every operation: what a token must allow for what.

use super::*;

/// Each route with a request that goes as far as the question of what the token allows.
fn routes() -> Vec<(&'static str, &'static str, Value, Operation)> {
    use Operation::{Decrypt, Destroy, Encrypt, Hmac, Manage, Read, Rewrap, Sign};
    let (text, none) = (json!({"plaintext": "YQ=="}), Value::Null);
    let (input, sealed) = (json!({"input": "YQ=="}), json!({"ciphertext": "x"}));
    let hmac = json!({"input": "YQ==", "hmac": "x"});
    let signed = json!({"input": "YQ==", "signature": "x"});
    let mut all = vec![
        ("GET", "/api/v1/keys", none.clone(), Read),
        ("GET", "/api/v1/keys/orders", none.clone(), Read),
        ("POST", "/api/v1/keys/orders", none.clone(), Manage),
        ("PATCH", "/api/v1/keys/orders", none.clone(), Manage),
        ("PATCH", "/api/v1/keys/orders", json!({"min_decryption": 1}), Manage),
        ("PATCH", "/api/v1/keys/orders", json!({"removable": true}), Destroy),
        ("DELETE", "/api/v1/keys/orders", none.clone(), Destroy),
        ("POST", "/api/v1/keys/orders/rotate", none.clone(), Manage),
        ("POST", "/api/v1/keys/orders/trim", json!({"before": 1}), Destroy),
        ("POST", "/api/v1/keys/orders/encrypt", text.clone(), Encrypt),
        ("POST", "/api/v1/keys/orders/decrypt", sealed.clone(), Decrypt),
        ("POST", "/api/v1/keys/orders/rewrap", sealed.clone(), Rewrap),
        ("POST", "/api/v1/keys/orders/hmac", input.clone(), Hmac),
        ("POST", "/api/v1/keys/orders/sign", input.clone(), Sign),
        ("POST", "/api/v1/keys/orders/verify", hmac.clone(), Hmac),
        ("POST", "/api/v1/keys/orders/verify", signed.clone(), Sign),
        ("POST", "/api/v1/keys/orders/datakey", none.clone(), Encrypt),
        ("POST", "/api/v1/keys/orders/seal", none.clone(), Encrypt),
        ("POST", "/api/v1/keys/orders/open", none.clone(), Decrypt),
        ("POST", "/api/v1/keys/orders/rewrap-stream", none.clone(), Rewrap),
        ("LIST", "/v1/transit/keys", none.clone(), Read),
        ("LIST", "/v1/transit/keys/", none.clone(), Read),
        ("GET", "/v1/transit/keys/orders", none.clone(), Read),
        ("DELETE", "/v1/transit/keys/orders", none.clone(), Destroy),
    ];
    // What Vault's clients send with POST they may send with PUT.
    for method in ["POST", "PUT"] {
        all.extend([
            (method, "/v1/transit/keys/orders", none.clone(), Manage),
            (method, "/v1/transit/keys/orders/config", none.clone(), Manage),
            (method, "/v1/transit/keys/orders/config", json!({"deletion_allowed": true}), Destroy),
            (method, "/v1/transit/keys/orders/rotate", none.clone(), Manage),
            (method, "/v1/transit/keys/orders/trim", json!({"min_available_version": 1}), Destroy),
            (method, "/v1/transit/encrypt/orders", text.clone(), Encrypt),
            (method, "/v1/transit/decrypt/orders", sealed.clone(), Decrypt),
            (method, "/v1/transit/rewrap/orders", sealed.clone(), Rewrap),
            (method, "/v1/transit/datakey/plaintext/orders", none.clone(), Encrypt),
            (method, "/v1/transit/datakey/wrapped/orders", none.clone(), Encrypt),
        ]);
        for (word, body, operation) in [
            ("hmac", &input, Hmac),
            ("sign", &input, Sign),
            ("verify", &hmac, Hmac),
            ("verify", &signed, Sign),
        ] {
            let (short, long) = match word {
                "hmac" => ("/v1/transit/hmac/orders", "/v1/transit/hmac/orders/sha2-256"),
                "sign" => ("/v1/transit/sign/orders", "/v1/transit/sign/orders/sha2-256"),
                _ => ("/v1/transit/verify/orders", "/v1/transit/verify/orders/sha2-256"),
            };
            all.push((method, short, body.clone(), operation));
            all.push((method, long, body.clone(), operation));
        }
    }
    all
}

/// Routes that have to do with no key, so that any token will do, and whether even that is needed.
const KEYLESS: [(&str, bool); 21] = [
    ("/v1/sys/health", false),
    ("/v1/sys/init", false),
    ("/v1/sys/seal-status", false),
    ("/v1/auth/token/lookup-self", true),
    ("/v1/transit/random", true),
    ("/v1/transit/random/{first}", true),
    ("/v1/transit/random/{first}/{second}", true),
    ("/v1/transit/hash", true),
    ("/v1/transit/hash/{algorithm}", true),
    // What is not offered.
    ("/v1/transit/keys/{name}/{what}", true),
    ("/v1/transit/export/{*rest}", true),
    ("/v1/transit/byok-export/{*rest}", true),
    ("/v1/transit/backup/{*rest}", true),
    ("/v1/transit/restore", true),
    ("/v1/transit/restore/{*rest}", true),
    ("/v1/transit/cmac/{*rest}", true),
    ("/v1/transit/wrapping_key", true),
    ("/v1/transit/cache-config", true),
    ("/v1/transit/config/keys", true),
    // Other methods than those of a list.
    ("/v1/transit/keys", true),
    ("/v1/transit/keys/", true),
];

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "LIST"];

/// The paths that the router knows, from its own description of itself.
fn paths(house: &House) -> BTreeSet<String> {
    let described = format!("{:?}", house.router);
    let quoted = described.split('"').skip(1).step_by(2);
    quoted
        .filter(|text| text.starts_with("/v1/") || text.starts_with("/api/"))
        .map(str::to_owned)
        .collect()
}

/// Whether `path` is one of those that the route stands for.
fn stands_for(route: &str, path: &str) -> bool {
    let (route, path): (Vec<_>, Vec<_>) = (route.split('/').collect(), path.split('/').collect());
    let same = |(of, is): (&&str, &&str)| of == is || (of.starts_with('{') && !is.is_empty());
    route.len() == path.len() && route.iter().zip(&path).all(same)
}

/// No route is missing from the two lists above: whoever adds one says what it asks for.
#[tokio::test]
async fn every_route_of_the_router_is_known() {
    let house = House::new().await;
    let paths = paths(&house);
    assert!(paths.len() > 40, "the router describes itself in another way: {paths:?}");
    for route in &paths {
        let keyless = KEYLESS.iter().find(|(path, _)| path == route);
        let path = route.replace("{name}", "orders").replace("{form}", "plaintext");
        let path = path.replace("{algorithm}", "sha2-256").replace("{*rest}", "x");
        let path = path.replace("{first}", "1").replace("{second}", "1").replace("{what}", "x");
        for method in METHODS {
            let said = house.ask("", method, &path, Value::Null).await;
            if said.status == StatusCode::METHOD_NOT_ALLOWED {
                continue;
            }
            let listed = routes().iter().any(|(m, p, ..)| *m == method && stands_for(route, p));
            match keyless {
                _ if listed => assert_eq!(said.slug(), "denied", "{method} {route}"),
                Some((_, true)) => assert_eq!(said.slug(), "denied", "{method} {route}"),
                Some((_, false)) => assert_eq!(said.status, StatusCode::OK, "{method} {route}"),
                None => panic!("what {method} {route} asks for is not said here"),
            }
        }
    }
}

/// A tenant in the wrong place is refused, everywhere: it would be ignored, and another key used.
#[tokio::test]
async fn no_route_ignores_a_query() {
    let house = House::new().await;
    let anywhere = KEYLESS.iter().filter(|(path, _)| !path.contains('{'));
    let anywhere = anywhere.map(|(path, _)| ("GET", *path, Value::Null));
    let all = routes().into_iter().map(|(method, path, body, _)| (method, path, body));
    for (method, path, body) in all.chain(anywhere) {
        let wrong = if path.starts_with("/v1/") { "tenant" } else { "tenat" };
        let said = house.ask(&house.admin, method, &format!("{path}?{wrong}=toko"), body).await;
        if said.status != StatusCode::METHOD_NOT_ALLOWED {
            assert_eq!(said.slug(), "query", "{method} {path}: {}", said.body);
        }
    }
    assert!(house.keys.card(&of("orders", Some("toko"))).is_err());
    let health = "/v1/sys/health?standbyok=true&perfstandbyok=true";
    assert_eq!(house.ask("", "GET", health, Value::Null).await.status, StatusCode::OK);
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
