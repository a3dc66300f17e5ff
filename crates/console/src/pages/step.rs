//! The second step of a sign-in.

use askama::Template;
use identity::{Offer, Stage};

use crate::pages::part::Frame;
use crate::words::Words;

/// What is asked for, or what can be set up.
#[derive(Template)]
#[template(path = "page/step.html")]
pub(crate) struct StepPage {
    frame: Frame,
    token: String,
    next: String,
    problem: Option<String>,
    /// Whether a factor has to be set up first.
    enrol: bool,
    offer: Offer,
}

impl StepPage {
    /// The page of a sign-in at `stage`, which returns to `next`.
    pub(crate) fn new(
        words: Words,
        token: String,
        next: &str,
        stage: &Stage,
        problem: Option<String>,
    ) -> Self {
        let (enrol, offer) = match stage {
            Stage::Prove(offer) => (false, *offer),
            Stage::Enrol { app } => (true, Offer { app: *app, codes: false, passkeys: true }),
        };
        let (frame, next) = (Frame::bare(words), next.to_owned());
        Self { frame, token, next, problem, enrol, offer }
    }
}
