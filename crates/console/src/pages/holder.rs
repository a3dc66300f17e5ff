//! One person of a tenant: which roles they have and had, and the forms that give and take.

use askama::Template;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use kernel::Identity;

use super::account::minute;
use crate::pages::part::Frame;
use crate::role_desk::{HeldRole, PastRole, RoleHolder};
use crate::words::Words;
use crate::{Person, cookie};

/// Somebody's roles.
#[derive(Template)]
#[template(path = "page/holder.html")]
pub(crate) struct HolderPage {
    frame: Frame,
    token: String,
    person: Person,
    own: bool,
    held: Vec<Row>,
    over: Vec<Past>,
    /// The roles that may be given and that they do not have, by name and title.
    offers: Vec<(String, String)>,
    /// The way to prove who one is, where that was too long ago.
    confirm: Option<String>,
    /// Today, in UTC.
    today: String,
    draft: Draft,
    problem: Option<String>,
    more: Option<String>,
    done: Option<String>,
}

/// A role that they have, as it is shown.
struct Row {
    role: String,
    by: String,
    at: String,
    reason: String,
    until: Option<String>,
    takable: bool,
}

/// A role that they had, likewise.
struct Past {
    role: String,
    by: String,
    at: String,
    ended: String,
    ended_by: Option<String>,
    reason: Option<String>,
}

/// What somebody wrote into the form that gives.
#[derive(Default)]
pub(crate) struct Draft {
    /// The role's name.
    pub(crate) role: String,
    /// Why.
    pub(crate) reason: String,
    /// The last day.
    pub(crate) last: String,
}

impl HolderPage {
    /// Shows `holder` to `who`, `now`. The token goes with the forms; the page is at `here`.
    pub(crate) fn new(
        words: Words,
        (token, here): (String, String),
        holder: RoleHolder,
        (who, now): (&Identity, Timestamp),
    ) -> Self {
        let confirm = (!who.is_recent(now))
            .then(|| format!("/_amanah/account/confirm?next={}", cookie::escaped(&here)));
        let RoleHolder { person, own, held, over, givable } = holder;
        let offered = |(name, _): &(String, String)| !held.iter().any(|held| held.role == *name);
        let offers = givable.into_iter().filter(offered).collect();
        Self {
            frame: Frame::bare(words),
            token,
            person,
            own,
            held: held.into_iter().map(row).collect(),
            over: over.into_iter().map(past).collect(),
            offers,
            confirm,
            today: now.to_zoned(TimeZone::UTC).date().to_string(),
            draft: Draft::default(),
            problem: None,
            more: None,
            done: None,
        }
    }

    /// The same page with what was written.
    pub(crate) fn drafted(mut self, draft: Draft) -> Self {
        self.draft = draft;
        self
    }

    /// The same page after something was not done, because of `problem`, which is about `more`.
    pub(crate) fn again(mut self, problem: String, more: Option<String>) -> Self {
        (self.problem, self.more) = (Some(problem), more);
        self
    }

    /// The same page after something was done.
    pub(crate) fn done(mut self, done: String) -> Self {
        self.done = Some(done);
        self
    }

    /// Whether anything can be given.
    fn gives(&self) -> bool {
        !self.own && !self.person.closed && !self.offers.is_empty()
    }

    /// Whether anything can be taken.
    fn takes(&self) -> bool {
        !self.own && self.held.iter().any(|held| held.takable)
    }

    /// Whether this role was chosen in the form that gives.
    fn chosen(&self, name: &str) -> bool {
        self.draft.role == name
    }
}

fn row(one: HeldRole) -> Row {
    Row {
        role: one.role,
        by: one.by,
        at: minute(one.at),
        reason: one.reason,
        until: one.until.map(minute),
        takable: one.takable,
    }
}

fn past(one: PastRole) -> Past {
    Past {
        role: one.role,
        by: one.by,
        at: minute(one.at),
        ended: minute(one.ended),
        ended_by: one.ended_by,
        reason: one.reason,
    }
}
