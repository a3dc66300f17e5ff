//! What a reader sees instead of what they asked for: what happened, what was kept, what to do.

use askama::Template;

use crate::Error;
use crate::pages::part::Frame;
use crate::words::Words;

/// The page of an error.
#[derive(Template)]
#[template(path = "page/error.html")]
pub(crate) struct ErrorPage {
    frame: Frame,
    status: u16,
    title: String,
    text: String,
    given: Option<String>,
}

impl ErrorPage {
    /// Says `error` in the reader's language. Its cause is for the log and is not shown.
    pub(crate) fn new(words: Words, error: &Error) -> Self {
        let slug = error.slug();
        let given = match error {
            Error::Moment(given) => Some(given.clone()),
            _ => None,
        };
        Self {
            frame: Frame::bare(words),
            status: error.status().as_u16(),
            title: words.say(&format!("error-{slug}")),
            text: words.say(&format!("error-{slug}-text")),
            given,
        }
    }
}
