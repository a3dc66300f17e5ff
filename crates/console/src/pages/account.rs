//! Who is signed in, what is open in their name, and the way out.

use std::sync::Arc;

use askama::Template;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use kernel::{Identity, own};

use super::people::ways;
use crate::OpenSession;
use crate::pages::part::Frame;
use crate::words::Words;

/// The account of whoever is signed in.
#[derive(Template)]
#[template(path = "page/account.html")]
pub(crate) struct AccountPage {
    frame: Frame,
    identity: Arc<Identity>,
    token: String,
    sessions: Vec<Row>,
    problem: Option<String>,
    done: Option<String>,
}

/// An open session, as it is shown.
struct Row {
    id: String,
    browser: String,
    since: String,
    seen: String,
}

impl AccountPage {
    /// Shows `identity` and its open sessions; `token` goes with the forms.
    pub(crate) fn new(
        words: Words,
        identity: Arc<Identity>,
        token: String,
        sessions: Vec<OpenSession>,
    ) -> Self {
        let frame = Frame::bare(words);
        let row = |one: OpenSession| Row {
            id: one.id,
            browser: one.browser,
            since: minute(one.since),
            seen: minute(one.seen),
        };
        let sessions = sessions.into_iter().map(row).collect();
        Self { frame, identity, token, sessions, problem: None, done: None }
    }

    /// The same page after something was not done, because of `problem`.
    pub(crate) fn again(mut self, problem: String) -> Self {
        self.problem = Some(problem);
        self
    }

    /// The same page after something was done.
    pub(crate) fn done(mut self, done: String) -> Self {
        self.done = Some(done);
        self
    }

    /// The way to the people, from where the other pages about them are linked; or to each of those, for
    /// whoever may not see the people.
    fn ways(&self) -> Vec<(&'static str, String)> {
        let words = self.frame.words;
        if self.identity.may(own::PEOPLE_READ) {
            return vec![("/_amanah/people", words.say("people-title"))];
        }
        ways(words, &self.identity)
    }
}

/// A moment, to a minute, in UTC.
pub(crate) fn minute(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M").to_string()
}
