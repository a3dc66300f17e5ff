//! What a stranger's browser is asked while strangers overload the site.

use askama::Template;

use crate::assets::CHALLENGE_SCRIPT;
use crate::pages::part::Frame;
use crate::words::Words;

/// What is asked, as whoever decides it hands it over.
#[derive(Debug, Clone, Copy)]
pub struct Challenge<'a> {
    /// Where the form goes.
    pub action: &'a str,
    /// What is asked, signed.
    pub token: &'a str,
    /// How many zero bits the work has.
    pub bits: u8,
    /// In how many seconds the form may come without work.
    pub wait: u64,
    /// Where the browser was going: a checked path of this site.
    pub next: &'a str,
    /// Whether an answer came already that was none.
    pub again: bool,
}

/// The page: a form that a script fills in, or that somebody sends who has waited.
#[derive(Template)]
#[template(path = "page/challenge.html")]
pub(crate) struct ChallengePage<'a> {
    frame: Frame,
    asked: Challenge<'a>,
    patience: String,
    problem: Option<String>,
    script: &'static str,
    /// With which the gateway's policy lets the script run.
    nonce: &'a str,
}

impl<'a> ChallengePage<'a> {
    pub(crate) fn new(words: Words, asked: Challenge<'a>, nonce: &'a str) -> Self {
        let problem = asked.again.then(|| words.say("challenge-again"));
        let patience = words.count("challenge-patience", &[("seconds", asked.wait)]);
        let (frame, script) = (Frame::bare(words), &*CHALLENGE_SCRIPT.path);
        Self { frame, asked, patience, problem, script, nonce }
    }
}
