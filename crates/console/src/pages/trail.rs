//! What was recorded in a tenant.

use askama::Template;
use jiff::{SignedDuration, Timestamp, Unit};

use crate::pages::part::Frame;
use crate::trail::{TRAIL_ROWS, TrailLine, TrailQuestion, TrailSeen};
use crate::words::Words;

/// How far the clock of a database may be behind ours, and what a field's minute cuts off.
const CLOCKS: SignedDuration = SignedDuration::from_mins(5);
/// The longest text of a row that is shown, in characters.
const SHOWN_CHARS: usize = 2_000;

/// The newest rows of those that were asked for.
#[derive(Template)]
#[template(path = "page/trail.html")]
pub(crate) struct TrailPage {
    frame: Frame,
    wanted: TrailQuestion,
    seen: Option<TrailSeen>,
    problem: Option<String>,
}

impl TrailPage {
    /// Asks again for what is `wanted`.
    pub(crate) fn new(words: Words, wanted: &TrailQuestion) -> Self {
        Self { frame: Frame::bare(words), wanted: wanted.clone(), seen: None, problem: None }
    }

    /// The same with what there is.
    pub(crate) fn with(mut self, seen: TrailSeen) -> Self {
        self.seen = Some(seen);
        self
    }

    /// The same with why there is nothing.
    pub(crate) fn again(mut self, problem: String) -> Self {
        self.problem = Some(problem);
        self
    }

    fn many(&self) -> String {
        self.frame.words.count("records-more", &[("count", TRAIL_ROWS.into())])
    }

    fn missing(&self) -> Option<String> {
        let missing = self.seen.as_ref().map_or(0, |seen| seen.missing);
        (missing > 0).then(|| self.frame.words.say("records-missing"))
    }

    fn action(&self, line: &TrailLine) -> String {
        match line.action.as_str() {
            "INSERT" => self.frame.words.say("records-insert"),
            "UPDATE" => self.frame.words.say("records-update"),
            "DELETE" => self.frame.words.say("records-delete"),
            // What a later version records has its own word, which is English.
            other => other.to_owned(),
        }
    }
}

/// A moment as a field for one takes it: in UTC, to the minute.
fn field(at: &Timestamp) -> String {
    let at = at.round(Unit::Minute).unwrap_or(*at);
    at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%dT%H:%M").to_string()
}

/// The field for whoever looks for what a request changed that was made at this moment.
pub(crate) fn since(at: &Timestamp) -> String {
    field(&at.saturating_sub(CLOCKS).unwrap_or(*at))
}

/// A text of a row, cut where it is very long.
fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
