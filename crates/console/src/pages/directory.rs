//! The tenant's own directory: its tokens, its groups, and what they give.

use askama::Template;
use directory::{Overview, TokenCard};
use jiff::Timestamp;
use kernel::{Grantable, Secret};

use super::account::minute;
use crate::pages::part::Frame;
use crate::words::Words;

/// What the directory has here, and the forms to change it.
#[derive(Template)]
#[template(path = "page/directory.html")]
pub(crate) struct DirectoryPage {
    frame: Frame,
    token: String,
    address: String,
    overview: Overview,
    roles: Vec<Grantable>,
    now: Timestamp,
    made: Option<Secret>,
    problem: Option<String>,
    done: Option<String>,
}

impl DirectoryPage {
    /// Shows `overview`, and the `roles` that whoever looks may map; `address` is where the protocol is
    /// served.
    pub(crate) fn new(
        words: Words,
        (token, address): (String, &str),
        overview: Overview,
        roles: Vec<Grantable>,
        now: Timestamp,
    ) -> Self {
        let (frame, address) = (Frame::bare(words), address.to_owned());
        Self { frame, token, address, overview, roles, now, made: None, problem: None, done: None }
    }

    /// With a token that was just made, which is shown this once.
    pub(crate) fn made(mut self, token: Secret) -> Self {
        self.made = Some(token);
        self
    }

    /// After nothing was done, because of `problem`.
    pub(crate) fn again(mut self, problem: String) -> Self {
        self.problem = Some(problem);
        self
    }

    /// After something was done.
    pub(crate) fn done(mut self, done: String) -> Self {
        self.done = Some(done);
        self
    }

    /// Whether there is something to end.
    fn lives(&self, card: &TokenCard) -> bool {
        card.revoked.is_none() && self.now < card.expires_at
    }

    fn used(&self, card: &TokenCard) -> String {
        card.last_used_at.map_or_else(|| self.frame.words.say("keys-never"), minute)
    }

    #[expect(clippy::unused_self, reason = "a template calls nothing but methods")]
    fn until(&self, card: &TokenCard) -> String {
        minute(card.expires_at)
    }
}
