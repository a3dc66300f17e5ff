//! Support: what was asked, who was let in, and what they did.

use std::sync::Arc;

use askama::Template;
use jiff::Timestamp;
use kernel::{Identity, Scope, own};

use crate::moment::Moment;
use crate::pages::part::Frame;
use crate::support::{SupportCard, SupportQuestion, SupportStanding, SupportUse};
use crate::words::Words;

/// The questions that somebody may see, and what they can do about them.
#[derive(Template)]
#[template(path = "page/support.html")]
pub(crate) struct SupportPage {
    frame: Frame,
    identity: Arc<Identity>,
    cards: Vec<SupportCard>,
    token: String,
    question: SupportQuestion,
    problem: Option<String>,
}

impl SupportPage {
    /// Shows `cards` to `identity`; `token` goes with every form.
    pub(crate) fn new(
        words: Words,
        identity: Arc<Identity>,
        cards: Vec<SupportCard>,
        token: String,
    ) -> Self {
        let question = SupportQuestion { hours: 1, ..SupportQuestion::default() };
        Self { frame: Frame::bare(words), identity, cards, token, question, problem: None }
    }

    /// The same after something was not done, because of `problem`.
    pub(crate) fn again(mut self, question: Option<SupportQuestion>, problem: String) -> Self {
        self.question = question.unwrap_or(self.question);
        self.problem = Some(problem);
        self
    }

    fn asks(&self) -> bool {
        self.identity.may(own::SUPPORT_ASK) && self.identity.standing.support.is_none()
    }

    fn answers(&self) -> bool {
        self.identity.may(own::PEOPLE_SUPPORT) && self.identity.standing.support.is_none()
    }

    /// Until when whoever looks is inside a tenant as support, and whether they may write there.
    fn inside(&self) -> Option<(Moment, bool)> {
        let support = self.identity.standing.support.as_ref()?;
        Some((Moment(support.until), support.scope == Scope::ReadWrite))
    }

    fn may_enter(&self, card: &SupportCard) -> bool {
        self.asks() && card.standing == SupportStanding::Live && self.is_own(card)
    }

    fn may_approve(&self, card: &SupportCard) -> bool {
        self.answers() && card.standing == SupportStanding::Asked && !self.is_own(card)
    }

    fn may_end(&self, card: &SupportCard) -> bool {
        matches!(card.standing, SupportStanding::Live | SupportStanding::Asked)
            && (self.answers() || self.is_own(card))
    }

    fn is_own(&self, card: &SupportCard) -> bool {
        card.asked_by == self.identity.actor.as_str()
    }

    fn state(&self, card: &SupportCard) -> String {
        state(self.frame.words, card)
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the template hands out references")]
    fn scope(&self, writes: &bool) -> String {
        scope(self.frame.words, *writes)
    }
}

/// What was done under one grant.
#[derive(Template)]
#[template(path = "page/support_uses.html")]
pub(crate) struct SupportUsesPage {
    frame: Frame,
    uses: Vec<SupportUse>,
    /// Whether whoever looks may see what each request changed.
    trail: bool,
}

impl SupportUsesPage {
    /// Shows `uses` to `identity`, the newest first.
    pub(crate) fn new(words: Words, identity: &Identity, uses: Vec<SupportUse>) -> Self {
        let trail = identity.may(own::TRAIL_READ) && identity.standing.support.is_none();
        Self { frame: Frame::bare(words), uses, trail }
    }
}

/// Some moment, however many references a template has put before it.
pub(crate) trait At {
    fn at(&self) -> Timestamp;
}

impl At for Timestamp {
    fn at(&self) -> Timestamp {
        *self
    }
}

impl<T: At> At for &T {
    fn at(&self) -> Timestamp {
        (**self).at()
    }
}

pub(crate) fn moment(at: impl At) -> Moment {
    Moment(at.at())
}

fn scope(words: Words, writes: bool) -> String {
    if writes { words.say("support-scope-rw") } else { words.say("support-scope-ro") }
}

fn state(words: Words, card: &SupportCard) -> String {
    match card.standing {
        SupportStanding::Asked => words.say("support-asked"),
        SupportStanding::Lapsed => words.say("support-lapsed"),
        SupportStanding::Denied => words.say("support-denied"),
        SupportStanding::Live => words.say("support-live"),
        SupportStanding::Ended => words.say("support-ended"),
        SupportStanding::Over => words.say("support-over"),
    }
}
