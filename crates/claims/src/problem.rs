//! What is wrong with a page, said so that its writer can mend it.

use std::fmt;

use serde::Serialize;

/// One fault of a page or of its approvals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The page's name.
    pub page: String,
    /// The line in the page's file, counted from one.
    pub line: usize,
    /// The rule that was broken, as one word of lower-case letters and hyphens.
    pub rule: &'static str,
    /// What is wrong, as a sentence without its full stop.
    pub what: String,
    /// What to do about it, as a sentence.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { page, line, rule, what, fix } = self;
        write!(f, "{page}.md:{line}: {what} ({rule}). {fix}")
    }
}

/// A fault before it is known where on which page it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    rule: &'static str,
    what: String,
    fix: String,
}

impl Fault {
    pub(crate) fn new(rule: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { rule, what: what.into(), fix: fix.into() }
    }

    pub(crate) fn at(self, page: &str, line: usize) -> Problem {
        Problem { page: page.to_owned(), line, rule: self.rule, what: self.what, fix: self.fix }
    }
}

/// The longest piece of a page that an error message repeats, in characters.
const SHOWN: usize = 60;

/// The beginning of `text` as a message may show it: short, and without control characters.
pub(crate) fn shown(text: &str) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(SHOWN).collect();
    let more = if chars.next().is_some() { "…" } else { "" };
    format!("{}{more}", start.escape_debug())
}

/// The first character of `text` that a reader would not see as it is written: a control
/// character, or one that reorders the text around it.
pub(crate) fn deceptive(text: &str) -> Option<char> {
    text.chars()
        .find(|c| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}
