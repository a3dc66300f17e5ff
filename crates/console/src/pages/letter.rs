//! Asking for a letter, and what its links lead to.

use askama::Template;

use crate::Offer;
use crate::pages::part::Frame;
use crate::words::Words;

/// The form that asks for a letter with a new password's link.
#[derive(Template)]
#[template(path = "page/reset.html")]
pub(crate) struct AskPage {
    frame: Frame,
    token: String,
}

impl AskPage {
    /// An empty form.
    pub(crate) fn new(words: Words, token: String) -> Self {
        Self { frame: Frame::bare(words), token }
    }
}

/// A few words, and where to go next.
#[derive(Template)]
#[template(path = "page/message.html")]
pub(crate) struct MessagePage {
    frame: Frame,
    title: String,
    text: String,
    next: Option<(&'static str, String)>,
}

impl MessagePage {
    /// Says `text` under `title`.
    pub(crate) fn new(words: Words, title: String, text: String) -> Self {
        Self { frame: Frame::bare(words), title, text, next: None }
    }

    /// With a link to the sign-in.
    pub(crate) fn with_sign_in(mut self) -> Self {
        self.next = Some(("/_amanah/sign-in", self.frame.words.say("sign-in-title")));
        self
    }

    /// With a link to the form that asks for a letter.
    pub(crate) fn with_reset(mut self) -> Self {
        self.next = Some(("/_amanah/reset", self.frame.words.say("reset-title")));
        self
    }
}

/// The form for a new password, of an account that is there or of one that is to be made.
#[derive(Template)]
#[template(path = "page/password.html")]
pub(crate) struct PasswordPage {
    frame: Frame,
    token: String,
    link: String,
    invited: bool,
    offer: Option<Offer>,
    name: String,
    problem: Option<String>,
}

impl PasswordPage {
    /// For the link of a reset; with the form's token goes the digest of the link.
    pub(crate) fn reset(words: Words, (token, link): (String, String)) -> Self {
        let (frame, name) = (Frame::bare(words), String::new());
        Self { frame, token, link, invited: false, offer: None, name, problem: None }
    }

    /// For the link of an invitation.
    pub(crate) fn invitation(words: Words, form: (String, String), offer: Option<Offer>) -> Self {
        Self { invited: true, offer, ..Self::reset(words, form) }
    }

    /// The same form after it was sent and not taken, because of `problem`. The password is not
    /// given back.
    pub(crate) fn again(mut self, name: String, problem: String) -> Self {
        self.name = name;
        self.problem = Some(problem);
        self
    }
}
