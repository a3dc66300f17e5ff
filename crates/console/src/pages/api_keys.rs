//! The keys for programs.

use askama::Template;
use jiff::Timestamp;
use kernel::Secret;

use crate::pages::part::Frame;
use crate::words::Words;
use crate::{ApiKey, KeyRack};

/// The keys of whoever is signed in, and the one that was just made.
#[derive(Template)]
#[template(path = "page/api_keys.html")]
pub(crate) struct KeysPage {
    frame: Frame,
    rack: KeyRack,
    token: String,
    made: Option<Secret>,
    problem: Option<String>,
    now: Timestamp,
}

impl KeysPage {
    /// Shows `rack`; `made` is shown this once, `problem` says why nothing was made.
    pub(crate) fn new(
        words: Words,
        rack: KeyRack,
        token: String,
        made: Option<Secret>,
        problem: Option<String>,
        now: Timestamp,
    ) -> Self {
        Self { frame: Frame::bare(words), rack, token, made, problem, now }
    }

    /// The word for how a key stands.
    fn state(&self, key: &ApiKey) -> String {
        let words = self.frame.words;
        if key.revoked {
            words.say("keys-state-revoked")
        } else if key.expires_at <= self.now {
            words.say("keys-state-expired")
        } else {
            words.say("keys-state-good")
        }
    }

    /// Whether there is something to end.
    fn lives(&self, key: &ApiKey) -> bool {
        !key.revoked && self.now < key.expires_at
    }

    /// The day on which it ends.
    #[expect(clippy::unused_self, reason = "a template calls nothing but methods")]
    fn day(&self, key: &ApiKey) -> String {
        key.expires_at.strftime("%Y-%m-%d").to_string()
    }

    fn used(&self, key: &ApiKey) -> String {
        key.last_used_at.map_or_else(|| self.frame.words.say("keys-never"), minute)
    }
}

/// A moment to the minute, in a form that reads alike in every language.
fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
