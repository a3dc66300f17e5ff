//! What one client takes, and what it leaves to the others.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::time::timeout;

use super::super::budget::{Budget, Turns};
use super::super::{Api, BODY_DEADLINE, MAX_NOTE_BYTES, serve};
use super::*;

const ENCRYPT: &str = "/api/v1/keys/orders/encrypt";

/// With so many KiB for bodies and so many streams, of which each client gets a part.
fn api(house: &House, bodies: (usize, usize), streams: (usize, usize)) -> Api {
    Api {
        keys: house.keys.clone(),
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
        bodies: Budget::new(bodies.0, bodies.1),
        body_deadline: BODY_DEADLINE,
        streams: Budget::new(streams.0, streams.1),
        turns: Arc::default(),
    }
}

/// A body of which a part comes and then nothing any more.
fn halting(part: Vec<u8>) -> Body {
    let part = stream::iter([Ok::<_, std::io::Error>(Bytes::from(part))]);
    Body::from_stream(part.chain(stream::pending()))
}

async fn encrypts(house: &House, token: &str) -> Said {
    let body = json!({"plaintext": b64("a")});
    let asked = house.ask(token, "POST", ENCRYPT, body);
    timeout(Duration::from_secs(20), asked).await.unwrap()
}

/// One client announces much and sends little, many times: the others do not notice.
#[tokio::test]
async fn a_body_that_does_not_come_takes_nothing_from_others() {
    let house = House::new().await;
    let greedy = house.client("greedy", "*", &ALL, Reach::All).await;
    let mut tasks = Vec::new();
    for stated in [false, true].repeat(8) {
        let mut request = asking(&greedy, "POST", ENCRYPT);
        if stated {
            request = request.header("content-length", 64 << 20);
        }
        let (router, request) = (house.router.clone(), request.body(halting(vec![b' '; 9])));
        tasks.push(tokio::spawn(router.oneshot(request.unwrap())));
        tokio::task::yield_now().await;
    }
    assert_eq!(encrypts(&house, &house.admin).await.status, StatusCode::OK);
    // Nor does a request without a body, which states no length either.
    let rotate = house.ask(&house.admin, "POST", "/api/v1/keys/orders/rotate", Value::Null).await;
    assert_eq!(rotate.status, StatusCode::OK);
    assert!(tasks.iter().all(|task| !task.is_finished()));
}

/// One client really sends as much as it may hold: what it sends more waits, and the others go on.
#[tokio::test]
async fn a_client_fills_its_own_share_alone() {
    let mut house = House::new().await;
    house.router = serve(api(&house, (64, 16), (8, 2)));
    let greedy = house.client("greedy", "*", &ALL, Reach::All).await;
    let body = || halting(vec![b' '; 8 << 10]);
    let mut tasks = Vec::new();
    for _ in 0..9 {
        let request = asking(&greedy, "POST", ENCRYPT).body(body()).unwrap();
        tasks.push(tokio::spawn(house.router.clone().oneshot(request)));
        tokio::task::yield_now().await;
    }
    assert_eq!(encrypts(&house, &house.admin).await.status, StatusCode::OK);
    // So it is with streams.
    let seal = "/api/v1/keys/orders/seal?object=a";
    for _ in 0..2 {
        let request = asking(&greedy, "POST", seal).body(halting(vec![7; 9])).unwrap();
        tasks.push(tokio::spawn(house.router.clone().oneshot(request)));
        tokio::task::yield_now().await;
    }
    let request = asking(&greedy, "POST", seal).body(Body::from("text")).unwrap();
    assert_eq!(house.send(request).await.slug(), "busy");
    let request = asking(&house.admin, "POST", seal).body(Body::from("text")).unwrap();
    let sealed = house.router.clone().oneshot(request).await.unwrap();
    assert_eq!(sealed.status(), StatusCode::OK);
    assert!(tasks.iter().all(|task| !task.is_finished()));
}

