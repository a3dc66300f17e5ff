//! Where somebody proves once more who they are.

use askama::Template;
use identity::Has;

use crate::pages::part::Frame;
use crate::words::Words;

/// The page.
#[derive(Template)]
#[template(path = "page/again.html")]
pub(crate) struct AgainPage {
    frame: Frame,
    token: String,
    next: String,
    problem: Option<String>,
    password: bool,
    code: bool,
    passkeys: bool,
}

impl AgainPage {
    /// The page of somebody who has this to prove it with, and goes on to `next`.
    pub(crate) fn new(
        words: Words,
        token: String,
        next: &str,
        has: Has,
        problem: Option<String>,
    ) -> Self {
        Self {
            frame: Frame::bare(words),
            token,
            next: next.to_owned(),
            problem,
            password: !has.any(),
            code: has.app || has.codes > 0,
            passkeys: has.passkeys > 0,
        }
    }
}
