//! The sign-in form.

use askama::Template;

use crate::pages::part::Frame;
use crate::words::Words;

/// The form, empty or after an attempt.
#[derive(Template)]
#[template(path = "page/sign_in.html")]
pub(crate) struct SignInPage {
    frame: Frame,
    token: String,
    next: String,
    email: String,
    problem: Option<String>,
}

impl SignInPage {
    /// An empty form that returns to `next`, a checked path of this site.
    pub(crate) fn new(words: Words, token: String, next: &str) -> Self {
        Self {
            frame: Frame::bare(words),
            token,
            next: next.to_owned(),
            email: String::new(),
            problem: None,
        }
    }

    /// The same form after an attempt with `email`, which failed because of `problem`. The
    /// password is not given back.
    pub(crate) fn again(mut self, email: String, problem: String) -> Self {
        self.email = email;
        self.problem = Some(problem);
        self
    }
}