/// An answer that its client does not read is memory as good as a body.
#[tokio::test]
async fn an_answer_counts_until_it_is_read() {
    let mut house = House::new().await;
    house.router =
        serve(Api { body_deadline: Duration::from_millis(50), ..api(&house, (64, 16), (8, 2)) });
    let other = house.client("other", "*", &ALL, Reach::All).await;
    let body = || Body::from(json!({"plaintext": b64(vec![7; 9 << 10])}).to_string());
    let large = async |token: &str| {
        let request = asking(token, "POST", ENCRYPT).body(body()).unwrap();
        house.router.clone().oneshot(request).await.unwrap()
    };
    let unread = large(&house.admin).await;
    assert_eq!(unread.status(), StatusCode::OK);
    let refused = large(&house.admin).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(large(&other).await.status(), StatusCode::OK);
    drop(unread);
    assert_eq!(large(&house.admin).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_slow_body_is_given_up() {
    let mut house = House::new().await;
    let hasty = Duration::from_millis(20);
    house.router = serve(Api { body_deadline: hasty, ..api(&house, (64, 16), (8, 2)) });
    let request = asking(&house.admin, "POST", ENCRYPT).body(halting(vec![b' '])).unwrap();
    let said = house.send(request).await;
    assert_eq!((said.status, said.slug()), (StatusCode::REQUEST_TIMEOUT, "slow-body"));
}

/// What says what to do with a key is short, whatever it would be parsed into.
#[tokio::test]
async fn a_note_has_its_bound() {
    let house = House::new().await;
    let zeros = vec!["0"; MAX_NOTE_BYTES / 2].join(",");
    let body = format!("{{\"auto_rotate_period\":[{zeros}]}}");
    for path in ["/v1/transit/keys/orders", "/v1/transit/keys/orders/config"] {
        let request = asking(&house.admin, "POST", path).body(Body::from(body.clone())).unwrap();
        assert_eq!(house.send(request).await.slug(), "too-large", "{path}");
        let short = json!({"auto_rotate_period": [0, 0]});
        let said = house.ask(&house.admin, "POST", path, short).await;
        assert_eq!(said.slug(), "json", "{path}: {}", said.body);
        assert!(said.body["errors"][0].as_str().unwrap().contains("a period"), "{}", said.body);
    }
    let long = json!({"tenant": "x".repeat(MAX_NOTE_BYTES)});
    for path in ["orders", "orders/rotate", "orders/trim", "orders/datakey"] {
        let path = format!("/api/v1/keys/{path}");
        let said = house.ask(&house.admin, "POST", &path, long.clone()).await;
        assert_eq!((said.status, said.slug()), (StatusCode::PAYLOAD_TOO_LARGE, "too-large"));
    }
}

/// Each destruction ends a generation of the root; a client gets a few and then waits.
#[tokio::test]
async fn destroying_again_and_again_comes_to_an_end() {
    let house = House::new().await;
    let trim = async |token: &str| {
        house.keys.rotate(&of("orders", None)).await.unwrap();
        let body = json!({"before": 2});
        house.ask(token, "POST", "/api/v1/keys/orders/trim", body).await
    };
    for _ in 0..Turns::AT_ONCE {
        assert_eq!(trim(&house.admin).await.status, StatusCode::OK);
    }
    let said = trim(&house.admin).await;
    assert_eq!((said.status, said.slug()), (StatusCode::SERVICE_UNAVAILABLE, "busy"));
    let wait: u64 = said.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((50..=61).contains(&wait), "{wait}");
    let other = house.client("other", "*", &ALL, Reach::All).await;
    assert_eq!(trim(&other).await.status, StatusCode::OK);
}

/// Clients rotate keys by their age between each day and the operator's policy.
#[tokio::test]
async fn a_clients_age_for_keys_has_bounds() {
    let house = House::new().await;
    for (hours, good) in [(1, false), (23, false), (24, true), (24 * 60, true), (24 * 61, false)] {
        let body = json!({"rotate_after": format!("PT{hours}H")});
        let said = house.ask(&house.admin, "PATCH", "/api/v1/keys/orders", body).await;
        assert_eq!(said.status.is_success(), good, "{hours}: {}", said.body);
        let body = json!({"auto_rotate_period": format!("{hours}h")});
        for path in ["/v1/transit/keys/orders/config", "/v1/transit/keys/fresh"] {
            let said = house.ask(&house.admin, "POST", path, body.clone()).await;
            assert_eq!(said.status.is_success(), good, "{hours} {path}: {}", said.body);
        }
    }
}

/// Amanah's own keys are out of reach, for whoever may do everything too.
#[tokio::test]
async fn the_houses_own_keys_are_out_of_reach() {
    let house = House::new().await;
    house.keys.create(&of(::keys::SECRETS_KEY, None), &Spec::default()).await.unwrap();
    for (method, path) in [
        ("GET", ""),
        ("POST", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/rotate"),
        ("POST", "/encrypt"),
        ("POST", "/decrypt"),
        ("POST", "/seal?object=a"),
    ] {
        let path = format!("/api/v1/keys/{}{path}", ::keys::SECRETS_KEY);
        let said = house.ask(&house.admin, method, &path, Value::Null).await;
        assert_eq!(said.slug(), "name", "{method} {path}: {}", said.body);
    }
    let path = format!("/v1/transit/decrypt/{}", ::keys::SECRETS_KEY);
    assert_eq!(house.ask(&house.admin, "POST", &path, Value::Null).await.slug(), "name");
    for path in ["/api/v1/keys", "/v1/transit/keys?list=true"] {
        let said = house.ask(&house.admin, "GET", path, Value::Null).await;
        assert_eq!(said.status, StatusCode::OK);
        assert!(!said.body.to_string().contains(::keys::SECRETS_KEY), "{}", said.body);
    }
}

/// A list is one question of what the token allows, and is counted as one when it is refused.
#[tokio::test]
async fn a_refused_list_is_counted_once() {
    let house = House::new().await;
    let token = house.client("app", "*", &[Operation::Encrypt], Reach::All).await;
    let denied = || {
        let all = house.keys.readings();
        all.iter().find(|reading| reading.name == "keys_denied_total").unwrap().value
    };
    let before = denied();
    assert_eq!(house.ask(&token, "GET", "/api/v1/keys", Value::Null).await.slug(), "denied");
    assert_eq!(denied(), before + 1);
    let none = house.client("none", "other", &[Operation::Read], Reach::All).await;
    let said = house.ask(&none, "GET", "/api/v1/keys", Value::Null).await;
    assert_eq!((said.body, denied()), (json!({"keys": []}), before + 1));
}
