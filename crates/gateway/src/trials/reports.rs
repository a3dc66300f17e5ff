//! Reports of browsers: taken from anybody, counted, and never much.

use super::{Edge, SIGNED_IN, assert_policy, status};

const REPORT: &str =
    r#"{"csp-report":{"effective-directive":"script-src-elem","blocked-uri":"inline"}}"#;

/// One is counted by its directive, whoever sends it and from wherever; what is none is counted as that.
#[tokio::test]
async fn a_report_is_counted() {
    let edge = Edge::start().await;
    for (lines, body) in [
        ("", REPORT),
        ("Origin: null\r\nSec-Fetch-Site: cross-site\r\n", REPORT),
        (SIGNED_IN, "nonsense"),
    ] {
        let lines = format!("{lines}Content-Length: {}\r\n", body.len());
        let wire = format!(
            "POST /_amanah/csp-report HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n{body}"
        );
        let answer = edge.talk(wire).await;
        assert_eq!(status(&answer), 204, "{answer}");
        assert_policy(&answer);
    }
    assert_eq!(edge.count("gateway_csp_reports_total", "script-src-elem"), 2);
    assert_eq!(edge.count("gateway_csp_reports_total", "unreadable"), 1);
    assert_eq!(edge.application.seen().len(), 0);
}

/// A large one is refused before it is read, and there is nothing to look at.
#[tokio::test]
async fn reports_are_small_and_are_not_shown() {
    let edge = Edge::start().await;
    let large = edge.ask("POST", "/_amanah/csp-report", "Content-Length: 16385\r\n").await;
    assert_eq!(status(&large), 413);
    assert_eq!(status(&edge.ask("GET", "/_amanah/csp-report", SIGNED_IN).await), 404);
}
