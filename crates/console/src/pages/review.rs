//! Reviews of what people may do: the one that is open, those before it, and the report of one.

use askama::Template;
use jiff::Timestamp;

use super::account::minute;
use crate::pages::part::Frame;
use crate::reviewing::{ReviewCard, ReviewLine, ReviewSheet, ReviewsSeen};
use crate::words::Words;

/// How many open rows are shown at once: the others come when these are decided.
const MAX_SHOWN: usize = 100;

/// The reviews of a tenant, with the rows that wait for a decision.
#[derive(Template)]
#[template(path = "page/review.html")]
pub(crate) struct ReviewPage {
    frame: Frame,
    token: String,
    open: Option<ReviewCard>,
    lines: Vec<ReviewLine>,
    /// How many rows wait beyond those.
    more: usize,
    past: Vec<ReviewCard>,
    due: Option<String>,
    late: bool,
    problem: Option<String>,
}

impl ReviewPage {
    /// Shows what there is, as it stands at `now`; `token` goes with the forms.
    pub(crate) fn new(words: Words, seen: ReviewsSeen, token: String, now: Timestamp) -> Self {
        let (open, all) = seen.open.map(|sheet| (sheet.card, sheet.lines)).unzip();
        let mut lines: Vec<ReviewLine> = all.unwrap_or_default();
        lines.retain(waits);
        let more = lines.len().saturating_sub(MAX_SHOWN);
        lines.truncate(MAX_SHOWN);
        Self {
            frame: Frame::bare(words),
            token,
            open,
            lines,
            more,
            past: seen.past,
            due: seen.due.map(minute),
            late: seen.due.is_some_and(|due| due <= now),
            problem: None,
        }
    }

    /// The same page after something was not done, because of `problem`.
    pub(crate) fn again(mut self, problem: String) -> Self {
        self.problem = Some(problem);
        self
    }

    fn progress(&self, card: &ReviewCard) -> String {
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let numbers = [("decided", number(card.decided)), ("rows", number(card.rows))];
        self.frame.words.count("review-progress", &numbers)
    }

    fn beyond(&self) -> String {
        let count = u64::try_from(self.more).unwrap_or(u64::MAX);
        self.frame.words.count("review-more", &[("count", count)])
    }
}

/// Whether a row is to be decided, or to be revoked once more.
fn waits(line: &ReviewLine) -> bool {
    line.decision.as_ref().is_none_or(|one| !one.keep && !one.verified)
}

/// One review, row by row.
#[derive(Template)]
#[template(path = "page/review_report.html")]
pub(crate) struct ReviewReportPage {
    frame: Frame,
    sheet: ReviewSheet,
}

impl ReviewReportPage {
    /// Shows one review.
    pub(crate) fn new(words: Words, sheet: ReviewSheet) -> Self {
        Self { frame: Frame::bare(words), sheet }
    }

    fn decision(&self, line: &ReviewLine) -> String {
        let words = self.frame.words;
        match &line.decision {
            None => words.say("review-waits"),
            Some(one) if one.keep => words.say("review-kept"),
            Some(one) if one.verified => words.say("review-revoked"),
            Some(_) => words.say("review-unverified"),
        }
    }
}

/// The word for a kind of row.
pub(crate) fn kind(words: &Words, kind: &str) -> String {
    match kind {
        "role" => words.say("account-role"),
        "support" => words.say("support-title"),
        "key" => words.say("keys-name"),
        "directory" => words.say("directory-token"),
        "mapping" => words.say("review-mapping"),
        // What a later version keeps has its own word, which is English.
        other => other.to_owned(),
    }
}

/// When it was last used.
#[expect(clippy::ref_option, reason = "the template hands out references")]
pub(crate) fn used(words: &Words, at: &Option<Timestamp>) -> String {
    at.map_or_else(|| words.say("keys-never"), minute)
}
