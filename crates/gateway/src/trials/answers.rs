//! Every answer carries the policy, whoever wrote it and whatever went wrong.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Edge, SIGNED_IN, assert_policy, status, values};

/// A session that nobody can be asked about: the database is away.
const UNTOLD: &str = "Cookie: __Host-amanah=untold\r\nSec-Fetch-Site: same-origin\r\n";

/// One of each kind of answer.
#[tokio::test]
async fn each_kind_of_answer_has_the_policy() {
    let edge = Edge::start().await;
    let long = format!("/{}", "a".repeat(9000));
    let wide = format!("X: {}\r\n", "a".repeat(40_000));
    let html = "Accept: text/html\r\n";
    let huge = format!("{SIGNED_IN}Content-Length: 99999999999\r\n");
    for (method, path, lines, wanted) in [
        ("GET", "/trust", "", 200),
        ("POST", "/trust", "", 405),
        ("GET", "/_amanah/none", "", 404),
        ("GET", "/_amanah/panic", "", 500),
        ("GET", "/", "", 401),
        ("GET", "/", html, 303),
        ("HEAD", "/", html, 303),
        ("POST", "/", html, 401),
        ("GET", "/", SIGNED_IN, 200),
        ("GET", "/", UNTOLD, 503),
        ("POST", "/", UNTOLD, 503),
        ("GET", "/", "Cookie: __Host-amanah=hung\r\n", 503),
        ("GET", "/trust", UNTOLD, 200),
        ("GET", "/", "Authorization: Bearer untold\r\n", 503),
        ("HEAD", "/head", SIGNED_IN, 200),
        ("GET", "/hostile", SIGNED_IN, 200),
        ("GET", "/malformed", SIGNED_IN, 502),
        ("GET", "/early", SIGNED_IN, 502),
        ("GET", "/silent", SIGNED_IN, 502),
        ("TRACE", "/", SIGNED_IN, 405),
        ("BREW", "/", SIGNED_IN, 405),
        ("POST", "/", "Sec-Fetch-Site: cross-site\r\n", 403),
        ("POST", "/", huge.as_str(), 413),
        ("GET", long.as_str(), "", 414),
        ("GET", "/", wide.as_str(), 431),
        ("GET", "/", "Host: twice\r\n", 400),
        ("GET", "/", "Bad Name: x\r\n", 400),
        ("GET", "nonsense", "", 400),
    ] {
        let answer = edge.ask(method, path, lines).await;
        assert_eq!(status(&answer), wanted, "{method} {path}");
        assert_policy(&answer);
    }
    let broken = edge.talk("BROKEN\r\n\r\n").await;
    assert_eq!(status(&broken), 400);
    assert_policy(&broken);
}

/// A request in clear is told so, and is not the end of anything.
#[tokio::test]
async fn a_request_in_clear_is_told() {
    let edge = Edge::start().await;
    let mut tcp = TcpStream::connect(edge.address).await.unwrap();
    tcp.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    assert_eq!(status(&answer), 400);
    assert!(answer.contains("HTTPS"), "{answer}");
    assert_eq!(status(&edge.ask("GET", "/trust", "").await), 200);
}

/// The refusals are counted where the operator looks for them.
#[tokio::test]
async fn refusals_are_counted() {
    let edge = Edge::start().await;
    edge.ask("GET", "/", "").await;
    edge.talk("BROKEN\r\n\r\n").await;
    edge.ask("GET", "/malformed", SIGNED_IN).await;
    assert_eq!(edge.count("gateway_refused_total", "signed_out"), 1);
    assert_eq!(edge.count("gateway_refused_total", "malformed"), 1);
    assert_eq!(edge.count("gateway_upstream_errors_total", ""), 1);
    assert_eq!(edge.count("gateway_responses_total", "4xx"), 2);
    assert_eq!(edge.count("gateway_responses_total", "5xx"), 1);
    assert_eq!(edge.count("gateway_connections_total", ""), 3);
}

/// What belongs to one connection or to us does not come back from the application.
#[tokio::test]
async fn the_application_cannot_speak_for_us() {
    let edge = Edge::start().await;
    let answer = edge.ask("GET", "/hostile", SIGNED_IN).await;
    assert_eq!(values(&answer, "set-cookie"), ["a=1"]);
    for name in ["keep-alive", "x-private", "amanah-binding"] {
        assert!(values(&answer, name).is_empty(), "{name} in {answer}");
    }
}

/// Chunks are passed on; headers that come after them are not.
#[tokio::test]
async fn chunks_are_passed_on_without_trailers() {
    let edge = Edge::start().await;
    let lines = format!("{SIGNED_IN}TE: trailers\r\n");
    let answer = edge.ask("GET", "/chunks", &lines).await;
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let text: String = body.lines().skip(1).step_by(2).collect();
    assert_eq!(text, "abcdef", "{answer}");
    assert!(!answer.contains("X-Late"), "{answer}");
}

/// A body that the application did not finish is not passed off as whole.
#[tokio::test]
async fn a_cut_body_is_not_completed() {
    let edge = Edge::start().await;
    let answer = edge.ask("GET", "/cut", SIGNED_IN).await;
    assert_eq!(values(&answer, "content-length"), ["100"]);
    assert!(answer.ends_with("half"), "{answer}");
}

/// Nothing listens where the application should be. The port stays bound, so that no other trial
/// gets it in the meantime.
#[tokio::test]
async fn a_dead_application_is_a_502() {
    let silent = tokio::net::TcpSocket::new_v4().unwrap();
    silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let dead = format!("http://{}", silent.local_addr().unwrap());
    let edge = Edge::with(|settings| settings.upstream = Some(dead.parse().unwrap())).await;
    let answer = edge.ask("GET", "/", SIGNED_IN).await;
    assert_eq!(status(&answer), 502);
    assert!(answer.contains("does not answer"), "{answer}");
    assert_policy(&answer);
}

/// Without an application there are only our own pages.
#[tokio::test]
async fn without_an_application_there_is_nothing() {
    let edge = Edge::with(|settings| settings.upstream = None).await;
    assert_eq!(status(&edge.ask("GET", "/", SIGNED_IN).await), 404);
    assert_eq!(status(&edge.ask("GET", "/trust", "").await), 200);
}
