//! Recovery codes, shown once.

use askama::Template;
use kernel::Secret;

use crate::pages::part::Frame;
use crate::words::Words;

/// The page, made to be printed.
#[derive(Template)]
#[template(path = "page/codes.html")]
pub(crate) struct CodesPage {
    frame: Frame,
    codes: Vec<String>,
    next: String,
}

impl CodesPage {
    /// Shows `codes`, and a link to `next`.
    pub(crate) fn new(words: Words, codes: &[Secret], next: &str) -> Self {
        let codes = codes.iter().map(|code| code.expose().to_owned()).collect();
        Self { frame: Frame::bare(words), codes, next: next.to_owned() }
    }
}
