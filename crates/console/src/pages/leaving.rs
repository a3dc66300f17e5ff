//! Off-boarding: the form, and what was ended.

use askama::Template;

use crate::leaving::LeavingReport;
use crate::pages::part::Frame;
use crate::words::Words;

/// The form, empty, after an attempt, or with what was ended.
#[derive(Template)]
#[template(path = "page/leaving.html")]
pub(crate) struct LeavingPage {
    frame: Frame,
    token: String,
    email: String,
    report: Option<LeavingReport>,
    problem: Option<String>,
}

impl LeavingPage {
    /// An empty form.
    pub(crate) fn new(words: Words, token: String) -> Self {
        let email = String::new();
        Self { frame: Frame::bare(words), token, email, report: None, problem: None }
    }

    /// With what was ended.
    pub(crate) fn done(mut self, report: LeavingReport) -> Self {
        self.report = Some(report);
        self
    }

    /// After nothing was done for `email`, because of `problem`.
    pub(crate) fn again(mut self, email: String, problem: String) -> Self {
        (self.email, self.problem) = (email, Some(problem));
        self
    }
}
