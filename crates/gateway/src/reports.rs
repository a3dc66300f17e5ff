//! What browsers tell of scripts and the like that the content security policy has stopped.
//!
//! Anybody can send such a report and say anything in it. So a body is small and counted to the address it
//! comes from, what it says is only counted by directive, a few lines of it a minute go to the log, and
//! these hold no query of an address, no sample of a script and nothing that ends a line. Nobody is asked
//! for: cookies and tokens count for nothing here, and nothing is changed for anybody. A report is a hint,
//! never a proof.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde::Deserialize;

use crate::attack::Gauge;
use crate::body;
use crate::head::is_host;
use crate::headers::DIRECTIVES;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::serve::{Asked, Shared};

/// The largest body, in bytes.
const MAX_BYTES: usize = 16 * 1024;
/// How many reports of one body are read.
const MAX_REPORTS: usize = 20;
/// How many lines go to the log in a minute.
const LINES_A_MINUTE: u32 = 20;
/// The longest path that is written down, in characters.
const MAX_PATH: usize = 200;
/// The longest word for what has no address.
const MAX_WORD: usize = 30;
/// What a directive that we do not know is counted as.
pub(crate) const OTHER: &str = "other";
/// What a body that is no report is counted as.
pub(crate) const UNREADABLE: &str = "unreadable";

/// One thing that was stopped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// By which directive.
    directive: &'static str,
    /// Where it came from: an origin, or a word such as `inline`.
    blocked: String,
    /// The page that it was stopped on, without its query.
    page: String,
}

/// How many lines of this minute were written.
#[derive(Debug, Default)]
pub(crate) struct Lines(Mutex<Option<(Instant, u32)>>);

impl Lines {
    /// Whether there is one left.
    fn take(&self, now: Instant) -> bool {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, written) = minute.unwrap_or((now, 0));
        let over = now.saturating_duration_since(since) >= Duration::from_mins(1);
        let (since, written) = if over { (now, 0) } else { (since, written) };
        *minute = Some((since, written.saturating_add(1)));
        written < LINES_A_MINUTE
    }
}

impl Shared {
    /// Takes a report of a browser.
    pub(crate) async fn take_report(
        &self,
        asked: &mut Asked,
        gauge: &Gauge,
    ) -> Result<Response<Reply>, Refusal> {
        if asked.parts.method != Method::POST {
            return Err(Refusal::NotFound);
        }
        if body::stated(&asked.parts).is_some_and(|stated| stated > MAX_BYTES) {
            return Err(Refusal::BodyTooLarge);
        }
        let counted = self.count(asked, None, false);
        gauge.saw(false, counted)?;
        asked.recognise(None)?;
        if self.attack.is_on() {
            return Err(self.attack.refusal());
        }
        let body = self.body(asked, MAX_BYTES, None).await?;
        let (body, _share) = body.joined().await?;
        match read(&body) {
            None => self.metrics.reported(UNREADABLE),
            Some(all) => all.iter().for_each(|one| self.tell(one)),
        }
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        Ok(Reply::whole(answer))
    }

    fn tell(&self, violation: &Violation) {
        let Violation { directive, blocked, page } = violation;
        self.metrics.reported(directive);
        if self.report_lines.take(Instant::now()) {
            tracing::warn!(
                directive,
                blocked,
                page,
                "a browser reports that the policy has stopped something"
            );
        }
    }
}

