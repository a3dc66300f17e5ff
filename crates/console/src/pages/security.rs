//! The second factors of whoever is signed in.

use askama::Template;
use identity::{Factors, PasskeyCard};

use crate::moment::Moment;
use crate::pages::part::Frame;
use crate::words::Words;

/// The page.
#[derive(Template)]
#[template(path = "page/security.html")]
pub(crate) struct SecurityPage {
    frame: Frame,
    token: String,
    problem: Option<String>,
    factors: Factors,
}

impl SecurityPage {
    /// Shows `factors`; `token` goes with each form.
    pub(crate) fn new(
        words: Words,
        token: String,
        factors: Factors,
        problem: Option<String>,
    ) -> Self {
        Self { frame: Frame::bare(words), token, problem, factors }
    }

    fn made(card: &PasskeyCard) -> Moment {
        Moment(card.made_at)
    }

    fn used(card: &PasskeyCard) -> Option<Moment> {
        card.last_used_at.map(Moment)
    }

    fn left(&self) -> String {
        let left = u64::try_from(self.factors.has.codes).unwrap_or_default();
        self.frame.words.count("security-codes-left", &[("count", left)])
    }
}
