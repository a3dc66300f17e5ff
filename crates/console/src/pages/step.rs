//! The second step of a sign-in.

use askama::Template;
use identity::Stage;

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
    app: bool,
    codes: bool,
    passkeys: bool,
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
        let (enrol, app, codes, passkeys) = match stage {
            Stage::Prove(offer) => (false, offer.app, offer.codes, offer.passkeys),
            Stage::Enrol { app } => (true, *app, false, true),
        };
        let (frame, next) = (Frame::bare(words), next.to_owned());
        Self { frame, token, next, problem, enrol, app, codes, passkeys }
    }
}