/// As browsers have sent it since 2012 (`application/csp-report`).
#[derive(Deserialize)]
struct Old {
    #[serde(rename = "csp-report")]
    report: OldReport,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct OldReport {
    effective_directive: Option<String>,
    violated_directive: Option<String>,
    blocked_uri: Option<String>,
    document_uri: Option<String>,
}

/// One of the list that the Reporting API sends (`application/reports+json`).
#[derive(Deserialize)]
struct New {
    #[serde(rename = "type")]
    kind: String,
    body: Option<NewReport>,
}

#[derive(Deserialize)]
struct NewReport {
    #[serde(rename = "effectiveDirective")]
    directive: Option<String>,
    #[serde(rename = "blockedURL")]
    blocked: Option<String>,
    #[serde(rename = "documentURL")]
    page: Option<String>,
}

/// What a body reports; `None` when it is no report.
pub(crate) fn read(body: &[u8]) -> Option<Vec<Violation>> {
    if body.len() > MAX_BYTES {
        return None;
    }
    if body.trim_ascii_start().first() == Some(&b'[') {
        let all: Vec<New> = serde_json::from_slice(body).ok()?;
        let violations = all.into_iter().filter(|one| one.kind == "csp-violation");
        let told = violations.filter_map(|one| one.body).take(MAX_REPORTS);
        return Some(told.map(|one| violation(one.directive, one.blocked, one.page)).collect());
    }
    let Old { report } = serde_json::from_slice(body).ok()?;
    let directive = report.effective_directive.or(report.violated_directive);
    Some(vec![violation(directive, report.blocked_uri, report.document_uri)])
}

fn violation(
    directive: Option<String>,
    blocked: Option<String>,
    page: Option<String>,
) -> Violation {
    let named = directive.unwrap_or_default();
    let named = named.split_ascii_whitespace().next().unwrap_or_default();
    let known = DIRECTIVES.iter().find(|known| **known == named);
    Violation {
        directive: known.copied().unwrap_or(OTHER),
        blocked: source(&blocked.unwrap_or_default()),
        page: path(&page.unwrap_or_default()),
    }
}

/// The scheme and the host, or the word that stands for something without an address.
fn source(url: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
    let Some((scheme, rest)) = url.split_once("://") else {
        let word = url.split(':').next().unwrap_or_default();
        let known = !word.is_empty() && word.len() <= MAX_WORD && word.bytes().all(plain);
        return if known { word.to_owned() } else { OTHER.to_owned() };
    };
    let named = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // What stands before an `@` may be a password.
    let host = named.rsplit('@').next().unwrap_or_default();
    let known = !scheme.is_empty() && scheme.len() <= MAX_WORD && scheme.bytes().all(plain);
    if known && is_host(host.as_bytes()) { format!("{scheme}://{host}") } else { OTHER.to_owned() }
}

/// The path alone, in characters that end no line.
fn path(url: &str) -> String {
    let after = url.split_once("://").map_or("", |(_, rest)| rest);
    let from = after.find('/').and_then(|start| after.get(start..)).unwrap_or("/");
    let path = from.split(['?', '#']).next().unwrap_or_default();
    let plain = |c: char| if c.is_ascii_graphic() { c } else { '?' };
    path.chars().take(MAX_PATH).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{LINES_A_MINUTE, Lines, MAX_BYTES, Violation, read};

    const OLD: &str = r#"{"csp-report":{"document-uri":"https://localhost/a/b?t=secret#x",
        "violated-directive":"script-src-elem","effective-directive":"script-src-elem",
        "blocked-uri":"https://me@evil.example:81/x.js?k=secret","script-sample":"secret"}}"#;
    const NEW: &str = r#"[{"age":1,"type":"csp-violation","url":"https://localhost/","body":{
        "documentURL":"https://localhost/c?t=secret","effectiveDirective":"style-src","blockedURL":"inline",
        "sample":"secret"}},{"type":"deprecation","body":{"id":"x"}}]"#;

    /// Both forms are read, and nothing of a query, a password or a sample is left.
    #[test]
    fn both_forms_are_read_without_secrets() {
        let told = |directive, blocked: &str, page: &str| Violation {
            directive,
            blocked: blocked.to_owned(),
            page: page.to_owned(),
        };
        let old = read(OLD.as_bytes()).unwrap();
        assert_eq!(old, [told("script-src-elem", "https://evil.example:81", "/a/b")]);
        assert_eq!(read(NEW.as_bytes()).unwrap(), [told("style-src", "inline", "/c")]);
        assert_eq!(read(b"[]").unwrap(), []);
        let odd = r#"{"csp-report":{"effective-directive":"made-up x","blocked-uri":"A\nB","document-uri":"h://x/\n\u0000y"}}"#;
        assert_eq!(read(odd.as_bytes()).unwrap(), [told("other", "other", "/??y")]);
    }

    /// What is no report is none, however it is damaged.
    #[test]
    fn damaged_reports_are_refused() {
        for bad in ["", "{}", "[1]", "null", "{\"csp-report\":1}", "[{\"type\":1}]"] {
            assert_eq!(read(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(read(&vec![b' '; MAX_BYTES + 1]), None);
        let samples = [OLD, NEW].map(|sample| sample.as_bytes().to_vec());
        testkit::try_damaged("csp_report", &samples, crate::fuzzing::csp_report);
    }

    /// A flood writes a few lines a minute.
    #[test]
    fn a_minute_has_so_many_lines() {
        let (lines, start) = (Lines::default(), Instant::now());
        let written = (0..1_000).filter(|_| lines.take(start)).count();
        assert_eq!(u32::try_from(written).unwrap(), LINES_A_MINUTE);
        assert!(!lines.take(start + Duration::from_secs(59)));
        assert!(lines.take(start + Duration::from_mins(1)));
    }
}
