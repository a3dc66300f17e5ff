//! Who is signed in, and the way out.

use std::sync::Arc;

use askama::Template;
use kernel::Identity;

use crate::pages::part::Frame;
use crate::words::Words;

/// The account of whoever is signed in.
#[derive(Template)]
#[template(path = "page/account.html")]
pub(crate) struct AccountPage {
    frame: Frame,
    identity: Arc<Identity>,
    token: String,
}

impl AccountPage {
    /// Shows `identity`; `token` goes with the form that signs out.
    pub(crate) fn new(words: Words, identity: Arc<Identity>, token: String) -> Self {
        let frame = Frame::bare(words);
        Self { frame, identity, token }
    }
}
