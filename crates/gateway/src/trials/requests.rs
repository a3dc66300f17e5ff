//! What the application is told, and what it is not.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use super::{Edge, SIGNED_IN, assert_policy, read_until, status, values};

/// Whatever a client claims about itself is gone, in every spelling, and what we say is there.
#[tokio::test]
async fn claims_are_dropped_and_replaced() {
    let edge = Edge::start().await;
    let lines = format!(
        "{SIGNED_IN}Amanah-Binding: forged\r\namanah-assertion: forged\r\n\
         AMANAH-BINDING: forged\r\nAmanah_Binding: forged\r\nAmanah-Other: forged\r\n\
         X-Forwarded-For: forged\r\nX-Forwarded-User: forged\r\nForwarded: for=forged\r\n\
         X-Real-IP: forged\r\nX-Request-Id: forged\r\nX-HTTP-Method-Override: forged\r\n\
         X-Original-URL: forged\r\nProxy-Connection: forged\r\nUpgrade: forged\r\n\
         Connection: X-Hop, Amanah-Binding, Host\r\nX-Hop: forged\r\nX-Kept: yes\r\n"
    );
    edge.ask("GET", "/a?b=c", &lines).await;
    let seen = edge.application.seen().pop().unwrap();
    assert!(seen.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{seen}");
    assert!(!seen.contains("forged"), "{seen}");
    for (name, value) in [
        ("amanah-binding", "bound.sinar.sari@sinar.example.ro"),
        ("amanah-assertion", "said.sari@sinar.example.Browser"),
        ("host", "localhost"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "localhost"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=127.0.0.1;host=\"localhost\";proto=https"),
        ("x-kept", "yes"),
        ("cookie", "theme=dark"),
    ] {
        assert_eq!(values(&seen, name), [value], "{name} in {seen}");
    }
    assert_eq!(values(&seen, "x-request-id").len(), 1);
}

/// A page of ours gets the visitor's cookies, and none of the claims either.
#[tokio::test]
async fn own_pages_see_no_claims() {
    let edge = Edge::start().await;
    let lines = format!("{SIGNED_IN}Amanah-Binding: forged\r\nX-Forwarded-For: forged\r\n");
    let answer = edge.ask("GET", "/_amanah/echo", &lines).await;
    assert!(answer.contains("sari@sinar.example"), "{answer}");
    assert!(answer.contains("__Host-amanah-csrf"), "{answer}");
    assert!(!answer.contains("forged"), "{answer}");
}

/// A page of ours whose database hangs does not wait for ever, and keeps no place.
#[tokio::test]
async fn an_own_page_that_hangs_is_given_up() {
    let edge = Edge::with(|settings| settings.own_deadline = Duration::from_millis(50)).await;
    let answer = edge.ask("GET", "/_amanah/hung", SIGNED_IN).await;
    assert_eq!(status(&answer), 503);
    assert_eq!(values(&answer, "amanah-refused"), ["own_slow"]);
    assert_policy(&answer);
    assert_eq!(edge.count("gateway_refused_total", "own_slow"), 1);
}

/// A state change is bound for writing, and its body arrives whole.
#[tokio::test]
async fn a_change_is_bound_for_writing() {
    let edge = Edge::start().await;
    let body = "x".repeat(1024 * 1024);
    let wire = format!(
        "POST /prices HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{SIGNED_IN}\
         Sec-Fetch-Site: same-origin\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = edge.talk(wire).await;
    assert_eq!(status(&answer), 200);
    let seen = edge.application.seen().pop().unwrap();
    let binding = values(&seen, "amanah-binding");
    assert_eq!(binding, ["bound.sinar.sari@sinar.example.rw"]);
    assert!(seen.ends_with(&body));
}

/// Whoever holds a body back is asked again who they are once it has come.
#[tokio::test]
async fn a_session_that_ended_while_a_body_came_counts_no_more() {
    let cookie = "Cookie: __Host-amanah=once\r\nSec-Fetch-Site: same-origin\r\n";
    let edge = Edge::start().await;
    assert_eq!(status(&edge.ask("GET", "/prices", cookie).await), 200);
    for path in ["/prices", "/_amanah/echo"] {
        let edge = Edge::start().await;
        let wire = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{cookie}\
             Content-Length: 3\r\n\r\nabc"
        );
        let answer = edge.talk(wire).await;
        assert!(!answer.contains("sari@sinar.example"), "{answer}");
        assert_eq!(edge.application.seen().len(), 0, "{answer}");
    }
}

/// Chunks become one body with a length, and the connection ends behind them.
#[tokio::test]
async fn chunks_are_put_together() {
    let edge = Edge::start().await;
    let wire = format!(
        "POST /prices HTTP/1.1\r\nHost: localhost\r\n{SIGNED_IN}\
         Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n\
         GET /smuggled HTTP/1.1\r\nHost: localhost\r\n{SIGNED_IN}\r\n"
    );
    let answer = edge.talk(wire).await;
    assert_eq!(values(&answer, "connection"), ["close"]);
    let seen = edge.application.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(values(&seen[0], "content-length"), ["3"]);
    assert!(seen[0].ends_with("\r\n\r\nabc"), "{seen:?}");
}

/// Nobody who is not signed in reaches the application, however the cookie is bent.
#[tokio::test]
async fn strangers_do_not_reach_the_application() {
    let edge = Edge::start().await;
    for cookie in [
        "",
        "Cookie: __Host-amanah=wrong\r\n",
        "Cookie: __Host-amanah=good; __Host-amanah=good\r\n",
        "Cookie: __Host-amanah=good\r\nCookie: __Host-amanah=wrong\r\n",
        "Cookie: \"__Host-amanah\"=good\r\n",
        "Cookie: ;;=;__Host-amanah\r\n",
        "Cookie: __Host-amanah=good\u{e9}\r\n",
    ] {
        let answer = edge.ask("GET", "/", cookie).await;
        assert_eq!(status(&answer), 401, "{cookie:?}");
    }
    assert_eq!(edge.application.seen().len(), 0);
    let answer = edge.ask("GET", "/a?b=//c", "Accept: text/html\r\n").await;
    let location = values(&answer, "location");
    assert_eq!(location, ["/_amanah/sign-in?next=/a%3Fb%3D//c"]);
}

/// A change that another site started is refused before the application and before our own pages.
#[tokio::test]
async fn foreign_changes_are_refused() {
    let edge = Edge::start().await;
    for lines in [
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: http://localhost\r\n",
    ] {
        for path in ["/prices", "/_amanah/echo"] {
            for method in ["POST", "PUT", "PATCH", "DELETE"] {
                let lines = format!("{SIGNED_IN}{lines}");
                let answer = edge.ask(method, path, &lines).await;
                assert_eq!(status(&answer), 403, "{method} {path} {lines}");
            }
        }
    }
    assert_eq!(edge.application.seen().len(), 0);
    let own = format!("{SIGNED_IN}Origin: https://localhost\r\n");
    assert_eq!(status(&edge.ask("POST", "/prices", &own).await), 200);
    // A link from another site may be followed.
    let link = format!("{SIGNED_IN}Sec-Fetch-Site: cross-site\r\n");
    assert_eq!(status(&edge.ask("GET", "/prices", &link).await), 200);
}

/// Requests of one client share its connection, and all share those to the application.
#[tokio::test]
async fn connections_are_kept() {
    let edge = Edge::start().await;
    let mut tls = edge.connect().await;
    for n in 0..3 {
        let wire = format!("GET /{n} HTTP/1.1\r\nHost: localhost\r\n{SIGNED_IN}\r\n");
        tls.write_all(wire.as_bytes()).await.unwrap();
        let answer = read_until(&mut tls, "theme=dark\r\n").await;
        assert!(answer.contains(&format!("GET /{n} ")), "{answer}");
    }
    // Whatever the order in which the body and its end arrived, few were opened.
    let opened = edge.application.connections.load(Ordering::SeqCst);
    assert!(opened < 3, "{opened} connections");
}

/// A kept connection that the application has closed does not cost a request.
#[tokio::test]
async fn a_stale_connection_is_replaced() {
    let edge = Edge::start().await;
    for _ in 0..5 {
        assert_eq!(status(&edge.ask("GET", "/leave", SIGNED_IN).await), 200);
        assert_eq!(status(&edge.ask("GET", "/", SIGNED_IN).await), 200);
    }
}

/// A token does what a cookie does, without asking who started the request, and is not passed on.
#[tokio::test]
async fn a_token_opens_the_application() {
    let edge = Edge::start().await;
    let lines = "Authorization: Bearer good-token\r\nSec-Fetch-Site: cross-site\r\n\
                 Content-Length: 0\r\nCookie: theme=dark\r\n";
    assert_eq!(status(&edge.ask("POST", "/prices", lines).await), 200);
    let seen = edge.application.seen().pop().unwrap();
    assert!(!seen.contains("good-token"), "{seen}");
    assert_eq!(values(&seen, "authorization"), [""; 0]);
    assert_eq!(values(&seen, "amanah-binding"), ["bound.sinar.sari@sinar.example.rw"]);
    assert_eq!(values(&seen, "amanah-assertion"), ["said.sari@sinar.example.AccessToken"]);
    // Another scheme is the application's own business.
    let lines = format!("{SIGNED_IN}Authorization: Basic YTpi\r\n");
    assert_eq!(status(&edge.ask("GET", "/", &lines).await), 200);
    let seen = edge.application.seen().pop().unwrap();
    assert_eq!(values(&seen, "authorization"), ["Basic YTpi"]);
}

/// A bad token is told so and never shown the sign-in page; two credentials are none; and no token
/// opens a page that changes the account.
#[tokio::test]
async fn a_token_opens_nothing_else() {
    let edge = Edge::start().await;
    let bearer = |token: &str| format!("Accept: text/html\r\nAuthorization: Bearer {token}\r\n");
    for bad in ["bad-token", "good", "", "a b"] {
        let answer = edge.ask("GET", "/", &bearer(bad)).await;
        assert_eq!(status(&answer), 401, "{bad}");
        assert_eq!(values(&answer, "www-authenticate"), ["Bearer error=\"invalid_token\""]);
        assert_eq!(values(&answer, "amanah-refused"), ["bad_token"]);
    }
    let both = format!("{SIGNED_IN}{}", bearer("good-token"));
    let twice = format!("{}{}", bearer("good-token"), bearer("good-token"));
    for lines in [both, twice] {
        let answer = edge.ask("GET", "/", &lines).await;
        assert_eq!(status(&answer), 400);
        assert_eq!(values(&answer, "amanah-refused"), ["two_credentials"]);
    }
    for page in ["/_amanah/echo", "/_amanah/account", "/_amanah/token"] {
        let answer = edge.ask("GET", page, &bearer("good-token")).await;
        assert_eq!(status(&answer), 403, "{page}");
        assert_eq!(values(&answer, "amanah-refused"), ["browser_only"]);
    }
    let answer = edge.ask("GET", "/_amanah/identity", &bearer("good-token")).await;
    assert!(answer.contains("sari@sinar.example"), "{answer}");
    assert!(edge.application.seen().is_empty());
}
