//! The people of a tenant, and who is invited.

use askama::Template;
use claims::Language;
use kernel::{Identity, own};

use super::account::minute;
use crate::pages::part::Frame;
use crate::words::{Words, endonym};
use crate::{Invited, People};

/// A tenant's people.
#[derive(Template)]
#[template(path = "page/people.html")]
pub(crate) struct PeoplePage {
    frame: Frame,
    tenant: String,
    /// Where else whoever looks may go: address and name.
    ways: Vec<(&'static str, String)>,
    token: String,
    people: People,
    /// Whether whoever looks may see and change the roles of each.
    roles: bool,
    invited: Vec<Row>,
    problem: Option<String>,
    done: Option<String>,
}

/// An invitation, as it is shown.
struct Row {
    id: String,
    email: String,
    roles: String,
    until: String,
}

impl PeoplePage {
    /// Shows `people` to `identity`, of their tenant; `token` goes with the forms.
    pub(crate) fn new(
        words: Words,
        identity: &Identity,
        token: String,
        mut people: People,
    ) -> Self {
        let (frame, tenant) = (Frame::bare(words), identity.tenant.to_string());
        let ways = ways(words, identity);
        let row = |one: Invited| Row {
            id: one.id,
            email: one.email,
            roles: one.roles,
            until: minute(one.until),
        };
        let invited = std::mem::take(&mut people.invited).into_iter().map(row).collect();
        let roles = identity.may(own::PEOPLE_ROLES);
        Self { frame, tenant, ways, token, people, roles, invited, problem: None, done: None }
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

    /// The languages of letters, by tag and name; that of the page is first.
    fn languages(&self) -> Vec<(&'static str, &'static str)> {
        let mut all = [Language::English, Language::Indonesian, Language::Arabic];
        all.sort_by_key(|one| one.tag() != self.frame.words.tag());
        all.map(|one| (one.tag(), endonym(one))).to_vec()
    }
}

/// The pages about people that `identity` may open, besides this one.
pub(crate) fn ways(words: Words, identity: &Identity) -> Vec<(&'static str, String)> {
    let supports = identity.may(own::PEOPLE_SUPPORT) || identity.may(own::SUPPORT_ASK);
    let all = [
        (identity.may(own::PEOPLE_ROLES), "/_amanah/people/roles", words.say("roles-title")),
        (identity.may(own::PEOPLE_REVIEW), "/_amanah/people/review", words.say("review-title")),
        (
            identity.may(own::PEOPLE_DIRECTORY),
            "/_amanah/people/directory",
            words.say("directory-title"),
        ),
        (supports, "/_amanah/support", words.say("support-title")),
        (identity.may(own::TRAIL_READ), "/_amanah/trail", words.say("records-title")),
        (
            identity.may(own::PEOPLE_OFFBOARD),
            "/_amanah/people/offboard",
            words.say("leaving-title"),
        ),
    ];
    let open = all.into_iter().filter(|(may, ..)| *may);
    open.map(|(_, address, name)| (address, name)).collect()
}
